/* Answers of Converse and ConverseStream. Sources: API reference, Converse and ConverseStream
 * (ContentBlock, ContentBlockDelta, TokenUsage); errors: "Common errors" and each operation's. */
#include "base/attributes.h"
#include "provider/bedrock_parts.h"

static struct bedrock_state *state_of(const struct native_answer *answer)
{
    return answer->state;
}

static struct text text_at(yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    return text_of(yyjson_get_str(value), yyjson_get_len(value));
}

/* ---- what both kinds of answer have ---- */

static void read_text(struct native_answer *answer, yyjson_val *value)
{
    translation_text(answer->translation, 0, text_of(yyjson_get_str(value), yyjson_get_len(value)));
}

/* Only what is on the web has an address; places in a document of the caller's have none. */
static void read_citation(struct native_answer *answer, yyjson_val *citation)
{
    yyjson_val *location = yyjson_obj_get(citation, "location");
    struct text url = text_at(yyjson_obj_get(location, "web"), "url");
    if (text_empty(url))
        url = text_at(citation, "source");
    if (text_find(url, TEXT("://")) > 0)
        translation_citation(answer->translation, 0, url, text_at(citation, "title"), -1, -1);
}

/* What stopReason says. A stop for calls becomes tool_calls where there were any, whatever the
 * reason says: end_turn has been seen with calls. */
