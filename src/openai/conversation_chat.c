/* The messages, tools and formats of chat/completions. Source: OpenAI API reference, "Create chat
 * completion". */
#include "codec/json.h"
#include "openai/conversation_reader.h"

/* A message while its parts are gathered. */
struct gathering {
    struct conversation_reader *reader;
    size_t message; /* its index */
    enum turn_role role;
    struct part *parts; /* room for all that the message can have */
    size_t count;
};

static struct part *add_part(struct gathering *gathering, enum part_kind kind, const char *path)
{
    struct part *part = &gathering->parts[gathering->count++];
    part->kind = kind;
    part->path = path;
    return part;
}

static const char *message_path(const struct gathering *gathering, const char *member,
                                int64_t index)
{
    return reader_path(gathering->reader, "messages", (int64_t)gathering->message, member, index);
}

/* ---- content ---- */

typedef void (*read_part)(struct conversation_reader *reader, yyjson_val *value, struct part *part);

static void read_text(struct conversation_reader *reader, yyjson_val *value, struct part *part)
{
    if (yyjson_obj_get(value, "text") == NULL)
        reader_fail(reader, ERROR_SYNTAX, part->path, "text", "is missing");
    part->text = reader_text(reader, value, "text", part->path);
}

static void read_refusal(struct conversation_reader *reader, yyjson_val *value, struct part *part)
{
    part->text = reader_text(reader, value, "refusal", part->path);
}

static void read_image(struct conversation_reader *reader, yyjson_val *value, struct part *part)
{
    yyjson_val *image = reader_object(reader, value, "image_url", part->path);
    if (image == NULL)
        reader_fail(reader, ERROR_SYNTAX, part->path, "image_url", "is missing");
    struct text url = reader_need_text(reader, image, "url", part->path);
    if (reader->error == ERROR_OK)
        reader_media_url(reader, url, part->path, "image_url.url", &part->media);
    part->media.detail = reader_text(reader, image, "detail", part->path);
}

static void read_file(struct conversation_reader *reader, yyjson_val *value, struct part *part)
{
    yyjson_val *file = reader_object(reader, value, "file", part->path);
    if (file == NULL)
        reader_fail(reader, ERROR_SYNTAX, part->path, "file", "is missing");
    part->media.file_name = reader_text(reader, file, "filename", part->path);
    part->media.file_id = reader_text(reader, file, "file_id", part->path);
    struct text data = reader_text(reader, file, "file_data", part->path);
    if (text_empty(data) == text_empty(part->media.file_id))
        reader_fail(reader, ERROR_SYNTAX, part->path, "file",
                    "must have either file_data or file_id");
    if (!text_empty(data))
        reader_file_data(reader, data, part->path, &part->media);
}

#define ROLE(role) (1u << (role))
#define EVERYBODY  (ROLE(TURN_SYSTEM) | ROLE(TURN_USER) | ROLE(TURN_ASSISTANT))

static const struct {
    struct text type;
    enum part_kind kind;
    unsigned roles; /* who may say it */
    read_part read;
} part_rows[] = {
    {TEXT_INIT("text"), PART_TEXT, EVERYBODY, read_text},
    {TEXT_INIT("refusal"), PART_REFUSAL, ROLE(TURN_ASSISTANT), read_refusal},
    {TEXT_INIT("image_url"), PART_IMAGE, ROLE(TURN_USER), read_image},
    {TEXT_INIT("input_audio"), PART_AUDIO, ROLE(TURN_USER), reader_audio},
    {TEXT_INIT("file"), PART_FILE, ROLE(TURN_USER), read_file},
};

static void read_content_part(struct gathering *gathering, yyjson_val *value, size_t index)
{
    struct conversation_reader *reader = gathering->reader;
    const char *path = message_path(gathering, ".content", (int64_t)index);
    if (!yyjson_is_obj(value)) {
        reader_fail(reader, ERROR_SYNTAX, path, NULL, "must be an object");
        return;
    }
    struct text type = reader_need_text(reader, value, "type", path);
    for (size_t i = 0; i < ARRAY_LENGTH(part_rows) && reader->error == ERROR_OK; i++) {
        if (!text_equal(part_rows[i].type, type) ||
            (part_rows[i].roles & ROLE(gathering->role)) == 0)
            continue;
        struct part *part = add_part(gathering, part_rows[i].kind, path);
        part_rows[i].read(reader, value, part);
        reader_cache_mark(reader, value, path, &part->cache_mark, &part->cache_ttl);
        /* An empty text says nothing, and most providers refuse one. */
        if (part->kind == PART_TEXT && text_empty(part->text))
            gathering->count--;
        return;
    }
    reader_fail(reader, ERROR_UNSUPPORTED, path, "type",
                "is no kind of content that a message of this role may have");
}

