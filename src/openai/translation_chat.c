/* chat.completion and chat.completion.chunk. Source: OpenAI API reference, chat; what the official
 * SDKs need of a stream stands with each rule. */
#include "openai/translation_parts.h"

/* What every chunk begins and ends with, made once. */
struct chat_state {
    struct text begin; /* data: {"id":…,"choices":[ */
    struct text tier;  /* that `begin` was made with */
    struct text null_usage;
};

#define HEAD_MAX 4096u /* ids and names of models; longer ones fail the translation */

static struct text answer_id(struct translation *translation)
{
    if (text_empty(translation->id)) {
        struct text token = translation_token(translation);
        translation->id =
            arena_format(translation->settings.arena, "chatcmpl-%.*s", TEXT_ARG(token));
        translation->failed |= translation->id.data == NULL;
    }
    return translation->id;
}

static void write_head(struct translation *translation, struct json_writer *json,
                       const char *object)
{
    json_member_text(json, "id", answer_id(translation));
    json_member_text(json, "object", text_from(object));
    json_member_signed(json, "created", translation->settings.created);
    json_member_text(json, "model", translation->model);
    if (!text_empty(translation->service_tier))
        json_member_text(json, "service_tier", translation->service_tier);
    json_member_text(json, "system_fingerprint", (struct text){NULL, 0});
}

/* ---- pieces of both ---- */

static void write_count(struct json_writer *json, const char *key, int64_t count)
{
    json_member_signed(json, key, count < 0 ? 0 : count);
}

static void write_known(struct json_writer *json, const char *key, int64_t count)
{
    if (count >= 0)
        json_member_signed(json, key, count);
}

static void write_usage(struct json_writer *json, const struct usage *usage)
{
    int64_t input = usage->input < 0 ? 0 : usage->input;
    int64_t output = usage->output < 0 ? 0 : usage->output;
    json_begin_object(json);
    write_count(json, "prompt_tokens", usage->input);
    write_count(json, "completion_tokens", usage->output);
    json_member_signed(json, "total_tokens", usage->total < 0 ? input + output : usage->total);
    json_key(json, TEXT("prompt_tokens_details"));
    json_begin_object(json);
    write_count(json, "cached_tokens", usage->cached_input);
    write_count(json, "audio_tokens", usage->audio_input);
    write_known(json, "cache_write_tokens", usage->cache_write);
    write_known(json, "image_tokens", usage->image_input);
    json_end_object(json);
    json_key(json, TEXT("completion_tokens_details"));
    json_begin_object(json);
    write_count(json, "reasoning_tokens", usage->reasoning);
    write_count(json, "audio_tokens", usage->audio_output);
    write_known(json, "image_tokens", usage->image_output);
    json_end_object(json);
    json_end_object(json);
}

static bool is_legacy(const struct translation *translation)
{
    return translation->settings.conversation->legacy_functions;
}

static struct text finish_reason(const struct translation *translation,
                                 const struct translation_choice *choice)
{
    static const struct text reasons[] = {
        [FINISH_STOP] = TEXT_INIT("stop"),
        [FINISH_LENGTH] = TEXT_INIT("length"),
        [FINISH_TOOL_CALLS] = TEXT_INIT("tool_calls"),
        [FINISH_CONTENT_FILTER] = TEXT_INIT("content_filter"),
    };
    enum translation_finish finish = translation_finish_of(translation, choice->index);
    if (finish == FINISH_STOP && choice->tool_count > 0)
        finish = FINISH_TOOL_CALLS;
    /* Without a call it would make an SDK look for one. */
    if (finish == FINISH_TOOL_CALLS && choice->tool_count == 0)
        finish = FINISH_STOP;
    if (finish == FINISH_TOOL_CALLS && is_legacy(translation))
        return TEXT("function_call");
    return reasons[finish];
}

/* As conversation_read finds it again. The index is for Python's SDK, which puts the lists of a
 * stream together by it. */
