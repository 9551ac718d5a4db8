/* SPDX-License-Identifier: Apache-2.0 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include "crucible/base/base.h"
#include "crucible/base/input.h"

enum { RAW_BLOCK = 1 << 18, LINE_BLOCK = 1 << 18 };

/*
 * A plain file is read with read(2); a compressed one (told by its first bytes) goes through libarchive's
 * "raw" format, which sees through one or more filters. gzip goes through zlib: libarchive 3.6 checks
 * neither a member's CRC nor what stands between members, so that damage there would end the input
 * without a word.
 *
 *   fd -> head (first bytes, already read) -> gzip? archive? -> read() / line buffer
 */
struct cru_input {
    char *name;
    int fd;
    struct archive *archive; /* NULL for a plain file and for gzip */
    z_stream *gzip;          /* NULL unless gzip */
    bool in_member;          /* of gzip: between its header and the end of its trailer */
    uint64_t member_start;   /* of gzip: bytes delivered before this member */
    char *head;              /* RAW_BLOCK bytes; for a plain file the first head_n are still to be given */
    size_t head_n, head_at;
    uint64_t pulled;         /* bytes given to libarchive */
    size_t last_pull;        /* of those, what now stands in head */
    const char *block;       /* a decompressed block that libarchive owns; block_n bytes are unread */
    size_t block_n;
    bool ended;
    uint64_t bytes;
    char *line; /* line buffer: [at, n) is unread */
    size_t line_at, line_n, line_capacity;
};

static bool looks_compressed(const unsigned char *p, size_t n) {
    static const struct {
        unsigned char magic[6];
        size_t n;
    } magics[] = {
        {{0x1f, 0x8b}, 2},                            /* gzip, RFC 1952 */
        {{0x28, 0xb5, 0x2f, 0xfd}, 4},                /* zstd, RFC 8878 */
        {{0xfd, '7', 'z', 'X', 'Z', 0}, 6},           /* xz */
        {{'B', 'Z', 'h'}, 3},                         /* bzip2 */
        {{0x04, 0x22, 0x4d, 0x18}, 4},                /* lz4 frame */
    };
    for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++)
        if (n >= magics[i].n && memcmp(p, magics[i].magic, magics[i].n) == 0) return true;
    return false;
}

/* The next compressed bytes, in head; first those that told the format. -1 with errno on failure. */
static ssize_t next_packed(struct cru_input *in) {
    ssize_t n = (ssize_t)in->head_n;
    in->head_n = 0;
    while (n == 0) {
        n = read(in->fd, in->head, RAW_BLOCK);
        if (n >= 0 || errno != EINTR) break;
        n = 0;
    }
    return n;
}

static la_ssize_t archive_pull(struct archive *a, void *context, const void **block) {
    struct cru_input *in = context;
    ssize_t n = next_packed(in);
    *block = in->head;
    if (n < 0) {
        archive_set_error(a, errno, "read failed");
        return ARCHIVE_FATAL;
    }
    in->pulled += (uint64_t)n;
    in->last_pull = (size_t)n;
    return n;
}

static enum cru_status open_archive(struct cru_input *in, struct cru_error *err) {
    in->archive = archive_read_new();
    if (!in->archive) return cru_fail_memory(err, in->name);
    struct archive *a = in->archive;
    if (archive_read_support_filter_gzip(a) < ARCHIVE_WARN ||
        archive_read_support_filter_zstd(a) < ARCHIVE_WARN ||
        archive_read_support_filter_xz(a) < ARCHIVE_WARN ||
        archive_read_support_filter_bzip2(a) < ARCHIVE_WARN ||
        archive_read_support_filter_lz4(a) < ARCHIVE_WARN ||
        archive_read_support_format_empty(a) < ARCHIVE_WARN || /* a compressed empty file */
        archive_read_support_format_raw(a) < ARCHIVE_WARN)
        return cru_fail(err, CRU_FATAL, "unable to set up decompression: '%s': %s", in->name,
                        archive_error_string(a));
    struct archive_entry *entry;
    int code = archive_read_open(a, in, NULL, archive_pull, NULL);
    if (code == ARCHIVE_OK) code = archive_read_next_header(a, &entry);
    if (code == ARCHIVE_EOF) in->ended = true;
    else if (code != ARCHIVE_OK)
        return cru_fail(err, CRU_FATAL, "unable to decompress '%s': %s; 0 bytes were good", in->name,
                        archive_error_string(a) ? archive_error_string(a) : "damaged");
    return CRU_OK;
}

static enum cru_status open_gzip(struct cru_input *in, struct cru_error *err) {
    enum { GZIP_ONLY = 16 }; /* added to the window bits: header, CRC and length are zlib's to check */
    in->gzip = calloc(1, sizeof *in->gzip);
    if (!in->gzip || inflateInit2(in->gzip, MAX_WBITS + GZIP_ONLY) != Z_OK) {
        free(in->gzip);
        in->gzip = NULL;
        return cru_fail_memory(err, in->name);
    }
    in->in_member = true;
    return CRU_OK;
}

