/* The body of Converse and ConverseStream. Sources: API reference, Converse; for what lies in
 * additionalModelRequestFields the models' own pages. Assumed, as no page says it: that Claude's
 * own tool_choice may stand there, and reasoningConfig of Nova 2. */
#include "base/attributes.h"
#include "provider/bedrock_parts.h"

#define BIT(name) PARAMETER_BIT(PARAMETER_##name)

/* Of a request (API reference: RequestMetadata). */
#define METADATA_PAIRS_MAX 16u
#define METADATA_TEXT_MAX  256u
/* The least that Claude takes as a budget for thinking. */
#define BUDGET_MINIMUM 1024

struct format {
    bool native;        /* outputConfig */
    bool tool;          /* a tool whose input is the answer */
    struct text schema; /* JSON text */
};

struct plan {
    struct native_ask *ask;
    const struct conversation *conversation;
    struct bedrock_state *state;
    const struct bedrock_model *model;
    struct json_writer *json;
    struct format format;
    enum tool_choice choice; /* what is told of it */
    struct text effort;      /* in the provider's words; empty: not asked for */
    bool must_not_think;     /* Claude thinks unasked, and this call forbids it */
    bool claude_choice;      /* tool_choice is told in Claude's own words */
};

static bool has(const struct plan *plan, enum conversation_parameter parameter)
{
    return conversation_has(plan->conversation, parameter);
}

/* ---- reasoning ---- */

struct effort_row {
    struct text name;
    enum anthropic_effort level;
    int64_t budget; /* tokens, of models that are told no level */
};

static const struct effort_row efforts[] = {
    {TEXT_INIT("minimal"), ANTHROPIC_EFFORT_LOW, 1024},
    {TEXT_INIT("low"), ANTHROPIC_EFFORT_LOW, 2048},
    {TEXT_INIT("medium"), ANTHROPIC_EFFORT_MEDIUM, 8192},
    {TEXT_INIT("high"), ANTHROPIC_EFFORT_HIGH, 16384},
    {TEXT_INIT("xhigh"), ANTHROPIC_EFFORT_XHIGH, 24576},
    {TEXT_INIT("max"), ANTHROPIC_EFFORT_MAX, 28672}, /* Opus 4.1 writes 32,000 at most */
};

static const struct effort_row *find_effort(struct text name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(efforts); i++)
        if (text_equal(efforts[i].name, name))
            return &efforts[i];
    return NULL;
}

static bool is_none(struct text effort)
{
    return text_equal(effort, TEXT("none"));
}

static bool thinks_always(const struct plan *plan)
{
    return bedrock_is(plan->model, BEDROCK_THINKS_ALWAYS) ||
           (plan->state->claude != NULL && plan->state->claude->thinks_always);
}

static bool can_think(const struct plan *plan)
{
    const struct anthropic_model *claude = plan->state->claude;
    return claude != NULL ? claude->thinking != ANTHROPIC_THINKS_NEVER
                          : plan->model->thinking != THINKING_NONE;
}

/* Whether `reasoning_effort` can be honoured as it is. */
static bool knows_effort(const struct plan *plan)
{
    const struct anthropic_model *claude = plan->state->claude;
    struct text effort = plan->conversation->effort;
    if (text_empty(effort)) /* a summary is asked for, of what it thinks unasked */
        return true;
    if (is_none(effort))
        return !thinks_always(plan);
    const struct effort_row *row = find_effort(effort);
    if (row == NULL || !can_think(plan))
        return false;
    if (claude == NULL)
        return row->level <= ANTHROPIC_EFFORT_HIGH;
    if (claude->effort == ANTHROPIC_EFFORT_NONE)
        return true;
    return row->level <= claude->effort &&
           !(row->level == ANTHROPIC_EFFORT_XHIGH && claude->lacks_xhigh);
}

static bool is_forced(enum tool_choice choice)
{
    return choice == TOOL_CHOICE_REQUIRED || choice == TOOL_CHOICE_NAMED;
}

