/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <gumbo.h>
#include <setjmp.h>

#include "crucible/base/base.h"
#include "crucible/read/html_blocks.h"
#include "crucible/read/html_guard.h"
#include "crucible/read/html_text.h"

/*
 * The tree's memory. Small pieces are cut from chunks and never freed one by one; big ones (growing
 * strings and child lists) are malloc's, in a list, so that giving them back gives them back. The
 * parser cannot be told that memory is short, so the allocator jumps out of it: all it holds is here.
 *
 *   chunks -> [ 1 MiB | used ... ] -> [ ... ]        big <-> big <-> big
 */
enum { CHUNK = 1 << 20, BIG = 1 << 14 };

struct chunk {
    struct chunk *next;
};

struct big {
    struct big *before, *next;
    size_t n;
    size_t unused; /* keeps the payload aligned to 16 bytes */
};

struct tree_memory {
    struct chunk *chunks;
    size_t at; /* in the first chunk */
    struct big *bigs;
    size_t used, limit;
    bool refused; /* over the limit, not out of memory */
    bool fault;   /* an assertion of the parser failed */
    jmp_buf out;
};

struct cru_html {
    struct tree_memory memory;
    struct cru_blocks blocks;
};

static void *take_big(struct tree_memory *m, size_t n) {
    struct big *big = malloc(sizeof *big + n);
    if (!big) longjmp(m->out, 1);
    *big = (struct big){NULL, m->bigs, n, 0};
    if (m->bigs) m->bigs->before = big;
    m->bigs = big;
    return big + 1;
}

/* Every piece has its size in front of it, so that free knows big from small. */
static void *tree_take(void *context, size_t n) {
    struct tree_memory *m = context;
    if (n > m->limit || m->used + n > m->limit) {
        m->refused = true;
        longjmp(m->out, 1);
    }
    size_t need = (n + 16 + 15) & ~(size_t)15;
    m->used += need;
    char *p;
    if (need >= BIG) {
        p = take_big(m, need);
    } else {
        if (!m->chunks || CHUNK - m->at < need) {
            struct chunk *chunk = malloc(CHUNK);
            if (!chunk) longjmp(m->out, 1);
            chunk->next = m->chunks;
            m->chunks = chunk;
            m->at = 16;
        }
        p = (char *)m->chunks + m->at;
        m->at += need;
    }
    memcpy(p, &need, sizeof need);
    return p + 16;
}

static void tree_give(void *context, void *p) {
    struct tree_memory *m = context;
    if (!p) return;
    size_t need;
    memcpy(&need, (char *)p - 16, sizeof need);
    if (need < BIG) return;
    struct big *big = (struct big *)(void *)((char *)p - 16) - 1;
    if (big->before)
        big->before->next = big->next;
    else
        m->bigs = big->next;
    if (big->next) big->next->before = big->before;
    m->used -= need;
    free(big);
}

static void forget_tree(struct tree_memory *m, bool all) {
    while (m->bigs) {
        struct big *big = m->bigs;
        m->bigs = big->next;
        free(big);
    }
    while (m->chunks && (all || m->chunks->next)) { /* the oldest stays for the next page */
        struct chunk *chunk = m->chunks;
        m->chunks = chunk->next;
        free(chunk);
    }
    m->at = 16;
    m->used = 0;
    m->refused = m->fault = false;
}

struct cru_html *cru_html_new(void) { return calloc(1, sizeof(struct cru_html)); }

void cru_html_free(struct cru_html *html) {
    if (!html) return;
    forget_tree(&html->memory, true);
    cru_blocks_release(&html->blocks);
    free(html);
}

/*
 * Distributions build gumbo with its assertions, and some pages (a table cell in svg in a table cell) make
 * one fail, which would end the whole run. Programs may have a __assert_fail of their own; ours
 * leaves the parser when this thread is in it and does what the C library's does otherwise.
 */
static _Thread_local struct tree_memory *parsing;

void __assert_fail(const char *assertion, const char *file, unsigned line, const char *function) {
    struct tree_memory *m = parsing;
    if (m) {
        m->fault = true;
        longjmp(m->out, 1);
    }
    (void)fprintf(stderr, "%s:%u: %s: assertion '%s' failed\n", file, line, function, assertion);
    abort();
}

/* NULL when the tree did not fit. A function of its own: nothing of the caller's is live across the jump. */
static const GumboNode *parse(struct tree_memory *m, struct cru_span page) {
    GumboOptions options = kGumboDefaultOptions;
    options.allocator = tree_take;
    options.deallocator = tree_give;
    options.userdata = m;
    options.max_errors = 0;
    if (setjmp(m->out)) {
        parsing = NULL;
        return NULL;
    }
    parsing = m;
    const GumboOutput *output = gumbo_parse_with_options(&options, page.p, page.n);
    parsing = NULL;
    return output->root;
}

enum cru_status cru_html_text(struct cru_html *html, struct cru_span page,
                              enum cru_extract extract, struct cru_buffer *out,
                              const char **rule, struct cru_error *err) {
    *rule = cru_html_guard(page);
    if (*rule)
        return cru_fail(err, CRU_BAD, "an HTML page is %s to parse in linear time",
                        strcmp(*rule, "too-deep") == 0 ? "nested too deep" : "too complex");
    struct tree_memory *m = &html->memory;
    m->limit = CRU_HTML_TREE_CAP;
    if (page.n < (CRU_HTML_TREE_CAP - CRU_HTML_TREE_BASE) / CRU_HTML_TREE_FACTOR)
        m->limit = CRU_HTML_TREE_BASE + CRU_HTML_TREE_FACTOR * page.n;
    const GumboNode *root = parse(m, page);
    enum cru_status s = CRU_OK;
    if (!root && m->refused) {
        *rule = "too-complex";
        s = cru_fail(err, CRU_BAD, "the tree of an HTML page would take over %zu bytes", m->limit);
    } else if (!root && m->fault) {
        *rule = "unparsable";
        s = cru_fail(err, CRU_BAD, "the HTML parser failed on a page");
    } else if (!root) {
        s = cru_fail_memory(err, "the tree of an HTML page");
    } else {
        s = cru_blocks_walk(&html->blocks, root, extract == CRU_EXTRACT_ALL, err);
        if (s == CRU_OK && extract == CRU_EXTRACT_MAIN) s = cru_blocks_judge(&html->blocks, err);
        if (s == CRU_OK) cru_blocks_join(&html->blocks, out);
        if (s == CRU_OK && out->failed) s = cru_fail_memory(err, "the text of an HTML page");
    }
    forget_tree(m, false);
    if (html->blocks.text.capacity > 16u << 20) cru_blocks_release(&html->blocks);
    return s;
}
