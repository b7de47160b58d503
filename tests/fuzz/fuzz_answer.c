/* An upstream's answer, whole and as a stream of each dialect: never fails, facts do not depend on
 * where it is cut, and nothing is lost or invented in a stream but the error at its end. */
#include "base/ensure.h"
#include "pieces.h"
#include "provider/provider.h"

struct outcome {
    struct buffer relayed;
    struct answer_facts facts;
    bool complete;
};

static void sink_write(void *owner, struct text bytes)
{
    struct outcome *outcome = owner;
    ensure(bytes.length > 0 && buffer_append(&outcome->relayed, bytes));
}

static void run(struct arena *arena, struct text target, struct text type, struct text input,
                size_t largest, struct outcome *outcome)
{
    struct http1_header header = {TEXT("content-type"), type, HEADER_CONTENT_TYPE};
    struct http1_head head = {
        .method = HTTP1_POST, .status = 200, .headers = &header, .header_count = 1};
    struct provider_settings settings = {.provider = provider_find(TEXT("openai"))};
    struct endpoint_match match;
    struct buffer lines;
    struct provider_request request;
    struct provider_answer_out out;
    struct provider_answer *answer;
    struct provider_sink sink = {sink_write, outcome};
    head.present[HEADER_CONTENT_TYPE / 64] |= 1ull << (HEADER_CONTENT_TYPE % 64);
    ensure(endpoint_find(HTTP1_POST, target, arena, &match) == REFUSAL_NONE);
    struct provider_call call = {.settings = &settings,
                                 .credential = &settings.credential,
                                 .match = &match,
                                 .head = &head,
                                 .arena = arena};
    buffer_open(&lines, 4096);
    buffer_open(&outcome->relayed, 1u << 26);
    ensure(provider_prepare(&call, &lines, &request) == ERROR_OK);
    ensure(provider_answer_open(&call, &request, &sink, &answer) == ERROR_OK);
    ensure(provider_answer_head(answer, &head, &lines, &out) == ERROR_OK);
    struct pieces pieces = pieces_of(input, largest);
    struct text piece;
    while (pieces_next(&pieces, &piece))
        ensure(provider_answer_bytes(answer, piece) == ERROR_OK);
    outcome->complete = provider_answer_end(answer, ERROR_OK, TEXT("code"), TEXT("message"));
    outcome->facts = *provider_answer_facts(answer);
    provider_answer_close(answer);
    buffer_close(&lines);
}

static void compare(const struct outcome *a, const struct outcome *b)
{
    ensure(a->complete == b->complete);
    ensure(text_equal(buffer_text(&a->relayed), buffer_text(&b->relayed)));
    ensure(text_equal(a->facts.id, b->facts.id) && text_equal(a->facts.model, b->facts.model));
    ensure(text_equal(a->facts.usage_raw, b->facts.usage_raw));
    ensure(a->facts.usage.input == b->facts.usage.input);
    ensure(a->facts.content_bytes == b->facts.content_bytes);
    ensure(a->facts.finished == b->facts.finished && a->facts.is_error == b->facts.is_error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct text targets[] = {TEXT_INIT("/v1/chat/completions"),
                                          TEXT_INIT("/v1/responses"),
                                          TEXT_INIT("/v1/images/generations")};
    static const struct text types[] = {TEXT_INIT("application/json"),
                                        TEXT_INIT("text/event-stream")};
    static const size_t largest[] = {1, 30};
    struct text input = text_of((const char *)data, size);
    for (size_t i = 0; i < ARRAY_LENGTH(targets) * ARRAY_LENGTH(types); i++) {
        struct arena arena;
        struct outcome whole, other;
        arena_open(&arena, NULL, 64u << 20);
        run(&arena, targets[i / 2], types[i % 2], input, SIZE_MAX, &whole);
        ensure(text_starts_with(buffer_text(&whole.relayed), input));
        for (size_t k = 0; k < ARRAY_LENGTH(largest); k++) {
            run(&arena, targets[i / 2], types[i % 2], input, largest[k], &other);
            compare(&whole, &other);
            buffer_close(&other.relayed);
        }
        buffer_close(&whole.relayed);
        arena_close(&arena);
    }
    return 0;
}