/* Claude does not think where it is made to call a tool. */
static void plan_thinking(struct plan *plan)
{
    const struct anthropic_model *claude = plan->state->claude;
    bool forced = is_forced(plan->choice) || plan->format.tool;
    bool stated = has(plan, PARAMETER_REASONING) && !text_empty(plan->conversation->effort);
    bool told_not_to = stated && is_none(plan->conversation->effort);
    bool asked = stated && !told_not_to;
    bool unasked =
        thinks_always(plan) || (claude != NULL && claude->thinks_unasked && !told_not_to);
    if (asked) {
        plan->effort = plan->conversation->effort;
        if (text_equal(plan->effort, TEXT("minimal")))
            plan->effort = TEXT("low");
    }
    plan->state->thinks = asked || unasked;
    if (claude == NULL)
        return;
    plan->must_not_think =
        claude->thinks_unasked && !claude->thinks_always && (told_not_to || (forced && !asked));
    if (plan->must_not_think)
        plan->state->thinks = false;
    /* A loop of calls that it began without thinking it must end without. */
    if (claude->thinking == ANTHROPIC_THINKS_BY_BUDGET && plan->state->thinks &&
        bedrock_lacks_reasoning(plan->conversation, plan->model)) {
        plan->state->thinks = false;
        plan->effort = TEXT("");
    }
}

/* Below what the answer may have; ERROR_UNSUPPORTED where that is not even the least budget. */
static enum error find_budget(const struct plan *plan, int64_t *budget)
{
    int64_t limit =
        plan->ask->output_limit >= 0 ? plan->ask->output_limit : plan->ask->output_largest;
    *budget = find_effort(plan->conversation->effort)->budget;
    if (limit < 0)
        return ERROR_OK;
    if (limit <= BUDGET_MINIMUM)
        return native_refuse(plan->ask, TEXT("reasoning_effort"),
                             "needs more than 1024 tokens of output on this model");
    if (*budget > limit / 5 * 4)
        *budget = limit / 5 * 4;
    if (*budget < BUDGET_MINIMUM)
        *budget = BUDGET_MINIMUM;
    return ERROR_OK;
}

/* Of models that keep their reasoning to themselves unless asked for a summary. Chat has no way to
 * ask. */
static bool wants_summary(const struct conversation *conversation)
{
    return conversation->api == CONVERSATION_CHAT ||
           (!text_empty(conversation->summary) && !is_none(conversation->summary));
}

static void write_effort(const struct plan *plan)
{
    struct json_writer *json = plan->json;
    json_key(json, TEXT("output_config"));
    json_begin_object(json);
    json_member_text(json, "effort", plan->effort);
    json_end_object(json);
}

static enum error write_claude_thinking(const struct plan *plan)
{
    const struct anthropic_model *claude = plan->state->claude;
    struct json_writer *json = plan->json;
    int64_t budget = 0;
    bool thinks = plan->state->thinks && !text_empty(plan->effort);
    if (!thinks && !plan->must_not_think)
        return ERROR_OK;
    if (thinks && claude->thinking == ANTHROPIC_THINKS_BY_BUDGET) {
        enum error error = find_budget(plan, &budget);
        if (error != ERROR_OK)
            return error;
    }
    json_key(json, TEXT("thinking"));
    json_begin_object(json);
    if (plan->must_not_think) {
        json_member_text(json, "type", TEXT("disabled"));
    } else if (claude->thinking == ANTHROPIC_THINKS_BY_BUDGET) {
        json_member_text(json, "type", TEXT("enabled"));
        json_member_signed(json, "budget_tokens", budget);
    } else {
        json_member_text(json, "type", TEXT("adaptive"));
        if (wants_summary(plan->conversation))
            json_member_text(json, "display", TEXT("summarized"));
    }
    json_end_object(json);
    if (thinks && claude->effort != ANTHROPIC_EFFORT_NONE)
        write_effort(plan);
    return ERROR_OK;
}