static void write_detail(const struct translation *translation, struct json_writer *json,
                         const struct translation_choice *choice, struct text seal, bool whole)
{
    json_begin_object(json);
    json_member_unsigned(json, "index", choice->detail_count);
    json_member_text(json, "type", whole ? TEXT("reasoning.encrypted") : TEXT("reasoning.text"));
    json_member_text(json, "format", translation->settings.seal_origin);
    if (whole) {
        json_member_text(json, "data", seal);
    } else {
        json_member_text(json, "text", text_or_empty(buffer_text(&choice->block)));
        json_member_text(json, "signature", seal);
    }
    json_end_object(json);
}

static void write_citation(struct json_writer *json, const struct translation_citation *citation,
                           bool indexed)
{
    json_begin_object(json);
    if (indexed)
        json_member_unsigned(json, "index", citation->index);
    json_member_text(json, "type", TEXT("url_citation"));
    json_key(json, TEXT("url_citation"));
    json_begin_object(json);
    json_member_unsigned(json, "start_index", citation->start);
    json_member_unsigned(json, "end_index", citation->end);
    json_member_text(json, "url", text_or_empty(citation->url));
    json_member_text(json, "title", text_or_empty(citation->title));
    json_end_object(json);
    json_end_object(json);
}

/* ---- chunks ---- */

static bool make_begin(struct translation *translation, struct chat_state *state)
{
    struct buffer head;
    struct json_writer json;
    buffer_open(&head, HEAD_MAX);
    json_open(&json, &head);
    buffer_append(&head, TEXT("data: "));
    json_begin_object(&json);
    write_head(translation, &json, "chat.completion.chunk");
    json_key(&json, TEXT("choices"));
    buffer_append_char(&head, '[');
    state->tier = translation->service_tier;
    state->begin = arena_copy(translation->settings.arena, buffer_text(&head));
    bool ok = !head.failed && state->begin.data != NULL;
    buffer_close(&head);
    translation->failed |= !ok;
    return ok;
}

/* The names of model and answer are settled with the first chunk; the tier may be told later. */
static struct chat_state *chunk_state(struct translation *translation)
{
    struct chat_state *state = translation->state;
    if (state != NULL && text_equal(state->tier, translation->service_tier))
        return state;
    if (state == NULL) {
        state = arena_take_zeroed(translation->settings.arena, sizeof(*state));
        if (state == NULL) {
            translation->failed = true;
            return NULL;
        }
        state->null_usage = translation->settings.conversation->include_usage
                                ? TEXT("],\"usage\":null}\n\n")
                                : TEXT("]}\n\n");
        translation->state = state;
    }
    return make_begin(translation, state) ? state : NULL;
}

/* Up to the delta's value. Between it and end_chunk the delta is appended. */
static struct buffer *begin_chunk(struct translation *translation,
                                  const struct translation_choice *choice)
{
    struct chat_state *state = chunk_state(translation);
    struct buffer *out = &translation->out;
    if (state == NULL)
        return NULL;
    buffer_append(out, state->begin);
    buffer_append(out, TEXT("{\"index\":"));
    buffer_append_unsigned(out, choice->index);
    buffer_append(out, TEXT(",\"delta\":"));
    return out;
}

static void end_chunk(struct translation *translation, struct text finish)
{
    struct chat_state *state = translation->state;
    struct buffer *out = &translation->out;
    if (text_empty(finish)) {
        buffer_append(out, TEXT(",\"finish_reason\":null}"));
    } else {
        buffer_append(out, TEXT(",\"finish_reason\":\""));
        buffer_append(out, finish);
        buffer_append(out, TEXT("\"}"));
    }
    buffer_append(out, state->null_usage);
}

/* A chunk that says one thing: `before`, the JSON string of `text`, `after`. */
static void write_string_chunk(struct translation *translation,
                               const struct translation_choice *choice, struct text before,
                               struct text text, struct text after)
{
    struct buffer *out = begin_chunk(translation, choice);
    if (out == NULL)
        return;
    buffer_append(out, before);
    json_append_text(out, text);
    buffer_append(out, after);
    end_chunk(translation, TEXT(""));
}

/* The role once: Python's SDK would put repeated ones together. Beside calls alone the content is
 * null. */
