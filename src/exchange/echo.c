#include "exchange/echo.h"

#include <openssl/evp.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "base/number.h"
#include "codec/json.h"
#include "exchange/whoami.h"

/* The largest head that is read, with every byte escaped. */
#define ANSWER_MAXIMUM    (1u << 20)
#define EVENTS_MAXIMUM    100u
#define STREAM_MAXIMUM_MS 3600000u
/* How soon a stream that is silent sees that the gateway is to stop. */
#define LOOK_INTERVAL NANOSECONDS_PER_SECOND
#define EVENT_SIZE    160u
#define HASH_SIZE     32u
#define HASH_TEXT     (2u * HASH_SIZE)

struct echo {
    EVP_MD_CTX *digest; /* of the body */
    /* The stream; `events` 0: there is none. */
    uint64_t events, interval; /* nanoseconds */
    uint64_t sent, began;      /* events; loop_now_exact */
    struct loop_timer timer;
    bool counted; /* among the worker's */
};

/* What SDKs and people read of answers, though it says nothing here: does it arrive? */
static const struct told_field {
    const char *name, *value;
} answer_fields[] = {
    {"retry-after", "0"},
    {"retry-after-ms", "0"},
    {"x-should-retry", "false"},
    {"openai-processing-ms", "0"},
    {"x-ratelimit-limit-requests", "1"},
    {"x-ratelimit-remaining-requests", "1"},
    {"x-ratelimit-reset-requests", "0s"},
};

/* ---- the body ---- */

