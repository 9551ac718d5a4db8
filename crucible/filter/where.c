/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/filter/where.h"

/*
 *     not (lang == 'en' and score > 0.5)
 *
 * is kept as a tree in one array; a node names its children by index:
 *
 *     [0] lang == 'en'   [1] score > 0.5   [2] and 0 1   [3] not 2
 */
enum node_kind { OR, AND, NOT, PRESENT, COMPARE };
enum comparison { EQUAL, NOT_EQUAL, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL };
enum literal_kind { NUMBER, STRING, BOOLEAN };

struct node {
    enum node_kind kind;
    size_t left, right;
    const char *path;
    enum comparison sign;
    enum literal_kind literal;
    double number;
    struct cru_span string;
    bool boolean;
};

/* The deepest nesting of parentheses and nots; evaluation recurses as deep. */
enum { MAX_DEPTH = 100, MAX_NODES = 10000 };

struct cru_where {
    struct cru_arena arena; /* owns the strings */
    struct node *nodes;
    size_t n, capacity, root;
};

struct parse {
    struct cru_where *where;
    const char *source, *p;
    unsigned depth;
    struct cru_error *err;
};

static enum cru_status expected(struct parse *s, const char *what) {
    return cru_fail(s->err, CRU_USAGE, "--where: '%s': expected %s at character %zu", s->source, what,
                    (size_t)(s->p - s->source) + 1);
}

static enum cru_status add_node(struct parse *s, struct node node, size_t *index) {
    struct cru_where *w = s->where;
    if (w->n == MAX_NODES)
        return expected(s, "a shorter condition");
    if (w->n == w->capacity) {
        size_t capacity = w->capacity ? w->capacity * 2 : 16;
        struct node *grown = realloc(w->nodes, capacity * sizeof *grown);
        if (!grown)
            return cru_fail_memory(s->err, "condition");
        w->nodes = grown;
        w->capacity = capacity;
    }
    w->nodes[w->n] = node;
    *index = w->n++;
    return CRU_OK;
}

static void skip_space(struct parse *s) {
    while (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r')
        s->p++;
}

static bool is_name(char c, bool first) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80 ||
           (!first && ((c >= '0' && c <= '9') || c == '-' || c == '.'));
}

/* Takes the name at p, without moving when there is none. */
static struct cru_span peek_name(const struct parse *s) {
    size_t n = 0;
    while (is_name(s->p[n], n == 0))
        n++;
    return cru_span_make(s->p, n);
}

static bool take_word(struct parse *s, const char *word) {
    skip_space(s);
    struct cru_span name = peek_name(s);
    if (!cru_span_is(name, word))
        return false;
    s->p += name.n;
    return true;
}

static bool take_operator(struct parse *s, enum comparison *sign) {
    static const struct {
        const char *text;
        enum comparison sign;
    } signs[] = {{"==", EQUAL}, {"!=", NOT_EQUAL}, {"<=", LESS_EQUAL}, {">=", GREATER_EQUAL},
                 {"=", EQUAL},  {"<", LESS},       {">", GREATER}};
    skip_space(s);
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        size_t n = strlen(signs[i].text);
        if (strncmp(s->p, signs[i].text, n) == 0) {
            s->p += n;
            *sign = signs[i].sign;
            return true;
        }
    }
    return false;
}

static enum cru_status take_literal(struct parse *s, struct node *node) {
    skip_space(s);
    if (*s->p == '\'' || *s->p == '"') {
        const char *end = strchr(s->p + 1, *s->p);
        if (!end)
            return expected(s, "the end of a quoted text");
        node->literal = STRING;
        node->string =
            cru_arena_copy(&s->where->arena, cru_span_make(s->p + 1, (size_t)(end - s->p - 1)));
        s->p = end + 1;
        return node->string.p ? CRU_OK : cru_fail_memory(s->err, "condition");
    }
    if (take_word(s, "true") || take_word(s, "false")) {
        node->literal = BOOLEAN;
        node->boolean = s->p[-2] == 'u';
        if (node->sign != EQUAL && node->sign != NOT_EQUAL)
            return expected(s, "== or != in front of true or false");
        return CRU_OK;
    }
    char *end;
    node->literal = NUMBER;
    node->number = strtod(s->p, &end);
    if (end == s->p || (*s->p != '-' && *s->p != '+' && *s->p != '.' && !(*s->p >= '0' && *s->p <= '9')))
        return expected(s, "a number, a 'text', true or false");
    s->p = end;
    return CRU_OK;
}

