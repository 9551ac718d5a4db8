/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/select/reach.h"
#include "crucible/base/base.h"

enum { OWNER, ROOM, LENGTH, HEAD }; /* the words in front of a list's entries */

enum cru_status cru_reach_open(struct cru_reach *reach, size_t n, size_t bytes,
                               struct cru_error *err) {
    memset(reach, 0, sizeof *reach);
    reach->n = n;
    reach->capacity = bytes / sizeof *reach->arena;
    if (reach->capacity > UINT32_MAX) reach->capacity = UINT32_MAX;
    if (reach->capacity < HEAD) reach->capacity = HEAD;
    reach->used = 1; /* so that 0 is no list */
    reach->at = calloc(n, sizeof *reach->at);
    reach->arena = malloc((reach->capacity + 1) * sizeof *reach->arena);
    return reach->at && reach->arena ? CRU_OK : cru_fail_memory(err, "lists of reach");
}

void cru_reach_close(struct cru_reach *reach) {
    free(reach->at);
    free(reach->arena);
    memset(reach, 0, sizeof *reach);
}

void cru_reach_clear(struct cru_reach *reach) {
    memset(reach->at, 0, reach->n * sizeof *reach->at);
    reach->used = 1;
    reach->packed_at = 0;
}

bool cru_reach_open_for(const struct cru_reach *reach, uint32_t picked) {
    /* Where packing did not make room, it will not before the lists are some eighth shorter. */
    return reach->capacity - reach->used > reach->capacity / 16 || reach->packed_at == 0 ||
           picked > reach->packed_at + reach->packed_at / 8;
}

int64_t cru_reach_gain(struct cru_reach *reach, uint32_t position, const int32_t *cover,
                       const uint16_t *weight) {
    uint32_t *list = reach->arena + reach->at[position], *entry = list + HEAD, kept = 0;
    uint32_t high = 0, length = list[LENGTH];
    int64_t gain = 0;
    for (uint32_t k = 0; k < length; k++) {
        uint32_t e = entry[k], i = high | (e & 0xFFFF);
        int32_t dot = (int32_t)(e >> 16), over;
        if (dot == 0) {
            high = (e & 0xFFFF) << 16;
            entry[kept++] = e;
            continue;
        }
        over = dot - cover[i];
        over = over > 0 ? over : 0;
        gain += (int64_t)over * weight[i];
        entry[kept] = e;
        kept += over > 0;
    }
    list[LENGTH] = kept;
    return gain;
}

void cru_reach_raise(struct cru_reach *reach, uint32_t position, int32_t *cover) {
    const uint32_t *list = reach->arena + reach->at[position], *entry = list + HEAD;
    uint32_t high = 0;
    for (uint32_t k = 0; k < list[LENGTH]; k++) {
        int32_t dot = (int32_t)(entry[k] >> 16);
        uint32_t i = high | (entry[k] & 0xFFFF);
        if (dot == 0)
            high = (entry[k] & 0xFFFF) << 16;
        else if (dot > cover[i])
            cover[i] = dot;
    }
    reach->at[position] = 0;
}

/* Slides the lists that are still owned together, each to its own length. */
static void pack(struct cru_reach *reach, const int32_t *cover) {
    size_t to = 1, next;
    for (size_t from = 1; from < reach->used; from = next) {
        uint32_t *list = reach->arena + from, owner = list[OWNER], kept = 0, high = 0;
        next = from + HEAD + list[ROOM];
        if (reach->at[owner] != from) continue;
        for (uint32_t k = 0; k < list[LENGTH]; k++) {
            uint32_t e = list[HEAD + k], i = high | (e & 0xFFFF);
            if (e >> 16 == 0)
                high = (e & 0xFFFF) << 16;
            else if ((int32_t)(e >> 16) <= cover[i])
                continue;
            list[HEAD + kept++] = e;
        }
        list[ROOM] = list[LENGTH] = kept;
        memmove(reach->arena + to, list, (HEAD + kept) * sizeof *list);
        reach->at[owner] = (uint32_t)to;
        to += HEAD + kept;
    }
    reach->used = to;
}

static void make_room(struct cru_reach *reach, size_t words, const int32_t *cover,
                      uint32_t picked) {
    if (reach->capacity - reach->used >= words || !cru_reach_open_for(reach, picked)) return;
    pack(reach, cover);
    if (reach->capacity - reach->used < reach->capacity / 8) reach->packed_at = picked;
}

/* A list with room for `count` entries; NULL when there is no room. */
static uint32_t *list_new(struct cru_reach *reach, uint32_t position, uint32_t count) {
    uint32_t *list = reach->arena + reach->used;
    if (reach->capacity - reach->used < HEAD + (size_t)count) return NULL;
    list[OWNER] = position;
    list[ROOM] = count;
    list[LENGTH] = 0;
    reach->at[position] = (uint32_t)reach->used;
    reach->used += HEAD + (size_t)count;
    return list;
}

void cru_reach_add(struct cru_reach *reach, const uint32_t *candidates, size_t m,
                   const struct cru_pairs *pairs, size_t tasks, size_t tile, const int32_t *cover,
                   uint32_t picked) {
    uint32_t count[CRU_PANEL] = {0}, *list[CRU_PANEL], high[CRU_PANEL] = {0};
    size_t words = 0;
    for (size_t t = 0; t < tasks; t++) {
        if (pairs[t].overflow) return;
        for (size_t k = 0; k < pairs[t].n; k++) count[pairs[t].where[k] % CRU_PANEL]++;
    }
    for (size_t c = 0; c < m; c++) {
        count[c] += (uint32_t)(reach->n >> 16);
        words += HEAD + count[c];
    }
    make_room(reach, words, cover, picked);
    for (size_t c = 0; c < m; c++) list[c] = list_new(reach, candidates[c], count[c]);
    for (size_t t = 0; t < tasks; t++)
        for (size_t k = 0; k < pairs[t].n; k++) {
            size_t c = pairs[t].where[k] % CRU_PANEL;
            uint32_t i = (uint32_t)(t * tile) + pairs[t].where[k] / CRU_PANEL;
            if (!list[c]) continue;
            if (i >> 16 != high[c]) {
                high[c] = i >> 16;
                list[c][HEAD + list[c][LENGTH]++] = high[c];
            }
            list[c][HEAD + list[c][LENGTH]++] = pairs[t].dot[k] << 16 | (i & 0xFFFF);
        }
}
