/* The members of a request by a table: who has it, which parameter it states, how it is read. What
 * has no row is unknown. */
#include "openai/conversation.h"

#include "base/ensure.h"
#include "codec/json.h"
#include "openai/conversation_reader.h"

#define CHAT      (1u << CONVERSATION_CHAT)
#define RESPONSES (1u << CONVERSATION_RESPONSES)
#define BOTH      (CHAT | RESPONSES)

_Static_assert(PARAMETER_COUNT <= 64, "a bit each");

struct member_row;
/* Returns whether the value, which is not null, asks for something. */
typedef bool (*read_member)(struct conversation_reader *reader, const struct member_row *row,
                            yyjson_val *value);

struct member_row {
    struct text name;
    unsigned apis;
    enum conversation_parameter parameter; /* PARAMETER_COUNT: none */
    read_member read;
    size_t offset; /* of the field in struct conversation, where `read` needs one */
};

static void *field_of(struct conversation_reader *reader, const struct member_row *row)
{
    return (char *)reader->conversation + row->offset;
}

static void fail(struct conversation_reader *reader, const struct member_row *row,
                 const char *reason)
{
    reader_fail(reader, ERROR_SYNTAX, row->name.data, NULL, reason);
}

/* ---- plain values ---- */

static bool read_number(struct conversation_reader *reader, const struct member_row *row,
                        yyjson_val *value)
{
    struct stated_number *number = field_of(reader, row);
    if (!yyjson_is_num(value)) {
        fail(reader, row, "must be a number");
        return false;
    }
    *number = (struct stated_number){.stated = true, .value = yyjson_get_num(value)};
    return true;
}

/* Frequency and presence penalties, of which 0 is none. */
static bool read_penalty(struct conversation_reader *reader, const struct member_row *row,
                         yyjson_val *value)
{
    return read_number(reader, row, value) && yyjson_get_num(value) != 0;
}

static bool whole(yyjson_val *value, int64_t minimum, int64_t *out)
{
    if (yyjson_is_uint(value) && yyjson_get_uint(value) <= INT64_MAX)
        *out = (int64_t)yyjson_get_uint(value);
    else if (yyjson_is_sint(value))
        *out = yyjson_get_sint(value);
    else if (yyjson_is_real(value) && yyjson_get_real(value) > -0x1p53 &&
             yyjson_get_real(value) < 0x1p53 &&
             (double)(int64_t)yyjson_get_real(value) == yyjson_get_real(value))
        *out = (int64_t)yyjson_get_real(value); /* 4096.0 */
    else
        return false;
    return *out >= minimum;
}

static bool read_count(struct conversation_reader *reader, const struct member_row *row,
                       yyjson_val *value)
{
    int64_t *count = field_of(reader, row);
    if (whole(value, 0, count))
        return *count > 0;
    fail(reader, row, "must be a whole number, 0 or more");
    return false;
}

static bool read_seed(struct conversation_reader *reader, const struct member_row *row,
                      yyjson_val *value)
{
    struct conversation *conversation = reader->conversation;
    conversation->seed_stated = whole(value, INT64_MIN, &conversation->seed);
    if (!conversation->seed_stated)
        fail(reader, row, "must be a whole number");
    return conversation->seed_stated;
}

static bool read_choices(struct conversation_reader *reader, const struct member_row *row,
                         yyjson_val *value)
{
    int64_t n;
    if (!whole(value, 1, &n) || n > CONVERSATION_CHOICES_MAX) {
        fail(reader, row, "must be a whole number from 1 to 128");
        return false;
    }
    reader->conversation->n = n;
    return n > 1;
}

/* Of the three names the smallest number counts: each of them is a limit. */
static bool read_max_output(struct conversation_reader *reader, const struct member_row *row,
                            yyjson_val *value)
{
    struct conversation *conversation = reader->conversation;
    int64_t limit;
    if (!whole(value, 1, &limit)) {
        fail(reader, row, "must be a whole number, 1 or more");
        return false;
    }
    if (conversation->max_output < 0 || limit < conversation->max_output)
        conversation->max_output = limit;
    return true;
}

