/* The events of responses, and the items that they make. Source: OpenAI API reference, "Streaming
 * events"; Node's SDK checks their order as it stands here:
 *
 *   response.created, response.in_progress
 *   for each item: output_item.added ─▶ part added ─▶ deltas ─▶ done events ─▶ output_item.done
 *   response.completed, .incomplete or .failed, which repeats all
 *
 * Text and reasoning are one item at a time; calls of tools stay open beside them until they end. A
 * whole answer goes the same way without a byte written before the last object. */
#include "openai/translation_responses.h"

#define ITEMS_AT_FIRST 8u

/* ---- state ---- */

static struct response_state *open_state(struct translation *translation)
{
    struct response_state *state = translation->state;
    if (state != NULL)
        return state;
    struct arena *arena = translation->settings.arena;
    struct text token = translation_token(translation);
    state = arena_take_zeroed(arena, sizeof(*state));
    if (state != NULL) {
        state->current = -1;
        state->id = arena_format(arena, "resp_%.*s", TEXT_ARG(token));
        if (state->id.data == NULL || !response_make_echo(translation, state))
            state = NULL;
    }
    translation->state = state;
    translation->failed |= state == NULL;
    return state;
}

/* ---- events ---- */

/* Up to a comma: at least one more member follows. */
static struct buffer *begin_event(struct translation *translation, const char *type)
{
    struct response_state *state = translation->state;
    struct buffer *out = &translation->out;
    struct text name = text_from(type);
    buffer_append(out, TEXT("event: "));
    buffer_append(out, name);
    buffer_append(out, TEXT("\ndata: {\"type\":\""));
    buffer_append(out, name);
    buffer_append(out, TEXT("\",\"sequence_number\":"));
    buffer_append_unsigned(out, state->sequence++);
    buffer_append_char(out, ',');
    return out;
}

static void end_event(struct translation *translation)
{
    buffer_append(&translation->out, TEXT("}\n\n"));
}

static void write_snapshot(struct translation *translation, const char *type,
                           enum response_status status, struct text code, struct text message)
{
    buffer_append(begin_event(translation, type), TEXT("\"response\":"));
    response_write(translation, translation->state, status, code, message);
    end_event(translation);
}

/* An event of an item: `before`, the JSON string of `text`, `after`. */
static void write_string_event(struct translation *translation, const struct response_item *item,
                               const char *type, struct text before, struct text text,
                               struct text after)
{
    struct buffer *out = begin_event(translation, type);
    buffer_append(out, item->place);
    buffer_append(out, before);
    json_append_text(out, text);
    buffer_append(out, after);
    end_event(translation);
}

static void write_part_event(struct translation *translation, const struct response_item *item,
                             bool done)
{
    bool reasoning = item->kind == ITEM_REASONING, refusal = item->kind == ITEM_REFUSAL;
    struct buffer *out =
        begin_event(translation, reasoning ? (done ? "response.reasoning_summary_part.done"
                                                   : "response.reasoning_summary_part.added")
                                           : (done ? "response.content_part.done"
                                                   : "response.content_part.added"));
    buffer_append(out, item->place);
    buffer_append(out, reasoning ? TEXT("\"summary_index\":0,\"part\":{\"type\":\"summary_text\","
                                        "\"text\":")
                       : refusal ? TEXT("\"content_index\":0,\"part\":{\"type\":\"refusal\","
                                        "\"refusal\":")
                                 : TEXT("\"content_index\":0,\"part\":{\"type\":\"output_text\","
                                        "\"text\":"));
    json_append_text(out, done ? buffer_text(&item->text) : TEXT(""));
    if (item->kind == ITEM_TEXT) {
        buffer_append(out, TEXT(",\"annotations\":["));
        if (done)
            buffer_append(out, buffer_text(&item->notes));
        buffer_append(out, TEXT("],\"logprobs\":["));
        if (done)
            buffer_append(out, buffer_text(&item->logprobs));
        buffer_append_char(out, ']');
    }
    buffer_append_char(out, '}');
    end_event(translation);
}

static void write_item_event(struct translation *translation, const struct response_item *item,
                             bool done)
{
    const struct response_state *state = translation->state;
    struct buffer *out =
        begin_event(translation, done ? "response.output_item.done" : "response.output_item.added");
    buffer_append(out, TEXT("\"output_index\":"));
    buffer_append_unsigned(out, (uint64_t)(item - state->items));
    buffer_append(out, TEXT(",\"item\":"));
    response_write_item(translation, item, done);
    end_event(translation);
}

/* ---- items ---- */