static enum error write_thinking(const struct plan *plan)
{
    struct json_writer *json = plan->json;
    if (plan->state->claude != NULL)
        return write_claude_thinking(plan);
    if (text_empty(plan->effort))
        return ERROR_OK;
    if (plan->model->thinking == THINKING_EFFORT) {
        json_member_text(json, "reasoning_effort", plan->effort);
        return ERROR_OK;
    }
    json_key(json, TEXT("reasoningConfig"));
    json_begin_object(json);
    json_member_text(json, "type", TEXT("enabled"));
    json_member_text(json, "maxReasoningEffort", plan->effort);
    json_end_object(json);
    return ERROR_OK;
}

/* ---- what the model understands ---- */

static uint64_t sampling(const struct plan *plan)
{
    const struct conversation *asked = plan->conversation;
    const struct anthropic_model *claude = plan->state->claude;
    uint64_t taken = BIT(TEMPERATURE) | BIT(TOP_P);
    if (plan->model->top_k != TOP_K_NONE)
        taken |= BIT(TOP_K);
    if (asked->temperature.stated && asked->temperature.value > 1)
        taken &= ~BIT(TEMPERATURE);
    if (claude == NULL)
        return taken;
    if (claude->fixed_sampling || plan->state->thinks) {
        taken &= ~BIT(TOP_K);
        if (asked->temperature.stated && asked->temperature.value != 1)
            taken &= ~BIT(TEMPERATURE);
        if (asked->top_p.stated && asked->top_p.value < (claude->fixed_sampling ? 0.99 : 0.95))
            taken &= ~BIT(TOP_P);
    }
    if (claude->one_sampling && asked->temperature.stated)
        taken &= ~BIT(TOP_P);
    return taken;
}

static enum error check_parameters(struct plan *plan)
{
    struct native_ask *ask = plan->ask;
    uint64_t understood = BEDROCK_UNDERSTOOD & ~(BIT(TEMPERATURE) | BIT(TOP_P) | BIT(TOP_K));
    understood |= sampling(plan);
    if (!bedrock_is(plan->model, BEDROCK_CLAUDE))
        understood &= ~BIT(PARALLEL_TOOL_CALLS);
    if (is_forced(plan->choice) && (!bedrock_is(plan->model, BEDROCK_FORCED_TOOL) ||
                                    (plan->state->claude != NULL && plan->state->thinks)))
        understood &= ~BIT(TOOL_CHOICE);
    if (plan->format.tool && (!bedrock_is(plan->model, BEDROCK_FORCED_TOOL) ||
                              (plan->state->claude != NULL && plan->state->thinks)))
        understood &= ~BIT(RESPONSE_FORMAT);
    if (!knows_effort(plan))
        understood &= ~BIT(REASONING);
    enum error error = conversation_check(ask->conversation, understood, ask->call->drop,
                                          ask->call->drop_count, ask->model, ask->problem);
    if (error == ERROR_UNSUPPORTED && plan->conversation->temperature.value > 1 &&
        text_equal(ask->problem->param, TEXT("temperature")))
        ask->problem->reason = TEXT("must not be above 1 on Bedrock");
    return error;
}

/* ---- format ---- */

static enum error find_schema(struct plan *plan)
{
    const struct conversation *conversation = plan->conversation;
    struct arena *arena = plan->ask->arena;
    struct text schema = TEXT("{\"type\":\"object\"}");
    if (conversation->format == ANSWER_SCHEMA && conversation->schema != NULL) {
        if (plan->state->claude != NULL && plan->format.native) {
            enum error error = anthropic_schema_strict(arena, conversation->schema, false, &schema);
            if (error == ERROR_UNSUPPORTED)
                return native_refuse(plan->ask, TEXT("response_format"),
                                     "has a schema that is nested too deeply");
            if (error != ERROR_OK)
                return error;
        } else {
            schema = native_value_text(arena, conversation->schema);
        }
    }
    plan->format.schema = schema;
    return schema.data == NULL ? ERROR_MEMORY : ERROR_OK;
}

/* A schema of the caller's where the model has constrained decoding, else a tool that it must call.
 * Any object is no schema that Claude's decoding takes. */
