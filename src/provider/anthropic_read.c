/* Answers of the Messages API, whole or event by event (Anthropic API reference, Messages and
 * "Streaming messages").
 *
 *   message_start                         begins; a second one before anything was said begins anew
 *   content_block_start, _delta*, _stop   a block, by its index; several may be open at a time
 *   message_delta                         why it ended, what was used; the last one counts
 *   message_stop                          the only good end
 *   error                                 at any time
 *   ping, and whatever else there may be  nothing
 *
 * A whole message is read as if its blocks came one after another, each in one piece. */
#include "provider/anthropic_parts.h"

/* Blocks that are open at a time; the API opens one after another, servers that imitate it open
 * as many as there are calls. */
#define OPEN_MAX      128u
#define OPEN_AT_FIRST 2u
/* Sources of one block. */
#define CITATIONS_MAX 256u
/* A seal that comes in pieces; the API's own have some hundreds of bytes. */
#define SEAL_MAX (1u << 20)

enum block_kind {
    BLOCK_OTHER, /* what the provider's own tools do is not the caller's to run */
    BLOCK_TEXT,
    BLOCK_THINKING,
    BLOCK_REDACTED,
    BLOCK_CALL,
    BLOCK_ANSWER /* the tool in the place of a format: its input is the text */
};

struct citation {
    struct text url, title;
    struct citation *next;
};

struct block {
    int64_t index;
    enum block_kind kind;
    bool spoke; /* BLOCK_ANSWER: there was input */
    int tool;   /* by the translation */
    int64_t start;
    char *seal; /* in the arena, of `seal_capacity` bytes */
    size_t seal_length, seal_capacity;
    struct citation *citations, *newest;
    size_t citation_count;
};

struct reading {
    const struct anthropic_written *written;
    bool began;
    int64_t characters; /* of text that was told */
    bool has_stop;
    enum translation_finish stop;
    struct block *open; /* in the arena */
    size_t open_count, open_capacity;
};

static struct reading *reading_of(struct native_answer *answer)
{
    if (answer->state == NULL || answer->state == answer->ask->state) {
        struct reading *made = arena_take_zeroed(answer->arena, sizeof *made);
        if (made == NULL)
            return NULL;
        made->written = answer->ask->state;
        answer->state = made;
    }
    return answer->state;
}

static struct text member_text(yyjson_val *object, const char *key)
{
    struct text value = TEXT("");
    (void)json_get_text(object, key, &value);
    return value;
}

/* ---- text and what it rests on ---- */

static void tell_text(struct native_answer *answer, struct text text)
{
    struct reading *reading = answer->state;
    for (size_t i = 0; i < text.length; i++)
        reading->characters += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    translation_text(answer->translation, 0, text);
}

/* Documents of the caller's have no URL, and no place in the caller's API. */
static struct text source_of(yyjson_val *citation)
{
    struct text type = member_text(citation, "type");
    if (text_equal(type, TEXT("web_search_result_location")))
        return member_text(citation, "url");
    return text_equal(type, TEXT("search_result_location")) ? member_text(citation, "source")
                                                            : TEXT("");
}

/* Kept until its block ends: then it is known which text it is for. */
static enum error keep_citation(struct native_answer *answer, struct block *block,
                                yyjson_val *value)
{
    struct text url = source_of(value);
    if (text_empty(url) || block->citation_count == CITATIONS_MAX)
        return ERROR_OK;
    struct citation *citation = arena_take(answer->arena, sizeof *citation);
    if (citation == NULL)
        return ERROR_MEMORY;
    citation->url = arena_copy(answer->arena, url);
    citation->title = arena_copy(answer->arena, member_text(value, "title"));
    citation->next = NULL;
    if (citation->url.data == NULL || citation->title.data == NULL)
        return ERROR_MEMORY;
    if (block->newest == NULL)
        block->citations = citation;
    else
        block->newest->next = citation;
    block->newest = citation;
    block->citation_count++;
    return ERROR_OK;
}

static void tell_citations(struct native_answer *answer, const struct block *block)
{
    const struct reading *reading = answer->state;
    for (const struct citation *at = block->citations; at != NULL; at = at->next)
        translation_citation(answer->translation, 0, at->url, at->title, block->start,
                             reading->characters);
}

/* ---- what the model thought ---- */

