/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <iconv.h>

#include "crucible/base/base.h"
#include "crucible/doc/document.h"
#include "crucible/read/charset.h"

/* Bytes of a page searched for a declaration: WHATWG says 1024; real heads are longer. */
enum { META_BYTES = 4096 };

/* Labels of the WHATWG Encoding standard whose meaning is not their name, and glibc's names. */
static const struct {
    const char *label, *iconv;
} labels[] = {
    {"ascii", "CP1252"},          {"us-ascii", "CP1252"},       {"iso-8859-1", "CP1252"},
    {"iso8859-1", "CP1252"},      {"iso_8859-1", "CP1252"},     {"latin1", "CP1252"},
    {"latin-1", "CP1252"},        {"l1", "CP1252"},             {"windows-1252", "CP1252"},
    {"cp1252", "CP1252"},         {"x-cp1252", "CP1252"},       {"iso-8859-9", "CP1254"},
    {"latin5", "CP1254"},         {"iso-8859-11", "CP874"},     {"tis-620", "CP874"},
    {"windows-874", "CP874"},     {"gb2312", "GB18030"},        {"gbk", "GB18030"},
    {"gb_2312-80", "GB18030"},    {"x-gbk", "GB18030"},         {"gb18030", "GB18030"},
    {"hz-gb-2312", "HZ"},         {"big5", "BIG5-HKSCS"},       {"big5-hkscs", "BIG5-HKSCS"},
    {"x-x-big5", "BIG5-HKSCS"},   {"shift_jis", "CP932"},       {"shift-jis", "CP932"},
    {"sjis", "CP932"},            {"x-sjis", "CP932"},          {"windows-31j", "CP932"},
    {"ms_kanji", "CP932"},        {"euc-jp", "EUC-JP-MS"},      {"x-euc-jp", "EUC-JP-MS"},
    {"iso-2022-jp", "ISO-2022-JP"}, {"euc-kr", "CP949"},        {"ks_c_5601-1987", "CP949"},
    {"korean", "CP949"},          {"windows-949", "CP949"},     {"macintosh", "MACINTOSH"},
    {"koi8-r", "KOI8-R"},         {"koi", "KOI8-R"},            {"koi8-u", "KOI8-U"},
    {"iso-8859-8-i", "ISO-8859-8"}, {"latin2", "ISO-8859-2"},   {"utf8", "UTF-8"},
    {"unicode-1-1-utf-8", "UTF-8"}, {"utf-16", "UTF-8"}, /* declared in ASCII: cannot be */
    {"utf-16le", "UTF-8"},        {"utf-16be", "UTF-8"},        {"ibm866", "CP866"},
    {"cp866", "CP866"},           {"win-1251", "CP1251"},       {"x-cp1251", "CP1251"},
};

/* Other labels that iconv knows by the same name. Anything else is not handed to iconv, whose names
 * include things that are not character sets of pages. */
static const char *const same_names[] = {
    "utf-8",        "iso-8859-2",   "iso-8859-3",   "iso-8859-4",   "iso-8859-5",   "iso-8859-6",
    "iso-8859-7",   "iso-8859-8",   "iso-8859-10",  "iso-8859-13",  "iso-8859-14",  "iso-8859-15",
    "iso-8859-16",  "windows-1250", "windows-1251", "windows-1253", "windows-1254", "windows-1255",
    "windows-1256", "windows-1257", "windows-1258", "cp1250",       "cp1251",       "cp1253",
    "cp1254",       "cp1255",       "cp1256",       "cp1257",       "cp1258",
};

void cru_charset_init(struct cru_charset *c) {
    c->name[0] = '\0';
    c->converter = NULL;
    cru_buffer_init(&c->out);
}

void cru_charset_release(struct cru_charset *c) {
    if (c->converter) (void)iconv_close((iconv_t)c->converter);
    cru_buffer_release(&c->out);
    cru_charset_init(c);
}

static bool label_is(struct cru_span label, const char *name) {
    return label.n == strlen(name) && strncasecmp(label.p, name, label.n) == 0;
}

static const char *iconv_name(struct cru_span label) {
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++)
        if (label_is(label, labels[i].label)) return labels[i].iconv;
    for (size_t i = 0; i < sizeof same_names / sizeof same_names[0]; i++)
        if (label_is(label, same_names[i])) return same_names[i];
    return NULL;
}

static bool is_name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '_' || c == ':' || c == '.';
}

/* The value behind KEY, "=" and perhaps a quote, anywhere in `s`. */
static struct cru_span value_of(struct cru_span s, const char *key) {
    size_t k = strlen(key);
    for (size_t i = 0; i + k < s.n; i++) {
        if (strncasecmp(s.p + i, key, k) != 0) continue;
        size_t at = i + k;
        while (at < s.n && (s.p[at] == ' ' || s.p[at] == '\t')) at++;
        if (at == s.n || s.p[at] != '=') continue;
        at++;
        while (at < s.n && (s.p[at] == ' ' || s.p[at] == '"' || s.p[at] == '\'')) at++;
        size_t end = at;
        while (end < s.n && is_name_byte(s.p[end])) end++;
        if (end > at) return cru_span_make(s.p + at, end - at);
    }
    return cru_span_make(NULL, 0);
}

