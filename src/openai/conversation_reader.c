#include "openai/conversation_reader.h"

#include "base/number.h"
#include "codec/json.h"

/* Longer than any path that is written here: names of ours and two numbers. */
#define PATH_MAX_LENGTH 128u

/* ---- problems ---- */

static size_t path_append(char *path, size_t length, const char *name, int64_t index)
{
    if (name != NULL) {
        size_t more = strlen(name);
        if (length + more + NUMBER_DIGITS_MAX + 3 > PATH_MAX_LENGTH)
            return length;
        memcpy(path + length, name, more);
        length += more;
    }
    if (index < 0)
        return length;
    path[length++] = '[';
    length += number_format_unsigned((uint64_t)index, path + length);
    path[length++] = ']';
    return length;
}

const char *reader_path(struct conversation_reader *reader, const char *first, int64_t first_index,
                        const char *second, int64_t second_index)
{
    char path[PATH_MAX_LENGTH];
    size_t length = path_append(path, 0, first, first_index);
    length = path_append(path, length, second, second_index);
    struct text copy = arena_copy(reader->arena, text_of(path, length));
    if (copy.data == NULL) {
        reader->error = reader->error == ERROR_OK ? ERROR_MEMORY : reader->error;
        return "";
    }
    return copy.data;
}

void reader_fail(struct conversation_reader *reader, enum error error, const char *path,
                 const char *member, const char *reason)
{
    if (reader->error != ERROR_OK)
        return;
    reader->error = error;
    reader->problem->reason = text_from(reason);
    reader->problem->param = text_from(path);
    if (member == NULL)
        return;
    reader->problem->param =
        arena_format(reader->arena, "%s%s%s", path, path[0] != '\0' ? "." : "", member);
    if (reader->problem->param.data == NULL)
        reader->error = ERROR_MEMORY;
}

void *reader_take(struct conversation_reader *reader, size_t count, size_t size)
{
    void *memory = arena_take_zeroed(reader->arena, count * size);
    if (memory == NULL && reader->error == ERROR_OK)
        reader->error = ERROR_MEMORY;
    return memory;
}

/* ---- members ---- */

yyjson_val *reader_find(yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    return yyjson_is_null(value) ? NULL : value;
}

struct text reader_value_text(yyjson_val *value)
{
    return text_of(yyjson_get_str(value), yyjson_get_len(value));
}

struct text reader_text(struct conversation_reader *reader, yyjson_val *object, const char *key,
                        const char *path)
{
    struct text value = TEXT("");
    if (json_get_text(object, key, &value) == JSON_WRONG_TYPE)
        reader_fail(reader, ERROR_SYNTAX, path, key, "must be a string");
    return value;
}

struct text reader_need_text(struct conversation_reader *reader, yyjson_val *object,
                             const char *key, const char *path)
{
    struct text value = reader_text(reader, object, key, path);
    if (text_empty(value))
        reader_fail(reader, ERROR_SYNTAX, path, key, "is missing");
    return value;
}

yyjson_val *reader_object(struct conversation_reader *reader, yyjson_val *object, const char *key,
                          const char *path)
{
    yyjson_val *value = NULL;
    if (json_get_object(object, key, &value) == JSON_WRONG_TYPE)
        reader_fail(reader, ERROR_SYNTAX, path, key, "must be an object");
    return value;
}

yyjson_val *reader_array(struct conversation_reader *reader, yyjson_val *object, const char *key,
                         const char *path)
{
    yyjson_val *value = NULL;
    if (json_get_array(object, key, &value) == JSON_WRONG_TYPE)
        reader_fail(reader, ERROR_SYNTAX, path, key, "must be an array");
    return value;
}

bool reader_flag(struct conversation_reader *reader, yyjson_val *object, const char *key,
                 const char *path)
{
    bool value = false;
    if (json_get_bool(object, key, &value) == JSON_WRONG_TYPE)
        reader_fail(reader, ERROR_SYNTAX, path, key, "must be true or false");
    return value;
}

/* ---- parts ---- */