static void write_hash(EVP_MD_CTX *digest, char out[HASH_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[HASH_SIZE];

    ensure(EVP_DigestFinal_ex(digest, bytes, NULL) == 1);
    for (size_t i = 0; i < HASH_SIZE; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
}

bool echo_open(struct exchange *exchange)
{
    struct echo *echo = arena_take_zeroed(&exchange->arena, sizeof *echo);

    if (!echo)
        return false;
    echo->digest = EVP_MD_CTX_new();
    if (!echo->digest || EVP_DigestInit_ex(echo->digest, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(echo->digest);
        return false;
    }
    exchange->echo = echo;
    return true;
}

void echo_take_body(struct exchange *exchange, struct text bytes)
{
    ensure(EVP_DigestUpdate(exchange->echo->digest, bytes.data, bytes.length) == 1);
}

void echo_close(struct exchange *exchange)
{
    struct echo *echo = exchange->echo;

    if (!echo)
        return;
    EVP_MD_CTX_free(echo->digest);
    echo->digest = NULL;
    if (echo->counted) {
        loop_timer_clear(exchange->worker->loop, &echo->timer);
        exchange->worker->echo_count--;
        echo->counted = false;
    }
}

/* ---- what arrived ---- */

/* Something on the way may have added a secret of its own: only what is known to be none is shown;
 * of everything else its length. */
static void write_value(struct json_writer *json, struct text value, bool shown)
{
    if (shown)
        json_member_text(json, "value", value);
    else
        json_member_unsigned(json, "length", value.length);
}

/* A referer may be a URL with a password or a token in it, baggage is whatever somebody put there.
 */
static bool is_shown(enum header_id id)
{
    return id != HEADER_OTHER && id != HEADER_REFERER && id != HEADER_BAGGAGE &&
           !(header_flags(id) & HEADER_FLAG_SECRET);
}

static void write_headers(struct exchange *exchange, struct json_writer *json)
{
    const struct http1_head *head = http_request_head(exchange->request);

    json_key(json, TEXT("headers"));
    json_begin_array(json);
    for (size_t i = 0; i < head->header_count; i++) {
        const struct http1_header *header = &head->headers[i];
        json_begin_object(json);
        json_member_text(json, "name", header->name);
        if (header->id == HEADER_AUTHORIZATION) {
            json_member_bool(json, "present", true);
            json_member_text(json, "proof", principal_proof_name(exchange->proof));
            json_member_text(json, "id", exchange->key_id);
        } else {
            write_value(json, header->value, is_shown(header->id));
        }
        json_end_object(json);
    }
    json_end_array(json);
}

/* Names that doctor uses, and those that change the answer. */
static bool is_own_parameter(struct text name)
{
    static const struct text names[] = {TEXT_INIT("events"), TEXT_INIT("interval_ms"),
                                        TEXT_INIT("probe")};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (text_equal(name, names[i]))
            return true;
    }
    return false;
}

static void write_query(struct exchange *exchange, struct json_writer *json)
{
    struct text rest = exchange->match.query;

    json_key(json, TEXT("query"));
    json_begin_array(json);
    while (!text_empty(rest)) {
        struct text value = text_split(&rest, '&'), name = text_split(&value, '=');
        json_begin_object(json);
        json_member_text(json, "name", name);
        write_value(json, value.data ? value : TEXT(""), is_own_parameter(name));
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_body(struct exchange *exchange, struct json_writer *json)
{
    const struct http1_head *head = http_request_head(exchange->request);
    char hash[HASH_TEXT];

    write_hash(exchange->echo->digest, hash);
    json_key(json, TEXT("body"));
    json_begin_object(json);
    json_member_unsigned(json, "bytes", exchange->body_seen);
    json_member_text(json, "sha256", text_of(hash, HASH_TEXT));
    json_member_text(json, "framing",
                     !http_request_has_body(exchange->request) && exchange->body_seen == 0
                         ? TEXT("none")
                     : head->has_content_length ? TEXT("content-length")
                                                : TEXT("chunked"));
    json_end_object(json);
}

static void write_answer_fields(struct exchange *exchange, struct json_writer *json)
{
    json_key(json, TEXT("answer_headers"));
    json_begin_array(json);
    json_begin_object(json);
    json_member_text(json, "name", TEXT("x-request-id"));
    json_member_text(json, "value", text_of(exchange->id_text, IDENTIFIER_TEXT_LENGTH));
    json_end_object(json);
    for (size_t i = 0; i < ARRAY_LENGTH(answer_fields); i++) {
        json_begin_object(json);
        json_member_text(json, "name", text_from(answer_fields[i].name));
        json_member_text(json, "value", text_from(answer_fields[i].value));
        json_end_object(json);
    }
    json_end_array(json);
}

static bool write_page(struct exchange *exchange)
{
    const struct http1_head *head = http_request_head(exchange->request);
    char moment[CLOCK_RFC3339_SIZE];
    struct json_writer json;

    buffer_open(&exchange->page, ANSWER_MAXIMUM);
    json_open(&json, &exchange->page);
    json_begin_object(&json);
    json_member_text(&json, "object", TEXT("turnpike.echo"));
    json_member_text(&json, "request_id", text_of(exchange->id_text, IDENTIFIER_TEXT_LENGTH));
    json_member_text(&json, "received_at",
                     text_of(moment, clock_format_rfc3339(exchange->record.started_at, moment)));
    json_member_text(&json, "method", exchange->record.method);
    json_member_text(&json, "path", exchange->record.path);
    write_query(exchange, &json);
    json_member_text(&json, "http_version", head->version_minor == 0 ? TEXT("1.0") : TEXT("1.1"));
    whoami_write_place(exchange, &json);
    write_headers(exchange, &json);
    write_body(exchange, &json);
    write_answer_fields(exchange, &json);
    json_end_object(&json);
    return json_done(&json);
}

/* ---- the answer as a whole ---- */

/* The whole body's hash: what was rewritten on the way back has another. */
static struct text answer_lines(struct exchange *exchange, bool streamed)
{
    char memory[1024], hash[HASH_TEXT];
    struct buffer lines = {.data = memory, .capacity = sizeof memory, .maximum = sizeof memory};

    for (size_t i = 0; i < ARRAY_LENGTH(answer_fields); i++)
        http1_append_header(&lines, text_from(answer_fields[i].name),
                            text_from(answer_fields[i].value));
    if (!streamed) {
        EVP_MD_CTX *digest = exchange->echo->digest;
        ensure(EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
               EVP_DigestUpdate(digest, exchange->page.data, exchange->page.length) == 1);
        write_hash(digest, hash);
        http1_append_header(&lines, TEXT("x-turnpike-echo-sha256"), text_of(hash, HASH_TEXT));
    }
    struct text all = arena_format(&exchange->arena, "%.*s%.*s", TEXT_ARG(exchange->ending_lines),
                                   TEXT_ARG(buffer_text(&lines)));
    return all.data ? all : exchange->ending_lines;
}

/* ---- the stream ---- */

static size_t format_event(struct exchange *exchange, char out[EVENT_SIZE])
{
    struct echo *echo = exchange->echo;
    uint64_t since = loop_now_exact(exchange->worker->loop) - echo->began;
    int length = snprintf(out, EVENT_SIZE, "data: {\"index\":%llu,\"sent_us\":%llu}\n\n",
                          (unsigned long long)++echo->sent, (unsigned long long)since / 1000);

    return (size_t)length;
}

/* The last bytes wait for settle: the record comes first. */
static void end_stream(struct exchange *exchange, struct text last)
{
    exchange->ending_body = arena_format(&exchange->arena, "%.*sdata: [DONE]\n\n", TEXT_ARG(last));
    exchange_end(exchange, ENDING_OWN);
    exchange_resume(exchange);
}

static void set_timer(struct exchange *exchange)
{
    struct echo *echo = exchange->echo;
    uint64_t now = loop_now_exact(exchange->worker->loop);
    uint64_t due = echo->began + echo->sent * echo->interval;
    uint64_t wait = due > now ? due - now : 0;

    loop_timer_set(exchange->worker->loop, &echo->timer,
                   wait < LOOK_INTERVAL ? wait : LOOK_INTERVAL);
}

static void go_on(void *owner)
{
    struct exchange *exchange = owner;
    struct echo *echo = exchange->echo;
    uint64_t now = loop_now_exact(exchange->worker->loop);
    char event[EVENT_SIZE];

    if (exchange->worker->draining) {
        end_stream(exchange, TEXT("data: {\"ended_early\":\"the gateway is to stop\"}\n\n"));
        return;
    }
    if (now < echo->began + echo->sent * echo->interval) {
        set_timer(exchange);
        return;
    }
    struct text part = text_of(event, format_event(exchange, event));
    if (echo->sent == echo->events) {
        end_stream(exchange, part);
        return;
    }
    exchange->record.bytes_sent += (int64_t)part.length;
    if (!http_request_send(exchange->request, &part, 1, false)) {
        exchange->request = NULL;
        exchange->record.outcome = RECORD_OUTCOME_CANCELLED;
        exchange_end(exchange, ENDING_NONE);
        exchange_resume(exchange);
        return;
    }
    set_timer(exchange);
}

static void count_stream(struct exchange *exchange)
{
    exchange->worker->echo_count++;
    exchange->echo->counted = true;
    exchange->stream_counted = true;
    exchange->record.streamed = true;
    exchange->record.status = 200;
    exchange->answered = true;
    metrics_add(exchange->worker->metrics, METRIC_STREAMS, 1);
}

static enum step_result begin_stream(struct exchange *exchange)
{
    struct echo *echo = exchange->echo;
    char first[EVENT_SIZE];

    if (exchange->worker->echo_count >= ECHO_STREAMS_MAXIMUM)
        return exchange_refuse(
            exchange, REFUSAL_OVERLOADED,
            (struct refusal_context){.detail = TEXT("so many echoes are streamed already"),
                                     .retry_after = NANOSECONDS_PER_SECOND});
    (void)exchange_answer(exchange, 200, "text/event-stream; charset=utf-8", TEXT(""));
    exchange->ending = ENDING_NONE;
    count_stream(exchange);
    echo->began = loop_now_exact(exchange->worker->loop);
    loop_timer_open(&echo->timer, go_on, exchange);
    const struct text parts[] = {
        TEXT("event: echo\ndata: "),
        buffer_text(&exchange->page),
        TEXT("\n\n"),
        text_of(first, format_event(exchange, first)),
    };
    const struct http_answer answer = {.status = 200, .headers = answer_lines(exchange, true)};
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
        exchange->record.bytes_sent += (int64_t)parts[i].length;
    if (!http_request_respond(exchange->request, &answer, parts, ARRAY_LENGTH(parts), false)) {
        exchange->request = NULL;
        exchange->record.outcome = RECORD_OUTCOME_CANCELLED;
        return STEP_END;
    }
    set_timer(exchange);
    return STEP_WAIT;
}

/* ---- the request ---- */

/* A number in the query; false: it is there and is none within its bounds. */
static bool read_parameter(struct exchange *exchange, const char *wanted, uint64_t maximum,
                           uint64_t *out)
{
    struct text rest = exchange->match.query;

    while (!text_empty(rest)) {
        struct text value = text_split(&rest, '&'), name = text_split(&value, '=');
        if (text_equal(name, text_from(wanted)) &&
            (!number_parse_unsigned(value, out) || *out > maximum))
            return false;
    }
    return true;
}

enum step_result echo_answer(struct exchange *exchange)
{
    uint64_t interval = 0;

    if (!exchange->echo && !echo_open(exchange))
        return exchange_refuse(exchange, REFUSAL_MEMORY_LIMIT, (struct refusal_context){0});
    struct echo *echo = exchange->echo;
    if (!read_parameter(exchange, "events", EVENTS_MAXIMUM, &echo->events) ||
        !read_parameter(exchange, "interval_ms", STREAM_MAXIMUM_MS, &interval) ||
        echo->events * interval > STREAM_MAXIMUM_MS)
        return exchange_refuse(
            exchange, REFUSAL_PARAMETER_INVALID,
            (struct refusal_context){
                .detail = TEXT("in the URL, \"events\" is a number up to 100 and \"interval_ms\" "
                               "one of milliseconds; together they may take an hour")});
    echo->interval = interval * NANOSECONDS_PER_MILLISECOND;
    if (!write_page(exchange))
        return exchange_refuse(exchange, REFUSAL_MEMORY_LIMIT,
                               (struct refusal_context){.limit = ANSWER_MAXIMUM});
    if (echo->events > 1)
        return begin_stream(exchange);
    enum step_result result =
        exchange_answer(exchange, 200, "application/json", buffer_text(&exchange->page));
    exchange->ending_lines = answer_lines(exchange, false);
    return result;
}