static enum error keep_seal(struct native_answer *answer, struct block *block, struct text piece)
{
    size_t needed = block->seal_length + piece.length;
    if (needed > SEAL_MAX)
        return ERROR_LIMIT;
    if (needed > block->seal_capacity) {
        size_t capacity = needed * 2;
        char *bytes = arena_take(answer->arena, capacity);
        if (bytes == NULL)
            return ERROR_MEMORY;
        if (block->seal_length > 0)
            memcpy(bytes, block->seal, block->seal_length);
        block->seal = bytes;
        block->seal_capacity = capacity;
    }
    if (piece.length > 0)
        memcpy(block->seal + block->seal_length, piece.data, piece.length);
    block->seal_length = needed;
    return ERROR_OK;
}

/* ---- blocks ---- */

static const struct kind_row {
    struct text type;
    enum block_kind kind;
} kind_rows[] = {
    {TEXT_INIT("text"), BLOCK_TEXT},
    {TEXT_INIT("thinking"), BLOCK_THINKING},
    {TEXT_INIT("redacted_thinking"), BLOCK_REDACTED},
    {TEXT_INIT("tool_use"), BLOCK_CALL},
};

static enum block_kind kind_of(const struct reading *reading, yyjson_val *content)
{
    struct text type = member_text(content, "type");
    for (size_t i = 0; i < ARRAY_LENGTH(kind_rows); i++) {
        if (!text_equal(kind_rows[i].type, type))
            continue;
        bool answers = kind_rows[i].kind == BLOCK_CALL && reading->written != NULL &&
                       !text_empty(reading->written->answer_tool) &&
                       text_equal(member_text(content, "name"), reading->written->answer_tool);
        return answers ? BLOCK_ANSWER : kind_rows[i].kind;
    }
    return BLOCK_OTHER;
}

static void begin_call(struct native_answer *answer, struct block *block, yyjson_val *content)
{
    struct text name = alias_restore(answer->arena, answer->ask->conversation,
                                     member_text(content, "name"), &anthropic_alias_rule);
    block->tool = translation_tool_begin(answer->translation, 0, member_text(content, "id"), name);
}

static void tell_input(struct native_answer *answer, struct block *block, struct text json)
{
    if (text_empty(json))
        return;
    block->spoke = true;
    if (block->kind == BLOCK_ANSWER)
        tell_text(answer, json);
    else
        translation_tool_arguments(answer->translation, 0, block->tool, json);
}

/* A stream begins with an empty input and sends it in pieces; some send it at once. */
static enum error begin_input(struct native_answer *answer, struct block *block,
                              yyjson_val *content)
{
    yyjson_val *input = yyjson_obj_get(content, "input");
    if (!yyjson_is_obj(input) || yyjson_obj_size(input) == 0)
        return ERROR_OK;
    struct text json = native_value_text(answer->arena, input);
    if (json.data == NULL)
        return ERROR_MEMORY;
    tell_input(answer, block, json);
    return ERROR_OK;
}

