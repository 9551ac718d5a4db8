/* SPDX-License-Identifier: Apache-2.0 */
/* HTML to text: white space, blocks, furniture, hostile pages; and the guard against the parser itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <gumbo.h>

#include "crucible/base/base.h"
#include "crucible/base/input.h"
#include "crucible/read/html_guard.h"
#include "crucible/read/html_text.h"
#include "tests/unit/golden_file.h"

static struct cru_html *html;

static enum cru_status extract(struct cru_span page, enum cru_extract how, struct cru_buffer *out,
                               const char **rule) {
    struct cru_error err;
    cru_buffer_clear(out);
    return cru_html_text(html, page, how, out, rule, &err);
}

static void expect(const char *page, enum cru_extract how, const char *text) {
    struct cru_buffer out;
    const char *rule;
    cru_buffer_init(&out);
    assert_int_equal(extract(cru_span_of(page), how, &out, &rule), CRU_OK);
    assert_string_equal(out.p ? out.p : "", text);
    cru_buffer_release(&out);
}

static void white_space_is_as_documented(void **state) {
    (void)state;
    expect("<p> one \n two&nbsp; three<p>four<br>  five", CRU_EXTRACT_ALL, "one two three\n\nfour\nfive");
    expect("<pre>\n  a\n\tb  \n\n</pre>", CRU_EXTRACT_ALL, "  a\n\tb");
    expect("<p>a\xE2\x80\x8B" "b\xC2\xAD" "c\xEF\xBB\xBF" "d<p>\xE3\x80\x80x", CRU_EXTRACT_ALL, "abcd\n\nx");
    expect("<p>a<br><br><br><br>b", CRU_EXTRACT_ALL, "a\n\nb");
    expect("<p>w<b>or</b>d <i> x</i>", CRU_EXTRACT_ALL, "word x");
    expect("", CRU_EXTRACT_ALL, "");
}

static void blocks_are_joined(void **state) {
    (void)state;
    expect("<h1>T</h1><p>p</p><ul><li>a<li>b<ol start=3><li>c</ol></ul>", CRU_EXTRACT_ALL,
           "T\n\np\n\n- a\n- b\n3. c");
    expect("<table><tr><th>k<th>v<tr><td>a<td><p>1</table><p>x", CRU_EXTRACT_ALL, "k | v\na | 1\n\nx");
    expect("<dl><dt>t<dd>d<dt>u<dd>e</dl>", CRU_EXTRACT_ALL, "t\nd\n\nu\ne");
    expect("<table><tr><td>a<table><tr><td>in</table>b<td>c</table>", CRU_EXTRACT_ALL,
           "a\nin\nb | c");
    expect("<script>x</script><style>y</style><p hidden>h</p><p style='display: none'>i</p>z",
           CRU_EXTRACT_ALL, "z");
}

static const char *const PARAGRAPH =
    "The quick brown fox jumps over the lazy dog, and then it rests for a while in the sun.";

static void furniture_goes(void **state) {
    (void)state;
    char page[4000];
    (void)snprintf(page, sizeof page,
                   "<body class='has-nav'><header><a href=/>Home</a> Site</header><nav><ul><li><a href=1>One"
                   "</a></ul></nav><div class='mainMenu'><a href=2>Two</a></div><main><h1>Title</h1><p>%s</p>"
                   "<h2>Part</h2><p>%s <a href=3>link</a></p><p>Short one.</p></main>"
                   "<div id=cookie-consent>We use cookies.</div><footer>Copyright</footer>",
                   PARAGRAPH, PARAGRAPH);
    char text[4000];
    (void)snprintf(text, sizeof text, "Title\n\n%s\n\nPart\n\n%s link\n\nShort one.", PARAGRAPH,
                   PARAGRAPH);
    expect(page, CRU_EXTRACT_MAIN, text);
}

static void links_go_without_markup_to_tell(void **state) {
    (void)state;
    char page[4000], text[1000];
    (void)snprintf(page, sizeof page,
                   "<div><a href=1>Products and services</a></div><div><a href=2>About us</a></div>"
                   "<div><a href=3>News</a></div><div><a href=4>Contact</a></div>"
                   "<h1>Story</h1><div>%s</div><div>%s</div>"
                   "<div><a href=1>Previous</a></div><div><a href=2>Next</a></div>",
                   PARAGRAPH, PARAGRAPH);
    (void)snprintf(text, sizeof text, "Story\n\n%s\n\n%s", PARAGRAPH, PARAGRAPH);
    expect(page, CRU_EXTRACT_MAIN, text);
}

static void a_page_that_is_a_form_or_all_nav_is_rescued(void **state) {
    (void)state;
    char page[2000];
    (void)snprintf(page, sizeof page, "<form><p>%s</p></form>", PARAGRAPH);
    expect(page, CRU_EXTRACT_MAIN, PARAGRAPH);
    (void)snprintf(page, sizeof page, "<aside><p>%s</p></aside>", PARAGRAPH);
    expect(page, CRU_EXTRACT_MAIN, PARAGRAPH);
    expect("<p>Only a few words.", CRU_EXTRACT_MAIN, "Only a few words.");
}

static void repeat(struct cru_buffer *b, const char *piece, size_t n) {
    cru_buffer_clear(b);
    for (size_t i = 0; i < n; i++) cru_buffer_add_string(b, piece);
}

static void hostile_pages_are_refused_or_linear(void **state) {
    (void)state;
    static const struct {
        const char *piece;
        size_t n;
        const char *rule; /* NULL: must be read */
    } cases[] = {
        {"<div>", 1000000, "too-deep"},          {"<b><div></b>", 100000, "too-deep"},
        {"<span><div></span>", 100000, "too-deep"}, {"<svg><g>", 100000, "too-deep"},
        {"<table><tr><td>", 90000, "too-deep"},         {"<select><style><input><div><i>", 99999, "too-deep"},
        {"<p>unclosed and long", 50000, NULL},   {"<li>unclosed", 50000, NULL},
        {"<!--", 100000, NULL},                  {"<", 300000, NULL},
        {"</p>", 100000, NULL},                  {"<a href=x>y", 30000, NULL},
        {"<a><div></a></div>", 50000, NULL},     {"&amp;&#x41;&nosuch;", 50000, NULL},
        {"<h1><h2>", 5000, NULL},                {"<svg><desc><div>", 100000, "too-deep"},
    };
    struct cru_buffer page, out;
    cru_buffer_init(&page);
    cru_buffer_init(&out);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        repeat(&page, cases[i].piece, cases[i].n);
        const char *rule;
        enum cru_status s = extract(cru_buffer_span(&page), CRU_EXTRACT_MAIN, &out, &rule);
        if (s != (cases[i].rule ? CRU_BAD : CRU_OK)) fail_msg("'%s': %d", cases[i].piece, (int)s);
        if (cases[i].rule) assert_string_equal(rule, cases[i].rule);
    }
    /* a tag of many attributes; an attribute of 8 MB that never ends */
    cru_buffer_clear(&page);
    cru_buffer_add_string(&page, "<p ");
    for (int i = 0; i < 5000; i++) cru_buffer_printf(&page, "a%d ", i);
    const char *rule;
    assert_int_equal(extract(cru_buffer_span(&page), CRU_EXTRACT_MAIN, &out, &rule), CRU_BAD);
    assert_string_equal(rule, "too-complex");
    repeat(&page, "aaaaaaaa", 1 << 20);
    memcpy(page.p, "<p id='", 7);
    assert_int_equal(extract(cru_buffer_span(&page), CRU_EXTRACT_MAIN, &out, &rule), CRU_OK);
    /* pages that fail an assertion inside the parser: refused, or read where the parser is mended */
    struct cru_random random = {3};
    static const char *const parts[] = {"<table>", "<tr>", "<td>", "<svg>", "<desc>", "</td>", "</svg>", "x"};
    for (int round = 0; round < 200; round++) {
        cru_buffer_clear(&page);
        for (int i = 0; i < 40; i++) cru_buffer_add_string(&page, parts[cru_random_next(&random) % 8]);
        enum cru_status s = extract(cru_buffer_span(&page), CRU_EXTRACT_ALL, &out, &rule);
        assert_true(s == CRU_OK || (s == CRU_BAD && strcmp(rule, "unparsable") == 0));
    }
    /* formatting elements that are opened again in every paragraph */
    cru_buffer_clear(&page);
    for (int i = 0; i < 100000; i++) cru_buffer_printf(&page, "<p><b id=%d>x</p>", i);
    assert_int_equal(extract(cru_buffer_span(&page), CRU_EXTRACT_MAIN, &out, &rule), CRU_BAD);
    cru_buffer_release(&page);
    cru_buffer_release(&out);
}

