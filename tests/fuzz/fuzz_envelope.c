/* A request body, cut anywhere: the same verdict and values; accepted exactly when yyjson finds an
 * object in it (depth and watched names aside); and what was edited is still valid and means what
 * was asked for. */
#include <yyjson.h>

#include "base/buffer.h"
#include "base/ensure.h"
#include "openai/envelope.h"
#include "pieces.h"

static enum error run(struct envelope *envelope, struct arena *arena, struct text input,
                      size_t largest)
{
    struct pieces pieces = pieces_of(input, largest);
    struct text piece;
    enum error error = ERROR_OK;
    envelope_open(envelope, arena);
    while (error == ERROR_OK && pieces_next(&pieces, &piece))
        error = envelope_feed(envelope, piece);
    return error == ERROR_OK ? envelope_finish(envelope) : error;
}

static void compare(const struct envelope *a, const struct envelope *b)
{
    ensure(text_equal(a->model, b->model));
    ensure(text_equal(a->reference, b->reference));
    ensure(text_equal(a->reason, b->reason));
    ensure(a->stream == b->stream && a->include_usage == b->include_usage);
    ensure(a->max_output == b->max_output && a->n == b->n);
    ensure(a->scan.offset == b->scan.offset && a->scan.line == b->scan.line);
}

static bool is_readable(struct text input)
{
    yyjson_doc *document = yyjson_read(input.data, input.length, 0);
    yyjson_doc_free(document);
    return document != NULL;
}

static void check_edits(const struct envelope *envelope, struct text input)
{
    /* A model's name that yyjson cannot read is refused by us too, so an edit repairs nothing. */
    bool readable = is_readable(input);
    struct splices splices = {0};
    struct text parts[SPLICES_PARTS_MAX];
    struct buffer out;
    bool named = envelope->model.data != NULL;
    if (named)
        ensure(envelope_set_model(envelope, TEXT("a\"\n\xc3\xa9"), &splices) == ERROR_OK);
    envelope_ask_usage(envelope, &splices);
    size_t count = splices_apply(&splices, input, parts);
    buffer_open(&out, input.length + 1000);
    for (size_t i = 0; i < count; i++)
        buffer_append(&out, parts[i]);
    ensure(!out.failed && out.length == splices_result_length(&splices, input.length));
    yyjson_doc *document = yyjson_read(out.data, out.length, 0);
    /* Half a surrogate pair in a prompt is the provider's to refuse; yyjson does so. */
    ensure((document != NULL) == readable);
    ensure(!readable ||
           yyjson_is_true(yyjson_doc_ptr_get(document, "/stream_options/include_usage")));
    ensure(!readable || !named ||
           yyjson_equals_str(yyjson_doc_ptr_get(document, "/model"), "a\"\n\xc3\xa9"));
    yyjson_doc_free(document);
    buffer_close(&out);
}

/* What we and yyjson see as the model must be the same. */
static void check_meaning(const struct envelope *envelope, enum error error, struct text input)
{
    yyjson_doc *document = input.length == 0 ? NULL : yyjson_read(input.data, input.length, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    if (error == ERROR_OK && document != NULL) {
        yyjson_val *model = yyjson_obj_get(root, "model");
        ensure((envelope->model.data != NULL) == yyjson_is_str(model));
        if (envelope->model.data != NULL)
            ensure(yyjson_equals_strn(model, envelope->model.data, envelope->model.length));
        ensure(envelope->stream == yyjson_is_true(yyjson_obj_get(root, "stream")));
    }
    if (error == ERROR_OK)
        ensure(document == NULL || yyjson_is_obj(root));
    else if (error == ERROR_SYNTAX && text_empty(envelope->param))
        ensure(!yyjson_is_obj(root));
    yyjson_doc_free(document);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t largest[] = {1, 3, 30};
    struct text input = text_of((const char *)data, size);
    struct arena arena;
    struct envelope whole, other;
    arena_open(&arena, NULL, 64u << 20);
    enum error error = run(&whole, &arena, input, SIZE_MAX);
    for (size_t i = 0; i < ARRAY_LENGTH(largest); i++) {
        ensure(run(&other, &arena, input, largest[i]) == error);
        compare(&whole, &other);
    }
    check_meaning(&whole, error, input);
    if (error == ERROR_OK)
        check_edits(&whole, input);
    arena_close(&arena);
    return 0;
}
