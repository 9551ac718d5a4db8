/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crucible filter: language, condition, rule sets and personal data, in that order, on each document.
 *
 * Every thread that runs a batch borrows one worker (scratch memory and a JSON parser) from a list that
 * grows to the number of threads; what a worker remembers from one document never reaches the next, so
 * the outcome does not depend on which worker was lent.
 */
#include <math.h>
#include <pthread.h>

#include "crucible/base/base.h"
#include "crucible/filter/language.h"
#include "crucible/filter/pii.h"
#include "crucible/filter/rule_sets.h"
#include "crucible/filter/where.h"
#include "crucible/stage/stage.h"

struct worker {
    struct worker *next;
    struct cru_filter_scratch scratch;
    struct cru_json_parser *parser;
    struct cru_buffer masked;
};

struct filter {
    struct cru_stage stage;
    struct cru_string_list rules, languages;
    const char *profile, *condition, *pii;
    double min_lang_score;
    bool detect_lang, mark, list_rules;

    const struct cru_rule_set **sets;
    size_t n_sets;
    struct cru_span *wanted; /* language codes; empty: any */
    size_t n_wanted;
    bool detect, scored; /* look at the language; the score has a lower limit */
    struct cru_where *where;
    pthread_mutex_t lock; /* guards idle */
    struct worker *idle;
};

#define AT(field) offsetof(struct filter, field)

static const struct cru_option options[] = {
    {CRU_OPTION_LIST, 'r', "rules", AT(rules), "A,B,...", NULL, NULL, 0, 0,
     "rule sets to apply, in this order; --list-rules names them"},
    {CRU_OPTION_CHOICE, 0, "profile", AT(profile), "fineweb", NULL, NULL, 0, 0,
     "a published recipe; fineweb is --lang en --min-lang-score 0.65 --rules "
     "gopher-repetition,gopher-quality,c4-noterm,fineweb, and options given beside it replace its own"},
    {CRU_OPTION_LIST, 0, "lang", AT(languages), "A,B,...", NULL, NULL, 0, 0,
     "keep documents in these languages (ISO 639 codes), rule language"},
    {CRU_OPTION_REAL, 0, "min-lang-score", AT(min_lang_score), "X", "-1", NULL, -1, 1,
     "with a least lang_score of X, 0 to 1, rule language-score; below 0 means no limit"},
    {CRU_OPTION_FLAG, 0, "detect-lang", AT(detect_lang), NULL, NULL, NULL, 0, 0,
     "set crucible.lang and lang_score where they are not set, and drop nothing for them"},
    {CRU_OPTION_STRING, 0, "where", AT(condition), "EXPR", NULL, NULL, 0, 0,
     "keep documents for which EXPR holds, as in \"score >= 3 and not lang == 'de'\", rule where"},
    {CRU_OPTION_CHOICE, 0, "pii", AT(pii), "mask|drop|keep", "keep", NULL, 0, 0,
     "e-mail and public IPv4 addresses: replace them, drop documents that have some, or neither"},
    {CRU_OPTION_FLAG, 0, "mark", AT(mark), NULL, NULL, NULL, 0, 0,
     "drop nothing: set crucible.filter to the rule, value and limit instead"},
    {CRU_OPTION_FLAG, 0, "list-rules", AT(list_rules), NULL, NULL, NULL, 0, 0,
     "print every rule with its limit and source, and exit"},
    {CRU_OPTION_END, 0, NULL, 0, NULL, NULL, NULL, 0, 0, NULL},
};

/* Published recipes, as the options they stand for. */
static const struct {
    const char *name, *rules, *languages;
    double min_lang_score;
} profiles[] = {
    /* huggingface/datatrove examples/fineweb.py; language threshold of its LanguageFilter. */
    {"fineweb", "gopher-repetition,gopher-quality,c4-noterm,fineweb", "en", 0.65},
};