static bool grow_items(struct translation *translation, struct response_state *state)
{
    if (state->item_count < state->item_capacity)
        return true;
    size_t capacity = state->item_capacity == 0 ? ITEMS_AT_FIRST : state->item_capacity * 2;
    struct response_item *items = NULL;
    if (state->item_count < RESPONSE_ITEMS_MAX)
        items = arena_take(translation->settings.arena, capacity * sizeof(*items));
    if (items == NULL) {
        translation->failed = true;
        return false;
    }
    if (state->item_count > 0)
        memcpy(items, state->items, state->item_count * sizeof(*items));
    state->items = items;
    state->item_capacity = capacity;
    return true;
}

/* "msg_TOKEN_0": stable and distinct. */
static bool name_item(struct translation *translation, struct response_item *item, size_t number)
{
    static const char *const prefixes[] = {
        [ITEM_REASONING] = "rs", [ITEM_TEXT] = "msg", [ITEM_REFUSAL] = "msg", [ITEM_CALL] = "fc"};
    struct arena *arena = translation->settings.arena;
    struct text token = translation_token(translation);
    const char *prefix = prefixes[item->kind];
    if (item->kind == ITEM_CALL && translation->choices[0]->tools[item->tool].custom)
        prefix = "ctc";
    item->id = arena_format(arena, "%s_%.*s_%zu", prefix, TEXT_ARG(token), number);
    if (item->id.data != NULL)
        item->place = arena_format(arena, "\"item_id\":\"%.*s\",\"output_index\":%zu,",
                                   TEXT_ARG(item->id), number);
    translation->failed |= item->id.data == NULL || item->place.data == NULL;
    return !translation->failed;
}

static struct response_item *add_item(struct translation *translation, enum response_item_kind kind,
                                      size_t tool)
{
    struct response_state *state = open_state(translation);
    if (state == NULL || !grow_items(translation, state))
        return NULL;
    struct response_item *item = &state->items[state->item_count];
    *item = (struct response_item){.kind = kind, .tool = tool};
    buffer_open(&item->text, TRANSLATION_ANSWER_MAX);
    buffer_open(&item->notes, TRANSLATION_ANSWER_MAX);
    buffer_open(&item->logprobs, TRANSLATION_ANSWER_MAX);
    if (!name_item(translation, item, state->item_count))
        return NULL;
    state->item_count++;
    if (translation->streams) {
        write_item_event(translation, item, false);
        if (kind == ITEM_TEXT || kind == ITEM_REFUSAL)
            write_part_event(translation, item, false);
    }
    return item;
}

/* The done events of the text, the part and the item. Reasoning that is all sealed has no part. */
static void end_item(struct translation *translation, struct response_item *item)
{
    item->done = true;
    if (!translation->streams)
        return;
    struct text text = text_or_empty(buffer_text(&item->text));
    if (item->kind == ITEM_REASONING && text_empty(text)) {
        write_item_event(translation, item, true);
        return;
    }
    if (item->kind == ITEM_REASONING) {
        write_string_event(translation, item, "response.reasoning_summary_text.done",
                           TEXT("\"summary_index\":0,\"text\":"), text, TEXT(""));
    } else if (item->kind == ITEM_REFUSAL) {
        write_string_event(translation, item, "response.refusal.done",
                           TEXT("\"content_index\":0,\"refusal\":"), text, TEXT(""));
    } else {
        struct buffer *out = begin_event(translation, "response.output_text.done");
        buffer_append(out, item->place);
        buffer_append(out, TEXT("\"content_index\":0,\"text\":"));
        json_append_text(out, text);
        buffer_append(out, TEXT(",\"logprobs\":["));
        buffer_append(out, buffer_text(&item->logprobs));
        buffer_append_char(out, ']');
        end_event(translation);
    }
    write_part_event(translation, item, true);
    write_item_event(translation, item, true);
}

static void end_current(struct translation *translation)
{
    struct response_state *state = translation->state;
    if (state == NULL || state->current < 0)
        return;
    end_item(translation, &state->items[state->current]);
    state->current = -1;
}

static struct response_item *current_item(struct translation *translation,
                                          enum response_item_kind kind)
{
    struct response_state *state = open_state(translation);
    if (state == NULL)
        return NULL;
    if (state->current >= 0 && state->items[state->current].kind == kind)
        return &state->items[state->current];
    end_current(translation);
    struct response_item *item = add_item(translation, kind, 0);
    state->current = item == NULL ? -1 : (ptrdiff_t)state->item_count - 1;
    return item;
}

/* ---- what is told ---- */

