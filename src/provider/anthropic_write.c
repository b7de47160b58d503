/* The body of a call to the Messages API: what is decided for all of it, and its plain members.
 * Sources: Anthropic API reference, Messages; "Adaptive thinking", "Effort", "Prompt caching";
 * docs/providers.md has the table of what becomes what. */
#include "provider/anthropic_parts.h"

#include <openssl/sha.h>

/* Thinking by budget: the least that the API takes. */
#define BUDGET_MIN 1024

/* Answers of more tokens may take longer than ten minutes (at 128,000 in an hour), which is as long
 * as connections are kept without a byte: they are streamed, whatever the caller wants. */
#define WHOLE_TOKENS_MAX 21333

void anthropic_refuse(struct anthropic_writer *writer, struct text param, const char *reason)
{
    if (writer->error == ERROR_OK)
        writer->error = native_refuse(writer->ask, param, reason);
}

bool anthropic_is_dropped(const struct anthropic_writer *writer, struct text name)
{
    const struct provider_call *call = writer->ask->call;
    for (size_t i = 0; i < call->drop_count; i++)
        if (text_equal(call->drop[i], name))
            return true;
    return false;
}

/* The model does not take what the caller says: left out where the configuration says so. */
static void refuse_parameter(struct anthropic_writer *writer, enum conversation_parameter parameter,
                             const char *reason)
{
    struct text name = conversation_parameter_name(parameter);
    if (!anthropic_is_dropped(writer, name))
        anthropic_refuse(writer, name, reason);
}

static bool has(const struct anthropic_writer *writer, enum conversation_parameter parameter)
{
    return conversation_has(writer->ask->conversation, parameter);
}

/* ---- thinking ---- */

/* Of what may be written, in tenths of a per cent; no vendor says what a word is worth in tokens.
 */
static const int64_t budget_shares[] = {
    [ANTHROPIC_EFFORT_LOW] = 150,   [ANTHROPIC_EFFORT_MEDIUM] = 425, [ANTHROPIC_EFFORT_HIGH] = 800,
    [ANTHROPIC_EFFORT_XHIGH] = 900, [ANTHROPIC_EFFORT_MAX] = 950,
};

static void choose_budget(struct anthropic_writer *writer, enum anthropic_effort effort,
                          bool minimal)
{
    int64_t budget = minimal ? BUDGET_MIN : writer->max_tokens / 1000 * budget_shares[effort];
    if (budget < BUDGET_MIN)
        budget = BUDGET_MIN;
    if (budget >= writer->max_tokens)
        refuse_parameter(writer, PARAMETER_REASONING,
                         "needs more than 1024 tokens of output on this model");
    else
        writer->budget = budget;
    writer->thinking = writer->budget > 0 ? ANTHROPIC_MODE_ON : ANTHROPIC_MODE_UNSAID;
}

static void choose_effort(struct anthropic_writer *writer, enum anthropic_effort effort)
{
    const struct anthropic_model *model = writer->model;
    if (effort == ANTHROPIC_EFFORT_XHIGH && model->lacks_xhigh)
        effort = ANTHROPIC_EFFORT_HIGH;
    writer->effort = effort < model->effort ? effort : model->effort;
}

static void choose_asked_thinking(struct anthropic_writer *writer, struct text word)
{
    enum anthropic_effort effort;
    if (!anthropic_effort_find(word, &effort)) {
        anthropic_refuse(writer, conversation_parameter_name(PARAMETER_REASONING),
                         "is none of none, minimal, low, medium, high, xhigh and max");
    } else if (effort == ANTHROPIC_EFFORT_NONE) {
        if (writer->model->thinks_always)
            refuse_parameter(writer, PARAMETER_REASONING,
                             "cannot be none: this model always thinks");
        else if (writer->model->thinking != ANTHROPIC_THINKS_NEVER)
            writer->thinking = ANTHROPIC_MODE_OFF;
    } else if (writer->model->thinking == ANTHROPIC_THINKS_NEVER) {
        refuse_parameter(writer, PARAMETER_REASONING, "is nothing that this model can do");
    } else {
        choose_effort(writer, effort);
        writer->thinking = ANTHROPIC_MODE_ON;
        if (writer->model->thinking == ANTHROPIC_THINKS_BY_BUDGET)
            choose_budget(writer, effort, text_equal(word, TEXT("minimal")));
    }
}

