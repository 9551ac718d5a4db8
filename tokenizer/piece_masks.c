/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "tokenizer/piece_masks.h"
#include "tokenizer/pretoken.h"

/* Into each of the versions of cru_piece_masks_find below, for its instruction set. */
#define INLINE static inline __attribute__((always_inline))

/* The last byte of a block, as the byte before the next one: each 0 or 1. */
struct carry {
    uint64_t letter, digit, other, space, newline, white, opener, glued, fresh;
    uint64_t run;        /* where the run of blanks that reaches the block's end begins ... */
    bool run_after_line; /* ... and whether that is a bound because of a newline before it */
    uint32_t digits;     /* digits in a row so far */
};

INLINE uint64_t before(uint64_t bits, uint64_t carried) { return bits << 1 | carried; }

INLINE unsigned first_bit(uint64_t bits) { return (unsigned)__builtin_ctzll(bits); }
INLINE unsigned last_bit(uint64_t bits) { return 63 - (unsigned)__builtin_clzll(bits); }

/* What is known of the character before: its code point, if it has three bytes, and where it ends. */
struct previous {
    uint32_t three;
    size_t end;
};

enum { MANY = 6 }; /* characters in a block that are quicker looked at together */

INLINE unsigned bytes_of(unsigned char lead) { return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4; }

/* class_characters for a block with many of them, most of three bytes. */
static void class_many(const struct cru_piece_rules *rules, struct cru_piece_masks *w,
                       const unsigned char *p, size_t k, size_t n, struct previous *previous) {
    const unsigned char *block = p + k * 64;
    struct cru_byte_masks *m = &w->masks[k], *next = &w->masks[k + 1];
    uint64_t leads = m->lead;
    unsigned last = last_bit(leads);
    if (k * 64 + last + bytes_of(block[last]) > n) { /* cut off by the window's end */
        leads ^= (uint64_t)1 << last;
        last = last_bit(leads);
    }
    struct cru_three_bytes three =
        rules->kernels->three_bytes(block, leads, rules->joins, previous->three);
    uint64_t beside = three.leads << 3, letters = three.letters;
    if (previous->three && previous->end >= k * 64) beside |= (uint64_t)1 << (previous->end & 63);
    w->cuts[k] = three.cuts & beside;
    m->letter |= letters | letters << 1 | letters << 2;
    next->letter |= letters >> 62 | letters >> 63;
    previous->three = three.leads >> last & 1 ? three.last : 0;
    previous->end = k * 64 + last + bytes_of(block[last]);
    for (uint64_t others = leads & ~letters; others; others &= others - 1) {
        unsigned i = first_bit(others), length;
        unsigned class = cru_class_of(rules->classes, cru_code_point(block + i, &length));
        uint64_t all = ((uint64_t)1 << length) - 1, here = all << i;
        uint64_t there = i + length > 64 ? all >> (64 - i) : 0;
        if (class & CRU_LETTER) m->letter |= here, next->letter |= there;
        if (class & CRU_NUMBER) m->digit |= here, next->digit |= there;
        if (class & CRU_SPACE) m->blank |= here, next->blank |= there;
    }
}

/* Adds the characters beyond ASCII that begin in block k to its masks, and the cuts between them. Only
 * the last of them can reach into the next block. Few branches: characters follow no pattern. */
INLINE void class_characters(const struct cru_piece_rules *rules, struct cru_piece_masks *w,
                             const unsigned char *p, size_t k, size_t n, struct previous *previous) {
    uint64_t letter = 0, digit = 0, blank = 0, cuts = 0, bits = 0;
    uint32_t three = previous->three;
    size_t end = previous->end;
    unsigned class = 0, i = 0, length = 1;
    uint64_t leads = w->masks[k].lead;
    if (rules->kernels->three_bytes && __builtin_popcountll(leads) >= MANY &&
        2 * __builtin_popcountll(w->masks[k].follow) >= 3 * __builtin_popcountll(leads)) {
        class_many(rules, w, p, k, n, previous);
        return;
    }
    for (; leads; leads &= leads - 1) {
        i = first_bit(leads);
        size_t at = k * 64 + i;
        const unsigned char *q = p + at;
        uint32_t c;
        if ((*q & 0xF0) == 0xE0) {
            length = 3;
            if (at + 3 > n) break; /* cut off by the window's end */
            c = (uint32_t)(q[0] & 15) << 12 | (uint32_t)(q[1] & 63) << 6 | (q[2] & 63);
            uint64_t beside = (end == at) & (three != 0);
            if (rules->joins) cuts |= (beside & !cru_joins_may(rules->joins, three, c, *q)) << i;
            three = c;
        } else {
            length = *q < 0xE0 ? 2 : 4;
            if (at + length > n) break;
            c = cru_code_point(q, &length);
            three = 0;
        }
        end = at + length;
        class = cru_class_of(rules->classes, c);
        bits = (((uint64_t)1 << length) - 1) << i;
        letter |= bits & -(uint64_t)(class / CRU_LETTER & 1);
        digit |= bits & -(uint64_t)(class / CRU_NUMBER & 1);
        blank |= bits & -(uint64_t)(class / CRU_SPACE & 1);
    }
    previous->three = three;
    previous->end = end;
    w->masks[k].letter |= letter;
    w->masks[k].digit |= digit;
    w->masks[k].blank |= blank;
    w->cuts[k] = cuts;
    if (end <= k * 64 + 64) return;
    struct cru_byte_masks *next = &w->masks[k + 1];
    bits = ((uint64_t)1 << (end - k * 64 - 64)) - 1;
    next->letter |= class & CRU_LETTER ? bits : 0;
    next->digit |= class & CRU_NUMBER ? bits : 0;
    next->blank |= class & CRU_SPACE ? bits : 0;
}