static bool read_string(struct conversation_reader *reader, const struct member_row *row,
                        yyjson_val *value)
{
    struct text *text = field_of(reader, row);
    if (!yyjson_is_str(value)) {
        fail(reader, row, "must be a string");
        return false;
    }
    *text = reader_value_text(value);
    return text->length > 0;
}

/* "auto" is what is done anyway. */
static bool read_tier(struct conversation_reader *reader, const struct member_row *row,
                      yyjson_val *value)
{
    return read_string(reader, row, value) && !text_equal(reader_value_text(value), TEXT("auto"));
}

static bool read_verbosity(struct conversation_reader *reader, const struct member_row *row,
                           yyjson_val *value)
{
    return read_string(reader, row, value) && !text_equal(reader_value_text(value), TEXT("medium"));
}

static bool check_flag(struct conversation_reader *reader, const struct member_row *row,
                       yyjson_val *value)
{
    if (!yyjson_is_bool(value))
        fail(reader, row, "must be true or false");
    return yyjson_is_true(value);
}

static bool read_flag(struct conversation_reader *reader, const struct member_row *row,
                      yyjson_val *value)
{
    bool *flag = field_of(reader, row);
    *flag = check_flag(reader, row, value);
    return *flag;
}

static bool check_object(struct conversation_reader *reader, const struct member_row *row,
                         yyjson_val *value)
{
    if (!yyjson_is_obj(value))
        fail(reader, row, "must be an object");
    return yyjson_is_obj(value) && yyjson_obj_size(value) > 0;
}

static bool check_array(struct conversation_reader *reader, const struct member_row *row,
                        yyjson_val *value)
{
    if (!yyjson_is_arr(value))
        fail(reader, row, "must be an array");
    return yyjson_is_arr(value) && yyjson_arr_size(value) > 0;
}

/* A string or an object: left to whoever understands the parameter. */
static bool read_any(struct conversation_reader *reader, const struct member_row *row,
                     yyjson_val *value)
{
    return true;
}

static bool read_nothing(struct conversation_reader *reader, const struct member_row *row,
                         yyjson_val *value)
{
    return false;
}

/* ---- those with a form of their own ---- */

static bool read_metadata(struct conversation_reader *reader, const struct member_row *row,
                          yyjson_val *value)
{
    if (!check_object(reader, row, value))
        return false;
    reader->conversation->metadata = value;
    return true;
}

static bool read_stop(struct conversation_reader *reader, const struct member_row *row,
                      yyjson_val *value)
{
    struct conversation *conversation = reader->conversation;
    size_t index, size, count = yyjson_is_arr(value) ? yyjson_arr_size(value) : 1;
    struct text *stop = reader_take(reader, count, sizeof(*stop));
    if (stop == NULL)
        return false;
    conversation->stop = stop;
    if (yyjson_is_str(value)) {
        stop[0] = reader_value_text(value);
        conversation->stop_count = stop[0].length > 0;
        return stop[0].length > 0;
    }
    if (!yyjson_is_arr(value)) {
        fail(reader, row, "must be a string or an array of strings");
        return false;
    }
    yyjson_val *entry;
    yyjson_arr_foreach(value, index, size, entry)
    {
        if (!yyjson_is_str(entry))
            fail(reader, row, "must be a string or an array of strings");
        stop[index] = reader_value_text(entry);
    }
    conversation->stop_count = count;
    return count > 0;
}

static bool read_stream_options(struct conversation_reader *reader, const struct member_row *row,
                                yyjson_val *value)
{
    if (!yyjson_is_obj(value))
        fail(reader, row, "must be an object");
    reader->conversation->include_usage =
        reader_flag(reader, value, "include_usage", "stream_options");
    return false;
}