/* OpenAI's own spelling, and the vendor's that gateways pass on. */
void reader_cache_mark(struct conversation_reader *reader, yyjson_val *object, const char *path,
                       bool *mark, struct text *ttl)
{
    yyjson_val *control = reader_object(reader, object, "cache_control", path);
    if (control != NULL) {
        *mark = true;
        *ttl = reader_text(reader, control, "ttl", path);
    }
    if (reader_object(reader, object, "prompt_cache_breakpoint", path) != NULL)
        *mark = true;
}

/* "data:image/png;base64,AAAA" (RFC 2397). */
static bool read_data_url(struct text url, struct part_media *media)
{
    struct text rest = text_from_index(url, sizeof("data:") - 1);
    ptrdiff_t comma = text_find_char(rest, ',');
    if (comma < 0)
        return false;
    struct text kind = text_first(rest, (size_t)comma);
    if (!text_ends_with(kind, TEXT(";base64")))
        return false;
    media->data = text_from_index(rest, (size_t)comma + 1);
    media->mime = text_split(&kind, ';');
    return !text_empty(media->data);
}

static bool is_data_url(struct text url)
{
    return text_equal_ignoring_case(text_first(url, 5), TEXT("data:"));
}

void reader_media_url(struct conversation_reader *reader, struct text url, const char *path,
                      const char *member, struct part_media *media)
{
    if (is_data_url(url)) {
        if (!read_data_url(url, media))
            reader_fail(reader, ERROR_SYNTAX, path, member,
                        "must be \"data:MEDIA/TYPE;base64,\" with data behind it");
        return;
    }
    if (text_find(url, TEXT("://")) <= 0)
        reader_fail(reader, ERROR_SYNTAX, path, member, "must be a URL or a data URL");
    media->url = url;
}

/* By the end of the file's name: what the providers take as documents and pictures. */
static struct text mime_of_name(struct text name)
{
    static const struct {
        struct text ending, mime;
    } rows[] = {
        {TEXT_INIT(".pdf"), TEXT_INIT("application/pdf")},
        {TEXT_INIT(".txt"), TEXT_INIT("text/plain")},
        {TEXT_INIT(".md"), TEXT_INIT("text/markdown")},
        {TEXT_INIT(".csv"), TEXT_INIT("text/csv")},
        {TEXT_INIT(".html"), TEXT_INIT("text/html")},
        {TEXT_INIT(".json"), TEXT_INIT("application/json")},
        {TEXT_INIT(".xml"), TEXT_INIT("application/xml")},
        {TEXT_INIT(".doc"), TEXT_INIT("application/msword")},
        {TEXT_INIT(".docx"),
         TEXT_INIT("application/vnd.openxmlformats-officedocument.wordprocessingml.document")},
        {TEXT_INIT(".xls"), TEXT_INIT("application/vnd.ms-excel")},
        {TEXT_INIT(".xlsx"),
         TEXT_INIT("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")},
        {TEXT_INIT(".png"), TEXT_INIT("image/png")},
        {TEXT_INIT(".jpg"), TEXT_INIT("image/jpeg")},
        {TEXT_INIT(".jpeg"), TEXT_INIT("image/jpeg")},
        {TEXT_INIT(".gif"), TEXT_INIT("image/gif")},
        {TEXT_INIT(".webp"), TEXT_INIT("image/webp")},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        size_t length = rows[i].ending.length;
        if (name.length > length &&
            text_equal_ignoring_case(text_from_index(name, name.length - length), rows[i].ending))
            return rows[i].mime;
    }
    return TEXT("");
}

void reader_file_data(struct conversation_reader *reader, struct text data, const char *path,
                      struct part_media *media)
{
    if (is_data_url(data)) {
        reader_media_url(reader, data, path, "file_data", media);
        return;
    }
    media->data = data;
    media->mime = mime_of_name(media->file_name);
}