static enum error plan_format(struct plan *plan)
{
    const struct conversation *conversation = plan->conversation;
    const struct anthropic_model *claude = plan->state->claude;
    bool decodes = claude != NULL ? claude->takes_schema : bedrock_is(plan->model, BEDROCK_SCHEMA);
    if (!has(plan, PARAMETER_RESPONSE_FORMAT))
        return ERROR_OK;
    plan->format.native = decodes && (claude == NULL || conversation->format == ANSWER_SCHEMA);
    /* A tool that is called by force is what the caller wants to see. */
    plan->format.tool = !plan->format.native && !is_forced(plan->choice);
    return find_schema(plan);
}

static void write_output_config(const struct plan *plan)
{
    const struct conversation *conversation = plan->conversation;
    struct json_writer *json = plan->json;
    if (!plan->format.native)
        return;
    json_key(json, TEXT("outputConfig"));
    json_begin_object(json);
    json_key(json, TEXT("textFormat"));
    json_begin_object(json);
    json_member_text(json, "type", TEXT("json_schema"));
    json_key(json, TEXT("structure"));
    json_begin_object(json);
    json_key(json, TEXT("jsonSchema"));
    json_begin_object(json);
    json_member_text(json, "schema", plan->format.schema);
    if (!text_empty(conversation->schema_name))
        json_member_text(json, "name", conversation->schema_name);
    if (!text_empty(conversation->schema_description))
        json_member_text(json, "description", conversation->schema_description);
    json_end_object(json);
    json_end_object(json);
    json_end_object(json);
    json_end_object(json);
}

/* ---- tools ---- */

#define ANY_OBJECT "{\"type\":\"object\",\"properties\":{}}"
#define TEXT_OBJECT                                                                        \
    "{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\"}},\"required\":[" \
    "\"input\"]}"

static void write_specification(struct json_writer *json, struct text name, struct text description,
                                struct text schema, bool strict)
{
    json_begin_object(json);
    json_key(json, TEXT("toolSpec"));
    json_begin_object(json);
    json_member_text(json, "name", name);
    if (!bedrock_is_blank(description))
        json_member_text(json, "description", description);
    json_key(json, TEXT("inputSchema"));
    json_begin_object(json);
    json_key(json, TEXT("json"));
    json_raw(json, schema);
    json_end_object(json);
    if (strict)
        json_member_bool(json, "strict", true);
    json_end_object(json);
    json_end_object(json);
}

static enum error find_tool_schema(const struct plan *plan, const struct tool *tool, bool strict,
                                   struct text *schema)
{
    struct arena *arena = plan->ask->arena;
    *schema = tool->kind == TOOL_CUSTOM ? TEXT(TEXT_OBJECT) : TEXT(ANY_OBJECT);
    if (tool->parameters == NULL || yyjson_obj_size(tool->parameters) == 0)
        return ERROR_OK;
    if (plan->state->claude == NULL) {
        *schema = native_value_text(arena, tool->parameters);
        return schema->data == NULL ? ERROR_MEMORY : ERROR_OK;
    }
    enum error error = strict ? anthropic_schema_strict(arena, tool->parameters, true, schema)
                              : anthropic_schema_object(arena, tool->parameters, schema);
    return error != ERROR_UNSUPPORTED
               ? error
               : native_refuse(plan->ask, text_from(tool->path), "has parameters of no object");
}

static enum error write_tool(const struct plan *plan, const struct tool *tool)
{
    struct json_writer *json = plan->json;
    const struct anthropic_model *claude = plan->state->claude;
    bool strict = tool->kind == TOOL_FUNCTION && tool->strict_stated && tool->strict &&
                  (claude != NULL ? claude->takes_schema : bedrock_is(plan->model, BEDROCK_SCHEMA));
    struct text schema;
    if (tool->kind != TOOL_FUNCTION && tool->kind != TOOL_CUSTOM)
        return native_refuse(plan->ask, text_from(tool->path),
                             "is of a type that Bedrock does not have; only functions are taken");
    struct text name = alias_make(plan->ask->arena, tool->name, &bedrock_tool_name);
    if (name.data == NULL)
        return ERROR_MEMORY;
    enum error error = find_tool_schema(plan, tool, strict, &schema);
    if (error != ERROR_OK)
        return error;
    write_specification(json, name, tool->description, schema, strict);
    if (tool->cache_mark && bedrock_is(plan->model, BEDROCK_CACHES_TOOLS))
        bedrock_write_cache_point(json, tool->cache_ttl);
    return ERROR_OK;
}

