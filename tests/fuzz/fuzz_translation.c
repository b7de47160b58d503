/* What a model says, in any order, as chat and as a response, streamed and whole: always JSON, and
 * the pieces of the stream put together are what the whole answer says. */
#include <yyjson.h>

#include "base/ensure.h"
#include "codec/sse.h"
#include "openai/translation.h"
#include "pieces.h"

#define MEMORY_MAX (64u << 20)
#define CHOICES    3u /* of them a stream needs few to show what can go wrong */
#define TOOLS      TRANSLATION_TOOLS_MAX

enum asked { ASKED_RESPONSES = 1, ASKED_USAGE = 2, ASKED_FUNCTIONS = 4, ASKED_BREAK = 8 };

/* ---- one reading of the input ---- */

struct teller {
    struct arena arena;
    struct conversation conversation;
    struct translation *translation;
    struct buffer out;
    struct text input; /* what is left of it */
    int tools[CHOICES][TOOLS];
    size_t tool_counts[CHOICES];
    bool good; /* translation_end said so */
};

static void collect(void *owner, struct text bytes)
{
    struct teller *teller = owner;
    ensure(bytes.length > 0 && buffer_append(&teller->out, bytes));
}

static unsigned next(struct teller *teller)
{
    unsigned byte = text_empty(teller->input) ? 0 : (unsigned char)teller->input.data[0];
    teller->input = text_from_index(teller->input, 1);
    return byte;
}

/* Characters of one byte and of two: what is no UTF-8 may be repaired differently when it is cut.
 */
static struct text next_text(struct teller *teller)
{
    size_t count = next(teller) % 32, length = 0;
    char *bytes = arena_take(&teller->arena, 2 * count + 1);
    ensure(bytes != NULL);
    for (size_t i = 0; i < count && !text_empty(teller->input); i++) {
        unsigned byte = next(teller);
        if (byte >= 0x80)
            bytes[length++] = (char)(0xc0 | byte >> 6);
        bytes[length++] = (char)(byte >= 0x80 ? 0x80 | (byte & 0x3f) : byte);
    }
    return text_of(bytes, length);
}

static void tell_tool(struct teller *teller, unsigned choice, unsigned what)
{
    struct translation *translation = teller->translation;
    size_t *count = &teller->tool_counts[choice];
    if (what == 0) {
        struct text id = next_text(teller), name = next_text(teller);
        int index = translation_tool_begin(translation, choice, id, name);
        if (index >= 0 && *count < TOOLS)
            teller->tools[choice][(*count)++] = index;
    } else if (*count > 0) {
        int index = teller->tools[choice][next(teller) % *count];
        if (what == 1)
            translation_tool_arguments(translation, choice, index, next_text(teller));
        else
            translation_tool_end(translation, choice, index);
    }
}

static void tell_rest(struct teller *teller, unsigned choice, unsigned what)
{
    struct translation *translation = teller->translation;
    struct usage usage;
    usage_clear(&usage);
    switch (what) {
    case 0:
        translation_finish(translation, choice, next(teller) % (FINISH_CONTENT_FILTER + 1));
        break;
    case 1:
        usage.source = USAGE_REPORTED;
        usage.input = next(teller);
        usage.output = next(teller);
        translation_usage(translation, &usage);
        break;
    case 2: translation_service_tier(translation, next_text(teller)); break;
    case 3: translation_begin(translation, next_text(teller), next_text(teller)); break;
    default: {
        struct text url = next_text(teller), title = next_text(teller);
        int64_t start = (int64_t)next(teller) - 1;
        translation_citation(translation, choice, url, title, start, (int64_t)next(teller) - 1);
        break;
    }
    }
}

static void tell(struct teller *teller)
{
    struct translation *translation = teller->translation;
    unsigned what = next(teller), choice = what / 16 % CHOICES;
    if (teller->conversation.api == CONVERSATION_RESPONSES)
        choice = 0;
    switch (what % 16) {
    case 0:
    case 1: translation_text(translation, choice, next_text(teller)); break;
    case 2: translation_refusal(translation, choice, next_text(teller)); break;
    case 3: translation_reasoning(translation, choice, next_text(teller)); break;
    case 4: translation_reasoning_seal(translation, choice, next_text(teller), false); break;
    case 5: translation_reasoning_seal(translation, choice, next_text(teller), true); break;
    case 6:
    case 7:
    case 8: tell_tool(teller, choice, what % 16 - 6); break;
    default: tell_rest(teller, choice, what % 16 - 9); break;
    }
}

