/* Tools and which of them is to be called. Sources: Anthropic API reference, Messages, "tools" and
 * "tool_choice"; "Structured outputs"; "Web search tool". */
#include "provider/anthropic_parts.h"

/* Every model that searches knows this version, and it runs no code. */
static const struct text web_search_type = TEXT_INIT("web_search_20250305");
static const struct text web_search_name = TEXT_INIT("web_search");

/* Of a tool that stands for a format. */
static const struct text answer_tool_name = TEXT_INIT("structured_answer");

static const struct beta_row {
    struct text type;
    const char *beta;
} tool_betas[] = {
    {TEXT_INIT("computer_20250124"), "computer-use-2025-01-24"},
    {TEXT_INIT("computer_20251124"), "computer-use-2025-11-24"},
};

const struct alias_rule anthropic_alias_rule = {.marks = "_-", .maximum = 64};

/* ---- what to do ---- */

static bool has_tool(const struct conversation *conversation, struct text name)
{
    for (size_t i = 0; i < conversation->tool_count; i++)
        if (text_equal(conversation->tools[i].name, name))
            return true;
    return false;
}

/* A format that the model cannot be held to becomes a tool that it must call, unless the caller
 * wants one of his own called anyway. */
static void choose_answer_tool(struct anthropic_writer *writer)
{
    const struct conversation *conversation = writer->ask->conversation;
    bool held = writer->model->takes_schema && !writer->host->no_schema;
    if (conversation->format != ANSWER_SCHEMA || held || anthropic_forces_tool(writer))
        return;
    if (has_tool(conversation, answer_tool_name))
        anthropic_refuse(writer, TEXT("tools"),
                         "have the name structured_answer, which the response_format needs on "
                         "this model");
    bool others = conversation->tool_count > 0 && writer->tool_choice != TOOL_CHOICE_NONE;
    writer->tool_choice = others ? TOOL_CHOICE_REQUIRED : TOOL_CHOICE_NAMED;
    writer->tool_name = writer->answer_tool = answer_tool_name;
}

void anthropic_choose_tools(struct anthropic_writer *writer)
{
    const struct conversation *conversation = writer->ask->conversation;
    /* A choice without tools is refused. */
    writer->tool_choice =
        conversation->tool_count > 0 ? conversation->tool_choice : TOOL_CHOICE_UNSTATED;
    writer->tool_name = conversation->tool_choice_name;
    choose_answer_tool(writer);
}

bool anthropic_forces_tool(const struct anthropic_writer *writer)
{
    return writer->tool_choice == TOOL_CHOICE_REQUIRED || writer->tool_choice == TOOL_CHOICE_NAMED;
}

/* ---- tools ---- */

static void write_name(struct anthropic_writer *writer, struct text name)
{
    struct text written = alias_make(writer->ask->arena, name, &anthropic_alias_rule);
    if (written.data == NULL && writer->error == ERROR_OK)
        writer->error = ERROR_MEMORY;
    json_member_text(writer->json, "name", written);
}

static void write_schema(struct anthropic_writer *writer, const struct tool *tool, bool strict)
{
    struct text schema = TEXT("{}");
    enum error error =
        strict ? anthropic_schema_strict(writer->ask->arena, tool->parameters, true, &schema)
               : anthropic_schema_object(writer->ask->arena, tool->parameters, &schema);
    if (error == ERROR_UNSUPPORTED)
        anthropic_refuse(writer, text_from(tool->path),
                         strict ? "has parameters that are nested too deeply"
                                : "has parameters that are no object");
    else if (error != ERROR_OK && writer->error == ERROR_OK)
        writer->error = error;
    json_key(writer->json, TEXT("input_schema"));
    json_raw(writer->json, schema);
}

static void write_function(struct anthropic_writer *writer, const struct tool *tool)
{
    bool strict = tool->strict && writer->model->takes_schema && !writer->host->no_schema;
    json_begin_object(writer->json);
    write_name(writer, tool->name);
    if (!text_empty(tool->description))
        json_member_text(writer->json, "description", tool->description);
    write_schema(writer, tool, strict);
    if (strict)
        json_member_bool(writer->json, "strict", true);
    anthropic_write_mark(writer, tool->cache_mark, tool->cache_ttl, text_from(tool->path));
    json_end_object(writer->json);
}

