/* SPDX-License-Identifier: Apache-2.0 */
/* Manual pages to text: man(7), mdoc(7), escapes, conditions, tables, hostile macros. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "crucible/base/base.h"
#include "crucible/base/input.h"
#include "crucible/read/man_text.h"
#include "tests/unit/golden_file.h"

static struct cru_man *man;

static enum cru_status convert(struct cru_span page, struct cru_buffer *out, const char **rule) {
    struct cru_error err;
    cru_buffer_clear(out);
    return cru_man_text(man, page, out, rule, &err);
}

static void expect(const char *page, const char *text) {
    struct cru_buffer out;
    const char *rule;
    cru_buffer_init(&out);
    assert_int_equal(convert(cru_span_of(page), &out, &rule), CRU_OK);
    assert_string_equal(out.p ? out.p : "", text);
    cru_buffer_release(&out);
}

static void paragraphs_and_fonts(void **state) {
    (void)state;
    expect(".TH X 1\n.SH NAME\nx \\- does \\fBthings\\fR\n.SH \"SEE ALSO\"\n.BR ls (1),\n.B cat\n.PP\nmore\n"
           "text.\nEnd.\n",
           "NAME\n\nx - does things\n\nSEE ALSO\n\nls(1), cat\n\nmore text. End.");
    expect(".TP\n.BR \\-a \", \" \\-\\-all\nprint\nall\n.TP\nb\nbee\n", "-a, --all\nprint all\n\nb\nbee");
    expect(".IP \\(bu 2\none\n.IP \\(bu\ntwo\n.IP tag\nthree\n.IP 1. 3\nfour\n",
           "- one\n\n- two\n\ntag\nthree\n\n1. four");
    expect("a\n.nf\n  b  c\n\n\\&.d\n.fi\ne\n  f\n", "a\n  b  c\n\n.d\ne\nf");
    expect(".UR http://x.y/\ntext\n.UE .\n.UR http://z/\n.UE\n", "text <http://x.y/>. http://z/");
    expect(".SH\nHEAD\nx\n.I y \\\nz\n", "HEAD\n\nx y z");
    expect("a\\c\nb\n", "ab");
}

static void escapes(void **state) {
    (void)state;
    expect("\\(co \\(em \\[lq]q\\[rq] \\e \\[u00E9] \\[u0065_0301] \\['e] \\(:a \\~x\\0y\\ z\n",
           "© — “q” \\ é e\xCC\x81 é ä x y z");
    expect("\\s-1small\\s0 \\s+2b\\s0 \\s(10c\\s0 \\f(CWd\\fP \\f[B]e\\f[] \\*(lqf\\*(rq \\m[red]g\\m[]\n",
           "small b c d e “f” g");
    expect("x\\\" comment\n.\\\" comment\n'\\\" comment\n\\\" comment\n\\h'1m'y\\v'2'z\\w'abc'\\z_w\n",
           "x yz_w");
    expect("\\*(L»q\\*(R« \\(é»x \\w»a«b»c \\C»bu»- \\N»65»\\N'0'd\n", "q x c •- Ad");
    expect(".ds Nm the \\\\ename\n\\*[Nm] \\*(Nm \\*x.\n", "the \\name the \\name .");
}

static void conditions_and_macros(void **state) {
    (void)state;
    expect(".if n one\n.if t two\n.if !n three\n.ie t four\n.el five\n", "one five");
    expect(".ie n \\{\\\n.B six\nseven\n.\\}\n.el \\{\\\neight\n.\\}\nnine\n", "six seven nine");
    expect(".if t \\{\na\n.if n \\{\nb\n.\\}\nc\n.\\}\nd\n", "d");
    expect(".nr X 3\n.if \\nX>2 yes\n.if \\nX=2 no\n.if (\\nX*2)=6 six\n.if 'a'a' same\n.if 'a'b' other\n",
           "yes six same");
    expect(".de M\n.B \\\\$1\nand \\\\$2\n..\n.M x \"y z\"\n.de1 N END\nq\n.END\n.N\n", "x and y z q");
    expect(".ig\nhidden\n..\nshown\n", "shown");
    expect(".de X\nloop\n.X\n..\n.so man1/other.1\nx\n", "x");
}

static void tables(void **state) {
    (void)state;
    expect(".TS\ntab(:) allbox;\nl l\nl l.\nA:B\n_\n\\fBc\\fR:T{\n.B d\ne\nT}\n.T&\nl.\nlast\n.TE\nx\n",
           "A | B\nc | d e\nlast\n\nx");
    expect(".TS\nl l.\na\tb\n.TE\n.EQ\nx over y\n.EN\nz\n", "a | b\n\nz");
}

static void semantic_macros(void **state) {
    (void)state;
    expect(".Dd May 1\n.Dt X 1\n.Os\n.Sh NAME\n.Nm foo\n.Nd does bar\n.Sh SYNOPSIS\n.Nm\n.Op Fl abc\n"
           ".Op Fl f Ar file Ns = Ns Ar x\n.Oo Ar y Oc\n.Ar\n",
           "NAME\n\nfoo – does bar\n\nSYNOPSIS\n\nfoo [-abc] [-f file=x] [y] file ...");
    expect(".Dd x\n.Bl -tag -width x\n.It Fl a , Fl ?\ntext\n.Xr ls 1 ,\n.Xr cat 1 .\n.It Ic b Ns Ar c\nmore\n.El\nend\n",
           "-a, -?\ntext ls(1), cat(1).\n\nbc\nmore\n\nend");
    expect(".Dd x\n.Bl -bullet -compact\n.It\none\n.It\ntwo\n.El\n.Bd -literal\na  b\n c\n.Ed\n.Dq Li quoted text .\n",
           "- one\n- two\n\na  b\n c\n\n“quoted text”.");
    expect(".Dd x\n.Ft int\n.Fn f \"int a\" \"char *b\"\n.Fo g\n.Fa x\n.Fa y\n.Fc\n.Pq see Sx Y\n",
           "int f(int a, char *b) g(x, y) (see Y)");
    expect(".Dd x\n.Op Ar user Ns @ Ns\n.Ar host\n", "[user@]host");
}

static void redirects_and_bombs(void **state) {
    (void)state;
    struct cru_buffer out;
    const char *rule;
    cru_buffer_init(&out);
    assert_int_equal(convert(CRU_SPAN(".so man3/other.3\n"), &out, &rule), CRU_BAD);
    assert_string_equal(rule, "redirect");
    static const char *const bombs[] = {
        ".ds a \\\\*b\\\\*b\\\\*b\\\\*b\n.ds b \\\\*a\\\\*a\\\\*a\\\\*a\n\\*a\n",
        ".de X\n.X\n.X\n..\n.X\n",
        ".de X\n.if n .X\n.if n .X\n..\n.X\n",
    };
    for (size_t i = 0; i < sizeof bombs / sizeof bombs[0]; i++) {
        assert_int_equal(convert(cru_span_of(bombs[i]), &out, &rule), CRU_BAD);
        assert_string_equal(rule, "too-complex");
    }
    cru_buffer_release(&out);
}

static void golden_page(void **state) {
    (void)state;
    struct cru_buffer page, want, out;
    const char *rule;
    cru_buffer_init(&page);
    cru_buffer_init(&want);
    cru_buffer_init(&out);
    read_golden("tests/golden/read/anvil.1", &page);
    read_golden("tests/golden/read/anvil.txt", &want);
    assert_int_equal(convert(cru_buffer_span(&page), &out, &rule), CRU_OK);
    cru_buffer_add_char(&out, '\n');
    assert_string_equal(out.p, want.p);
    cru_buffer_release(&page);
    cru_buffer_release(&want);
    cru_buffer_release(&out);
}

static int begin(void **state) {
    (void)state;
    man = cru_man_new();
    return man ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    cru_man_free(man);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paragraphs_and_fonts), cmocka_unit_test(escapes),
        cmocka_unit_test(conditions_and_macros), cmocka_unit_test(tables),
        cmocka_unit_test(semantic_macros),       cmocka_unit_test(redirects_and_bombs),
        cmocka_unit_test(golden_page),
    };
    return cmocka_run_group_tests_name("man", tests, begin, end);
}
