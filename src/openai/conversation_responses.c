/* The items, tools and formats of responses. Source: OpenAI API reference, "Create a model
 * response".
 *
 * All parts of a request lie in one array, in the order of its items: so the parts of a run of
 * items that make one turn lie beside each other. */
#include "codec/json.h"
#include "openai/conversation_reader.h"

struct items {
    struct conversation_reader *reader;
    struct part *parts; /* room for all */
    size_t part_count;
    struct turn *turns;
    size_t turn_count;
    bool calls; /* the last turn may take further items of the assistant's, or further results */
};

static struct part *add_part(struct items *items, enum part_kind kind, const char *path)
{
    struct part *part = &items->parts[items->part_count++];
    part->kind = kind;
    part->path = path;
    items->turns[items->turn_count - 1].part_count++;
    return part;
}

static void begin_turn(struct items *items, enum turn_role role, bool joins)
{
    if (joins && items->calls && items->turn_count > 0 &&
        items->turns[items->turn_count - 1].role == role)
        return;
    items->calls = joins;
    items->turns[items->turn_count++] =
        (struct turn){.role = role, .parts = items->parts + items->part_count};
}

/* ---- content ---- */

static void read_image(struct conversation_reader *reader, yyjson_val *value, struct part *part)
{
    struct text url = reader_text(reader, value, "image_url", part->path);
    part->media.file_id = reader_text(reader, value, "file_id", part->path);
    part->media.detail = reader_text(reader, value, "detail", part->path);
    if (text_empty(url) == text_empty(part->media.file_id))
        reader_fail(reader, ERROR_SYNTAX, part->path, NULL,
                    "must have either image_url or file_id");
    else if (!text_empty(url))
        reader_media_url(reader, url, part->path, "image_url", &part->media);
}

static void read_file(struct conversation_reader *reader, yyjson_val *value, struct part *part)
{
    struct text url = reader_text(reader, value, "file_url", part->path);
    struct text data = reader_text(reader, value, "file_data", part->path);
    part->media.file_name = reader_text(reader, value, "filename", part->path);
    part->media.file_id = reader_text(reader, value, "file_id", part->path);
    if (!text_empty(url) + !text_empty(data) + !text_empty(part->media.file_id) != 1)
        reader_fail(reader, ERROR_SYNTAX, part->path, NULL,
                    "must have one of file_data, file_url and file_id");
    else if (!text_empty(url))
        reader_media_url(reader, url, part->path, "file_url", &part->media);
    else if (!text_empty(data))
        reader_file_data(reader, data, part->path, &part->media);
}

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

enum place { IN_MESSAGE = 1, IN_ANSWER = 2, IN_RESULT = 4 };

static const struct part_row {
    struct text type;
    enum part_kind kind;
    unsigned places;
    void (*read)(struct conversation_reader *reader, yyjson_val *value, struct part *part);
} part_rows[] = {
    {TEXT_INIT("input_text"), PART_TEXT, IN_MESSAGE | IN_ANSWER | IN_RESULT, read_text},
    {TEXT_INIT("output_text"), PART_TEXT, IN_MESSAGE | IN_ANSWER | IN_RESULT, read_text},
    {TEXT_INIT("refusal"), PART_REFUSAL, IN_ANSWER, read_refusal},
    {TEXT_INIT("input_image"), PART_IMAGE, IN_MESSAGE | IN_RESULT, read_image},
    {TEXT_INIT("input_file"), PART_FILE, IN_MESSAGE | IN_RESULT, read_file},
    {TEXT_INIT("input_audio"), PART_AUDIO, IN_MESSAGE, reader_audio},
};

static const struct part_row *find_part(struct text type, enum place place)
{
    for (size_t i = 0; i < ARRAY_LENGTH(part_rows); i++)
        if ((part_rows[i].places & place) != 0 && text_equal(part_rows[i].type, type))
            return &part_rows[i];
    return NULL;
}

/* Fills `part`; false when it says nothing. */
static bool read_part(struct conversation_reader *reader, yyjson_val *value, enum place place,
                      struct part *part)
{
    if (!yyjson_is_obj(value)) {
        reader_fail(reader, ERROR_SYNTAX, part->path, NULL, "must be an object");
        return false;
    }
    const struct part_row *row =
        find_part(reader_need_text(reader, value, "type", part->path), place);
    if (row == NULL) {
        reader_fail(reader, ERROR_UNSUPPORTED, part->path, "type",
                    "is no kind of content that may stand here");
        return false;
    }
    part->kind = row->kind;
    row->read(reader, value, part);
    reader_cache_mark(reader, value, part->path, &part->cache_mark, &part->cache_ttl);
    return part->kind != PART_TEXT || !text_empty(part->text);
}