/* {"type":"grammar", …} or {"type":"text"}: of chat within "custom", of responses beside it. */
static yyjson_val *custom_grammar(const struct tool *tool)
{
    yyjson_val *custom = yyjson_obj_get(tool->raw, "custom");
    yyjson_val *format = yyjson_obj_get(custom != NULL ? custom : tool->raw, "format");
    if (!yyjson_equals_str(yyjson_obj_get(format, "type"), "grammar"))
        return NULL;
    yyjson_val *grammar = yyjson_obj_get(format, "grammar");
    return grammar != NULL ? grammar : format;
}

/* The grammar cannot be enforced; the model is told of it. */
static struct text describe_custom(struct anthropic_writer *writer, const struct tool *tool)
{
    yyjson_val *grammar = custom_grammar(tool);
    struct text syntax = TEXT(""), definition = TEXT("");
    (void)json_get_text(grammar, "syntax", &syntax);
    (void)json_get_text(grammar, "definition", &definition);
    if (text_empty(definition))
        return TEXT("The tool's input, as it is.");
    struct text made = arena_format(
        writer->ask->arena, "The tool's input, as it is. It must follow this %.*s grammar:\n%.*s",
        TEXT_ARG(syntax), TEXT_ARG(definition));
    if (made.data == NULL && writer->error == ERROR_OK)
        writer->error = ERROR_MEMORY;
    return made;
}

/* A tool that takes text is one that takes an object with that text. */
static void write_custom(struct anthropic_writer *writer, const struct tool *tool)
{
    struct json_writer *json = writer->json;
    json_begin_object(json);
    write_name(writer, tool->name);
    if (!text_empty(tool->description))
        json_member_text(json, "description", tool->description);
    json_key(json, TEXT("input_schema"));
    json_begin_object(json);
    json_member_text(json, "type", TEXT("object"));
    json_key(json, TEXT("properties"));
    json_begin_object(json);
    json_key(json, TEXT("input"));
    json_begin_object(json);
    json_member_text(json, "type", TEXT("string"));
    json_member_text(json, "description", describe_custom(writer, tool));
    json_end_object(json);
    json_end_object(json);
    json_key(json, TEXT("required"));
    json_raw(json, TEXT("[\"input\"]"));
    json_member_bool(json, "additionalProperties", false);
    json_end_object(json);
    anthropic_write_mark(writer, tool->cache_mark, tool->cache_ttl, text_from(tool->path));
    json_end_object(json);
}

static void write_location(struct anthropic_writer *writer, yyjson_val *location)
{
    static const char *const keys[] = {"city", "region", "country", "timezone"};
    yyjson_val *inner = yyjson_obj_get(location, "approximate"); /* so in chat */
    if (!yyjson_is_obj(location))
        return;
    json_key(writer->json, TEXT("user_location"));
    json_begin_object(writer->json);
    json_member_text(writer->json, "type", TEXT("approximate"));
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        struct text value;
        if (json_get_text(inner != NULL ? inner : location, keys[i], &value) == JSON_PRESENT)
            json_member_text(writer->json, keys[i], value);
    }
    json_end_object(writer->json);
}

static void write_domains(struct anthropic_writer *writer, yyjson_val *filters)
{
    static const char *const keys[] = {"allowed_domains", "blocked_domains"};
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        yyjson_val *domains = yyjson_obj_get(filters, keys[i]);
        if (!yyjson_is_arr(domains) || yyjson_arr_size(domains) == 0)
            continue;
        json_key(writer->json, text_from(keys[i]));
        native_write_value(writer->json, domains);
    }
}

/* How much of what is found the model gets to see cannot be told: what is not the usual is said to
 * be so. */
static void check_context_size(struct anthropic_writer *writer, const struct tool *tool)
{
    static const struct text name = TEXT_INIT("search_context_size");
    struct text size = TEXT("medium");
    if (json_get_text(tool->raw, name.data, &size) != JSON_PRESENT ||
        text_equal(size, TEXT("medium")) || anthropic_is_dropped(writer, name))
        return;
    anthropic_refuse(writer, name, "is nothing that this model's search knows");
}

static void write_web_search(struct anthropic_writer *writer, const struct tool *tool)
{
    check_context_size(writer, tool);
    json_begin_object(writer->json);
    json_member_text(writer->json, "type", web_search_type);
    json_member_text(writer->json, "name", web_search_name);
    write_domains(writer, yyjson_obj_get(tool->raw, "filters"));
    write_location(writer, yyjson_obj_get(tool->raw, "user_location"));
    json_end_object(writer->json);
}

