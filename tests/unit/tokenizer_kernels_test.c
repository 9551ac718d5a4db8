/* SPDX-License-Identifier: Apache-2.0 */
/* Every kernel of byte_masks.h against the classes by their definition, and the tables of marks
 * against Unicode's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/base/hash.h"
#include "tokenizer/normalise.h"

enum { BLOCKS = 64 };

static struct cru_classes classes;

/* Characters of one to four bytes, as many of each. */
static void random_utf8(struct cru_random *r, unsigned char *p, size_t n) {
    for (size_t at = 0; at < n;) {
        uint32_t c = (uint32_t)(cru_random_next(r) >> 16);
        switch (cru_random_next(r) % 4) {
        case 0:
            c &= 0x7F;
            break;
        case 1:
            c = 0x80 + c % 0x780;
            break;
        case 2:
            c = 0x800 + c % 0xD000;
            break;
        default:
            c = 0x10000 + c % 0x100000;
            break;
        }
        size_t bytes = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        if (bytes > n - at) c = 'x', bytes = 1;
        static const unsigned char lead[5] = {0, 0, 0xC0, 0xE0, 0xF0};
        for (size_t i = bytes; i-- > 1; c >>= 6) p[at + i] = (unsigned char)(0x80 | (c & 63));
        p[at] = (unsigned char)(lead[bytes] | c);
        at += bytes;
    }
}

/* ---------------------------------------------------------------------------------- kernels */

/* The classes by their definition (byte_masks.h), a byte at a time. */
static struct cru_byte_masks classes_of(const unsigned char *p) {
    struct cru_byte_masks m = {0};
    for (unsigned i = 0; i < 64; i++) {
        unsigned char c = p[i];
        uint64_t bit = (uint64_t)1 << i;
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) m.letter |= bit;
        if (c >= '0' && c <= '9') m.digit |= bit;
        if (c == ' ') m.space |= bit;
        if (c == '\t' || c == '\v' || c == '\f') m.blank |= bit;
        if (c == '\n' || c == '\r') m.newline |= bit;
        if (c == '\'') m.quote |= bit;
        if (c >= 0xC0) m.lead |= bit;
        if (c >= 0x80 && c < 0xC0) m.follow |= bit;
    }
    return m;
}

static void expect_masks(const struct cru_mask_kernels *k, const unsigned char *p, size_t blocks) {
    static struct cru_byte_masks got[BLOCKS + 1];
    uint64_t leads[BLOCKS + 1];
    memset(got, 0xA5, sizeof got);
    memset(leads, 0xA5, sizeof leads);
    k->byte_masks(p, blocks, got);
    k->mark_leads(p, blocks, leads);
    for (size_t b = 0; b < blocks; b++) {
        struct cru_byte_masks want = classes_of(p + 64 * b);
        uint64_t rows = 0;
        assert_memory_equal(&got[b], &want, sizeof want);
        for (unsigned i = 0; i < 64; i++)
            if (p[64 * b + i] >= 0xC0)
                rows |= (uint64_t)(cru_mark_seconds[p[64 * b + i] - 0xC0] != 0) << i;
        assert_int_equal(leads[b], rows);
    }
    assert_int_equal(leads[blocks], 0xA5A5A5A5A5A5A5A5u); /* and no more */
    assert_int_equal(got[blocks].letter, 0xA5A5A5A5A5A5A5A5u);
}

static void every_kernel_gives_every_class(void **state) {
    (void)state;
    unsigned char p[64 * BLOCKS + 64];
    struct cru_random r = {1};
    for (int path = 0; path < CRU_MASKS_PATHS; path++) {
        const struct cru_mask_kernels *k = cru_mask_kernels_of((enum cru_masks_path)path);
        if (!k) continue;
        for (unsigned shift = 0; shift < 256; shift++) { /* every byte at every place */
            for (unsigned i = 0; i < 256; i++) p[i] = (unsigned char)(i + shift);
            expect_masks(k, p, 4);
        }
        for (int i = 0; i < 200; i++) {
            size_t blocks = 1 + cru_random_next(&r) % BLOCKS, skew = cru_random_next(&r) % 64;
            if (i % 2)
                for (size_t j = 0; j < sizeof p; j++) p[j] = (unsigned char)cru_random_next(&r);
            else
                random_utf8(&r, p, sizeof p);
            expect_masks(k, p + skew, (skew + 64 * blocks) <= sizeof p ? blocks : blocks - 1);
        }
    }
}

static void every_kernel_finds_positions(void **state) {
    (void)state;
    enum { MOST = BLOCKS + 1 };
    static uint16_t got[64 * MOST + CRU_POSITIONS_SLACK + 1], want[64 * MOST];
    uint64_t words[MOST];
    struct cru_random r = {2};
    for (int path = 0; path < CRU_MASKS_PATHS; path++) {
        const struct cru_mask_kernels *k = cru_mask_kernels_of((enum cru_masks_path)path);
        if (!k) continue;
        for (size_t n = 1; n <= MOST; n++) {
            for (int density = 0; density < 8; density++) {
                size_t wanted = 0;
                for (size_t i = 0; i < n; i++) {
                    uint64_t x = cru_random_next(&r), y = cru_random_next(&r),
                             z = cru_random_next(&r);
                    const uint64_t by[] = {0,     x & y & z, x & y,      x,
                                           x | y, x | y | z, UINT64_MAX, x % 3 ? 0 : UINT64_MAX};
                    words[i] = by[density];
                    for (unsigned b = 0; b < 64; b++)
                        if (words[i] >> b & 1) want[wanted++] = (uint16_t)(64 * i + b);
                }
                uint16_t *guard = got + wanted + CRU_POSITIONS_SLACK;
                *guard = 0xBEEF;
                assert_int_equal(k->positions(words, n, got), wanted);
                assert_memory_equal(got, want, wanted * sizeof *want);
                assert_int_equal(*guard, 0xBEEF);
            }
        }
    }
}