/* A string, an array of parts or, where `may_lack`, nothing. */
static void read_content(struct gathering *gathering, yyjson_val *content, bool may_lack)
{
    if (yyjson_is_str(content)) {
        if (yyjson_get_len(content) > 0)
            add_part(gathering, PART_TEXT, message_path(gathering, ".content", -1))->text =
                reader_value_text(content);
        return;
    }
    if (yyjson_is_arr(content)) {
        size_t index, size;
        yyjson_val *value;
        yyjson_arr_foreach(content, index, size, value) read_content_part(gathering, value, index);
        return;
    }
    if (!may_lack || (content != NULL && !yyjson_is_null(content)))
        reader_fail(gathering->reader, ERROR_SYNTAX, message_path(gathering, ".content", -1), NULL,
                    "must be a string or an array of parts");
}

static size_t content_room(yyjson_val *content)
{
    return yyjson_is_arr(content) ? yyjson_arr_size(content) : 1;
}

/* ---- the assistant's ---- */

static void read_detail(struct gathering *gathering, yyjson_val *value, const char *path)
{
    struct conversation_reader *reader = gathering->reader;
    struct text type = reader_need_text(reader, value, "type", path);
    bool sealed = text_equal(type, TEXT("reasoning.encrypted"));
    if (!sealed && !text_equal(type, TEXT("reasoning.text")))
        return; /* of somebody else's making, such as a summary for people */
    struct part *part = add_part(gathering, PART_REASONING, path);
    part->seal_origin = reader_text(reader, value, "format", path);
    part->seal = reader_text(reader, value, sealed ? "data" : "signature", path);
    part->sealed_text = sealed;
    if (!sealed)
        part->text = reader_text(reader, value, "text", path);
    if (text_empty(part->seal) || text_empty(part->seal_origin))
        part->seal = part->seal_origin = TEXT("");
    if (text_empty(part->seal) && text_empty(part->text))
        gathering->count--;
}

/* As the gateway wrote them in an earlier answer (translation.h). The details hold all of the text
 * that `reasoning_content` has. */
static void read_reasoning(struct gathering *gathering, yyjson_val *message)
{
    struct conversation_reader *reader = gathering->reader;
    const char *path = message_path(gathering, NULL, -1);
    yyjson_val *details = reader_array(reader, message, "reasoning_details", path), *value;
    size_t index, size, before = gathering->count;
    yyjson_arr_foreach(details, index, size, value) read_detail(
        gathering, value, message_path(gathering, ".reasoning_details", (int64_t)index));
    struct text text = reader_text(reader, message, "reasoning_content", path);
    if (gathering->count == before && !text_empty(text))
        add_part(gathering, PART_REASONING, message_path(gathering, ".reasoning_content", -1))
            ->text = text;
}

static void read_call(struct gathering *gathering, yyjson_val *value, const char *path)
{
    struct conversation_reader *reader = gathering->reader;
    struct text type = reader_text(reader, value, "type", path);
    struct part *part = add_part(gathering, PART_TOOL_CALL, path);
    part->custom = text_equal(type, TEXT("custom"));
    if (!part->custom && !text_empty(type) && !text_equal(type, TEXT("function")))
        reader_fail(reader, ERROR_UNSUPPORTED, path, "type", "must be \"function\" or \"custom\"");
    const char *member = part->custom ? "custom" : "function";
    yyjson_val *inner = reader_object(reader, value, member, path);
    if (inner == NULL)
        reader_fail(reader, ERROR_SYNTAX, path, member, "is missing");
    part->id = reader_need_text(reader, value, "id", path);
    part->name = reader_need_text(reader, inner, "name", path);
    if (part->custom)
        part->text = reader_text(reader, inner, "input", path);
    else
        part->arguments = reader_text(reader, inner, "arguments", path);
    reader_cache_mark(reader, value, path, &part->cache_mark, &part->cache_ttl);
    reader_remember_call(reader, part);
}

