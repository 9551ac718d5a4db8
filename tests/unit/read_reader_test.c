/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader as stages see it: files of every format in a directory of their own, good and damaged.
 * Archives and compressed files are made here with libarchive.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fts.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crucible/base/base.h"
#include "crucible/base/output.h"
#include "crucible/doc/json.h"
#include "crucible/read/reader.h"
#include "tests/unit/scratch_name.h"

static char dir[SCRATCH_NAME];

/* Everything a run gave: living documents as JSONL, and a line for each other one. */
struct run {
    struct cru_buffer kept, lost, errors;
    size_t n_kept, n_dropped, n_wrong, n_bad;
};

static void path_of(char *path, size_t n, const char *name) {
    (void)snprintf(path, n, "%s/%s", dir, name);
}

static void put(const char *name, const void *p, size_t n) {
    char path[300];
    path_of(path, sizeof path, name);
    assert_int_equal(cru_write_file(path, p, n, NULL), CRU_OK);
}

static void put_string(const char *name, const char *text) { put(name, text, strlen(text)); }

/* The bytes compressed; with `cut`, only so many of the compressed ones. */
static void put_gzip(const char *name, struct cru_span s, double part) {
    size_t room = s.n + 4096, used = 0;
    char *packed = malloc(room);
    struct archive *a = archive_write_new();
    struct archive_entry *e = archive_entry_new();
    assert_non_null(packed);
    assert_int_equal(archive_write_add_filter_gzip(a), ARCHIVE_OK);
    assert_int_equal(archive_write_set_format_raw(a), ARCHIVE_OK);
    (void)archive_write_set_bytes_in_last_block(a, 1);
    assert_int_equal(archive_write_open_memory(a, packed, room, &used), ARCHIVE_OK);
    archive_entry_set_filetype(e, AE_IFREG);
    assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
    assert_int_equal(archive_write_data(a, s.p, s.n), (la_ssize_t)s.n);
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    put(name, packed, (size_t)((double)used * part));
    archive_entry_free(e);
    (void)archive_write_free(a);
    free(packed);
}