static enum translation_finish finish_of(struct text reason)
{
    static const struct {
        struct text reason;
        enum translation_finish finish;
    } rows[] = {
        {TEXT_INIT("max_tokens"), FINISH_LENGTH},
        {TEXT_INIT("model_context_window_exceeded"), FINISH_LENGTH},
        {TEXT_INIT("guardrail_intervened"), FINISH_CONTENT_FILTER},
        {TEXT_INIT("content_filtered"), FINISH_CONTENT_FILTER},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (text_equal(rows[i].reason, reason))
            return rows[i].finish;
    return FINISH_STOP;
}

static void read_metadata(struct native_answer *answer, yyjson_val *root)
{
    struct text tier = text_at(yyjson_obj_get(root, "serviceTier"), "type");
    native_take_usage(answer, yyjson_obj_get(root, "usage"));
    if (answer->usage.source != USAGE_NONE)
        translation_usage(answer->translation, &answer->usage);
    if (text_empty(tier))
        return;
    answer->service_tier = arena_copy(answer->arena, tier);
    translation_service_tier(answer->translation, tier);
}

static int64_t known(int64_t count)
{
    return count < 0 ? 0 : count;
}

/* Cache reads and writes lie beside inputTokens; totalTokens has been seen with and without them.
 */
void bedrock_count_usage(struct native_answer *answer)
{
    struct usage *usage = &answer->usage;
    int64_t input = native_usage(answer, "inputTokens");
    usage->cached_input = native_usage(answer, "cacheReadInputTokens");
    usage->cache_write = native_usage(answer, "cacheWriteInputTokens");
    usage->output = native_usage(answer, "outputTokens");
    if (input >= 0 || usage->cached_input >= 0 || usage->cache_write >= 0)
        usage->input = known(input) + known(usage->cached_input) + known(usage->cache_write);
    if (usage->input >= 0 && usage->output >= 0)
        usage->total = usage->input + usage->output;
}

static struct text own_name(struct native_answer *answer, struct text name)
{
    return alias_restore(answer->arena, answer->ask->conversation, name, &bedrock_tool_name);
}

static enum bedrock_block_kind tool_kind(const struct native_answer *answer, yyjson_val *use)
{
    struct text name = text_at(use, "name");
    if (text_equal(text_at(use, "type"), TEXT("server_tool_use")))
        return BLOCK_OWN;
    if (!text_empty(state_of(answer)->format_tool) &&
        text_equal(name, state_of(answer)->format_tool))
        return BLOCK_FORMAT;
    return BLOCK_TOOL;
}

/* ---- a whole answer ---- */

static void read_reasoning(struct native_answer *answer, yyjson_val *reasoning)
{
    yyjson_val *text = yyjson_obj_get(reasoning, "reasoningText");
    struct text redacted = text_at(reasoning, "redactedContent");
    struct text signature = text_at(text, "signature");
    if (!text_empty(redacted)) {
        translation_reasoning_seal(answer->translation, 0, redacted, true);
        return;
    }
    translation_reasoning(answer->translation, 0, text_at(text, "text"));
    if (!text_empty(signature))
        translation_reasoning_seal(answer->translation, 0, signature, false);
}

static enum error read_tool(struct native_answer *answer, yyjson_val *use)
{
    struct translation *translation = answer->translation;
    enum bedrock_block_kind kind = tool_kind(answer, use);
    yyjson_val *input = yyjson_obj_get(use, "input");
    struct text arguments = input == NULL ? TEXT("{}") : native_value_text(answer->arena, input);
    if (arguments.data == NULL)
        return ERROR_MEMORY;
    if (kind == BLOCK_FORMAT)
        translation_text(translation, 0, arguments);
    if (kind != BLOCK_TOOL)
        return ERROR_OK;
    int index = translation_tool_begin(translation, 0, text_at(use, "toolUseId"),
                                       own_name(answer, text_at(use, "name")));
    translation_tool_arguments(translation, 0, index, arguments);
    translation_tool_end(translation, 0, index);
    return ERROR_OK;
}

static void read_cited(struct native_answer *answer, yyjson_val *cited)
{
    size_t index, count;
    yyjson_val *item;
    yyjson_arr_foreach(yyjson_obj_get(cited, "content"), index, count, item)
        read_text(answer, yyjson_obj_get(item, "text"));
    yyjson_arr_foreach(yyjson_obj_get(cited, "citations"), index, count, item)
        read_citation(answer, item);
}

static enum error read_block(struct native_answer *answer, yyjson_val *block)
{
    yyjson_val *value;
    if ((value = yyjson_obj_get(block, "text")) != NULL)
        read_text(answer, value);
    else if ((value = yyjson_obj_get(block, "toolUse")) != NULL)
        return read_tool(answer, value);
    else if ((value = yyjson_obj_get(block, "reasoningContent")) != NULL)
        read_reasoning(answer, value);
    else if ((value = yyjson_obj_get(block, "citationsContent")) != NULL)
        read_cited(answer, value);
    return ERROR_OK;
}

/* The framework's own failures come with a good status: {"Output":{"__type":…},"Version":…}. */
static enum error refuse_answer(struct native_answer *answer, yyjson_val *root)
{
    struct native_error error;
    yyjson_val *inner = yyjson_obj_get(root, "Output");
    yyjson_val *told = yyjson_is_obj(inner) ? inner : root;
    if (text_empty(text_at(told, "__type")) && text_empty(text_at(told, "message")))
        return ERROR_SYNTAX;
    native_error_for(&error, 502, told);
    bedrock_read_error(answer, told, &error);
    native_fail(answer, &error);
    return ERROR_REFUSED;
}

enum error bedrock_read_chat(struct native_answer *answer, yyjson_val *root)
{
    yyjson_val *message = yyjson_obj_get(yyjson_obj_get(root, "output"), "message");
    struct text reason = text_at(root, "stopReason");
    size_t index, count;
    yyjson_val *block;
    /* A guardrail may leave nothing of the answer. */
    if (message == NULL && text_empty(reason))
        return refuse_answer(answer, root);
    translation_begin(answer->translation, TEXT(""), TEXT(""));
    yyjson_arr_foreach(yyjson_obj_get(message, "content"), index, count, block)
    {
        enum error error = read_block(answer, block);
        if (error != ERROR_OK)
            return error;
    }
    translation_finish(answer->translation, 0, finish_of(reason));
    read_metadata(answer, root);
    return ERROR_OK;
}

/* ---- a stream ---- */

/* The block that an event is of; made where there is none yet, as text has no event that begins it.
 * NULL when memory is short. */
static struct bedrock_block *find_block(struct native_answer *answer, yyjson_val *event)
{
    struct bedrock_state *state = state_of(answer);
    int64_t index = yyjson_get_sint(yyjson_obj_get(event, "contentBlockIndex"));
    struct bedrock_block *block = state->blocks;
    while (block != NULL && block->index != index)
        block = block->next;
    if (block != NULL)
        return block;
    block = arena_take_zeroed(answer->arena, sizeof *block);
    if (block == NULL)
        return NULL;
    block->index = index;
    block->next = state->blocks;
    state->blocks = block;
    return block;
}

static enum error on_start(struct native_answer *answer, yyjson_val *event)
{
    (void)event;
    translation_begin(answer->translation, TEXT(""), TEXT(""));
    return ERROR_OK;
}

static enum error on_block_start(struct native_answer *answer, yyjson_val *event)
{
    yyjson_val *start = yyjson_obj_get(event, "start");
    yyjson_val *use = yyjson_obj_get(start, "toolUse");
    struct bedrock_block *block = find_block(answer, event);
    if (block == NULL)
        return ERROR_MEMORY;
    if (use == NULL) {
        if (yyjson_obj_size(start) > 0)
            block->kind = BLOCK_OWN;
        return ERROR_OK;
    }
    block->kind = tool_kind(answer, use);
    if (block->kind == BLOCK_TOOL)
        block->tool = translation_tool_begin(answer->translation, 0, text_at(use, "toolUseId"),
                                             own_name(answer, text_at(use, "name")));
    return ERROR_OK;
}

static enum error read_input(struct native_answer *answer, struct bedrock_block *block,
                             struct text fragment)
{
    if (text_empty(fragment) || block->kind == BLOCK_OWN)
        return ERROR_OK;
    if (block->kind == BLOCK_PLAIN)
        return ERROR_SYNTAX; /* of a call that never began */
    block->said = true;
    if (block->kind == BLOCK_FORMAT)
        translation_text(answer->translation, 0, fragment);
    else
        translation_tool_arguments(answer->translation, 0, block->tool, fragment);
    return ERROR_OK;
}

static enum error read_reasoning_delta(struct native_answer *answer, struct bedrock_block *block,
                                       yyjson_val *delta)
{
    struct text text = text_at(delta, "text"), redacted = text_at(delta, "redactedContent");
    struct text signature = text_at(delta, "signature");
    if (!text_empty(text))
        translation_reasoning(answer->translation, 0, text);
    if (!text_empty(redacted))
        translation_reasoning_seal(answer->translation, 0, redacted, true);
    if (text_empty(signature))
        return ERROR_OK;
    block->seal =
        arena_format(answer->arena, "%.*s%.*s", TEXT_ARG(block->seal), TEXT_ARG(signature));
    return block->seal.data == NULL ? ERROR_MEMORY : ERROR_OK;
}

static enum error on_block_delta(struct native_answer *answer, yyjson_val *event)
{
    struct bedrock_block *block = find_block(answer, event);
    yyjson_val *delta = yyjson_obj_get(event, "delta"), *value;
    if (block == NULL)
        return ERROR_MEMORY;
    if (block->kind == BLOCK_OWN)
        return ERROR_OK;
    if ((value = yyjson_obj_get(delta, "text")) != NULL)
        read_text(answer, value);
    else if ((value = yyjson_obj_get(delta, "toolUse")) != NULL)
        return read_input(answer, block, text_at(value, "input"));
    else if ((value = yyjson_obj_get(delta, "reasoningContent")) != NULL)
        return read_reasoning_delta(answer, block, value);
    else if ((value = yyjson_obj_get(delta, "citation")) != NULL)
        read_citation(answer, value);
    return ERROR_OK;
}

static void end_block(struct native_answer *answer, struct bedrock_block *block)
{
    if (!text_empty(block->seal))
        translation_reasoning_seal(answer->translation, 0, block->seal, false);
    if (block->kind == BLOCK_FORMAT && !block->said)
        translation_text(answer->translation, 0, TEXT("{}"));
    if (block->kind == BLOCK_TOOL)
        translation_tool_end(answer->translation, 0, block->tool);
}

static enum error on_block_stop(struct native_answer *answer, yyjson_val *event)
{
    struct bedrock_block *block = find_block(answer, event);
    if (block == NULL)
        return ERROR_MEMORY;
    end_block(answer, block);
    *block = (struct bedrock_block){.next = block->next, .index = -1};
    return ERROR_OK;
}

static enum error on_stop(struct native_answer *answer, yyjson_val *event)
{
    for (struct bedrock_block *block = state_of(answer)->blocks; block; block = block->next)
        end_block(answer, block);
    state_of(answer)->blocks = NULL;
    translation_finish(answer->translation, 0, finish_of(text_at(event, "stopReason")));
    answer->complete = true;
    return ERROR_OK;
}

static enum error on_metadata(struct native_answer *answer, yyjson_val *event)
{
    read_metadata(answer, event);
    return ERROR_OK;
}

enum error bedrock_read_frame(struct native_answer *answer, const struct native_frame *frame)
{
    static const struct {
        struct text name;
        enum error (*read)(struct native_answer *answer, yyjson_val *event);
    } rows[] = {
        {TEXT_INIT("contentBlockDelta"), on_block_delta},
        {TEXT_INIT("contentBlockStart"), on_block_start},
        {TEXT_INIT("contentBlockStop"), on_block_stop},
        {TEXT_INIT("messageStart"), on_start},
        {TEXT_INIT("messageStop"), on_stop},
        {TEXT_INIT("metadata"), on_metadata},
    };
    if (frame->exception)
        return bedrock_refuse_frame(answer, frame);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (text_equal(rows[i].name, frame->name))
            return yyjson_is_obj(frame->root) ? rows[i].read(answer, frame->root) : ERROR_SYNTAX;
    return ERROR_OK; /* of a kind that is newer than this */
}
