/* cohere: Cohere's own API, version 2: chat with tools, reasoning and citations; embeddings.
 *
 * Usage is told twice: what is billed, by which calls are priced, and what was counted, which
 * callers see. Source: Cohere API reference, "Chat (v2)", "Chat with Streaming", "Embed (v2)".
 * Assumed: names of tools as version 1 documents them. */
#include "base/attributes.h"
#include "provider/alias.h"
#include "provider/dialect.h"
#include "provider/listing.h"
#include "provider/native.h"

#define BIT(name) PARAMETER_BIT(PARAMETER_##name)

/* Of one request (API reference: Embed). */
#define TEXTS_MAX 96u

static const struct alias_rule tool_name = {.marks = "_", .maximum = 64};

static struct text text_at(yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    return text_of(yyjson_get_str(value), yyjson_get_len(value));
}

struct state {
    unsigned status;                  /* of the head */
    int tools[TRANSLATION_TOOLS_MAX]; /* the translation's, by Cohere's index; -1: not begun */
};

static struct state *make_state(struct native_ask *ask)
{
    struct state *state = arena_take(ask->arena, sizeof *state);
    if (state == NULL)
        return NULL;
    state->status = 0;
    for (size_t i = 0; i < TRANSLATION_TOOLS_MAX; i++)
        state->tools[i] = -1;
    ask->state = state;
    return state;
}

static void read_head(struct native_answer *answer, const struct http1_head *head)
{
    struct state *state = answer->state;
    state->status = head->status;
}

/* ---- messages ---- */

/* Pictures by URL are fetched by Cohere. */
static enum error write_image(struct native_ask *ask, const struct part *part)
{
    struct json_writer *json = ask->body;
    struct text url = part->media.url;
    if (text_empty(url) && text_empty(part->media.data))
        return native_refuse(ask, text_from(part->path),
                             "names a stored file, which Cohere does not have; send its data");
    if (text_empty(url))
        url = arena_format(ask->arena, "data:%.*s;base64,%.*s", TEXT_ARG(part->media.mime),
                           TEXT_ARG(part->media.data));
    if (url.data == NULL)
        return ERROR_MEMORY;
    json_begin_object(json);
    json_member_text(json, "type", TEXT("image_url"));
    json_key(json, TEXT("image_url"));
    json_begin_object(json);
    json_member_text(json, "url", url);
    if (!text_empty(part->media.detail))
        json_member_text(json, "detail", part->media.detail);
    json_end_object(json);
    json_end_object(json);
    return ERROR_OK;
}

static void write_text(struct json_writer *json, struct text text)
{
    json_begin_object(json);
    json_member_text(json, "type", TEXT("text"));
    json_member_text(json, "text", text);
    json_end_object(json);
}

static enum error write_part(struct native_ask *ask, const struct part *part)
{
    if (part->kind == PART_IMAGE)
        return write_image(ask, part);
    if (part->kind != PART_TEXT && part->kind != PART_REFUSAL)
        return native_refuse(ask, text_from(part->path), "is of a kind that Cohere does not take");
    write_text(ask->body, part->text);
    return ERROR_OK;
}

static enum error write_call(struct native_ask *ask, const struct part *part)
{
    struct json_writer *json = ask->body;
    struct text name = alias_make(ask->arena, part->name, &tool_name);
    struct text arguments = part->arguments;
    if (part->custom) {
        struct buffer made;
        buffer_open(&made, ask->call->body_maximum);
        buffer_append(&made, TEXT("{\"input\":"));
        json_append_text(&made, part->text);
        buffer_append(&made, TEXT("}"));
        arguments = made.failed ? text_of(NULL, 0) : arena_copy(ask->arena, buffer_text(&made));
        buffer_close(&made);
    }
    if (name.data == NULL || arguments.data == NULL)
        return ERROR_MEMORY;
    json_begin_object(json);
    json_member_text(json, "id", part->id);
    json_member_text(json, "type", TEXT("function"));
    json_key(json, TEXT("function"));
    json_begin_object(json);
    json_member_text(json, "name", name);
    json_member_text(json, "arguments", text_empty(arguments) ? TEXT("{}") : arguments);
    json_end_object(json);
    json_end_object(json);
    return ERROR_OK;
}