/* Before calls had ids: the result of role "function" names the function instead. */
static void read_function_call(struct gathering *gathering, yyjson_val *call)
{
    struct conversation_reader *reader = gathering->reader;
    const char *path = message_path(gathering, ".function_call", -1);
    struct part *part = add_part(gathering, PART_TOOL_CALL, path);
    part->name = reader_need_text(reader, call, "name", path);
    part->arguments = reader_text(reader, call, "arguments", path);
    part->id = arena_format(reader->arena, "call_legacy_%zu", reader->call_count);
    if (part->id.data == NULL && reader->error == ERROR_OK)
        reader->error = ERROR_MEMORY;
    reader_remember_call(reader, part);
}

static void read_assistant(struct gathering *gathering, yyjson_val *message)
{
    struct conversation_reader *reader = gathering->reader;
    const char *path = message_path(gathering, NULL, -1);
    read_reasoning(gathering, message);
    read_content(gathering, yyjson_obj_get(message, "content"), true);
    struct text refusal = reader_text(reader, message, "refusal", path);
    if (!text_empty(refusal))
        add_part(gathering, PART_REFUSAL, message_path(gathering, ".refusal", -1))->text = refusal;
    if (reader_object(reader, message, "audio", path) != NULL)
        reader_fail(reader, ERROR_UNSUPPORTED, path, "audio",
                    "names an answer that only the provider that spoke it has");
    size_t index, size;
    yyjson_val *value, *calls = reader_array(reader, message, "tool_calls", path);
    yyjson_arr_foreach(calls, index, size, value)
        read_call(gathering, value, message_path(gathering, ".tool_calls", (int64_t)index));
    value = reader_object(reader, message, "function_call", path);
    if (value != NULL)
        read_function_call(gathering, value);
}

static size_t assistant_room(yyjson_val *message)
{
    return content_room(yyjson_obj_get(message, "content")) +
           yyjson_arr_size(yyjson_obj_get(message, "reasoning_details")) +
           yyjson_is_str(yyjson_obj_get(message, "reasoning_content")) +
           yyjson_is_str(yyjson_obj_get(message, "refusal")) +
           yyjson_arr_size(yyjson_obj_get(message, "tool_calls")) +
           yyjson_is_obj(yyjson_obj_get(message, "function_call"));
}

/* ---- results of tools ---- */

static const struct conversation_call *last_call(const struct conversation_reader *reader,
                                                 struct text name)
{
    size_t count = reader->call_count;
    size_t first = count > CONVERSATION_CALLS_BACK ? count - CONVERSATION_CALLS_BACK : 0;
    for (size_t i = count; i > first; i--)
        if (text_equal(reader->calls[i - 1].name, name))
            return &reader->calls[i - 1];
    return NULL;
}

/* `tool` names the call, `function` the function. */
static void read_result(struct gathering *gathering, yyjson_val *message, bool by_name)
{
    struct conversation_reader *reader = gathering->reader;
    const char *path = message_path(gathering, NULL, -1);
    read_content(gathering, yyjson_obj_get(message, "content"), by_name);
    struct part *result = reader_take(reader, 1, sizeof(*result));
    if (result == NULL)
        return;
    *result = (struct part){.kind = PART_TOOL_RESULT, .path = path};
    result->results = gathering->parts;
    result->result_count = gathering->count;
    for (size_t i = 0; i < gathering->count; i++) {
        result->cache_mark |= gathering->parts[i].cache_mark;
        if (!text_empty(gathering->parts[i].cache_ttl))
            result->cache_ttl = gathering->parts[i].cache_ttl;
    }
    const struct conversation_call *call;
    if (by_name) {
        result->name = reader_need_text(reader, message, "name", path);
        call = last_call(reader, result->name);
    } else {
        result->id = reader_need_text(reader, message, "tool_call_id", path);
        call = reader_find_call(reader, result->id);
    }
    if (call != NULL) {
        result->id = call->id;
        result->name = call->name;
        result->custom = call->custom;
    }
    gathering->parts = result;
    gathering->count = 1;
}

/* ---- messages ---- */

enum message_kind { MESSAGE_PLAIN, MESSAGE_ASSISTANT, MESSAGE_TOOL, MESSAGE_FUNCTION };

