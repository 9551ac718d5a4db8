/* SPDX-License-Identifier: Apache-2.0 */
#include "crucible/base/base.h"
#include "crucible/read/file_format.h"

/* Extensions of code, sorted for reading, not for search; languages as github-linguist/linguist names them. */
static const struct {
    const char *extension, *language;
} languages[] = {
    {"ada", "Ada"},         {"adb", "Ada"},          {"ads", "Ada"},        {"agda", "Agda"},
    {"asm", "Assembly"},    {"awk", "Awk"},          {"bash", "Shell"},     {"bat", "Batchfile"},
    {"bzl", "Starlark"},    {"c", "C"},              {"cc", "C++"},         {"clj", "Clojure"},
    {"cmake", "CMake"},     {"cob", "COBOL"},        {"coffee", "CoffeeScript"}, {"cpp", "C++"},
    {"cr", "Crystal"},      {"cs", "C#"},            {"css", "CSS"},        {"cu", "Cuda"},
    {"cuh", "Cuda"},        {"cxx", "C++"},          {"d", "D"},            {"dart", "Dart"},
    {"dts", "Devicetree"},  {"dtsi", "Devicetree"},  {"el", "Emacs Lisp"},  {"elm", "Elm"},
    {"erl", "Erlang"},      {"ex", "Elixir"},        {"exs", "Elixir"},     {"f", "Fortran"},
    {"f03", "Fortran"},     {"f90", "Fortran"},      {"f95", "Fortran"},    {"fs", "F#"},
    {"glsl", "GLSL"},       {"go", "Go"},            {"gradle", "Gradle"},  {"groovy", "Groovy"},
    {"h", "C"},             {"hh", "C++"},           {"hpp", "C++"},        {"hrl", "Erlang"},
    {"hs", "Haskell"},      {"hxx", "C++"},          {"i", "SWIG"},         {"inc", "C"},
    {"ini", "INI"},         {"ipp", "C++"},          {"java", "Java"},      {"jl", "Julia"},
    {"js", "JavaScript"},   {"json", "JSON"},        {"jsx", "JavaScript"}, {"kt", "Kotlin"},
    {"kts", "Kotlin"},      {"less", "Less"},        {"lisp", "Common Lisp"}, {"lua", "Lua"},
    {"m4", "M4"},           {"mak", "Makefile"},     {"mjs", "JavaScript"}, {"mk", "Makefile"},
    {"ml", "OCaml"},        {"mli", "OCaml"},        {"mm", "Objective-C++"}, {"nim", "Nim"},
    {"nix", "Nix"},         {"pas", "Pascal"},       {"php", "PHP"},        {"pl", "Perl"},
    {"pm", "Perl"},         {"proto", "Protocol Buffer"}, {"ps1", "PowerShell"}, {"py", "Python"},
    {"pyi", "Python"},      {"pyx", "Cython"},       {"r", "R"},            {"rb", "Ruby"},
    {"rkt", "Racket"},      {"rs", "Rust"},          {"s", "Assembly"},     {"scala", "Scala"},
    {"scm", "Scheme"},      {"scss", "SCSS"},        {"sh", "Shell"},       {"sql", "SQL"},
    {"sv", "SystemVerilog"}, {"swift", "Swift"},     {"tcl", "Tcl"},        {"tex", "TeX"},
    {"tf", "HCL"},          {"toml", "TOML"},        {"ts", "TypeScript"},  {"tsx", "TSX"},
    {"v", "Verilog"},       {"vala", "Vala"},        {"vhd", "VHDL"},       {"vhdl", "VHDL"},
    {"vim", "Vim Script"},  {"vue", "Vue"},          {"xml", "XML"},        {"xsl", "XSLT"},
    {"yaml", "YAML"},       {"yml", "YAML"},         {"zig", "Zig"},        {"zsh", "Shell"},
};

static const struct {
    const char *name, *language;
} whole_names[] = {
    {"Makefile", "Makefile"},     {"makefile", "Makefile"},     {"GNUmakefile", "Makefile"},
    {"CMakeLists.txt", "CMake"},  {"Dockerfile", "Dockerfile"}, {"Rakefile", "Ruby"},
    {"Gemfile", "Ruby"},          {"Kconfig", "Kconfig"},       {"Kbuild", "Makefile"},
    {"meson.build", "Meson"},     {"BUILD", "Starlark"},        {"SConstruct", "Python"},
};

