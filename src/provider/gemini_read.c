/* What a model answered, told to the translation: one GenerateContentResponse, whole or of each
 * frame of a stream. Usage repeats and the last counts; a choice ends with its finishReason, a
 * prompt that was blocked with a blockReason instead of choices. */
#include "openai/sealed_id.h"
#include "provider/gemini.h"

/* The text that closes streamed arguments, or a piece of them. */
#define FRAGMENT_MAX (16u << 20)

static struct gemini_state *state_of(struct native_answer *answer)
{
    return answer->state;
}

static struct text member(yyjson_val *object, const char *key)
{
    struct text text = TEXT("");
    (void)json_get_text(object, key, &text);
    return text;
}

static uint64_t count_of(yyjson_val *object, const char *key)
{
    uint64_t count = 0;
    (void)json_get_unsigned(object, key, &count);
    return count;
}

/* ---- usage ---- */

/* Tokens of one modality in a list of {modality, tokenCount}; -1: nothing is said of it. */
static int64_t count_modality(struct native_answer *answer, const char *list, struct text modality)
{
    yyjson_mut_val *entry;
    size_t index, count;
    int64_t sum = -1;
    yyjson_mut_arr_foreach(yyjson_mut_obj_get(answer->counts, list), index, count, entry)
    {
        yyjson_mut_val *name = yyjson_mut_obj_get(entry, "modality");
        uint64_t tokens = yyjson_mut_get_uint(yyjson_mut_obj_get(entry, "tokenCount"));
        if (text_equal_ignoring_case(modality,
                                     text_of(yyjson_mut_get_str(name), yyjson_mut_get_len(name))) &&
            tokens <= INT32_MAX)
            sum = (sum < 0 ? 0 : sum) + (int64_t)tokens;
    }
    return sum;
}

static int64_t known(int64_t count)
{
    return count < 0 ? 0 : count;
}

void gemini_count_usage(struct native_answer *answer)
{
    int64_t prompt = native_usage(answer, "promptTokenCount");
    int64_t tools = native_usage(answer, "toolUsePromptTokenCount");
    int64_t written = native_usage(answer, "candidatesTokenCount");
    int64_t thoughts = native_usage(answer, "thoughtsTokenCount");
    int64_t total = native_usage(answer, "totalTokenCount");
    struct usage *usage = &answer->usage;
    if (prompt < 0 && written < 0)
        return;
    /* Some answers of Vertex had the thoughts among the rest already: the sum tells. */
    bool within =
        thoughts > 0 && written >= thoughts && total == known(prompt) + known(tools) + written;
    usage->input = known(prompt) + known(tools);
    usage->output = known(written) + (within ? 0 : known(thoughts));
    usage->total = usage->input + usage->output;
    usage->cached_input = native_usage(answer, "cachedContentTokenCount");
    usage->reasoning = thoughts;
    usage->audio_input = count_modality(answer, "promptTokensDetails", TEXT("AUDIO"));
    usage->image_input = count_modality(answer, "promptTokensDetails", TEXT("IMAGE"));
    usage->audio_output = count_modality(answer, "candidatesTokensDetails", TEXT("AUDIO"));
    usage->image_output = count_modality(answer, "candidatesTokensDetails", TEXT("IMAGE"));
    if (answer->translation != NULL)
        translation_usage(answer->translation, usage);
}

/* ---- the tier ---- */

