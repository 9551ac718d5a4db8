/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crucible/base/base.h"
#include "tokenizer/join_rules.h"
#include "tokenizer/vocab.h"
#include "tokenizer/vocab_compile.h"

static enum cru_status damaged(struct cru_error *err, const char *what) {
    return cru_fail(err, CRU_FATAL, "vocabulary is damaged: %s", what);
}

/* The bytes each section must have, by the header's counts. TEXT may have any number. */
static bool sizes_agree(const struct cru_vocab_header *h) {
    bool whole_words = h->flags & CRU_VOCAB_IGNORE_MERGES;
    if (h->n_ids > CRU_MAX_IDS || h->n_merges > CRU_MAX_MERGES || h->n_added > CRU_MAX_ADDED ||
        h->pair_bits < CRU_PAIR_BITS_LEAST || h->pair_bits > 30 || h->word_bits < (whole_words ? 1 : 0) ||
        h->word_bits > (whole_words ? 30 : 0) || h->n_units < 256 || h->n_units % 256 ||
        h->n_units > 1u << CRU_UNIT_BITS || h->irregular > 1)
        return false;
    const uint64_t want[CRU_SECTIONS] = {
        [CRU_SECTION_OFFSETS] = ((uint64_t)h->n_ids + 1) * 4,
        [CRU_SECTION_TEXT] = h->section[CRU_SECTION_TEXT].bytes,
        [CRU_SECTION_BYTE_IDS] = 256 * 4,
        [CRU_SECTION_MERGED] = (uint64_t)h->n_merges * 4,
        [CRU_SECTION_BYTE_PAIR] = 65536 * 4,
        [CRU_SECTION_PAIRS] = (uint64_t)8 << h->pair_bits,
        [CRU_SECTION_WORDS] = whole_words ? (uint64_t)4 << h->word_bits : 0,
        [CRU_SECTION_ADDED] = (uint64_t)h->n_added * sizeof(struct cru_vocab_added),
        [CRU_SECTION_JOINS] = whole_words ? 0 : sizeof(struct cru_joins),
        [CRU_SECTION_STEPS] = h->section[CRU_SECTION_STEPS].bytes,
        [CRU_SECTION_NODES] = (uint64_t)h->n_ids * sizeof(struct cru_bpe_node),
        [CRU_SECTION_CHARS] = 65536 * 4,
        [CRU_SECTION_HALVES] = CRU_CHAR_HALVES * sizeof(struct cru_char_halves),
        [CRU_SECTION_ROOTS] = 65536 * 8,
        [CRU_SECTION_UNITS] = (uint64_t)h->n_units * 8,
    };
    for (size_t i = 0; i < CRU_SECTIONS; i++) {
        const struct cru_vocab_section *s = &h->section[i];
        if (s->bytes != want[i] || s->offset % 64 || s->offset < sizeof *h ||
            s->offset > h->file_bytes || s->bytes > h->file_bytes - s->offset)
            return false;
    }
    return true;
}

static enum cru_status check_header(const void *image, size_t bytes, struct cru_error *err) {
    struct cru_vocab_header h;
    if (bytes < sizeof h) return damaged(err, "too short");
    memcpy(&h, image, sizeof h);
    if (memcmp(h.magic, CRU_VOCAB_MAGIC, 8) != 0)
        return cru_fail(err, CRU_FATAL, "not a compiled vocabulary");
    if (h.order != CRU_VOCAB_ORDER)
        return cru_fail(err, CRU_FATAL,
                        "vocabulary was compiled on a machine of another byte order");
    if (h.version != CRU_VOCAB_VERSION)
        return cru_fail(err, CRU_FATAL,
                        "vocabulary has format version %u, this program reads %d: compile it again",
                        h.version, CRU_VOCAB_VERSION);
    if (h.file_bytes != bytes) return damaged(err, "its length is not what it says");
    /* The checksum is of the file with the field zero; hashing goes around the field. */
    struct cru_hasher *hasher = cru_hasher_new();
    if (!hasher) return cru_fail_memory(err, "vocabulary");
    uint64_t stored = h.checksum;
    h.checksum = 0;
    cru_hasher_add(hasher, &h, sizeof h);
    cru_hasher_add(hasher, (const char *)image + sizeof h, bytes - sizeof h);
    uint64_t found = cru_hasher_digest(hasher);
    cru_hasher_free(hasher);
    if (found != stored) return damaged(err, "wrong checksum");
    if (!sizes_agree(&h)) return damaged(err, "wrong sizes");
    if (h.pattern < CRU_PATTERN_QWEN2 || h.pattern > CRU_PATTERN_STEPS)
        return damaged(err, "unknown pattern");
    if (h.pattern != CRU_PATTERN_GPT2 && h.pattern != CRU_PATTERN_STEPS &&
        (h.digits < 1 || h.digits > 16))
        return damaged(err, "wrong number of digits");
    if (memchr(h.name, 0, sizeof h.name) == NULL || !cru_text_is_utf8(h.name, strlen(h.name)))
        return damaged(err, "its name");
    return CRU_OK;
}