static enum cru_status take_or(struct parse *s, size_t *index);

static enum cru_status take_plain(struct parse *s, size_t *index) {
    struct node node = {.kind = NOT};
    enum cru_status status;
    skip_space(s);
    if (take_word(s, "not")) {
        if (++s->depth > MAX_DEPTH)
            return expected(s, "less nesting");
        status = take_plain(s, &node.left);
        s->depth--;
        return status == CRU_OK ? add_node(s, node, index) : status;
    }
    if (*s->p == '(') {
        s->p++;
        if (++s->depth > MAX_DEPTH)
            return expected(s, "less nesting");
        status = take_or(s, index);
        s->depth--;
        skip_space(s);
        if (status == CRU_OK && *s->p != ')')
            return expected(s, "')'");
        s->p += status == CRU_OK;
        return status;
    }
    struct cru_span name = peek_name(s);
    if (name.n == 0)
        return expected(s, "the name of a field");
    node.path = cru_arena_copy(&s->where->arena, name).p;
    if (!node.path)
        return cru_fail_memory(s->err, "condition");
    s->p += name.n;
    node.kind = PRESENT;
    if (take_operator(s, &node.sign)) {
        node.kind = COMPARE;
        status = take_literal(s, &node);
        if (status != CRU_OK)
            return status;
    }
    return add_node(s, node, index);
}

/* plain { word plain }: a chain of one word, nested to the left. */
static enum cru_status take_chain(struct parse *s, enum node_kind kind, size_t *index) {
    enum cru_status status = kind == AND ? take_plain(s, index) : take_chain(s, AND, index);
    unsigned length = 0;
    while (status == CRU_OK && take_word(s, kind == AND ? "and" : "or")) {
        struct node node = {.kind = kind, .left = *index};
        if (++length > MAX_DEPTH)
            return expected(s, "a shorter condition");
        status = kind == AND ? take_plain(s, &node.right) : take_chain(s, AND, &node.right);
        if (status == CRU_OK)
            status = add_node(s, node, index);
    }
    return status;
}

static enum cru_status take_or(struct parse *s, size_t *index) {
    return take_chain(s, OR, index);
}

enum cru_status cru_where_parse(const char *source, struct cru_where **where, struct cru_error *err) {
    *where = NULL;
    struct cru_where *w = calloc(1, sizeof *w);
    if (!w)
        return cru_fail_memory(err, "condition");
    cru_arena_init(&w->arena);
    struct parse s = {w, source, source, 0, err};
    enum cru_status status = take_or(&s, &w->root);
    skip_space(&s);
    if (status == CRU_OK && *s.p)
        status = expected(&s, "and, or, or the end");
    if (status == CRU_OK)
        *where = w;
    else
        cru_where_free(w);
    return status;
}

void cru_where_free(struct cru_where *where) {
    if (!where)
        return;
    cru_arena_release(&where->arena);
    free(where->nodes);
    free(where);
}

/* A field's raw JSON and the rest of the path behind it. */
static struct cru_span find_field(const struct cru_doc *doc, const char *path, const char **rest) {
    char key[128];
    bool added = strncmp(path, "crucible.", 9) == 0;
    path += added ? 9 : 0;
    const char *dot = strchr(path, '.');
    size_t n = dot ? (size_t)(dot - path) : strlen(path);
    *rest = dot ? dot + 1 : "";
    if (n >= sizeof key)
        return cru_span_make(NULL, 0);
    memcpy(key, path, n);
    key[n] = 0;
    return added ? cru_doc_meta(doc, key) : cru_doc_field(doc, key);
}