/* What was served, as OpenAI names it. */
static void tell_tier(struct native_answer *answer, struct text tier)
{
    static const struct {
        struct text word, told;
    } rows[] = {
        {TEXT_INIT("standard"), TEXT_INIT("default")},
        {TEXT_INIT("on_demand"), TEXT_INIT("default")},
        {TEXT_INIT("provisioned_throughput"), TEXT_INIT("default")},
        {TEXT_INIT("priority"), TEXT_INIT("priority")},
        {TEXT_INIT("on_demand_priority"), TEXT_INIT("priority")},
        {TEXT_INIT("flex"), TEXT_INIT("flex")},
        {TEXT_INIT("on_demand_flex"), TEXT_INIT("flex")},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        if (text_equal_ignoring_case(rows[i].word, tier)) {
            answer->service_tier = rows[i].word;
            if (answer->translation != NULL)
                translation_service_tier(answer->translation, rows[i].told);
        }
}

void gemini_read_head(struct native_answer *answer, const struct http1_head *head)
{
    for (size_t i = 0; i < head->header_count; i++)
        if (text_equal_ignoring_case(head->headers[i].name, TEXT("x-gemini-service-tier")))
            tell_tier(answer, head->headers[i].value);
}

static void take_usage(struct native_answer *answer, yyjson_val *root)
{
    yyjson_val *usage = yyjson_obj_get(root, "usageMetadata");
    native_take_usage(answer, usage);
    tell_tier(answer, member(usage, "trafficType"));
    tell_tier(answer, member(usage, "serviceTier"));
}

/* ---- failures ---- */

static enum error fail(struct native_answer *answer, enum provider_failure failure,
                       struct text message)
{
    struct native_error error = {.message = message};
    native_error_set(&error, failure);
    native_fail(answer, &error);
    return ERROR_REFUSED;
}

/* {"error": …} where an answer should be, or that in an array. */
static enum error read_failure(struct native_answer *answer, yyjson_val *root)
{
    struct native_error error;
    yyjson_val *said =
        yyjson_obj_get(yyjson_is_arr(root) ? yyjson_arr_get_first(root) : root, "error");
    uint64_t status = count_of(said, "code");
    native_error_for(&error, status >= 400 && status <= 599 ? (unsigned)status : 500, root);
    gemini_read_error(answer, root, &error);
    native_fail(answer, &error);
    return ERROR_REFUSED;
}

/* ---- calls of tools ---- */

static enum error end_call(struct native_answer *answer, unsigned index,
                           struct gemini_choice *choice)
{
    struct buffer rest;
    if (choice->open < 0)
        return ERROR_OK;
    buffer_open(&rest, GEMINI_ARGUMENTS_DEPTH_MAX + 2);
    gemini_arguments_end(&choice->arguments, &rest);
    if (rest.length > 0)
        translation_tool_arguments(answer->translation, index, choice->open, buffer_text(&rest));
    translation_tool_end(answer->translation, index, choice->open);
    choice->open = -1;
    bool ok = !rest.failed;
    buffer_close(&rest);
    return ok ? ERROR_OK : ERROR_MEMORY;
}

static enum error add_arguments(struct native_answer *answer, unsigned index,
                                struct gemini_choice *choice, yyjson_val *list)
{
    struct buffer fragment;
    yyjson_val *entry;
    size_t position, count;
    enum error error = ERROR_OK;
    buffer_open(&fragment, FRAGMENT_MAX);
    yyjson_arr_foreach(list, position, count, entry)
    {
        if (error == ERROR_OK)
            error = gemini_arguments_add(&choice->arguments, answer->arena, entry, &fragment);
    }
    if (error == ERROR_OK && fragment.length > 0)
        translation_tool_arguments(answer->translation, index, choice->open,
                                   buffer_text(&fragment));
    buffer_close(&fragment);
    return error;
}

/* One that the provider has no id for is made here where a signature goes with it. */
static struct text id_of_call(struct native_answer *answer, unsigned index,
                              struct gemini_choice *choice, yyjson_val *call, struct text signature)
{
    struct text id = member(call, "id"), request = answer->base.call->request_id;
    unsigned number = choice->calls++;
    if (text_empty(signature))
        return id;
    if (text_starts_with(request, TEXT("req_")))
        request = text_from_index(request, TEXT("req_").length);
    if (text_empty(id))
        id = arena_format(answer->arena, "call_%.*s_%u_%u", TEXT_ARG(request), index, number);
    return id.data == NULL ? id : sealed_id_join(answer->arena, id, signature);
}

static enum error begin_call(struct native_answer *answer, unsigned index,
                             struct gemini_choice *choice, yyjson_val *call, struct text signature)
{
    yyjson_val *arguments = yyjson_obj_get(call, "args");
    bool goes_on = yyjson_is_true(yyjson_obj_get(call, "willContinue"));
    struct text id = id_of_call(answer, index, choice, call, signature);
    enum error error = end_call(answer, index, choice);
    if (error != ERROR_OK)
        return error;
    if (id.data == NULL)
        return ERROR_MEMORY;
    choice->open = translation_tool_begin(answer->translation, index, id, member(call, "name"));
    if (choice->open < 0)
        return ERROR_LIMIT;
    if (yyjson_obj_size(arguments) > 0) {
        struct text text = native_value_text(answer->arena, arguments);
        if (text.data == NULL)
            return ERROR_MEMORY;
        translation_tool_arguments(answer->translation, index, choice->open, text);
    }
    if (yyjson_obj_get(call, "partialArgs") != NULL)
        return add_arguments(answer, index, choice, yyjson_obj_get(call, "partialArgs"));
    return goes_on ? ERROR_OK : end_call(answer, index, choice);
}

/* One that has a name begins; one without goes on with it; an empty one ends it. */
static enum error read_call(struct native_answer *answer, unsigned index,
                            struct gemini_choice *choice, yyjson_val *call, struct text signature)
{
    yyjson_val *pieces = yyjson_obj_get(call, "partialArgs");
    if (!text_empty(member(call, "name"))) {
        if (state_of(answer)->one_call && choice->calls > 0)
            return end_call(answer, index, choice); /* the caller wants one at a time */
        return begin_call(answer, index, choice, call, signature);
    }
    if (choice->open < 0)
        return ERROR_OK;
    if (!text_empty(signature)) /* too late for the id */
        translation_reasoning_seal(answer->translation, index, signature, false);
    if (pieces == NULL && !yyjson_is_true(yyjson_obj_get(call, "willContinue")))
        return end_call(answer, index, choice);
    return add_arguments(answer, index, choice, pieces);
}

/* ---- text ---- */

static enum error keep_text(struct native_answer *answer, struct gemini_choice *choice,
                            struct text text, uint64_t part)
{
    if (!state_of(answer)->cites)
        return ERROR_OK;
    struct gemini_piece *piece = arena_take_zeroed(answer->arena, sizeof *piece);
    if (piece == NULL)
        return ERROR_MEMORY;
    *piece = (struct gemini_piece){.bytes = arena_copy(answer->arena, text), .part = part};
    if (piece->bytes.data == NULL)
        return ERROR_MEMORY;
    if (choice->last != NULL)
        choice->last->next = piece;
    else
        choice->first = piece;
    choice->last = piece;
    return ERROR_OK;
}

static enum error tell_text(struct native_answer *answer, unsigned index,
                            struct gemini_choice *choice, struct text text, uint64_t part)
{
    if (text_empty(text))
        return ERROR_OK;
    translation_text(answer->translation, index, text);
    return keep_text(answer, choice, text, part);
}

/* OpenAI's chat has no place for a picture that was made: Markdown, in the text, is what most
 * callers can show. */
static enum error tell_picture(struct native_answer *answer, unsigned index,
                               struct gemini_choice *choice, yyjson_val *data, uint64_t part)
{
    struct text mime = member(data, "mimeType"), bytes = member(data, "data");
    if (!text_starts_with(mime, TEXT("image/")))
        return ERROR_SYNTAX; /* sound was not asked for */
    struct text before = arena_format(answer->arena, "![image](data:%.*s;base64,", TEXT_ARG(mime));
    if (before.data == NULL)
        return ERROR_MEMORY;
    enum error error = tell_text(answer, index, choice, before, part);
    if (error == ERROR_OK)
        error = tell_text(answer, index, choice, bytes, part);
    return error == ERROR_OK ? tell_text(answer, index, choice, TEXT(")"), part) : error;
}

/* What the provider's own tool ran, in the text where it stands. */
static enum error tell_code(struct native_answer *answer, unsigned index,
                            struct gemini_choice *choice, struct text language, struct text code,
                            uint64_t part)
{
    size_t ticks = text_find(code, TEXT("```")) < 0 ? 3 : 4;
    struct text fence = text_first(TEXT("````"), ticks);
    struct text before =
        arena_format(answer->arena, "\n%.*s%.*s\n", TEXT_ARG(fence), TEXT_ARG(language));
    struct text after = arena_format(answer->arena, "\n%.*s\n", TEXT_ARG(fence));
    if (before.data == NULL || after.data == NULL)
        return ERROR_MEMORY;
    enum error error = tell_text(answer, index, choice, before, part);
    if (error == ERROR_OK)
        error = tell_text(answer, index, choice, code, part);
    return error == ERROR_OK ? tell_text(answer, index, choice, after, part) : error;
}

/* ---- parts ---- */

static enum error read_part(struct native_answer *answer, unsigned index,
                            struct gemini_choice *choice, yyjson_val *part, uint64_t position)
{
    struct text signature = member(part, "thoughtSignature"), text = member(part, "text");
    yyjson_val *call = yyjson_obj_get(part, "functionCall");
    yyjson_val *data = yyjson_obj_get(part, "inlineData");
    yyjson_val *code = yyjson_obj_get(part, "executableCode");
    yyjson_val *result = yyjson_obj_get(part, "codeExecutionResult");
    enum error error = ERROR_OK;
    if (yyjson_is_obj(call))
        return read_call(answer, index, choice, call, signature);
    if (yyjson_is_true(yyjson_obj_get(part, "thought"))) {
        if (!text_empty(text)) /* drafts of pictures have none */
            translation_reasoning(answer->translation, index, text);
    } else if (yyjson_is_obj(data)) {
        error = tell_picture(answer, index, choice, data, position);
    } else if (yyjson_is_obj(code)) {
        error = tell_code(answer, index, choice, TEXT("python"), member(code, "code"), position);
    } else if (yyjson_is_obj(result)) {
        error = tell_code(answer, index, choice, TEXT(""), member(result, "output"), position);
    } else {
        error = tell_text(answer, index, choice, text, position);
    }
    if (error == ERROR_OK && !text_empty(signature))
        translation_reasoning_seal(answer->translation, index, signature, false);
    return error;
}

/* ---- the end of a choice ---- */

static const struct finish_row {
    struct text reason;
    enum translation_finish finish;
    bool broken; /* nothing good came of it, if nothing came */
} finish_rows[] = {
    {TEXT_INIT("STOP"), FINISH_STOP, false},
    {TEXT_INIT("MAX_TOKENS"), FINISH_LENGTH, false},
    {TEXT_INIT("SAFETY"), FINISH_CONTENT_FILTER, false},
    {TEXT_INIT("RECITATION"), FINISH_CONTENT_FILTER, false},
    {TEXT_INIT("LANGUAGE"), FINISH_CONTENT_FILTER, false},
    {TEXT_INIT("BLOCKLIST"), FINISH_CONTENT_FILTER, false},
    {TEXT_INIT("PROHIBITED_CONTENT"), FINISH_CONTENT_FILTER, false},
    {TEXT_INIT("SPII"), FINISH_CONTENT_FILTER, false},
    {TEXT_INIT("MODEL_ARMOR"), FINISH_CONTENT_FILTER, false},
    {TEXT_INIT("IMAGE_SAFETY"), FINISH_CONTENT_FILTER, false},
    {TEXT_INIT("IMAGE_PROHIBITED_CONTENT"), FINISH_CONTENT_FILTER, false},
    {TEXT_INIT("IMAGE_RECITATION"), FINISH_CONTENT_FILTER, false},
    {TEXT_INIT("MALFORMED_FUNCTION_CALL"), FINISH_STOP, true},
    {TEXT_INIT("MALFORMED_RESPONSE"), FINISH_STOP, true},
    {TEXT_INIT("MISSING_THOUGHT_SIGNATURE"), FINISH_STOP, true},
    {TEXT_INIT("UNEXPECTED_TOOL_CALL"), FINISH_STOP, true},
    {TEXT_INIT("TOO_MANY_TOOL_CALLS"), FINISH_STOP, true},
};

static enum error finish_choice(struct native_answer *answer, unsigned index,
                                struct gemini_choice *choice, yyjson_val *candidate)
{
    /* What has no row ended somehow: callers know four reasons, and reject others. */
    static const struct finish_row other = {TEXT_INIT(""), FINISH_STOP, false};
    struct text reason = member(candidate, "finishReason"),
                message = member(candidate, "finishMessage");
    const struct finish_row *row = &other;
    for (size_t i = 0; i < ARRAY_LENGTH(finish_rows); i++)
        if (text_equal(finish_rows[i].reason, reason))
            row = &finish_rows[i];
    if (row->broken && !translation_has_content(answer->translation)) {
        struct text what =
            arena_format(answer->arena, "The model's answer was no good (%.*s). %.*s",
                         TEXT_ARG(reason), TEXT_ARG(message));
        return fail(answer, PROVIDER_FAILURE_SERVER, what);
    }
    enum error error = end_call(answer, index, choice);
    translation_finish(answer->translation, index, row->finish);
    choice->ended = true;
    return error;
}

static enum error read_parts(struct native_answer *answer, unsigned index,
                             struct gemini_choice *choice, yyjson_val *candidate)
{
    yyjson_val *part, *parts = yyjson_obj_get(yyjson_obj_get(candidate, "content"), "parts");
    size_t position, count;
    yyjson_arr_foreach(parts, position, count, part)
    {
        enum error error = read_part(answer, index, choice, part, position);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

static enum error read_candidate(struct native_answer *answer, yyjson_val *candidate, bool whole)
{
    struct gemini_state *state = state_of(answer);
    uint64_t number = count_of(candidate, "index");
    if (!yyjson_is_obj(candidate) || number >= state->choice_count)
        return ERROR_SYNTAX;
    unsigned index = (unsigned)number;
    struct gemini_choice *choice = &state->choices[index];
    enum error error = read_parts(answer, index, choice, candidate);
    if (error == ERROR_OK)
        error = gemini_read_logprobs(answer, index, yyjson_obj_get(candidate, "logprobsResult"));
    if (error == ERROR_OK)
        error = gemini_read_grounding(answer, index, choice, candidate);
    /* A whole answer needs no word that it is complete. */
    if (error == ERROR_OK && (whole || yyjson_is_str(yyjson_obj_get(candidate, "finishReason"))))
        error = finish_choice(answer, index, choice, candidate);
    return error;
}

/* The prompt was not let through: an answer that says so, as of a model that would not speak. */
static bool read_blocked(struct native_answer *answer, yyjson_val *root)
{
    struct gemini_state *state = state_of(answer);
    yyjson_val *feedback = yyjson_obj_get(root, "promptFeedback");
    struct text reason = member(feedback, "blockReason"),
                message = member(feedback, "blockReasonMessage");
    if (text_empty(reason))
        return false;
    struct text said =
        arena_format(answer->arena, "The provider blocked the prompt (%.*s).%s%.*s",
                     TEXT_ARG(reason), text_empty(message) ? "" : " ", TEXT_ARG(message));
    for (unsigned i = 0; i < state->choice_count; i++) {
        if (state->choices[i].ended)
            continue;
        translation_refusal(answer->translation, i,
                            said.data == NULL ? TEXT("The provider blocked the prompt.") : said);
        translation_finish(answer->translation, i, FINISH_CONTENT_FILTER);
        state->choices[i].ended = true;
    }
    return true;
}

/* ---- answers ---- */

static enum error read_response(struct native_answer *answer, yyjson_val *root, bool whole)
{
    yyjson_val *candidate;
    size_t position, count;
    if (yyjson_obj_get(yyjson_is_arr(root) ? yyjson_arr_get_first(root) : root, "error") != NULL)
        return read_failure(answer, root);
    if (!yyjson_is_obj(root))
        return ERROR_SYNTAX;
    if (!state_of(answer)->begun)
        translation_begin(answer->translation, member(root, "responseId"),
                          member(root, "modelVersion"));
    state_of(answer)->begun = true;
    take_usage(answer, root); /* first: an answer that is no good is billed too */
    yyjson_arr_foreach(yyjson_obj_get(root, "candidates"), position, count, candidate)
    {
        enum error error = read_candidate(answer, candidate, whole);
        if (error != ERROR_OK)
            return error;
    }
    (void)read_blocked(answer, root);
    return ERROR_OK;
}

enum error gemini_read_chat(struct native_answer *answer, yyjson_val *root)
{
    enum error error = read_response(answer, root, true);
    /* Fewer choices than asked are told as they are; none at all is no answer. */
    if (error == ERROR_OK && !translation_is_finished(answer->translation))
        return ERROR_SYNTAX;
    return error;
}

enum error gemini_read_frame(struct native_answer *answer, const struct native_frame *frame)
{
    if (frame->root == NULL)
        return ERROR_SYNTAX;
    enum error error = read_response(answer, frame->root, false);
    if (error == ERROR_OK)
        answer->complete = translation_is_finished(answer->translation);
    return error;
}
