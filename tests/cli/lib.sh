# Helpers of the CLI tests; each test starts with: . "$CRUCIBLE_TOP/tests/cli/lib.sh"
fail() { echo "FAILED: $*" >&2; exit 1; }
# expect_exit CODE COMMAND...: standard error lands in ./stderr
expect_exit() {
    want=$1; shift
    set +e; "$@" 2>stderr; got=$?; set -e
    [ "$got" -eq "$want" ] || { cat stderr >&2; fail "exit $got, not $want: $*"; }
}
same() { cmp "$1" "$2" >&2 || fail "$1 and $2 differ"; }
has() { grep -q -- "$2" "$1" || { cat "$1" >&2; fail "'$2' is not in $1"; }; }
lines() { wc -l <"$1" | tr -d ' '; }