/* Interpreters of "#!" lines, longest beginning first. */
static const struct {
    const char *program, *language;
} interpreters[] = {
    {"python", "Python"}, {"perl", "Perl"},   {"bash", "Shell"}, {"dash", "Shell"},
    {"ruby", "Ruby"},     {"node", "JavaScript"}, {"lua", "Lua"}, {"awk", "Awk"},
    {"gawk", "Awk"},      {"tclsh", "Tcl"},   {"wish", "Tcl"},   {"zsh", "Shell"},
    {"ksh", "Shell"},     {"php", "PHP"},     {"Rscript", "R"},  {"sh", "Shell"},
};

static const struct {
    const char *extension;
    enum cru_format format;
} formats[] = {
    {"jsonl", CRU_FORMAT_JSONL},   {"ndjson", CRU_FORMAT_JSONL},  {"warc", CRU_FORMAT_WARC},
    {"wet", CRU_FORMAT_WARC},      {"html", CRU_FORMAT_HTML},     {"htm", CRU_FORMAT_HTML},
    {"xhtml", CRU_FORMAT_HTML},    {"shtml", CRU_FORMAT_HTML},    {"tar", CRU_FORMAT_ARCHIVE},
    {"tgz", CRU_FORMAT_ARCHIVE},   {"tbz2", CRU_FORMAT_ARCHIVE},  {"txz", CRU_FORMAT_ARCHIVE},
    {"tzst", CRU_FORMAT_ARCHIVE},  {"zip", CRU_FORMAT_ARCHIVE},   {"txt", CRU_FORMAT_TEXT},
    {"text", CRU_FORMAT_TEXT},     {"md", CRU_FORMAT_TEXT},       {"rst", CRU_FORMAT_TEXT},
};

static const struct {
    const char *name;
    enum cru_format format;
} names[] = {
    {"jsonl", CRU_FORMAT_JSONL},     {"warc", CRU_FORMAT_WARC}, {"html", CRU_FORMAT_HTML},
    {"archive", CRU_FORMAT_ARCHIVE}, {"text", CRU_FORMAT_TEXT}, {"man", CRU_FORMAT_MAN},
    {"code", CRU_FORMAT_CODE},
};

enum cru_format cru_format_by_name(const char *name) {
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i].name) == 0) return names[i].format;
    return CRU_FORMAT_AUTO;
}

static bool is_any(struct cru_span s, const char *const *words, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (s.n == strlen(words[i]) && strncasecmp(s.p, words[i], s.n) == 0) return true;
    return false;
}

/* The part of a path behind its last slash (or "!" of an archive), without compression's extension. */
static struct cru_span base_name(const char *path) {
    static const char *const packed[] = {"gz", "zst", "xz", "bz2", "lz4", "z"};
    const char *slash = strrchr(path, '/');
    struct cru_span s = cru_span_of(slash ? slash + 1 : path);
    const char *bang = memrchr(s.p, '!', s.n);
    if (bang) s = cru_span_of(bang + 1);
    const char *dot = s.n ? memrchr(s.p, '.', s.n) : NULL;
    if (dot && dot > s.p) {
        struct cru_span last = cru_span_make(dot + 1, s.n - (size_t)(dot - s.p) - 1);
        if (is_any(last, packed, sizeof packed / sizeof packed[0])) s.n -= last.n + 1;
    }
    return s;
}

static struct cru_span extension_of(struct cru_span base) {
    if (!base.p || base.n == 0) return cru_span_make("", 0);
    const char *dot = memrchr(base.p, '.', base.n);
    if (!dot || dot == base.p) return cru_span_make("", 0);
    return cru_span_make(dot + 1, base.n - (size_t)(dot - base.p) - 1);
}

