/* native: see native.h. How a caller's request becomes one of the provider's. */
#include "provider/native.h"

#include "codec/traceparent.h"
#include "provider/native_parts.h"

/* ---- memory ---- */

/* yyjson in an arena: nothing is given back before the whole arena. */
static void *take(void *context, size_t size)
{
    return arena_take(context, size);
}

static void *take_again(void *context, void *old, size_t old_size, size_t size)
{
    void *made = arena_take(context, size);
    if (made != NULL && old != NULL)
        memcpy(made, old, old_size < size ? old_size : size);
    return made;
}

static void give_nothing(void *context, void *pointer)
{
    (void)context;
    (void)pointer;
}

yyjson_alc native_allocator(struct arena *arena)
{
    return (yyjson_alc){.malloc = take, .realloc = take_again, .free = give_nothing, .ctx = arena};
}

yyjson_val *native_parse(struct arena *arena, struct text json)
{
    yyjson_alc allocator = native_allocator(arena);
    /* Without the flag for changing it in place the bytes are not written to. */
    yyjson_doc *document = yyjson_read_opts((char *)(uintptr_t)json.data, json.length,
                                            YYJSON_READ_NOFLAG, &allocator, NULL);
    return document == NULL ? NULL : yyjson_doc_get_root(document);
}

struct text native_value_text(struct arena *arena, yyjson_val *value)
{
    yyjson_alc allocator = native_allocator(arena);
    size_t length = 0;
    char *bytes = yyjson_val_write_opts(value, YYJSON_WRITE_NOFLAG, &allocator, &length, NULL);
    return text_of(bytes, bytes == NULL ? 0 : length);
}

void native_write_value(struct json_writer *writer, yyjson_val *value)
{
    json_value(writer, value);
}

static bool is_named(const char *const *names, yyjson_val *key)
{
    for (size_t i = 0; names != NULL && names[i] != NULL; i++)
        if (yyjson_equals_str(key, names[i]))
            return true;
    return names == NULL;
}

static enum error copy_members(struct json_writer *json, struct text object,
                               const char *const *names)
{
    yyjson_doc *document;
    yyjson_val *key, *value;
    size_t index, count;
    enum error error = json_parse(object, &document);
    if (error != ERROR_OK)
        return ERROR_MEMORY; /* it is our own */
    yyjson_obj_foreach(json_members(yyjson_doc_get_root(document)), index, count, key, value)
    {
        if (!is_named(names, key))
            continue;
        json_key(json, text_of(yyjson_get_str(key), yyjson_get_len(key)));
        json_value(json, value);
    }
    yyjson_doc_free(document);
    return ERROR_OK;
}

enum error native_write_members(struct native_ask *ask, enum error (*write)(struct native_ask *ask),
                                const char *const *names)
{
    struct json_writer *json = ask->body, own;
    struct buffer whole;
    buffer_open(&whole, ask->call->body_maximum);
    json_open(&own, &whole);
    ask->body = &own;
    enum error error = write(ask);
    ask->body = json;
    *ask->expects_stream = false; /* a count is one answer, however long that of the request were */
    if (error == ERROR_OK)
        error = json_done(&own) ? copy_members(json, buffer_text(&whole), names) : ERROR_MEMORY;
    buffer_close(&whole);
    return error;
}

/* ---- what is asked ---- */

enum error native_refuse(struct native_ask *ask, struct text param, const char *reason)
{
    *ask->problem = (struct conversation_problem){.param = param, .reason = text_from(reason)};
    return ERROR_UNSUPPORTED;
}

static int64_t smaller_limit(int64_t stated, int64_t budget)
{
    if (budget <= 0)
        return stated;
    return stated < 0 || budget < stated ? budget : stated;
}

static enum error read_conversation(struct native_ask *ask, const struct native *native)
{
    const struct provider_call *call = ask->call;
    enum conversation_api api =
        call->match->endpoint->kind == ENDPOINT_CHAT ? CONVERSATION_CHAT : CONVERSATION_RESPONSES;
    struct conversation *made = arena_take_zeroed(ask->arena, sizeof *made);
    if (made == NULL)
        return ERROR_MEMORY;
    enum error error = conversation_read(made, api, call->body, ask->arena, ask->problem);
    if (error != ERROR_OK)
        return error;
    ask->conversation = made;
    ask->stream = made->stream;
    ask->output_limit = smaller_limit(made->max_output, call->output_limit);
    return conversation_check(made, native->understood, call->drop, call->drop_count, made->model,
                              ask->problem);
}

static enum error read_embedding(struct native_ask *ask, const struct native *native)
{
    static const char *const none[] = {NULL};
    const struct provider_call *call = ask->call;
    struct embedding *made = arena_take_zeroed(ask->arena, sizeof *made);
    if (made == NULL)
        return ERROR_MEMORY;
    enum error error = embedding_read(
        made, call->body, native->embedding_members != NULL ? native->embedding_members : none,
        call->drop, call->drop_count, ask->arena, ask->problem);
    if (error == ERROR_OK)
        ask->embedding = made;
    return error;
}