static bool find_string(const char *path, struct cru_json_parser *parser, const struct cru_doc *doc,
                        struct cru_arena *arena, struct cru_span *value) {
    const char *rest;
    if (strcmp(path, "id") == 0 || strcmp(path, "text") == 0) {
        *value = path[0] == 'i' ? doc->id : doc->text;
        return true;
    }
    struct cru_span json = find_field(doc, path, &rest);
    return json.p && cru_json_string(parser, json, rest, arena, value);
}

static bool find_bool(const char *path, struct cru_json_parser *parser, const struct cru_doc *doc,
                      bool *value) {
    const char *rest;
    struct cru_span json = find_field(doc, path, &rest);
    if (!json.p)
        return false;
    if (*rest)
        return cru_json_bool(parser, json, rest, value);
    json = cru_span_trim(json);
    *value = cru_span_is(json, "true");
    return *value || cru_span_is(json, "false");
}

static bool decide(enum comparison sign, int order) {
    switch (sign) {
    case EQUAL:
        return order == 0;
    case NOT_EQUAL:
        return order != 0;
    case LESS:
        return order < 0;
    case LESS_EQUAL:
        return order <= 0;
    case GREATER:
        return order > 0;
    default:
        return order >= 0;
    }
}

static bool compare(const struct node *node, struct cru_json_parser *parser, const struct cru_doc *doc,
                    struct cru_arena *arena) {
    double number;
    struct cru_span string;
    bool boolean;
    switch (node->literal) {
    case NUMBER:
        if (cru_doc_number(parser, doc, node->path, &number))
            return decide(node->sign, (number > node->number) - (number < node->number));
        break;
    case STRING:
        if (find_string(node->path, parser, doc, arena, &string)) {
            size_t n = string.n < node->string.n ? string.n : node->string.n;
            int order = n ? memcmp(string.p, node->string.p, n) : 0;
            if (order == 0)
                order = (string.n > node->string.n) - (string.n < node->string.n);
            return decide(node->sign, order);
        }
        break;
    case BOOLEAN:
        if (find_bool(node->path, parser, doc, &boolean))
            return decide(node->sign, boolean != node->boolean);
        break;
    }
    return node->sign == NOT_EQUAL;
}

static bool is_present(const char *path, struct cru_json_parser *parser, const struct cru_doc *doc,
                       struct cru_arena *arena) {
    double number;
    struct cru_span string;
    bool boolean;
    if (find_string(path, parser, doc, arena, &string))
        return string.n > 0;
    if (cru_doc_number(parser, doc, path, &number))
        return number != 0;
    if (find_bool(path, parser, doc, &boolean))
        return boolean;
    /* What is left with a value of its own is an object or an array. */
    const char *rest;
    struct cru_span json = find_field(doc, path, &rest);
    return json.n > 0 && *rest == 0 && (json.p[0] == '{' || json.p[0] == '[');
}

static bool holds(const struct cru_where *where, size_t index, struct cru_json_parser *parser,
                  const struct cru_doc *doc, struct cru_arena *arena) {
    const struct node *node = &where->nodes[index];
    switch (node->kind) {
    case OR:
        return holds(where, node->left, parser, doc, arena) ||
               holds(where, node->right, parser, doc, arena);
    case AND:
        return holds(where, node->left, parser, doc, arena) &&
               holds(where, node->right, parser, doc, arena);
    case NOT:
        return !holds(where, node->left, parser, doc, arena);
    case PRESENT:
        return is_present(node->path, parser, doc, arena);
    default:
        return compare(node, parser, doc, arena);
    }
}

bool cru_where_holds(const struct cru_where *where, struct cru_json_parser *parser,
                     const struct cru_doc *doc, struct cru_arena *arena) {
    return holds(where, where->root, parser, doc, arena);
}