static size_t content_room(yyjson_val *content)
{
    return yyjson_is_arr(content) ? yyjson_arr_size(content) : 1;
}

static void read_content(struct items *items, yyjson_val *content, enum place place,
                         size_t item_index)
{
    struct conversation_reader *reader = items->reader;
    struct turn *turn = &items->turns[items->turn_count - 1];
    size_t index, size;
    yyjson_val *value;
    if (yyjson_is_str(content)) {
        if (yyjson_get_len(content) > 0)
            add_part(items, PART_TEXT,
                     reader_path(reader, "input", (int64_t)item_index, ".content", -1))
                ->text = reader_value_text(content);
        return;
    }
    if (!yyjson_is_arr(content)) {
        reader_fail(reader, ERROR_SYNTAX,
                    reader_path(reader, "input", (int64_t)item_index, ".content", -1), NULL,
                    "must be a string or an array of parts");
        return;
    }
    yyjson_arr_foreach(content, index, size, value)
    {
        struct part *part =
            add_part(items, PART_TEXT,
                     reader_path(reader, "input", (int64_t)item_index, ".content", (int64_t)index));
        if (read_part(reader, value, place, part))
            continue;
        *part = (struct part){0};
        items->part_count--;
        turn->part_count--;
    }
}

/* ---- items ---- */

struct item_row;
typedef void (*read_item)(struct items *items, yyjson_val *item, size_t index, const char *path);

static void read_message(struct items *items, yyjson_val *item, size_t index, const char *path)
{
    static const struct {
        struct text name;
        enum turn_role role;
        bool developer;
    } rows[] = {
        {TEXT_INIT("user"), TURN_USER, false},
        {TEXT_INIT("assistant"), TURN_ASSISTANT, false},
        {TEXT_INIT("system"), TURN_SYSTEM, false},
        {TEXT_INIT("developer"), TURN_SYSTEM, true},
    };
    struct text role = reader_need_text(items->reader, item, "role", path);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (!text_equal(rows[i].name, role))
            continue;
        bool answer = rows[i].role == TURN_ASSISTANT;
        begin_turn(items, rows[i].role, answer);
        items->turns[items->turn_count - 1].developer = rows[i].developer;
        read_content(items, yyjson_obj_get(item, "content"), answer ? IN_ANSWER : IN_MESSAGE,
                     index);
        return;
    }
    reader_fail(items->reader, ERROR_SYNTAX, path, "role",
                "must be user, assistant, system or developer");
}

static void read_call(struct items *items, yyjson_val *item, const char *path, bool custom)
{
    struct conversation_reader *reader = items->reader;
    begin_turn(items, TURN_ASSISTANT, true);
    struct part *part = add_part(items, PART_TOOL_CALL, path);
    part->custom = custom;
    part->id = reader_need_text(reader, item, "call_id", path);
    part->name = reader_need_text(reader, item, "name", path);
    if (custom)
        part->text = reader_text(reader, item, "input", path);
    else
        part->arguments = reader_text(reader, item, "arguments", path);
    reader_remember_call(reader, part);
}

static void read_function_call(struct items *items, yyjson_val *item, size_t index,
                               const char *path)
{
    read_call(items, item, path, false);
}

static void read_custom_call(struct items *items, yyjson_val *item, size_t index, const char *path)
{
    read_call(items, item, path, true);
}

static void read_results(struct conversation_reader *reader, yyjson_val *output, size_t index,
                         struct part *result)
{
    struct part *parts = reader_take(reader, content_room(output), sizeof(*parts));
    size_t part_index, size;
    yyjson_val *value;
    if (parts == NULL)
        return;
    result->results = parts;
    if (yyjson_is_str(output)) {
        parts[0] = (struct part){
            .kind = PART_TEXT, .text = reader_value_text(output), .path = result->path};
        result->result_count = parts[0].text.length > 0;
        return;
    }
    if (!yyjson_is_arr(output)) {
        reader_fail(reader, ERROR_SYNTAX, result->path, "output",
                    "must be a string or an array of parts");
        return;
    }
    yyjson_arr_foreach(output, part_index, size, value)
    {
        struct part *part = &parts[result->result_count];
        *part = (struct part){
            .path = reader_path(reader, "input", (int64_t)index, ".output", (int64_t)part_index)};
        if (read_part(reader, value, IN_RESULT, part))
            result->result_count++;
    }
}