/* What is not text goes into no result of a tool here. */
static enum error write_result(struct native_ask *ask, const struct part *part)
{
    struct json_writer *json = ask->body;
    enum error error = ERROR_OK;
    json_begin_object(json);
    json_member_text(json, "role", TEXT("tool"));
    json_member_text(json, "tool_call_id", part->id);
    json_key(json, TEXT("content"));
    json_begin_array(json);
    for (size_t i = 0; i < part->result_count && error == ERROR_OK; i++)
        error = part->results[i].kind == PART_TEXT
                    ? write_part(ask, &part->results[i])
                    : native_refuse(ask, text_from(part->results[i].path),
                                    "is no text, which a tool's result must be with Cohere");
    if (part->result_count == 0)
        write_text(json, TEXT(""));
    json_end_array(json);
    json_end_object(json);
    return error;
}

static bool is_content(const struct part *part)
{
    return part->kind != PART_REASONING && part->kind != PART_TOOL_CALL &&
           part->kind != PART_TOOL_RESULT;
}

static size_t count_kind(const struct turn *turn, enum part_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < turn->part_count; i++)
        count += turn->parts[i].kind == kind;
    return count;
}

static enum error write_content(struct native_ask *ask, const struct turn *turn)
{
    enum error error = ERROR_OK;
    json_key(ask->body, TEXT("content"));
    json_begin_array(ask->body);
    for (size_t i = 0; i < turn->part_count && error == ERROR_OK; i++)
        if (is_content(&turn->parts[i]))
            error = write_part(ask, &turn->parts[i]);
    json_end_array(ask->body);
    return error;
}

/* What it thought before it called is told as the plan that Cohere has for that. */
static void write_plan(struct native_ask *ask, const struct turn *turn)
{
    for (size_t i = 0; i < turn->part_count; i++)
        if (turn->parts[i].kind == PART_REASONING && !text_empty(turn->parts[i].text)) {
            json_member_text(ask->body, "tool_plan", turn->parts[i].text);
            return;
        }
}

static enum error write_calls(struct native_ask *ask, const struct turn *turn)
{
    enum error error = ERROR_OK;
    write_plan(ask, turn);
    json_key(ask->body, TEXT("tool_calls"));
    json_begin_array(ask->body);
    for (size_t i = 0; i < turn->part_count && error == ERROR_OK; i++)
        if (turn->parts[i].kind == PART_TOOL_CALL)
            error = write_call(ask, &turn->parts[i]);
    json_end_array(ask->body);
    return error;
}

static enum error write_turn(struct native_ask *ask, const struct turn *turn)
{
    static const struct text roles[] = {[TURN_SYSTEM] = TEXT_INIT("system"),
                                        [TURN_USER] = TEXT_INIT("user"),
                                        [TURN_ASSISTANT] = TEXT_INIT("assistant")};
    enum error error = ERROR_OK;
    size_t calls = count_kind(turn, PART_TOOL_CALL);
    size_t results = count_kind(turn, PART_TOOL_RESULT);
    size_t content = turn->part_count - calls - results - count_kind(turn, PART_REASONING);
    for (size_t i = 0; i < turn->part_count && error == ERROR_OK; i++)
        if (turn->parts[i].kind == PART_TOOL_RESULT)
            error = write_result(ask, &turn->parts[i]);
    if (error != ERROR_OK || content + calls == 0)
        return error;
    json_begin_object(ask->body);
    json_member_text(ask->body, "role", roles[turn->role]);
    if (content > 0)
        error = write_content(ask, turn);
    if (error == ERROR_OK && calls > 0)
        error = write_calls(ask, turn);
    json_end_object(ask->body);
    return error;
}

/* ---- tools ---- */

static bool chooses(const struct conversation *conversation, enum tool_choice choice)
{
    return conversation_has(conversation, PARAMETER_TOOL_CHOICE) &&
           conversation->tool_choice == choice;
}

static void write_parameters(struct json_writer *json, const struct tool *tool)
{
    json_key(json, TEXT("parameters"));
    if (tool->kind == TOOL_CUSTOM)
        json_raw(json, TEXT("{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\"}},"
                            "\"required\":[\"input\"]}"));
    else if (tool->parameters == NULL)
        json_raw(json, TEXT("{\"type\":\"object\",\"properties\":{}}"));
    else
        native_write_value(json, tool->parameters);
}