/* Names that the history calls by. */
static bool is_first_use(const struct conversation *conversation, const struct part *part)
{
    for (size_t i = 0; i < conversation->turn_count; i++)
        for (size_t j = 0; j < conversation->turns[i].part_count; j++) {
            const struct part *other = &conversation->turns[i].parts[j];
            if (other == part)
                return true;
            if (other->kind == PART_TOOL_CALL && text_equal(other->name, part->name))
                return false;
        }
    return true;
}

static void write_stub(const struct plan *plan, struct text name)
{
    write_specification(plan->json, name, TEXT("This tool is not available any more."),
                        TEXT(ANY_OBJECT), false);
}

/* Converse wants toolConfig wherever messages have calls or results. */
static enum error write_stubs(const struct plan *plan)
{
    const struct conversation *conversation = plan->conversation;
    bool any = false;
    for (size_t i = 0; i < conversation->turn_count; i++)
        for (size_t j = 0; j < conversation->turns[i].part_count; j++) {
            const struct part *part = &conversation->turns[i].parts[j];
            if (part->kind != PART_TOOL_CALL || !is_first_use(conversation, part))
                continue;
            struct text name = alias_make(plan->ask->arena, part->name, &bedrock_tool_name);
            if (name.data == NULL)
                return ERROR_MEMORY;
            write_stub(plan, name);
            any = true;
        }
    if (!any) /* results alone */
        write_stub(plan, TEXT("unknown"));
    return ERROR_OK;
}

static const struct tool *find_tool(const struct conversation *conversation, struct text name)
{
    for (size_t i = 0; i < conversation->tool_count; i++)
        if (text_equal(conversation->tools[i].name, name))
            return &conversation->tools[i];
    return NULL;
}

/* A name that none of the caller's tools has. */
static enum error name_format_tool(struct plan *plan)
{
    struct text name = TEXT("answer");
    for (unsigned i = 2; find_tool(plan->conversation, name) != NULL; i++)
        name = arena_format(plan->ask->arena, "answer_%u", i);
    plan->state->format_tool = name;
    return name.data == NULL ? ERROR_MEMORY : ERROR_OK;
}

static bool offers_tools(const struct plan *plan)
{
    return has(plan, PARAMETER_TOOLS) && plan->conversation->tool_count > 0 &&
           (plan->choice != TOOL_CHOICE_NONE || plan->claude_choice);
}

static void write_choice_name(struct json_writer *json, const char *key, struct text name)
{
    json_key(json, text_from(key));
    json_begin_object(json);
    if (!text_empty(name))
        json_member_text(json, "name", name);
    json_end_object(json);
}

static struct text chosen_name(const struct plan *plan)
{
    return alias_make(plan->ask->arena, plan->conversation->tool_choice_name, &bedrock_tool_name);
}

static void write_choice(const struct plan *plan)
{
    struct json_writer *json = plan->json;
    bool only_format = plan->format.tool && !offers_tools(plan);
    if (plan->claude_choice || (plan->choice <= TOOL_CHOICE_NONE && !plan->format.tool))
        return;
    json_key(json, TEXT("toolChoice"));
    json_begin_object(json);
    if (only_format)
        write_choice_name(json, "tool", plan->state->format_tool);
    else if (plan->choice == TOOL_CHOICE_NAMED)
        write_choice_name(json, "tool", chosen_name(plan));
    else
        write_choice_name(json, "any", TEXT(""));
    json_end_object(json);
}