static const struct role_row {
    struct text name;
    enum turn_role role;
    enum message_kind kind;
    bool developer;
} role_rows[] = {
    {TEXT_INIT("user"), TURN_USER, MESSAGE_PLAIN, false},
    {TEXT_INIT("assistant"), TURN_ASSISTANT, MESSAGE_ASSISTANT, false},
    {TEXT_INIT("tool"), TURN_USER, MESSAGE_TOOL, false},
    {TEXT_INIT("system"), TURN_SYSTEM, MESSAGE_PLAIN, false},
    {TEXT_INIT("developer"), TURN_SYSTEM, MESSAGE_PLAIN, true},
    {TEXT_INIT("function"), TURN_USER, MESSAGE_FUNCTION, false},
};

static const struct role_row *find_role(struct text name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(role_rows); i++)
        if (text_equal(role_rows[i].name, name))
            return &role_rows[i];
    return NULL;
}

/* A mark on the message as a whole is one on its last part. */
static void mark_last(struct gathering *gathering, yyjson_val *message)
{
    bool mark = false;
    struct text ttl = TEXT("");
    reader_cache_mark(gathering->reader, message, message_path(gathering, NULL, -1), &mark, &ttl);
    if (!mark || gathering->count == 0)
        return;
    struct part *last = &gathering->parts[gathering->count - 1];
    last->cache_mark = true;
    if (!text_empty(ttl))
        last->cache_ttl = ttl;
}

static void read_message(struct conversation_reader *reader, yyjson_val *message, size_t index,
                         struct turn *turn)
{
    struct gathering gathering = {.reader = reader, .message = index};
    if (!yyjson_is_obj(message)) {
        reader_fail(reader, ERROR_SYNTAX, message_path(&gathering, NULL, -1), NULL,
                    "must be an object");
        return;
    }
    const char *path = message_path(&gathering, NULL, -1);
    const struct role_row *row = find_role(reader_need_text(reader, message, "role", path));
    if (row == NULL) {
        reader_fail(reader, ERROR_SYNTAX, path, "role",
                    "must be system, developer, user, assistant, tool or function");
        return;
    }
    gathering.role = row->role;
    gathering.parts = reader_take(reader,
                                  row->kind == MESSAGE_ASSISTANT
                                      ? assistant_room(message)
                                      : content_room(yyjson_obj_get(message, "content")),
                                  sizeof(struct part));
    if (gathering.parts == NULL)
        return;
    switch (row->kind) {
    case MESSAGE_PLAIN: read_content(&gathering, yyjson_obj_get(message, "content"), false); break;
    case MESSAGE_ASSISTANT: read_assistant(&gathering, message); break;
    case MESSAGE_TOOL: read_result(&gathering, message, false); break;
    case MESSAGE_FUNCTION: read_result(&gathering, message, true); break;
    }
    mark_last(&gathering, message);
    *turn = (struct turn){.role = row->role,
                          .developer = row->developer,
                          .parts = gathering.parts,
                          .part_count = gathering.count};
    if (row->kind == MESSAGE_PLAIN || row->kind == MESSAGE_ASSISTANT)
        turn->name = reader_text(reader, message, "name", path);
}

void conversation_read_messages(struct conversation_reader *reader, yyjson_val *messages)
{
    struct conversation *conversation = reader->conversation;
    size_t index, size;
    yyjson_val *message;
    if (!yyjson_is_arr(messages) || yyjson_arr_size(messages) == 0) {
        reader_fail(reader, ERROR_SYNTAX, "messages", NULL,
                    "must be an array of at least one message");
        return;
    }
    struct turn *turns = reader_take(reader, yyjson_arr_size(messages), sizeof(*turns));
    if (turns == NULL)
        return;
    conversation->turns = turns;
    conversation->turn_count = yyjson_arr_size(messages);
    yyjson_arr_foreach(messages, index, size, message)
    {
        read_message(reader, message, index, &turns[index]);
        if (reader->error != ERROR_OK)
            return;
    }
}

/* ---- tools ---- */