/* The contraction at a quote takes the letters behind it from the piece they would begin: "'tis" is 't is. */
static void bound_contractions(struct cru_piece_masks *w, const unsigned char *p, size_t n,
                               size_t k, uint64_t quotes) {
    for (; quotes; quotes &= quotes - 1) {
        const unsigned char *from = p + k * 64 + first_bit(quotes);
        const unsigned char *to = cru_contraction(from, p + n, true);
        size_t at = to ? (size_t)(to - p) : n;
        if (at < n && (w->masks[at >> 6].letter >> (at & 63) & 1))
            w->bounds[at >> 6] |= (uint64_t)1 << (at & 63);
    }
}

/* Every digits-th digit of a row begins a piece. */
static uint64_t bound_digits(const struct cru_byte_masks *m, uint32_t digits, struct carry *c) {
    uint64_t bounds = 0, from = m->digit & ~m->follow;
    uint64_t row = ~before(m->digit, c->digit); /* where a digit is the first of a row */
    for (; from; from &= from - 1) {
        unsigned i = first_bit(from);
        if (row >> i & 1) c->digits = 0;
        if (c->digits++ % digits == 0) bounds |= (uint64_t)1 << i;
    }
    return bounds;
}

/* Blanks between newlines belong to the piece of the newlines before them: takes the bounds there back. */
static void unbound_blank_lines(struct cru_piece_masks *w, size_t k, uint64_t ends, uint64_t blanks,
                                uint64_t after_line, const struct carry *c) {
    for (; ends; ends &= ends - 1) {
        unsigned end = first_bit(ends);
        uint64_t others = ~blanks & (((uint64_t)1 << end) - 1);
        if (others || !c->white || c->newline) {
            unsigned start = others ? last_bit(others) + 1 : 0;
            w->bounds[k] &= ~(after_line & (uint64_t)1 << start);
        } else if (c->run_after_line) {
            w->bounds[c->run >> 6] &= ~((uint64_t)1 << (c->run & 63));
        }
    }
}

/* The bounds of block k from its masks; next_white: whether the byte behind the block is white. */
INLINE void bound_block(const struct cru_piece_rules *rules, struct cru_piece_masks *w,
                        const unsigned char *p, size_t n, size_t k, uint64_t next_white,
                        struct carry *c) {
    const struct cru_byte_masks *m = &w->masks[k];
    uint64_t blanks = m->space | m->blank, white = blanks | m->newline;
    uint64_t other = ~(m->letter | m->digit | white), begins = ~m->follow;
    uint64_t after_white = before(white, c->white), after_newline = before(m->newline, c->newline);
    uint64_t after_other = before(other, c->other);

    /* A character of no class begins a piece unless one is before it, or the space that goes with it. */
    uint64_t opener = other & begins & ~after_other & ~before(m->space, c->space);
    uint64_t opened = opener; /* the same with the later bytes of the character */
    if (m->follow)
        for (int i = 0; i < 3; i++) opened |= before(opened, c->opener) & m->follow;

    /* A letter begins one unless it goes on with letters, or with the one blank or opener before it. */
    uint64_t letters = m->letter & begins & ~before(m->letter, c->letter) &
                       ~(after_white & ~after_newline) & ~before(opened, c->opener);

    /* Newlines directly behind characters of no class are glued to them. */
    uint64_t glue = m->newline & (after_other | (c->glued & 1));
    uint64_t glued = m->newline & ~(m->newline + glue);
    uint64_t lines = m->newline & ~glued;

    /* Whitespace: a run begins a piece, what is behind its last newline another, its last blank a third. */
    uint64_t after_line = blanks & begins & before(lines, c->fresh);
    uint64_t last_blank = blanks & ~(white >> 1 | next_white << 63);
    uint64_t spaces = (white & begins & ~after_white & ~glued) |
                      (blanks & begins & after_newline) | (last_blank & begins);
    for (uint64_t back = last_blank & m->follow; back; back &= back - 1) {
        size_t at = k * 64 + first_bit(back);
        while ((p[at] & 0xC0) == 0x80) at--;
        w->bounds[at >> 6] |= (uint64_t)1 << (at & 63);
    }

    uint64_t digits = rules->digits == 1 ? m->digit & begins : 0;
    if (rules->digits > 1 && m->digit) digits = bound_digits(m, rules->digits, c);

    w->bounds[k] |= opener | letters | spaces | digits;
    uint64_t quotes = opener & m->quote & (m->letter >> 1 | ((uint64_t)1 << 63));
    if (quotes) bound_contractions(w, p, n, k, quotes);
    uint64_t ends = m->newline & before(blanks, c->white & ~c->newline);
    if (ends) unbound_blank_lines(w, k, ends, blanks, after_line, c);

    if (blanks >> 63) {
        bool whole = blanks == UINT64_MAX, goes_on = c->white && !c->newline;
        if (!whole || !goes_on) {
            c->run = k * 64 + (whole ? 0 : last_bit(~blanks) + 1);
            c->run_after_line = after_line >> (c->run & 63) & 1;
        }
    }
    c->letter = m->letter >> 63;
    c->digit = m->digit >> 63;
    c->other = other >> 63;
    c->space = m->space >> 63;
    c->newline = m->newline >> 63;
    c->white = white >> 63;
    c->opener = opened >> 63;
    c->glued = glued >> 63;
    c->fresh = lines >> 63;
}

