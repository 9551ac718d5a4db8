# Piped = fused, -j1 = -j2, byte for byte, on real input.
. "$CRUCIBLE_TOP/tests/cli/lib.sh"
. "$CRUCIBLE_TOP/tests/cli/lib_real_input.sh"
crucible build -q -j2 recipe.yaml --work w2
crucible build -q -j1 recipe.yaml --work w1
diff -r w1/shards w2/shards || fail "-j1 and -j2 differ"
piped 2 p2
diff -r w2/shards p2 || fail "piped and fused differ"
piped 1 p1
diff -r p1 p2 || fail "piped at -j1 and -j2 differ"
crucible shard verify w2/shards || fail "verify"
crucible shard info w2/shards >info.txt
has info.txt qwen3
# A second build does nothing; another seed gives other shards.
crucible build recipe.yaml --work w2 >/dev/null 2>again.txt
[ "$(grep -c 'done before' again.txt)" -ge 7 ] || { cat again.txt; fail "a finished build ran again"; }
crucible build -q recipe.yaml --work w3 --set seed=8
diff -rq w2/shards w3/shards >/dev/null && fail "the seed changes nothing"
# Wrong recipes name the line and the nearest key.
sed 's/minhash/minhsh/' recipe.yaml >wrong.yaml
expect_exit 64 crucible build --check wrong.yaml
has stderr "line 20"
has stderr "did you mean 'minhash'"
sed 's/budget: 250/budget: many/' recipe.yaml >wrong.yaml
expect_exit 64 crucible build --check wrong.yaml
has stderr "'many' is not a whole number"
crucible build --check recipe.yaml >/dev/null
