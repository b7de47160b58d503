/* Embeddings: batchEmbedContents of AI Studio, predict and embedContent of Vertex, with the shape
 * of OpenAI's. What tells of tokens differs: a count for each text (predict), a usage object of
 * newer models, mostly nothing: then they are estimated. Models that are billed by the character
 * say how many there were (billableCharacterCount). */
#include "provider/gemini.h"

#define BATCH_MAX   100u /* texts of one batchEmbedContents */
#define PREDICT_MAX 250u /* instances of one predict */

/* What a text is for, and the title of one to be found: Google's own members, as in its dialect. */
const char *const gemini_embedding_members[] = {"task_type", "title", "auto_truncate", NULL};

static struct text member(yyjson_val *object, const char *key)
{
    struct text text = TEXT("");
    (void)json_get_text(object, key, &text);
    return text;
}

static void write_task(struct native_ask *ask, const char *task_key)
{
    yyjson_val *root = ask->embedding->root;
    struct text task = member(root, "task_type"), title = member(root, "title");
    if (!text_empty(task))
        json_member_text(ask->body, task_key, task);
    if (!text_empty(title))
        json_member_text(ask->body, "title", title);
}

static void write_limits(struct native_ask *ask)
{
    bool truncates = false;
    if (ask->embedding->dimensions >= 0)
        json_member_signed(ask->body, "outputDimensionality", ask->embedding->dimensions);
    if (json_get_bool(ask->embedding->root, "auto_truncate", &truncates) == JSON_PRESENT)
        json_member_bool(ask->body, "autoTruncate", truncates);
}

static void write_content(struct native_ask *ask, struct text text)
{
    struct json_writer *json = ask->body;
    json_key(json, TEXT("content"));
    json_begin_object(json);
    json_key(json, TEXT("parts"));
    json_begin_array(json);
    json_begin_object(json);
    json_member_text(json, "text", text);
    json_end_object(json);
    json_end_array(json);
    json_end_object(json);
}

static enum error write_batch(struct native_ask *ask)
{
    struct text name = text_starts_with(ask->model, TEXT("models/"))
                           ? ask->model
                           : arena_format(ask->arena, "models/%.*s", TEXT_ARG(ask->model));
    if (name.data == NULL)
        return ERROR_MEMORY;
    json_begin_object(ask->body);
    json_key(ask->body, TEXT("requests"));
    json_begin_array(ask->body);
    for (size_t i = 0; i < ask->embedding->input_count; i++) {
        json_begin_object(ask->body);
        json_member_text(ask->body, "model", name);
        write_content(ask, ask->embedding->inputs[i]);
        write_task(ask, "taskType");
        write_limits(ask);
        json_end_object(ask->body);
    }
    json_end_array(ask->body);
    json_end_object(ask->body);
    return ERROR_OK;
}

static enum error write_predict(struct native_ask *ask)
{
    json_begin_object(ask->body);
    json_key(ask->body, TEXT("instances"));
    json_begin_array(ask->body);
    for (size_t i = 0; i < ask->embedding->input_count; i++) {
        json_begin_object(ask->body);
        json_member_text(ask->body, "content", ask->embedding->inputs[i]);
        write_task(ask, "task_type");
        json_end_object(ask->body);
    }
    json_end_array(ask->body);
    json_key(ask->body, TEXT("parameters"));
    json_begin_object(ask->body);
    write_limits(ask);
    json_end_object(ask->body);
    json_end_object(ask->body);
    return ERROR_OK;
}

static enum error write_one(struct native_ask *ask)
{
    json_begin_object(ask->body);
    write_content(ask, ask->embedding->inputs[0]);
    json_key(ask->body, TEXT("embedContentConfig"));
    json_begin_object(ask->body);
    write_task(ask, "taskType");
    write_limits(ask);
    json_end_object(ask->body);
    json_end_object(ask->body);
    return ERROR_OK;
}

enum error gemini_write_embeddings(struct native_ask *ask, enum gemini_embedding form)
{
    static const struct {
        size_t most;
        const char *reason;
        enum error (*write)(struct native_ask *ask);
    } rows[] = {
        [GEMINI_EMBED_BATCH] = {BATCH_MAX, "has more than the 100 texts that this provider takes",
                                write_batch},
        [GEMINI_EMBED_PREDICT] = {PREDICT_MAX,
                                  "has more than the 250 texts that this provider takes",
                                  write_predict},
        [GEMINI_EMBED_CONTENT] = {1, "may be one text for this model", write_one},
    };
    if (ask->embedding->input_count > rows[form].most)
        return native_refuse(ask, TEXT("input"), rows[form].reason);
    return rows[form].write(ask);
}

