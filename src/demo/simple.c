/* completions, embeddings, moderations. */
#include <math.h>

#include "codec/base64.h"
#include "codec/sse.h"
#include "demo/reply.h"

#define CHUNK_MAX (64u * 1024)

/* ---- completions ---- */

static void write_completion(struct json_writer *json, const struct reply *reply, struct text model,
                             struct text text, bool last)
{
    char id[REPLY_ID_SIZE];
    json_begin_object(json);
    json_member_text(json, "id", reply_id(reply, "cmpl-demo", 0, id));
    json_member_text(json, "object", TEXT("text_completion"));
    json_member_signed(json, "created", reply->created);
    json_member_text(json, "model", model);
    json_key(json, TEXT("choices"));
    json_begin_array(json);
    json_begin_object(json);
    json_member_text(json, "text", text);
    json_member_unsigned(json, "index", 0);
    json_key(json, TEXT("logprobs"));
    json_null(json);
    json_member_text(json, "finish_reason", last ? TEXT("stop") : (struct text){NULL, 0});
    json_end_object(json);
    json_end_array(json);
}

static void write_completion_usage(struct json_writer *json, uint64_t input, uint64_t output)
{
    json_key(json, TEXT("usage"));
    json_begin_object(json);
    json_member_unsigned(json, "prompt_tokens", input);
    json_member_unsigned(json, "completion_tokens", output);
    json_member_unsigned(json, "total_tokens", input + output);
    json_end_object(json);
}

static void append_completion_chunk(struct reply *reply, struct text model, struct text piece,
                                    bool last)
{
    struct buffer data;
    struct json_writer json;
    buffer_open(&data, CHUNK_MAX);
    json_open(&json, &data);
    write_completion(&json, reply, model, piece, last);
    json_end_object(&json);
    if (!json_done(&json) || !sse_append(&reply->body, TEXT(""), buffer_text(&data)))
        reply->body.failed = true;
    buffer_close(&data);
}

static void append_completion_usage(struct reply *reply, struct text model, uint64_t input,
                                    uint64_t output)
{
    char id[REPLY_ID_SIZE];
    struct buffer data;
    struct json_writer json;
    buffer_open(&data, CHUNK_MAX);
    json_open(&json, &data);
    json_begin_object(&json);
    json_member_text(&json, "id", reply_id(reply, "cmpl-demo", 0, id));
    json_member_text(&json, "object", TEXT("text_completion"));
    json_member_signed(&json, "created", reply->created);
    json_member_text(&json, "model", model);
    json_key(&json, TEXT("choices"));
    json_raw(&json, TEXT("[]"));
    write_completion_usage(&json, input, output);
    json_end_object(&json);
    if (!json_done(&json) || !sse_append(&reply->body, TEXT(""), buffer_text(&data)))
        reply->body.failed = true;
    buffer_close(&data);
}

void completions_answer(struct reply *reply, yyjson_val *root, size_t length)
{
    static const struct text said = TEXT_INIT(
        " ... said the built-in demo model of Turnpike, which runs offline and knows nothing.");
    struct text model = {NULL, 0}, rest = said;
    yyjson_val *options = NULL;
    bool stream = false, include_usage = false;
    uint64_t input = talk_tokens(length), output = talk_tokens(said.length);
    if (json_get_text(root, "model", &model) != JSON_PRESENT) {
        reply_error(reply, 400,
                    &(struct demo_problem){"You must provide a model.", "model",
                                           "missing_required_parameter"});
        return;
    }
    (void)json_get_bool(root, "stream", &stream);
    (void)json_get_object(root, "stream_options", &options);
    (void)json_get_bool(options, "include_usage", &include_usage);
    reply->stream = stream;
    if (!stream) {
        struct json_writer json;
        json_open(&json, &reply->body);
        write_completion(&json, reply, model, said, true);
        write_completion_usage(&json, input, output);
        json_end_object(&json);
        if (!json_done(&json))
            reply->body.failed = true;
        return;
    }
    while (rest.length > 0) {
        struct text piece = talk_next_piece(&rest);
        append_completion_chunk(reply, model, piece, rest.length == 0);
    }
    if (include_usage)
        append_completion_usage(reply, model, input, output);
    sse_append(&reply->body, TEXT(""), TEXT("[DONE]"));
}