/* The last bound that text behind the window cannot move: before anything but whitespace, or before a
 * blank with something else behind it, and far enough from the end for a contraction. 0: none. */
static size_t last_sure(const struct cru_piece_masks *w, size_t n) {
    enum { AHEAD = 8 };
    for (size_t k = (n - AHEAD) / 64 + 1; k-- > 0;) { /* n > 64 */
        const struct cru_byte_masks *m = &w->masks[k];
        uint64_t white = m->space | m->blank | m->newline;
        uint64_t sure = w->bounds[k] & ~(white & (white >> 1 | (uint64_t)1 << 63));
        if (k == (n - AHEAD) / 64) sure &= ((uint64_t)2 << ((n - AHEAD) & 63)) - 1;
        if (k == 0) sure &= ~(uint64_t)1;
        if (sure) return k * 64 + last_bit(sure);
    }
    return 0;
}

/* The last cut between two letters, for a window that is all within one piece: letters go on behind it as
 * they would at the start of a piece. 0: none. */
static size_t last_cut(const struct cru_piece_masks *w, size_t n) {
    enum { AHEAD = 8 };
    for (size_t k = (n - AHEAD) / 64 + 1; k-- > 0;) { /* n > 64 */
        uint64_t letter = w->masks[k].letter;
        uint64_t carried = k > 0 ? w->masks[k - 1].letter >> 63 : 0;
        uint64_t cuts = w->cuts[k] & letter & before(letter, carried);
        if (k == (n - AHEAD) / 64) cuts &= ((uint64_t)2 << ((n - AHEAD) & 63)) - 1;
        if (cuts) return k * 64 + last_bit(cuts);
    }
    return 0;
}

INLINE size_t find(const struct cru_piece_rules *rules, struct cru_piece_masks *w,
                   const unsigned char *p, size_t n, bool last) {
    size_t blocks = (n + 63) / 64;
    rules->kernels->byte_masks(p, blocks, w->masks);
    memset(&w->masks[blocks], 0, sizeof w->masks[blocks]);
    memset(w->bounds, 0, (blocks + 1) * sizeof *w->bounds);
    memset(w->cuts, 0, (blocks + 1) * sizeof *w->cuts);
    struct previous previous = {0, 0};
    for (size_t k = 0; k < blocks; k++)
        if (w->masks[k].lead) class_characters(rules, w, p, k, n, &previous);

    struct carry c = {0};
    for (size_t k = 0; k < blocks; k++) {
        const struct cru_byte_masks *next = &w->masks[k + 1];
        uint64_t next_white = k + 1 == blocks ? 1 : (next->space | next->blank | next->newline) & 1;
        bound_block(rules, w, p, n, k, next_white, &c);
    }
    size_t end = last ? n : n <= 64 ? 0 : last_sure(w, n);
    if (end == 0 && n > 64) end = last_cut(w, n);
    if (end == 0) return 0;

    size_t words = (end + 63) / 64;
    for (size_t k = 0; k < words; k++) w->bounds[k] |= w->cuts[k];
    if (end % 64) w->bounds[words - 1] &= ((uint64_t)1 << (end % 64)) - 1;
    size_t parts = rules->kernels->positions(w->bounds, words, w->starts);
    w->starts[parts] = (uint16_t)end;
    return parts;
}

#if defined __x86_64__
/* Half of this is shifts by how many bits is not known before, which took three steps and now take one. */
__attribute__((target("bmi,bmi2,popcnt"))) static size_t
find_bmi2(const struct cru_piece_rules *rules, struct cru_piece_masks *w, const unsigned char *p,
          size_t n, bool last) {
    return find(rules, w, p, n, last);
}
#endif

size_t cru_piece_masks_find(const struct cru_piece_rules *rules, struct cru_piece_masks *w,
                            const unsigned char *p, size_t n, bool last) {
#if defined __x86_64__
    if (rules->bmi2) return find_bmi2(rules, w, p, n, last);
#endif
    return find(rules, w, p, n, last);
}
