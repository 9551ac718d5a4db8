/* SPDX-License-Identifier: Apache-2.0 */
#include "ddm/lexicon.h"
#include "crucible/base/base.h"
#include "ddm/words.h"

enum { MOST_WORDS = 12 }; /* of a phrase */

struct parse {
    struct cru_lexicon *lexicon;
    struct cru_words words;
    const char *name;
    size_t line;
    struct cru_word_entry *pairs; /* before the table is made */
    size_t n_pairs, cap_pairs;
};

static const struct {
    const char *name;
    enum cru_cue cue;
} classes[] = {{"correction", CRU_CUE_CORRECTION},
               {"verification", CRU_CUE_VERIFICATION},
               {"exploration", CRU_CUE_EXPLORATION},
               {"conclusion", CRU_CUE_CONCLUSION},
               {"enumeration", CRU_CUE_ENUMERATION}};
static const struct {
    const char *name;
    enum cru_cue_place place;
} places[] = {{"anywhere", CRU_PLACE_ANYWHERE},
              {"clause", CRU_PLACE_CLAUSE},
              {"sentence", CRU_PLACE_SENTENCE}};

static enum cru_status wrong(struct parse *p, struct cru_error *err, const char *what,
                             struct cru_span word) {
    return cru_fail(err, CRU_USAGE, "cannot read cue lexicon: '%s': line %zu: %s: '%.*s'", p->name,
                    p->line, what, (int)(word.n < 60 ? word.n : 60), word.p ? word.p : "");
}

static bool reserve(void **list, size_t *capacity, size_t n, size_t more, size_t size) {
    if (n + more <= *capacity) return true;
    size_t wanted = *capacity ? 2 * *capacity : 256;
    while (wanted < n + more) wanted *= 2;
    void *q = realloc(*list, wanted * size);
    if (!q) return false;
    *list = q;
    *capacity = wanted;
    return true;
}
#define RESERVE(object, list, count, capacity, more)                                               \
    reserve((void **)&(object)->list, &(object)->capacity, (object)->count, (more),                \
            sizeof *(object)->list)

static struct cru_span next_word(struct cru_span *rest) {
    *rest = cru_span_trim(*rest);
    size_t n = 0;
    while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t') n++;
    struct cru_span word = cru_span_make(rest->p, n);
    *rest = cru_span_trim(cru_span_make(rest->p + n, rest->n - n));
    return word;
}

static void set_bit(uint64_t *filter, uint32_t form) {
    filter[form >> 24] |= UINT64_C(1) << (form >> 18 & 63);
}

/* Adds the words of `phrase` to forms[] and bytes[], and the numbers of both to the entry. */
static enum cru_status add_words(struct parse *p, struct cru_span phrase, struct cru_cue_entry *e,
                                 struct cru_error *err) {
    struct cru_lexicon *l = p->lexicon;
    cru_words_clear(&p->words);
    enum cru_status status = cru_words_add(&p->words, phrase, 0, phrase.n, err);
    if (status != CRU_OK) return status;
    e->first = (uint32_t)l->n_forms;
    e->phrase = (uint32_t)l->n_bytes;
    for (size_t i = 0; i < p->words.n; i++) {
        const struct cru_word *w = &p->words.list[i];
        struct cru_span word = cru_span_make(phrase.p + w->begin, w->length);
        char form[CRU_WORD_FORM];
        if (cru_span_is(word, "#") && i > 0 && i + 1 == p->words.n) {
            e->number = true;
            break;
        }
        size_t n = cru_word_form(word, form);
        if (n == 0) return wrong(p, err, "not a word, or longer than 48 bytes", word);
        if (i == MOST_WORDS) return wrong(p, err, "a phrase of more than 12 words", phrase);
        if (!RESERVE(l, forms, n_forms, cap_forms, 1) ||
            !RESERVE(l, bytes, n_bytes, cap_bytes, n + 1))
            return cru_fail_memory(err, "cue lexicon");
        l->forms[l->n_forms++] = cru_word_form_hash(form, n);
        if (i > 0) l->bytes[l->n_bytes++] = ' ';
        memcpy(l->bytes + l->n_bytes, form, n);
        l->n_bytes += n;
        e->words++;
    }
    e->length = (uint32_t)l->n_bytes - e->phrase;
    e->form = l->forms[e->first];
    e->second = e->words > 1 ? l->forms[e->first + 1] : 0;
    return CRU_OK;
}

