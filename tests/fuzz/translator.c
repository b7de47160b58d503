#include "translator.h"

#include <yyjson.h>

#include "../unit/codec/write_event_stream.h"
#include "base/ensure.h"
#include "codec/json.h"
#include "codec/sse.h"
#include "pieces.h"
#include "provider/provider.h"

#define MEMORY_MAX (64u << 20)

struct round {
    struct arena arena;
    struct provider_settings settings;
    struct endpoint_match match;
    struct http1_head head;
    struct envelope envelope;
    struct provider_call call;
    struct provider_request request;
    struct buffer lines, relayed;
    bool sent; /* the request was good */
    /* what came of the answer */
    struct provider_answer_out out;
    struct answer_facts facts;
    enum provider_failure failure;
    bool complete;
};

/* ---- the request ---- */

static const struct translator_family *family_of(const struct translator_family *families,
                                                 size_t count, unsigned choice)
{
    size_t index = (choice & TRANSLATOR_OTHER ? 1u : 0u) + (choice & TRANSLATOR_THIRD ? 2u : 0u);
    return &families[index < count ? index : 0];
}

static struct text target_of(unsigned choice)
{
    return choice & TRANSLATOR_EMBEDDINGS  ? TEXT("/v1/embeddings")
           : choice & TRANSLATOR_RESPONSES ? TEXT("/v1/responses")
                                           : TEXT("/v1/chat/completions");
}

/* For anybody: strictly, and in UTF-8. */
static void check_json(struct text text)
{
    yyjson_doc *document = yyjson_read(text.data, text.length, YYJSON_READ_NOFLAG);
    ensure(document != NULL);
    yyjson_doc_free(document);
}

/* For ourselves: what the provider wrote, whatever its bytes. */
static void check_kept_json(struct text text)
{
    yyjson_doc *document;
    ensure(json_parse(text, &document) == ERROR_OK);
    yyjson_doc_free(document);
}

static void prepare(struct round *round)
{
    enum error error = provider_prepare(&round->call, &round->lines, &round->request);
    round->sent = error == ERROR_OK;
    ensure(!round->sent || !round->lines.failed);
    /* Something else than "no such endpoint" or a lack of memory says what is wrong. */
    ensure(error != ERROR_SYNTAX || !text_empty(round->request.problem_reason));
    if (round->sent && round->request.translated)
        check_json(buffer_text(&round->request.body));
}

static void open_round(struct round *round, const struct translator_family *family, unsigned choice,
                       struct text body)
{
    *round = (struct round){.sent = false};
    arena_open(&round->arena, NULL, MEMORY_MAX);
    buffer_open(&round->lines, MEMORY_MAX);
    buffer_open(&round->relayed, MEMORY_MAX);
    round->settings = (struct provider_settings){
        .provider = provider_find(text_from(family->name)),
        .quirks = provider_find_quirks(text_from(family->quirks), TEXT(""), 0),
        .base_path = TEXT("/base"),
        .host = TEXT("upstream.example"),
        .region = TEXT("us-east-1"),
        .cloud_project = TEXT("p"),
        .cloud_location = TEXT("global"),
    };
    ensure(round->settings.provider != NULL);
    ensure(endpoint_find(HTTP1_POST, target_of(choice), &round->arena, &round->match) ==
           REFUSAL_NONE);
    round->head.method = HTTP1_POST;
    round->call = (struct provider_call){
        .settings = &round->settings,
        .match = &round->match,
        .head = &round->head,
        .envelope = &round->envelope,
        .body = body,
        .model = text_from(family->model),
        .credential = &round->settings.credential,
        .request_id = TEXT("req_0"),
        .body_maximum = MEMORY_MAX,
        .arena = &round->arena,
    };
    envelope_open(&round->envelope, &round->arena);
    if (envelope_feed(&round->envelope, body) == ERROR_OK &&
        envelope_finish(&round->envelope) == ERROR_OK)
        prepare(round);
}

static void close_round(struct round *round)
{
    provider_request_close(&round->request);
    buffer_close(&round->lines);
    buffer_close(&round->relayed);
    arena_close(&round->arena);
}

/* ---- the answer ---- */

static void sink_write(void *owner, struct text bytes)
{
    struct round *round = owner;
    ensure(bytes.length > 0);
    ensure(buffer_append(&round->relayed, bytes));
}

static struct text type_of(const struct round *round, unsigned choice)
{
    if (!(choice & TRANSLATOR_STREAM))
        return TEXT("application/json");
    return text_equal(provider_name(round->settings.provider), TEXT("bedrock"))
               ? TEXT("application/vnd.amazon.eventstream")
               : TEXT("text/event-stream");
}

static void read_answer(struct round *round, unsigned choice, struct text body, size_t largest)
{
    struct http1_header type = {TEXT("content-type"), type_of(round, choice), HEADER_CONTENT_TYPE};
    struct http1_head head = {.headers = &type, .header_count = 1};
    struct provider_sink sink = {sink_write, round};
    struct provider_answer *answer;
    head.status = choice & TRANSLATOR_ERROR ? 429 : 200;
    head.present[HEADER_CONTENT_TYPE / 64] |= 1ull << (HEADER_CONTENT_TYPE % 64);
    ensure(provider_answer_open(&round->call, &round->request, &sink, &answer) == ERROR_OK);
    ensure(provider_answer_head(answer, &head, &round->lines, &round->out) == ERROR_OK);
    struct pieces pieces = pieces_of(body, largest);
    struct text piece;
    enum error error = ERROR_OK;
    while (error == ERROR_OK && pieces_next(&pieces, &piece))
        error = provider_answer_bytes(answer, piece);
    if (error == ERROR_OK && choice & TRANSLATOR_RESET)
        error = ERROR_RESET;
    round->complete =
        provider_answer_end(answer, error, TEXT("broke"), TEXT("The stream broke off."));
    round->facts = *provider_answer_facts(answer);
    round->failure = provider_answer_outcome(answer)->failure;
    ensure(round->relayed.length > 0 || !provider_answer_has_content(answer));
    provider_answer_close(answer);
}