static enum error write_tool(struct native_ask *ask, const struct tool *tool)
{
    struct json_writer *json = ask->body;
    struct text name = alias_make(ask->arena, tool->name, &tool_name);
    if (tool->kind != TOOL_FUNCTION && tool->kind != TOOL_CUSTOM)
        return native_refuse(ask, text_from(tool->path),
                             "is of a type that Cohere does not have; only functions are taken");
    if (name.data == NULL)
        return ERROR_MEMORY;
    json_begin_object(json);
    json_member_text(json, "type", TEXT("function"));
    json_key(json, TEXT("function"));
    json_begin_object(json);
    json_member_text(json, "name", name);
    if (!text_empty(tool->description))
        json_member_text(json, "description", tool->description);
    write_parameters(json, tool);
    json_end_object(json);
    json_end_object(json);
    return ERROR_OK;
}

/* Cohere is strict with all tools or with none. */
static bool all_strict(const struct conversation *conversation)
{
    for (size_t i = 0; i < conversation->tool_count; i++)
        if (!conversation->tools[i].strict)
            return false;
    return true;
}

/* A single tool that must be called is the only one that is offered. */
static enum error write_tools(struct native_ask *ask)
{
    const struct conversation *conversation = ask->conversation;
    struct json_writer *json = ask->body;
    bool named = chooses(conversation, TOOL_CHOICE_NAMED);
    enum error error = ERROR_OK;
    if (!conversation_has(conversation, PARAMETER_TOOLS) || conversation->tool_count == 0)
        return ERROR_OK;
    json_key(json, TEXT("tools"));
    json_begin_array(json);
    for (size_t i = 0; i < conversation->tool_count && error == ERROR_OK; i++)
        if (!named || text_equal(conversation->tools[i].name, conversation->tool_choice_name))
            error = write_tool(ask, &conversation->tools[i]);
    json_end_array(json);
    if (named || chooses(conversation, TOOL_CHOICE_REQUIRED))
        json_member_text(json, "tool_choice", TEXT("REQUIRED"));
    else if (chooses(conversation, TOOL_CHOICE_NONE))
        json_member_text(json, "tool_choice", TEXT("NONE"));
    if (all_strict(conversation))
        json_member_bool(json, "strict_tools", true);
    return error;
}

/* ---- parameters ---- */

static const struct {
    enum conversation_parameter parameter;
    const char *member, *key;
} passed[] = {
    {PARAMETER_TEMPERATURE, "temperature", "temperature"},
    {PARAMETER_TOP_K, "top_k", "k"},
    {PARAMETER_SEED, "seed", "seed"},
    {PARAMETER_FREQUENCY_PENALTY, "frequency_penalty", "frequency_penalty"},
    {PARAMETER_PRESENCE_PENALTY, "presence_penalty", "presence_penalty"},
};

/* As the caller wrote them. p is below 1 here: 1, which cuts nothing off, is left out. */
static void write_numbers(struct native_ask *ask)
{
    const struct conversation *conversation = ask->conversation;
    for (size_t i = 0; i < ARRAY_LENGTH(passed); i++) {
        if (!conversation_has(conversation, passed[i].parameter))
            continue;
        json_key(ask->body, text_from(passed[i].key));
        native_write_value(ask->body, yyjson_obj_get(conversation->root, passed[i].member));
    }
    if (conversation_has(conversation, PARAMETER_TOP_P) && conversation->top_p.value < 1) {
        json_key(ask->body, TEXT("p"));
        native_write_value(ask->body, yyjson_obj_get(conversation->root, "top_p"));
    }
    if (ask->output_limit >= 0)
        json_member_signed(ask->body, "max_tokens", ask->output_limit);
}

static void write_stop(struct native_ask *ask)
{
    const struct conversation *conversation = ask->conversation;
    if (!conversation_has(conversation, PARAMETER_STOP) || conversation->stop_count == 0)
        return;
    json_key(ask->body, TEXT("stop_sequences"));
    json_begin_array(ask->body);
    for (size_t i = 0; i < conversation->stop_count; i++)
        json_text(ask->body, conversation->stop[i]);
    json_end_array(ask->body);
}

static void write_format(struct native_ask *ask)
{
    const struct conversation *conversation = ask->conversation;
    struct json_writer *json = ask->body;
    if (!conversation_has(conversation, PARAMETER_RESPONSE_FORMAT))
        return;
    json_key(json, TEXT("response_format"));
    json_begin_object(json);
    json_member_text(json, "type", TEXT("json_object"));
    if (conversation->format == ANSWER_SCHEMA && conversation->schema != NULL) {
        json_key(json, TEXT("json_schema"));
        native_write_value(json, conversation->schema);
    }
    json_end_object(json);
}