void conversation_read_chat_tools(struct conversation_reader *reader, yyjson_val *tools)
{
    size_t index, size;
    yyjson_val *value;
    struct tool *tool = reader_add_tools(reader, yyjson_arr_size(tools));
    if (tool == NULL)
        return;
    yyjson_arr_foreach(tools, index, size, value)
    {
        if (!reader_begin_tool(reader, value, index, tool))
            return;
        bool function = text_equal(tool->type, TEXT("function"));
        const char *member = function ? "function" : "custom";
        yyjson_val *inner = reader_object(reader, value, member, tool->path);
        if (function && inner == NULL)
            reader_fail(reader, ERROR_SYNTAX, tool->path, member, "is missing");
        if (function)
            reader_function_tool(reader, inner, tool);
        else
            reader_other_tool(reader, inner, tool);
        reader_cache_mark(reader, value, tool->path, &tool->cache_mark, &tool->cache_ttl);
        tool++;
    }
}

void conversation_read_functions(struct conversation_reader *reader, yyjson_val *functions)
{
    size_t index, size;
    yyjson_val *value;
    struct tool *tool = reader_add_tools(reader, yyjson_arr_size(functions));
    if (tool == NULL)
        return;
    reader->conversation->legacy_functions = true;
    yyjson_arr_foreach(functions, index, size, value)
    {
        tool->path = reader_path(reader, "functions", (int64_t)index, NULL, -1);
        tool->type = TEXT("function");
        tool->raw = value;
        reader_function_tool(reader, value, tool);
        tool++;
    }
}

void conversation_read_web_search(struct conversation_reader *reader, yyjson_val *options)
{
    struct tool *tool = reader_add_tools(reader, 1);
    if (tool == NULL)
        return;
    *tool = (struct tool){.kind = TOOL_WEB_SEARCH,
                          .type = TEXT("web_search"),
                          .name = TEXT("web_search"),
                          .raw = options,
                          .path = "web_search_options"};
}

static void choose_allowed(struct conversation_reader *reader, yyjson_val *choice)
{
    yyjson_val *allowed = reader_object(reader, choice, "allowed_tools", "tool_choice");
    reader->allowed_mode = reader_need_text(reader, allowed, "mode", "tool_choice.allowed_tools");
    reader->allowed = reader_array(reader, allowed, "tools", "tool_choice.allowed_tools");
}

void conversation_read_chat_choice(struct conversation_reader *reader, yyjson_val *choice)
{
    if (yyjson_is_str(choice)) {
        reader_tool_mode(reader, reader_value_text(choice), "tool_choice");
        return;
    }
    struct text type = reader_need_text(reader, choice, "type", "tool_choice");
    if (text_equal(type, TEXT("function")))
        reader_choose_named(reader, reader_object(reader, choice, "function", "tool_choice"),
                            "tool_choice.function");
    else if (text_equal(type, TEXT("custom")))
        reader_choose_named(reader, reader_object(reader, choice, "custom", "tool_choice"),
                            "tool_choice.custom");
    else if (text_equal(type, TEXT("allowed_tools")))
        choose_allowed(reader, choice);
    else
        reader_fail(reader, ERROR_UNSUPPORTED, "tool_choice", "type",
                    "must be \"function\", \"custom\" or \"allowed_tools\"");
}

void conversation_read_function_call(struct conversation_reader *reader, yyjson_val *choice)
{
    reader->conversation->legacy_functions = true;
    if (yyjson_is_str(choice))
        reader_tool_mode(reader, reader_value_text(choice), "function_call");
    else
        reader_choose_named(reader, choice, "function_call");
}

/* ---- format ---- */

void conversation_read_chat_format(struct conversation_reader *reader, yyjson_val *format)
{
    struct text type = reader_need_text(reader, format, "type", "response_format");
    if (text_equal(type, TEXT("text")))
        return;
    if (text_equal(type, TEXT("json_object"))) {
        reader->conversation->format = ANSWER_JSON;
        return;
    }
    if (!text_equal(type, TEXT("json_schema"))) {
        reader_fail(reader, ERROR_UNSUPPORTED, "response_format", "type",
                    "must be \"text\", \"json_object\" or \"json_schema\"");
        return;
    }
    yyjson_val *schema = reader_object(reader, format, "json_schema", "response_format");
    if (schema == NULL)
        reader_fail(reader, ERROR_SYNTAX, "response_format", "json_schema", "is missing");
    reader_schema(reader, schema, "response_format.json_schema");
}
