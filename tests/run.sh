#!/bin/sh
# Runs every unit test and every CLI test of one build directory: tests/run.sh BUILD [name...]
# Ends with one line "N passed, N failed". Each CLI test gets a scratch directory of its own.
set -u
build=$(cd "$1" && pwd) || exit 2
shift
top=$(cd "$(dirname "$0")/.." && pwd)
export PATH="$build/bin:$PATH" CRUCIBLE_TOP="$top" CRUCIBLE_BUILD="$build" LC_ALL=C.UTF-8
export CMOCKA_MESSAGE_OUTPUT=STDOUT OMP_NUM_THREADS="${OMP_NUM_THREADS:-2}" OPENBLAS_NUM_THREADS=1 GOMP_SPINCOUNT=2000
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT INT TERM
passed=0 failed=0

wanted() { # name, patterns...
    name=$1; shift
    [ $# -eq 0 ] && return 0
    for pattern in "$@"; do case $name in *$pattern*) return 0;; esac; done
    return 1
}

for test in "$build"/tests/unit/*_test; do
    [ -x "$test" ] || continue
    name=$(basename "$test")
    wanted "$name" "$@" || continue
    (cd "$top" && TMPDIR="$scratch" exec "$test") >"$scratch/out" 2>&1
    code=$?
    ok=$(grep -c '^\[       OK \]' "$scratch/out")
    bad=$(grep -c '^\[  FAILED  \] [a-zA-Z_]' "$scratch/out")
    [ $code -ne 0 ] && [ "$bad" -eq 0 ] && bad=1
    [ $code -eq 0 ] && bad=0
    [ $code -eq 0 ] && [ "$ok" -eq 0 ] && bad=1   # a program that ran nothing has not passed
    passed=$((passed + ok)) failed=$((failed + bad))
    echo "$name: $ok passed, $bad failed"
    [ "$bad" -gt 0 ] && tail -n 40 "$scratch/out"
done

for test in "$top"/tests/cli/*.sh; do
    name=cli/$(basename "$test" .sh)
    case $name in cli/lib*) continue;; esac
    wanted "$name" "$@" || continue
    mkdir -p "$scratch/work"
    (cd "$scratch/work" && exec sh -eu "$test") >"$scratch/out" 2>&1
    code=$?
    if [ $code -eq 0 ]; then
        passed=$((passed + 1))
        echo "$name: passed"
    else
        failed=$((failed + 1))
        echo "$name: FAILED ($code)"
        tail -n 40 "$scratch/out"
    fi
    rm -rf "$scratch/work"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