/* Splits comma-separated items; calls add for each. */
static enum cru_status each_item(const struct cru_string_list *list,
                                 enum cru_status (*add)(struct filter *, struct cru_span,
                                                        struct cru_error *),
                                 struct filter *f, struct cru_error *err) {
    for (size_t i = 0; i < list->n; i++) {
        struct cru_span rest = cru_span_of(list->items[i]), item;
        while (cru_span_split(&rest, ',', &item)) {
            enum cru_status status = add(f, cru_span_trim(item), err);
            if (status != CRU_OK)
                return status;
        }
    }
    return CRU_OK;
}

static enum cru_status add_set(struct filter *f, struct cru_span name, struct cru_error *err) {
    const struct cru_rule_set *set = cru_rule_set_find(name);
    if (!set)
        return cru_fail(err, CRU_USAGE, "--rules: '%.*s': no such rule set (--list-rules names them)",
                        (int)name.n, name.p);
    const struct cru_rule_set **grown = realloc(f->sets, (f->n_sets + 1) * sizeof *grown);
    if (!grown)
        return cru_fail_memory(err, "rule sets");
    f->sets = grown;
    f->sets[f->n_sets++] = set;
    return CRU_OK;
}

static enum cru_status add_language(struct filter *f, struct cru_span code, struct cru_error *err) {
    if (code.n < 2 || code.n > 3)
        return cru_fail(err, CRU_USAGE, "--lang: '%.*s': not an ISO 639 code of 2 or 3 letters",
                        (int)code.n, code.p);
    struct cru_span *grown = realloc(f->wanted, (f->n_wanted + 1) * sizeof *grown);
    if (!grown)
        return cru_fail_memory(err, "languages");
    f->wanted = grown;
    f->wanted[f->n_wanted++] = code;
    return CRU_OK;
}

static enum cru_status filter_open(struct cru_stage *stage, struct cru_error *err) {
    struct filter *f = (struct filter *)stage;
    struct cru_string_list rules = f->rules, languages = f->languages;
    const char *profile_rules, *profile_languages;
    if (pthread_mutex_init(&f->lock, NULL) != 0)
        return cru_fail_memory(err, "filter");
    for (size_t i = 0; f->profile && i < sizeof profiles / sizeof profiles[0]; i++) {
        if (strcmp(profiles[i].name, f->profile) != 0)
            continue;
        profile_rules = profiles[i].rules;
        profile_languages = profiles[i].languages;
        if (rules.n == 0)
            rules = (struct cru_string_list){&profile_rules, 1};
        if (languages.n == 0)
            languages = (struct cru_string_list){&profile_languages, 1};
        if (f->min_lang_score < 0)
            f->min_lang_score = profiles[i].min_lang_score;
    }
    enum cru_status status = each_item(&rules, add_set, f, err);
    if (status == CRU_OK)
        status = each_item(&languages, add_language, f, err);
    if (status == CRU_OK && f->condition)
        status = cru_where_parse(f->condition, &f->where, err);
    if (status != CRU_OK)
        return status;
    f->scored = f->min_lang_score >= 0;
    f->detect = f->detect_lang || f->n_wanted > 0 || f->scored;
    if (f->n_sets == 0 && !f->detect && !f->where && strcmp(f->pii, "keep") == 0)
        return cru_fail(err, CRU_USAGE,
                        "nothing to do: give --rules, --profile, --lang, --where or --pii");
    return CRU_OK;
}

static void worker_free(struct worker *w) {
    if (!w)
        return;
    cru_filter_scratch_release(&w->scratch);
    cru_json_parser_free(w->parser);
    cru_buffer_release(&w->masked);
    free(w);
}

static enum cru_status worker_take(struct filter *f, struct worker **worker, struct cru_error *err) {
    pthread_mutex_lock(&f->lock);
    struct worker *w = f->idle;
    if (w)
        f->idle = w->next;
    pthread_mutex_unlock(&f->lock);
    *worker = w;
    if (w)
        return CRU_OK;
    w = calloc(1, sizeof *w);
    if (!w)
        return cru_fail_memory(err, "filter");
    cru_buffer_init(&w->masked);
    w->parser = cru_json_parser_new();
    enum cru_status status = cru_filter_scratch_init(&w->scratch, err);
    if (status == CRU_OK && !w->parser)
        status = cru_fail_memory(err, "JSON parser");
    if (status != CRU_OK)
        worker_free(w);
    else
        *worker = w;
    return status;
}

