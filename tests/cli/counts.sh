# tokenize --count: a row a source whatever its name, and many sources.
. "$CRUCIBLE_TOP/tests/cli/lib.sh"
for i in $(seq 300); do printf '{"text":"a b","crucible":{"source":"s%d"}}\n{"text":"c","crucible":{"source":"s%d"}}\n' "$i" "$i"; done >in.jsonl
printf '{"text":"d","crucible":{"source":"tab\\tnl\\n"}}\n{"text":"e","crucible":{"source":"total"}}\n{"text":"f"}\n' >>in.jsonl
crucible tokenize -q --count in.jsonl >counts.tsv
[ "$(lines counts.tsv)" -eq 305 ] || fail "$(lines counts.tsv) lines, not a header, 303 sources and the total"
[ "$(grep -c '^s[0-9]*	2	3	4	1.333$' counts.tsv)" -eq 300 ] || fail "a source was counted wrong"
has counts.tsv '^"tab\\tnl\\n"	1	1	1	1.000$'
has counts.tsv '^-	1	1	1	1.000$'
[ "$(tail -n 1 counts.tsv)" = "total	603	903	1203	1.332" ] || fail "the total is wrong: $(tail -n 1 counts.tsv)"