/* ---- reading ---- */

/* The vector of one input; NULL: there is none. */
static yyjson_val *vector_at(yyjson_val *root, size_t index)
{
    yyjson_val *several = yyjson_obj_get(root, "embeddings");
    yyjson_val *predictions = yyjson_obj_get(root, "predictions");
    yyjson_val *holder = NULL;
    if (predictions != NULL)
        holder = yyjson_obj_get(yyjson_arr_get(predictions, index), "embeddings");
    else if (several != NULL)
        holder = yyjson_arr_get(several, index);
    else if (index == 0)
        holder = yyjson_obj_get(root, "embedding");
    return yyjson_obj_get(holder, "values");
}

static int64_t sum_tokens(yyjson_val *root)
{
    yyjson_val *prediction;
    size_t index, count;
    int64_t sum = -1;
    yyjson_arr_foreach(yyjson_obj_get(root, "predictions"), index, count, prediction)
    {
        yyjson_val *statistics =
            yyjson_obj_get(yyjson_obj_get(prediction, "embeddings"), "statistics");
        yyjson_val *tokens = yyjson_obj_get(statistics, "token_count");
        if (!yyjson_is_num(tokens) || !(yyjson_get_num(tokens) >= 0) ||
            yyjson_get_num(tokens) > INT32_MAX)
            return -1;
        sum = (sum < 0 ? 0 : sum) + (int64_t)yyjson_get_num(tokens);
    }
    return sum;
}

/* Models before gemini-embedding are billed by the character. */
static bool is_billed_by_characters(struct text model)
{
    return text_starts_with(model, TEXT("text-embedding-")) ||
           text_starts_with(model, TEXT("text-multilingual-embedding-")) ||
           text_starts_with(model, TEXT("textembedding-gecko"));
}

/* The usage object that predict does not have. */
static enum error take_counts(struct native_answer *answer, yyjson_val *root, int64_t tokens)
{
    uint64_t characters = 0;
    yyjson_val *metadata = yyjson_obj_get(root, "metadata");
    bool by_characters =
        is_billed_by_characters(answer->ask->model) &&
        json_get_unsigned(metadata, "billableCharacterCount", &characters) == JSON_PRESENT;
    struct text text =
        by_characters
            ? arena_format(answer->arena, "{\"billableCharacterCount\":%llu}",
                           (unsigned long long)characters)
            : arena_format(answer->arena, "{\"promptTokenCount\":%lld,\"totalTokenCount\":%lld}",
                           (long long)tokens, (long long)tokens);
    yyjson_val *usage = text.data == NULL ? NULL : native_parse(answer->arena, text);
    if (usage == NULL)
        return ERROR_MEMORY;
    native_take_usage(answer, usage);
    answer->usage.source = USAGE_REPORTED;
    answer->usage.input = answer->usage.total = tokens;
    return ERROR_OK;
}

static void estimate(struct native_answer *answer)
{
    const struct embedding *embedding = answer->ask->embedding;
    int64_t bytes = 0;
    for (size_t i = 0; i < embedding->input_count; i++)
        bytes += (int64_t)embedding->inputs[i].length;
    usage_estimate(&answer->usage, bytes, -1);
    answer->usage.total = answer->usage.input;
}

static enum error read_usage(struct native_answer *answer, yyjson_val *root)
{
    int64_t tokens = sum_tokens(root);
    native_take_usage(answer, yyjson_obj_get(root, "usageMetadata"));
    if (tokens >= 0)
        return take_counts(answer, root, tokens);
    if (answer->usage.input < 0)
        estimate(answer);
    return ERROR_OK;
}

enum error gemini_read_embeddings(struct native_answer *answer, yyjson_val *root,
                                  struct buffer *out)
{
    const struct embedding *embedding = answer->ask->embedding;
    struct embedding_writer writer;
    enum error error = read_usage(answer, root);
    if (error != ERROR_OK)
        return error;
    embedding_write_begin(&writer, out, embedding->base64);
    for (size_t i = 0; i < embedding->input_count; i++)
        if (!embedding_write_vector(&writer, vector_at(root, i)))
            return out->failed ? ERROR_LIMIT : ERROR_SYNTAX;
    return embedding_write_end(&writer, embedding->model, &answer->usage) ? ERROR_OK : ERROR_LIMIT;
}
