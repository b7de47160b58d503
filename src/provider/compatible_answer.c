/* The answer: choices, whole or in chunks, as servers really send them. Missing ids, types and
 * indexes, arguments that are objects, whole calls in one chunk, usage in one of several places and
 * [DONE] or none are all usual. */
#include "provider/compatible.h"

#include "openai/usage.h"

/* ---- state ---- */

struct call {
    unsigned choice;
    int64_t index;   /* the server's; -1: none */
    struct text id;  /* the server's; empty: none */
    int translation; /* its number for the caller */
};

struct state {
    struct call *calls;
    size_t count, capacity;
};

static struct state *state_of(struct native_answer *answer)
{
    if (answer->state == NULL)
        answer->state = arena_take_zeroed(answer->arena, sizeof(struct state));
    return answer->state;
}

static struct text text_in(yyjson_val *object, const char *key)
{
    struct text text = TEXT("");
    (void)json_get_text(object, key, &text);
    return text;
}

/* ---- calls ---- */

/* A new id begins a new call, whatever the index says. */
static struct call *find_call(struct state *state, unsigned choice, int64_t index, struct text id)
{
    for (size_t i = state->count; i > 0; i--) {
        struct call *call = &state->calls[i - 1];
        if (call->choice != choice || (index >= 0 && call->index != index))
            continue;
        bool same = text_empty(id) || text_equal(call->id, id);
        return same ? call : NULL;
    }
    return NULL;
}

static struct call *add_call(struct native_answer *answer, unsigned choice, int64_t index,
                             struct text id, struct text name)
{
    struct state *state = state_of(answer);
    if (state->count == state->capacity) {
        size_t capacity = state->capacity == 0 ? 4 : state->capacity * 2;
        struct call *calls = arena_take(answer->arena, capacity * sizeof(*calls));
        if (calls == NULL)
            return NULL;
        if (state->count > 0)
            memcpy(calls, state->calls, state->count * sizeof(*calls));
        state->calls = calls;
        state->capacity = capacity;
    }
    struct call *call = &state->calls[state->count];
    *call = (struct call){.choice = choice, .index = index};
    call->id = arena_copy(answer->arena, id);
    call->translation = translation_tool_begin(answer->translation, choice, id, name);
    if (call->id.data == NULL || call->translation < 0)
        return NULL;
    state->count++;
    return call;
}

/* Text, or, from some, the object itself. */
static struct text arguments_of(struct native_answer *answer, yyjson_val *function)
{
    yyjson_val *arguments = yyjson_obj_get(function, "arguments");
    if (yyjson_is_str(arguments))
        return text_of(yyjson_get_str(arguments), yyjson_get_len(arguments));
    if (!yyjson_is_obj(arguments) || yyjson_obj_size(arguments) == 0)
        return TEXT("");
    return native_value_text(answer->arena, arguments);
}

static enum error read_call(struct native_answer *answer, unsigned choice, yyjson_val *value)
{
    struct state *state = state_of(answer);
    yyjson_val *function = yyjson_obj_get(value, "function");
    yyjson_val *number = yyjson_obj_get(value, "index");
    int64_t index = yyjson_is_uint(number) && yyjson_get_uint(number) < TRANSLATION_TOOLS_MAX
                        ? (int64_t)yyjson_get_uint(number)
                        : -1;
    struct text id = text_in(value, "id");
    if (state == NULL)
        return ERROR_MEMORY;
    struct call *call = find_call(state, choice, index, id);
    if (call == NULL)
        call = add_call(answer, choice, index, id, text_in(function, "name"));
    if (call == NULL)
        return ERROR_LIMIT;
    translation_tool_arguments(answer->translation, choice, call->translation,
                               arguments_of(answer, function));
    return ERROR_OK;
}

static enum error read_calls(struct native_answer *answer, unsigned choice, yyjson_val *calls)
{
    size_t index, size;
    yyjson_val *value;
    enum error error = ERROR_OK;
    yyjson_arr_foreach(calls, index, size, value)
    {
        error = read_call(answer, choice, value);
        if (error != ERROR_OK)
            return error;
    }
    return error;
}

/* ---- text ---- */