static void ask(struct teller *teller, unsigned asked, bool stream)
{
    static const char tools[] =
        "\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"c\"},\"name\":\"c\"}]";
    struct conversation_problem problem;
    bool responses = (asked & ASKED_RESPONSES) != 0;
    bool functions = (asked & ASKED_FUNCTIONS) != 0 && !responses;
    struct text body = arena_format(
        &teller->arena, "{\"model\":\"m\",\"%s\":[{\"role\":\"user\",\"content\":\"hi\"}],%s%s%s}",
        responses ? "input" : "messages", functions ? "\"functions\":[{\"name\":\"f\"}]" : tools,
        stream ? ",\"stream\":true" : "",
        stream && !responses && (asked & ASKED_USAGE)
            ? ",\"stream_options\":{\"include_usage\":true}"
            : "");
    ensure(conversation_read(&teller->conversation,
                             responses ? CONVERSATION_RESPONSES : CONVERSATION_CHAT, body,
                             &teller->arena, &problem) == ERROR_OK);
}

static void run(struct teller *teller, struct text input, unsigned asked, bool stream)
{
    *teller = (struct teller){.input = input};
    arena_open(&teller->arena, NULL, MEMORY_MAX);
    buffer_open(&teller->out, MEMORY_MAX);
    ask(teller, asked, stream);
    const struct translation_settings settings = {
        .conversation = &teller->conversation,
        .model = TEXT("m"),
        .request_id = TEXT("req_0"),
        .seal_origin = TEXT("anthropic"),
        .created = 1,
        .arena = &teller->arena,
        .write = collect,
        .owner = teller,
    };
    teller->translation = translation_open(&settings);
    ensure(teller->translation != NULL);
    while (!text_empty(teller->input))
        tell(teller);
    ensure(teller->out.length == 0 || translation_has_content(teller->translation));
    if (asked & ASKED_BREAK)
        translation_break(teller->translation, TEXT("server_error"), TEXT("broke"), TEXT("It."));
    else
        teller->good = translation_end(teller->translation);
}

static void finish(struct teller *teller)
{
    translation_close(teller->translation);
    conversation_close(&teller->conversation);
    buffer_close(&teller->out);
    arena_close(&teller->arena);
}

/* ---- the pieces put together ---- */

struct said {
    struct buffer texts[CHOICES][3]; /* content, refusal, reasoning_content */
    struct buffer arguments[CHOICES][TOOLS];
    size_t tools[CHOICES];
    const char *finishes[CHOICES];
};

static const char *const members[] = {"content", "refusal", "reasoning_content"};

static void add(struct buffer *buffer, yyjson_val *value)
{
    if (yyjson_is_str(value))
        buffer_append(buffer, text_of(yyjson_get_str(value), yyjson_get_len(value)));
}

static void add_tools(struct said *said, size_t choice, yyjson_val *calls, bool whole)
{
    size_t position, count;
    yyjson_val *call;
    yyjson_arr_foreach(calls, position, count, call)
    {
        size_t index = whole ? position : yyjson_get_uint(yyjson_obj_get(call, "index"));
        ensure(index < TOOLS && index <= said->tools[choice]); /* without gaps */
        if (index == said->tools[choice])
            buffer_open(&said->arguments[choice][said->tools[choice]++], MEMORY_MAX);
        struct buffer *arguments = &said->arguments[choice][index];
        add(arguments, yyjson_obj_get(yyjson_obj_get(call, "function"), "name"));
        add(arguments, yyjson_obj_get(yyjson_obj_get(call, "function"), "arguments"));
        add(arguments, yyjson_obj_get(yyjson_obj_get(call, "custom"), "name"));
        add(arguments, yyjson_obj_get(yyjson_obj_get(call, "custom"), "input"));
    }
}

static void add_choice(struct said *said, yyjson_val *choice, const char *member)
{
    size_t index = yyjson_get_uint(yyjson_obj_get(choice, "index"));
    yyjson_val *message = yyjson_obj_get(choice, member);
    const char *finish = yyjson_get_str(yyjson_obj_get(choice, "finish_reason"));
    ensure(index < CHOICES && yyjson_is_obj(message));
    for (size_t i = 0; i < ARRAY_LENGTH(members); i++)
        add(&said->texts[index][i], yyjson_obj_get(message, members[i]));
    add_tools(said, index, yyjson_obj_get(message, "tool_calls"), *member == 'm');
    if (finish != NULL) {
        ensure(said->finishes[index] == NULL);
        static const char *const known[] = {"stop", "length", "tool_calls", "function_call",
                                            "content_filter"};
        for (size_t i = 0; i < ARRAY_LENGTH(known); i++)
            if (strcmp(known[i], finish) == 0)
                said->finishes[index] = known[i];
        ensure(said->finishes[index] != NULL);
    }
}