static bool read_chat_tools(struct conversation_reader *reader, const struct member_row *row,
                            yyjson_val *value)
{
    if (!check_array(reader, row, value))
        return false;
    if (row->name.data[0] == 't') {
        conversation_read_chat_tools(reader, value);
        return true;
    }
    reader->conversation->parallel_stated = true;
    reader->conversation->parallel = false;
    conversation_read_functions(reader, value);
    return true;
}

static bool read_web_search(struct conversation_reader *reader, const struct member_row *row,
                            yyjson_val *value)
{
    if (!yyjson_is_obj(value))
        fail(reader, row, "must be an object");
    conversation_read_web_search(reader, value);
    return true;
}

static bool choice_asks(const struct conversation_reader *reader)
{
    enum tool_choice choice = reader->conversation->tool_choice;
    return choice != TOOL_CHOICE_UNSTATED && choice != TOOL_CHOICE_AUTO;
}

static bool read_chat_choice(struct conversation_reader *reader, const struct member_row *row,
                             yyjson_val *value)
{
    if (!yyjson_is_str(value) && !yyjson_is_obj(value))
        fail(reader, row, "must be a string or an object");
    if (row->name.data[0] == 't')
        conversation_read_chat_choice(reader, value);
    else
        conversation_read_function_call(reader, value);
    return choice_asks(reader);
}

static bool read_parallel(struct conversation_reader *reader, const struct member_row *row,
                          yyjson_val *value)
{
    reader->conversation->parallel = check_flag(reader, row, value);
    reader->conversation->parallel_stated = true;
    return !reader->conversation->parallel;
}

static bool read_chat_format(struct conversation_reader *reader, const struct member_row *row,
                             yyjson_val *value)
{
    if (check_object(reader, row, value))
        conversation_read_chat_format(reader, value);
    return reader->conversation->format != ANSWER_TEXT;
}

static bool read_modalities(struct conversation_reader *reader, const struct member_row *row,
                            yyjson_val *value)
{
    if (!check_array(reader, row, value))
        return false;
    return yyjson_arr_size(value) > 1 || !yyjson_equals_str(yyjson_arr_get_first(value), "text");
}

static bool read_cache_options(struct conversation_reader *reader, const struct member_row *row,
                               yyjson_val *value)
{
    struct conversation *conversation = reader->conversation;
    if (!check_object(reader, row, value))
        return false;
    struct text ttl = reader_text(reader, value, "ttl", row->name.data);
    if (text_empty(conversation->prompt_cache_retention))
        conversation->prompt_cache_retention = ttl;
    return !text_empty(ttl);
}

/* ---- of responses ---- */

static void state(struct conversation_reader *reader, enum conversation_parameter parameter)
{
    reader->conversation->stated |= PARAMETER_BIT(parameter);
}

static void state_unknown(struct conversation_reader *reader, struct text name)
{
    if (!conversation_has(reader->conversation, PARAMETER_UNKNOWN))
        reader->conversation->unknown = name;
    state(reader, PARAMETER_UNKNOWN);
}

static bool read_flat_tools(struct conversation_reader *reader, const struct member_row *row,
                            yyjson_val *value)
{
    if (!check_array(reader, row, value))
        return false;
    conversation_read_flat_tools(reader, value);
    return true;
}

static bool read_flat_choice(struct conversation_reader *reader, const struct member_row *row,
                             yyjson_val *value)
{
    if (!yyjson_is_str(value) && !yyjson_is_obj(value))
        fail(reader, row, "must be a string or an object");
    conversation_read_flat_choice(reader, value);
    return choice_asks(reader);
}