/* Mistral: an array of parts, some of them thoughts, which are arrays of parts again. */
static void read_parts(struct native_answer *answer, unsigned choice, yyjson_val *parts)
{
    size_t index, size, inner_index, inner_size;
    yyjson_val *value, *inner;
    yyjson_arr_foreach(parts, index, size, value)
    {
        yyjson_arr_foreach(yyjson_obj_get(value, "thinking"), inner_index, inner_size, inner)
            translation_reasoning(answer->translation, choice, text_in(inner, "text"));
        translation_reasoning(answer->translation, choice, text_in(value, "thinking"));
        translation_text(answer->translation, choice, text_in(value, "text"));
    }
}

static enum error read_message(struct native_answer *answer, unsigned choice, yyjson_val *message)
{
    struct translation *translation = answer->translation;
    yyjson_val *content = yyjson_obj_get(message, "content");
    struct text reasoning = text_in(message, "reasoning_content");
    if (text_empty(reasoning))
        reasoning = text_in(message, "reasoning");
    translation_reasoning(translation, choice, reasoning);
    if (yyjson_is_arr(content))
        read_parts(answer, choice, content);
    else
        translation_text(translation, choice, text_in(message, "content"));
    translation_refusal(translation, choice, text_in(message, "refusal"));
    return read_calls(answer, choice, yyjson_obj_get(message, "tool_calls"));
}

/* Asked for only where a caller wants them. */
static void read_logprobs(struct native_answer *answer, unsigned choice, yyjson_val *value)
{
    yyjson_val *content = yyjson_obj_get(yyjson_obj_get(value, "logprobs"), "content");
    if (!yyjson_is_arr(content) || yyjson_arr_size(content) == 0)
        return;
    struct text items = native_value_text(answer->arena, content);
    if (items.length > 2) /* without its brackets */
        translation_logprobs(answer->translation, choice,
                             text_of(items.data + 1, items.length - 2));
}

/* ---- choices ---- */

static enum error fail_finish(struct native_answer *answer)
{
    struct native_error error = {.message = TEXT("The provider broke off its answer.")};
    native_error_set(&error, PROVIDER_FAILURE_SERVER);
    native_fail(answer, &error);
    return ERROR_REFUSED;
}

static enum error read_finish(struct native_answer *answer, unsigned choice, struct text reason)
{
    static const struct {
        struct text reason;
        enum translation_finish finish;
    } rows[] = {
        {TEXT_INIT("length"), FINISH_LENGTH},
        {TEXT_INIT("max_tokens"), FINISH_LENGTH},
        {TEXT_INIT("model_length"), FINISH_LENGTH},
        {TEXT_INIT("MAX_TOKENS"), FINISH_LENGTH},
        {TEXT_INIT("tool_calls"), FINISH_TOOL_CALLS},
        {TEXT_INIT("function_call"), FINISH_TOOL_CALLS},
        {TEXT_INIT("tool_use"), FINISH_TOOL_CALLS},
        {TEXT_INIT("TOOL_CALL"), FINISH_TOOL_CALLS},
        {TEXT_INIT("content_filter"), FINISH_CONTENT_FILTER},
        {TEXT_INIT("safety"), FINISH_CONTENT_FILTER},
    };
    static const struct text failures[] = {
        TEXT_INIT("error"),
        TEXT_INIT("ERROR"),
        TEXT_INIT("abort"),
        TEXT_INIT("insufficient_system_resource"),
    };
    enum translation_finish finish = FINISH_STOP; /* stop, eos, end_turn, COMPLETE … */
    for (size_t i = 0; i < ARRAY_LENGTH(failures); i++)
        if (text_equal(failures[i], reason))
            return fail_finish(answer);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (text_equal(rows[i].reason, reason))
            finish = rows[i].finish;
    translation_finish(answer->translation, choice, finish);
    answer->complete = translation_is_finished(answer->translation);
    return ERROR_OK;
}

static enum error read_choice(struct native_answer *answer, yyjson_val *value, const char *member)
{
    uint64_t choice = 0;
    (void)json_get_unsigned(value, "index", &choice);
    if (choice >= TRANSLATION_CHOICES_MAX)
        return ERROR_LIMIT;
    enum error error = read_message(answer, (unsigned)choice, yyjson_obj_get(value, member));
    if (error != ERROR_OK)
        return error;
    read_logprobs(answer, (unsigned)choice, value);
    struct text reason = text_in(value, "finish_reason");
    return text_empty(reason) ? ERROR_OK : read_finish(answer, (unsigned)choice, reason);
}