static enum error write_tools(struct plan *plan)
{
    struct json_writer *json = plan->json;
    const struct conversation *conversation = plan->conversation;
    enum error error = ERROR_OK;
    bool offers = offers_tools(plan);
    if (!offers && !plan->format.tool && !plan->state->tools_seen)
        return ERROR_OK;
    json_key(json, TEXT("toolConfig"));
    json_begin_object(json);
    json_key(json, TEXT("tools"));
    json_begin_array(json);
    for (size_t i = 0; offers && i < conversation->tool_count && error == ERROR_OK; i++)
        error = write_tool(plan, &conversation->tools[i]);
    if (!offers && plan->state->tools_seen)
        error = write_stubs(plan);
    if (plan->format.tool)
        write_specification(json, plan->state->format_tool,
                            text_empty(conversation->schema_description)
                                ? TEXT("Gives the answer. Call it once, instead of writing text.")
                                : conversation->schema_description,
                            plan->format.schema, false);
    json_end_array(json);
    write_choice(plan);
    json_end_object(json);
    return error;
}

/* Converse has no words for these two, Claude has. */
static bool needs_claude_choice(const struct plan *plan)
{
    bool tools = has(plan, PARAMETER_TOOLS) && plan->conversation->tool_count > 0;
    if (!bedrock_is(plan->model, BEDROCK_CLAUDE) || !tools || plan->format.tool)
        return false;
    return has(plan, PARAMETER_PARALLEL_TOOL_CALLS) ||
           (plan->choice == TOOL_CHOICE_NONE && plan->state->tools_seen);
}

static void write_claude_choice(const struct plan *plan)
{
    static const struct text types[] = {
        [TOOL_CHOICE_UNSTATED] = TEXT_INIT("auto"), [TOOL_CHOICE_AUTO] = TEXT_INIT("auto"),
        [TOOL_CHOICE_NONE] = TEXT_INIT("none"),     [TOOL_CHOICE_REQUIRED] = TEXT_INIT("any"),
        [TOOL_CHOICE_NAMED] = TEXT_INIT("tool"),
    };
    struct json_writer *json = plan->json;
    json_key(json, TEXT("tool_choice"));
    json_begin_object(json);
    json_member_text(json, "type", types[plan->choice]);
    if (plan->choice == TOOL_CHOICE_NAMED)
        json_member_text(json, "name", chosen_name(plan));
    if (has(plan, PARAMETER_PARALLEL_TOOL_CALLS) && plan->choice != TOOL_CHOICE_NONE)
        json_member_bool(json, "disable_parallel_tool_use", true);
    json_end_object(json);
}

/* ---- the rest ---- */

/* As the caller wrote it. */
static void write_number(const struct plan *plan, const char *key, const char *member)
{
    json_key(plan->json, text_from(key));
    native_write_value(plan->json, yyjson_obj_get(plan->conversation->root, member));
}

static void write_inference(const struct plan *plan)
{
    const struct conversation *conversation = plan->conversation;
    struct json_writer *json = plan->json;
    bool temperature = has(plan, PARAMETER_TEMPERATURE) && conversation->temperature.stated;
    bool top_p = has(plan, PARAMETER_TOP_P) && conversation->top_p.stated;
    bool stop = has(plan, PARAMETER_STOP) && conversation->stop_count > 0;
    if (plan->ask->output_limit < 0 && !temperature && !top_p && !stop)
        return;
    json_key(json, TEXT("inferenceConfig"));
    json_begin_object(json);
    if (plan->ask->output_limit >= 0)
        json_member_signed(json, "maxTokens", plan->ask->output_limit);
    if (temperature)
        write_number(plan, "temperature", "temperature");
    if (top_p)
        write_number(plan, "topP", "top_p");
    if (stop) {
        json_key(json, TEXT("stopSequences"));
        json_begin_array(json);
        for (size_t i = 0; i < conversation->stop_count; i++)
            json_text(json, conversation->stop[i]);
        json_end_array(json);
    }
    json_end_object(json);
}

