/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the manual page reader: input and requests (man_text.c, man_request.c), escapes
 * (man_escape.c), semantic macros (man_mdoc.c). Inside crucible/read only.
 */
#ifndef CRU_READ_MAN_PRIVATE_H
#define CRU_READ_MAN_PRIVATE_H

#include "crucible/base/arena.h"
#include "crucible/base/buffer.h"
#include "crucible/read/man_text.h"

enum {
    MAN_DEPTH = 16,        /* of strings in strings and macros in macros */
    MAN_ARGS = 64,         /* of a request; more are ignored */
    MAN_LISTS = 32,        /* mdoc lists in lists */
    CRU_MAN_GROWTH = 8,    /* expanded bytes a byte of the page, */
    CRU_MAN_SLACK = 1 << 16, /* and this many free */
};

/* What must stand before the next text. Later is stronger. */
enum man_gap { GAP_NONE, GAP_SPACE, GAP_BREAK, GAP_PARAGRAPH };

/* A string, register or macro of the page. */
struct man_name {
    struct man_name *next;
    struct cru_span name, value;
    long number;
    char kind; /* 's', 'r', 'm' */
};

/* A file or macro body being read, with the arguments that \$1.. stand for. */
struct man_input {
    struct cru_span rest;
    struct cru_span args[9];
    size_t n_args;
};

enum man_list { LIST_TAG, LIST_BULLET, LIST_ENUM, LIST_ITEM, LIST_COLUMN };

struct cru_man {
    struct cru_arena arena; /* names and expanded arguments; cleared a page */
    struct man_name *names[64];
    struct man_input inputs[MAN_DEPTH];
    size_t depth;
    size_t budget; /* expanded bytes still allowed */
    struct cru_buffer line, expanded, piece, tag, url;
    struct cru_buffer *out;
    size_t start; /* of this page in out */

    enum man_gap gap;
    bool fill;
    bool joined;       /* \c: the next text follows without a space */
    int tag_next;      /* .TP: lines until the tag is whole */
    bool heading_next; /* .SH without arguments */
    bool redirect, failed, exceeded;
    bool in_url, url_text;
    bool otherwise[MAN_DEPTH]; /* .ie conditions that were false, waiting for their .el */
    size_t n_otherwise;

    bool mdoc;
    struct cru_span mdoc_name;
    bool no_space, spaced_off, in_authors, in_function;
    size_t function_args;
    struct {
        enum man_list kind;
        unsigned number;
        bool compact;
    } lists[MAN_LISTS];
    size_t n_lists;
};

/* man_escape.c */
/* \*, \n, \$ and comments of one line, into man->expanded. */
void man_expand(struct cru_man *m, struct cru_span line);
/* Appends text with its escapes resolved; false in *joined unless it ended in \c. */
void man_resolve(struct cru_span text, struct cru_buffer *out, bool *joined);
struct man_name *man_find(const struct cru_man *m, char kind, struct cru_span name);
void man_set(struct cru_man *m, char kind, struct cru_span name, struct cru_span value,
             long number);
/* The name behind a \*, \n, \f or \( : x, (xx or [xxx]; moves *p behind it. */
struct cru_span man_escape_name(const char **p, const char *end);

/* man_text.c */
void man_gap(struct cru_man *m, enum man_gap gap);
/* Puts already resolved text, filled or not. */
void man_put(struct cru_man *m, struct cru_span text);
/* A heading: a paragraph of its own. */
void man_heading(struct cru_man *m, struct cru_span text);
/* Splits the arguments of a request: blanks separate, double quotes hold together. */
size_t man_args(struct cru_span rest, struct cru_span *args, bool *quoted);
/* Resolved args joined by `between`, into man->piece. */
struct cru_span man_join(struct cru_man *m, const struct cru_span *args, size_t n,
                         const char *between);
/* The next input line (lines ending in \ joined), into man->line. False at the end. */
bool man_next_line(struct cru_man *m, struct cru_span *line);
void man_line(struct cru_man *m, struct cru_span line);
/* Skips input lines up to and with the control line `.end`; into `body` unless it is NULL. */
void man_skip_to(struct cru_man *m, struct cru_span end, struct cru_buffer *body);
/* A macro of the page's own. */
void man_call(struct cru_man *m, const struct man_name *macro, struct cru_span rest);

/* man_request.c: one request of man(7) or roff(7); false when it is not known. */
bool man_request(struct cru_man *m, struct cru_span name, struct cru_span rest);

/* man_table.c: everything up to .TE, tbl(1), as rows. */
void man_table(struct cru_man *m);
/* man_condition.c: .if, .ie and .el; `rest` is what stands behind the name. */
void man_condition(struct cru_man *m, struct cru_span name, struct cru_span rest);

/* man_mdoc.c: one macro of mdoc(7); false when it is not known. */
bool man_mdoc(struct cru_man *m, struct cru_span name, struct cru_span rest);

#endif