static void begin_choice(struct translation *translation, struct translation_choice *choice)
{
    struct response_state *state = open_state(translation);
    if (choice->index > 0)
        translation->failed = true; /* a response is one answer */
    if (state == NULL || !translation->streams)
        return;
    write_snapshot(translation, "response.created", RESPONSE_IN_PROGRESS, TEXT(""), TEXT(""));
    write_snapshot(translation, "response.in_progress", RESPONSE_IN_PROGRESS, TEXT(""), TEXT(""));
}

static void tell_text(struct translation *translation, struct translation_choice *choice,
                      struct text text)
{
    struct response_item *item = current_item(translation, ITEM_TEXT);
    if (item == NULL)
        return;
    if (item->text.length == 0)
        item->first_character = choice->run_start;
    buffer_append(&item->text, text);
    translation->failed |= item->text.failed;
    if (translation->streams)
        write_string_event(translation, item, "response.output_text.delta",
                           TEXT("\"content_index\":0,\"delta\":"), text, TEXT(",\"logprobs\":[]"));
}

static void tell_refusal(struct translation *translation, struct translation_choice *choice,
                         struct text text)
{
    struct response_item *item = current_item(translation, ITEM_REFUSAL);
    if (item == NULL)
        return;
    buffer_append(&item->text, text);
    translation->failed |= item->text.failed;
    if (translation->streams)
        write_string_event(translation, item, "response.refusal.delta",
                           TEXT("\"content_index\":0,\"delta\":"), text, TEXT(""));
}

static void tell_reasoning(struct translation *translation, struct translation_choice *choice,
                           struct text text)
{
    struct response_item *item = current_item(translation, ITEM_REASONING);
    if (item == NULL)
        return;
    if (translation->streams && item->text.length == 0)
        write_part_event(translation, item, false);
    buffer_append(&item->text, text);
    translation->failed |= item->text.failed;
    if (translation->streams)
        write_string_event(translation, item, "response.reasoning_summary_text.delta",
                           TEXT("\"summary_index\":0,\"delta\":"), text, TEXT(""));
}

/* An item of its own where the block's text is over, or there was none. */
static void tell_seal(struct translation *translation, struct translation_choice *choice,
                      struct text seal, bool whole)
{
    struct response_item *item = current_item(translation, ITEM_REASONING);
    if (item == NULL)
        return;
    struct text origin = translation->settings.seal_origin;
    item->seal = arena_format(translation->settings.arena, "%s%.*s.%s.%.*s", CONVERSATION_SEAL_TAG,
                              TEXT_ARG(origin), whole ? "whole" : "text", TEXT_ARG(seal));
    translation->failed |= item->seal.data == NULL;
    end_current(translation);
}

static void tell_tool_begin(struct translation *translation, struct translation_choice *choice,
                            struct translation_tool *tool)
{
    end_current(translation);
    struct response_item *item = add_item(translation, ITEM_CALL, (size_t)(tool - choice->tools));
    const struct response_state *state = translation->state;
    if (item != NULL)
        tool->item = (size_t)(item - state->items);
}

static const struct response_item *item_of(const struct translation *translation,
                                           const struct translation_tool *tool)
{
    const struct response_state *state = translation->state;
    return &state->items[tool->item];
}

static void tell_tool_arguments(struct translation *translation, struct translation_choice *choice,
                                struct translation_tool *tool, struct text fragment)
{
    if (translation->streams && !translation->failed)
        write_string_event(translation, item_of(translation, tool),
                           tool->custom ? "response.custom_tool_call_input.delta"
                                        : "response.function_call_arguments.delta",
                           TEXT("\"delta\":"), fragment, TEXT(""));
}

static void tell_tool_end(struct translation *translation, struct translation_choice *choice,
                          struct translation_tool *tool)
{
    struct response_state *state = translation->state;
    if (translation->failed)
        return;
    struct response_item *item = &state->items[tool->item];
    item->done = true;
    if (!translation->streams)
        return;
    struct text arguments = text_or_empty(buffer_text(&tool->arguments));
    struct buffer *out =
        begin_event(translation, tool->custom ? "response.custom_tool_call_input.done"
                                              : "response.function_call_arguments.done");
    buffer_append(out, item->place);
    if (tool->custom) {
        buffer_append(out, TEXT("\"input\":"));
        json_append_text(out, translation_custom_input(translation, arguments));
    } else {
        buffer_append(out, TEXT("\"name\":"));
        json_append_text(out, tool->name);
        buffer_append(out, TEXT(",\"arguments\":"));
        json_append_text(out, arguments);
    }
    end_event(translation);
    write_item_event(translation, item, true);
}

/* ---- beside the text ---- */

