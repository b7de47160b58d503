/* The request: messages, tools and parameters as chat has them. */
#include "provider/compatible.h"

#include "provider/dialect.h"

/* ---- parts ---- */

void compatible_short_id(struct text id, char out[COMPATIBLE_SHORT_ID])
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    /* FNV-1a: no secret, the same in every process, for a conversation that goes on elsewhere. */
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < id.length; i++)
        hash = (hash ^ (unsigned char)id.data[i]) * UINT64_C(1099511628211);
    for (size_t i = 0; i < COMPATIBLE_SHORT_ID; i++, hash /= sizeof(letters) - 1)
        out[i] = letters[hash % (sizeof(letters) - 1)];
}

static const struct quirks *quirks_of(const struct native_ask *ask)
{
    return ask->call->settings->quirks;
}

static bool is_short_id(struct text id)
{
    for (size_t i = 0; i < id.length; i++) {
        char c = (char)(id.data[i] | 0x20);
        if ((c < 'a' || c > 'z') && (id.data[i] < '0' || id.data[i] > '9'))
            return false;
    }
    return id.length == COMPATIBLE_SHORT_ID;
}

static void write_id(struct native_ask *ask, const char *key, struct text id)
{
    char made[COMPATIBLE_SHORT_ID];
    if (quirks_have(quirks_of(ask), QUIRK_SHORT_IDS) && !is_short_id(id)) {
        compatible_short_id(id, made);
        id = text_of(made, sizeof made);
    }
    json_member_text(ask->body, key, id);
}

/* "data:image/png;base64,AAAA" */
static enum error write_data_url(struct native_ask *ask, const char *key,
                                 const struct part_media *media)
{
    struct text mime = text_empty(media->mime) ? TEXT("application/octet-stream") : media->mime;
    struct text url =
        arena_format(ask->arena, "data:%.*s;base64,%.*s", TEXT_ARG(mime), TEXT_ARG(media->data));
    if (url.data == NULL)
        return ERROR_MEMORY;
    json_member_text(ask->body, key, url);
    return ERROR_OK;
}

static enum error write_image(struct native_ask *ask, const struct part *part)
{
    struct json_writer *json = ask->body;
    enum error error = ERROR_OK;
    if (!text_empty(part->media.file_id))
        return native_refuse(ask, text_from(part->path),
                             "is a stored file, which only its own provider has");
    json_member_text(json, "type", TEXT("image_url"));
    json_key(json, TEXT("image_url"));
    json_begin_object(json);
    if (!text_empty(part->media.url))
        json_member_text(json, "url", part->media.url);
    else
        error = write_data_url(ask, "url", &part->media);
    if (!text_empty(part->media.detail))
        json_member_text(json, "detail", part->media.detail);
    json_end_object(json);
    return error;
}

static enum error write_file(struct native_ask *ask, const struct part *part)
{
    struct json_writer *json = ask->body;
    enum error error = ERROR_OK;
    if (!text_empty(part->media.url))
        return native_refuse(ask, text_from(part->path),
                             "must have its data: a URL is not fetched");
    json_member_text(json, "type", TEXT("file"));
    json_key(json, TEXT("file"));
    json_begin_object(json);
    if (!text_empty(part->media.file_id))
        json_member_text(json, "file_id", part->media.file_id);
    else
        error = write_data_url(ask, "file_data", &part->media);
    if (!text_empty(part->media.file_name))
        json_member_text(json, "filename", part->media.file_name);
    json_end_object(json);
    return error;
}

static void write_audio(struct native_ask *ask, const struct part *part)
{
    struct json_writer *json = ask->body;
    struct text format = part->media.mime;
    (void)text_split(&format, '/');
    json_member_text(json, "type", TEXT("input_audio"));
    json_key(json, TEXT("input_audio"));
    json_begin_object(json);
    json_member_text(json, "data", part->media.data);
    json_member_text(json, "format", text_equal(format, TEXT("mpeg")) ? TEXT("mp3") : format);
    json_end_object(json);
}