struct cru_span cru_charset_meta(struct cru_span page) {
    struct cru_span head = page;
    if (head.n > META_BYTES) head.n = META_BYTES;
    if (head.n > 5 && memcmp(head.p, "<?xml", 5) == 0) {
        const char *close = memchr(head.p, '>', head.n);
        if (close) {
            struct cru_span found =
                value_of(cru_span_make(head.p, (size_t)(close - head.p)), "encoding");
            if (found.n) return found;
        }
    }
    while (head.n > 5) {
        const char *tag = memchr(head.p, '<', head.n);
        if (!tag) break;
        head.n -= (size_t)(tag - head.p);
        head.p = tag;
        if (head.n > 5 && strncasecmp(tag, "<meta", 5) == 0) {
            const char *close = memchr(tag, '>', head.n);
            struct cru_span meta = cru_span_make(tag, close ? (size_t)(close - tag) : head.n);
            struct cru_span found = value_of(meta, "charset");
            if (found.n) return found;
        }
        head.p++;
        head.n--;
    }
    return cru_span_make(NULL, 0);
}

static enum cru_status convert(struct cru_charset *c, const char *name, struct cru_span bytes,
                               bool lossy, struct cru_span *text, struct cru_error *err) {
    if (!c->converter || strcmp(c->name, name) != 0) {
        if (c->converter) (void)iconv_close((iconv_t)c->converter);
        c->converter = NULL;
        iconv_t opened = iconv_open("UTF-8", name);
        if (opened == (iconv_t)-1)
            return cru_fail(err, CRU_BAD, "this system has no converter from %s", name);
        c->converter = opened;
        (void)snprintf(c->name, sizeof c->name, "%s", name);
    }
    iconv_t converter = (iconv_t)c->converter;
    (void)iconv(converter, NULL, NULL, NULL, NULL);
    cru_buffer_clear(&c->out);
    char *in = (char *)(uintptr_t)bytes.p; /* iconv does not write to it */
    size_t left = bytes.n, lost = 0;
    while (left) {
        size_t room = left + left / 2 + 64;
        char *out = cru_buffer_room(&c->out, room);
        if (!out) return cru_fail_memory(err, "text of another character set");
        size_t free_bytes = room;
        size_t answer = iconv(converter, &in, &left, &out, &free_bytes);
        c->out.n += room - free_bytes;
        if (answer != (size_t)-1 || errno == E2BIG) continue;
        lost++;
        if (!lossy || lost * CRU_CHARSET_LOSS > bytes.n)
            return cru_fail(err, CRU_BAD, "byte %zu is not %s", bytes.n - left, name);
        cru_buffer_add(&c->out, "\xEF\xBF\xBD", 3);
        in++;
        left--;
    }
    cru_buffer_add(&c->out, "", 0);
    if (c->out.failed) return cru_fail_memory(err, "text of another character set");
    *text = cru_buffer_span(&c->out);
    if (!cru_utf8_valid(*text)) return cru_fail(err, CRU_BAD, "%s gave no valid UTF-8", name);
    return CRU_OK;
}

/*
 * Western text in windows-1252 has its high bytes alone between ASCII letters; text of another script has
 * them in runs. At most a quarter of them may be in runs of three or more.
 */
static bool looks_western(struct cru_span s) {
    size_t high = 0, in_runs = 0, run = 0;
    for (size_t i = 0; i <= s.n; i++) {
        if (i < s.n && (unsigned char)s.p[i] >= 0x80) {
            high++;
            run++;
            continue;
        }
        if (run >= 3) in_runs += run;
        run = 0;
    }
    return in_runs * 4 <= high && memchr(s.p, 0, s.n) == NULL;
}

enum cru_status cru_charset_decode(struct cru_charset *c, struct cru_span bytes,
                                   struct cru_span declared, bool html, struct cru_span *text,
                                   struct cru_error *err) {
    const unsigned char *p = (const unsigned char *)bytes.p;
    if (bytes.n >= 2 && ((p[0] == 0xFF && p[1] == 0xFE) || (p[0] == 0xFE && p[1] == 0xFF)))
        return convert(c, p[0] == 0xFF ? "UTF-16LE" : "UTF-16BE",
                       cru_span_make(bytes.p + 2, bytes.n - 2), false, text, err);
    if (bytes.n >= 3 && p[0] == 0xEF && p[1] == 0xBB && p[2] == 0xBF) {
        bytes.p += 3;
        bytes.n -= 3;
    }
    struct cru_span meta = html ? cru_charset_meta(bytes) : cru_span_make(NULL, 0);
    /* ISO-2022-JP and HZ are valid ASCII: only a declaration tells */
    const char *http_name = declared.n ? iconv_name(declared) : NULL;
    const char *meta_name = meta.n ? iconv_name(meta) : NULL;
    const char *name = http_name ? http_name : meta_name;
    bool seven_bit = name && (strcmp(name, "ISO-2022-JP") == 0 || strcmp(name, "HZ") == 0);
    if (!seven_bit && cru_utf8_valid(bytes)) {
        *text = bytes;
        return CRU_OK;
    }
    if (name) {
        enum cru_status s = convert(c, name, bytes, html, text, err);
        if (s != CRU_BAD || !http_name || !meta_name || strcmp(http_name, meta_name) == 0) return s;
        return convert(c, meta_name, bytes, html, text, err);
    }
    if (declared.n || meta.n) {
        struct cru_span said = declared.n ? declared : meta;
        return cru_fail(err, CRU_BAD, "not UTF-8, and the declared '%.*s' is no known character set",
                        said.n < 40 ? (int)said.n : 40, said.p);
    }
    if (html && looks_western(bytes)) return convert(c, "CP1252", bytes, true, text, err);
    return cru_fail(err, CRU_BAD, "not UTF-8, and no character set is declared");
}