/* The deepest element of a tree, by walking up and down without recursion. */
static size_t tree_depth(const GumboNode *root) {
    static struct {
        const GumboNode *node;
        unsigned child;
    } stack[20000];
    size_t n = 1, deepest = 1;
    stack[0].node = root;
    stack[0].child = 0;
    while (n) {
        const GumboVector *children = &stack[n - 1].node->v.element.children;
        if (stack[n - 1].child == children->length) {
            n--;
            continue;
        }
        const GumboNode *child = children->data[stack[n - 1].child++];
        if (child->type != GUMBO_NODE_ELEMENT && child->type != GUMBO_NODE_TEMPLATE) continue;
        assert_true(n < 20000);
        stack[n].node = child;
        stack[n++].child = 0;
        if (n > deepest) deepest = n;
    }
    return deepest;
}

/* Whatever soup the guard lets pass, the parser's tree is at most three times as deep as the guard's limit
 * (clones of formatting elements are not in the guard's count); and it refuses nothing shallow. */
static void the_guard_agrees_with_the_parser(void **state) {
    (void)state;
    static const char *const names[] = {"div", "p", "b", "i", "a", "span", "table", "tr", "td", "li",
                                        "ul", "dd", "dl", "font", "form", "button", "select", "option",
                                        "svg", "g", "title", "style", "h1", "x-y", "object", "center"};
    struct cru_buffer page;
    cru_buffer_init(&page);
    struct cru_random random = {7};
    size_t passed = 0, refused = 0;
    for (int round = 0; round < 300; round++) {
        cru_buffer_clear(&page);
        unsigned ends = (unsigned)(cru_random_next(&random) % 60), kinds = 2 + (unsigned)(cru_random_next(&random) % 24);
        unsigned from = (unsigned)(cru_random_next(&random) % 26);
        for (int i = 0; i < 1500; i++) {
            const char *name = names[(from + cru_random_next(&random) % kinds) % 26];
            bool end = cru_random_next(&random) % 100 < ends;
            cru_buffer_printf(&page, end ? "</%s>" : "<%s>", name);
            if (i % 7 == 0) cru_buffer_add_string(&page, "x");
        }
        GumboOptions options = kGumboDefaultOptions;
        options.max_errors = 0;
        GumboOutput *tree = gumbo_parse_with_options(&options, page.p, page.n);
        size_t depth = tree_depth(tree->root);
        if (cru_html_guard(cru_buffer_span(&page))) {
            refused++;
            if (depth <= CRU_HTML_MAX_DEPTH / 8) fail_msg("%zu: %.300s", depth, page.p);
        } else {
            passed++;
            if (depth >= 3 * CRU_HTML_MAX_DEPTH) fail_msg("%zu: %.300s", depth, page.p);
        }
        gumbo_destroy_output(&options, tree);
    }
    assert_true(passed > 20);
    assert_true(refused > 5);
    cru_buffer_release(&page);
}

