/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "crucible/base/base.h"
#include "crucible/base/input.h"
#include "ddm/lexicon.h"

/* {"recipes/cues/en.cues", "language en\n..."}, ...: made by the Makefile from the files. */
static const struct {
    const char *name, *text;
} builtin[] = {
#include "cue_files.inc"
};

enum { BUILTIN = sizeof builtin / sizeof builtin[0] };

/* The set owns the lexicon from here on, even when this fails. */
static enum cru_status add(struct cru_lexicons *set, struct cru_lexicon *lexicon,
                           struct cru_error *err) {
    for (size_t i = 0; i < set->n; i++)
        if (strcmp(set->list[i]->language, lexicon->language) == 0) {
            cru_lexicon_free(set->list[i]);
            set->list[i] = lexicon;
            return CRU_OK;
        }
    if (set->n == CRU_LEXICONS) {
        cru_lexicon_free(lexicon);
        return cru_fail(err, CRU_USAGE, "too many cue lexicons: %d is the limit", CRU_LEXICONS);
    }
    set->list[set->n++] = lexicon;
    return CRU_OK;
}

enum cru_status cru_lexicons_builtin(struct cru_lexicons *set, struct cru_error *err) {
    for (size_t i = 0; i < BUILTIN; i++) {
        struct cru_lexicon *lexicon;
        enum cru_status status =
            cru_lexicon_parse(cru_span_of(builtin[i].text), builtin[i].name, &lexicon, err);
        if (status == CRU_OK) status = add(set, lexicon, err);
        if (status != CRU_OK) return status;
    }
    return CRU_OK;
}

enum cru_status cru_lexicon_builtin(const char *language, struct cru_lexicon **lexicon,
                                    struct cru_error *err) {
    *lexicon = NULL;
    for (size_t i = 0; i < BUILTIN; i++) {
        enum cru_status status =
            cru_lexicon_parse(cru_span_of(builtin[i].text), builtin[i].name, lexicon, err);
        if (status != CRU_OK || strcmp((*lexicon)->language, language) == 0) return status;
        cru_lexicon_free(*lexicon);
        *lexicon = NULL;
    }
    return CRU_OK;
}

static enum cru_status load_file(struct cru_lexicons *set, const char *path,
                                 struct cru_error *err) {
    struct cru_input *input;
    struct cru_buffer bytes;
    struct cru_lexicon *lexicon = NULL;
    enum cru_status status = cru_input_open(path, &input, err);
    cru_buffer_init(&bytes);
    while (status == CRU_OK) {
        size_t got;
        char *room = cru_buffer_room(&bytes, 1 << 16);
        if (!room) {
            status = cru_fail_memory(err, "cue lexicon");
            break;
        }
        status = cru_input_read(input, room, 1 << 16, &got, err);
        if (status == CRU_OK) bytes.n += got;
    }
    cru_input_close(input);
    if (status == CRU_END) status = cru_lexicon_parse(cru_buffer_span(&bytes), path, &lexicon, err);
    cru_buffer_release(&bytes);
    return status == CRU_OK ? add(set, lexicon, err) : status;
}

static int is_lexicon(const struct dirent *entry) {
    size_t n = strlen(entry->d_name);
    return n > 5 && strcmp(entry->d_name + n - 5, ".cues") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name); /* not alphasort, which asks the locale */
}

enum cru_status cru_lexicons_load(struct cru_lexicons *set, const char *path,
                                  struct cru_error *err) {
    struct stat st;
    struct dirent **names;
    if (stat(path, &st) != 0) return cru_fail_errno(err, "cannot read cue lexicons", path);
    if (!S_ISDIR(st.st_mode)) return load_file(set, path, err);
    int n = scandir(path, &names, is_lexicon, by_name);
    if (n < 0) return cru_fail_errno(err, "cannot read cue lexicons", path);
    enum cru_status status = CRU_OK;
    if (n == 0)
        status = cru_fail(err, CRU_USAGE, "no cue lexicons: '%s': no file named *.cues", path);
    for (int i = 0; i < n; i++) {
        if (status == CRU_OK) {
            struct cru_buffer file;
            cru_buffer_init(&file);
            cru_buffer_printf(&file, "%s/%s", path, names[i]->d_name);
            cru_buffer_add(&file, "", 1);
            status =
                file.failed ? cru_fail_memory(err, "cue lexicons") : load_file(set, file.p, err);
            cru_buffer_release(&file);
        }
        free(names[i]);
    }
    free(names);
    return status;
}

const struct cru_lexicon *cru_lexicons_find(const struct cru_lexicons *set, struct cru_span code) {
    size_t n = 0;
    while (n < code.n && code.p[n] != '-' && code.p[n] != '_') n++;
    code.n = n;
    for (size_t i = 0; i < set->n; i++)
        if (cru_span_is(code, set->list[i]->language)) return set->list[i];
    return NULL;
}

void cru_lexicons_release(struct cru_lexicons *set) {
    for (size_t i = 0; i < set->n; i++) cru_lexicon_free(set->list[i]);
    memset(set, 0, sizeof *set);
}