static enum cru_status open_packed(struct cru_input *in, struct cru_error *err) {
    const unsigned char *p = (const unsigned char *)in->head;
    if (!looks_compressed(p, in->head_n)) return CRU_OK;
    return p[0] == 0x1f ? open_gzip(in, err) : open_archive(in, err);
}

enum cru_status cru_input_open(const char *path, struct cru_input **input, struct cru_error *err) {
    *input = NULL;
    struct cru_input *in = calloc(1, sizeof *in);
    if (!in) return cru_fail_memory(err, path);
    in->fd = -1;
    bool standard = strcmp(path, "-") == 0;
    in->name = strdup(standard ? "stdin" : path);
    in->head = malloc(RAW_BLOCK);
    if (!in->name || !in->head) {
        cru_input_close(in);
        return cru_fail_memory(err, path);
    }
    in->fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (in->fd < 0) {
        enum cru_status s = cru_fail_errno(err, "unable to open", path);
        cru_input_close(in);
        return s;
    }
    while (in->head_n < 6) { /* a pipe may give its first bytes one by one */
        ssize_t n = read(in->fd, in->head + in->head_n, RAW_BLOCK - in->head_n);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            enum cru_status s = cru_fail_errno(err, "unable to read", in->name);
            cru_input_close(in);
            return s;
        }
        if (n == 0) break;
        in->head_n += (size_t)n;
    }
    enum cru_status s = open_packed(in, err);
    if (s) {
        cru_input_close(in);
        return s;
    }
    *input = in;
    return CRU_OK;
}

static enum cru_status read_plain(struct cru_input *in, char *buffer, size_t capacity, size_t *got,
                                  struct cru_error *err) {
    if (in->head_at < in->head_n) {
        size_t n = in->head_n - in->head_at;
        if (n > capacity) n = capacity;
        memcpy(buffer, in->head + in->head_at, n);
        in->head_at += n;
        *got = n;
        return CRU_OK;
    }
    for (;;) {
        ssize_t n = read(in->fd, buffer, capacity);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return cru_fail_errno(err, "unable to read", in->name);
        *got = (size_t)n;
        return n ? CRU_OK : CRU_END;
    }
}

static enum cru_status damaged(const struct cru_input *in, const char *why, uint64_t good,
                               struct cru_error *err) {
    return cru_fail(err, CRU_FATAL, "unable to decompress '%s': %s; %llu bytes were good", in->name,
                    why, (unsigned long long)good);
}

/* Compressed bytes at z->next_in, unless the input is at its end. */
static enum cru_status refill_gzip(struct cru_input *in, struct cru_error *err) {
    z_stream *z = in->gzip;
    if (z->avail_in) return CRU_OK;
    ssize_t n = next_packed(in);
    if (n < 0) return cru_fail_errno(err, "unable to read", in->name);
    z->next_in = (Bytef *)in->head;
    z->avail_in = (uInt)n;
    return CRU_OK;
}

/* Between members: CRU_OK when one begins. Padding with zeros is allowed, as gzip(1) has it. */
static enum cru_status next_member(struct cru_input *in, struct cru_error *err) {
    z_stream *z = in->gzip;
    for (;;) {
        enum cru_status s = refill_gzip(in, err);
        if (s) return s;
        if (z->avail_in == 0) return CRU_END;
        if (*z->next_in) break;
        z->next_in++;
        z->avail_in--;
    }
    if (*z->next_in != 0x1f)
        return damaged(in, "what stands behind the compressed data is not gzip", in->bytes, err);
    if (inflateReset(z) != Z_OK) return cru_fail_memory(err, in->name);
    in->in_member = true;
    in->member_start = in->bytes;
    return CRU_OK;
}

/* What was inflated is delivered first; a failure is met again by the next call. */
static enum cru_status read_gzip(struct cru_input *in, char *buffer, size_t capacity, size_t *got,
                                 struct cru_error *err) {
    z_stream *z = in->gzip;
    for (;;) {
        enum cru_status s = in->in_member ? refill_gzip(in, err) : next_member(in, err);
        if (s) return s;
        bool ended = z->avail_in == 0;
        z->next_out = (Bytef *)buffer;
        z->avail_out = capacity < UINT32_MAX ? (uInt)capacity : UINT32_MAX;
        uInt room = z->avail_out;
        int code = inflate(z, Z_NO_FLUSH);
        *got = room - z->avail_out;
        if (code == Z_STREAM_END) in->in_member = false;
        if (*got) return CRU_OK;
        if (code == Z_STREAM_END) continue;
        if (code == Z_MEM_ERROR) return cru_fail_memory(err, in->name);
        if (code == Z_DATA_ERROR || code == Z_NEED_DICT) {
            /* a checksum condemns its whole member */
            const char *why = z->msg ? z->msg : "damaged";
            bool check = strstr(why, "check") != NULL;
            return damaged(in, why, check ? in->member_start : in->bytes, err);
        }
        if (ended) return damaged(in, "truncated gzip input", in->bytes, err);
    }
}

