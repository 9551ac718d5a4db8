/* SPDX-License-Identifier: Apache-2.0 */
#include "ddm/region.h"
#include "crucible/base/base.h"

void cru_region_init(struct cru_region *region) {
    memset(region, 0, sizeof *region);
}

void cru_region_release(struct cru_region *region) {
    free(region->pieces);
    cru_region_init(region);
}

static enum cru_status add(struct cru_region *region, size_t begin, size_t end,
                           struct cru_error *err) {
    if (begin >= end) return CRU_OK;
    if (region->n == region->capacity) {
        size_t capacity = region->capacity ? 2 * region->capacity : 8;
        void *p = realloc(region->pieces, capacity * sizeof *region->pieces);
        if (!p) return cru_fail_memory(err, "regions of a text");
        region->pieces = p;
        region->capacity = capacity;
    }
    region->pieces[region->n++] = (struct cru_region_piece){begin, end};
    return CRU_OK;
}

struct tag {
    size_t begin, end; /* of the tag itself */
    bool closing;
};

/* The next think tag at or behind `from`. */
static bool next_tag(struct cru_span text, size_t from, struct tag *tag) {
    static const struct cru_span names[] = {{"think>", 6}, {"thinking>", 9}};
    while (from < text.n) {
        const char *p = memchr(text.p + from, '<', text.n - from);
        if (!p) return false;
        tag->begin = (size_t)(p - text.p);
        size_t name = tag->begin + 1;
        tag->closing = name < text.n && text.p[name] == '/';
        if (tag->closing) name++;
        for (size_t i = 0; i < 2 && name < text.n && text.p[name] == 't'; i++)
            if (text.n - name >= names[i].n && memcmp(text.p + name, names[i].p, names[i].n) == 0) {
                tag->end = name + names[i].n;
                return true;
            }
        from = tag->begin + 1;
    }
    return false;
}

enum cru_status cru_region_find(struct cru_region *region, struct cru_span text,
                                enum cru_ddm_region which, struct cru_error *err) {
    enum cru_status status = CRU_OK;
    struct tag tag;
    size_t from = 0, begin = 0, answer = 0;
    bool open = false, whole = which == CRU_DDM_TEXT || which == CRU_DDM_RESPONSE;

    region->n = 0;
    region->tagged = false;
    if (which != CRU_DDM_TEXT) {
        while (status == CRU_OK && next_tag(text, from, &tag)) {
            from = tag.end;
            if (tag.closing) {
                /* a stray closing tag counts only when it is the first tag of all */
                if ((open || !region->tagged) && !whole)
                    status = add(region, begin, tag.begin, err);
                open = false;
                answer = tag.end;
            } else if (!open) {
                open = true;
                begin = tag.end;
            }
            region->tagged = true;
        }
        if (status == CRU_OK && open && !whole) status = add(region, begin, text.n, err);
    }
    if (status == CRU_OK && (whole || (which == CRU_DDM_AUTO && !region->tagged)))
        status = add(region, open ? text.n : answer, text.n, err);
    return status;
}