/* Of either kind of call: which it was, the call tells. */
static void read_result(struct items *items, yyjson_val *item, size_t index, const char *path)
{
    struct conversation_reader *reader = items->reader;
    begin_turn(items, TURN_USER, true);
    struct part *part = add_part(items, PART_TOOL_RESULT, path);
    part->id = reader_need_text(reader, item, "call_id", path);
    const struct conversation_call *call = reader_find_call(reader, part->id);
    if (call != NULL) {
        part->name = call->name;
        part->custom = call->custom;
    }
    read_results(reader, yyjson_obj_get(item, "output"), index, part);
    reader_cache_mark(reader, item, path, &part->cache_mark, &part->cache_ttl);
}

/* The texts of an array of parts, with a blank line between them. */
static struct text join_texts(struct conversation_reader *reader, yyjson_val *parts)
{
    struct text joined = TEXT("");
    size_t index, size;
    yyjson_val *value;
    yyjson_arr_foreach(parts, index, size, value)
    {
        struct text text = TEXT("");
        if (json_get_text(value, "text", &text) != JSON_PRESENT || text_empty(text))
            continue;
        if (text_empty(joined))
            joined = text;
        else
            joined = arena_format(reader->arena, "%.*s\n\n%.*s", TEXT_ARG(joined), TEXT_ARG(text));
        if (joined.data == NULL) {
            reader->error = reader->error == ERROR_OK ? ERROR_MEMORY : reader->error;
            return TEXT("");
        }
    }
    return joined;
}

/* "tp1.anthropic.text.SEAL". What others sealed is none. */
static void read_seal(struct part *part, struct text sealed)
{
    struct text tag = TEXT(CONVERSATION_SEAL_TAG);
    if (!text_starts_with(sealed, tag))
        return;
    struct text rest = text_from_index(sealed, tag.length);
    struct text origin = text_split(&rest, '.'), form = text_split(&rest, '.');
    bool whole = text_equal(form, TEXT("whole"));
    if (text_empty(origin) || text_empty(rest) || (!whole && !text_equal(form, TEXT("text"))))
        return;
    part->seal_origin = origin;
    part->seal = rest;
    part->sealed_text = whole;
}

static void read_reasoning(struct items *items, yyjson_val *item, size_t index, const char *path)
{
    struct conversation_reader *reader = items->reader;
    struct part part = {.kind = PART_REASONING, .path = path};
    read_seal(&part, reader_text(reader, item, "encrypted_content", path));
    part.text = join_texts(reader, reader_array(reader, item, "summary", path));
    if (text_empty(part.text))
        part.text = join_texts(reader, reader_array(reader, item, "content", path));
    if (text_empty(part.text) && text_empty(part.seal))
        return;
    begin_turn(items, TURN_ASSISTANT, true);
    *add_part(items, PART_REASONING, path) = part;
}

static void refuse_reference(struct items *items, yyjson_val *item, size_t index, const char *path)
{
    reader_fail(items->reader, ERROR_UNSUPPORTED, path, "id",
                "names an item that only the provider which made it keeps: send the item itself");
}

static const struct item_row {
    struct text type;
    read_item read;
} item_rows[] = {
    {TEXT_INIT("message"), read_message},
    {TEXT_INIT("function_call"), read_function_call},
    {TEXT_INIT("function_call_output"), read_result},
    {TEXT_INIT("custom_tool_call"), read_custom_call},
    {TEXT_INIT("custom_tool_call_output"), read_result},
    {TEXT_INIT("reasoning"), read_reasoning},
    {TEXT_INIT("item_reference"), refuse_reference},
};