static void golden_pages(void **state) {
    (void)state;
    static const char *const names[] = {"manual", "news"};
    for (size_t i = 0; i < 2; i++) {
        struct cru_buffer page, want, out;
        cru_buffer_init(&page);
        cru_buffer_init(&want);
        cru_buffer_init(&out);
        char path[100];
        (void)snprintf(path, sizeof path, "tests/golden/read/%s.html", names[i]);
        read_golden(path, &page);
        (void)snprintf(path, sizeof path, "tests/golden/read/%s.txt", names[i]);
        read_golden(path, &want);
        const char *rule;
        assert_int_equal(extract(cru_buffer_span(&page), CRU_EXTRACT_MAIN, &out, &rule), CRU_OK);
        cru_buffer_add_char(&out, '\n');
        assert_string_equal(out.p, want.p);
        cru_buffer_release(&page);
        cru_buffer_release(&want);
        cru_buffer_release(&out);
    }
}

static int begin(void **state) {
    (void)state;
    html = cru_html_new();
    return html ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    cru_html_free(html);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(white_space_is_as_documented),
        cmocka_unit_test(blocks_are_joined),
        cmocka_unit_test(furniture_goes),
        cmocka_unit_test(links_go_without_markup_to_tell),
        cmocka_unit_test(a_page_that_is_a_form_or_all_nav_is_rescued),
        cmocka_unit_test(hostile_pages_are_refused_or_linear),
        cmocka_unit_test(the_guard_agrees_with_the_parser),
        cmocka_unit_test(golden_pages),
    };
    return cmocka_run_group_tests_name("html", tests, begin, end);
}
