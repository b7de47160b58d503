/* Embeddings through InvokeModel, in the words of each maker. What was counted stands in a header
 * of the answer, with Titan in its body too. Sources: Bedrock user guide, "Amazon Titan Text
 * Embeddings", "Cohere Embed", "Amazon Nova Multimodal Embeddings". */
#include "base/attributes.h"
#include "provider/bedrock_parts.h"

/* Cohere's own limit. */
#define COHERE_TEXTS_MAX  96u
#define METADATA_LINE_MAX 1024u

const char *const bedrock_embedding_members[] = {"input_type", "truncate", "normalize", "user",
                                                 NULL};

enum embedder_member {
    TAKES_DIMENSIONS = 1 << 0,
    TAKES_INPUT_TYPE = 1 << 1,
    TAKES_TRUNCATE = 1 << 2,
    TAKES_NORMALIZE = 1 << 3
};

struct bedrock_embedder {
    struct text part; /* of the model's id */
    unsigned takes;
    size_t inputs_max;
    void (*write)(struct native_ask *ask);
    /* Writes the vectors; false where they are not there. */
    bool (*read)(struct embedding_writer *writer, yyjson_val *root);
};

static void write_dimensions(struct native_ask *ask, const char *key)
{
    if (ask->embedding->dimensions >= 0)
        json_member_signed(ask->body, key, ask->embedding->dimensions);
}

/* Those that the configuration drops are not there. */
static yyjson_val *find_member(const struct native_ask *ask, const char *name)
{
    yyjson_val *value = yyjson_obj_get(ask->embedding->root, name);
    for (size_t i = 0; i < ask->call->drop_count; i++)
        if (text_equal(ask->call->drop[i], text_from(name)))
            return NULL;
    return yyjson_is_null(value) ? NULL : value;
}

static void write_member(struct native_ask *ask, const char *name)
{
    yyjson_val *value = find_member(ask, name);
    if (value == NULL)
        return;
    json_key(ask->body, text_from(name));
    native_write_value(ask->body, value);
}

/* ---- Titan ---- */

static void write_titan(struct native_ask *ask)
{
    json_member_text(ask->body, "inputText", ask->embedding->inputs[0]);
    write_dimensions(ask, "dimensions");
    write_member(ask, "normalize");
}

static void write_titan_image(struct native_ask *ask)
{
    json_member_text(ask->body, "inputText", ask->embedding->inputs[0]);
    if (ask->embedding->dimensions < 0)
        return;
    json_key(ask->body, TEXT("embeddingConfig"));
    json_begin_object(ask->body);
    write_dimensions(ask, "outputEmbeddingLength");
    json_end_object(ask->body);
}

static bool read_titan(struct embedding_writer *writer, yyjson_val *root)
{
    return embedding_write_vector(writer, yyjson_obj_get(root, "embedding"));
}

/* ---- Cohere ---- */

/* The type is a must here, and OpenAI has no word for it: texts are taken for what is searched. */
static void write_cohere(struct native_ask *ask)
{
    json_key(ask->body, TEXT("texts"));
    json_begin_array(ask->body);
    for (size_t i = 0; i < ask->embedding->input_count; i++)
        json_text(ask->body, ask->embedding->inputs[i]);
    json_end_array(ask->body);
    if (find_member(ask, "input_type") == NULL)
        json_member_text(ask->body, "input_type", TEXT("search_document"));
    write_member(ask, "input_type");
    write_member(ask, "truncate");
    write_dimensions(ask, "output_dimension");
}

static bool read_cohere(struct embedding_writer *writer, yyjson_val *root)
{
    yyjson_val *vectors = yyjson_obj_get(root, "embeddings"), *vector;
    size_t index, count;
    if (yyjson_is_obj(vectors))
        vectors = yyjson_obj_get(vectors, "float");
    if (!yyjson_is_arr(vectors))
        return false;
    yyjson_arr_foreach(vectors, index, count,
                       vector) if (!embedding_write_vector(writer, vector)) return false;
    return true;
}

/* ---- Nova ---- */

static void write_nova(struct native_ask *ask)
{
    struct json_writer *json = ask->body;
    json_member_text(json, "taskType", TEXT("SINGLE_EMBEDDING"));
    json_key(json, TEXT("singleEmbeddingParams"));
    json_begin_object(json);
    json_member_text(json, "embeddingPurpose", TEXT("GENERIC_INDEX"));
    write_dimensions(ask, "embeddingDimension");
    json_key(json, TEXT("text"));
    json_begin_object(json);
    yyjson_val *truncate = find_member(ask, "truncate");
    json_member_text(json, "truncationMode",
                     yyjson_is_str(truncate)
                         ? text_of(yyjson_get_str(truncate), yyjson_get_len(truncate))
                         : TEXT("NONE"));
    json_member_text(json, "value", ask->embedding->inputs[0]);
    json_end_object(json);
    json_end_object(json);
}

static bool read_nova(struct embedding_writer *writer, yyjson_val *root)
{
    yyjson_val *first = yyjson_arr_get_first(yyjson_obj_get(root, "embeddings"));
    return embedding_write_vector(writer, yyjson_obj_get(first, "embedding"));
}

/* ---- the table ---- */

