/* voyage: embeddings of Voyage AI, close to OpenAI's own but for names and what is left unsaid.
 * Source: Voyage AI API reference, "Text embeddings". */
#include "provider/dialect.h"
#include "provider/native.h"

/* Of one request (API reference). */
#define TEXTS_MAX 1000u

static const char *const embedding_members[] = {"input_type", "truncation", NULL};

/* Returns whether the caller stated it. */
static bool write_member(struct native_ask *ask, const char *name)
{
    yyjson_val *value = yyjson_obj_get(ask->embedding->root, name);
    if (value == NULL || yyjson_is_null(value))
        return false;
    json_key(ask->body, text_from(name));
    native_write_value(ask->body, value);
    return true;
}

/* Voyage cuts off what is too long unless it is told not to; OpenAI says that it is too long. */
static enum error write_embeddings(struct native_ask *ask)
{
    const struct embedding *embedding = ask->embedding;
    struct json_writer *json = ask->body;
    if (embedding->input_count > TEXTS_MAX)
        return native_refuse(ask, TEXT("input"),
                             "has more than the 1000 texts that Voyage takes in a call");
    dialect_write_credential(ask->lines, "authorization", "Bearer ", ask->call->credential);
    buffer_append(ask->target, TEXT("/embeddings"));
    json_begin_object(json);
    json_member_text(json, "model", ask->model);
    json_key(json, TEXT("input"));
    json_begin_array(json);
    for (size_t i = 0; i < embedding->input_count; i++)
        json_text(json, embedding->inputs[i]);
    json_end_array(json);
    (void)write_member(ask, "input_type");
    if (!write_member(ask, "truncation"))
        json_member_bool(json, "truncation", false);
    if (embedding->dimensions >= 0)
        json_member_signed(json, "output_dimension", embedding->dimensions);
    json_end_object(json);
    return ERROR_OK;
}

static void count_usage(struct native_answer *answer)
{
    answer->usage.total = native_usage(answer, "total_tokens");
    answer->usage.input = answer->usage.total;
}

static enum error read_embeddings(struct native_answer *answer, yyjson_val *root,
                                  struct buffer *out)
{
    const struct embedding *asked = answer->ask->embedding;
    struct embedding_writer writer;
    size_t index, count;
    yyjson_val *row;
    native_take_usage(answer, yyjson_obj_get(root, "usage"));
    embedding_write_begin(&writer, out, asked->base64);
    yyjson_arr_foreach(
        yyjson_obj_get(root, "data"), index, count,
        row) if (!embedding_write_vector(&writer,
                                         yyjson_obj_get(row, "embedding"))) return ERROR_SYNTAX;
    if (writer.count != asked->input_count)
        return ERROR_SYNTAX;
    return embedding_write_end(&writer, asked->model, &answer->usage) ? ERROR_OK : ERROR_SYNTAX;
}

static const struct native voyage = {
    .usage_dialect = TEXT_INIT("openai"),
    .embedding_members = embedding_members,
    .write_embeddings = write_embeddings,
    .read_embeddings = read_embeddings,
    .count_usage = count_usage,
};

extern const struct provider provider_voyage;
const struct provider provider_voyage = {
    .name = TEXT_INIT("voyage"),
    .prepare = native_prepare,
    .answer_open = native_answer_open,
    .native = &voyage,
};