static bool thinks(const struct anthropic_writer *writer)
{
    return writer->thinking == ANTHROPIC_MODE_ON ||
           (writer->thinking == ANTHROPIC_MODE_UNSAID && writer->model->thinks_unasked);
}

static void stop_thinking(struct anthropic_writer *writer)
{
    writer->thinking = ANTHROPIC_MODE_OFF;
    /* More is refused together with thinking that is turned off. */
    if (writer->effort > ANTHROPIC_EFFORT_HIGH)
        writer->effort = ANTHROPIC_EFFORT_HIGH;
}

/* A call that must be made is a contract, how hard the model thinks a wish: where both cannot be
 * had, the wish yields. */
static void yield_to_tool(struct anthropic_writer *writer)
{
    if (!anthropic_forces_tool(writer) || !thinks(writer))
        return;
    if (writer->model->thinks_always)
        refuse_parameter(writer, PARAMETER_TOOL_CHOICE,
                         "cannot force a tool on this model, because it always thinks");
    else
        stop_thinking(writer);
}

static void choose_thinking(struct anthropic_writer *writer)
{
    const struct conversation *conversation = writer->ask->conversation;
    if (has(writer, PARAMETER_REASONING) && !text_empty(conversation->effort))
        choose_asked_thinking(writer, conversation->effort);
    else if (!text_empty(conversation->summary) && writer->model->thinks_unasked)
        writer->thinking = ANTHROPIC_MODE_ON;
    yield_to_tool(writer);
}

/* The turns, with what the model thought in them where it will think on. */
static enum error arrange(struct anthropic_writer *writer)
{
    bool by_budget = writer->model->thinking == ANTHROPIC_THINKS_BY_BUDGET;
    bool keeps = writer->thinking == ANTHROPIC_MODE_ON ||
                 (writer->thinking == ANTHROPIC_MODE_UNSAID && !by_budget &&
                  writer->model->thinking != ANTHROPIC_THINKS_NEVER);
    enum error error = anthropic_arrange(writer, keeps);
    if (error != ERROR_OK || !keeps || !by_budget || !writer->script.unthought_calls)
        return error;
    stop_thinking(writer);
    return anthropic_arrange(writer, false);
}

static bool wants_summary(const struct conversation *conversation)
{
    return conversation->api == CONVERSATION_CHAT || !text_empty(conversation->summary);
}

static void write_thinking(struct anthropic_writer *writer)
{
    struct json_writer *json = writer->json;
    if (writer->thinking == ANTHROPIC_MODE_UNSAID)
        return;
    json_key(json, TEXT("thinking"));
    json_begin_object(json);
    if (writer->thinking == ANTHROPIC_MODE_OFF) {
        json_member_text(json, "type", TEXT("disabled"));
    } else if (writer->model->thinking == ANTHROPIC_THINKS_BY_BUDGET) {
        json_member_text(json, "type", TEXT("enabled"));
        json_member_signed(json, "budget_tokens", writer->budget);
    } else {
        json_member_text(json, "type", TEXT("adaptive"));
        json_member_text(json, "display",
                         wants_summary(writer->ask->conversation) ? TEXT("summarized")
                                                                  : TEXT("omitted"));
    }
    json_end_object(json);
}

/* ---- output_config ---- */

static void write_format(struct anthropic_writer *writer)
{
    struct text schema = TEXT("{}");
    enum error error = anthropic_schema_strict(writer->ask->arena,
                                               writer->ask->conversation->schema, true, &schema);
    if (error == ERROR_UNSUPPORTED)
        anthropic_refuse(writer, conversation_parameter_name(PARAMETER_RESPONSE_FORMAT),
                         "has a schema that is nested too deeply");
    else if (error != ERROR_OK && writer->error == ERROR_OK)
        writer->error = error;
    json_key(writer->json, TEXT("format"));
    json_begin_object(writer->json);
    json_member_text(writer->json, "type", TEXT("json_schema"));
    json_key(writer->json, TEXT("schema"));
    json_raw(writer->json, schema);
    json_end_object(writer->json);
}