static enum cru_status add_entry(struct parse *p, enum cru_cue cue, struct cru_span rest,
                                 struct cru_error *err) {
    struct cru_lexicon *l = p->lexicon;
    struct cru_span word = next_word(&rest);
    struct cru_cue_entry e = {.cue = cue, .line = (uint32_t)p->line};
    size_t k = 0, n = sizeof places / sizeof places[0];
    while (k < n && !cru_span_is(word, places[k].name)) k++;
    if (k == n) return wrong(p, err, "not a place (anywhere, clause or sentence)", word);
    e.place = places[k].place;
    if (rest.n == 0) return wrong(p, err, "no phrase behind", word);
    enum cru_status status = add_words(p, rest, &e, err);
    if (status != CRU_OK) return status;
    for (size_t i = 0; i < l->n_entries; i++) {
        const struct cru_cue_entry *o = &l->entries[i];
        if (o->form == e.form && o->number == e.number && o->length == e.length &&
            memcmp(l->bytes + o->phrase, l->bytes + e.phrase, e.length) == 0)
            return wrong(p, err, "this phrase was there before", rest);
    }
    if (!RESERVE(l, entries, n_entries, cap_entries, 1)) return cru_fail_memory(err, "cue lexicon");
    l->entries[l->n_entries++] = e;
    if (e.second)
        set_bit(l->pair_filter, cru_lexicon_pair(e.form, e.second));
    else
        set_bit(l->filter, e.form);
    return CRU_OK;
}

/* The forms of one verb, or function words. A form that two verbs share stays with the first. */
static enum cru_status add_forms(struct parse *p, bool verb, struct cru_span rest,
                                 struct cru_error *err) {
    struct cru_lexicon *l = p->lexicon;
    if (rest.n == 0) return wrong(p, err, verb ? "no forms of a verb" : "no words", rest);
    l->n_verbs += verb;
    while (rest.n > 0) {
        struct cru_span word = next_word(&rest);
        char form[CRU_WORD_FORM];
        size_t n = cru_word_form(word, form);
        if (n == 0) return wrong(p, err, "not a word, or longer than 48 bytes", word);
        if (!RESERVE(p, pairs, n_pairs, cap_pairs, 1)) return cru_fail_memory(err, "cue lexicon");
        p->pairs[p->n_pairs++] = (struct cru_word_entry){
            cru_word_form_hash(form, n), verb ? (uint32_t)l->n_verbs : CRU_LEXICON_FUNCTION};
        l->n_function_words += !verb;
    }
    return CRU_OK;
}

static enum cru_status read_line(struct parse *p, struct cru_span line, struct cru_error *err) {
    struct cru_lexicon *l = p->lexicon;
    line = cru_span_trim(line);
    if (line.n == 0 || line.p[0] == '#') return CRU_OK;
    struct cru_span rest = line, word = next_word(&rest);
    if (cru_span_is(word, "language")) {
        if (l->language[0]) return wrong(p, err, "a second language", rest);
        if (rest.n == 0 || rest.n >= sizeof l->language)
            return wrong(p, err, "not a language code", rest);
        for (size_t i = 0; i < rest.n; i++)
            if (rest.p[i] < 'a' || rest.p[i] > 'z')
                return wrong(p, err, "not a language code in lower case", rest);
        memcpy(l->language, rest.p, rest.n);
        return CRU_OK;
    }
    if (!l->language[0]) return wrong(p, err, "the first line must name the language", word);
    bool verb = cru_span_is(word, "verb");
    if (verb || cru_span_is(word, "function")) return add_forms(p, verb, rest, err);
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (cru_span_is(word, classes[i].name)) return add_entry(p, classes[i].cue, rest, err);
    return wrong(p, err,
                 "not a class (correction, verification, exploration, conclusion, enumeration, "
                 "verb, function)",
                 word);
}

/* ---- tables ---- */

