/* SPDX-License-Identifier: Apache-2.0 */
/* shards/FORMAT.md shows a real set byte by byte. This makes that set and compares. When the format
 * changes, the message holds what the page must show. Run from the root of the tree. */
#include "tests/unit/shards_fixture.h"

/* As `hexdump -C`: 16 bytes a line, runs of equal lines as one "*", the length at the end. */
static void dump(const unsigned char *p, size_t n, struct cru_buffer *out) {
    bool star = false;
    for (size_t at = 0; at < n; at += 16) {
        size_t take = n - at < 16 ? n - at : 16;
        if (at >= 16 && take == 16 && memcmp(p + at, p + at - 16, 16) == 0) {
            if (!star) cru_buffer_add_string(out, "*\n");
            star = true;
            continue;
        }
        star = false;
        cru_buffer_printf(out, "%08zx ", at);
        for (size_t i = 0; i < 16; i++) {
            if (i < take)
                cru_buffer_printf(out, "%s%02x", i == 8 ? "  " : " ", p[at + i]);
            else
                cru_buffer_add_string(out, i == 8 ? "    " : "   ");
        }
        cru_buffer_add_string(out, "  |");
        for (size_t i = 0; i < take; i++) {
            unsigned char c = p[at + i];
            cru_buffer_add_char(out, c >= 0x20 && c < 0x7F ? (char)c : '.');
        }
        cru_buffer_add_string(out, "|\n");
    }
    cru_buffer_printf(out, "%08zx\n", n);
}

static bool is_shown(const char *page, const char *text) {
    if (strstr(page, text)) return true;
    (void)fprintf(stderr, "shards/FORMAT.md does not show:\n%s", text); /* fail_msg would cut it */
    return false;
}

static void test_worked_example(void **state) {
    (void)state;
    struct cru_error err;
    struct cru_shard_writer *w;
    struct cru_shard_params p = {.tokenizer_hash = 0x1122334455667788,
                                 .tokenizer_name = "tiny",
                                 .vocab_size = 300,
                                 .bag = 4,
                                 .pad_id = 299,
                                 .end_id = 298};
    const uint32_t first[] = {72, 101, 108, 108, 111}, second[] = {7, 259};
    uint32_t lengths[300] = {0};
    for (size_t id = 0; id < 298; id++) lengths[id] = id < 256 ? 1 : 2;
    struct cru_shard_doc a = {.source = CRU_SPAN("web"),
                              .bin = 2,
                              .weight = 1.25f,
                              .id_hash = cru_hash128("a", 1, 0),
                              .text_bytes = 5};
    struct cru_shard_doc b = {.source = CRU_SPAN("code"),
                              .bin = CRU_SHARD_NO_BIN,
                              .weight = 1,
                              .id_hash = cru_hash128("b", 1, 0),
                              .text_bytes = 3};
    expect_ok(cru_shard_writer_open(in_scratch("example"), &p, &w, &err), &err);
    expect_ok(cru_shard_writer_add(w, first, 5, &a, &err), &err);
    expect_ok(cru_shard_writer_add(w, second, 2, &b, &err), &err);
    expect_ok(cru_shard_writer_token_bytes(w, lengths, &err), &err);
    expect_ok(cru_shard_writer_close(w, &err), &err);

    size_t n;
    char *page = (char *)slurp("shards/FORMAT.md", &n);
    bool shown = true;
    static const char *const binary[] = {"example/00000.crs", "example/vocab.used"};
    for (size_t i = 0; i < 2; i++) {
        unsigned char *bytes = slurp(in_scratch(binary[i]), &n);
        struct cru_buffer text;
        cru_buffer_init(&text);
        dump(bytes, n, &text);
        shown &= is_shown(page, text.p);
        cru_buffer_release(&text);
        free(bytes);
    }
    char *manifest = (char *)slurp(in_scratch("example/manifest.json"), &n);
    shown &= is_shown(page, manifest);
    free(manifest);
    free(page);
    assert_true(shown);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_worked_example)};
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