/* The message that is open, or the last one; NULL: there is none. */
static struct response_item *last_message(struct translation *translation)
{
    struct response_state *state = translation->state;
    for (size_t i = state == NULL ? 0 : state->item_count; i > 0; i--)
        if (state->items[i - 1].kind == ITEM_TEXT)
            return &state->items[i - 1];
    return NULL;
}

static uint64_t position(const struct response_item *item, uint64_t character)
{
    return character < item->first_character ? 0 : character - item->first_character;
}

static void tell_citation(struct translation *translation, struct translation_choice *choice,
                          const struct translation_citation *citation)
{
    struct response_item *item = last_message(translation);
    struct json_writer json;
    if (item == NULL)
        item = current_item(translation, ITEM_TEXT);
    if (item == NULL)
        return;
    if (item->notes.length > 0)
        buffer_append_char(&item->notes, ',');
    size_t start = item->notes.length;
    json_open(&json, &item->notes);
    json_begin_object(&json);
    json_member_text(&json, "type", TEXT("url_citation"));
    json_member_unsigned(&json, "start_index", position(item, citation->start));
    json_member_unsigned(&json, "end_index", position(item, citation->end));
    json_member_text(&json, "url", text_or_empty(citation->url));
    json_member_text(&json, "title", text_or_empty(citation->title));
    json_end_object(&json);
    translation->failed |= item->notes.failed;
    size_t number = item->note_count++;
    /* Of a message that is over only the last event can tell. */
    if (!translation->streams || item->done || translation->failed)
        return;
    struct buffer *out = begin_event(translation, "response.output_text.annotation.added");
    buffer_append(out, item->place);
    buffer_append(out, TEXT("\"content_index\":0,\"annotation_index\":"));
    buffer_append_unsigned(out, number);
    buffer_append(out, TEXT(",\"annotation\":"));
    buffer_append(out, text_from_index(buffer_text(&item->notes), start));
    end_event(translation);
}

static void tell_logprobs(struct translation *translation, struct translation_choice *choice,
                          struct text items)
{
    struct response_item *item = last_message(translation);
    if (item == NULL)
        return;
    if (item->logprobs.length > 0)
        buffer_append_char(&item->logprobs, ',');
    buffer_append(&item->logprobs, items);
    translation->failed |= item->logprobs.failed;
}

/* ---- ends ---- */

static void end_response(struct translation *translation)
{
    struct response_state *state = open_state(translation);
    if (state == NULL)
        return;
    end_current(translation);
    enum response_status status = response_status(translation);
    if (translation->streams)
        write_snapshot(translation,
                       status == RESPONSE_COMPLETED ? "response.completed" : "response.incomplete",
                       status, TEXT(""), TEXT(""));
    else
        response_write(translation, state, status, TEXT(""), TEXT(""));
}

static void append_or_null(struct buffer *out, struct text text)
{
    if (text_empty(text))
        buffer_append(out, TEXT("null"));
    else
        json_append_text(out, text);
}

/* Flat, as the API describes it, and nested, as it is on the wire: Python's SDK raises on `error`,
 * Node's on the event's name. Then what a reader of responses waits for. */
static void break_response(struct translation *translation, struct text type, struct text code,
                           struct text message)
{
    struct buffer *out = begin_event(translation, "error");
    buffer_append(out, TEXT("\"code\":"));
    append_or_null(out, code);
    buffer_append(out, TEXT(",\"message\":"));
    json_append_text(out, message);
    buffer_append(out, TEXT(",\"param\":null,\"error\":{\"message\":"));
    json_append_text(out, message);
    buffer_append(out, TEXT(",\"type\":"));
    json_append_text(out, type);
    buffer_append(out, TEXT(",\"param\":null,\"code\":"));
    append_or_null(out, code);
    buffer_append_char(out, '}');
    end_event(translation);
    write_snapshot(translation, "response.failed", RESPONSE_FAILED, code, message);
}

static void close_response(struct translation *translation)
{
    struct response_state *state = translation->state;
    for (size_t i = 0; state != NULL && i < state->item_count; i++) {
        buffer_close(&state->items[i].text);
        buffer_close(&state->items[i].notes);
        buffer_close(&state->items[i].logprobs);
    }
}

const struct translation_writer translation_responses = {
    .keeps_all = true,
    .begin_choice = begin_choice,
    .text = tell_text,
    .refusal = tell_refusal,
    .reasoning = tell_reasoning,
    .seal = tell_seal,
    .tool_begin = tell_tool_begin,
    .tool_arguments = tell_tool_arguments,
    .tool_end = tell_tool_end,
    .citation = tell_citation,
    .logprobs = tell_logprobs,
    .end = end_response,
    .broken = break_response,
    .close = close_response,
};