static void put_archive(const char *name, bool zip, const char *const (*members)[2], size_t n) {
    char path[300];
    path_of(path, sizeof path, name);
    struct archive *a = archive_write_new();
    assert_int_equal(zip ? archive_write_set_format_zip(a) : archive_write_set_format_ustar(a), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
    for (size_t i = 0; i < n; i++) {
        struct archive_entry *e = archive_entry_new();
        archive_entry_set_pathname(e, members[i][0]);
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_perm(e, 0644);
        archive_entry_set_size(e, (la_int64_t)strlen(members[i][1]));
        assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
        (void)archive_write_data(a, members[i][1], strlen(members[i][1]));
        archive_entry_free(e);
    }
    (void)archive_write_free(a);
}

static void run_init(struct run *run) {
    memset(run, 0, sizeof *run);
    cru_buffer_init(&run->kept);
    cru_buffer_init(&run->lost);
    cru_buffer_init(&run->errors);
}

static void run_release(struct run *run) {
    cru_buffer_release(&run->kept);
    cru_buffer_release(&run->lost);
    cru_buffer_release(&run->errors);
}

static void take_batch(struct run *run, const struct cru_batch *batch) {
    for (size_t i = 0; i < batch->n; i++) {
        const struct cru_doc *doc = &batch->docs[i];
        assert_non_null(doc->id.p);
        assert_true(cru_utf8_valid(doc->id));
        if (doc->fate == CRU_KEEP) {
            assert_true(cru_utf8_valid(doc->text));
            cru_json_render(doc, "text", &run->kept);
            run->n_kept++;
            continue;
        }
        run->n_dropped += doc->fate == CRU_DROP;
        run->n_wrong += doc->fate == CRU_WRONG;
        cru_buffer_printf(&run->lost, "%.*s %s\n", (int)doc->id.n, doc->id.p, doc->drop_rule);
    }
}

/* Reads names in the test's directory. */
static void read_names(struct run *run, struct cru_read_options options, const char *const *names,
                       size_t n) {
    char paths[8][300];
    const char *list[8];
    struct cru_reader *reader;
    struct cru_batch batch;
    struct cru_error err = {CRU_OK, ""};
    run_init(run);
    options.text_field = "text";
    for (size_t i = 0; i < n; i++) {
        path_of(paths[i], sizeof paths[i], names[i]);
        list[i] = paths[i];
    }
    assert_int_equal(cru_reader_open(&options, list, n, &reader, &err), CRU_OK);
    cru_batch_init(&batch);
    for (;;) {
        enum cru_status s = cru_reader_fill(reader, &batch, &err);
        if (s == CRU_BAD) {
            run->n_bad++;
            cru_buffer_printf(&run->errors, "%s\n", err.message);
            continue;
        }
        assert_true(s == CRU_OK || s == CRU_END);
        assert_int_equal(cru_reader_parse(reader, &batch, &err), CRU_OK);
        take_batch(run, &batch);
        cru_batch_clear(&batch);
        if (s == CRU_END) break;
    }
    cru_batch_release(&batch);
    cru_reader_free(reader);
}

static void read_one(struct run *run, struct cru_read_options options, const char *name) {
    read_names(run, options, &name, 1);
}

static bool has(const struct cru_buffer *b, const char *text) {
    return b->p && strstr(b->p, text) != NULL;
}

static void one_bad_line_costs_one_record(void **state) {
    (void)state;
    struct cru_buffer lines;
    cru_buffer_init(&lines);
    for (int i = 1; i <= 1000; i++) {
        if (i == 501)
            cru_buffer_add_string(&lines, "{\"text\":\"x\xFFy\"}\n");
        else if (i == 700)
            cru_buffer_add_string(&lines, "\n{\"text\":\"no end\n");
        else
            cru_buffer_printf(&lines, "{\"text\":\"line %d\",\"k\":%d}\n", i, i);
    }
    put("a.jsonl", lines.p, lines.n);
    struct run run;
    read_one(&run, (struct cru_read_options){.format = "auto", .source = "web"}, "a.jsonl");
    assert_int_equal(run.n_kept, 998);
    assert_int_equal(run.n_wrong, 2);
    assert_int_equal(run.n_bad, 0);
    assert_true(has(&run.lost, "a.jsonl#501 bad-encoding"));
    assert_true(has(&run.lost, "a.jsonl#701 bad-json"));
    assert_true(has(&run.kept, "a.jsonl#1001\",\"text\":\"line 1000\",\"k\":1000,\"crucible\":{\"source\":\"web\"}"));
    run_release(&run);
    /* the last line: whole without its newline, then cut */
    put_string("b.jsonl", "{\"text\":\"a\"}\n{\"text\":\"b\"}");
    read_one(&run, (struct cru_read_options){.format = "auto"}, "b.jsonl");
    assert_int_equal(run.n_kept, 2);
    run_release(&run);
    put_string("b.jsonl", "{\"text\":\"a\"}\n{\"text\":\"b");
    read_one(&run, (struct cru_read_options){.format = "auto"}, "b.jsonl");
    assert_int_equal(run.n_kept, 1);
    assert_true(has(&run.lost, "b.jsonl#2 truncated"));
    run_release(&run);
    cru_buffer_release(&lines);
}

static void a_cut_gzip_gives_its_good_lines_and_is_reported(void **state) {
    (void)state;
    struct cru_buffer lines;
    cru_buffer_init(&lines);
    struct cru_random random = {1};
    for (int i = 0; i < 20000; i++)
        cru_buffer_printf(&lines, "{\"text\":\"%016llx\"}\n", (unsigned long long)cru_random_next(&random));
    put_gzip("cut.jsonl.gz", cru_buffer_span(&lines), 0.8);
    put_string("next.jsonl", "{\"text\":\"after\"}\n");
    struct run run;
    const char *names[] = {"cut.jsonl.gz", "next.jsonl"};
    read_names(&run, (struct cru_read_options){.format = "auto"}, names, 2);
    assert_int_equal(run.n_bad, 1);
    assert_true(has(&run.errors, "bytes were good"));
    if (run.n_kept < 10000 || run.n_kept >= 20000) fail_msg("%zu documents: %s", run.n_kept, run.errors.p);
    assert_true(has(&run.kept, "after"));
    run_release(&run);
    cru_buffer_release(&lines);
}

static void add_warc(struct cru_buffer *b, const char *type, const char *uri, const char *content,
                     struct cru_span block) {
    cru_buffer_printf(b, "WARC/1.0\r\nWARC-Type: %s\r\nWARC-Target-URI: %s\r\nContent-Type: %s\r\n"
                         "Content-Length: %zu\r\n\r\n", type, uri, content, block.n);
    cru_buffer_add_span(b, block);
    cru_buffer_add_string(b, "\r\n\r\n");
}

static void add_response(struct cru_buffer *b, const char *uri, const char *http) {
    add_warc(b, "response", uri, "application/http; msgtype=response", cru_span_of(http));
}

static void warc_records(void **state) {
    (void)state;
    struct cru_buffer b;
    cru_buffer_init(&b);
    add_warc(&b, "warcinfo", "", "application/warc-fields", CRU_SPAN("software: x\r\n"));
    add_response(&b, "http://a/", "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=\"iso-8859-1\"\r\n\r\n"
                                  "<p>caf\xE9 one two three");
    add_response(&b, "http://b/", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "8\r\n<p>chunk\r\n2\r\ned\r\n0\r\n\r\n");
    add_response(&b, "http://c/", "HTTP/1.1 404 Not\r\nContent-Type: text/html\r\n\r\nx");
    add_response(&b, "http://d/", "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\nx");
    add_response(&b, "http://e/", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
                                  "<meta charset=shift_jis><p>\x93\xFA\x96\x7B");
    add_response(&b, "http://f/", "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
                                  "<p>\xFF\xFE\xFD\xFC\xFB not text");
    add_response(&b, "http://g/", "no http");
    cru_buffer_add_string(&b, "WARC/1.0\r\nWARC-Type: response\r\n\r\n"); /* no length */
    add_warc(&b, "conversion", "http://h/", "text/plain", CRU_SPAN("wet text"));
    put("a.warc", b.p, b.n);
    struct run run;
    read_one(&run, (struct cru_read_options){.format = "auto", .extract = "main"}, "a.warc");
    assert_int_equal(run.n_kept, 4);
    assert_int_equal(run.n_dropped, 2);
    assert_int_equal(run.n_wrong, 3);
    assert_true(has(&run.kept, "a.warc#2\",\"text\":\"café one two three\",\"url\":\"http://a/\",\"content_type\":\"text/html\""));
    assert_true(has(&run.kept, "\"chunked\"") && has(&run.kept, "\"日本\"") && has(&run.kept, "\"wet text\""));
    assert_true(has(&run.lost, "#4 http-status") && has(&run.lost, "#5 content-type"));
    assert_true(has(&run.lost, "#7 bad-encoding") && has(&run.lost, "#8 bad-http"));
    assert_true(has(&run.lost, "#9 bad-warc"));
    run_release(&run);
    put("cut.warc", b.p, b.n - 8);
    put_string("next.txt", "after");
    const char *names[] = {"cut.warc", "next.txt"};
    read_names(&run, (struct cru_read_options){.format = "auto"}, names, 2);
    assert_int_equal(run.n_kept, 4);
    assert_int_equal(run.n_bad, 1);
    assert_true(has(&run.lost, "#10 truncated") && has(&run.errors, "bytes were good"));
    run_release(&run);
    cru_buffer_release(&b);
}

static void archives_directories_and_names(void **state) {
    (void)state;
    static const char *const members[][2] = {
        {"p.html", "<p>page of words"}, {"d.jsonl", "{\"id\":\"k\",\"text\":\"json\"}\n{\"text\":\"two\"}\n"},
        {"s.py", "print(1)\n"}, {"x.1", ".TH X 1\n.SH NAME\nx \\- y\n"},
    };
    char path[300];
    path_of(path, sizeof path, "tree");
    assert_int_equal(mkdir(path, 0700), 0);
    path_of(path, sizeof path, "tree/.git");
    assert_int_equal(mkdir(path, 0700), 0);
    put_archive("tree/a.tar", false, members, 4);
    put_archive("tree/b.zip", true, members, 4);
    put_string("tree/.git/config", "hidden");
    put_string("tree/Z.c", "int x;\n");
    put("tree/bin.dat", "a\0b", 3);
    put_string("tree/latin.c", "// caf\xE9\n");
    put_string("tree/s.1", ".so man1/other.1\n");
    put("tree/u16.txt", "\xFF\xFEh\0i\0", 6);
    put_string("tree/empty.txt", " \n");
    char link[300];
    path_of(path, sizeof path, "tree/Z.c");
    path_of(link, sizeof link, "tree/link.c");
    assert_int_equal(symlink(path, link), 0);
    path_of(link, sizeof link, "tree/loop");
    assert_int_equal(symlink("..", link), 0);
    struct run run;
    read_one(&run, (struct cru_read_options){.format = "auto", .extract = "all"}, "tree");
    assert_int_equal(run.n_bad, 0);
    assert_int_equal(run.n_wrong, 0);
    assert_int_equal(run.n_kept, 2 * 5 + 3);
    assert_int_equal(run.n_dropped, 4);
    const char *order[] = {"tree/Z.c\"", "a.tar!p.html", "\"id\":\"k\"", "a.tar!d.jsonl#2", "a.tar!s.py",
                           "\"language\":\"Python\"", "\"NAME\\n\\nx - y\"", "b.zip!p.html", "link.c\"", "u16.txt\",\"text\":\"hi\""};
    const char *at = run.kept.p;
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        at = strstr(at, order[i]);
        if (!at) fail_msg("'%s' is missing or not in order in:\n%s", order[i], run.kept.p);
    }
    assert_true(has(&run.lost, "bin.dat binary") && has(&run.lost, "latin.c not-utf8") &&
                has(&run.lost, "s.1 redirect") && has(&run.lost, "empty.txt empty"));
    run_release(&run);
    read_one(&run, (struct cru_read_options){.format = "auto", .include = "*.py,*.c"}, "tree");
    assert_int_equal(run.n_kept, 2);
    run_release(&run);
}