static enum error write_part(struct native_ask *ask, const struct part *part)
{
    enum error error = ERROR_OK;
    json_begin_object(ask->body);
    switch (part->kind) {
    case PART_IMAGE: error = write_image(ask, part); break;
    case PART_FILE: error = write_file(ask, part); break;
    case PART_AUDIO: write_audio(ask, part); break;
    case PART_TEXT:
    case PART_REFUSAL:
    case PART_REASONING:
    case PART_TOOL_CALL:
    case PART_TOOL_RESULT:
        json_member_text(ask->body, "type", TEXT("text"));
        json_member_text(ask->body, "text", part->text);
        break;
    }
    json_end_object(ask->body);
    return error;
}

static bool is_said(const struct part *part)
{
    return part->kind == PART_TEXT || part->kind == PART_REFUSAL || part->kind == PART_IMAGE ||
           part->kind == PART_FILE || part->kind == PART_AUDIO;
}

static bool is_words(const struct part *part)
{
    return part->kind == PART_TEXT || part->kind == PART_REFUSAL;
}

/* One text is a string, which every server takes; else an array. */
static enum error write_content(struct native_ask *ask, const struct part *parts, size_t count,
                                bool (*wanted)(const struct part *part))
{
    struct json_writer *json = ask->body;
    const struct part *only = NULL;
    size_t said = 0;
    for (size_t i = 0; i < count; i++)
        if (wanted(&parts[i])) {
            only = &parts[i];
            said++;
        }
    json_key(json, TEXT("content"));
    if (said == 0 || (said == 1 && is_words(only))) {
        json_text(json, said == 0 ? TEXT("") : only->text);
        return ERROR_OK;
    }
    enum error error = ERROR_OK;
    json_begin_array(json);
    for (size_t i = 0; i < count && error == ERROR_OK; i++)
        if (wanted(&parts[i]))
            error = write_part(ask, &parts[i]);
    json_end_array(json);
    return error;
}

/* ---- messages ---- */

static void begin_message(struct native_ask *ask, struct text role)
{
    json_begin_object(ask->body);
    json_member_text(ask->body, "role", role);
}

static bool has_part(const struct turn *turn, bool (*wanted)(const struct part *part))
{
    for (size_t i = 0; i < turn->part_count; i++)
        if (wanted(&turn->parts[i]))
            return true;
    return false;
}

static bool is_call(const struct part *part)
{
    return part->kind == PART_TOOL_CALL;
}

static bool is_media(const struct part *part)
{
    return is_said(part) && !is_words(part);
}

static enum error write_call(struct native_ask *ask, const struct part *part)
{
    struct json_writer *json = ask->body;
    struct text arguments = text_empty(part->arguments) ? TEXT("{}") : part->arguments;
    struct buffer input;
    buffer_open(&input, ask->call->body_maximum);
    if (part->custom) { /* a function with one argument stands for it */
        buffer_append(&input, TEXT("{\"input\":"));
        json_append_text(&input, part->text);
        buffer_append_char(&input, '}');
        arguments = buffer_text(&input);
    }
    json_begin_object(json);
    write_id(ask, "id", part->id);
    json_member_text(json, "type", TEXT("function"));
    json_key(json, TEXT("function"));
    json_begin_object(json);
    json_member_text(json, "name", part->name);
    json_member_text(json, "arguments", arguments);
    json_end_object(json);
    json_end_object(json);
    enum error error = input.failed ? ERROR_MEMORY : ERROR_OK;
    buffer_close(&input);
    return error;
}

/* What the model thought is told again only to servers that want it. */
static void write_earlier_reasoning(struct native_ask *ask, const struct turn *turn)
{
    bool found = false;
    if (!quirks_have(quirks_of(ask), QUIRK_KEEPS_REASONING))
        return;
    for (size_t i = 0; i < turn->part_count && !found; i++) {
        found = turn->parts[i].kind == PART_REASONING;
        if (found)
            json_member_text(ask->body, "reasoning_content", turn->parts[i].text);
    }
    if (!found)
        json_member_text(ask->body, "reasoning_content", TEXT(""));
}

static enum error write_assistant(struct native_ask *ask, const struct turn *turn)
{
    struct json_writer *json = ask->body;
    bool calls = has_part(turn, is_call);
    enum error error = ERROR_OK;
    begin_message(ask, TEXT("assistant"));
    if (calls && !has_part(turn, is_said)) {
        json_key(json, TEXT("content"));
        json_null(json);
    } else {
        error = write_content(ask, turn->parts, turn->part_count, is_said);
    }
    write_earlier_reasoning(ask, turn);
    if (calls) {
        json_key(json, TEXT("tool_calls"));
        json_begin_array(json);
        for (size_t i = 0; i < turn->part_count && error == ERROR_OK; i++)
            if (is_call(&turn->parts[i]))
                error = write_call(ask, &turn->parts[i]);
        json_end_array(json);
    }
    json_end_object(json);
    return error;
}

