/* anthropic: Anthropic's Messages API, and whoever offers it under an address of its own with a key
 * of its own (Microsoft Foundry, Bedrock Mantle). Source: Anthropic API reference, "API overview",
 * "Rate limits". */
#include "provider/anthropic.h"

#include "base/instant.h"
#include "provider/anthropic_parts.h"
#include "provider/dialect.h"
#include "provider/listing.h"

/* The version of the API whose bodies and events these are. */
static const struct text version_line = TEXT_INIT("anthropic-version: 2023-06-01\r\n");

bool anthropic_uses_oauth(const struct provider_credential *credential)
{
    return credential->secret != NULL &&
           text_starts_with(secret_expose(credential->secret), TEXT("sk-ant-oat"));
}

static void write_lines(const struct provider_settings *settings,
                        const struct provider_credential *credential, struct buffer *lines)
{
    if (!dialect_has_line(settings->extra_lines, TEXT("anthropic-version")))
        buffer_append(lines, version_line);
    if (anthropic_uses_oauth(credential))
        dialect_write_credential(lines, "authorization", "Bearer ", credential);
    else
        dialect_write_credential(lines, "x-api-key", "", credential);
}

static enum error write_direct(struct native_ask *ask)
{
    static const struct anthropic_host direct = {.betas_in_body = false};
    return anthropic_write_body(ask, &direct);
}

static enum error write_chat(struct native_ask *ask)
{
    buffer_append(ask->target, TEXT("/messages"));
    write_lines(ask->call->settings, ask->call->credential, ask->lines);
    return write_direct(ask);
}

/* "Count tokens in a Message": of a request what the model reads. */
const char *const anthropic_counted[] = {"messages",      "model",         "system",
                                         "tools",         "tool_choice",   "thinking",
                                         "output_config", "cache_control", NULL};

static enum error write_count(struct native_ask *ask)
{
    buffer_append(ask->target, TEXT("/messages/count_tokens"));
    write_lines(ask->call->settings, ask->call->credential, ask->lines);
    json_begin_object(ask->body);
    enum error error = native_write_members(ask, write_direct, anthropic_counted);
    json_end_object(ask->body);
    return error;
}

/* ---- rates ---- */

static const struct rate_row {
    struct text name; /* behind "anthropic-ratelimit-" */
    struct text written;
    bool instant; /* a moment, told to the caller as the time until then */
} rate_rows[] = {
    {TEXT_INIT("requests-limit"), TEXT_INIT("x-ratelimit-limit-requests"), false},
    {TEXT_INIT("requests-remaining"), TEXT_INIT("x-ratelimit-remaining-requests"), false},
    {TEXT_INIT("requests-reset"), TEXT_INIT("x-ratelimit-reset-requests"), true},
    {TEXT_INIT("tokens-limit"), TEXT_INIT("x-ratelimit-limit-tokens"), false},
    {TEXT_INIT("tokens-remaining"), TEXT_INIT("x-ratelimit-remaining-tokens"), false},
    {TEXT_INIT("tokens-reset"), TEXT_INIT("x-ratelimit-reset-tokens"), true},
};

static void write_rate(struct buffer *lines, const struct rate_row *row, struct text value,
                       int64_t now)
{
    int64_t at;
    if (!row->instant) {
        http1_append_header(lines, row->written, value);
        return;
    }
    if (!instant_parse(value, &at))
        return;
    buffer_append(lines, row->written);
    buffer_append(lines, TEXT(": "));
    buffer_append_signed(lines, at > now ? at - now : 0);
    buffer_append(lines, TEXT("s\r\n"));
}

static void write_rates(const struct http1_head *head, int64_t now, struct buffer *lines)
{
    static const struct text prefix = TEXT_INIT("anthropic-ratelimit-");
    for (size_t i = 0; i < head->header_count; i++) {
        struct text name = head->headers[i].name;
        if (!text_equal_ignoring_case(text_first(name, prefix.length), prefix))
            continue;
        for (size_t k = 0; k < ARRAY_LENGTH(rate_rows); k++)
            if (text_equal_ignoring_case(text_from_index(name, prefix.length), rate_rows[k].name))
                write_rate(lines, &rate_rows[k], head->headers[i].value, now);
    }
}

/* ---- what it has ---- */

/* "List models": pages of up to a thousand, each asked by the last id of the one before. */
static enum error list_ask(const struct listing_ask *ask)
{
    buffer_append(ask->target, ask->settings->base_path);
    buffer_append(ask->target, TEXT("/models?limit=1000"));
    if (!text_empty(ask->page))
        listing_append_parameter(ask->target, "after_id", ask->page);
    write_lines(ask->settings, ask->credential, ask->lines);
    return ERROR_OK;
}

static enum error list_read(struct listing *listing, yyjson_val *root)
{
    yyjson_val *rows = yyjson_obj_get(root, "data"), *row;
    size_t index, count;
    if (!yyjson_is_arr(rows))
        return ERROR_SYNTAX;
    yyjson_arr_foreach(rows, index, count, row)
    {
        int64_t created = 0;
        if (!instant_parse(listing_text(row, "created_at"), &created))
            created = 0;
        listing_add(listing, listing_text(row, "id"), created);
    }
    if (yyjson_is_true(yyjson_obj_get(root, "has_more")))
        listing_set_next(listing, listing_text(root, "last_id"));
    return ERROR_OK;
}

static const struct lister lister = {.ask = list_ask, .read = list_read};

static const struct native native = {
    .usage_dialect = TEXT_INIT("anthropic"),
    .seal_origin = TEXT_INIT("anthropic"),
    .request_id = TEXT_INIT("request-id"),
    .framing = NATIVE_SSE,
    .understood = ANTHROPIC_UNDERSTOOD,
    .write_chat = write_chat,
    .write_count = write_count,
    .count_member = "input_tokens",
    .read_chat = anthropic_read_message,
    .read_frame = anthropic_read_frame,
    .count_usage = anthropic_count_usage,
    .read_error = anthropic_read_error,
    .write_rates = write_rates,
};

extern const struct provider provider_anthropic;
const struct provider provider_anthropic = {
    .name = TEXT_INIT("anthropic"),
    .prepare = native_prepare,
    .answer_open = native_answer_open,
    .native = &native,
    .lister = &lister,
};