/* libarchive takes bytes it does not know behind bzip2 and lz4 data for the end. */
static enum cru_status check_packed_end(struct cru_input *in, struct cru_error *err) {
    uint64_t consumed = (uint64_t)archive_filter_bytes(in->archive, -1);
    size_t left = (size_t)(in->pulled - consumed);
    bool known = consumed <= in->pulled && left <= in->last_pull;
    while (known) {
        const char *p = in->head + in->last_pull - left;
        for (size_t i = 0; known && i < left; i++) known = p[i] == 0;
        if (!known) break;
        ssize_t n = next_packed(in);
        if (n < 0) return cru_fail_errno(err, "unable to read", in->name);
        if (n == 0) return CRU_END;
        in->last_pull = left = (size_t)n;
    }
    return damaged(in, "what stands behind the compressed data is not compressed", in->bytes, err);
}

/* Block by block, as libarchive has them: archive_read_data would throw away what it had already copied
 * when the stream turns out to be cut. */
static enum cru_status read_archive(struct cru_input *in, char *buffer, size_t capacity, size_t *got,
                                    struct cru_error *err) {
    while (in->block_n == 0) {
        const void *block;
        la_int64_t offset;
        int code = archive_read_data_block(in->archive, &block, &in->block_n, &offset);
        in->block = block;
        if (code == ARCHIVE_EOF) return check_packed_end(in, err);
        if (code == ARCHIVE_OK || code == ARCHIVE_WARN) continue;
        const char *why = archive_error_string(in->archive);
        return damaged(in, why ? why : "damaged or cut", in->bytes, err);
    }
    *got = in->block_n < capacity ? in->block_n : capacity;
    memcpy(buffer, in->block, *got);
    in->block += *got;
    in->block_n -= *got;
    return CRU_OK;
}

enum cru_status cru_input_read(struct cru_input *in, char *buffer, size_t capacity, size_t *got,
                               struct cru_error *err) {
    *got = 0;
    if (in->ended) return CRU_END;
    enum cru_status s = in->gzip      ? read_gzip(in, buffer, capacity, got, err)
                        : in->archive ? read_archive(in, buffer, capacity, got, err)
                                      : read_plain(in, buffer, capacity, got, err);
    if (s != CRU_OK) in->ended = true;
    in->bytes += *got;
    return s;
}

enum cru_status cru_input_line(struct cru_input *in, struct cru_span *line, bool *ended_by_newline,
                               struct cru_error *err) {
    size_t searched = in->line_at;
    for (;;) {
        size_t n = in->line_n - searched;
        char *newline = n ? memchr(in->line + searched, '\n', n) : NULL;
        if (newline) {
            *line = cru_span_make(in->line + in->line_at, (size_t)(newline - in->line) - in->line_at);
            in->line_at = (size_t)(newline - in->line) + 1;
            *ended_by_newline = true;
            return CRU_OK;
        }
        if (in->line_at > 0) { /* keep the unfinished line at the front */
            memmove(in->line, in->line + in->line_at, in->line_n - in->line_at);
            in->line_n -= in->line_at;
            in->line_at = 0;
        }
        searched = in->line_n;
        if (in->line_capacity - in->line_n < LINE_BLOCK) {
            size_t capacity = in->line_capacity + in->line_capacity / 2 + LINE_BLOCK;
            char *p = realloc(in->line, capacity);
            if (!p) return cru_fail_memory(err, in->name);
            in->line = p;
            in->line_capacity = capacity;
        }
        size_t got;
        enum cru_status s = cru_input_read(in, in->line + in->line_n,
                                           in->line_capacity - in->line_n, &got, err);
        if (s == CRU_END && in->line_n > 0) {
            *line = cru_span_make(in->line, in->line_n);
            in->line_at = in->line_n;
            *ended_by_newline = false;
            return CRU_OK;
        }
        if (s != CRU_OK) return s;
        in->line_n += got;
    }
}

bool cru_input_packed(const struct cru_input *in) { return in->archive || in->gzip; }
uint64_t cru_input_bytes(const struct cru_input *in) { return in->bytes; }
const char *cru_input_name(const struct cru_input *in) { return in->name; }

void cru_input_close(struct cru_input *in) {
    if (!in) return;
    if (in->archive) (void)archive_read_free(in->archive);
    if (in->gzip) (void)inflateEnd(in->gzip);
    free(in->gzip);
    if (in->fd > STDIN_FILENO) (void)close(in->fd);
    free(in->line);
    free(in->head);
    free(in->name);
    free(in);
}