static void write_output_config(struct anthropic_writer *writer)
{
    bool format = writer->ask->conversation->format == ANSWER_SCHEMA &&
                  writer->model->takes_schema && !writer->host->no_schema;
    if (!format && writer->effort == ANTHROPIC_EFFORT_NONE)
        return;
    json_key(writer->json, TEXT("output_config"));
    json_begin_object(writer->json);
    if (writer->effort != ANTHROPIC_EFFORT_NONE)
        json_member_text(writer->json, "effort", anthropic_effort_name(writer->effort));
    if (format)
        write_format(writer);
    json_end_object(writer->json);
}

/* ---- sampling ---- */

static void write_number(struct anthropic_writer *writer, const char *key, double value)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    size_t length = 0;
    char *bytes = document == NULL ? NULL
                                   : yyjson_mut_val_write(yyjson_mut_real(document, value),
                                                          YYJSON_WRITE_NOFLAG, &length);
    if (bytes == NULL) {
        writer->json->out->failed = true;
    } else {
        json_key(writer->json, text_from(key));
        json_raw(writer->json, text_of(bytes, length));
    }
    free(bytes);
    yyjson_mut_doc_free(document);
}

/* 1 is what the API does anyway. */
static bool write_temperature(struct anthropic_writer *writer)
{
    double value = writer->ask->conversation->temperature.value;
    if (!has(writer, PARAMETER_TEMPERATURE) || value == 1)
        return false;
    if (writer->model->fixed_sampling)
        refuse_parameter(writer, PARAMETER_TEMPERATURE, "cannot be set on this model");
    else if (thinks(writer))
        refuse_parameter(writer, PARAMETER_TEMPERATURE, "cannot be set while this model thinks");
    else if (value > 1)
        refuse_parameter(writer, PARAMETER_TEMPERATURE, "is at most 1 on this model");
    else
        write_number(writer, "temperature", value);
    return !writer->model->fixed_sampling && !thinks(writer) && value <= 1;
}

static void write_top_p(struct anthropic_writer *writer, bool has_temperature)
{
    double value = writer->ask->conversation->top_p.value;
    if (!has(writer, PARAMETER_TOP_P) || value == 1)
        return;
    if (writer->model->fixed_sampling && value < 0.99)
        refuse_parameter(writer, PARAMETER_TOP_P, "is at least 0.99 on this model");
    else if (thinks(writer) && value < 0.95)
        refuse_parameter(writer, PARAMETER_TOP_P, "is at least 0.95 while this model thinks");
    else if (writer->model->one_sampling && has_temperature)
        refuse_parameter(writer, PARAMETER_TOP_P, "cannot be set beside temperature on this model");
    else
        write_number(writer, "top_p", value);
}

static void write_sampling(struct anthropic_writer *writer)
{
    write_top_p(writer, write_temperature(writer));
    if (!has(writer, PARAMETER_TOP_K))
        return;
    if (writer->model->fixed_sampling || thinks(writer))
        refuse_parameter(writer, PARAMETER_TOP_K,
                         "cannot be set on this model, or not while it thinks");
    else
        json_member_signed(writer->json, "top_k", writer->ask->conversation->top_k);
}

static void write_stop(struct anthropic_writer *writer)
{
    const struct conversation *conversation = writer->ask->conversation;
    size_t count = 0;
    if (!has(writer, PARAMETER_STOP))
        return;
    for (size_t i = 0; i < conversation->stop_count; i++) {
        if (anthropic_is_blank(conversation->stop[i])) {
            refuse_parameter(writer, PARAMETER_STOP,
                             "has white space alone, which this model does not stop at");
            continue;
        }
        if (count++ == 0) {
            json_key(writer->json, TEXT("stop_sequences"));
            json_begin_array(writer->json);
        }
        json_text(writer->json, conversation->stop[i]);
    }
    if (count > 0)
        json_end_array(writer->json);
}

/* ---- who, how urgent, what is kept ---- */