static void chunk_begin_choice(struct translation *translation, struct translation_choice *choice)
{
    struct buffer *out = begin_chunk(translation, choice);
    if (out == NULL)
        return;
    buffer_append(out, translation->calls_first
                           ? TEXT("{\"role\":\"assistant\",\"content\":null,\"refusal\":null}")
                           : TEXT("{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}"));
    end_chunk(translation, TEXT(""));
}

static void chunk_text(struct translation *translation, struct translation_choice *choice,
                       struct text text)
{
    write_string_chunk(translation, choice, TEXT("{\"content\":"), text, TEXT("}"));
}

static void chunk_refusal(struct translation *translation, struct translation_choice *choice,
                          struct text text)
{
    write_string_chunk(translation, choice, TEXT("{\"refusal\":"), text, TEXT("}"));
}

static void chunk_reasoning(struct translation *translation, struct translation_choice *choice,
                            struct text text)
{
    write_string_chunk(translation, choice, TEXT("{\"reasoning_content\":"), text, TEXT("}"));
}

/* ---- tools in chunks ---- */

static size_t tool_number(const struct translation_choice *choice,
                          const struct translation_tool *tool)
{
    return (size_t)(tool - choice->tools);
}

/* Callers of the old way know of one call; a further one, which they asked the model not to make,
 * cannot be told to them. */
static bool is_told(const struct translation *translation, const struct translation_choice *choice,
                    const struct translation_tool *tool)
{
    return !is_legacy(translation) || tool_number(choice, tool) == 0;
}

/* Id, type and name once, arguments not null: Node's SDK needs all of them at the end. */
static void chunk_tool_begin(struct translation *translation, struct translation_choice *choice,
                             struct translation_tool *tool)
{
    struct buffer *out;
    if (!is_told(translation, choice, tool) || (out = begin_chunk(translation, choice)) == NULL)
        return;
    if (is_legacy(translation)) {
        buffer_append(out, TEXT("{\"function_call\":{\"name\":"));
        json_append_text(out, tool->name);
        buffer_append(out, TEXT(",\"arguments\":\"\"}}"));
    } else {
        buffer_append(out, TEXT("{\"tool_calls\":[{\"index\":"));
        buffer_append_unsigned(out, tool_number(choice, tool));
        buffer_append(out, TEXT(",\"id\":"));
        json_append_text(out, tool->id);
        buffer_append(out, tool->custom ? TEXT(",\"type\":\"custom\",\"custom\":{\"name\":")
                                        : TEXT(",\"type\":\"function\",\"function\":{\"name\":"));
        json_append_text(out, tool->name);
        buffer_append(out,
                      tool->custom ? TEXT(",\"input\":\"\"}}]}") : TEXT(",\"arguments\":\"\"}}]}"));
    }
    end_chunk(translation, TEXT(""));
}

static void chunk_tool_arguments(struct translation *translation, struct translation_choice *choice,
                                 struct translation_tool *tool, struct text fragment)
{
    struct buffer *out;
    if (!is_told(translation, choice, tool) || (out = begin_chunk(translation, choice)) == NULL)
        return;
    if (is_legacy(translation)) {
        buffer_append(out, TEXT("{\"function_call\":{\"arguments\":"));
        json_append_text(out, fragment);
        buffer_append(out, TEXT("}}"));
    } else {
        buffer_append(out, TEXT("{\"tool_calls\":[{\"index\":"));
        buffer_append_unsigned(out, tool_number(choice, tool));
        buffer_append(out, tool->custom ? TEXT(",\"custom\":{\"input\":")
                                        : TEXT(",\"function\":{\"arguments\":"));
        json_append_text(out, fragment);
        buffer_append(out, TEXT("}}]}"));
    }
    end_chunk(translation, TEXT(""));
}

static void chunk_tool_end(struct translation *translation, struct translation_choice *choice,
                           struct translation_tool *tool)
{
    /* A call ends with the next one, or with the choice. */
}

/* ---- beside the text ---- */