static void limits_lists_and_missing_files(void **state) {
    (void)state;
    struct run run;
    put_string("big.txt", "0123456789");
    put_string("big.jsonl", "{\"text\":\"0123456789\"}\n{\"text\":\"\"}\n");
    char path[300], list[300];
    path_of(path, sizeof path, "big.jsonl");
    put_string("list", path);
    path_of(list, sizeof list, "list");
    const char *names[] = {"big.txt"};
    read_names(&run, (struct cru_read_options){.format = "auto", .max_bytes = 9, .files_from = list},
               names, 1);
    assert_true(has(&run.lost, "big.txt too-large") && has(&run.lost, "big.jsonl#1 too-large"));
    assert_int_equal(run.n_wrong, 3); /* the second line has 11 bytes, too */
    run_release(&run);
    struct cru_read_options options = {.format = "auto", .text_field = "text"};
    struct cru_reader *reader;
    struct cru_error err;
    const char *missing[] = {"/nonexistent/file"};
    assert_int_equal(cru_reader_open(&options, missing, 1, &reader, &err), CRU_FATAL);
    assert_non_null(strstr(err.message, "/nonexistent/file"));
    assert_null(reader);
}

/* Lines are read into a batch's own room: they end at every distance from its edge, are longer than it, are empty,
 * and in several files; what is kept is what was written. */