/* Cohere has a budget where OpenAI has words. */
static enum error write_thinking(struct native_ask *ask)
{
    static const struct {
        struct text effort;
        int64_t budget; /* tokens; 0: do not think; -1: as much as it wants */
    } rows[] = {
        {TEXT_INIT("none"), 0},      {TEXT_INIT("minimal"), 1024}, {TEXT_INIT("low"), 2048},
        {TEXT_INIT("medium"), 8192}, {TEXT_INIT("high"), 16384},   {TEXT_INIT("xhigh"), 24576},
        {TEXT_INIT("max"), -1},
    };
    const struct conversation *conversation = ask->conversation;
    struct json_writer *json = ask->body;
    if (!conversation_has(conversation, PARAMETER_REASONING) || text_empty(conversation->effort))
        return ERROR_OK;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (!text_equal(rows[i].effort, conversation->effort))
            continue;
        int64_t budget = rows[i].budget;
        if (ask->output_limit >= 0 && budget > ask->output_limit / 5 * 4)
            budget = ask->output_limit / 5 * 4; /* the answer needs some too */
        json_key(json, TEXT("thinking"));
        json_begin_object(json);
        json_member_text(json, "type", budget == 0 ? TEXT("disabled") : TEXT("enabled"));
        if (budget > 0)
            json_member_signed(json, "token_budget", budget);
        json_end_object(json);
        return ERROR_OK;
    }
    return native_refuse(ask, TEXT("reasoning_effort"), "is no word that is known here");
}

static enum error write_chat(struct native_ask *ask)
{
    const struct conversation *conversation = ask->conversation;
    struct json_writer *json = ask->body;
    enum error error = ERROR_OK;
    if (make_state(ask) == NULL)
        return ERROR_MEMORY;
    dialect_write_credential(ask->lines, "authorization", "Bearer ", ask->call->credential);
    buffer_append(ask->target, TEXT("/chat"));
    json_begin_object(json);
    json_member_text(json, "model", ask->model);
    json_member_bool(json, "stream", ask->stream);
    json_key(json, TEXT("messages"));
    json_begin_array(json);
    for (size_t i = 0; i < conversation->turn_count && error == ERROR_OK; i++)
        error = write_turn(ask, &conversation->turns[i]);
    json_end_array(json);
    if (error == ERROR_OK)
        error = write_tools(ask);
    write_numbers(ask);
    write_stop(ask);
    write_format(ask);
    if (error == ERROR_OK)
        error = write_thinking(ask);
    json_end_object(json);
    return error;
}

/* ---- answers ---- */

static void count_usage(struct native_answer *answer)
{
    struct usage *usage = &answer->usage;
    usage->input = native_usage(answer, "tokens.input_tokens");
    usage->output = native_usage(answer, "tokens.output_tokens");
    if (usage->input < 0)
        usage->input = native_usage(answer, "billed_units.input_tokens");
    if (usage->output < 0)
        usage->output = native_usage(answer, "billed_units.output_tokens");
    usage->cached_input = native_usage(answer, "cached_tokens");
    if (usage->input >= 0)
        usage->total = usage->input + (usage->output < 0 ? 0 : usage->output);
}

/* Sources without an address are the caller's own documents and tools. */
static void read_citation(struct native_answer *answer, yyjson_val *citation)
{
    size_t index, count;
    yyjson_val *source;
    yyjson_val *start = yyjson_obj_get(citation, "start"), *end = yyjson_obj_get(citation, "end");
    yyjson_arr_foreach(yyjson_obj_get(citation, "sources"), index, count, source)
    {
        yyjson_val *document = yyjson_obj_get(source, "document");
        struct text url = text_at(document, "url");
        if (!text_empty(url))
            translation_citation(answer->translation, 0, url, text_at(document, "title"),
                                 yyjson_is_uint(start) ? yyjson_get_sint(start) : -1,
                                 yyjson_is_uint(end) ? yyjson_get_sint(end) : -1);
    }
}

