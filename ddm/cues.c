/* SPDX-License-Identifier: Apache-2.0 */
#include "ddm/cues.h"
#include "crucible/base/base.h"

/* Where a phrase counts: words that are also ordinary English ("wait for the bus", "actually") only
 * where a clause begins, that is behind punctuation or a line break. */
enum place { ANYWHERE, CLAUSE, SENTENCE };

/*
 * The lexicon. Roots: the public cue lists of DJLougen/t013-logical-fallacies (scoring/evaluate.py:
 * self-correction and verification) and of DJLougen/TALOS-trace-curator (deliberation), widened by
 * inflections of the same and by what starts sentences in at least 7 of the 50 R1 and Qwen traces
 * of markyx316/LLM-Reasoning-Trace-Topology. The table is read by eye, so it is not reformatted.
 */
/* clang-format off */
static const struct {
    const char *phrase;
    enum cru_cue cue;
    enum place place;
} lexicon[] = {
#define C(phrase, place) {phrase, CRU_CUE_CORRECTION, place},
    C("wait", CLAUSE) C("no wait", ANYWHERE) C("but wait", ANYWHERE) C("oh wait", ANYWHERE)
    C("hold on", CLAUSE) C("actually", CLAUSE) C("oops", ANYWHERE) C("correction", CLAUSE)
    C("scratch that", ANYWHERE) C("on second thought", ANYWHERE) C("my mistake", ANYWHERE)
    C("i made a mistake", ANYWHERE) C("i made an error", ANYWHERE) C("i was wrong", ANYWHERE)
    C("i missed", ANYWHERE) C("i misread", ANYWHERE) C("i misunderstood", ANYWHERE)
    C("i miscalculated", ANYWHERE) C("i forgot", ANYWHERE) C("that's wrong", ANYWHERE)
    C("that is wrong", ANYWHERE) C("this is wrong", ANYWHERE) C("that's not right", ANYWHERE)
    C("that is not right", ANYWHERE) C("this is not right", ANYWHERE)
    C("that's incorrect", ANYWHERE) C("that is incorrect", ANYWHERE)
    C("that's not correct", ANYWHERE) C("that is not correct", ANYWHERE)
    C("can't be right", ANYWHERE) C("cannot be right", ANYWHERE) C("not quite right", ANYWHERE)
    C("let me correct", ANYWHERE) C("let me fix", ANYWHERE) C("let me reconsider", ANYWHERE)
    C("let me rethink", ANYWHERE) C("let me redo", ANYWHERE) C("let me revise", ANYWHERE)
    C("let me start over", ANYWHERE) C("let me re-read", ANYWHERE) C("let me reread", ANYWHERE)
    C("let me re-examine", ANYWHERE) C("let me recompute", ANYWHERE)
    C("let me recalculate", ANYWHERE) C("reconsider", CLAUSE) C("reconsidering", CLAUSE)
    C("rethinking", CLAUSE) C("going back", CLAUSE) C("i should have", ANYWHERE)
#undef C
#define V(phrase, place) {phrase, CRU_CUE_VERIFICATION, place},
    V("verify", CLAUSE) V("verifying", CLAUSE) V("to verify", ANYWHERE) V("let me verify", ANYWHERE)
    V("let's verify", ANYWHERE) V("we can verify", ANYWHERE) V("i can verify", ANYWHERE)
    V("verification", CLAUSE) V("check", CLAUSE) V("checking", CLAUSE) V("to check", ANYWHERE)
    V("let me check", ANYWHERE) V("let's check", ANYWHERE) V("let us check", ANYWHERE)
    V("we can check", ANYWHERE) V("we should check", ANYWHERE) V("i should check", ANYWHERE)
    V("let me double check", ANYWHERE) V("let me double-check", ANYWHERE)
    V("double check", ANYWHERE) V("double-check", ANYWHERE) V("double checking", ANYWHERE)
    V("double-checking", ANYWHERE) V("cross-check", ANYWHERE) V("cross check", ANYWHERE)
    V("sanity check", ANYWHERE) V("check again", ANYWHERE) V("checking again", ANYWHERE)
    V("to confirm", ANYWHERE) V("let me confirm", ANYWHERE) V("let's confirm", ANYWHERE)
    V("confirm that", ANYWHERE) V("let me test", ANYWHERE) V("let's test", ANYWHERE)
    V("let me make sure", ANYWHERE) V("to make sure", ANYWHERE) V("counterexample", ANYWHERE)
    V("plug back", ANYWHERE) V("plugging back", ANYWHERE) V("substituting back", ANYWHERE)
    V("substitute back", ANYWHERE) V("does this make sense", ANYWHERE)
    V("does that make sense", ANYWHERE) V("that makes sense", CLAUSE) V("which matches", ANYWHERE)
    V("this matches", ANYWHERE) V("that matches", ANYWHERE) V("is that right", ANYWHERE)
    V("is this correct", ANYWHERE) V("is that correct", ANYWHERE) V("seems right", ANYWHERE)
    V("but careful", ANYWHERE) V("just to be sure", ANYWHERE)
#undef V
#define X(phrase, place) {phrase, CRU_CUE_EXPLORATION, place},
    X("alternatively", CLAUSE) X("another way", ANYWHERE) X("another approach", ANYWHERE)
    X("another idea", ANYWHERE) X("another method", ANYWHERE) X("another possibility", ANYWHERE)
    X("one possibility", ANYWHERE) X("a different approach", ANYWHERE)
    X("a different way", ANYWHERE) X("different approach", ANYWHERE) X("what if", ANYWHERE)
    X("what about", CLAUSE) X("how about", CLAUSE) X("let me try", ANYWHERE)
    X("let's try", ANYWHERE) X("i could try", ANYWHERE) X("we could try", ANYWHERE)
    X("let me think", ANYWHERE) X("let's think", ANYWHERE) X("let me consider", ANYWHERE)
    X("let's consider", ANYWHERE) X("let me explore", ANYWHERE) X("let's explore", ANYWHERE)
    X("let me see", ANYWHERE) X("let's see", ANYWHERE) X("suppose", CLAUSE) X("consider", CLAUSE)
    X("assume", CLAUSE) X("maybe", CLAUSE) X("perhaps", CLAUSE) X("or maybe", ANYWHERE)
    X("or perhaps", ANYWHERE) X("i wonder", ANYWHERE) X("hmm", ANYWHERE)
    X("possibly", CLAUSE) X("but maybe", ANYWHERE) X("on the other hand", ANYWHERE)
    X("could it be", ANYWHERE)
#undef X
#define T(phrase) {phrase, CRU_CUE_CONCLUSION, SENTENCE},
    T("therefore") T("thus") T("hence") T("so the") T("in conclusion") T("in summary")
    T("to summarize") T("to conclude") T("final answer") T("the final answer") T("so the answer")
    T("so answer") T("the answer is") T("overall")
#undef T
};
/* clang-format on */

