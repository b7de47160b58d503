/* embedding: a request for embeddings read for the families that do not speak OpenAI's dialect, and
 * their vectors written as OpenAI would write them.
 *
 * Texts are slices of the parsed document, valid until embedding_close. One thread at a time.
 * Source: OpenAI API reference, embeddings. */
#ifndef OPENAI_EMBEDDING_H
#define OPENAI_EMBEDDING_H

#include <yyjson.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "openai/conversation.h"
#include "openai/usage.h"

/* Inputs of one request: as many as OpenAI takes. */
#define EMBEDDING_INPUTS_MAX 2048u

struct embedding {
    struct text model;
    const struct text *inputs;
    size_t input_count;
    int64_t dimensions; /* -1: not said */
    bool base64;        /* encoding_format: vectors as base64 of little-endian 32-bit floats */
    struct text user;
    yyjson_val *root; /* members of vendors: input_type, task_type, truncate */
    yyjson_doc *document;
};

/* ERROR_UNSUPPORTED: tokens instead of texts, which only the model's own tokenizer could read, or a
 * member that is neither OpenAI's nor in `known` (names, ended by NULL) nor in `drop`, `user` too;
 * ERROR_SYNTAX; `problem` says what. ERROR_MEMORY. */
must_handle enum error embedding_read(struct embedding *embedding, struct text body,
                                      const char *const *known, const struct text *drop,
                                      size_t drop_count, struct arena *arena,
                                      struct conversation_problem *problem);
void embedding_close(struct embedding *embedding);

/* The answer: begin, each vector (a JSON array of numbers) in the order of the inputs, end. False
 * where a vector is none or the buffer has no room. */
struct embedding_writer {
    struct buffer *out;
    bool base64;
    size_t count;
};
void embedding_write_begin(struct embedding_writer *writer, struct buffer *out, bool base64);
must_check bool embedding_write_vector(struct embedding_writer *writer, yyjson_val *numbers);
/* Only `input` and `total` of the usage are looked at; unknown ones are written as 0. */
must_check bool embedding_write_end(struct embedding_writer *writer, struct text model,
                                    const struct usage *usage);

#endif