/* Pictures and files among results have no place in a message of the tool: the user says them
 * behind it. */
static enum error write_result_media(struct native_ask *ask, const struct turn *turn)
{
    enum error error = ERROR_OK;
    bool begun = false;
    for (size_t i = 0; i < turn->part_count; i++) {
        const struct part *result = &turn->parts[i];
        for (size_t k = 0; k < result->result_count && error == ERROR_OK; k++) {
            if (!is_media(&result->results[k]))
                continue;
            if (!begun) {
                begin_message(ask, TEXT("user"));
                json_key(ask->body, TEXT("content"));
                json_begin_array(ask->body);
            }
            begun = true;
            error = write_part(ask, &result->results[k]);
        }
    }
    if (begun) {
        json_end_array(ask->body);
        json_end_object(ask->body);
    }
    return error;
}

static enum error write_user(struct native_ask *ask, const struct turn *turn)
{
    enum error error = ERROR_OK;
    for (size_t i = 0; i < turn->part_count && error == ERROR_OK; i++) {
        const struct part *part = &turn->parts[i];
        if (part->kind != PART_TOOL_RESULT)
            continue;
        begin_message(ask, TEXT("tool"));
        write_id(ask, "tool_call_id", part->id);
        if (quirks_have(quirks_of(ask), QUIRK_SHORT_IDS) && !text_empty(part->name))
            json_member_text(ask->body, "name", part->name);
        error = write_content(ask, part->results, part->result_count, is_words);
        json_end_object(ask->body);
    }
    if (error == ERROR_OK)
        error = write_result_media(ask, turn);
    if (error != ERROR_OK || (turn->part_count > 0 && !has_part(turn, is_said)))
        return error;
    begin_message(ask, TEXT("user"));
    if (!text_empty(turn->name))
        json_member_text(ask->body, "name", turn->name);
    error = write_content(ask, turn->parts, turn->part_count, is_said);
    json_end_object(ask->body);
    return error;
}

static enum error write_system(struct native_ask *ask, const struct turn *turn)
{
    bool developer = turn->developer && !quirks_have(quirks_of(ask), QUIRK_NO_DEVELOPER);
    begin_message(ask, developer ? TEXT("developer") : TEXT("system"));
    if (!text_empty(turn->name))
        json_member_text(ask->body, "name", turn->name);
    enum error error = write_content(ask, turn->parts, turn->part_count, is_said);
    json_end_object(ask->body);
    return error;
}

static enum error write_messages(struct native_ask *ask)
{
    static enum error (*const writers[])(struct native_ask * ask, const struct turn *turn) = {
        [TURN_SYSTEM] = write_system,
        [TURN_USER] = write_user,
        [TURN_ASSISTANT] = write_assistant,
    };
    const struct conversation *conversation = ask->conversation;
    enum error error = ERROR_OK;
    json_key(ask->body, TEXT("messages"));
    json_begin_array(ask->body);
    for (size_t i = 0; i < conversation->turn_count && error == ERROR_OK; i++)
        error = writers[conversation->turns[i].role](ask, &conversation->turns[i]);
    json_end_array(ask->body);
    return error;
}

/* ---- tools, format ---- */

static enum error write_tool(struct native_ask *ask, const struct tool *tool)
{
    struct json_writer *json = ask->body;
    if (tool->kind != TOOL_FUNCTION && tool->kind != TOOL_CUSTOM)
        return native_refuse(ask, text_from(tool->path),
                             "is a tool that this provider does not run");
    json_begin_object(json);
    json_member_text(json, "type", TEXT("function"));
    json_key(json, TEXT("function"));
    json_begin_object(json);
    json_member_text(json, "name", tool->name);
    if (!text_empty(tool->description))
        json_member_text(json, "description", tool->description);
    if (tool->kind == TOOL_CUSTOM) {
        json_key(json, TEXT("parameters"));
        json_raw(json, TEXT("{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\"}},"
                            "\"required\":[\"input\"],\"additionalProperties\":false}"));
    } else if (tool->parameters != NULL) {
        json_key(json, TEXT("parameters"));
        json_value(json, tool->parameters);
    }
    if (tool->strict_stated)
        json_member_bool(json, "strict", tool->strict);
    json_end_object(json);
    json_end_object(json);
    return ERROR_OK;
}