enum { PHRASES = sizeof lexicon / sizeof lexicon[0], WORD_BYTES = 24 };
_Static_assert((int)PHRASES <= (int)CRU_CUE_LIMIT, "cru_cues has no room for the lexicon");

size_t cru_cues_count(void) {
    return PHRASES;
}

const char *cru_cues_phrase(size_t i, enum cru_cue *cue) {
    *cue = lexicon[i].cue;
    return lexicon[i].phrase;
}

static bool is_upper(unsigned char c) {
    return c >= 'A' && c <= 'Z';
}
static bool is_letter(unsigned char c) {
    return (c | 32) >= 'a' && (c | 32) <= 'z';
}
static bool is_digit(unsigned char c) {
    return c >= '0' && c <= '9';
}
static bool is_alnum(unsigned char c) {
    return is_letter(c) || is_digit(c);
}

/* Lower-case form of a word without punctuation at its ends, into out; its length, 0 when there is
 * none or it is longer than any cue. */
static size_t normal_form(struct cru_span w, char out[WORD_BYTES]) {
    const unsigned char *p = (const unsigned char *)w.p, *end = p + w.n;
    size_t n = 0;
    while (p < end && !is_alnum(*p) && *p < 0x80) p++;
    while (end > p && !is_alnum(end[-1]) && end[-1] < 0x80) end--;
    while (p < end) {
        if (n == WORD_BYTES) return 0;
        if (*p == 0xE2 && end - p >= 3 && p[1] == 0x80) { /* U+2018..U+201D, U+2026 */
            if (p[2] == 0x98 || p[2] == 0x99) out[n++] = '\'';
            p += 3;
        } else {
            out[n++] = (char)(is_upper(*p) ? *p | 32 : *p);
            p++;
        }
    }
    while (n > 0 && out[n - 1] == '\'') n--;
    return n;
}