static void worker_give(struct filter *f, struct worker *w) {
    pthread_mutex_lock(&f->lock);
    w->next = f->idle;
    f->idle = w;
    pthread_mutex_unlock(&f->lock);
}

/* What a document came to. rule == NULL: it stays. */
struct outcome {
    const char *rule;
    double value, limit;
    struct cru_span text; /* as the rules left it */
};

/* The document's language, from what is known or from the text; kept in crucible.lang. */
static enum cru_status find_language(struct filter *f, struct worker *w, struct cru_batch *batch,
                                     struct cru_doc *doc, struct cru_span *lang, double *score,
                                     struct cru_error *err) {
    struct cru_span known = cru_doc_meta(doc, "lang");
    *lang = cru_span_make("", 0);
    *score = 0;
    if (known.p && cru_json_string(w->parser, known, "", &batch->arena, lang)) {
        struct cru_span number = cru_doc_meta(doc, "lang_score");
        if (!number.p || !cru_json_number(w->parser, number, "", score))
            *score = 1; /* said by whoever read it, so certain */
        return CRU_OK;
    }
    if (!f->detect)
        return CRU_OK;
    struct cru_language found = cru_language_detect(doc->text);
    *lang = cru_span_of(found.code);
    *score = found.score;
    if (cru_doc_set_meta_string(batch, doc, "lang", *lang) != CRU_OK ||
        cru_doc_set_meta_number(batch, doc, "lang_score", found.score) != CRU_OK)
        return cru_fail_memory(err, "language of a document");
    return CRU_OK;
}

static bool is_wanted(const struct filter *f, struct cru_span lang) {
    for (size_t i = 0; i < f->n_wanted; i++)
        if (cru_span_eq(f->wanted[i], lang))
            return true;
    return f->n_wanted == 0;
}

/* The path rules may look at: where it was read, else the user's field "path", else the id. */
static struct cru_span find_path(struct worker *w, struct cru_batch *batch, const struct cru_doc *doc) {
    struct cru_span field = cru_doc_field(doc, "path"), path;
    if (doc->path.n > 0)
        return doc->path;
    if (field.p && cru_json_string(w->parser, field, "", &batch->arena, &path))
        return path;
    return doc->id;
}

static enum cru_status judge(struct filter *f, struct worker *w, struct cru_batch *batch,
                             struct cru_doc *doc, struct outcome *o, struct cru_error *err) {
    struct cru_filter_facts facts = {{"", 0}, {"", 0}};
    double score;
    *o = (struct outcome){NULL, NAN, NAN, doc->text};
    enum cru_status status = find_language(f, w, batch, doc, &facts.lang, &score, err);
    if (status != CRU_OK)
        return status;
    if (!is_wanted(f, facts.lang)) {
        o->rule = "language";
        return CRU_OK;
    }
    if (f->scored && score < f->min_lang_score) {
        *o = (struct outcome){"language-score", score, f->min_lang_score, doc->text};
        return CRU_OK;
    }
    if (f->where && !cru_where_holds(f->where, w->parser, doc, &batch->arena)) {
        o->rule = "where";
        return CRU_OK;
    }
    if (f->n_sets > 0) {
        struct cru_verdict verdict;
        facts.path = find_path(w, batch, doc);
        status = cru_rule_sets_apply(f->sets, f->n_sets, &w->scratch, doc->text, &facts, &o->text,
                                     &verdict, err);
        if (status != CRU_OK)
            return status;
        if (verdict.rule) {
            *o = (struct outcome){verdict.rule->name, verdict.value, verdict.rule->limit, doc->text};
            return CRU_OK;
        }
    }
    if (strcmp(f->pii, "drop") == 0) {
        struct cru_pii_counts found = cru_pii_replace(o->text, NULL);
        if (found.emails + found.addresses > 0)
            *o = (struct outcome){found.emails ? "pii.email" : "pii.ip",
                                  (double)(found.emails ? found.emails : found.addresses), 0,
                                  doc->text};
    } else if (strcmp(f->pii, "mask") == 0) {
        struct cru_pii_counts found = cru_pii_replace(o->text, &w->masked);
        if (w->masked.failed)
            return cru_fail_memory(err, "masked text");
        if (found.emails + found.addresses > 0)
            o->text = cru_buffer_span(&w->masked);
    }
    return CRU_OK;
}