/* ---- what the caller gets ---- */

/* Returns whether it is the last one. */
static bool check_event(const struct sse_frame *frame, struct buffer *joined)
{
    struct sse_event event;
    ensure(frame->whole && sse_read(frame, joined, &event) && event.has_data);
    if (text_equal(event.data, TEXT("[DONE]")))
        return true;
    check_json(event.data);
    return text_equal(event.name, TEXT("response.completed")) ||
           text_equal(event.name, TEXT("response.incomplete")) ||
           text_equal(event.name, TEXT("response.failed"));
}

static void check_stream(const struct round *round)
{
    struct text rest = buffer_text(&round->relayed);
    struct sse_splitter splitter;
    struct sse_frame frame;
    struct buffer joined;
    bool ended = false;
    sse_splitter_open(&splitter, MEMORY_MAX);
    buffer_open(&joined, MEMORY_MAX);
    while (sse_next(&splitter, &rest, &frame)) {
        ensure(!ended);
        ended = check_event(&frame, &joined);
    }
    ensure(!sse_end(&splitter, &frame));
    ensure(ended || round->facts.broken || !round->complete);
    sse_splitter_close(&splitter);
    buffer_close(&joined);
}

static void check_relayed(const struct round *round)
{
    if (round->out.relay == PROVIDER_RELAY_STREAM)
        check_stream(round);
    else if (round->complete)
        check_json(buffer_text(&round->relayed));
    ensure(!round->facts.is_error || round->failure != PROVIDER_FAILURE_NONE);
    if (!text_empty(round->facts.usage_raw))
        check_kept_json(round->facts.usage_raw);
}

static void compare(const struct round *a, const struct round *b)
{
    ensure(text_equal(buffer_text(&a->relayed), buffer_text(&b->relayed)));
    ensure(a->complete == b->complete && a->failure == b->failure);
    ensure(a->out.status == b->out.status && a->out.relay == b->out.relay);
    ensure(text_equal(a->out.late_lines, b->out.late_lines));
    ensure(a->facts.usage.source == b->facts.usage.source);
    ensure(a->facts.usage.input == b->facts.usage.input);
    ensure(a->facts.usage.output == b->facts.usage.output);
    ensure(text_equal(a->facts.usage_raw, b->facts.usage_raw));
    ensure(a->facts.finished == b->facts.finished && a->facts.is_error == b->facts.is_error);
    ensure(a->facts.content_bytes == b->facts.content_bytes);
}

/* ---- all of it ---- */

/* A line "EVENT JSON" as a frame of AWS's event stream, "!EXCEPTION JSON" as one of an exception.
 */
static void write_frames(struct text lines, struct buffer *out)
{
    while (!text_empty(lines)) {
        struct text line = text_split(&lines, '\n');
        bool exception = text_starts_with(line, TEXT("!"));
        struct text name = text_split(&line, ' ');
        char kept[64];
        name = text_first(exception ? text_from_index(name, 1) : name, sizeof kept - 1);
        for (size_t i = 0; i < name.length; i++)
            kept[i] = name.data[i] == '\0' ? '0' : name.data[i];
        kept[name.length] = '\0';
        event_stream_write_message(out, exception ? "exception" : "event", kept, line);
    }
}

static void try_cut(const struct translator_family *family, unsigned choice, struct text request,
                    struct text answer, const struct round *whole, size_t largest)
{
    struct round cut;
    open_round(&cut, family, choice, request);
    ensure(cut.sent && text_equal(cut.request.target, whole->request.target));
    ensure(text_equal(buffer_text(&cut.request.body), buffer_text(&whole->request.body)));
    read_answer(&cut, choice, answer, largest);
    compare(whole, &cut);
    close_round(&cut);
}

static void try_answer(const struct translator_family *family, struct round *whole, unsigned choice,
                       struct text request, struct text answer)
{
    static const size_t largest[] = {1, 3, 30};
    read_answer(whole, choice, answer, SIZE_MAX);
    check_relayed(whole);
    for (size_t i = 0; i < ARRAY_LENGTH(largest); i++)
        try_cut(family, choice, request, answer, whole, largest[i]);
}

void translator_try(const struct translator_family *families, size_t count, struct text input)
{
    struct text rest = text_from_index(input, 1);
    if (text_empty(input))
        return;
    unsigned choice = (unsigned char)input.data[0];
    const struct translator_family *family = family_of(families, count, choice);
    struct text request = text_split(&rest, '\0');
    struct round whole;
    struct buffer framed;
    buffer_open(&framed, MEMORY_MAX);
    open_round(&whole, family, choice, request);
    if (text_equal_ignoring_case(type_of(&whole, choice),
                                 TEXT("application/vnd.amazon.eventstream")) &&
        !(choice & TRANSLATOR_RAW_FRAMES)) {
        write_frames(rest, &framed);
        rest = buffer_text(&framed);
    }
    if (whole.sent && whole.request.translated)
        try_answer(family, &whole, choice, request, rest);
    close_round(&whole);
    buffer_close(&framed);
}