static unsigned bucket_of(const char *p, size_t n) {
    uint32_t h = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)p[i]) * 16777619u;
    return (h ^ h >> 15) % CRU_CUE_BUCKETS;
}

static size_t first_word(const char *phrase) {
    size_t n = 0;
    while (phrase[n] && phrase[n] != ' ') n++;
    return n;
}

static size_t letter_index(const char *word, size_t n, size_t at) {
    if (at >= n || !is_letter((unsigned char)word[at])) return 26;
    return ((unsigned char)word[at] | 32u) - 'a';
}

static void admit(struct cru_cues *cues, const char *word, size_t n) {
    cues->lengths[letter_index(word, n, 0)][letter_index(word, n, 1)] |= 1u << n;
}

/* False for most words: no cue begins with two such letters and has such a length. A word with
 * anything but a letter at an end is always worth a look. */
static bool worth_a_look(const struct cru_cues *cues, struct cru_span w) {
    size_t first = letter_index(w.p, w.n, 0);
    if (first == 26 || !is_letter((unsigned char)w.p[w.n - 1])) return true;
    /* a typographic apostrophe is two bytes longer than a plain one, and not a letter */
    uint64_t lengths = cues->lengths[first][letter_index(w.p, w.n, 1)];
    return (lengths | lengths << 2) >> w.n & 1;
}

void cru_cues_init(struct cru_cues *cues) {
    memset(cues, 0, sizeof *cues);
    admit(cues, "step", 4); /* enumeration needs no phrase */
    admit(cues, "case", 4);
    for (size_t i = 0; i < CRU_CUE_BUCKETS; i++) cues->buckets[i] = -1;
    for (int16_t i = 0; i < PHRASES; i++) {
        size_t n = first_word(lexicon[i].phrase);
        int16_t *link = &cues->buckets[bucket_of(lexicon[i].phrase, n)];
        while (*link >= 0 && strlen(lexicon[*link].phrase) >= strlen(lexicon[i].phrase))
            link = &cues->next[*link];
        cues->next[i] = *link;
        *link = i;
        admit(cues, lexicon[i].phrase, n);
    }
}

static struct cru_span bytes_of(struct cru_span text, const struct cru_word *w) {
    return cru_span_make(text.p + w->begin, w->length);
}

static bool closes(char c) {
    return c == '"' || c == '\'' || c == ')' || c == ']' || c == '}' || c == '*' || c == '_' ||
           c == '`';
}

/* The last character of a word that is not a closing quote, bracket or mark of emphasis. */
static unsigned char last_mark(struct cru_span w) {
    while (w.n > 1 && closes(w.p[w.n - 1])) w.n--;
    if ((unsigned char)w.p[w.n - 1] < 0x80) return (unsigned char)w.p[w.n - 1];
    if (w.n > 3 && memcmp(w.p + w.n - 3, "\xE2\x80\x9D", 3) == 0) w.n -= 3;
    if (w.n >= 3 && memcmp(w.p + w.n - 3, "\xE2\x80\xA6", 3) == 0) return '.'; /* ellipsis */
    if (w.n >= 3 && memcmp(w.p + w.n - 3, "\xE2\x80\x94", 3) == 0) return '-'; /* dash */
    return (unsigned char)w.p[w.n - 1];
}

bool cru_starts_sentence(struct cru_span text, const struct cru_words *words, size_t at) {
    if (at == 0 || (words->list[at].flags & CRU_WORD_LINE)) return true;
    unsigned char c = last_mark(bytes_of(text, &words->list[at - 1]));
    return c == '.' || c == '!' || c == '?';
}

static bool starts_clause(struct cru_span text, const struct cru_words *words, size_t at) {
    if (cru_starts_sentence(text, words, at)) return true;
    unsigned char c = last_mark(bytes_of(text, &words->list[at - 1]));
    return c == ',' || c == ';' || c == ':' || c == '-' || c == '(';
}