static const struct bedrock_embedder embedders[] = {
    {TEXT_INIT("titan-embed-image"), TAKES_DIMENSIONS, 1, write_titan_image, read_titan},
    {TEXT_INIT("titan-embed-text-v1"), 0, 1, write_titan, read_titan},
    {TEXT_INIT("titan-embed-g1"), 0, 1, write_titan, read_titan},
    {TEXT_INIT("titan-embed"), TAKES_DIMENSIONS | TAKES_NORMALIZE, 1, write_titan, read_titan},
    {TEXT_INIT("cohere.embed-english-v3"), TAKES_INPUT_TYPE | TAKES_TRUNCATE, COHERE_TEXTS_MAX,
     write_cohere, read_cohere},
    {TEXT_INIT("cohere.embed-multilingual-v3"), TAKES_INPUT_TYPE | TAKES_TRUNCATE, COHERE_TEXTS_MAX,
     write_cohere, read_cohere},
    {TEXT_INIT("cohere.embed"), TAKES_DIMENSIONS | TAKES_INPUT_TYPE | TAKES_TRUNCATE,
     COHERE_TEXTS_MAX, write_cohere, read_cohere},
    {TEXT_INIT("multimodal-embeddings"), TAKES_DIMENSIONS | TAKES_TRUNCATE, 1, write_nova,
     read_nova},
};

static const struct bedrock_embedder *find_embedder(struct text model)
{
    for (size_t i = 0; i < ARRAY_LENGTH(embedders); i++)
        if (text_find(model, embedders[i].part) >= 0)
            return &embedders[i];
    return NULL;
}

static enum error check(struct native_ask *ask, const struct bedrock_embedder *embedder)
{
    static const struct {
        const char *member;
        enum embedder_member bit;
    } rows[] = {
        {"input_type", TAKES_INPUT_TYPE},
        {"truncate", TAKES_TRUNCATE},
        {"normalize", TAKES_NORMALIZE},
        {"dimensions", TAKES_DIMENSIONS},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if ((embedder->takes & rows[i].bit) == 0 && find_member(ask, rows[i].member) != NULL)
            return native_refuse(ask, text_from(rows[i].member), "is not taken by this model");
    if (ask->embedding->input_count > embedder->inputs_max)
        return native_refuse(ask, TEXT("input"),
                             embedder->inputs_max == 1
                                 ? "has several texts, of which this model takes one in a call"
                                 : "has more than the 96 texts that this model takes in a call");
    return ERROR_OK;
}

/* For the account's invocation log, as requestMetadata of Converse. */
static void write_metadata_line(const struct native_ask *ask)
{
    struct buffer line;
    struct json_writer json;
    struct text user = ask->embedding->user, request = ask->call->request_id;
    buffer_open(&line, METADATA_LINE_MAX);
    json_open(&json, &line);
    json_begin_object(&json);
    if (!text_empty(user) && bedrock_is_metadata(user, 1))
        json_member_text(&json, "turnpike_user", user);
    if (bedrock_is_metadata(request, 1))
        json_member_text(&json, "turnpike_request_id", request);
    json_end_object(&json);
    if (json_done(&json) && line.length > 2)
        http1_append_header(ask->lines, TEXT("x-amzn-bedrock-request-metadata"),
                            buffer_text(&line));
    buffer_close(&line);
}

enum error bedrock_write_embeddings(struct native_ask *ask)
{
    struct bedrock_state *state = bedrock_state_make(ask);
    if (state == NULL)
        return ERROR_MEMORY;
    state->embedder = find_embedder(ask->model);
    if (state->embedder == NULL)
        return native_refuse(ask, TEXT("model"),
                             "is no embedding model of Bedrock that is known here (Titan, Cohere, "
                             "Nova); of an inference profile the name tells it");
    enum error error = check(ask, state->embedder);
    if (error != ERROR_OK)
        return error;
    bedrock_write_target(ask, "invoke");
    buffer_append(ask->lines, TEXT("accept: application/json\r\n"));
    write_metadata_line(ask);
    json_begin_object(ask->body);
    state->embedder->write(ask);
    json_end_object(ask->body);
    return ERROR_OK;
}

/* In the words of Converse, in which this family's counts are priced. */
static enum error take_tokens(struct native_answer *answer, yyjson_val *root)
{
    const struct bedrock_state *state = answer->state;
    yyjson_val *told = yyjson_obj_get(root, "inputTextTokenCount");
    int64_t tokens = yyjson_is_uint(told) ? yyjson_get_sint(told) : state->input_tokens;
    if (tokens < 0)
        return ERROR_OK;
    struct text counts = arena_format(answer->arena, "{\"inputTokens\":%lld}", (long long)tokens);
    if (counts.data == NULL)
        return ERROR_MEMORY;
    native_take_usage(answer, native_parse(answer->arena, counts));
    answer->usage.total = answer->usage.input;
    return ERROR_OK;
}

enum error bedrock_read_embeddings(struct native_answer *answer, yyjson_val *root,
                                   struct buffer *out)
{
    const struct bedrock_state *state = answer->state;
    const struct embedding *asked = answer->ask->embedding;
    struct embedding_writer writer;
    enum error error = take_tokens(answer, root);
    if (error != ERROR_OK)
        return error;
    embedding_write_begin(&writer, out, asked->base64);
    if (!state->embedder->read(&writer, root) || writer.count != asked->input_count)
        return ERROR_SYNTAX;
    return embedding_write_end(&writer, asked->model, &answer->usage) ? ERROR_OK : ERROR_SYNTAX;
}