/* Format and verbosity: two parameters in one member. */
static bool read_text_options(struct conversation_reader *reader, const struct member_row *row,
                              yyjson_val *value)
{
    struct conversation *conversation = reader->conversation;
    if (!check_object(reader, row, value))
        return false;
    yyjson_val *format = reader_object(reader, value, "format", "text");
    if (format != NULL)
        conversation_read_flat_format(reader, format);
    conversation->verbosity = reader_text(reader, value, "verbosity", "text");
    if (!text_empty(conversation->verbosity) &&
        !text_equal(conversation->verbosity, TEXT("medium")))
        state(reader, PARAMETER_VERBOSITY);
    return conversation->format != ANSWER_TEXT;
}

/* Members of `reasoning` beside effort and summary, with the value that asks for nothing. */
static bool read_reasoning(struct conversation_reader *reader, const struct member_row *row,
                           yyjson_val *value)
{
    static const struct {
        const char *member;
        struct text usual, name;
    } others[] = {
        {"context", TEXT_INIT("auto"), TEXT_INIT("reasoning.context")},
        {"mode", TEXT_INIT("standard"), TEXT_INIT("reasoning.mode")},
    };
    struct conversation *conversation = reader->conversation;
    if (!check_object(reader, row, value))
        return false;
    conversation->effort = reader_text(reader, value, "effort", "reasoning");
    conversation->summary = reader_text(reader, value, "summary", "reasoning");
    if (text_empty(conversation->summary)) /* its name of before */
        conversation->summary = reader_text(reader, value, "generate_summary", "reasoning");
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        struct text other = reader_text(reader, value, others[i].member, "reasoning");
        if (!text_empty(other) && !text_equal(other, others[i].usual))
            state_unknown(reader, others[i].name);
    }
    return !text_empty(conversation->effort) || !text_empty(conversation->summary);
}

static bool read_include(struct conversation_reader *reader, const struct member_row *row,
                         yyjson_val *value)
{
    size_t index, size;
    yyjson_val *entry;
    bool others = false;
    if (!check_array(reader, row, value))
        return false;
    yyjson_arr_foreach(value, index, size, entry)
    {
        if (yyjson_equals_str(entry, "message.output_text.logprobs")) {
            reader->conversation->logprobs = true;
            state(reader, PARAMETER_LOGPROBS);
        } else if (!yyjson_equals_str(entry, "reasoning.encrypted_content")) {
            others = true; /* sealed reasoning is told in any case */
        }
    }
    return others;
}

static bool read_truncation(struct conversation_reader *reader, const struct member_row *row,
                            yyjson_val *value)
{
    if (!yyjson_is_str(value))
        fail(reader, row, "must be a string");
    return !yyjson_equals_str(value, "disabled");
}

/* Nothing is stored, which the answer says: `store` is true where it is left out, and so no wish
 * that could be told from none. */
static bool read_store(struct conversation_reader *reader, const struct member_row *row,
                       yyjson_val *value)
{
    (void)check_flag(reader, row, value);
    return false;
}

/* ---- the table ---- */

#define FIELD(name) offsetof(struct conversation, name)
#define NONE        PARAMETER_COUNT