static int begin_tool(struct native_answer *answer, yyjson_val *call)
{
    yyjson_val *function = yyjson_obj_get(call, "function");
    struct text name = alias_restore(answer->arena, answer->ask->conversation,
                                     text_at(function, "name"), &tool_name);
    int tool = translation_tool_begin(answer->translation, 0, text_at(call, "id"), name);
    translation_tool_arguments(answer->translation, 0, tool, text_at(function, "arguments"));
    return tool;
}

static void read_content(struct native_answer *answer, yyjson_val *content)
{
    translation_reasoning(answer->translation, 0, text_at(content, "thinking"));
    translation_text(answer->translation, 0, text_at(content, "text"));
}

/* ERROR_REFUSED: it says that it failed. */
static enum error read_finish(struct native_answer *answer, yyjson_val *root)
{
    struct text reason = text_at(root, "finish_reason");
    struct native_error error = {.message = text_at(root, "error")};
    bool late = text_equal(reason, TEXT("TIMEOUT"));
    native_take_usage(answer, yyjson_obj_get(root, "usage"));
    if (answer->usage.source != USAGE_NONE)
        translation_usage(answer->translation, &answer->usage);
    if (late || text_equal(reason, TEXT("ERROR"))) {
        if (text_empty(error.message))
            error.message = TEXT("The model failed while it was answering.");
        native_error_set(&error, late ? PROVIDER_FAILURE_TIMEOUT : PROVIDER_FAILURE_SERVER);
        native_fail(answer, &error);
        return ERROR_REFUSED;
    }
    translation_finish(answer->translation, 0,
                       text_equal(reason, TEXT("MAX_TOKENS")) ? FINISH_LENGTH : FINISH_STOP);
    return ERROR_OK;
}

static enum error read_chat(struct native_answer *answer, yyjson_val *root)
{
    yyjson_val *message = yyjson_obj_get(root, "message");
    size_t index, count;
    yyjson_val *item;
    if (!yyjson_is_obj(message))
        return ERROR_SYNTAX;
    translation_begin(answer->translation, text_at(root, "id"), TEXT(""));
    translation_reasoning(answer->translation, 0, text_at(message, "tool_plan"));
    yyjson_arr_foreach(yyjson_obj_get(message, "content"), index, count, item)
        read_content(answer, item);
    yyjson_arr_foreach(yyjson_obj_get(message, "citations"), index, count, item)
        read_citation(answer, item);
    yyjson_arr_foreach(yyjson_obj_get(message, "tool_calls"), index, count, item)
        translation_tool_end(answer->translation, 0, begin_tool(answer, item));
    return read_finish(answer, root);
}

/* ---- streams ---- */

/* Where the translation's number of a call is kept. NULL: there are too many. */
static int *tool_at(struct native_answer *answer, yyjson_val *event)
{
    struct state *state = answer->state;
    uint64_t index = yyjson_get_uint(yyjson_obj_get(event, "index"));
    return index < TRANSLATION_TOOLS_MAX ? &state->tools[index] : NULL;
}

static yyjson_val *message_of(yyjson_val *event)
{
    return yyjson_obj_get(yyjson_obj_get(event, "delta"), "message");
}

static enum error on_message_start(struct native_answer *answer, yyjson_val *event)
{
    translation_begin(answer->translation, text_at(event, "id"), TEXT(""));
    return ERROR_OK;
}

static enum error on_content(struct native_answer *answer, yyjson_val *event)
{
    read_content(answer, yyjson_obj_get(message_of(event), "content"));
    return ERROR_OK;
}

static enum error on_plan(struct native_answer *answer, yyjson_val *event)
{
    translation_reasoning(answer->translation, 0, text_at(message_of(event), "tool_plan"));
    return ERROR_OK;
}

static enum error on_tool_start(struct native_answer *answer, yyjson_val *event)
{
    int *tool = tool_at(answer, event);
    if (tool == NULL)
        return ERROR_LIMIT;
    *tool = begin_tool(answer, yyjson_obj_get(message_of(event), "tool_calls"));
    return ERROR_OK;
}

static enum error on_tool_delta(struct native_answer *answer, yyjson_val *event)
{
    int *tool = tool_at(answer, event);
    yyjson_val *call = yyjson_obj_get(message_of(event), "tool_calls");
    if (tool == NULL || *tool < 0)
        return ERROR_SYNTAX;
    translation_tool_arguments(answer->translation, 0, *tool,
                               text_at(yyjson_obj_get(call, "function"), "arguments"));
    return ERROR_OK;
}