static void kernels_are_chosen_by_name(void **state) {
    (void)state;
    const char *before = getenv("CRUCIBLE_SIMD");
    char *kept = before ? strdup(before) : NULL;
    unsetenv("CRUCIBLE_SIMD");
    const struct cru_mask_kernels *best = cru_mask_kernels_best();
    assert_non_null(cru_mask_kernels_of(CRU_MASKS_PLAIN));
    for (int path = 0; path < CRU_MASKS_PATHS; path++) {
        const struct cru_mask_kernels *k = cru_mask_kernels_of((enum cru_masks_path)path);
        if (!k) continue;
        setenv("CRUCIBLE_SIMD", k->name, 1);
        assert_ptr_equal(cru_mask_kernels_best(), k);
    }
    setenv("CRUCIBLE_SIMD", "abacus", 1);
    assert_ptr_equal(cru_mask_kernels_best(), best);
    unsetenv("CRUCIBLE_SIMD");
    if (kept) setenv("CRUCIBLE_SIMD", kept, 1);
    free(kept);
}

/* ------------------------------------------------------------------------------ normal form */

static void mark_seconds_are_those_of_unicode(void **state) {
    (void)state;
    uint64_t want[64] = {0};
    for (uint32_t c = 0; c < 0x110000; c++) {
        if (!(cru_class_of(&classes, c) & CRU_NFC_BITS)) continue;
        assert_true(c >= 0x80);
        unsigned lead = c < 0x800 ? 0xC0 | c >> 6 : c < 0x10000 ? 0xE0 | c >> 12 : 0xF0 | c >> 18;
        unsigned second = c < 0x800 ? c & 63 : c < 0x10000 ? c >> 6 & 63 : c >> 12 & 63;
        want[lead - 0xC0] |= (uint64_t)1 << second;
    }
    assert_memory_equal(cru_mark_seconds, want, sizeof want);
}

/* A pair that composes, at every place around the borders of blocks and of the normaliser's
 * stretches. */
static void marks_are_seen_at_every_place(void **state) {
    (void)state;
    static char p[9000];
    struct cru_error err;
    for (int path = 0; path < CRU_MASKS_PATHS; path++) {
        const struct cru_mask_kernels *k = cru_mask_kernels_of((enum cru_masks_path)path);
        struct cru_normaliser normaliser;
        if (!k) continue;
        cru_normaliser_init(&normaliser);
        normaliser.mark_leads = k->mark_leads;
        for (size_t before = 0; before < 8400; before += before == 200    ? 3800
                                                         : before == 4300 ? 3800
                                                                          : 1) {
            for (size_t behind = 0; behind < 200; behind += 66) {
                struct cru_span got;
                size_t n = before;
                memset(p, 'x', before);
                if (before >= 3) memcpy(p + n - 3, "\u20AC", 3); /* its lead is a suspect, too */
                memcpy(p + n, "e\xCC\x81", 3);
                memset(p + n + 3, 'y', behind);
                n += 3 + behind;
                assert_int_equal(
                    cru_normalise(&normaliser, &classes, cru_span_make(p, n), &got, &err), CRU_OK);
                assert_int_equal(got.n, n - 1);
                assert_memory_equal(got.p, p, before);
                assert_memory_equal(got.p + before, "\xC3\xA9", 2);
                assert_memory_equal(got.p + before + 2, p + before + 3, behind);
            }
        }
        cru_normaliser_release(&normaliser);
    }
}

/* What three_bytes.h takes for letters without asking the table. */
static void letter_ranges_are_letters(void **state) {
    (void)state;
    size_t letters = 0;
    for (int i = 0; i < CRU_LETTER_RANGES; i++)
        for (uint32_t c = cru_letter_ranges[i][0]; c <= cru_letter_ranges[i][1]; c++, letters++)
            assert_int_equal(cru_class_of(&classes, c) & (CRU_LETTER | CRU_NUMBER | CRU_SPACE),
                             CRU_LETTER);
    assert_in_range(letters, 20000, 65536);
}

static int begin(void **state) {
    (void)state;
    return cru_classes_init(&classes) ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_gives_every_class),
        cmocka_unit_test(every_kernel_finds_positions),
        cmocka_unit_test(kernels_are_chosen_by_name),
        cmocka_unit_test(mark_seconds_are_those_of_unicode),
        cmocka_unit_test(marks_are_seen_at_every_place),
        cmocka_unit_test(letter_ranges_are_letters),
    };
    return cmocka_run_group_tests_name("tokenizer kernels", tests, begin, NULL);
}