static const struct member_row rows[] = {
    {TEXT_INIT("model"), BOTH, NONE, read_string, FIELD(model)},
    {TEXT_INIT("messages"), CHAT, NONE, read_nothing, 0}, /* read when all else is */
    {TEXT_INIT("stream"), BOTH, NONE, read_flag, FIELD(stream)},
    {TEXT_INIT("stream_options"), BOTH, NONE, read_stream_options, 0},
    {TEXT_INIT("max_tokens"), CHAT, NONE, read_max_output, 0},
    {TEXT_INIT("max_completion_tokens"), CHAT, NONE, read_max_output, 0},
    {TEXT_INIT("temperature"), BOTH, PARAMETER_TEMPERATURE, read_number, FIELD(temperature)},
    {TEXT_INIT("top_p"), BOTH, PARAMETER_TOP_P, read_number, FIELD(top_p)},
    {TEXT_INIT("top_k"), BOTH, PARAMETER_TOP_K, read_count, FIELD(top_k)},
    {TEXT_INIT("n"), CHAT, PARAMETER_N, read_choices, 0},
    {TEXT_INIT("stop"), CHAT, PARAMETER_STOP, read_stop, 0},
    {TEXT_INIT("seed"), CHAT, PARAMETER_SEED, read_seed, 0},
    {TEXT_INIT("frequency_penalty"), CHAT, PARAMETER_FREQUENCY_PENALTY, read_penalty,
     FIELD(frequency_penalty)},
    {TEXT_INIT("presence_penalty"), CHAT, PARAMETER_PRESENCE_PENALTY, read_penalty,
     FIELD(presence_penalty)},
    {TEXT_INIT("logit_bias"), CHAT, PARAMETER_LOGIT_BIAS, check_object, 0},
    {TEXT_INIT("logprobs"), CHAT, PARAMETER_LOGPROBS, read_flag, FIELD(logprobs)},
    {TEXT_INIT("top_logprobs"), BOTH, PARAMETER_TOP_LOGPROBS, read_count, FIELD(top_logprobs)},
    {TEXT_INIT("tools"), CHAT, PARAMETER_TOOLS, read_chat_tools, 0},
    {TEXT_INIT("functions"), CHAT, PARAMETER_TOOLS, read_chat_tools, 0},
    {TEXT_INIT("web_search_options"), CHAT, PARAMETER_TOOLS, read_web_search, 0},
    {TEXT_INIT("tool_choice"), CHAT, PARAMETER_TOOL_CHOICE, read_chat_choice, 0},
    {TEXT_INIT("function_call"), CHAT, PARAMETER_TOOL_CHOICE, read_chat_choice, 0},
    {TEXT_INIT("parallel_tool_calls"), BOTH, PARAMETER_PARALLEL_TOOL_CALLS, read_parallel, 0},
    {TEXT_INIT("response_format"), CHAT, PARAMETER_RESPONSE_FORMAT, read_chat_format, 0},
    {TEXT_INIT("reasoning_effort"), CHAT, PARAMETER_REASONING, read_string, FIELD(effort)},
    {TEXT_INIT("verbosity"), CHAT, PARAMETER_VERBOSITY, read_verbosity, FIELD(verbosity)},
    {TEXT_INIT("modalities"), CHAT, PARAMETER_MODALITIES, read_modalities, 0},
    {TEXT_INIT("audio"), CHAT, PARAMETER_AUDIO, check_object, 0},
    {TEXT_INIT("prediction"), CHAT, PARAMETER_PREDICTION, check_object, 0},
    {TEXT_INIT("service_tier"), BOTH, PARAMETER_SERVICE_TIER, read_tier, FIELD(service_tier)},
    {TEXT_INIT("store"), CHAT, PARAMETER_STORE, check_flag, 0},
    {TEXT_INIT("metadata"), BOTH, PARAMETER_METADATA, read_metadata, 0},
    {TEXT_INIT("user"), BOTH, PARAMETER_USER, read_string, FIELD(user)},
    {TEXT_INIT("safety_identifier"), BOTH, PARAMETER_SAFETY_IDENTIFIER, read_string,
     FIELD(safety_identifier)},
    {TEXT_INIT("prompt_cache_key"), BOTH, PARAMETER_PROMPT_CACHE_KEY, read_string,
     FIELD(prompt_cache_key)},
    {TEXT_INIT("prompt_cache_retention"), BOTH, PARAMETER_PROMPT_CACHE_RETENTION, read_string,
     FIELD(prompt_cache_retention)},
    {TEXT_INIT("prompt_cache_options"), BOTH, PARAMETER_PROMPT_CACHE_RETENTION, read_cache_options,
     0},
    {TEXT_INIT("moderation"), BOTH, PARAMETER_MODERATION, read_any, 0},
    {TEXT_INIT("input"), RESPONSES, NONE, read_nothing, 0}, /* as messages */
    {TEXT_INIT("instructions"), RESPONSES, NONE, read_nothing, 0},
    {TEXT_INIT("max_output_tokens"), RESPONSES, NONE, read_max_output, 0},
    {TEXT_INIT("tools"), RESPONSES, PARAMETER_TOOLS, read_flat_tools, 0},
    {TEXT_INIT("tool_choice"), RESPONSES, PARAMETER_TOOL_CHOICE, read_flat_choice, 0},
    {TEXT_INIT("text"), RESPONSES, PARAMETER_RESPONSE_FORMAT, read_text_options, 0},
    {TEXT_INIT("reasoning"), RESPONSES, PARAMETER_REASONING, read_reasoning, 0},
    {TEXT_INIT("include"), RESPONSES, PARAMETER_INCLUDE, read_include, 0},
    {TEXT_INIT("store"), RESPONSES, NONE, read_store, 0},
    {TEXT_INIT("previous_response_id"), RESPONSES, PARAMETER_PREVIOUS_RESPONSE_ID, read_any, 0},
    {TEXT_INIT("conversation"), RESPONSES, PARAMETER_CONVERSATION, read_any, 0},
    {TEXT_INIT("prompt"), RESPONSES, PARAMETER_PROMPT, read_any, 0},
    {TEXT_INIT("background"), RESPONSES, PARAMETER_BACKGROUND, check_flag, 0},
    {TEXT_INIT("truncation"), RESPONSES, PARAMETER_TRUNCATION, read_truncation, 0},
    {TEXT_INIT("max_tool_calls"), RESPONSES, PARAMETER_MAX_TOOL_CALLS, read_any, 0},
    {TEXT_INIT("context_management"), RESPONSES, PARAMETER_CONTEXT_MANAGEMENT, check_array, 0},
};