static enum error on_tool_end(struct native_answer *answer, yyjson_val *event)
{
    int *tool = tool_at(answer, event);
    if (tool != NULL && *tool >= 0)
        translation_tool_end(answer->translation, 0, *tool);
    return ERROR_OK;
}

static enum error on_citation(struct native_answer *answer, yyjson_val *event)
{
    read_citation(answer, yyjson_obj_get(message_of(event), "citations"));
    return ERROR_OK;
}

static enum error on_message_end(struct native_answer *answer, yyjson_val *event)
{
    enum error error = read_finish(answer, yyjson_obj_get(event, "delta"));
    answer->complete = error == ERROR_OK;
    return error;
}

static enum error read_frame(struct native_answer *answer, const struct native_frame *frame)
{
    static const struct {
        struct text type;
        enum error (*read)(struct native_answer *answer, yyjson_val *event);
    } rows[] = {
        {TEXT_INIT("content-delta"), on_content},
        {TEXT_INIT("content-start"), on_content},
        {TEXT_INIT("tool-plan-delta"), on_plan},
        {TEXT_INIT("tool-call-start"), on_tool_start},
        {TEXT_INIT("tool-call-delta"), on_tool_delta},
        {TEXT_INIT("tool-call-end"), on_tool_end},
        {TEXT_INIT("citation-start"), on_citation},
        {TEXT_INIT("message-start"), on_message_start},
        {TEXT_INIT("message-end"), on_message_end},
    };
    struct text type = text_at(frame->root, "type");
    if (frame->root == NULL)
        return text_equal(frame->data, TEXT("[DONE]")) ? ERROR_OK : ERROR_SYNTAX;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (text_equal(rows[i].type, type))
            return rows[i].read(answer, frame->root);
    return ERROR_OK;
}

/* ---- errors ---- */

static void read_error(struct native_answer *answer, yyjson_val *root, struct native_error *error)
{
    static const struct {
        unsigned status;
        struct text words; /* empty: whatever it says */
        enum provider_failure failure;
    } rows[] = {
        {400, TEXT_INIT("too many tokens"), PROVIDER_FAILURE_CONTEXT_LENGTH},
        {400, TEXT_INIT("too long"), PROVIDER_FAILURE_CONTEXT_LENGTH},
        {422, TEXT_INIT("too many tokens"), PROVIDER_FAILURE_CONTEXT_LENGTH},
        {402, TEXT_INIT(""), PROVIDER_FAILURE_QUOTA},
        {429, TEXT_INIT("/ month"), PROVIDER_FAILURE_QUOTA}, /* what a trial key may spend */
        {498, TEXT_INIT(""), PROVIDER_FAILURE_CREDENTIAL},
        {499, TEXT_INIT(""), PROVIDER_FAILURE_SERVER},
        {501, TEXT_INIT(""), PROVIDER_FAILURE_REQUEST},
    };
    const struct state *state = answer->state;
    (void)root;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (rows[i].status == state->status && text_find(error->message, rows[i].words) >= 0) {
            native_error_set(error, rows[i].failure);
            return;
        }
}

/* ---- embeddings ---- */

static const char *const embedding_members[] = {"input_type", "truncate", NULL};

static struct text stated_or(struct native_ask *ask, const char *member, struct text usual)
{
    struct text stated = text_at(ask->embedding->root, member);
    return text_empty(stated) ? usual : stated;
}

/* Members of Cohere's own, which are words all. */
static enum error check_words(struct native_ask *ask)
{
    struct text word;
    for (size_t i = 0; embedding_members[i] != NULL; i++)
        if (json_get_text(ask->embedding->root, embedding_members[i], &word) == JSON_WRONG_TYPE)
            return native_refuse(ask, text_from(embedding_members[i]), "must be a string");
    return ERROR_OK;
}

/* A type of input is a must, of which OpenAI knows nothing: texts are taken for what is searched.
 * Nothing is cut off unless the caller says so, as OpenAI does not either. */