static int by_first_word(const void *a, const void *b) {
    const struct cru_cue_entry *x = a, *y = b;
    if (x->form != y->form) return x->form < y->form ? -1 : 1;
    if (x->number != y->number) return x->number ? -1 : 1;
    if (x->length != y->length) return x->length > y->length ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

static size_t power_above(size_t n) {
    size_t size = 16;
    while (size < n) size *= 2;
    return size;
}

static bool make_slots(struct cru_lexicon *l) {
    size_t size = power_above(2 * l->n_entries);
    if (l->n_entries > 0) qsort(l->entries, l->n_entries, sizeof *l->entries, by_first_word);
    l->slots = malloc(size * sizeof *l->slots);
    if (!l->slots) return false;
    for (size_t i = 0; i < size; i++) l->slots[i] = -1;
    l->slot_mask = size - 1;
    for (size_t i = 0; i < l->n_entries; i++) {
        if (i > 0 && l->entries[i].form == l->entries[i - 1].form) continue;
        size_t at = l->entries[i].form >> 8 & l->slot_mask;
        while (l->slots[at] >= 0) at = (at + 1) & l->slot_mask;
        l->slots[at] = (int32_t)i;
    }
    return true;
}

static bool make_words(struct parse *p) {
    struct cru_lexicon *l = p->lexicon;
    size_t size = power_above(2 * p->n_pairs);
    l->words = calloc(size, sizeof *l->words);
    if (!l->words) return false;
    l->word_mask = size - 1;
    for (size_t i = 0; i < p->n_pairs; i++) {
        uint32_t form = p->pairs[i].form, what = p->pairs[i].what;
        size_t at = form >> 8 & l->word_mask;
        while (l->words[at].form != 0 && l->words[at].form != form) at = (at + 1) & l->word_mask;
        l->n_word_forms += l->words[at].form == 0;
        l->words[at].form = form;
        if (what == CRU_LEXICON_FUNCTION || (l->words[at].what & ~CRU_LEXICON_FUNCTION) == 0)
            l->words[at].what |= what;
        set_bit(l->word_filter, form);
    }
    return true;
}

enum cru_status cru_lexicon_parse(struct cru_span file, const char *name,
                                  struct cru_lexicon **lexicon, struct cru_error *err) {
    struct parse p = {.name = name, .lexicon = calloc(1, sizeof **lexicon)};
    struct cru_span rest = file, line;
    enum cru_status status = p.lexicon ? CRU_OK : cru_fail_memory(err, "cue lexicon");
    *lexicon = NULL;
    cru_words_init(&p.words);
    if (file.n > UINT32_MAX / 2)
        status = cru_fail(err, CRU_USAGE, "cannot read cue lexicon: '%s': over 2 GiB", name);
    while (status == CRU_OK && cru_span_split(&rest, '\n', &line)) {
        p.line++;
        if (line.n > 0 && memchr(line.p, 0, line.n))
            status = wrong(&p, err, "a NUL byte", cru_span_make(NULL, 0));
        else
            status = read_line(&p, line, err);
    }
    if (status == CRU_OK && !p.lexicon->language[0])
        status =
            cru_fail(err, CRU_USAGE, "cannot read cue lexicon: '%s': it names no language", name);
    if (status == CRU_OK && (!make_slots(p.lexicon) || !make_words(&p)))
        status = cru_fail_memory(err, "cue lexicon");
    cru_words_release(&p.words);
    free(p.pairs);
    if (status == CRU_OK)
        *lexicon = p.lexicon;
    else
        cru_lexicon_free(p.lexicon);
    return status;
}

void cru_lexicon_free(struct cru_lexicon *l) {
    if (!l) return;
    free(l->entries);
    free(l->forms);
    free(l->bytes);
    free(l->words);
    free(l->slots);
    free(l);
}

size_t cru_lexicon_count(const struct cru_lexicon *l) {
    return l->n_entries;
}

struct cru_span cru_lexicon_phrase(const struct cru_lexicon *l, size_t i, enum cru_cue *cue) {
    *cue = l->entries[i].cue;
    return cru_span_make(l->bytes + l->entries[i].phrase, l->entries[i].length);
}