/* Begins the value of what is kept or told: an item of a JSON array. */
static struct buffer *begin_item(struct translation *translation,
                                 const struct translation_choice *choice, struct buffer *kept,
                                 struct text before)
{
    if (!translation->streams) {
        if (kept->length > 0)
            buffer_append_char(kept, ',');
        return kept;
    }
    struct buffer *out = begin_chunk(translation, choice);
    if (out != NULL)
        buffer_append(out, before);
    return out;
}

static void end_item(struct translation *translation, struct buffer *out)
{
    if (out->failed)
        translation->failed = true;
    if (!translation->streams)
        return;
    buffer_append(out, TEXT("]}"));
    end_chunk(translation, TEXT(""));
}

static void chat_seal(struct translation *translation, struct translation_choice *choice,
                      struct text seal, bool whole)
{
    struct json_writer json;
    struct buffer *out =
        begin_item(translation, choice, &choice->details, TEXT("{\"reasoning_details\":["));
    if (out == NULL)
        return;
    json_open(&json, out);
    write_detail(translation, &json, choice, seal, whole);
    end_item(translation, out);
}

static void chat_citation(struct translation *translation, struct translation_choice *choice,
                          const struct translation_citation *citation)
{
    struct json_writer json;
    struct buffer *out =
        begin_item(translation, choice, &choice->annotations, TEXT("{\"annotations\":["));
    if (out == NULL)
        return;
    json_open(&json, out);
    write_citation(&json, citation, translation->streams);
    end_item(translation, out);
}

static void chunk_logprobs(struct translation *translation, struct translation_choice *choice,
                           struct text items)
{
    struct buffer *out = begin_chunk(translation, choice);
    if (out == NULL)
        return;
    buffer_append(out, TEXT("{},\"logprobs\":{\"content\":["));
    buffer_append(out, items);
    buffer_append(out, TEXT("],\"refusal\":null}"));
    end_chunk(translation, TEXT(""));
}

/* ---- whole ---- */

static void write_call(struct translation *translation, struct json_writer *json,
                       const struct translation_tool *tool)
{
    struct text arguments = text_or_empty(buffer_text(&tool->arguments));
    json_begin_object(json);
    json_member_text(json, "id", tool->id);
    json_member_text(json, "type", tool->custom ? TEXT("custom") : TEXT("function"));
    json_key(json, tool->custom ? TEXT("custom") : TEXT("function"));
    json_begin_object(json);
    json_member_text(json, "name", tool->name);
    if (tool->custom)
        json_member_text(json, "input", translation_custom_input(translation, arguments));
    else
        json_member_text(json, "arguments", arguments);
    json_end_object(json);
    json_end_object(json);
}

static void write_calls(struct translation *translation, struct json_writer *json,
                        const struct translation_choice *choice)
{
    if (choice->tool_count == 0)
        return;
    if (is_legacy(translation)) {
        json_key(json, TEXT("function_call"));
        json_begin_object(json);
        json_member_text(json, "name", choice->tools[0].name);
        json_member_text(json, "arguments", buffer_text(&choice->tools[0].arguments));
        json_end_object(json);
        return;
    }
    json_key(json, TEXT("tool_calls"));
    json_begin_array(json);
    for (size_t i = 0; i < choice->tool_count; i++)
        write_call(translation, json, &choice->tools[i]);
    json_end_array(json);
}

static void write_items(struct json_writer *json, const struct buffer *items)
{
    json_begin_array(json);
    buffer_append(json->out, buffer_text(items));
    json_end_array(json);
}

/* Null beside calls or a refusal, else at least empty. */
static struct text content_of(const struct translation_choice *choice)
{
    bool other = choice->tool_count > 0 || choice->refusal.length > 0;
    struct text text = buffer_text(&choice->text);
    return other && text_empty(text) ? (struct text){NULL, 0} : text_or_empty(text);
}