void reader_audio(struct conversation_reader *reader, yyjson_val *value, struct part *part)
{
    yyjson_val *audio = reader_object(reader, value, "input_audio", part->path);
    if (audio == NULL)
        reader_fail(reader, ERROR_SYNTAX, part->path, "input_audio", "is missing");
    struct text format = reader_need_text(reader, audio, "format", part->path);
    part->media.data = reader_need_text(reader, audio, "data", part->path);
    part->media.mime = text_equal(format, TEXT("mp3"))
                           ? TEXT("audio/mpeg")
                           : arena_format(reader->arena, "audio/%.*s", TEXT_ARG(format));
    if (part->media.mime.data == NULL && reader->error == ERROR_OK)
        reader->error = ERROR_MEMORY;
}

void reader_remember_call(struct conversation_reader *reader, const struct part *call)
{
    if (reader->call_count == reader->call_capacity) {
        size_t capacity = reader->call_capacity == 0 ? 16 : reader->call_capacity * 2;
        struct conversation_call *calls = reader_take(reader, capacity, sizeof(*calls));
        if (calls == NULL)
            return;
        if (reader->call_count > 0)
            memcpy(calls, reader->calls, reader->call_count * sizeof(*calls));
        reader->calls = calls;
        reader->call_capacity = capacity;
    }
    reader->calls[reader->call_count++] =
        (struct conversation_call){.id = call->id, .name = call->name, .custom = call->custom};
}

const struct conversation_call *reader_find_call(const struct conversation_reader *reader,
                                                 struct text id)
{
    size_t count = reader->call_count;
    size_t first = count > CONVERSATION_CALLS_BACK ? count - CONVERSATION_CALLS_BACK : 0;
    for (size_t i = count; i > first; i--)
        if (text_equal(reader->calls[i - 1].id, id))
            return &reader->calls[i - 1];
    return NULL;
}

/* ---- tools ---- */

struct tool *reader_add_tools(struct conversation_reader *reader, size_t count)
{
    struct conversation *conversation = reader->conversation;
    struct tool *tools = reader_take(reader, count + conversation->tool_count, sizeof(*tools));
    if (tools == NULL)
        return NULL;
    if (conversation->tool_count > 0)
        memcpy(tools, conversation->tools, conversation->tool_count * sizeof(*tools));
    struct tool *added = tools + conversation->tool_count;
    conversation->tools = tools;
    conversation->tool_count += count;
    return added;
}

bool reader_begin_tool(struct conversation_reader *reader, yyjson_val *value, size_t index,
                       struct tool *tool)
{
    tool->path = reader_path(reader, "tools", (int64_t)index, NULL, -1);
    tool->raw = value;
    if (!yyjson_is_obj(value)) {
        reader_fail(reader, ERROR_SYNTAX, tool->path, NULL, "must be an object");
        return false;
    }
    tool->type = reader_need_text(reader, value, "type", tool->path);
    return true;
}

void reader_function_tool(struct conversation_reader *reader, yyjson_val *function,
                          struct tool *tool)
{
    tool->kind = TOOL_FUNCTION;
    tool->name = reader_need_text(reader, function, "name", tool->path);
    tool->description = reader_text(reader, function, "description", tool->path);
    tool->parameters = reader_object(reader, function, "parameters", tool->path);
    tool->strict = reader_flag(reader, function, "strict", tool->path);
    tool->strict_stated = reader_find(function, "strict") != NULL;
    reader_cache_mark(reader, function, tool->path, &tool->cache_mark, &tool->cache_ttl);
}

static bool is_web_search(struct text type)
{
    return text_equal(type, TEXT("web_search")) ||
           text_equal(type, TEXT("web_search_2025_08_26")) ||
           text_starts_with(type, TEXT("web_search_preview"));
}

void reader_other_tool(struct conversation_reader *reader, yyjson_val *custom, struct tool *tool)
{
    if (text_equal(tool->type, TEXT("custom"))) {
        tool->kind = TOOL_CUSTOM;
        tool->name = reader_need_text(reader, custom, "name", tool->path);
        tool->description = reader_text(reader, custom, "description", tool->path);
        return;
    }
    tool->kind = is_web_search(tool->type) ? TOOL_WEB_SEARCH : TOOL_OTHER;
    tool->name = reader_text(reader, tool->raw, "name", tool->path);
    if (text_empty(tool->name))
        tool->name = tool->type;
}