static enum error write_tools(struct native_ask *ask)
{
    const struct conversation *conversation = ask->conversation;
    enum error error = ERROR_OK;
    if (conversation->tool_count == 0)
        return ERROR_OK;
    json_key(ask->body, TEXT("tools"));
    json_begin_array(ask->body);
    for (size_t i = 0; i < conversation->tool_count && error == ERROR_OK; i++)
        error = write_tool(ask, &conversation->tools[i]);
    json_end_array(ask->body);
    return error;
}

static void write_choice(struct native_ask *ask)
{
    static const char *const modes[] = {[TOOL_CHOICE_AUTO] = "auto",
                                        [TOOL_CHOICE_NONE] = "none",
                                        [TOOL_CHOICE_REQUIRED] = "required"};
    const struct conversation *conversation = ask->conversation;
    struct json_writer *json = ask->body;
    if (conversation->tool_count == 0 || conversation->tool_choice == TOOL_CHOICE_UNSTATED)
        return;
    json_key(json, TEXT("tool_choice"));
    if (conversation->tool_choice != TOOL_CHOICE_NAMED) {
        json_text(json, text_from(modes[conversation->tool_choice]));
        return;
    }
    json_begin_object(json);
    json_member_text(json, "type", TEXT("function"));
    json_key(json, TEXT("function"));
    json_begin_object(json);
    json_member_text(json, "name", conversation->tool_choice_name);
    json_end_object(json);
    json_end_object(json);
}

static void write_format(struct native_ask *ask)
{
    const struct conversation *conversation = ask->conversation;
    struct json_writer *json = ask->body;
    if (conversation->format == ANSWER_TEXT)
        return;
    json_key(json, TEXT("response_format"));
    json_begin_object(json);
    json_member_text(json, "type",
                     conversation->format == ANSWER_JSON ? TEXT("json_object")
                                                         : TEXT("json_schema"));
    if (conversation->format == ANSWER_SCHEMA) {
        json_key(json, TEXT("json_schema"));
        json_begin_object(json);
        json_member_text(json, "name", conversation->schema_name);
        if (!text_empty(conversation->schema_description))
            json_member_text(json, "description", conversation->schema_description);
        if (conversation->schema != NULL) {
            json_key(json, TEXT("schema"));
            json_value(json, conversation->schema);
        }
        json_member_bool(json, "strict", conversation->schema_strict);
        json_end_object(json);
    }
    json_end_object(json);
}

/* ---- parameters ---- */

/* Members whose value goes on as it was written: those that both APIs call the same, and of chat
 * all that this file does not write itself. */
static bool is_copied(const struct native_ask *ask, struct text name)
{
    static const struct text written[] = {
        TEXT_INIT("model"),           TEXT_INIT("messages"),
        TEXT_INIT("input"),           TEXT_INIT("instructions"),
        TEXT_INIT("stream"),          TEXT_INIT("stream_options"),
        TEXT_INIT("max_tokens"),      TEXT_INIT("max_completion_tokens"),
        TEXT_INIT("tools"),           TEXT_INIT("tool_choice"),
        TEXT_INIT("functions"),       TEXT_INIT("function_call"),
        TEXT_INIT("response_format"), TEXT_INIT("web_search_options"),
    };
    static const struct text shared[] = {
        TEXT_INIT("temperature"),  TEXT_INIT("top_p"),
        TEXT_INIT("top_k"),        TEXT_INIT("parallel_tool_calls"),
        TEXT_INIT("service_tier"), TEXT_INIT("user"),
        TEXT_INIT("metadata"),     TEXT_INIT("safety_identifier"),
        TEXT_INIT("top_logprobs"), TEXT_INIT("prompt_cache_key"),
    };
    bool chat = ask->conversation->api == CONVERSATION_CHAT;
    const struct text *names = chat ? written : shared;
    size_t count = chat ? ARRAY_LENGTH(written) : ARRAY_LENGTH(shared);
    for (size_t i = 0; i < count; i++)
        if (text_equal(names[i], name))
            return !chat;
    return chat;
}