static void add_document(struct said *said, struct text json, const char *member)
{
    size_t position, count;
    yyjson_val *choice;
    yyjson_doc *document = yyjson_read(json.data, json.length, YYJSON_READ_NOFLAG);
    ensure(document != NULL);
    yyjson_arr_foreach(yyjson_obj_get(yyjson_doc_get_root(document), "choices"), position, count,
                       choice) add_choice(said, choice, member);
    yyjson_doc_free(document);
}

static void open_said(struct said *said)
{
    *said = (struct said){0};
    for (size_t i = 0; i < CHOICES; i++)
        for (size_t k = 0; k < ARRAY_LENGTH(members); k++)
            buffer_open(&said->texts[i][k], MEMORY_MAX);
}

static void close_said(struct said *said)
{
    for (size_t i = 0; i < CHOICES; i++) {
        for (size_t k = 0; k < ARRAY_LENGTH(members); k++)
            buffer_close(&said->texts[i][k]);
        for (size_t k = 0; k < said->tools[i]; k++)
            buffer_close(&said->arguments[i][k]);
    }
}

static void compare_said(const struct said *a, const struct said *b)
{
    for (size_t i = 0; i < CHOICES; i++) {
        for (size_t k = 0; k < ARRAY_LENGTH(members); k++)
            ensure(text_equal(buffer_text(&a->texts[i][k]), buffer_text(&b->texts[i][k])));
        ensure(a->tools[i] == b->tools[i] && a->finishes[i] == b->finishes[i]);
        for (size_t k = 0; k < a->tools[i]; k++)
            ensure(text_equal(buffer_text(&a->arguments[i][k]), buffer_text(&b->arguments[i][k])));
    }
}

/* ---- what was written ---- */

/* Each event of a stream: of chat to `said`; of responses the last one's `output` to `output`. */
static void read_stream(struct text rest, struct said *said, struct buffer *output)
{
    struct sse_splitter splitter;
    struct sse_frame frame;
    struct sse_event event;
    struct buffer joined;
    sse_splitter_open(&splitter, MEMORY_MAX);
    buffer_open(&joined, MEMORY_MAX);
    while (sse_next(&splitter, &rest, &frame)) {
        ensure(frame.whole && sse_read(&frame, &joined, &event) && event.has_data);
        if (text_equal(event.data, TEXT("[DONE]")))
            continue;
        add_document(said, event.data, "delta");
        buffer_clear(output);
        buffer_append(output, event.data);
    }
    ensure(!sse_end(&splitter, &frame));
    sse_splitter_close(&splitter);
    buffer_close(&joined);
}

static void compare_outputs(struct text event, struct text whole)
{
    yyjson_doc *one = yyjson_read(event.data, event.length, YYJSON_READ_NOFLAG);
    yyjson_doc *other = yyjson_read(whole.data, whole.length, YYJSON_READ_NOFLAG);
    yyjson_val *streamed = yyjson_doc_ptr_get(one, "/response/output");
    yyjson_val *kept = yyjson_doc_ptr_get(other, "/output");
    ensure(yyjson_is_arr(streamed) && yyjson_equals(streamed, kept));
    ensure(yyjson_equals(yyjson_doc_ptr_get(one, "/response/status"),
                         yyjson_doc_ptr_get(other, "/status")));
    yyjson_doc_free(one);
    yyjson_doc_free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text input = text_of((const char *)data, size);
    unsigned asked = size == 0 ? 0 : data[0];
    static struct teller streamed, whole;
    static struct said pieces, all;
    struct buffer last;
    run(&streamed, text_from_index(input, 1), asked, true);
    run(&whole, text_from_index(input, 1), asked, false);
    open_said(&pieces);
    open_said(&all);
    buffer_open(&last, MEMORY_MAX);
    read_stream(buffer_text(&streamed.out), &pieces, &last);
    ensure(streamed.good == whole.good);
    if (whole.good && asked & ASKED_RESPONSES) {
        compare_outputs(buffer_text(&last), buffer_text(&whole.out));
    } else if (whole.good) {
        add_document(&all, buffer_text(&whole.out), "message");
        compare_said(&pieces, &all);
    }
    buffer_close(&last);
    close_said(&all);
    close_said(&pieces);
    finish(&whole);
    finish(&streamed);
    return 0;
}