static enum cru_status set_mark(struct cru_batch *batch, struct cru_doc *doc, const struct outcome *o) {
    struct cru_buffer json;
    cru_buffer_init(&json);
    cru_buffer_printf(&json, "{\"rule\":\"%s\"", o->rule);
    if (!isnan(o->value)) {
        cru_buffer_add_string(&json, ",\"value\":");
        cru_buffer_add_json_number(&json, o->value);
        cru_buffer_add_string(&json, ",\"limit\":");
        cru_buffer_add_json_number(&json, o->limit);
    }
    cru_buffer_add_char(&json, '}');
    struct cru_span kept = json.failed ? cru_span_make(NULL, 0)
                                       : cru_arena_copy(&batch->arena, cru_buffer_span(&json));
    cru_buffer_release(&json);
    return kept.p ? cru_doc_set_meta(batch, doc, "filter", kept) : CRU_FATAL;
}

static enum cru_status filter_document(struct filter *f, struct worker *w, struct cru_batch *batch,
                                       struct cru_doc *doc, struct cru_error *err) {
    struct outcome o;
    if (doc->text.n >= CRU_TEXT_MAX) {
        if (cru_doc_wrong(batch, doc, "filter", "too-long", "the text has 2 GiB or more") != CRU_OK)
            return cru_fail_memory(err, "verdict on a document");
        return CRU_OK;
    }
    enum cru_status status = judge(f, w, batch, doc, &o, err);
    if (status != CRU_OK)
        return status;
    if (o.rule) {
        status = f->mark ? set_mark(batch, doc, &o)
                         : cru_doc_drop(batch, doc, "filter", o.rule, o.value, o.limit);
    } else if (!cru_span_eq(o.text, doc->text)) {
        struct cru_span text = cru_arena_copy(&batch->arena, o.text);
        status = text.p ? CRU_OK : CRU_FATAL;
        if (text.p)
            cru_doc_set_text(doc, text);
    }
    return status == CRU_OK ? CRU_OK : cru_fail_memory(err, "verdict on a document");
}

static enum cru_status filter_run(struct cru_stage *stage, struct cru_batch *batch,
                                  struct cru_error *err) {
    struct filter *f = (struct filter *)stage;
    struct worker *w;
    enum cru_status status = worker_take(f, &w, err);
    if (status != CRU_OK)
        return status;
    for (size_t i = 0; i < batch->n && status == CRU_OK; i++)
        status = filter_document(f, w, batch, &batch->docs[i], err);
    worker_give(f, w);
    return status;
}

static void filter_release(struct cru_stage *stage) {
    struct filter *f = (struct filter *)stage;
    while (f->idle) {
        struct worker *w = f->idle;
        f->idle = w->next;
        worker_free(w);
    }
    cru_where_free(f->where);
    free(f->sets);
    free(f->wanted);
    (void)pthread_mutex_destroy(&f->lock);
}

const struct cru_stage_class cru_filter_stage = {
    .name = "filter",
    .summary = "Drops or cleans documents by rule sets, language and conditions.",
    .synopsis = "[options] [FILE...]",
    .options = options,
    .size = sizeof(struct filter),
    .open = filter_open,
    .run = filter_run,
    .release = filter_release,
};