/* ---- embeddings ---- */

#define DIMENSIONS_DEFAULT 1536u
#define DIMENSIONS_MAX     4096u
#define INPUTS_MAX         2048u /* as at OpenAI */
/* Words beyond do not move a vector any more; they only cost time. */
#define WORDS_MAX 256u

static uint64_t random_next(uint64_t *state)
{
    /* splitmix64 */
    uint64_t z = (*state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

/* A direction of its own for each word; texts with words in common lie near each other. */
static void vector_add_word(float *vector, size_t dimensions, struct text word)
{
    uint64_t state = text_hash(word);
    for (size_t i = 0; i < dimensions; i++)
        vector[i] += (float)((double)(random_next(&state) >> 11) / 4503599627370496.0 - 1.0);
}

static void vector_make(float *vector, size_t dimensions, yyjson_val *input)
{
    double square = 0;
    memset(vector, 0, dimensions * sizeof *vector);
    vector_add_word(vector, dimensions, TEXT("")); /* so that nothing is never zero */
    if (yyjson_is_str(input)) {
        struct text rest = {yyjson_get_str(input), yyjson_get_len(input)};
        for (unsigned words = 0; rest.length > 0 && words < WORDS_MAX; words++)
            vector_add_word(vector, dimensions, text_trim(talk_next_piece(&rest)));
    } else {
        yyjson_val *token;
        size_t index, count;
        yyjson_arr_foreach(input, index, count, token)
        {
            uint64_t number = yyjson_get_uint(token);
            if (index < WORDS_MAX)
                vector_add_word(vector, dimensions, text_of((const char *)&number, sizeof number));
        }
    }
    for (size_t i = 0; i < dimensions; i++)
        square += (double)vector[i] * (double)vector[i];
    for (size_t i = 0; i < dimensions; i++)
        vector[i] = (float)((double)vector[i] / sqrt(square));
}

static void append_vector(struct buffer *out, const float *vector, size_t dimensions, bool base64)
{
    if (base64) {
        /* Little-endian float32, as OpenAI sends it; the machines we build for are that. */
        _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "floats need swapping");
        buffer_append_char(out, '"');
        base64_append(out, text_of((const char *)vector, dimensions * sizeof *vector));
        buffer_append_char(out, '"');
        return;
    }
    buffer_append_char(out, '[');
    for (size_t i = 0; i < dimensions; i++)
        buffer_append_format(out, i == 0 ? "%.8g" : ",%.8g", (double)vector[i]);
    buffer_append_char(out, ']');
}

static void append_embedding(struct reply *reply, yyjson_val *input, size_t index,
                             size_t dimensions, bool base64)
{
    float vector[DIMENSIONS_MAX];
    vector_make(vector, dimensions, input);
    buffer_append_format(&reply->body, "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":",
                         index == 0 ? "" : ",", index);
    append_vector(&reply->body, vector, dimensions, base64);
    buffer_append_char(&reply->body, '}');
}

/* An array of inputs; a string or an array of tokens is one input. */
static bool is_many(yyjson_val *input)
{
    return yyjson_is_arr(input) && !yyjson_is_num(yyjson_arr_get_first(input));
}

static bool embeddings_check(yyjson_val *root, yyjson_val *input, uint64_t *dimensions,
                             struct demo_problem *problem)
{
    size_t count = is_many(input) ? yyjson_arr_size(input) : 1;
    if ((!yyjson_is_str(input) && !yyjson_is_arr(input)) || count == 0 || count > INPUTS_MAX) {
        *problem = (struct demo_problem){"input must be a string or an array of 1 to 2048 of them.",
                                         "input", "invalid_value"};
        return false;
    }
    if (json_get_unsigned(root, "dimensions", dimensions) == JSON_WRONG_TYPE || *dimensions < 1 ||
        *dimensions > DIMENSIONS_MAX) {
        *problem = (struct demo_problem){"dimensions must be from 1 to 4096.", "dimensions", NULL};
        return false;
    }
    return true;
}

void embeddings_answer(struct reply *reply, yyjson_val *root, size_t length)
{
    struct text model = {NULL, 0}, format = {NULL, 0};
    uint64_t dimensions = DIMENSIONS_DEFAULT, tokens = talk_tokens(length);
    yyjson_val *input = yyjson_obj_get(root, "input"), *item;
    struct demo_problem problem = {"You must provide a model.", "model",
                                   "missing_required_parameter"};
    size_t index, count;
    if (json_get_text(root, "model", &model) != JSON_PRESENT ||
        !embeddings_check(root, input, &dimensions, &problem)) {
        reply_error(reply, 400, &problem);
        return;
    }
    (void)json_get_text(root, "encoding_format", &format);
    bool base64 = text_equal(format, TEXT("base64"));
    buffer_append(&reply->body, TEXT("{\"object\":\"list\",\"data\":["));
    if (!is_many(input))
        append_embedding(reply, input, 0, (size_t)dimensions, base64);
    else
        yyjson_arr_foreach(input, index, count, item)
        {
            append_embedding(reply, item, index, (size_t)dimensions, base64);
        }
    buffer_append(&reply->body, TEXT("],\"model\":"));
    json_append_text(&reply->body, model);
    buffer_append(&reply->body, TEXT(",\"usage\":{\"prompt_tokens\":"));
    buffer_append_unsigned(&reply->body, tokens);
    buffer_append(&reply->body, TEXT(",\"total_tokens\":"));
    buffer_append_unsigned(&reply->body, tokens);
    buffer_append(&reply->body, TEXT("}}"));
}

/* ---- moderations ---- */

static void write_categories(struct json_writer *json, const char *key, const char *value)
{
    static const char *const categories[] = {"hate",
                                             "hate/threatening",
                                             "harassment",
                                             "harassment/threatening",
                                             "illicit",
                                             "illicit/violent",
                                             "self-harm",
                                             "self-harm/intent",
                                             "sexual",
                                             "sexual/minors",
                                             "self-harm/instructions",
                                             "violence",
                                             "violence/graphic"};
    json_key(json, text_from(key));
    json_begin_object(json);
    for (size_t i = 0; i < ARRAY_LENGTH(categories); i++) {
        json_key(json, text_from(categories[i]));
        json_raw(json, text_from(value));
    }
    json_end_object(json);
}

void moderations_answer(struct reply *reply, yyjson_val *root, size_t length)
{
    char id[REPLY_ID_SIZE];
    struct text model = TEXT("omni-moderation-latest");
    yyjson_val *input = yyjson_obj_get(root, "input");
    /* One result for each string; parts of one multimodal input share theirs. */
    bool strings = yyjson_is_str(yyjson_arr_get_first(input));
    size_t results = strings ? yyjson_arr_size(input) : 1;
    struct json_writer json;
    (void)length;
    (void)json_get_text(root, "model", &model);
    json_open(&json, &reply->body);
    json_begin_object(&json);
    json_member_text(&json, "id", reply_id(reply, "modr-demo", 0, id));
    json_member_text(&json, "model", model);
    json_key(&json, TEXT("results"));
    json_begin_array(&json);
    for (size_t i = 0; i < results && !reply->body.failed; i++) {
        json_begin_object(&json);
        json_member_bool(&json, "flagged", false);
        write_categories(&json, "categories", "false");
        write_categories(&json, "category_scores", "0.0");
        write_categories(&json, "category_applied_input_types", "[]");
        json_end_object(&json);
    }
    json_end_array(&json);
    json_end_object(&json);
    if (!json_done(&json))
        reply->body.failed = true;
}
