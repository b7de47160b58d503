/* Gemini's and Vertex AI's translator, both directions: a byte that chooses, a caller's request, a
 * zero byte, a provider's answer. What is sent is one JSON value (bytes that are no UTF-8 go on as
 * they came, for the provider to refuse); an answer cut anywhere gives the caller the same bytes.
 */
#include <yyjson.h>

#include "base/ensure.h"
#include "pieces.h"
#include "provider/provider.h"

#define MEMORY_MAX (64u << 20)

enum choice {
    CHOICE_VERTEX = 1,
    CHOICE_STREAM = 2,
    CHOICE_EMBEDDINGS = 4,
    CHOICE_RESPONSES = 8,
    CHOICE_ERROR = 16
};

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
};

static void sink_write(void *owner, struct text bytes)
{
    struct round *round = owner;
    ensure(bytes.length > 0);
    (void)buffer_append(&round->relayed, bytes);
}

static void open_round(struct round *round, unsigned choice, struct text body)
{
    struct text target = choice & CHOICE_EMBEDDINGS  ? TEXT("/v1/embeddings")
                         : choice & CHOICE_RESPONSES ? TEXT("/v1/responses")
                                                     : TEXT("/v1/chat/completions");
    *round = (struct round){.sent = false};
    arena_open(&round->arena, NULL, MEMORY_MAX);
    buffer_open(&round->lines, MEMORY_MAX);
    buffer_open(&round->relayed, MEMORY_MAX);
    round->settings = (struct provider_settings){
        .provider = provider_find(choice & CHOICE_VERTEX ? TEXT("vertex") : TEXT("gemini")),
        .base_path = TEXT("/base"),
        .cloud_project = TEXT("p"),
        .cloud_location = TEXT("global"),
    };
    ensure(endpoint_find(HTTP1_POST, target, &round->arena, &round->match) == REFUSAL_NONE);
    round->head.method = HTTP1_POST;
    round->call = (struct provider_call){
        .settings = &round->settings,
        .match = &round->match,
        .head = &round->head,
        .envelope = &round->envelope,
        .body = body,
        .credential = &round->settings.credential,
        .request_id = TEXT("req_0"),
        .body_maximum = MEMORY_MAX,
        .arena = &round->arena,
    };
    envelope_open(&round->envelope, &round->arena);
    round->sent = envelope_feed(&round->envelope, body) == ERROR_OK &&
                  envelope_finish(&round->envelope) == ERROR_OK &&
                  provider_prepare(&round->call, &round->lines, &round->request) == ERROR_OK;
    if (round->sent && round->request.translated) {
        struct text sent = buffer_text(&round->request.body);
        yyjson_doc *document =
            yyjson_read(sent.data, sent.length, YYJSON_READ_ALLOW_INVALID_UNICODE);
        ensure(document != NULL);
        yyjson_doc_free(document);
    }
}

static void close_round(struct round *round)
{
    provider_request_close(&round->request);
    buffer_close(&round->lines);
    buffer_close(&round->relayed);
    arena_close(&round->arena);
}

static void answer(struct round *round, unsigned choice, struct text body, size_t largest)
{
    struct http1_header type = {TEXT("content-type"),
                                choice & CHOICE_STREAM ? TEXT("text/event-stream")
                                                       : TEXT("application/json"),
                                HEADER_CONTENT_TYPE};
    struct http1_head head = {.headers = &type, .header_count = 1};
    struct provider_sink sink = {sink_write, round};
    struct provider_answer_out out;
    struct provider_answer *reader;
    head.status = choice & CHOICE_ERROR ? 429 : 200;
    head.present[HEADER_CONTENT_TYPE / 64] |= 1ull << (HEADER_CONTENT_TYPE % 64);
    ensure(provider_answer_open(&round->call, &round->request, &sink, &reader) == ERROR_OK);
    ensure(provider_answer_head(reader, &head, &round->lines, &out) == ERROR_OK);
    struct pieces pieces = pieces_of(body, largest);
    struct text piece;
    enum error error = ERROR_OK;
    while (error == ERROR_OK && pieces_next(&pieces, &piece))
        error = provider_answer_bytes(reader, piece);
    (void)provider_answer_end(reader, error, TEXT("broke"), TEXT("It broke off."));
    (void)provider_answer_facts(reader);
    provider_answer_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text input = text_of((const char *)data, size), rest = text_from_index(input, 1);
    if (size == 0)
        return 0;
    unsigned choice = data[0];
    struct text request = text_split(&rest, '\0');
    struct round whole, cut;
    open_round(&whole, choice, request);
    open_round(&cut, choice, request);
    ensure(whole.sent == cut.sent);
    if (whole.sent && whole.request.translated) {
        answer(&whole, choice, rest, SIZE_MAX);
        answer(&cut, choice, rest, 3);
        ensure(text_equal(buffer_text(&whole.relayed), buffer_text(&cut.relayed)));
    }
    close_round(&whole);
    close_round(&cut);
    return 0;
}
