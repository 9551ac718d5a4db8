/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From text that comes bit by bit to ids, in memory that does not grow with it: what piece_encoder.h does
 * with a whole text in normal form and without added tokens.
 *
 *   text    ..given out | [held ....................cut| rest]
 *                                                      ^ the last place where a piece begins whatever
 *                                                        is before it and behind it
 *
 * Held text is encoded up to its last cut. Which places are cuts two characters tell, whatever the
 * pattern: white space that is no newline begins a piece behind anything but white space, a letter
 * ends one before anything but a letter, and so on (is_cut). Text of CRU_PIECE_HELD bytes without any
 * is one enormous piece, or ends in one. That is then followed from its start by a machine of what
 * kinds of characters may come next; its bytes go to a stream of merges (bpe_stream.h).
 *
 *   word    front? letters                          over when no letter comes
 *   cased   front? U* W* suffix?                    U: is the piece over at the last shared letter of
 *           (pretoken_o200k.h)                      the run, or does a \p{Ll} come?        -> tail
 *   other   front? others newlines*
 *   space   blanks newline blanks newline blanks    are blanks behind the last newline another piece, or
 *                                                   does a newline come?                   -> tail
 *
 * What cannot be decided until the run is over waits in `tail` as (character, how many) and so is small
 * for any run that is not made to be hostile; beyond CRU_PIECE_TAIL entries the text is CRU_BAD.
 *
 * A stream is one thread's; it borrows the piece encoder. Not for CRU_PATTERN_STEPS.
 */
#ifndef CRU_TOKENIZER_PIECE_STREAM_H
#define CRU_TOKENIZER_PIECE_STREAM_H

#include "tokenizer/bpe_stream.h"
#include "tokenizer/piece_encoder.h"

enum {
    CRU_PIECE_SLICE = 1 << 16, /* bytes taken at a time */
    CRU_PIECE_HELD = 1 << 15,
    CRU_PIECE_PART = 1 << 15, /* bytes of an enormous piece that are collected before they are merged */
    CRU_PIECE_TAIL = 1 << 21,  /* so that no text of 2 MiB can need more */
};

enum cru_piece_run {
    CRU_RUN_NONE, /* a piece begins at `at` */
    CRU_RUN_LETTER,
    CRU_RUN_NUMBER,
    CRU_RUN_OTHER,
    CRU_RUN_LINES, /* what may stand behind others */
    CRU_RUN_SPACE,
    CRU_RUN_UPPER,
    CRU_RUN_LOWER,
    CRU_RUN_SUFFIX, /* a contraction behind a cased word */
    CRU_RUN_OVER,
};

struct cru_piece_stream {
    struct cru_piece_encoder *encoder;
    uint32_t pattern;
    bool cased, lines;      /* o200k and Tekken; \s*[\r\n]+ is in the pattern */
    size_t held, most_part; /* CRU_PIECE_HELD and CRU_PIECE_PART; tests make them 16 bytes or more */

    unsigned char *text; /* [CRU_PIECE_HELD + CRU_PIECE_SLICE] */
    size_t n, at;        /* bytes there; those before `at` are done */
    size_t searched;     /* no place before it is a cut */

    enum cru_piece_run run; /* of the piece that is being followed */
    bool begun;             /* it has bytes */
    bool newline, shared;   /* it has a newline; a letter that is both U and W */
    bool letters;           /* it is front? letters: so is any part of it, if read as a text */
    size_t numbers;         /* more that it may have */
    uint32_t *tail;         /* code point << 11 | how many - 1 */
    size_t n_tail, tail_room;

    unsigned char *part; /* [most_part] of the piece, not merged yet */
    size_t n_part;
    bool merging; /* bytes before them are in `merges` */
    struct cru_bpe_stream merges;
};

/* False when memory is short; some 2.5 MiB. */
bool cru_piece_stream_init(struct cru_piece_stream *stream, struct cru_piece_encoder *encoder);
void cru_piece_stream_release(struct cru_piece_stream *stream); /* zeroed is fine */
/* Forgets what is held. */
void cru_piece_stream_clear(struct cru_piece_stream *stream);

/* Takes the next bytes, whole characters of valid UTF-8, and appends ids that are certain. CRU_BAD: see
 * above; CRU_FATAL: memory, or a vocabulary that bpe_stream.h cannot do. Then clear it. */
enum cru_status cru_piece_stream_feed(struct cru_piece_stream *stream, struct cru_span text,
                                      struct cru_ids *ids, struct cru_error *err);
/* The text is over: appends the rest. The stream is as new. */
enum cru_status cru_piece_stream_end(struct cru_piece_stream *stream, struct cru_ids *ids,
                                     struct cru_error *err);

/* The most bytes of `text` up to `most` that are whole characters. */
static inline size_t cru_whole_characters(struct cru_span text, size_t most) {
    if (text.n <= most) return text.n;
    while (most > 0 && ((unsigned char)text.p[most] & 0xC0) == 0x80) most--;
    return most;
}

#endif