static bool same(struct cru_span s, const char *word) {
    return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

static const char *shebang_language(struct cru_span head) {
    if (head.n < 3 || head.p[0] != '#' || head.p[1] != '!') return NULL;
    const char *newline = memchr(head.p, '\n', head.n);
    struct cru_span line = cru_span_make(head.p + 2, newline ? (size_t)(newline - head.p) - 2
                                                              : head.n - 2);
    /* "#!/usr/bin/env -S python3 -u": the first word whose last part is an interpreter */
    struct cru_span word;
    while (cru_span_split(&line, ' ', &word)) {
        const char *slash = word.n ? memrchr(word.p, '/', word.n) : NULL;
        struct cru_span program =
            slash ? cru_span_make(slash + 1, word.n - (size_t)(slash - word.p) - 1) : word;
        for (size_t i = 0; i < sizeof interpreters / sizeof interpreters[0]; i++) {
            size_t n = strlen(interpreters[i].program);
            if (program.n >= n && memcmp(program.p, interpreters[i].program, n) == 0)
                return interpreters[i].language;
        }
    }
    return NULL;
}

const char *cru_code_language(const char *path, struct cru_span head) {
    struct cru_span base = base_name(path);
    for (size_t i = 0; i < sizeof whole_names / sizeof whole_names[0]; i++)
        if (cru_span_is(base, whole_names[i].name)) return whole_names[i].language;
    struct cru_span extension = extension_of(base);
    if (extension.n)
        for (size_t i = 0; i < sizeof languages / sizeof languages[0]; i++)
            if (same(extension, languages[i].extension)) return languages[i].language;
    return shebang_language(head);
}

bool cru_looks_binary(struct cru_span s) {
    const unsigned char *p = (const unsigned char *)s.p;
    if (s.n >= 2 && ((p[0] == 0xFF && p[1] == 0xFE) || (p[0] == 0xFE && p[1] == 0xFF))) return false;
    return s.n && memchr(s.p, 0, s.n) != NULL;
}

/* A line near the beginning that begins with a request that manual pages have. */
static bool looks_like_man(struct cru_span head) {
    static const char *const requests[] = {".TH", ".Dd", ".so", ".SH", ".Sh", ".de", ".\\\"",
                                           "'\\\"", ".ds", ".if", ".ie", ".nr"};
    struct cru_span line;
    for (int lines = 0; lines < 50 && head.n && cru_span_split(&head, '\n', &line); lines++)
        for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
            if (line.n >= 3 && memcmp(line.p, requests[i], 3) == 0) return true;
    return false;
}

/* "ls.1", "printf.3posix", "perlfunc.1perl": a section digit and perhaps letters. */
static bool is_section(struct cru_span extension) {
    if (extension.n == 0 || extension.p[0] < '1' || extension.p[0] > '9') return false;
    for (size_t i = 1; i < extension.n; i++)
        if ((extension.p[i] | 32) < 'a' || (extension.p[i] | 32) > 'z') return false;
    return extension.n <= 8;
}

static bool begins_like_html(struct cru_span head) {
    static const char *const starts[] = {"<!doctype html", "<html", "<head", "<body"};
    if (head.n >= 3 && memcmp(head.p, "\xEF\xBB\xBF", 3) == 0) head.p += 3, head.n -= 3;
    while (head.n && (*head.p == ' ' || *head.p == '\n' || *head.p == '\r' || *head.p == '\t'))
        head.p++, head.n--;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        size_t n = strlen(starts[i]);
        if (head.n >= n && strncasecmp(head.p, starts[i], n) == 0) return true;
    }
    return head.n > 5 && memcmp(head.p, "<?xml", 5) == 0 &&
           memmem(head.p, head.n, "<html", 5) != NULL;
}

static enum cru_format by_content(struct cru_span head) {
    if (head.n >= 5 && memcmp(head.p, "WARC/", 5) == 0) return CRU_FORMAT_WARC;
    if (head.n >= 4 && memcmp(head.p, "PK\3\4", 4) == 0) return CRU_FORMAT_ARCHIVE;
    if (head.n >= 263 && memcmp(head.p + 257, "ustar", 5) == 0) return CRU_FORMAT_ARCHIVE;
    if (begins_like_html(head)) return CRU_FORMAT_HTML;
    if (head.n >= 2 && head.p[0] == '{' && head.p[1] == '"') return CRU_FORMAT_JSONL;
    return CRU_FORMAT_AUTO;
}

enum cru_format cru_format_detect(const char *path, struct cru_span head) {
    struct cru_span base = base_name(path), extension = extension_of(base);
    enum cru_format content = by_content(head);
    if (content == CRU_FORMAT_WARC) return content;
    /* jar, docx and their like are zip files, too, but not archives of documents */
    if (content == CRU_FORMAT_ARCHIVE && extension.n == 0) return content;
    if (content == CRU_FORMAT_ARCHIVE) content = CRU_FORMAT_AUTO;
    if (extension.n)
        for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
            if (same(extension, formats[i].extension) && !cru_span_is(base, "CMakeLists.txt"))
                return formats[i].format;
    if (is_section(extension) && looks_like_man(head)) return CRU_FORMAT_MAN;
    if (same(extension, "json") && content == CRU_FORMAT_JSONL) {
        /* an object a line, or one object over many lines: that is a source file */
        const char *newline = memchr(head.p, '\n', head.n);
        struct cru_span line = cru_span_trim(cru_span_make(head.p, newline ? (size_t)(newline - head.p) : 0));
        return line.n && line.p[line.n - 1] == '}' ? CRU_FORMAT_JSONL : CRU_FORMAT_CODE;
    }
    if (cru_code_language(path, head)) return CRU_FORMAT_CODE;
    return content != CRU_FORMAT_AUTO ? content : CRU_FORMAT_TEXT;
}