static void write_top_k(const struct plan *plan)
{
    struct json_writer *json = plan->json;
    int64_t value = plan->conversation->top_k;
    if (!has(plan, PARAMETER_TOP_K))
        return;
    switch (plan->model->top_k) {
    case TOP_K_NONE: break;
    case TOP_K_PLAIN: json_member_signed(json, "top_k", value); break;
    case TOP_K_SHORT: json_member_signed(json, "k", value); break;
    case TOP_K_NESTED:
        json_key(json, TEXT("inferenceConfig"));
        json_begin_object(json);
        json_member_signed(json, "topK", value);
        json_end_object(json);
        break;
    }
}

/* What Converse has no name for. */
static enum error write_fields(const struct plan *plan)
{
    struct json_writer *json = plan->json;
    bool thinking = !text_empty(plan->effort) || plan->must_not_think;
    if (!thinking && !has(plan, PARAMETER_TOP_K) && !plan->claude_choice)
        return ERROR_OK;
    json_key(json, TEXT("additionalModelRequestFields"));
    json_begin_object(json);
    write_top_k(plan);
    if (plan->claude_choice)
        write_claude_choice(plan);
    enum error error = write_thinking(plan);
    json_end_object(json);
    return error;
}

static enum error write_tier(const struct plan *plan)
{
    static const struct text tiers[] = {TEXT_INIT("default"), TEXT_INIT("flex"),
                                        TEXT_INIT("priority"), TEXT_INIT("reserved")};
    struct text tier = plan->conversation->service_tier;
    if (!has(plan, PARAMETER_SERVICE_TIER))
        return ERROR_OK;
    for (size_t i = 0; i < ARRAY_LENGTH(tiers); i++) {
        if (!text_equal(tiers[i], tier))
            continue;
        json_key(plan->json, TEXT("serviceTier"));
        json_begin_object(plan->json);
        json_member_text(plan->json, "type", tier);
        json_end_object(plan->json);
        return ERROR_OK;
    }
    return native_refuse(plan->ask, TEXT("service_tier"), "must be default, flex or priority");
}

/* ---- metadata: what the invocation logs of the account say of the call ---- */

bool bedrock_is_metadata(struct text text, size_t least)
{
    if (text.length < least || text.length > METADATA_TEXT_MAX)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        bool taken = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c != '\0' && strchr(" \t\r\n:_@$#=/+,-.", c) != NULL);
        if (!taken)
            return false;
    }
    return true;
}

struct metadata_writer {
    const struct plan *plan;
    size_t count;
    enum error error;
};

static void add_metadata(struct metadata_writer *writer, struct text param, struct text key,
                         struct text value)
{
    if (writer->error != ERROR_OK)
        return;
    if (!bedrock_is_metadata(key, 1) || value.data == NULL || !bedrock_is_metadata(value, 0))
        writer->error = native_refuse(writer->plan->ask, param,
                                      "has characters, or more than 256 of them, that "
                                      "Bedrock's requestMetadata does not take");
    else if (writer->count == METADATA_PAIRS_MAX)
        writer->error = native_refuse(writer->plan->ask, param,
                                      "is one pair more than the 16 that Bedrock takes");
    else
        json_member_text(writer->plan->json, key.data, value);
    writer->count++;
}

static struct text value_text(yyjson_val *value)
{
    return text_of(yyjson_get_str(value), yyjson_get_len(value));
}