/* An error with a good status, in the place of an answer or in a stream. */
static enum error read_failure(struct native_answer *answer, yyjson_val *root)
{
    struct native_error error;
    yyjson_val *code = yyjson_obj_get(yyjson_obj_get(root, "error"), "code");
    uint64_t status = yyjson_is_uint(code) ? yyjson_get_uint(code) : 502;
    native_error_for(&error, status >= 400 && status <= 599 ? (unsigned)status : 502, root);
    struct text name = text_in(yyjson_obj_get(root, "error"), "code");
    if (!text_empty(name))
        error.code = name;
    native_fail(answer, &error);
    return ERROR_REFUSED;
}

static bool is_failure(yyjson_val *root)
{
    yyjson_val *error = yyjson_obj_get(root, "error");
    return yyjson_is_obj(error) || (yyjson_is_str(error) && yyjson_get_len(error) > 0) ||
           yyjson_equals_str(yyjson_obj_get(root, "object"), "error");
}

static enum error read_choices(struct native_answer *answer, yyjson_val *root, const char *member)
{
    size_t index, size;
    yyjson_val *value;
    translation_begin(answer->translation, text_in(root, "id"), TEXT(""));
    yyjson_arr_foreach(yyjson_obj_get(root, "choices"), index, size, value)
    {
        enum error error = read_choice(answer, value, member);
        if (error != ERROR_OK)
            return error;
    }
    struct text tier = text_in(root, "service_tier");
    if (!text_empty(tier) && !text_equal(tier, answer->service_tier)) {
        answer->service_tier = arena_copy(answer->arena, tier);
        translation_service_tier(answer->translation, tier);
    }
    yyjson_val *usage = yyjson_obj_get(root, "usage");
    if (!yyjson_is_obj(usage))
        usage = yyjson_obj_get(yyjson_obj_get(root, "x_groq"), "usage");
    native_take_usage(answer, usage);
    return ERROR_OK;
}

enum error compatible_read(struct native_answer *answer, yyjson_val *root)
{
    if (is_failure(root))
        return read_failure(answer, root);
    if (!yyjson_is_arr(yyjson_obj_get(root, "choices")))
        return ERROR_SYNTAX;
    return read_choices(answer, root, "message");
}

enum error compatible_read_frame(struct native_answer *answer, const struct native_frame *frame)
{
    if (text_starts_with(frame->data, TEXT("[DONE]"))) {
        answer->complete = true;
        return ERROR_OK;
    }
    if (is_failure(frame->root))
        return read_failure(answer, frame->root);
    if (frame->root == NULL)
        return ERROR_SYNTAX;
    return read_choices(answer, frame->root, "delta");
}

/* ---- usage ---- */

static int64_t first_known(struct native_answer *answer, const char *const *paths)
{
    int64_t count = -1;
    for (size_t i = 0; paths[i] != NULL && count < 0; i++)
        count = native_usage(answer, paths[i]);
    return count;
}

void compatible_count_usage(struct native_answer *answer)
{
    static const char *const cached[] = {"prompt_tokens_details.cached_tokens",
                                         "prompt_cache_hit_tokens", "num_cached_tokens",
                                         "cached_tokens", NULL};
    static const char *const reasoning[] = {"completion_tokens_details.reasoning_tokens",
                                            "reasoning_tokens", NULL};
    struct usage *usage = &answer->usage;
    usage->input = native_usage(answer, "prompt_tokens");
    usage->output = native_usage(answer, "completion_tokens");
    usage->total = native_usage(answer, "total_tokens");
    usage->cached_input = first_known(answer, cached);
    usage->cache_write = native_usage(answer, "prompt_tokens_details.cache_write_tokens");
    usage->reasoning = first_known(answer, reasoning);
    /* xAI counts reasoning beside the answer, as its total shows. */
    if (usage->reasoning > 0 && usage->input >= 0 && usage->output >= 0 &&
        usage->total == usage->input + usage->output + usage->reasoning)
        usage->output += usage->reasoning;
    translation_usage(answer->translation, usage);
}
