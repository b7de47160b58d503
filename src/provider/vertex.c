/* vertex: Google's Vertex AI: Gemini under a project and a location, Claude in the Messages dialect
 * (rawPredict), and other makers' models (Llama, DeepSeek, Qwen, gpt-oss …) through the endpoint
 * that speaks OpenAI's dialect.
 *
 * What a model's name says decides: "gemini-2.5-pro", "google/…", "endpoints/123" (tuned) and
 * embeddings go to Gemini's dialect, "claude-…" and "anthropic/…" to that of Messages, any other
 * "maker/model" to endpoints/openapi. The base URL ends in the version ("/v1"); its host depends on
 * the location (src/config/build_vertex.c). The credential is an access token.
 *
 * Source: cloud.google.com/vertex-ai/generative-ai/docs (model reference, partner models). */
#include "provider/anthropic.h"
#include "provider/dialect.h"
#include "provider/gemini.h"
#include "provider/listing.h"

enum maker { MAKER_GOOGLE, MAKER_ANTHROPIC, MAKER_OTHER };

/* What a model is called behind its maker, and whose it is. */
static enum maker read_maker(struct text *model)
{
    static const struct {
        struct text prefix;
        enum maker maker;
        bool keeps; /* the prefix is part of the name */
    } rows[] = {
        {TEXT_INIT("publishers/google/models/"), MAKER_GOOGLE, false},
        {TEXT_INIT("google/"), MAKER_GOOGLE, false},
        {TEXT_INIT("endpoints/"), MAKER_GOOGLE, true},
        {TEXT_INIT("publishers/anthropic/models/"), MAKER_ANTHROPIC, false},
        {TEXT_INIT("anthropic/"), MAKER_ANTHROPIC, false},
        {TEXT_INIT("claude-"), MAKER_ANTHROPIC, true},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (text_starts_with(*model, rows[i].prefix)) {
            if (!rows[i].keeps)
                *model = text_from_index(*model, rows[i].prefix.length);
            return rows[i].maker;
        }
    return text_find_char(*model, '/') >= 0 ? MAKER_OTHER : MAKER_GOOGLE;
}

static struct text asked_model(const struct provider_call *call)
{
    return text_empty(call->model) && call->envelope != NULL ? call->envelope->model : call->model;
}

/* ---- targets ---- */

/* "/projects/P/locations/L", whose names the configuration has checked. */
static void write_place(struct native_ask *ask)
{
    const struct provider_settings *settings = ask->call->settings;
    buffer_append(ask->target, TEXT("/projects/"));
    buffer_append(ask->target, settings->cloud_project);
    buffer_append(ask->target, TEXT("/locations/"));
    buffer_append(ask->target, settings->cloud_location);
}

static enum error write_target(struct native_ask *ask, struct text collection, struct text model,
                               const char *method)
{
    write_place(ask);
    buffer_append(ask->target, collection);
    enum error error = gemini_append_segment(ask, model);
    buffer_append_char(ask->target, ':');
    buffer_append(ask->target, text_from(method));
    dialect_write_credential(ask->lines, "authorization", "Bearer ", ask->call->credential);
    return error;
}

static enum error write_google_target(struct native_ask *ask, struct text model, const char *method)
{
    struct text tuned = TEXT("endpoints/");
    if (text_starts_with(model, tuned))
        return write_target(ask, TEXT("/endpoints/"), text_from_index(model, tuned.length), method);
    return write_target(ask, TEXT("/publishers/google/models/"), model, method);
}

/* ---- Gemini ---- */

static enum error write_body(struct native_ask *ask)
{
    struct gemini_place place = {.vertex = true, .model = gemini_model_read(ask->model)};
    return gemini_write(ask, &place);
}

static enum error write_gemini(struct native_ask *ask)
{
    (void)read_maker(&ask->model);
    enum error error = write_google_target(
        ask, ask->model, ask->stream ? "streamGenerateContent?alt=sse" : "generateContent");
    return error == ERROR_OK ? write_body(ask) : error;
}

static enum error count_gemini(struct native_ask *ask)
{
    static const char *const counted[] = {"contents", "systemInstruction", "tools", NULL};
    (void)read_maker(&ask->model);
    enum error error = write_google_target(ask, ask->model, "countTokens");
    json_begin_object(ask->body);
    if (error == ERROR_OK)
        error = native_write_members(ask, write_body, counted);
    json_end_object(ask->body);
    return error;
}

/* Models from gemini-embedding-2 on answer to embedContent alone. */
static bool embeds_content(struct text model)
{
    struct text family = TEXT("gemini-embedding-");
    return text_starts_with(model, family) && model.length > family.length &&
           model.data[family.length] != '0';
}

static enum error write_embeddings(struct native_ask *ask)
{
    (void)read_maker(&ask->model);
    bool content = embeds_content(ask->model);
    enum error error = write_google_target(ask, ask->model, content ? "embedContent" : "predict");
    if (error != ERROR_OK)
        return error;
    return gemini_write_embeddings(ask, content ? GEMINI_EMBED_CONTENT : GEMINI_EMBED_PREDICT);
}

static const struct native gemini = {
    .usage_dialect = TEXT_INIT("gemini"),
    .seal_origin = TEXT_INIT(GEMINI_SEAL_ORIGIN),
    .framing = NATIVE_SSE,
    .understood = GEMINI_UNDERSTOOD | PARAMETER_BIT(PARAMETER_METADATA) |
                  PARAMETER_BIT(PARAMETER_USER) | PARAMETER_BIT(PARAMETER_SAFETY_IDENTIFIER),
    .embedding_members = gemini_embedding_members,
    .write_chat = write_gemini,
    .write_count = count_gemini,
    .count_member = "totalTokens",
    .write_embeddings = write_embeddings,
    .read_chat = gemini_read_chat,
    .read_frame = gemini_read_frame,
    .read_embeddings = gemini_read_embeddings,
    .count_usage = gemini_count_usage,
    .read_head = gemini_read_head,
    .read_error = gemini_read_error,
};

/* ---- Claude ---- */

static const struct anthropic_host claude_host = {
    .body_version = TEXT_INIT("vertex-2023-10-16"),
    .stream_in_body = true,
    .betas_in_body = true,
    .base64_only = true,
    .no_system_turns = true,
    .no_service_tier = true,
};

static enum error write_claude(struct native_ask *ask)
{
    (void)read_maker(&ask->model);
    /* Whether it is streamed is known when the body is: a long answer is, whatever was asked. */
    enum error error = anthropic_write_body(ask, &claude_host);
    if (error != ERROR_OK)
        return error;
    return write_target(ask, TEXT("/publishers/anthropic/models/"), ask->model,
                        *ask->expects_stream ? "streamRawPredict" : "rawPredict");
}

static enum error write_claude_body(struct native_ask *ask)
{
    return anthropic_write_body(ask, &claude_host);
}

/* The model that counts is one of its own; the one that is counted for stands in the body. */
static enum error count_claude(struct native_ask *ask)
{
    (void)read_maker(&ask->model);
    json_begin_object(ask->body);
    json_member_text(ask->body, "anthropic_version", claude_host.body_version);
    json_member_text(ask->body, "model", ask->model);
    enum error error = native_write_members(ask, write_claude_body, anthropic_counted);
    json_end_object(ask->body);
    if (error != ERROR_OK)
        return error;
    return write_target(ask, TEXT("/publishers/anthropic/models/"), TEXT("count-tokens"),
                        "rawPredict");
}

/* Errors before the model are Google's, those of the model Anthropic's. */
static void read_claude_error(struct native_answer *answer, yyjson_val *root,
                              struct native_error *error)
{
    yyjson_val *said =
        yyjson_obj_get(yyjson_is_arr(root) ? yyjson_arr_get_first(root) : root, "error");
    if (yyjson_is_str(yyjson_obj_get(said, "status")))
        gemini_read_error(answer, root, error);
    else
        anthropic_read_error(answer, root, error);
}

static const struct native claude = {
    .usage_dialect = TEXT_INIT("anthropic"),
    .seal_origin = TEXT_INIT("anthropic"),
    .framing = NATIVE_SSE,
    .understood = ANTHROPIC_UNDERSTOOD & ~PARAMETER_BIT(PARAMETER_SERVICE_TIER),
    .write_chat = write_claude,
    .write_count = count_claude,
    .count_member = "input_tokens",
    .read_chat = anthropic_read_message,
    .read_frame = anthropic_read_frame,
    .count_usage = anthropic_count_usage,
    .read_error = read_claude_error,
};

/* ---- whose it is ---- */

static const struct provider claude_family = {
    .name = TEXT_INIT("vertex"),
    .prepare = native_prepare,
    .answer_open = native_answer_open,
    .native = &claude,
};

/* The same call, of the family that serves the model. NULL when memory is short. */
static const struct provider_call *as_claude(const struct provider_call *call)
{
    struct provider_call *copy = arena_take(call->arena, sizeof *copy);
    struct provider_settings *settings = arena_take(call->arena, sizeof *settings);
    if (copy == NULL || settings == NULL)
        return NULL;
    *settings = *call->settings;
    settings->provider = &claude_family;
    *copy = *call;
    copy->settings = settings;
    return copy;
}

/* OpenAI's dialect, at an address of its own; the model keeps its maker. */
static enum error prepare_other(const struct provider_call *call, struct buffer *lines,
                                struct provider_request *request)
{
    const struct provider_settings *settings = call->settings;
    if (call->match->endpoint->kind != ENDPOINT_CHAT)
        return ERROR_UNSUPPORTED;
    dialect_write_credential(lines, "authorization", "Bearer ", call->credential);
    enum error error = dialect_prepare(call, lines, request);
    if (error != ERROR_OK)
        return error;
    request->target = arena_format(
        call->arena, "%.*s/projects/%.*s/locations/%.*s/endpoints/openapi/chat/completions",
        TEXT_ARG(settings->base_path), TEXT_ARG(settings->cloud_project),
        TEXT_ARG(settings->cloud_location));
    return request->target.data == NULL ? ERROR_MEMORY : ERROR_OK;
}

static enum error prepare(const struct provider_call *call, struct buffer *lines,
                          struct provider_request *request)
{
    struct text model = asked_model(call);
    enum maker maker = read_maker(&model);
    if (maker == MAKER_OTHER)
        return prepare_other(call, lines, request);
    if (maker == MAKER_ANTHROPIC)
        call = as_claude(call);
    return call == NULL ? ERROR_MEMORY : native_prepare(call, lines, request);
}

static enum error answer_open(const struct provider_call *call,
                              const struct provider_request *request,
                              const struct provider_sink *sink, struct provider_answer **answer)
{
    if (!request->translated)
        return dialect_answer_open(call, request, sink, answer);
    struct text model = asked_model(call);
    if (read_maker(&model) == MAKER_ANTHROPIC)
        call = as_claude(call);
    return call == NULL ? ERROR_MEMORY : native_answer_open(call, request, sink, answer);
}

/* ---- what it has ---- */

/* Google's own models; those of other makers are listed nowhere that is documented. Assumed: the
 * path is that of the version "v1beta1", whichever calls use (reference: publishers.models.list).
 */
static enum error list_ask(const struct listing_ask *ask)
{
    buffer_append(ask->target, TEXT("/v1beta1/publishers/google/models?pageSize=100"));
    if (!text_empty(ask->page))
        listing_append_parameter(ask->target, "pageToken", ask->page);
    if (!text_empty(ask->settings->cloud_project))
        http1_append_header(ask->lines, TEXT("x-goog-user-project"), ask->settings->cloud_project);
    dialect_write_credential(ask->lines, "authorization", "Bearer ", ask->credential);
    return ERROR_OK;
}

/* The garden has pictures, films and much else, of which calls here know nothing. */
static enum error list_read(struct listing *listing, yyjson_val *root)
{
    yyjson_val *rows = yyjson_obj_get(root, "publisherModels"), *row;
    size_t index, count;
    if (!yyjson_is_arr(rows)) /* proto3 leaves out what is empty */
        return yyjson_is_obj(root) && rows == NULL ? ERROR_OK : ERROR_SYNTAX;
    yyjson_arr_foreach(rows, index, count, row)
    {
        struct text name = listing_text(row, "name");
        static const struct text prefix = TEXT_INIT("publishers/google/models/");
        if (text_starts_with(name, prefix))
            name = text_from_index(name, prefix.length);
        if (text_starts_with(name, TEXT("gemini-")) || text_find(name, TEXT("embedding")) >= 0)
            listing_add(listing, name, 0);
    }
    listing_set_next(listing, listing_text(root, "nextPageToken"));
    return ERROR_OK;
}

static const struct lister lister = {.ask = list_ask, .read = list_read};

extern const struct provider provider_vertex;
const struct provider provider_vertex = {
    .name = TEXT_INIT("vertex"),
    .prepare = prepare,
    .answer_open = answer_open,
    .native = &gemini,
    .lister = &lister,
};