static bool is_dropped(const struct native_ask *ask, struct text name)
{
    for (size_t i = 0; i < ask->call->drop_count; i++)
        if (text_equal(ask->call->drop[i], name))
            return true;
    return quirks_drop(quirks_of(ask), name);
}

static void write_copied(struct native_ask *ask)
{
    const struct quirks *quirks = quirks_of(ask);
    yyjson_obj_iter members = yyjson_obj_iter_with(ask->conversation->root);
    yyjson_val *key;
    while ((key = yyjson_obj_iter_next(&members)) != NULL) {
        struct text name = text_of(yyjson_get_str(key), yyjson_get_len(key));
        yyjson_val *value = yyjson_obj_iter_get_val(key);
        if (yyjson_is_null(value) || !is_copied(ask, name) || is_dropped(ask, name))
            continue;
        if (quirks != NULL && !text_empty(quirks->seed) && text_equal(name, TEXT("seed")))
            name = quirks->seed;
        json_key(ask->body, name);
        json_value(ask->body, value);
    }
}

/* What responses call otherwise. */
static void write_renamed(struct native_ask *ask)
{
    const struct conversation *conversation = ask->conversation;
    if (conversation->api == CONVERSATION_CHAT)
        return;
    if (!text_empty(conversation->effort) && !is_dropped(ask, TEXT("reasoning_effort")))
        json_member_text(ask->body, "reasoning_effort", conversation->effort);
    if (conversation_has(conversation, PARAMETER_VERBOSITY))
        json_member_text(ask->body, "verbosity", conversation->verbosity);
    if (conversation_has(conversation, PARAMETER_LOGPROBS) ||
        conversation_has(conversation, PARAMETER_TOP_LOGPROBS))
        json_member_bool(ask->body, "logprobs", true);
}

static void write_options(struct native_ask *ask)
{
    const struct quirks *quirks = quirks_of(ask);
    struct json_writer *json = ask->body;
    if (ask->output_limit > 0)
        json_member_signed(json,
                           quirks == NULL || quirks_have(quirks, QUIRK_MAX_TOKENS)
                               ? "max_tokens"
                               : "max_completion_tokens",
                           ask->output_limit);
    if (!ask->stream)
        return;
    json_member_bool(json, "stream", true);
    if (!quirks_have(quirks, QUIRK_NO_STREAM_OPTIONS)) {
        json_key(json, TEXT("stream_options"));
        json_raw(json, TEXT("{\"include_usage\":true}"));
    }
}

enum error compatible_write(struct native_ask *ask)
{
    struct json_writer *json = ask->body;
    dialect_write_credential(ask->lines, "authorization", "Bearer ", ask->call->credential);
    buffer_append(ask->target, TEXT("/chat/completions"));
    json_begin_object(json);
    json_member_text(json, "model", ask->model);
    enum error error = write_messages(ask);
    if (error == ERROR_OK)
        error = write_tools(ask);
    if (error != ERROR_OK)
        return error;
    write_choice(ask);
    write_format(ask);
    write_copied(ask);
    write_renamed(ask);
    write_options(ask);
    json_end_object(json);
    return ERROR_OK;
}

#define BIT(name) PARAMETER_BIT(PARAMETER_##name)

const struct native compatible_responses = {
    .framing = NATIVE_SSE,
    .understood = BIT(TEMPERATURE) | BIT(TOP_P) | BIT(TOP_K) | BIT(LOGPROBS) | BIT(TOP_LOGPROBS) |
                  BIT(TOOLS) | BIT(TOOL_CHOICE) | BIT(PARALLEL_TOOL_CALLS) | BIT(RESPONSE_FORMAT) |
                  BIT(REASONING) | BIT(VERBOSITY) | BIT(SERVICE_TIER) | BIT(METADATA) | BIT(USER) |
                  BIT(SAFETY_IDENTIFIER) | BIT(PROMPT_CACHE_KEY) | BIT(PROMPT_CACHE_RETENTION),
    .write_chat = compatible_write,
    .read_chat = compatible_read,
    .read_frame = compatible_read_frame,
    .count_usage = compatible_count_usage,
};

const struct native compatible_chat = {
    .framing = NATIVE_SSE,
    .understood = UINT64_MAX, /* the server says itself what it does not take */
    .write_chat = compatible_write,
    .read_chat = compatible_read,
    .read_frame = compatible_read_frame,
    .count_usage = compatible_count_usage,
};
