/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "crucible/base/base.h"
#include "crucible/base/input.h"
#include "crucible/dedup/evaluation.h"
#include "crucible/dedup/json_texts.h"

enum { DEPTH_MAX = 32 }; /* of directories; more is taken for a loop of links */

enum kind { KIND_TEXT, KIND_LINES, KIND_JSON };

static bool ends_with(struct cru_span s, const char *suffix) {
    size_t n = strlen(suffix);
    return s.n > n && memcmp(s.p + s.n - n, suffix, n) == 0;
}

static enum kind kind_of(const char *path) {
    static const char *const packed[] = {".gz", ".zst", ".xz", ".bz2", ".lz4"};
    struct cru_span name = cru_span_of(path);
    for (size_t i = 0; i < sizeof packed / sizeof *packed; i++)
        if (ends_with(name, packed[i])) {
            name.n -= strlen(packed[i]);
            break;
        }
    if (ends_with(name, ".jsonl") || ends_with(name, ".ndjson")) return KIND_LINES;
    return ends_with(name, ".json") ? KIND_JSON : KIND_TEXT;
}

struct taker {
    struct cru_decontaminate *d;
    uint64_t record;
};

static enum cru_status take_text(void *context, struct cru_span text, struct cru_error *err) {
    struct taker *taker = context;
    return cru_decontaminate_text(taker->d, text, taker->record, err);
}

static enum cru_status add_lines(struct cru_decontaminate *d, struct cru_input *input,
                                 struct cru_error *err) {
    for (struct taker taker = {d, 1};; taker.record++) {
        struct cru_span line;
        bool whole;
        enum cru_status s = cru_input_line(input, &line, &whole, err);
        if (s) return s == CRU_END ? CRU_OK : s;
        if (cru_span_trim(line).n == 0) continue;
        struct cru_error why = {0};
        s = cru_json_texts(line, take_text, &taker, &why);
        if (s == CRU_BAD)
            return cru_fail(err, CRU_FATAL, "unable to parse evaluation set: '%s': line %llu: %s",
                            cru_input_name(input), (unsigned long long)taker.record, why.message);
        if (s) return cru_fail(err, s, "%s", why.message);
    }
}

static enum cru_status read_all(struct cru_input *input, struct cru_buffer *all,
                                struct cru_error *err) {
    enum { PIECE = 1 << 16 };
    for (;;) {
        char *room = cru_buffer_room(all, PIECE);
        if (!room) return cru_fail_memory(err, "evaluation set");
        size_t got = 0;
        enum cru_status s = cru_input_read(input, room, PIECE, &got, err);
        if (s) return s == CRU_END ? CRU_OK : s;
        all->n += got;
    }
}

static enum cru_status open_and_add(struct cru_decontaminate *d, const char *path, enum kind kind,
                                    struct cru_error *err) {
    struct cru_input *input = NULL;
    enum cru_status s = cru_input_open(path, &input, err);
    if (s) return s;
    if (kind == KIND_LINES) {
        s = add_lines(d, input, err);
        cru_input_close(input);
        return s;
    }
    struct cru_buffer all;
    cru_buffer_init(&all);
    s = read_all(input, &all, err);
    cru_input_close(input);
    if (!s && kind == KIND_JSON) {
        struct taker taker = {d, 1};
        s = cru_json_texts(cru_buffer_span(&all), take_text, &taker, err);
        /* Not one value: the same name is in use for one value a line. */
        if (s == CRU_BAD) s = open_and_add(d, path, KIND_LINES, err);
    } else if (!s && !cru_utf8_valid(cru_buffer_span(&all))) {
        s = cru_fail(err, CRU_FATAL, "unable to read evaluation set: '%s': not UTF-8 text", path);
    } else if (!s) {
        s = cru_decontaminate_text(d, cru_buffer_span(&all), 1, err);
    }
    cru_buffer_release(&all);
    return s;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(char **names, size_t n) {
    for (size_t i = 0; i < n; i++) free(names[i]);
    free(names);
}

/* Paths of a directory's visible entries, sorted. */
static enum cru_status list_directory(const char *path, char ***names, size_t *n,
                                      struct cru_error *err) {
    *names = NULL;
    *n = 0;
    DIR *dir = opendir(path);
    if (!dir) return cru_fail_errno(err, "unable to open evaluation set", path);
    enum cru_status s = CRU_OK;
    for (const struct dirent *entry; !s && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.') continue;
        char **more = realloc(*names, (*n + 1) * sizeof *more);
        char *name = NULL;
        if (more) *names = more;
        if (!more || asprintf(&name, "%s/%s", path, entry->d_name) < 0)
            s = cru_fail_memory(err, "evaluation files");
        else
            (*names)[(*n)++] = name;
    }
    (void)closedir(dir);
    if (*n) qsort(*names, *n, sizeof **names, by_name);
    return s;
}

static enum cru_status add_path(struct cru_decontaminate *d, const char *path, int depth,
                                struct cru_error *err) {
    struct stat info;
    if (stat(path, &info)) return cru_fail_errno(err, "unable to open evaluation set", path);
    if (!S_ISDIR(info.st_mode)) {
        if (depth > 0 && !S_ISREG(info.st_mode)) return CRU_OK;
        enum cru_status s = cru_decontaminate_file(d, path, err);
        return s ? s : open_and_add(d, path, kind_of(path), err);
    }
    if (depth >= DEPTH_MAX)
        return cru_fail(err, CRU_FATAL, "unable to open evaluation set: '%s': too deep", path);
    char **names;
    size_t n;
    enum cru_status s = list_directory(path, &names, &n, err);
    for (size_t i = 0; !s && i < n; i++) s = add_path(d, names[i], depth + 1, err);
    free_names(names, n);
    return s;
}

enum cru_status cru_evaluation_add(struct cru_decontaminate *d, const char *path,
                                   struct cru_error *err) {
    size_t before = d->texts.n;
    enum cru_status s = add_path(d, path, 0, err);
    if (s) return s;
    if (d->texts.n == before)
        return cru_fail(err, CRU_FATAL,
                        "evaluation set is empty: '%s': no text of %zu words or more", path,
                        d->whole);
    return CRU_OK;
}