enum cru_status cru_tokenizer_from_image(const void *image, size_t bytes,
                                         struct cru_tokenizer **tokenizer, struct cru_error *err) {
    *tokenizer = NULL;
    enum cru_status status = check_header(image, bytes, err);
    if (status) return status;
    struct cru_tokenizer *t = calloc(1, sizeof *t);
    if (!t) return cru_fail_memory(err, "vocabulary");
    const struct cru_vocab_header *h = image;
    const unsigned char *base = image;
    const void *at[CRU_SECTIONS];
    for (size_t i = 0; i < CRU_SECTIONS; i++) at[i] = base + h->section[i].offset;
    t->header = h;
    t->offsets = at[CRU_SECTION_OFFSETS];
    t->text = at[CRU_SECTION_TEXT];
    t->words = at[CRU_SECTION_WORDS];
    t->added = at[CRU_SECTION_ADDED];
    t->joins = h->flags & CRU_VOCAB_IGNORE_MERGES ? NULL : at[CRU_SECTION_JOINS];
    t->merges = (struct cru_merges){at[CRU_SECTION_BYTE_IDS], at[CRU_SECTION_BYTE_PAIR],
                                    at[CRU_SECTION_MERGED], at[CRU_SECTION_PAIRS], h->pair_bits, 0};
    t->bpe = (struct cru_bpe){.merges = t->merges,
                              .nodes = at[CRU_SECTION_NODES],
                              .chars = at[CRU_SECTION_CHARS],
                              .halves = at[CRU_SECTION_HALVES],
                              .roots = at[CRU_SECTION_ROOTS],
                              .units = at[CRU_SECTION_UNITS],
                              .offsets = t->offsets,
                              .text = t->text,
                              .irregular = h->irregular};
    if (!cru_vocab_agrees(t)) status = damaged(err, "numbers out of range");
    if (!status &&
        (!cru_added_index_init(&t->added_raw, t, false) ||
         !cru_added_index_init(&t->added_normal, t, true) || !cru_classes_init(&t->classes)))
        status = cru_fail_memory(err, "vocabulary");
    if (!status && h->pattern == CRU_PATTERN_STEPS)
        status = cru_split_plan_init(&t->plan, at[CRU_SECTION_STEPS],
                                     h->section[CRU_SECTION_STEPS].bytes, err);
    if (status) {
        cru_tokenizer_free(t);
        return status;
    }
    *tokenizer = t;
    return CRU_OK;
}

void cru_tokenizer_free(struct cru_tokenizer *t) {
    if (!t) return;
    cru_classes_release(&t->classes);
    cru_split_plan_release(&t->plan);
    cru_added_index_release(&t->added_raw);
    cru_added_index_release(&t->added_normal);
    if (t->mapped) munmap(t->mapped, t->mapped_bytes);
    free(t->owned);
    free(t);
}

/* "a/b/some.json" -> "some", in `name`: a file's name may be any bytes, a vocabulary's is text. */
static void name_of(const char *path, char *name, size_t capacity) {
    const char *slash = strrchr(path, '/');
    snprintf(name, capacity, "%s", slash ? slash + 1 : path);
    char *dot = strrchr(name, '.');
    if (dot && dot != name) *dot = 0;
    if (cru_text_is_utf8(name, strlen(name))) return;
    for (char *p = name; *p; p++)
        if ((unsigned char)*p >= 0x80) *p = '_';
}

