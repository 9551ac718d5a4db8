#!/bin/sh
# The arrows between rooms (CONTRIBUTING.md), from the #include lines: tests/arrows.sh
set -u
cd "$(dirname "$0")/.." || exit 2
bad=0
may() { # room, allowed rooms...
    room=$1; shift
    for file in "$room"/*.c "$room"/*.cc "$room"/*.h "$room"/*.cu; do
        [ -f "$file" ] || continue
        for used in $(sed -n 's/^#include "\([^"]*\)\/[^"\/]*".*/\1/p' "$file" | sort -u); do
            case " $room $* " in *" $used "*) ;; *) echo "$file: includes from $used, which $room may not use"; bad=1;; esac
        done
    done
}
may crucible/base
may crucible/doc crucible/base
for room in read filter dedup select; do may crucible/$room crucible/base crucible/doc; done
may ddm crucible/base
may tokenizer crucible/base
may shards crucible/base
may crucible/stage crucible/base crucible/doc crucible/read crucible/filter crucible/dedup crucible/select ddm tokenizer shards
may crucible/build crucible/base crucible/doc crucible/read crucible/stage ddm tokenizer shards
may cmd/train crucible/base shards
# (html_text.c replaces __assert_fail, which for everybody else stays what it was.)
# The library neither prints nor exits (text_for_humans goes through buffers); threads start in one file.
grep -nE '(^|[^a-z_])(printf|puts|perror|exit|abort)\(|fprintf\(std(err|out)' $(git ls-files 'crucible/*.c' 'crucible/*.cc' 'ddm/*.c' 'tokenizer/*.c' 'tokenizer/*.cc' 'shards/*.c' | grep -v -e '_main\.c$' -e html_text\.c) && { echo "the library prints or exits"; bad=1; }
grep -nE '#pragma omp parallel|pthread_create' $(git ls-files '*.c' '*.cc' | grep -v -e crucible/base/parallel.c -e tests/) && { echo "threads start outside crucible/base/parallel.c"; bad=1; }
# Banned names, also where the poison does not reach.
grep -nE '(^|[^a-zA-Z_])(strcpy|strcat|strncpy|strncat|sprintf|vsprintf|strtok|gets|atoi|atol|atof)\(' $(git ls-files '*.c' '*.cc' '*.h' '*.cu') && { echo "banned functions"; bad=1; }
# File names are unique.
names=$(git ls-files '*.c' '*.h' '*.cc' '*.cu' | grep -v '^cmd/[a-z]*\.c$' | sed 's|.*/||' | sort | uniq -d)
[ -z "$names" ] || { echo "file names that stand twice: $names"; bad=1; }
exit $bad