static enum error write_metadata(const struct plan *plan)
{
    const struct conversation *conversation = plan->conversation;
    struct metadata_writer writer = {.plan = plan};
    size_t index, size;
    yyjson_val *key, *value;
    struct text request = plan->ask->call->request_id;
    yyjson_val *pairs = has(plan, PARAMETER_METADATA) ? conversation->metadata : NULL;
    bool user = has(plan, PARAMETER_USER), safety = has(plan, PARAMETER_SAFETY_IDENTIFIER);
    bool own = bedrock_is_metadata(request, 1);
    if (!user && !safety && pairs == NULL && !own)
        return ERROR_OK;
    json_key(plan->json, TEXT("requestMetadata"));
    json_begin_object(plan->json);
    yyjson_obj_foreach(json_members(pairs), index, size, key, value)
        add_metadata(&writer, TEXT("metadata"), value_text(key), value_text(value));
    if (user)
        add_metadata(&writer, TEXT("user"), TEXT("turnpike_user"), conversation->user);
    if (safety)
        add_metadata(&writer, TEXT("safety_identifier"), TEXT("turnpike_safety_identifier"),
                     conversation->safety_identifier);
    /* So that the account's log finds our record; where the caller uses up all pairs, his count. */
    if (own && writer.error == ERROR_OK && writer.count < METADATA_PAIRS_MAX)
        json_member_text(plan->json, "turnpike_request_id", request);
    json_end_object(plan->json);
    return writer.error;
}

/* ---- the body ---- */

static enum error write_body(struct plan *plan)
{
    enum error error = bedrock_write_messages(plan->ask);
    plan->claude_choice = needs_claude_choice(plan);
    if (error == ERROR_OK)
        error = write_tools(plan);
    write_inference(plan);
    if (error == ERROR_OK)
        error = write_fields(plan);
    write_output_config(plan);
    if (error == ERROR_OK)
        error = write_tier(plan);
    if (error == ERROR_OK)
        error = write_metadata(plan);
    return error;
}

/* What is dropped by configuration changes what the rest is planned on. */
static enum error make_plan(struct plan *plan)
{
    const struct conversation *conversation = plan->conversation;
    for (unsigned pass = 0; pass < 2; pass++) {
        plan->choice =
            has(plan, PARAMETER_TOOL_CHOICE) ? conversation->tool_choice : TOOL_CHOICE_UNSTATED;
        plan->format = (struct format){0};
        plan->effort = TEXT("");
        enum error error = plan_format(plan);
        if (error != ERROR_OK)
            return error;
        plan_thinking(plan);
        error = check_parameters(plan);
        if (error != ERROR_OK)
            return error;
    }
    return plan->format.tool ? name_format_tool(plan) : ERROR_OK;
}

static enum error write_document(struct native_ask *ask)
{
    struct bedrock_state *state = bedrock_state_make(ask);
    if (state == NULL)
        return ERROR_MEMORY;
    struct plan plan = {.ask = ask,
                        .conversation = ask->conversation,
                        .state = state,
                        .model = state->model,
                        .json = ask->body};
    enum error error = make_plan(&plan);
    if (error != ERROR_OK)
        return error;
    json_begin_object(ask->body);
    error = write_body(&plan);
    json_end_object(ask->body);
    return error;
}

enum error bedrock_write_chat(struct native_ask *ask)
{
    bedrock_write_target(ask, ask->stream ? "converse-stream" : "converse");
    return write_document(ask);
}

/* Ids of inference profiles begin with where they lead; the endpoint that counts wants the model's
 * own: "us.anthropic.…" is "anthropic.…". */
static struct text without_area(struct text model)
{
    static const char *const areas[] = {"us", "us-gov", "eu", "apac", "au", "ca", "jp", "global"};
    struct text rest = model;
    struct text first = text_split(&rest, '.');
    for (size_t i = 0; i < ARRAY_LENGTH(areas); i++)
        if (rest.data != NULL && text_equal(first, text_from(areas[i])))
            return rest;
    return model;
}

/* CountTokens (API reference): {"input": {"converse": {…}}}. */
enum error bedrock_write_count(struct native_ask *ask)
{
    static const char *const counted[] = {"messages", "system", "toolConfig",
                                          "additionalModelRequestFields", NULL};
    ask->model = without_area(ask->model);
    bedrock_write_target(ask, "count-tokens");
    json_begin_object(ask->body);
    json_key(ask->body, TEXT("input"));
    json_begin_object(ask->body);
    json_key(ask->body, TEXT("converse"));
    json_begin_object(ask->body);
    enum error error = native_write_members(ask, write_document, counted);
    json_end_object(ask->body);
    json_end_object(ask->body);
    json_end_object(ask->body);
    return error;
}
