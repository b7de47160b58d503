/* What stands beside the contents: generationConfig, tools, toolConfig, the service tier, labels.
 */
#include "provider/gemini.h"

#define STOP_MAX         5u  /* the API's limit */
#define LABELS_MAX       64u /* of a request (Vertex) */
#define LABEL_LENGTH_MAX 63u

struct options {
    struct native_ask *ask;
    const struct conversation *conversation;
    const struct gemini_place *place;
    struct json_writer *json;
};

static bool has(const struct options *options, enum conversation_parameter parameter)
{
    return conversation_has(options->conversation, parameter) &&
           !gemini_is_dropped(options->ask, parameter);
}

static enum error refuse(const struct options *options, enum conversation_parameter parameter,
                         const char *reason)
{
    return native_refuse(options->ask, conversation_parameter_name(parameter), reason);
}

/* ---- numbers ---- */

/* As short as it reads back the same. */
static void write_number(const struct options *options, const char *key,
                         const struct stated_number *number)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    char *digits = yyjson_mut_val_write(yyjson_mut_real(document, number->value), 0, NULL);
    if (digits == NULL) {
        options->json->out->failed = true;
    } else {
        json_key(options->json, text_from(key));
        json_raw(options->json, text_from(digits));
    }
    free(digits);
    yyjson_mut_doc_free(document);
}