static bool place_allows(enum place place, struct cru_span text, const struct cru_words *words,
                         size_t at) {
    if (place == ANYWHERE) return true;
    if (place == SENTENCE) return cru_starts_sentence(text, words, at);
    return starts_clause(text, words, at);
}

/* How many words from `at` spell the phrase, 0 when they do not. The first is known to be `form`.
 */
static size_t spells(const char *phrase, const char *form, size_t n, struct cru_span text,
                     const struct cru_words *words, size_t at) {
    char buffer[WORD_BYTES];
    size_t used = 0;
    for (;;) {
        size_t length = first_word(phrase);
        if (length != n || memcmp(phrase, form, n) != 0) return 0;
        used++;
        phrase += length;
        if (*phrase == 0) return used;
        phrase++;
        if (at + used == words->n) return 0;
        if (words->list[at + used].flags & (CRU_WORD_BLANK | CRU_WORD_CODE)) return 0;
        n = normal_form(bytes_of(text, &words->list[at + used]), buffer);
        form = buffer;
    }
}

/* "12." "12)" "(3)" "a)" as a word on its own. */
static bool is_ordinal(struct cru_span w, bool bare) {
    if (w.n > 0 && w.p[0] == '(') w = cru_span_make(w.p + 1, w.n - 1);
    if (w.n == 0 || w.n > 4) return false;
    char last = w.p[w.n - 1];
    bool closed = last == '.' || last == ')' || last == ':';
    if (closed) w.n--;
    if (w.n == 0 || (!closed && !bare)) return false;
    if (w.n == 1 && is_letter((unsigned char)w.p[0])) return bare || last == ')';
    for (size_t i = 0; i < w.n; i++)
        if (!is_digit((unsigned char)w.p[i])) return false;
    return true;
}

static enum cru_cue match_enumeration(const char *form, size_t n, struct cru_span text,
                                      const struct cru_words *words, size_t at, size_t *n_words) {
    struct cru_span w = bytes_of(text, &words->list[at]);
    *n_words = 1;
    if (w.n <= 5 && is_ordinal(w, false))
        return cru_starts_sentence(text, words, at) ? CRU_CUE_ENUMERATION : CRU_CUE_NONE;
    if (n != 4 || (memcmp(form, "step", 4) != 0 && memcmp(form, "case", 4) != 0))
        return CRU_CUE_NONE;
    if (at + 1 == words->n || !cru_starts_sentence(text, words, at)) return CRU_CUE_NONE;
    char number[WORD_BYTES];
    n = normal_form(bytes_of(text, &words->list[at + 1]), number);
    if (!is_ordinal(cru_span_make(number, n), true)) return CRU_CUE_NONE;
    *n_words = 2;
    return CRU_CUE_ENUMERATION;
}

enum cru_cue cru_cues_match(const struct cru_cues *cues, struct cru_span text,
                            const struct cru_words *words, size_t at, size_t *n_words) {
    struct cru_span w = bytes_of(text, &words->list[at]);
    char form[WORD_BYTES];
    *n_words = 1;
    if (w.n > WORD_BYTES + 8 || !worth_a_look(cues, w)) return CRU_CUE_NONE;
    size_t n = normal_form(w, form);
    if (n == 0) return CRU_CUE_NONE;
    if (is_digit((unsigned char)form[0]) || n == 1 ||
        (n == 4 && (form[0] == 's' || form[0] == 'c'))) {
        enum cru_cue cue = match_enumeration(form, n, text, words, at, n_words);
        if (cue != CRU_CUE_NONE) return cue;
        *n_words = 1;
    }
    size_t first = letter_index(form, n, 0);
    if (first == 26 || !(cues->lengths[first][letter_index(form, n, 1)] >> n & 1))
        return CRU_CUE_NONE;
    for (int16_t i = cues->buckets[bucket_of(form, n)]; i >= 0; i = cues->next[i]) {
        size_t used = spells(lexicon[i].phrase, form, n, text, words, at);
        if (used > 0 && place_allows(lexicon[i].place, text, words, at)) {
            *n_words = used;
            return lexicon[i].cue;
        }
    }
    return CRU_CUE_NONE;
}
