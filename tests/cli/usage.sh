# Every program that `crucible help` lists answers -h with its own name and summary, has a man page whose
# options are those of -h, refuses unknown options with 64, and prints help on standard output only.
. "$CRUCIBLE_TOP/tests/cli/lib.sh"
crucible help >help.txt
expect_exit 64 crucible
expect_exit 64 crucible nosuchstage
has stderr "unknown stage"
expect_exit 64 crucible dedupp
has stderr "did you mean 'dedup'"
crucible --version >version.txt
has version.txt "^commit:"
has version.txt "^CUDA:"
sed -n 's/^  \([a-z][a-z]*\)  *\(.*\)$/\1 \2/p' help.txt >stages.txt
[ "$(lines stages.txt)" -ge 12 ] || fail "help lists too few stages"
while read -r stage summary; do
    crucible "$stage" -h >h.txt 2>h.err || fail "$stage -h"
    [ -s h.err ] && fail "$stage -h writes to standard error"
    has h.txt "^Usage: crucible $stage"
    grep -qxF "$summary" h.txt || fail "$stage: the summary in 'crucible help' and in -h differ: $summary"
    expect_exit 64 crucible "$stage" --no-such-option-at-all
    has stderr "^crucible $stage: unknown option"
    page=$CRUCIBLE_BUILD/share/man/man1/crucible-$stage.1
    [ -s "$page" ] || fail "$stage has no man page"
    for section in NAME SYNOPSIS DESCRIPTION OPTIONS EXAMPLES "EXIT STATUS" "SEE ALSO"; do
        grep -q "^.SH \"*$section" "$page" || fail "$stage: no section $section in the man page"
    done
    for word in $(crucible "$stage" --words); do
        name=$(echo "$word" | sed 's/^--*//; s/=$//; s/-/\\\\-/g')
        grep -q -- "-$name" "$page" || fail "$stage: option $word is not in the man page"
    done
done <stages.txt
for program in "$CRUCIBLE_BUILD"/bin/crucible-*; do
    name=${program##*/crucible-}
    grep -q "^$name " stages.txt || fail "$name is not in 'crucible help'"
done
for recipe in "$CRUCIBLE_TOP"/recipes/*.yaml; do
    crucible build --check "$recipe" >/dev/null || fail "$recipe"
done