/* ERROR_UNSUPPORTED where the family has no such thing. */
static enum error read_request(struct native_ask *ask, const struct native *native)
{
    const struct endpoint *endpoint = ask->call->match->endpoint;
    bool chats =
        endpoint->kind == ENDPOINT_CHAT ||
        (endpoint->kind == ENDPOINT_RESPONSES && text_equal(endpoint->pattern, TEXT("/responses")));
    if (ask->call->envelope == NULL)
        return ERROR_UNSUPPORTED;
    if (chats && native->write_chat != NULL) {
        ask->task = NATIVE_CHAT;
        return read_conversation(ask, native);
    }
    if (text_equal(endpoint->pattern, TEXT("/responses/input_tokens")) &&
        native->write_count != NULL) {
        ask->task = NATIVE_COUNT;
        return read_conversation(ask, native);
    }
    if (endpoint->kind == ENDPOINT_EMBEDDINGS && native->write_embeddings != NULL) {
        ask->task = NATIVE_EMBEDDINGS;
        return read_embedding(ask, native);
    }
    return ERROR_UNSUPPORTED;
}

/* ---- what is sent ---- */

static void write_usual_lines(const struct provider_call *call, struct buffer *lines)
{
    buffer_append(lines, TEXT("content-type: application/json\r\naccept-encoding: identity\r\n"));
    struct text trace = http1_head_value(call->head, HEADER_TRACEPARENT);
    if (!text_empty(trace) && traceparent_parse(trace, NULL))
        http1_append_header(lines, TEXT("traceparent"), trace);
    buffer_append(lines, call->settings->extra_lines);
}

static enum error write_body(struct native_ask *ask, const struct native *native)
{
    enum error (*const writers[])(struct native_ask *) = {
        [NATIVE_CHAT] = native->write_chat,
        [NATIVE_COUNT] = native->write_count,
        [NATIVE_EMBEDDINGS] = native->write_embeddings,
    };
    enum error error = writers[ask->task](ask);
    if (error != ERROR_OK)
        return error;
    return json_done(ask->body) && !ask->target->failed ? ERROR_OK : ERROR_MEMORY;
}

static enum error write_request(struct native_ask *ask, const struct native *native,
                                struct provider_request *request)
{
    struct buffer target;
    struct json_writer body;
    buffer_open(&target, NATIVE_TARGET_MAX);
    json_open(&body, &request->body);
    buffer_append(&target, ask->call->settings->base_path);
    ask->target = &target;
    ask->body = &body;
    enum error error = write_body(ask, native);
    request->target = arena_copy(ask->arena, buffer_text(&target));
    if (error == ERROR_OK && request->target.data == NULL)
        error = ERROR_MEMORY;
    if (error == ERROR_OK && native->sign != NULL)
        error = native->sign(ask, request->target, buffer_text(&request->body));
    buffer_close(&target);
    ask->target = NULL;
    ask->body = NULL;
    return error;
}

static void request_close(struct provider_request *request)
{
    struct native_ask *ask = request->ask;
    if (ask->conversation != NULL)
        conversation_close(ask->conversation);
    if (ask->embedding != NULL)
        embedding_close(ask->embedding);
    buffer_close(&request->body);
}

static struct native_ask *make_ask(const struct provider_call *call)
{
    struct native_ask *ask = arena_take_zeroed(call->arena, sizeof *ask);
    if (ask == NULL)
        return NULL;
    ask->call = call;
    ask->model =
        text_empty(call->model) && call->envelope != NULL ? call->envelope->model : call->model;
    ask->output_limit = -1;
    ask->output_largest = call->output_largest > 0 ? call->output_largest : -1;
    ask->arena = call->arena;
    return ask;
}

enum error native_prepare(const struct provider_call *call, struct buffer *lines,
                          struct provider_request *request)
{
    return native_prepare_as(call->settings->provider->native, call, lines, request);
}

enum error native_prepare_as(const struct native *native, const struct provider_call *call,
                             struct buffer *lines, struct provider_request *request)
{
    struct conversation_problem problem = {0};
    struct native_ask *ask = make_ask(call);
    if (ask == NULL)
        return ERROR_MEMORY;
    ask->native = native;
    buffer_open(&request->body, call->body_maximum);
    request->method = HTTP1_POST;
    request->translated = true;
    request->ask = ask;
    request->close = request_close;
    ask->lines = lines;
    ask->problem = &problem;
    ask->expects_stream = &request->expects_stream;
    enum error error = read_request(ask, native);
    request->expects_stream = ask->stream;
    if (error == ERROR_OK) {
        write_usual_lines(call, lines);
        error = write_request(ask, native, request);
    }
    request->problem_param = arena_copy(call->arena, problem.param);
    request->problem_reason = arena_copy(call->arena, problem.reason);
    ask->lines = NULL;
    ask->problem = NULL;
    ask->expects_stream = NULL;
    return error;
}
