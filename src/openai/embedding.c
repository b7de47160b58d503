#include "openai/embedding.h"

#include "codec/base64.h"
#include "codec/json.h"

static enum error fail(struct conversation_problem *problem, enum error error, struct text param,
                       const char *reason)
{
    *problem = (struct conversation_problem){.param = param, .reason = text_from(reason)};
    return error;
}

/* ---- reading ---- */

static enum error take_input(yyjson_val *value, struct text *input,
                             struct conversation_problem *problem)
{
    if (yyjson_is_num(value) || yyjson_is_arr(value))
        return fail(problem, ERROR_UNSUPPORTED, TEXT("input"),
                    "must be text: the tokens of one model mean nothing to another");
    if (!yyjson_is_str(value) || yyjson_get_len(value) == 0)
        return fail(problem, ERROR_SYNTAX, TEXT("input"),
                    "must be a string, or an array of strings, that are not empty");
    *input = text_of(yyjson_get_str(value), yyjson_get_len(value));
    return ERROR_OK;
}

static enum error read_inputs(struct embedding *embedding, struct arena *arena,
                              struct conversation_problem *problem)
{
    yyjson_val *value = yyjson_obj_get(embedding->root, "input"), *entry;
    bool many = yyjson_is_arr(value);
    size_t index, size, count = many ? yyjson_arr_size(value) : 1;
    if (count == 0 || count > EMBEDDING_INPUTS_MAX)
        return fail(problem, ERROR_SYNTAX, TEXT("input"), "must have 1 to 2048 entries");
    struct text *inputs = arena_take(arena, count * sizeof(*inputs));
    if (inputs == NULL)
        return ERROR_MEMORY;
    embedding->inputs = inputs;
    embedding->input_count = count;
    if (!many)
        return take_input(value, inputs, problem);
    yyjson_arr_foreach(value, index, size, entry)
    {
        enum error error = take_input(entry, &inputs[index], problem);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

static enum error read_options(struct embedding *embedding, struct conversation_problem *problem)
{
    struct text format = TEXT("float");
    uint64_t dimensions = 0;
    if (json_get_text(embedding->root, "model", &embedding->model) == JSON_WRONG_TYPE)
        return fail(problem, ERROR_SYNTAX, TEXT("model"), "must be a string");
    if (json_get_text(embedding->root, "user", &embedding->user) == JSON_WRONG_TYPE)
        return fail(problem, ERROR_SYNTAX, TEXT("user"), "must be a string");
    if (json_get_text(embedding->root, "encoding_format", &format) == JSON_WRONG_TYPE)
        return fail(problem, ERROR_SYNTAX, TEXT("encoding_format"), "must be a string");
    embedding->base64 = text_equal(format, TEXT("base64"));
    if (!embedding->base64 && !text_equal(format, TEXT("float")))
        return fail(problem, ERROR_UNSUPPORTED, TEXT("encoding_format"),
                    "must be \"float\" or \"base64\"");
    switch (json_get_unsigned(embedding->root, "dimensions", &dimensions)) {
    case JSON_ABSENT: return ERROR_OK;
    case JSON_PRESENT: break;
    case JSON_WRONG_TYPE: dimensions = 0; break;
    }
    if (dimensions == 0 || dimensions > INT64_MAX)
        return fail(problem, ERROR_SYNTAX, TEXT("dimensions"), "must be a whole number, 1 or more");
    embedding->dimensions = (int64_t)dimensions;
    return ERROR_OK;
}

static bool is_known(struct text name, const char *const *known)
{
    static const char *const own[] = {"model", "input", "encoding_format", "dimensions", NULL};
    for (size_t i = 0; own[i] != NULL; i++)
        if (text_equal(name, text_from(own[i])))
            return true;
    for (size_t i = 0; known[i] != NULL; i++)
        if (text_equal(name, text_from(known[i])))
            return true;
    return false;
}

static bool is_dropped(struct text name, const struct text *drop, size_t drop_count)
{
    for (size_t i = 0; i < drop_count; i++)
        if (text_equal(drop[i], name) || text_equal(drop[i], TEXT("unknown")))
            return true;
    return false;
}

static enum error check_members(const struct embedding *embedding, const char *const *known,
                                const struct text *drop, size_t drop_count, struct arena *arena,
                                struct conversation_problem *problem)
{
    yyjson_obj_iter members = yyjson_obj_iter_with(embedding->root);
    yyjson_val *key;
    while ((key = yyjson_obj_iter_next(&members)) != NULL) {
        struct text name = text_of(yyjson_get_str(key), yyjson_get_len(key));
        if (yyjson_is_null(yyjson_obj_iter_get_val(key)) || is_known(name, known) ||
            is_dropped(name, drop, drop_count))
            continue;
        struct text param = arena_copy(arena, name);
        return param.data == NULL
                   ? ERROR_MEMORY
                   : fail(problem, ERROR_UNSUPPORTED, param, "is nothing that the model takes");
    }
    return ERROR_OK;
}

enum error embedding_read(struct embedding *embedding, struct text body, const char *const *known,
                          const struct text *drop, size_t drop_count, struct arena *arena,
                          struct conversation_problem *problem)
{
    *embedding = (struct embedding){.dimensions = -1};
    *problem = (struct conversation_problem){TEXT(""), TEXT("is no JSON object")};
    enum error error = json_parse(body, &embedding->document);
    if (error != ERROR_OK)
        return error;
    embedding->root = yyjson_doc_get_root(embedding->document);
    error = yyjson_is_obj(embedding->root) ? ERROR_OK : ERROR_SYNTAX;
    if (error == ERROR_OK)
        error = read_options(embedding, problem);
    if (error == ERROR_OK)
        error = read_inputs(embedding, arena, problem);
    if (error == ERROR_OK)
        error = check_members(embedding, known, drop, drop_count, arena, problem);
    if (error != ERROR_OK)
        embedding_close(embedding);
    return error;
}

void embedding_close(struct embedding *embedding)
{
    yyjson_doc_free(embedding->document);
    embedding->document = NULL;
    embedding->root = NULL;
}

/* ---- writing ---- */

void embedding_write_begin(struct embedding_writer *writer, struct buffer *out, bool base64)
{
    *writer = (struct embedding_writer){.out = out, .base64 = base64};
    buffer_append(out, TEXT("{\"object\":\"list\",\"data\":["));
}

/* Bytes gathered before they become base64: whole groups of three, so that none is padded. */
#define FLOATS_AT_ONCE 96u

/* As OpenAI sends it and its SDKs read it: little-endian 32-bit floats. */
static bool append_floats(struct buffer *out, yyjson_val *numbers)
{
    unsigned char bytes[FLOATS_AT_ONCE * 4];
    size_t index, size, held = 0;
    yyjson_val *number;
    buffer_append_char(out, '"');
    yyjson_arr_foreach(numbers, index, size, number)
    {
        if (!yyjson_is_num(number))
            return false;
        float value = (float)yyjson_get_num(number);
        uint32_t bits;
        memcpy(&bits, &value, sizeof(bits));
        for (unsigned shift = 0; shift < 32; shift += 8)
            bytes[held++] = (unsigned char)(bits >> shift);
        if (held == sizeof(bytes)) {
            base64_append(out, text_of((char *)bytes, held));
            held = 0;
        }
    }
    base64_append(out, text_of((char *)bytes, held));
    return buffer_append_char(out, '"');
}

static bool append_numbers(struct buffer *out, yyjson_val *numbers)
{
    size_t index, size, length = 0;
    yyjson_val *number;
    yyjson_arr_foreach(numbers, index, size, number) if (!yyjson_is_num(number)) return false;
    char *json = yyjson_val_write(numbers, YYJSON_WRITE_NOFLAG, &length);
    if (json == NULL) {
        out->failed = true;
        return false;
    }
    bool ok = buffer_append(out, text_of(json, length));
    free(json);
    return ok;
}

bool embedding_write_vector(struct embedding_writer *writer, yyjson_val *numbers)
{
    struct buffer *out = writer->out;
    if (!yyjson_is_arr(numbers))
        return false;
    buffer_append(out, writer->count == 0 ? TEXT("{\"object\":\"embedding\",\"index\":")
                                          : TEXT(",{\"object\":\"embedding\",\"index\":"));
    buffer_append_unsigned(out, writer->count++);
    buffer_append(out, TEXT(",\"embedding\":"));
    bool ok = writer->base64 ? append_floats(out, numbers) : append_numbers(out, numbers);
    return ok && buffer_append_char(out, '}');
}

bool embedding_write_end(struct embedding_writer *writer, struct text model,
                         const struct usage *usage)
{
    struct buffer *out = writer->out;
    int64_t input = usage->input >= 0 ? usage->input : 0;
    buffer_append(out, TEXT("],\"model\":"));
    json_append_text(out, model);
    buffer_append(out, TEXT(",\"usage\":{\"prompt_tokens\":"));
    buffer_append_signed(out, input);
    buffer_append(out, TEXT(",\"total_tokens\":"));
    buffer_append_signed(out, usage->total >= 0 ? usage->total : input);
    return buffer_append(out, TEXT("}}"));
}