/* "web_search_20260318": tools of the API's own have the day of their making in their type. */
static bool is_dated(struct text type)
{
    static const size_t digits = 8;
    if (type.length < digits + 2 || type.data[type.length - digits - 1] != '_')
        return false;
    struct text date = text_from_index(type, type.length - digits);
    for (size_t i = 0; i < date.length; i++)
        if (date.data[i] < '0' || date.data[i] > '9')
            return false;
    return text_starts_with(date, TEXT("20"));
}

static void write_own_tool(struct anthropic_writer *writer, const struct tool *tool)
{
    if (!is_dated(tool->type)) {
        anthropic_refuse(writer, text_from(tool->path),
                         "is of a type that this model does not have");
        return;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(tool_betas); i++)
        if (text_equal(tool_betas[i].type, tool->type))
            writer->tool_beta = tool_betas[i].beta;
    native_write_value(writer->json, tool->raw);
}

static void write_tool(struct anthropic_writer *writer, const struct tool *tool)
{
    bool own = tool->kind == TOOL_WEB_SEARCH || tool->kind == TOOL_OTHER;
    if (own && writer->host->no_server_tools)
        anthropic_refuse(writer, text_from(tool->path),
                         "is of a type that this provider does not have");
    switch (tool->kind) {
    case TOOL_FUNCTION: write_function(writer, tool); break;
    case TOOL_CUSTOM: write_custom(writer, tool); break;
    case TOOL_WEB_SEARCH: write_web_search(writer, tool); break;
    case TOOL_OTHER: write_own_tool(writer, tool); break;
    }
}

static void write_answer_tool(struct anthropic_writer *writer)
{
    const struct conversation *conversation = writer->ask->conversation;
    const struct tool tool = {
        .kind = TOOL_FUNCTION,
        .name = writer->answer_tool,
        .description = text_empty(conversation->schema_description)
                           ? TEXT("Gives the answer. Its input is the whole answer.")
                           : conversation->schema_description,
        .parameters = conversation->schema,
        .path = "response_format",
    };
    write_function(writer, &tool);
}

void anthropic_write_tools(struct anthropic_writer *writer)
{
    const struct conversation *conversation = writer->ask->conversation;
    if (conversation->tool_count == 0 && text_empty(writer->answer_tool))
        return;
    json_key(writer->json, TEXT("tools"));
    json_begin_array(writer->json);
    for (size_t i = 0; i < conversation->tool_count; i++)
        write_tool(writer, &conversation->tools[i]);
    if (!text_empty(writer->answer_tool))
        write_answer_tool(writer);
    json_end_array(writer->json);
}

/* ---- tool_choice ---- */

/* What the API calls the tool that the caller names. */
static struct text chosen_name(const struct anthropic_writer *writer)
{
    const struct conversation *conversation = writer->ask->conversation;
    for (size_t i = 0; i < conversation->tool_count; i++)
        if (text_equal(conversation->tools[i].name, writer->tool_name) &&
            conversation->tools[i].kind == TOOL_WEB_SEARCH)
            return web_search_name;
    return writer->tool_name;
}

void anthropic_write_tool_choice(struct anthropic_writer *writer)
{
    static const struct text types[] = {
        [TOOL_CHOICE_UNSTATED] = TEXT_INIT("auto"), [TOOL_CHOICE_AUTO] = TEXT_INIT("auto"),
        [TOOL_CHOICE_NONE] = TEXT_INIT("none"),     [TOOL_CHOICE_REQUIRED] = TEXT_INIT("any"),
        [TOOL_CHOICE_NAMED] = TEXT_INIT("tool"),
    };
    const struct conversation *conversation = writer->ask->conversation;
    bool tools = conversation->tool_count > 0 || !text_empty(writer->answer_tool);
    bool one = conversation->parallel_stated && !conversation->parallel &&
               writer->tool_choice != TOOL_CHOICE_NONE;
    if (!tools || (writer->tool_choice == TOOL_CHOICE_UNSTATED && !one))
        return;
    json_key(writer->json, TEXT("tool_choice"));
    json_begin_object(writer->json);
    json_member_text(writer->json, "type", types[writer->tool_choice]);
    if (writer->tool_choice == TOOL_CHOICE_NAMED)
        write_name(writer, chosen_name(writer));
    if (one)
        json_member_bool(writer->json, "disable_parallel_tool_use", true);
    json_end_object(writer->json);
}