void reader_tool_mode(struct conversation_reader *reader, struct text mode, const char *path)
{
    static const struct {
        struct text name;
        enum tool_choice choice;
    } rows[] = {
        {TEXT_INIT("auto"), TOOL_CHOICE_AUTO},
        {TEXT_INIT("none"), TOOL_CHOICE_NONE},
        {TEXT_INIT("required"), TOOL_CHOICE_REQUIRED},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (!text_equal(rows[i].name, mode))
            continue;
        reader->conversation->tool_choice = rows[i].choice;
        return;
    }
    reader_fail(reader, ERROR_SYNTAX, path, NULL, "must be \"auto\", \"none\" or \"required\"");
}

void reader_choose_named(struct conversation_reader *reader, yyjson_val *holder, const char *path)
{
    struct conversation *conversation = reader->conversation;
    conversation->tool_choice = TOOL_CHOICE_NAMED;
    conversation->tool_choice_name = reader_need_text(reader, holder, "name", path);
    reader->choice_path = path;
}

static struct text allowed_name(yyjson_val *entry)
{
    struct text type = TEXT(""), name = TEXT("");
    yyjson_val *inner = yyjson_obj_get(entry, "function");
    if (inner == NULL)
        inner = yyjson_obj_get(entry, "custom");
    if (json_get_text(inner != NULL ? inner : entry, "name", &name) == JSON_PRESENT)
        return name;
    return json_get_text(entry, "type", &type) == JSON_PRESENT ? type : name;
}

static const struct tool *find_tool(const struct conversation *conversation, struct text name)
{
    for (size_t i = 0; i < conversation->tool_count; i++)
        if (text_equal(conversation->tools[i].name, name))
            return &conversation->tools[i];
    return NULL;
}

/* The others are not offered to the model at all. */
static void filter_tools(struct conversation_reader *reader)
{
    struct conversation *conversation = reader->conversation;
    struct tool *kept = reader_take(reader, yyjson_arr_size(reader->allowed), sizeof(*kept));
    size_t count = 0, index, size;
    yyjson_val *entry;
    yyjson_arr_foreach(reader->allowed, index, size, entry)
    {
        const struct tool *tool = find_tool(conversation, allowed_name(entry));
        if (tool == NULL)
            reader_fail(reader, ERROR_SYNTAX,
                        reader_path(reader, "tool_choice.tools", (int64_t)index, NULL, -1), NULL,
                        "names no tool of this request");
        if (reader->error != ERROR_OK)
            return;
        kept[count++] = *tool;
    }
    conversation->tools = kept;
    conversation->tool_count = count;
    reader_tool_mode(reader, reader->allowed_mode, "tool_choice.mode");
    if (conversation->tool_choice != TOOL_CHOICE_AUTO)
        conversation->stated |= PARAMETER_BIT(PARAMETER_TOOL_CHOICE);
}

void reader_settle_tools(struct conversation_reader *reader)
{
    struct conversation *conversation = reader->conversation;
    if (reader->error != ERROR_OK)
        return;
    if (reader->allowed != NULL)
        filter_tools(reader);
    if (conversation->tool_choice != TOOL_CHOICE_NAMED)
        return;
    if (find_tool(conversation, conversation->tool_choice_name) == NULL)
        reader_fail(reader, ERROR_SYNTAX, reader->choice_path, NULL,
                    "names no tool of this request");
}

void reader_schema(struct conversation_reader *reader, yyjson_val *schema, const char *path)
{
    struct conversation *conversation = reader->conversation;
    conversation->format = ANSWER_SCHEMA;
    conversation->schema_name = reader_need_text(reader, schema, "name", path);
    conversation->schema_description = reader_text(reader, schema, "description", path);
    conversation->schema = reader_object(reader, schema, "schema", path);
    conversation->schema_strict = reader_flag(reader, schema, "strict", path);
}