/* The API wants nothing that tells who somebody is: names and addresses become digests. */
static void write_user(struct anthropic_writer *writer)
{
    const struct conversation *conversation = writer->ask->conversation;
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char text[2 * SHA256_DIGEST_LENGTH];
    static const char digits[] = "0123456789abcdef";
    struct text user = has(writer, PARAMETER_SAFETY_IDENTIFIER) ? conversation->safety_identifier
                       : has(writer, PARAMETER_USER)            ? conversation->user
                                                                : TEXT("");
    if (text_empty(user))
        return;
    SHA256((const unsigned char *)user.data, user.length, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        text[2 * i] = digits[digest[i] >> 4];
        text[2 * i + 1] = digits[digest[i] & 15];
    }
    json_key(writer->json, TEXT("metadata"));
    json_begin_object(writer->json);
    json_member_text(writer->json, "user_id", text_of(text, sizeof text));
    json_end_object(writer->json);
}

static const struct {
    struct text openai, written;
} tier_rows[] = {
    {TEXT_INIT("auto"), TEXT_INIT("auto")},
    {TEXT_INIT("priority"), TEXT_INIT("auto")},
    {TEXT_INIT("default"), TEXT_INIT("standard_only")},
    {TEXT_INIT("flex"), TEXT_INIT("standard_only")},
};

static void write_tier(struct anthropic_writer *writer)
{
    struct text tier = writer->ask->conversation->service_tier;
    if (!has(writer, PARAMETER_SERVICE_TIER))
        return;
    if (writer->host->no_service_tier) {
        if (!text_equal(tier, TEXT("auto")) && !text_equal(tier, TEXT("default")))
            refuse_parameter(writer, PARAMETER_SERVICE_TIER, "is none that this provider has");
        return;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(tier_rows); i++)
        if (text_equal(tier_rows[i].openai, tier)) {
            json_member_text(writer->json, "service_tier", tier_rows[i].written);
            return;
        }
    refuse_parameter(writer, PARAMETER_SERVICE_TIER, "is none that this provider has");
}

static size_t count_marks(const struct anthropic_writer *writer)
{
    const struct conversation *conversation = writer->ask->conversation;
    const struct anthropic_script *script = &writer->script;
    size_t count = 0;
    for (size_t i = 0; i < conversation->tool_count; i++)
        count += conversation->tools[i].cache_mark;
    for (size_t i = 0; i < script->system_count; i++)
        count += script->system[i]->cache_mark;
    for (size_t i = 0; i < script->message_count; i++)
        for (size_t j = 0; j < script->messages[i].count; j++) {
            const struct anthropic_block *block = &script->messages[i].blocks[j];
            count += block->kind != ANTHROPIC_BLOCK_UNANSWERED && block->part->cache_mark &&
                     block->part->kind != PART_REASONING;
        }
    return count;
}

/* Kept for a day is for an hour here, which is the longest there is. Without any mark the API sets
 * one itself, at the end. */
static void write_auto_cache(struct anthropic_writer *writer, size_t marks)
{
    if (marks == 0 && !text_empty(writer->mark_ttl) && !writer->host->no_auto_cache)
        anthropic_write_mark(writer, true, writer->mark_ttl, TEXT(""));
}

static void choose_marks(struct anthropic_writer *writer, size_t marks)
{
    writer->marks_skipped = marks > ANTHROPIC_MARKS_MAX ? marks - ANTHROPIC_MARKS_MAX : 0;
    if (has(writer, PARAMETER_PROMPT_CACHE_RETENTION) &&
        text_equal(writer->ask->conversation->prompt_cache_retention, TEXT("24h")))
        writer->mark_ttl = TEXT("1h");
}

/* ---- betas ---- */

#define BETAS_MAX 3u

static size_t gather_betas(const struct anthropic_writer *writer, struct text betas[BETAS_MAX])
{
    size_t count = 0;
    if (writer->needs_files)
        betas[count++] = TEXT("files-api-2025-04-14");
    if (writer->tool_beta != NULL)
        betas[count++] = text_from(writer->tool_beta);
    if (anthropic_uses_oauth(writer->ask->call->credential))
        betas[count++] = TEXT("oauth-2025-04-20");
    return count;
}