static const struct member_row *find_row(enum conversation_api api, struct text name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if ((rows[i].apis & (1u << api)) != 0 && text_equal(rows[i].name, name))
            return &rows[i];
    return NULL;
}

static void read_members(struct conversation_reader *reader)
{
    struct conversation *conversation = reader->conversation;
    yyjson_obj_iter members = yyjson_obj_iter_with(conversation->root);
    yyjson_val *key;
    while ((key = yyjson_obj_iter_next(&members)) != NULL && reader->error == ERROR_OK) {
        yyjson_val *value = yyjson_obj_iter_get_val(key);
        if (yyjson_is_null(value))
            continue;
        struct text name = reader_value_text(key);
        const struct member_row *row = find_row(conversation->api, name);
        if (row == NULL) {
            state_unknown(reader, name);
        } else if (row->read(reader, row, value) && row->parameter != NONE) {
            state(reader, row->parameter);
        }
    }
}

/* ---- the body ---- */

static void read_body(struct conversation_reader *reader)
{
    struct conversation *conversation = reader->conversation;
    read_members(reader);
    if (reader->error != ERROR_OK)
        return;
    if (conversation->api == CONVERSATION_CHAT)
        conversation_read_messages(reader, yyjson_obj_get(conversation->root, "messages"));
    else
        conversation_read_input(reader, yyjson_obj_get(conversation->root, "instructions"),
                                yyjson_obj_get(conversation->root, "input"));
    reader_settle_tools(reader);
}

enum error conversation_read(struct conversation *conversation, enum conversation_api api,
                             struct text body, struct arena *arena,
                             struct conversation_problem *problem)
{
    *conversation = (struct conversation){.api = api,
                                          .arena = arena,
                                          .max_output = -1,
                                          .top_k = -1,
                                          .top_logprobs = -1,
                                          .seed = -1,
                                          .n = 1,
                                          .parallel = true};
    *problem = (struct conversation_problem){TEXT(""), TEXT("is no JSON object")};
    enum error error = json_parse(body, &conversation->document);
    if (error != ERROR_OK)
        return error;
    conversation->root = yyjson_doc_get_root(conversation->document);
    struct conversation_reader reader = {
        .conversation = conversation, .arena = arena, .problem = problem, .error = ERROR_OK};
    if (!yyjson_is_obj(conversation->root))
        reader.error = ERROR_SYNTAX;
    else
        read_body(&reader);
    if (reader.error != ERROR_OK)
        conversation_close(conversation);
    return reader.error;
}