static void read_one(struct items *items, yyjson_val *item, size_t index)
{
    struct conversation_reader *reader = items->reader;
    const char *path = reader_path(reader, "input", (int64_t)index, NULL, -1);
    if (!yyjson_is_obj(item)) {
        reader_fail(reader, ERROR_SYNTAX, path, NULL, "must be an object");
        return;
    }
    struct text type = reader_text(reader, item, "type", path);
    if (text_empty(type)) /* the easy form of a message; a reference may lack it too */
        type = reader_find(item, "role") == NULL && reader_find(item, "id") != NULL
                   ? TEXT("item_reference")
                   : TEXT("message");
    for (size_t i = 0; i < ARRAY_LENGTH(item_rows); i++) {
        if (!text_equal(item_rows[i].type, type))
            continue;
        item_rows[i].read(items, item, index, path);
        return;
    }
    reader_fail(reader, ERROR_UNSUPPORTED, path, "type",
                "is a kind of item that only the provider which made it understands");
}

static size_t parts_room(yyjson_val *input)
{
    size_t index, size, room = 1; /* the instructions */
    yyjson_val *item;
    if (!yyjson_is_arr(input))
        return room + 1;
    yyjson_arr_foreach(input, index, size, item) room +=
        content_room(yyjson_obj_get(item, "content"));
    return room + yyjson_arr_size(input);
}

void conversation_read_input(struct conversation_reader *reader, yyjson_val *instructions,
                             yyjson_val *input)
{
    struct conversation *conversation = reader->conversation;
    size_t index, size;
    yyjson_val *item;
    bool many = yyjson_is_arr(input);
    if (!many && !yyjson_is_str(input)) {
        reader_fail(reader, ERROR_SYNTAX, "input", NULL, "must be a string or an array of items");
        return;
    }
    if (instructions != NULL && !yyjson_is_null(instructions) && !yyjson_is_str(instructions))
        reader_fail(reader, ERROR_SYNTAX, "instructions", NULL, "must be a string");
    struct items items = {.reader = reader};
    items.parts = reader_take(reader, parts_room(input), sizeof(struct part));
    items.turns = reader_take(reader, 1 + (many ? yyjson_arr_size(input) : 1), sizeof(struct turn));
    if (items.parts == NULL || items.turns == NULL)
        return;
    if (yyjson_get_len(instructions) > 0 && yyjson_is_str(instructions)) {
        begin_turn(&items, TURN_SYSTEM, false);
        add_part(&items, PART_TEXT, "instructions")->text = reader_value_text(instructions);
    }
    if (!many) {
        begin_turn(&items, TURN_USER, false);
        add_part(&items, PART_TEXT, "input")->text = reader_value_text(input);
    }
    yyjson_arr_foreach(input, index, size, item)
    {
        read_one(&items, item, index);
        if (reader->error != ERROR_OK)
            return;
    }
    conversation->turns = items.turns;
    conversation->turn_count = items.turn_count;
}

/* ---- tools, formats ---- */

void conversation_read_flat_tools(struct conversation_reader *reader, yyjson_val *tools)
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
        if (text_equal(tool->type, TEXT("function")))
            reader_function_tool(reader, value, tool);
        else
            reader_other_tool(reader, value, tool);
        tool++;
    }
}

void conversation_read_flat_choice(struct conversation_reader *reader, yyjson_val *choice)
{
    struct conversation *conversation = reader->conversation;
    if (yyjson_is_str(choice)) {
        reader_tool_mode(reader, reader_value_text(choice), "tool_choice");
        return;
    }
    struct text type = reader_need_text(reader, choice, "type", "tool_choice");
    if (text_equal(type, TEXT("allowed_tools"))) {
        reader->allowed_mode = reader_need_text(reader, choice, "mode", "tool_choice");
        reader->allowed = reader_array(reader, choice, "tools", "tool_choice");
        return;
    }
    if (text_equal(type, TEXT("function")) || text_equal(type, TEXT("custom"))) {
        reader_choose_named(reader, choice, "tool_choice");
        return;
    }
    /* A tool of the provider's: by its type. */
    conversation->tool_choice = TOOL_CHOICE_NAMED;
    conversation->tool_choice_name = type;
    reader->choice_path = "tool_choice";
}

void conversation_read_flat_format(struct conversation_reader *reader, yyjson_val *format)
{
    struct text type = reader_need_text(reader, format, "type", "text.format");
    if (text_equal(type, TEXT("text")))
        return;
    if (text_equal(type, TEXT("json_object")))
        reader->conversation->format = ANSWER_JSON;
    else if (text_equal(type, TEXT("json_schema")))
        reader_schema(reader, format, "text.format");
    else
        reader_fail(reader, ERROR_UNSUPPORTED, "text.format", "type",
                    "must be \"text\", \"json_object\" or \"json_schema\"");
}