static enum error begin_text(struct native_answer *answer, struct block *block, yyjson_val *content)
{
    yyjson_val *citation;
    size_t index, count;
    tell_text(answer, member_text(content, "text"));
    yyjson_arr_foreach(yyjson_obj_get(content, "citations"), index, count, citation)
    {
        enum error error = keep_citation(answer, block, citation);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

static enum error begin_block(struct native_answer *answer, struct block *block,
                              yyjson_val *content)
{
    struct reading *reading = answer->state;
    block->kind = kind_of(reading, content);
    block->start = reading->characters;
    switch (block->kind) {
    case BLOCK_TEXT: return begin_text(answer, block, content);
    case BLOCK_THINKING:
        translation_reasoning(answer->translation, 0, member_text(content, "thinking"));
        return keep_seal(answer, block, member_text(content, "signature"));
    case BLOCK_REDACTED: return keep_seal(answer, block, member_text(content, "data"));
    case BLOCK_CALL: begin_call(answer, block, content); return begin_input(answer, block, content);
    case BLOCK_ANSWER: return begin_input(answer, block, content);
    case BLOCK_OTHER: break;
    }
    return ERROR_OK;
}

static void end_block(struct native_answer *answer, struct block *block)
{
    switch (block->kind) {
    case BLOCK_TEXT: tell_citations(answer, block); break;
    case BLOCK_THINKING:
    case BLOCK_REDACTED:
        translation_reasoning_seal(answer->translation, 0, text_of(block->seal, block->seal_length),
                                   block->kind == BLOCK_REDACTED);
        break;
    case BLOCK_CALL: translation_tool_end(answer->translation, 0, block->tool); break;
    case BLOCK_ANSWER:
        if (!block->spoke)
            tell_text(answer, TEXT("{}"));
        break;
    case BLOCK_OTHER: break;
    }
}

/* ---- a message ---- */

static const struct stop_row {
    struct text reason;
    enum translation_finish finish;
} stop_rows[] = {
    {TEXT_INIT("end_turn"), FINISH_STOP},
    {TEXT_INIT("stop_sequence"), FINISH_STOP},
    {TEXT_INIT("tool_use"), FINISH_STOP}, /* which calls make of it what they must */
    {TEXT_INIT("pause_turn"), FINISH_STOP},
    {TEXT_INIT("max_tokens"), FINISH_LENGTH},
    {TEXT_INIT("model_context_window_exceeded"), FINISH_LENGTH},
    {TEXT_INIT("refusal"), FINISH_CONTENT_FILTER},
};

/* The last word on why it ended. What is not known is an end like any other. */
static void take_stop(struct native_answer *answer, yyjson_val *from)
{
    struct reading *reading = answer->state;
    struct text reason = member_text(from, "stop_reason");
    if (text_empty(reason))
        return;
    reading->has_stop = true;
    reading->stop = FINISH_STOP;
    for (size_t i = 0; i < ARRAY_LENGTH(stop_rows); i++)
        if (text_equal(stop_rows[i].reason, reason))
            reading->stop = stop_rows[i].finish;
    if (reading->stop == FINISH_CONTENT_FILTER && reading->characters == 0)
        translation_refusal(answer->translation, 0,
                            member_text(yyjson_obj_get(from, "stop_details"), "explanation"));
}

static const struct tier_row {
    struct text served, openai;
} tier_rows[] = {
    {TEXT_INIT("standard"), TEXT_INIT("default")},
    {TEXT_INIT("priority"), TEXT_INIT("priority")},
};

static void take_usage(struct native_answer *answer, yyjson_val *usage)
{
    struct text tier = member_text(usage, "service_tier");
    native_take_usage(answer, usage);
    for (size_t i = 0; i < ARRAY_LENGTH(tier_rows); i++)
        if (text_equal(tier_rows[i].served, tier))
            translation_service_tier(answer->translation, tier_rows[i].openai);
}

/* More tokens than any call has; sums of them stay exact. */
#define COUNT_MAX (INT64_C(1) << 53)

/* Of those that are known; -1 when none is. */
static int64_t sum_of(struct usage *usage, const int64_t *counts, size_t count)
{
    int64_t sum = -1;
    for (size_t i = 0; i < count; i++) {
        if (counts[i] > COUNT_MAX)
            usage->suspicious = true;
        else if (counts[i] >= 0)
            sum = (sum < 0 ? 0 : sum) + counts[i];
    }
    return sum;
}

/* What was read from the cache and written to it stands beside the rest of the prompt, and is a
 * part of it for OpenAI. */
void anthropic_count_usage(struct native_answer *answer)
{
    struct usage *usage = &answer->usage;
    usage->cached_input = native_usage(answer, "cache_read_input_tokens");
    usage->cache_write = native_usage(answer, "cache_creation_input_tokens");
    const int64_t input[] = {native_usage(answer, "input_tokens"), usage->cached_input,
                             usage->cache_write};
    usage->input = sum_of(usage, input, ARRAY_LENGTH(input));
    usage->output = native_usage(answer, "output_tokens");
    usage->reasoning = native_usage(answer, "output_tokens_details.thinking_tokens");
    const int64_t all[] = {usage->input, usage->output};
    usage->total = sum_of(usage, all, ARRAY_LENGTH(all));
    translation_usage(answer->translation, usage);
}

static void finish(struct native_answer *answer)
{
    const struct reading *reading = answer->state;
    translation_finish(answer->translation, 0, reading->has_stop ? reading->stop : FINISH_STOP);
}

static enum error fail_with(struct native_answer *answer, yyjson_val *root)
{
    struct native_error error;
    native_error_for(&error, 0, root);
    anthropic_read_error(answer, root, &error);
    native_fail(answer, &error);
    return ERROR_REFUSED;
}

static enum error read_blocks(struct native_answer *answer, yyjson_val *content)
{
    yyjson_val *value;
    size_t index, count;
    yyjson_arr_foreach(content, index, count, value)
    {
        struct block block = {0};
        enum error error = begin_block(answer, &block, value);
        if (error != ERROR_OK)
            return error;
        end_block(answer, &block);
    }
    return ERROR_OK;
}

enum error anthropic_read_message(struct native_answer *answer, yyjson_val *root)
{
    yyjson_val *content = yyjson_obj_get(root, "content");
    if (reading_of(answer) == NULL)
        return ERROR_MEMORY;
    if (text_equal(member_text(root, "type"), TEXT("error")))
        return fail_with(answer, root);
    if (!yyjson_is_arr(content))
        return ERROR_SYNTAX;
    translation_begin(answer->translation, member_text(root, "id"), TEXT(""));
    enum error error = read_blocks(answer, content);
    if (error != ERROR_OK)
        return error;
    take_stop(answer, root);
    take_usage(answer, yyjson_obj_get(root, "usage"));
    finish(answer);
    return ERROR_OK;
}

/* ---- events ---- */

static struct block *find_open(struct reading *reading, int64_t index)
{
    for (size_t i = 0; i < reading->open_count; i++)
        if (reading->open[i].index == index)
            return &reading->open[i];
    return NULL;
}

static void close_block(struct native_answer *answer, struct block *block)
{
    struct reading *reading = answer->state;
    end_block(answer, block);
    *block = reading->open[--reading->open_count];
}

/* NULL when there are too many, or memory is short. */
static struct block *open_block(struct native_answer *answer, int64_t index)
{
    struct reading *reading = answer->state;
    if (reading->open_count == reading->open_capacity) {
        size_t capacity = reading->open_capacity == 0 ? OPEN_AT_FIRST : reading->open_capacity * 2;
        struct block *blocks =
            capacity > OPEN_MAX ? NULL : arena_take(answer->arena, capacity * sizeof *blocks);
        if (blocks == NULL)
            return NULL;
        if (reading->open_count > 0)
            memcpy(blocks, reading->open, reading->open_count * sizeof *blocks);
        reading->open = blocks;
        reading->open_capacity = capacity;
    }
    struct block *block = &reading->open[reading->open_count++];
    *block = (struct block){.index = index};
    return block;
}

static bool read_index(yyjson_val *root, int64_t *index)
{
    yyjson_val *value = yyjson_obj_get(root, "index");
    *index = yyjson_get_sint(value);
    return yyjson_is_int(value);
}

static enum error on_start(struct native_answer *answer, yyjson_val *root)
{
    struct reading *reading = answer->state;
    yyjson_val *message = yyjson_obj_get(root, "message");
    if (!yyjson_is_obj(message))
        return ERROR_SYNTAX;
    /* Seen of servers in between: a second answer is spliced on. What was said stays said. */
    if (reading->began && translation_has_content(answer->translation))
        return ERROR_OK;
    reading->began = true;
    reading->open_count = 0;
    translation_begin(answer->translation, member_text(message, "id"), TEXT(""));
    take_usage(answer, yyjson_obj_get(message, "usage"));
    return read_blocks(answer, yyjson_obj_get(message, "content"));
}

static enum error on_block_start(struct native_answer *answer, yyjson_val *root)
{
    struct reading *reading = answer->state;
    yyjson_val *content = yyjson_obj_get(root, "content_block");
    int64_t index;
    if (!read_index(root, &index) || !yyjson_is_obj(content))
        return ERROR_SYNTAX;
    struct block *block = find_open(reading, index);
    if (block != NULL)
        close_block(answer, block);
    block = open_block(answer, index);
    return block == NULL ? ERROR_LIMIT : begin_block(answer, block, content);
}

static enum error on_text_delta(struct native_answer *answer, struct block *block,
                                yyjson_val *delta)
{
    if (block->kind == BLOCK_TEXT)
        tell_text(answer, member_text(delta, "text"));
    return ERROR_OK;
}

static enum error on_input_delta(struct native_answer *answer, struct block *block,
                                 yyjson_val *delta)
{
    if (block->kind == BLOCK_CALL || block->kind == BLOCK_ANSWER)
        tell_input(answer, block, member_text(delta, "partial_json"));
    return ERROR_OK;
}

static enum error on_thinking_delta(struct native_answer *answer, struct block *block,
                                    yyjson_val *delta)
{
    if (block->kind == BLOCK_THINKING)
        translation_reasoning(answer->translation, 0, member_text(delta, "thinking"));
    return ERROR_OK;
}

static enum error on_signature_delta(struct native_answer *answer, struct block *block,
                                     yyjson_val *delta)
{
    return block->kind == BLOCK_THINKING ? keep_seal(answer, block, member_text(delta, "signature"))
                                         : ERROR_OK;
}

static enum error on_citations_delta(struct native_answer *answer, struct block *block,
                                     yyjson_val *delta)
{
    return block->kind == BLOCK_TEXT
               ? keep_citation(answer, block, yyjson_obj_get(delta, "citation"))
               : ERROR_OK;
}

static const struct delta_row {
    struct text type;
    enum error (*read)(struct native_answer *answer, struct block *block, yyjson_val *delta);
} delta_rows[] = {
    {TEXT_INIT("text_delta"), on_text_delta},
    {TEXT_INIT("input_json_delta"), on_input_delta},
    {TEXT_INIT("thinking_delta"), on_thinking_delta},
    {TEXT_INIT("signature_delta"), on_signature_delta},
    {TEXT_INIT("citations_delta"), on_citations_delta},
};

static enum error on_block_delta(struct native_answer *answer, yyjson_val *root)
{
    yyjson_val *delta = yyjson_obj_get(root, "delta");
    int64_t index;
    if (!read_index(root, &index) || !yyjson_is_obj(delta))
        return ERROR_SYNTAX;
    struct block *block = find_open(answer->state, index);
    struct text type = member_text(delta, "type");
    for (size_t i = 0; block != NULL && i < ARRAY_LENGTH(delta_rows); i++)
        if (text_equal(delta_rows[i].type, type))
            return delta_rows[i].read(answer, block, delta);
    return ERROR_OK;
}

static enum error on_block_stop(struct native_answer *answer, yyjson_val *root)
{
    int64_t index;
    if (!read_index(root, &index))
        return ERROR_SYNTAX;
    struct block *block = find_open(answer->state, index);
    if (block != NULL)
        close_block(answer, block);
    return ERROR_OK;
}

static enum error on_message_delta(struct native_answer *answer, yyjson_val *root)
{
    take_usage(answer, yyjson_obj_get(root, "usage"));
    take_stop(answer, yyjson_obj_get(root, "delta"));
    return ERROR_OK;
}

static enum error on_message_stop(struct native_answer *answer, yyjson_val *root)
{
    struct reading *reading = answer->state;
    (void)root;
    while (reading->open_count > 0)
        close_block(answer, &reading->open[0]);
    finish(answer);
    answer->complete = true;
    return ERROR_OK;
}

static const struct event_row {
    struct text type;
    enum error (*read)(struct native_answer *answer, yyjson_val *root);
} event_rows[] = {
    {TEXT_INIT("content_block_delta"), on_block_delta},
    {TEXT_INIT("content_block_start"), on_block_start},
    {TEXT_INIT("content_block_stop"), on_block_stop},
    {TEXT_INIT("message_start"), on_start},
    {TEXT_INIT("message_delta"), on_message_delta},
    {TEXT_INIT("message_stop"), on_message_stop},
    {TEXT_INIT("error"), fail_with},
};

enum error anthropic_read_event(struct native_answer *answer, yyjson_val *root)
{
    struct text type = member_text(root, "type");
    if (!yyjson_is_obj(root))
        return ERROR_SYNTAX;
    if (reading_of(answer) == NULL)
        return ERROR_MEMORY;
    /* What comes behind the end is none of the answer's. */
    if (answer->complete)
        return ERROR_OK;
    for (size_t i = 0; i < ARRAY_LENGTH(event_rows); i++)
        if (text_equal(event_rows[i].type, type))
            return event_rows[i].read(answer, root);
    return ERROR_OK;
}

/* `[DONE]` is not of this API, but some that imitate it send it. */
enum error anthropic_read_frame(struct native_answer *answer, const struct native_frame *frame)
{
    if (frame->root == NULL && text_equal(frame->data, TEXT("[DONE]")))
        return ERROR_OK;
    return anthropic_read_event(answer, frame->root);
}