static enum cru_status load_map(const char *path, void *map, size_t bytes,
                                struct cru_tokenizer **tokenizer, struct cru_error *err) {
    enum cru_status status;
    const char *p = map;
    size_t i = 0;
    while (i < bytes && (p[i] == ' ' || p[i] == '\n' || p[i] == '\r' || p[i] == '\t')) i++;
    if (i < bytes && p[i] == '{') {
        char name[CRU_VOCAB_NAME];
        struct cru_vocab_bytes image;
        name_of(path, name, sizeof name);
        status = cru_vocab_compile_json(cru_span_make(map, bytes), name, &image, err);
        munmap(map, bytes);
        if (status) return status;
        status = cru_tokenizer_from_image(image.p, image.n, tokenizer, err);
        if (status)
            free(image.p);
        else
            (*tokenizer)->owned = image.p;
        return status;
    }
    status = cru_tokenizer_from_image(map, bytes, tokenizer, err);
    if (status) {
        munmap(map, bytes);
        return status;
    }
    (*tokenizer)->mapped = map;
    (*tokenizer)->mapped_bytes = bytes;
    return CRU_OK;
}

enum cru_status cru_tokenizer_load(const char *path, struct cru_tokenizer **tokenizer,
                                   struct cru_error *err) {
    *tokenizer = NULL;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return cru_fail_errno(err, "cannot open vocabulary", path);
    struct stat st;
    void *map = MAP_FAILED;
    if (fstat(file, &st) == 0) {
        if (!S_ISREG(st.st_mode) || st.st_size <= 0) {
            close(file);
            return cru_fail(err, CRU_FATAL, "cannot load vocabulary: '%s': not a file with content",
                            path);
        }
        map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    }
    int why = errno;
    close(file);
    errno = why;
    if (map == MAP_FAILED) return cru_fail_errno(err, "cannot map vocabulary", path);
    struct cru_error inner = {CRU_OK, ""};
    enum cru_status status = load_map(path, map, (size_t)st.st_size, tokenizer, &inner);
    if (status)
        return cru_fail(err, status, "cannot load vocabulary: '%s': %s", path, inner.message);
    return CRU_OK;
}

/* Where `make vocab` and `make install` put compiled vocabularies, beside the program's directory.
 */
static bool shared_directory(char *dir, size_t capacity) {
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n <= 0) return false;
    exe[n] = 0;
    char *slash = strrchr(exe, '/');
    if (!slash) return false;
    *slash = 0;
    int length = snprintf(dir, capacity, "%s/../share/crucible", exe);
    return length > 0 && (size_t)length < capacity;
}

enum cru_status cru_tokenizer_open(const char *name, struct cru_tokenizer **tokenizer,
                                   struct cru_error *err) {
    *tokenizer = NULL;
    if (strchr(name, '/') || strchr(name, '.')) return cru_tokenizer_load(name, tokenizer, err);
    const char *given = getenv("CRUCIBLE_VOCAB_DIR");
    char beside[4200], path[4400];
    const char *dirs[2] = {given && *given ? given : NULL, NULL};
    if (shared_directory(beside, sizeof beside)) dirs[1] = beside;
    for (size_t i = 0; i < 2; i++) {
        if (!dirs[i]) continue;
        int length = snprintf(path, sizeof path, "%s/%s.vocab", dirs[i], name);
        if (length > 0 && (size_t)length < sizeof path && access(path, F_OK) == 0)
            return cru_tokenizer_load(path, tokenizer, err);
    }
    if (access(name, F_OK) == 0) return cru_tokenizer_load(name, tokenizer, err);
    return cru_fail(err, CRU_FATAL,
                    "cannot find vocabulary: '%s': no %s.vocab in $CRUCIBLE_VOCAB_DIR or %s; "
                    "'make vocab' makes qwen3.vocab",
                    name, name, dirs[1] ? dirs[1] : "../share/crucible");
}