static enum error write_embeddings(struct native_ask *ask)
{
    const struct embedding *embedding = ask->embedding;
    struct json_writer *json = ask->body;
    if (embedding->input_count > TEXTS_MAX)
        return native_refuse(ask, TEXT("input"),
                             "has more than the 96 texts that Cohere takes in a call");
    enum error error = check_words(ask);
    if (error != ERROR_OK)
        return error;
    if (make_state(ask) == NULL)
        return ERROR_MEMORY;
    dialect_write_credential(ask->lines, "authorization", "Bearer ", ask->call->credential);
    buffer_append(ask->target, TEXT("/embed"));
    json_begin_object(json);
    json_member_text(json, "model", ask->model);
    json_key(json, TEXT("texts"));
    json_begin_array(json);
    for (size_t i = 0; i < embedding->input_count; i++)
        json_text(json, embedding->inputs[i]);
    json_end_array(json);
    json_member_text(json, "input_type", stated_or(ask, "input_type", TEXT("search_document")));
    json_member_text(json, "truncate", stated_or(ask, "truncate", TEXT("NONE")));
    json_key(json, TEXT("embedding_types"));
    json_raw(json, TEXT("[\"float\"]"));
    if (embedding->dimensions >= 0)
        json_member_signed(json, "output_dimension", embedding->dimensions);
    json_end_object(json);
    return ERROR_OK;
}

static enum error read_embeddings(struct native_answer *answer, yyjson_val *root,
                                  struct buffer *out)
{
    const struct embedding *asked = answer->ask->embedding;
    yyjson_val *vectors = yyjson_obj_get(yyjson_obj_get(root, "embeddings"), "float"), *vector;
    struct embedding_writer writer;
    size_t index, count;
    native_take_usage(answer, yyjson_obj_get(root, "meta"));
    embedding_write_begin(&writer, out, asked->base64);
    yyjson_arr_foreach(vectors, index, count,
                       vector) if (!embedding_write_vector(&writer, vector)) return ERROR_SYNTAX;
    if (writer.count != asked->input_count)
        return ERROR_SYNTAX;
    return embedding_write_end(&writer, asked->model, &answer->usage) ? ERROR_OK : ERROR_SYNTAX;
}

/* ---- what it has ---- */

/* "List models" is of version 1 of the API, beside which version 2 stands. */
static enum error list_ask(const struct listing_ask *ask)
{
    struct text base = ask->settings->base_path;
    if (text_ends_with(base, TEXT("/v2")))
        base = text_first(base, base.length - 3);
    buffer_append(ask->target, base);
    buffer_append(ask->target, TEXT("/v1/models?page_size=1000"));
    if (!text_empty(ask->page))
        listing_append_parameter(ask->target, "page_token", ask->page);
    dialect_write_credential(ask->lines, "authorization", "Bearer ", ask->credential);
    return ERROR_OK;
}

static enum error list_read(struct listing *listing, yyjson_val *root)
{
    static const char *const uses[] = {"chat", "embed", NULL};
    yyjson_val *rows = yyjson_obj_get(root, "models"), *row;
    size_t index, count;
    if (!yyjson_is_arr(rows))
        return ERROR_SYNTAX;
    yyjson_arr_foreach(rows, index, count, row)
    {
        if (listing_has_word(yyjson_obj_get(row, "endpoints"), uses))
            listing_add(listing, listing_text(row, "name"), 0);
    }
    listing_set_next(listing, listing_text(root, "next_page_token"));
    return ERROR_OK;
}

static const struct lister lister = {.ask = list_ask, .read = list_read};

static const struct native cohere = {
    .usage_dialect = TEXT_INIT("cohere"),
    .framing = NATIVE_SSE,
    .understood = BIT(TEMPERATURE) | BIT(TOP_P) | BIT(TOP_K) | BIT(STOP) | BIT(SEED) |
                  BIT(FREQUENCY_PENALTY) | BIT(PRESENCE_PENALTY) | BIT(TOOLS) | BIT(TOOL_CHOICE) |
                  BIT(RESPONSE_FORMAT) | BIT(REASONING) | BIT(PROMPT_CACHE_KEY) | BIT(INCLUDE),
    .embedding_members = embedding_members,
    .write_chat = write_chat,
    .write_embeddings = write_embeddings,
    .read_chat = read_chat,
    .read_frame = read_frame,
    .read_embeddings = read_embeddings,
    .count_usage = count_usage,
    .read_head = read_head,
    .read_error = read_error,
};

extern const struct provider provider_cohere;
const struct provider provider_cohere = {
    .name = TEXT_INIT("cohere"),
    .prepare = native_prepare,
    .answer_open = native_answer_open,
    .native = &cohere,
    .lister = &lister,
};