static void write_numbers(const struct options *options)
{
    const struct conversation *conversation = options->conversation;
    const struct {
        enum conversation_parameter parameter;
        const char *key;
        const struct stated_number *number;
    } rows[] = {
        {PARAMETER_TEMPERATURE, "temperature", &conversation->temperature},
        {PARAMETER_TOP_P, "topP", &conversation->top_p},
        {PARAMETER_PRESENCE_PENALTY, "presencePenalty", &conversation->presence_penalty},
        {PARAMETER_FREQUENCY_PENALTY, "frequencyPenalty", &conversation->frequency_penalty},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (has(options, rows[i].parameter))
            write_number(options, rows[i].key, rows[i].number);
    if (has(options, PARAMETER_TOP_K))
        json_member_signed(options->json, "topK", conversation->top_k);
    if (options->ask->output_limit >= 0)
        json_member_signed(options->json, "maxOutputTokens", options->ask->output_limit);
    if (has(options, PARAMETER_N))
        json_member_signed(options->json, "candidateCount", conversation->n);
}

static enum error write_seed(const struct options *options)
{
    int64_t seed = options->conversation->seed;
    if (!has(options, PARAMETER_SEED))
        return ERROR_OK;
    if (seed < INT32_MIN || seed > INT32_MAX)
        return refuse(options, PARAMETER_SEED, "must fit in 32 bits for this provider");
    json_member_signed(options->json, "seed", seed);
    return ERROR_OK;
}

static enum error write_stop(const struct options *options)
{
    const struct conversation *conversation = options->conversation;
    if (!has(options, PARAMETER_STOP))
        return ERROR_OK;
    if (conversation->stop_count > STOP_MAX)
        return refuse(options, PARAMETER_STOP, "has more than the 5 that this provider takes");
    json_key(options->json, TEXT("stopSequences"));
    json_begin_array(options->json);
    for (size_t i = 0; i < conversation->stop_count; i++)
        json_text(options->json, conversation->stop[i]);
    json_end_array(options->json);
    return ERROR_OK;
}

static void write_logprobs(const struct options *options)
{
    bool top = has(options, PARAMETER_TOP_LOGPROBS);
    if (!top && !has(options, PARAMETER_LOGPROBS))
        return;
    json_member_bool(options->json, "responseLogprobs", true);
    if (top)
        json_member_signed(options->json, "logprobs", options->conversation->top_logprobs);
}

/* ---- reasoning ---- */

/* OpenAI's words to thinkingLevel (3 and later) and thinkingBudget (2.5), as Google's own
 * OpenAI-compatible endpoint has them. */
static const struct effort_row {
    struct text effort;
    const char *level;
    int budget;
} effort_rows[] = {
    {TEXT_INIT("none"), "MINIMAL", 0},  {TEXT_INIT("minimal"), "MINIMAL", 1024},
    {TEXT_INIT("low"), "LOW", 1024},    {TEXT_INIT("medium"), "MEDIUM", 8192},
    {TEXT_INIT("high"), "HIGH", 24576}, {TEXT_INIT("xhigh"), "HIGH", 24576},
    {TEXT_INIT("max"), "HIGH", 24576},
};

#define PRO_BUDGET_MIN 128 /* gemini-2.5-pro cannot stop thinking */

static const struct effort_row *find_effort(struct text effort)
{
    for (size_t i = 0; i < ARRAY_LENGTH(effort_rows); i++)
        if (text_equal(effort_rows[i].effort, effort))
            return &effort_rows[i];
    return NULL;
}

static struct text level_of(const struct gemini_model *model, const struct effort_row *row)
{
    struct text level = text_from(row->level);
    bool minimal = !model->pro && model->generation < GEMINI_3_7;
    if (text_equal(level, TEXT("MINIMAL")) && !minimal)
        return TEXT("LOW");
    if (text_equal(level, TEXT("MEDIUM")) && model->pro && model->generation < GEMINI_3_1)
        return TEXT("HIGH");
    return level;
}

/* Thoughts are told where the caller shows that it knows of such: with an effort in chat, with a
 * summary in responses. */
static bool wants_thoughts(const struct conversation *conversation)
{
    if (conversation->api == CONVERSATION_RESPONSES)
        return !text_empty(conversation->summary) &&
               !text_equal(conversation->summary, TEXT("none"));
    return !text_empty(conversation->effort) && !text_equal(conversation->effort, TEXT("none"));
}

static enum error write_thinking(const struct options *options)
{
    const struct gemini_model *model = &options->place->model;
    const struct conversation *conversation = options->conversation;
    const struct effort_row *row = find_effort(conversation->effort);
    bool thoughts = wants_thoughts(conversation);
    if (!has(options, PARAMETER_REASONING))
        return ERROR_OK;
    if (!text_empty(conversation->effort) && row == NULL)
        return refuse(options, PARAMETER_REASONING, "is none of the efforts that are known");
    if (model->generation < GEMINI_2_5 || model->paints || model->speaks) {
        if (row != NULL && text_equal(row->effort, TEXT("none")))
            return ERROR_OK;
        return refuse(options, PARAMETER_REASONING, "is for models that think");
    }
    if (row == NULL && !thoughts)
        return ERROR_OK;
    json_key(options->json, TEXT("thinkingConfig"));
    json_begin_object(options->json);
    if (row != NULL && model->generation >= GEMINI_3)
        json_member_text(options->json, "thinkingLevel", level_of(model, row));
    else if (row != NULL)
        json_member_signed(options->json, "thinkingBudget",
                           row->budget == 0 && model->pro ? PRO_BUDGET_MIN : row->budget);
    if (thoughts)
        json_member_bool(options->json, "includeThoughts", true);
    json_end_object(options->json);
    return ERROR_OK;
}

/* ---- the form of the answer ---- */

static bool is_function(const struct tool *tool)
{
    return tool->kind == TOOL_FUNCTION || tool->kind == TOOL_CUSTOM;
}

static bool has_functions(const struct conversation *conversation)
{
    for (size_t i = 0; i < conversation->tool_count; i++)
        if (is_function(&conversation->tools[i]))
            return true;
    return false;
}

/* Models before Gemini 3 refuse JSON beside functions: they are asked for it in words. */
static bool asks_in_words(const struct options *options)
{
    return options->place->model.generation < GEMINI_3 && has_functions(options->conversation);
}

static enum error word_format(const struct options *options, struct text *instruction)
{
    const struct conversation *conversation = options->conversation;
    struct native_ask *ask = options->ask;
    struct text schema = TEXT("");
    if (conversation->format == ANSWER_SCHEMA)
        schema = native_value_text(ask->arena, conversation->schema);
    if (schema.data == NULL)
        return ERROR_MEMORY;
    *instruction =
        text_empty(schema)
            ? TEXT("Where you answer in text, answer with one JSON object and nothing else.")
            : arena_format(ask->arena,
                           "Where you answer in text, answer with one JSON value and nothing else. "
                           "It must be valid against this JSON Schema: %.*s",
                           TEXT_ARG(schema));
    return instruction->data == NULL ? ERROR_MEMORY : ERROR_OK;
}

static enum error write_format(const struct options *options, struct text *instruction)
{
    const struct conversation *conversation = options->conversation;
    bool json_schema = options->place->model.generation >= GEMINI_2_5;
    if (conversation->format == ANSWER_TEXT || !has(options, PARAMETER_RESPONSE_FORMAT))
        return ERROR_OK;
    if (asks_in_words(options))
        return word_format(options, instruction);
    json_member_text(options->json, "responseMimeType", TEXT("application/json"));
    if (conversation->format != ANSWER_SCHEMA || conversation->schema == NULL)
        return ERROR_OK;
    json_key(options->json, json_schema ? TEXT("responseJsonSchema") : TEXT("responseSchema"));
    return gemini_write_schema(options->ask, conversation->schema, json_schema, "response_format");
}

static enum error write_config(const struct options *options, struct text *instruction)
{
    json_key(options->json, TEXT("generationConfig"));
    json_begin_object(options->json);
    write_numbers(options);
    write_logprobs(options);
    enum error error = write_seed(options);
    if (error == ERROR_OK)
        error = write_stop(options);
    if (error == ERROR_OK)
        error = write_thinking(options);
    if (error == ERROR_OK)
        error = write_format(options, instruction);
    if (error == ERROR_OK)
        json_end_object(options->json);
    return error;
}

/* ---- tools ---- */

/* Tools that Google runs: OpenAI's and Google's own names of them. */
static const struct {
    struct text type;
    const char *member;
} own_tools[] = {
    {TEXT_INIT("google_search"), "googleSearch"},
    {TEXT_INIT("url_context"), "urlContext"},
    {TEXT_INIT("code_execution"), "codeExecution"},
    {TEXT_INIT("google_maps"), "googleMaps"},
    {TEXT_INIT("enterprise_web_search"), "enterpriseWebSearch"},
};

static const char *own_member(const struct tool *tool)
{
    if (tool->kind == TOOL_WEB_SEARCH)
        return "googleSearch";
    for (size_t i = 0; tool->kind == TOOL_OTHER && i < ARRAY_LENGTH(own_tools); i++)
        if (text_equal(own_tools[i].type, tool->type))
            return own_tools[i].member;
    return NULL;
}

/* {"type": "url_context", "url_context": {…}}: what it is set to, if anything. */
static void write_own_tool(struct json_writer *json, const struct tool *tool, const char *member)
{
    yyjson_val *settings = tool->kind == TOOL_OTHER
                               ? yyjson_obj_getn(tool->raw, tool->type.data, tool->type.length)
                               : NULL;
    json_begin_object(json);
    json_key(json, text_from(member));
    if (yyjson_is_obj(settings)) {
        native_write_value(json, settings);
    } else {
        json_begin_object(json);
        json_end_object(json);
    }
    json_end_object(json);
}

/* A tool that takes text is a function of one text (openai/translation.h). */
static void write_custom(struct json_writer *json)
{
    json_key(json, TEXT("parameters"));
    json_raw(json, TEXT("{\"type\":\"OBJECT\",\"properties\":{\"input\":{\"type\":\"STRING\"}},"
                        "\"required\":[\"input\"]}"));
}

static enum error write_function(const struct options *options, const struct tool *tool)
{
    struct json_writer *json = options->json;
    bool json_schema = options->place->model.generation >= GEMINI_2_5;
    enum error error = ERROR_OK;
    json_begin_object(json);
    json_member_text(json, "name", tool->name);
    if (!text_empty(tool->description))
        json_member_text(json, "description", tool->description);
    if (tool->kind == TOOL_CUSTOM) {
        write_custom(json);
    } else if (!gemini_schema_is_empty(tool->parameters)) {
        json_key(json, json_schema ? TEXT("parametersJsonSchema") : TEXT("parameters"));
        error = gemini_write_schema(options->ask, tool->parameters, json_schema, tool->path);
    }
    if (error == ERROR_OK)
        json_end_object(json);
    return error;
}

/* All functions in one tool: some models refuse several. */
static enum error write_functions(const struct options *options)
{
    const struct conversation *conversation = options->conversation;
    enum error error = ERROR_OK;
    json_begin_object(options->json);
    json_key(options->json, TEXT("functionDeclarations"));
    json_begin_array(options->json);
    for (size_t i = 0; i < conversation->tool_count && error == ERROR_OK; i++)
        if (is_function(&conversation->tools[i]))
            error = write_function(options, &conversation->tools[i]);
    if (error != ERROR_OK)
        return error;
    json_end_array(options->json);
    json_end_object(options->json);
    return ERROR_OK;
}

static enum error write_tools(const struct options *options)
{
    const struct conversation *conversation = options->conversation;
    enum error error = ERROR_OK;
    if (conversation->tool_count == 0)
        return ERROR_OK;
    json_key(options->json, TEXT("tools"));
    json_begin_array(options->json);
    if (has_functions(conversation))
        error = write_functions(options);
    for (size_t i = 0; i < conversation->tool_count && error == ERROR_OK; i++) {
        const struct tool *tool = &conversation->tools[i];
        const char *member = own_member(tool);
        if (is_function(tool))
            continue;
        if (member == NULL)
            error = native_refuse(options->ask, text_from(tool->path),
                                  "is no tool that this provider has");
        else
            write_own_tool(options->json, tool, member);
    }
    if (error == ERROR_OK)
        json_end_array(options->json);
    return error;
}

static bool has_strict(const struct conversation *conversation)
{
    for (size_t i = 0; i < conversation->tool_count; i++)
        if (conversation->tools[i].kind == TOOL_FUNCTION && conversation->tools[i].strict)
            return true;
    return false;
}

static bool has_own(const struct conversation *conversation)
{
    for (size_t i = 0; i < conversation->tool_count; i++)
        if (!is_function(&conversation->tools[i]))
            return true;
    return false;
}

/* Empty: what the API does when nothing is said. */
static struct text mode_of(const struct options *options)
{
    const struct conversation *conversation = options->conversation;
    switch (conversation->tool_choice) {
    case TOOL_CHOICE_NONE: return TEXT("NONE");
    case TOOL_CHOICE_REQUIRED:
    case TOOL_CHOICE_NAMED: return TEXT("ANY");
    case TOOL_CHOICE_AUTO:
    case TOOL_CHOICE_UNSTATED: break;
    }
    if (has_strict(conversation) && options->place->model.generation >= GEMINI_2_5)
        return TEXT("VALIDATED"); /* text or calls, which fit their schema */
    return conversation->tool_choice == TOOL_CHOICE_AUTO ? TEXT("AUTO") : TEXT("");
}

/* Gemini 3 on Vertex streams the arguments of calls; elsewhere they come at once. */
static bool streams_arguments(const struct options *options)
{
    return options->ask->stream && options->place->vertex &&
           options->place->model.generation >= GEMINI_3;
}

static void write_calling(const struct options *options, struct text mode)
{
    const struct conversation *conversation = options->conversation;
    struct json_writer *json = options->json;
    json_key(json, TEXT("functionCallingConfig"));
    json_begin_object(json);
    if (!text_empty(mode))
        json_member_text(json, "mode", mode);
    if (conversation->tool_choice == TOOL_CHOICE_NAMED) {
        json_key(json, TEXT("allowedFunctionNames"));
        json_begin_array(json);
        json_text(json, conversation->tool_choice_name);
        json_end_array(json);
    }
    if (streams_arguments(options))
        json_member_bool(json, "streamFunctionCallArguments", true);
    json_end_object(json);
}

static void write_tool_config(const struct options *options)
{
    const struct conversation *conversation = options->conversation;
    struct text mode = mode_of(options);
    bool both = has_own(conversation) && options->place->model.generation >= GEMINI_3 &&
                !options->place->vertex;
    if (!has_functions(conversation) || (text_empty(mode) && !streams_arguments(options) && !both))
        return;
    json_key(options->json, TEXT("toolConfig"));
    json_begin_object(options->json);
    if (!text_empty(mode) || streams_arguments(options))
        write_calling(options, mode);
    if (both)
        json_member_bool(options->json, "includeServerSideToolInvocations", true);
    json_end_object(options->json);
}

/* ---- who pays, and how fast ---- */

static enum error write_tier(const struct options *options)
{
    static const struct {
        struct text asked, tier;
    } rows[] = {
        {TEXT_INIT("default"), TEXT_INIT("standard")},
        {TEXT_INIT("standard"), TEXT_INIT("standard")},
        {TEXT_INIT("flex"), TEXT_INIT("flex")},
        {TEXT_INIT("priority"), TEXT_INIT("priority")},
    };
    if (!has(options, PARAMETER_SERVICE_TIER))
        return ERROR_OK;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (text_equal(rows[i].asked, options->conversation->service_tier)) {
            json_member_text(options->json, "serviceTier", rows[i].tier);
            return ERROR_OK;
        }
    return refuse(options, PARAMETER_SERVICE_TIER, "is no tier that this provider has");
}

/* A label has small letters, digits, '-' and '_', and a key begins with a letter. */
static struct text label_of(struct arena *arena, struct text text, bool key)
{
    size_t length = text.length < LABEL_LENGTH_MAX ? text.length : LABEL_LENGTH_MAX;
    char *bytes = arena_take(arena, length + 1);
    if (bytes == NULL)
        return text_of(NULL, 0);
    for (size_t i = 0; i < length; i++) {
        char c = text.data[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c | 0x20);
        bool small = c >= 'a' && c <= 'z', digit = c >= '0' && c <= '9';
        bool fits = small || ((digit || c == '-' || c == '_') && (i > 0 || !key));
        bytes[i] = fits ? c : key && i == 0 ? 'x' : '-';
    }
    return text_of(bytes, length);
}

static void write_label(const struct options *options, struct text key, struct text value)
{
    struct text name = label_of(options->ask->arena, key, true);
    struct text content = label_of(options->ask->arena, value, false);
    if (name.data == NULL || content.data == NULL) {
        options->json->out->failed = true;
        return;
    }
    if (text_empty(name))
        return;
    json_key(options->json, name);
    json_text(options->json, content);
}

/* Labels are what Vertex bills by. */
static enum error write_labels(const struct options *options)
{
    const struct conversation *conversation = options->conversation;
    yyjson_val *key, *value;
    size_t index, count;
    bool metadata = has(options, PARAMETER_METADATA), user = has(options, PARAMETER_USER),
         person = has(options, PARAMETER_SAFETY_IDENTIFIER);
    if (!options->place->vertex || (!metadata && !user && !person))
        return ERROR_OK;
    if (metadata && yyjson_obj_size(conversation->metadata) > LABELS_MAX - 2)
        return refuse(options, PARAMETER_METADATA, "has more members than there may be labels");
    json_key(options->json, TEXT("labels"));
    json_begin_object(options->json);
    if (user)
        write_label(options, TEXT("user"), conversation->user);
    if (person)
        write_label(options, TEXT("safety_identifier"), conversation->safety_identifier);
    yyjson_obj_foreach(json_members(metadata ? conversation->metadata : NULL), index, count, key,
                       value)
        write_label(options, text_of(yyjson_get_str(key), yyjson_get_len(key)),
                    text_of(yyjson_get_str(value), yyjson_get_len(value)));
    json_end_object(options->json);
    return ERROR_OK;
}

enum error gemini_write_options(struct native_ask *ask, const struct gemini_place *place,
                                struct text *instruction)
{
    struct options options = {
        .ask = ask, .conversation = ask->conversation, .place = place, .json = ask->body};
    enum error error = write_config(&options, instruction);
    if (error == ERROR_OK)
        error = write_tools(&options);
    if (error != ERROR_OK)
        return error;
    write_tool_config(&options);
    error = write_tier(&options);
    return error == ERROR_OK ? write_labels(&options) : error;
}
