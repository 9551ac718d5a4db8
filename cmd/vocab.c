/* SPDX-License-Identifier: Apache-2.0 */
/* crucible vocab: compiles a published vocabulary, or says what one is. */
#include "cmd/command.h"
#include "crucible/base/base.h"
#include "crucible/base/input.h"
#include "crucible/base/output.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocab_compile.h"

struct vocab_options {
    const char *output, *name, *ranks;
};

static const struct cru_option vocab_table[] = {
    {CRU_OPTION_STRING, 'o', "output", offsetof(struct vocab_options, output), "FILE", NULL, NULL,
     0, 0, "write the compiled vocabulary here; without it, say what FILE is"},
    {CRU_OPTION_STRING, 0, "name", offsetof(struct vocab_options, name), "NAME", "vocabulary", NULL,
     0, 0, "the name that shards record for it"},
    {CRU_OPTION_CHOICE, 0, "ranks", offsetof(struct vocab_options, ranks), "qwen3", NULL, NULL, 0,
     0, "FILE is a rank file (tiktoken's format) of this vocabulary"},
    {CRU_OPTION_END, 0, NULL, 0, NULL, NULL, NULL, 0, 0, NULL},
};

static enum cru_status read_all(const char *path, struct cru_buffer *all, struct cru_error *err) {
    struct cru_input *input;
    enum cru_status status = cru_input_open(path, &input, err);
    while (!status) {
        size_t got;
        char *room = cru_buffer_room(all, 1 << 20);
        if (!room) status = cru_fail_memory(err, path);
        if (!status) status = cru_input_read(input, room, 1 << 20, &got, err);
        if (!status) all->n += got;
    }
    cru_input_close(input);
    return status == CRU_END ? CRU_OK : status;
}

static enum cru_status compile(const struct vocab_options *options, const char *path,
                               struct cru_error *err) {
    struct cru_buffer all;
    struct cru_vocab_bytes image = {NULL, 0};
    struct cru_tokenizer *check = NULL;
    cru_buffer_init(&all);
    enum cru_status status = read_all(path, &all, err);
    if (!status && options->ranks)
        status = cru_vocab_compile_ranks(cru_buffer_span(&all), options->ranks, options->name,
                                         &image, err);
    else if (!status)
        status = cru_vocab_compile_json(cru_buffer_span(&all), options->name, &image, err);
    if (!status) status = cru_tokenizer_from_image(image.p, image.n, &check, err);
    if (!status) status = cru_write_file(options->output, image.p, image.n, err);
    cru_tokenizer_free(check);
    free(image.p);
    cru_buffer_release(&all);
    return status;
}

static enum cru_status describe(const char *path, struct cru_error *err) {
    struct cru_tokenizer *t;
    enum cru_status status = cru_tokenizer_open(path, &t, err);
    if (status) return status;
    uint32_t added = 0, end = cru_tokenizer_end_id(t), size = cru_tokenizer_size(t);
    for (uint32_t id = 0; id < size; id++) added += cru_tokenizer_is_added(t, id);
    printf("name\t%s\nids\t%u\nadded\t%u\nhash\t%016llx\n", cru_tokenizer_name(t), size, added,
           (unsigned long long)cru_tokenizer_hash(t));
    if (end != CRU_NO_TOKEN) {
        struct cru_span s = cru_tokenizer_token(t, end);
        printf("end\t%u\t%.*s\n", end, (int)s.n, s.p);
    }
    cru_tokenizer_free(t);
    return CRU_OK;
}

int main(int argc, char **argv) {
    struct vocab_options options = {NULL, NULL, NULL};
    struct cru_option_store store;
    struct cru_error err = {CRU_OK, ""};
    cru_option_store_init(&store);
    struct cru_command command = {"vocab",
                                  "Compiles a vocabulary for tokenize, or says what one is.",
                                  "[options] FILE",
                                  {vocab_table},
                                  {&options},
                                  1};
    int operands, status = cru_command_begin(&command, &store, argc, argv, &operands);
    if (status < 0) {
        enum cru_status done;
        if (operands != 1)
            done = cru_fail(&err, CRU_USAGE, "needs one FILE");
        else
            done = options.output ? compile(&options, argv[1], &err) : describe(argv[1], &err);
        status = done ? cru_command_fail("vocab", &err) : cru_command_end("vocab", CRU_EXIT_OK);
    }
    cru_option_store_release(&store);
    return status;
}