void conversation_close(struct conversation *conversation)
{
    yyjson_doc_free(conversation->document);
    conversation->document = NULL;
    conversation->root = NULL;
}

/* ---- what is understood ---- */

struct text conversation_parameter_name(enum conversation_parameter parameter)
{
    static const struct text names[PARAMETER_COUNT] = {
#define P(name, member) [PARAMETER_##name] = TEXT_INIT(member),
        CONVERSATION_PARAMETERS(P)
#undef P
    };
    ensure(parameter < PARAMETER_COUNT);
    return names[parameter];
}

static bool is_dropped(const struct text *drop, size_t drop_count, struct text name)
{
    for (size_t i = 0; i < drop_count; i++)
        if (text_equal(drop[i], name))
            return true;
    return false;
}

/* The first member that states the parameter and is not dropped, by its name in the body, which may
 * be another than the parameter's ("functions"). False: all of them are dropped. */
static bool find_stated(const struct conversation *conversation,
                        enum conversation_parameter parameter, const struct text *drop,
                        size_t drop_count, struct text *name)
{
    bool dropped = false;
    yyjson_obj_iter members = yyjson_obj_iter_with(conversation->root);
    yyjson_val *key;
    while ((key = yyjson_obj_iter_next(&members)) != NULL) {
        *name = reader_value_text(key);
        const struct member_row *row = find_row(conversation->api, *name);
        if ((row == NULL ? PARAMETER_UNKNOWN : row->parameter) != parameter ||
            yyjson_is_null(yyjson_obj_iter_get_val(key)))
            continue;
        if (!is_dropped(drop, drop_count, *name))
            return true;
        dropped = true;
    }
    /* Within another member. */
    *name = parameter == PARAMETER_UNKNOWN ? conversation->unknown
                                           : conversation_parameter_name(parameter);
    return !dropped;
}

/* "is nothing that the model NAME takes", or what helps more than that. */
static struct text reason_for(const struct conversation *conversation,
                              enum conversation_parameter parameter, struct text model)
{
    static const struct text state_reason =
        TEXT_INIT("needs what only a provider that stores answers keeps: send all items of the "
                  "conversation as input instead");
    switch (parameter) {
    case PARAMETER_PREVIOUS_RESPONSE_ID:
    case PARAMETER_CONVERSATION: return state_reason;
    default:
        return arena_format(conversation->arena, "is nothing that the model %.*s takes",
                            TEXT_ARG(model));
    }
}

enum error conversation_check(struct conversation *conversation, uint64_t understood,
                              const struct text *drop, size_t drop_count, struct text model,
                              struct conversation_problem *problem)
{
    for (enum conversation_parameter i = 0; i < PARAMETER_COUNT; i++) {
        if (!conversation_has(conversation, i) || (understood & PARAMETER_BIT(i)) != 0)
            continue;
        struct text general =
            i == PARAMETER_UNKNOWN ? TEXT("unknown") : conversation_parameter_name(i);
        if (is_dropped(drop, drop_count, general) ||
            !find_stated(conversation, i, drop, drop_count, &problem->param)) {
            conversation->stated &= ~PARAMETER_BIT(i);
            continue;
        }
        problem->reason = reason_for(conversation, i, model);
        return problem->reason.data == NULL ? ERROR_MEMORY : ERROR_UNSUPPORTED;
    }
    /* The old way of calling functions has no place for a second call. */
    if (conversation->legacy_functions)
        conversation->stated |= understood & PARAMETER_BIT(PARAMETER_PARALLEL_TOOL_CALLS);
    return ERROR_OK;
}