static void write_betas(struct anthropic_writer *writer)
{
    struct text betas[BETAS_MAX];
    size_t count = gather_betas(writer, betas);
    if (count == 0)
        return;
    if (writer->host->betas_in_body) {
        json_key(writer->json, TEXT("anthropic_beta"));
        json_begin_array(writer->json);
        for (size_t i = 0; i < count; i++)
            json_text(writer->json, betas[i]);
        json_end_array(writer->json);
        return;
    }
    buffer_append(writer->ask->lines, TEXT("anthropic-beta: "));
    for (size_t i = 0; i < count; i++) {
        buffer_append(writer->ask->lines, i > 0 ? TEXT(",") : TEXT(""));
        buffer_append(writer->ask->lines, betas[i]);
    }
    buffer_append(writer->ask->lines, TEXT("\r\n"));
}

/* ---- all of it ---- */

static void choose_length(struct anthropic_writer *writer)
{
    const struct native_ask *ask = writer->ask;
    int64_t largest = ask->output_largest > 0 ? ask->output_largest : writer->model->output_largest;
    writer->max_tokens =
        ask->output_limit >= 0 && ask->output_limit < largest ? ask->output_limit : largest;
    if (writer->max_tokens > WHOLE_TOKENS_MAX)
        *ask->expects_stream = true;
}

/* The API has no answer that is any JSON: the model is asked for it. */
static void choose_format(struct anthropic_writer *writer)
{
    if (writer->ask->conversation->format == ANSWER_JSON)
        writer->more_system = TEXT("Answer with one JSON object and nothing else: no explanation "
                                   "and no code fence around it.");
}

static void check_last_word(struct anthropic_writer *writer)
{
    const struct anthropic_script *script = &writer->script;
    if (!writer->model->takes_prefill && script->message_count > 0 &&
        script->messages[script->message_count - 1].role == TURN_ASSISTANT)
        anthropic_refuse(writer, TEXT("messages"),
                         "must not end with the assistant's: this model does not go on with a "
                         "text of its own");
}

static enum error choose(struct anthropic_writer *writer)
{
    choose_length(writer);
    choose_format(writer);
    anthropic_choose_tools(writer);
    choose_thinking(writer);
    if (writer->error != ERROR_OK)
        return writer->error;
    enum error error = arrange(writer);
    if (error == ERROR_OK)
        check_last_word(writer);
    return error == ERROR_OK ? writer->error : error;
}

static void write_head(struct anthropic_writer *writer)
{
    const struct native_ask *ask = writer->ask;
    if (!text_empty(writer->host->body_version)) {
        json_member_text(writer->json, "anthropic_version", writer->host->body_version);
    } else {
        json_member_text(writer->json, "model", ask->model);
    }
    if (*ask->expects_stream &&
        (text_empty(writer->host->body_version) || writer->host->stream_in_body))
        json_member_bool(writer->json, "stream", true);
    json_member_signed(writer->json, "max_tokens", writer->max_tokens);
}

static void write_all(struct anthropic_writer *writer)
{
    size_t marks = count_marks(writer);
    choose_marks(writer, marks);
    json_begin_object(writer->json);
    write_head(writer);
    /* In the order in which the prompt is put together, and its marks counted. */
    anthropic_write_tools(writer);
    anthropic_write_system(writer);
    anthropic_write_messages(writer);
    anthropic_write_tool_choice(writer);
    write_thinking(writer);
    write_output_config(writer);
    write_sampling(writer);
    write_stop(writer);
    write_user(writer);
    write_tier(writer);
    write_auto_cache(writer, marks);
    write_betas(writer);
    json_end_object(writer->json);
}

enum error anthropic_write_body(struct native_ask *ask, const struct anthropic_host *host)
{
    struct anthropic_writer *writer = arena_take_zeroed(ask->arena, sizeof *writer);
    struct anthropic_written *written = arena_take_zeroed(ask->arena, sizeof *written);
    if (writer == NULL || written == NULL)
        return ERROR_MEMORY;
    writer->ask = ask;
    writer->host = host;
    writer->json = ask->body;
    writer->model = anthropic_model_find(ask->model);
    enum error error = choose(writer);
    if (error != ERROR_OK)
        return error;
    write_all(writer);
    written->answer_tool = writer->answer_tool;
    ask->state = written;
    return writer->error;
}