static void write_message(struct translation *translation, struct json_writer *json,
                          const struct translation_choice *choice)
{
    json_begin_object(json);
    json_member_text(json, "role", TEXT("assistant"));
    json_member_text(json, "content", content_of(choice));
    json_member_text(json, "refusal", buffer_text(&choice->refusal)); /* data NULL: null */
    json_key(json, TEXT("annotations"));
    write_items(json, &choice->annotations);
    if (choice->reasoning.length > 0)
        json_member_text(json, "reasoning_content", buffer_text(&choice->reasoning));
    if (choice->details.length > 0) {
        json_key(json, TEXT("reasoning_details"));
        write_items(json, &choice->details);
    }
    write_calls(translation, json, choice);
    json_end_object(json);
}

static void write_choice(struct translation *translation, struct json_writer *json,
                         const struct translation_choice *choice)
{
    json_begin_object(json);
    json_member_unsigned(json, "index", choice->index);
    json_key(json, TEXT("message"));
    write_message(translation, json, choice);
    json_key(json, TEXT("logprobs"));
    if (choice->logprobs.length > 0) {
        json_begin_object(json);
        json_key(json, TEXT("content"));
        write_items(json, &choice->logprobs);
        json_key(json, TEXT("refusal"));
        json_null(json);
        json_end_object(json);
    } else {
        json_null(json);
    }
    json_member_text(json, "finish_reason", finish_reason(translation, choice));
    json_end_object(json);
}

static void write_whole(struct translation *translation)
{
    struct json_writer json;
    json_open(&json, &translation->out);
    json_begin_object(&json);
    write_head(translation, &json, "chat.completion");
    json_key(&json, TEXT("choices"));
    json_begin_array(&json);
    for (unsigned i = 0; i < translation->choice_count; i++)
        write_choice(translation, &json, translation->choices[i]);
    json_end_array(&json);
    if (translation->usage.source != USAGE_NONE) {
        json_key(&json, TEXT("usage"));
        write_usage(&json, &translation->usage);
    }
    json_end_object(&json);
    if (!json_done(&json))
        translation->failed = true;
}

/* ---- ends ---- */

static void write_stream_end(struct translation *translation)
{
    struct buffer *out;
    for (unsigned i = 0; i < translation->choice_count; i++) {
        out = begin_chunk(translation, translation->choices[i]);
        if (out == NULL)
            return;
        buffer_append(out, TEXT("{}"));
        end_chunk(translation, finish_reason(translation, translation->choices[i]));
    }
    struct chat_state *state = chunk_state(translation);
    out = &translation->out;
    if (state == NULL)
        return;
    if (translation->settings.conversation->include_usage &&
        translation->usage.source != USAGE_NONE) {
        struct json_writer json;
        json_open(&json, out);
        buffer_append(out, state->begin);
        buffer_append(out, TEXT("],\"usage\":"));
        write_usage(&json, &translation->usage);
        buffer_append(out, TEXT("}\n\n"));
    }
    buffer_append(out, TEXT("data: [DONE]\n\n"));
}

static void chat_end(struct translation *translation)
{
    if (translation->streams)
        write_stream_end(translation);
    else
        write_whole(translation);
}

/* Both SDKs raise on a frame with an `error`; [DONE] does not follow one. */
static void chat_broken(struct translation *translation, struct text type, struct text code,
                        struct text message)
{
    struct json_writer json;
    buffer_append(&translation->out, TEXT("data: "));
    json_open(&json, &translation->out);
    json_begin_object(&json);
    json_key(&json, TEXT("error"));
    json_begin_object(&json);
    json_member_text(&json, "message", text_or_empty(message));
    json_member_text(&json, "type", type);
    json_member_text(&json, "param", (struct text){NULL, 0});
    json_member_text(&json, "code", text_empty(code) ? (struct text){NULL, 0} : code);
    json_end_object(&json);
    json_end_object(&json);
    buffer_append(&translation->out, TEXT("\n\n"));
}

const struct translation_writer translation_chat = {
    .begin_choice = chunk_begin_choice,
    .text = chunk_text,
    .refusal = chunk_refusal,
    .reasoning = chunk_reasoning,
    .seal = chat_seal,
    .tool_begin = chunk_tool_begin,
    .tool_arguments = chunk_tool_arguments,
    .tool_end = chunk_tool_end,
    .citation = chat_citation,
    .logprobs = chunk_logprobs,
    .end = chat_end,
    .broken = chat_broken,
};