static void lines_of_every_length_stay_whole(void **state) {
    (void)state;
    static const size_t lengths[] = {1,      100,    40000,   1,       0,      131072, 262100, 7,       262144, 393216,
                                     393100, 400000, 2500000, 3000000, 65536,  0,      0,      1048576, 17,     5000};
    enum { KINDS = sizeof lengths / sizeof lengths[0] };
    struct cru_buffer files[2], want;
    cru_buffer_init(&want);
    for (size_t f = 0; f < 2; f++) {
        cru_buffer_init(&files[f]);
        for (size_t i = 0; i < 60; i++) {
            size_t n = lengths[(i * (f ? 7 : 1)) % KINDS], from = files[f].n;
            if (n == 0) { /* an empty line */
                cru_buffer_add_string(&files[f], " \n");
                continue;
            }
            cru_buffer_printf(&files[f], "{\"id\":\"%zu\",\"text\":\"", i);
            char *room = cru_buffer_room(&files[f], n + i);
            assert_non_null(room);
            memset(room, 'a' + (int)(i % 26), n + i);
            files[f].n += n + i;
            cru_buffer_add_string(&files[f], "\\n\"}\n");
            cru_buffer_add(&want, files[f].p + from, files[f].n - from);
        }
        if (f == 0) files[f].n--; /* the last line without its newline */
    }
    put("long.jsonl", files[0].p, files[0].n);
    put("longer.jsonl", files[1].p, files[1].n);
    const char *names[] = {"long.jsonl", "longer.jsonl", "long.jsonl"};
    struct run run;
    read_names(&run, (struct cru_read_options){.format = "jsonl"}, names, 2);
    assert_true(cru_span_eq(cru_buffer_span(&run.kept), cru_buffer_span(&want)));
    run_release(&run);
    read_names(&run, (struct cru_read_options){.format = "jsonl", .max_bytes = 300000}, names, 3);
    assert_true(has(&run.lost, "long.jsonl#10 too-large") && has(&run.lost, "long.jsonl#13 too-large"));
    assert_int_equal(run.n_kept + run.n_wrong, 51 + 51 + 51);
    assert_int_equal(run.n_bad, 0);
    run_release(&run);
    for (size_t f = 0; f < 2; f++) cru_buffer_release(&files[f]);
    cru_buffer_release(&want);
}

static int begin(void **state) {
    (void)state;
    return mkdtemp(scratch_name(dir, "crucible-read-XXXXXX")) ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    char *const roots[] = {dir, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    FTSENT *entry;
    while (tree && (entry = fts_read(tree)))
        if (entry->fts_info != FTS_D) (void)remove(entry->fts_path);
    return tree ? fts_close(tree) : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_bad_line_costs_one_record),
        cmocka_unit_test(a_cut_gzip_gives_its_good_lines_and_is_reported),
        cmocka_unit_test(warc_records),
        cmocka_unit_test(archives_directories_and_names),
        cmocka_unit_test(limits_lists_and_missing_files),
        cmocka_unit_test(lines_of_every_length_stay_whole),
    };
    return cmocka_run_group_tests_name("reader", tests, begin, end);
}
