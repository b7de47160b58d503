/* How a conversation becomes contents: turns of `user` and `model`, each with parts.
 *
 * All parts are laid out as one row first; a run of parts of one kind is one content. Results of
 * tools have a content of their own (Gemini 3 refuses other parts beside them), in the order of
 * their calls, as Vertex knows them by order alone. */
#include "openai/sealed_id.h"
#include "provider/gemini.h"

/* Stands for a signature that nobody has, such as of calls that another model made, where Gemini 3
 * insists on one: base64 of "skip_thought_signature_validator"
 * (ai.google.dev/gemini-api/docs/thought-signatures). */
static const struct text no_signature = TEXT_INIT("c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=");

enum kind { KIND_USER, KIND_MODEL, KIND_RESULTS };

struct piece {
    const struct part *part;
    enum kind kind;
    struct text id, seal; /* of calls and results, apart */
    bool taken;           /* of reasoning: its seal was written */
};

struct writing {
    struct native_ask *ask;
    const struct gemini_place *place;
    struct json_writer *json;
    struct piece *pieces;
    size_t count;
};

/* ---- pieces ---- */

static void begin_content(struct writing *writing, const char *role)
{
    json_begin_object(writing->json);
    json_member_text(writing->json, "role", text_from(role));
    json_key(writing->json, TEXT("parts"));
    json_begin_array(writing->json);
}

static void end_content(struct writing *writing)
{
    json_end_array(writing->json);
    json_end_object(writing->json);
}

static void write_text(struct writing *writing, struct text text, struct text seal)
{
    json_begin_object(writing->json);
    json_member_text(writing->json, "text", text);
    if (!text_empty(seal))
        json_member_text(writing->json, "thoughtSignature", seal);
    json_end_object(writing->json);
}

static bool is_text(const struct part *part)
{
    return (part->kind == PART_TEXT || part->kind == PART_REFUSAL) && !text_empty(part->text);
}

/* ---- the user's ---- */

static enum error write_user(struct writing *writing, const struct piece *pieces, size_t count)
{
    bool has_text = false;
    begin_content(writing, "user");
    for (size_t i = 0; i < count; i++) {
        if (is_text(pieces[i].part)) {
            write_text(writing, pieces[i].part->text, TEXT(""));
            has_text = true;
        } else if (pieces[i].part->kind != PART_TEXT) {
            enum error error = gemini_write_media(writing->ask, writing->place, pieces[i].part);
            if (error != ERROR_OK)
                return error;
        }
    }
    if (!has_text) /* several models refuse a content without any */
        write_text(writing, TEXT(" "), TEXT(""));
    end_content(writing);
    return ERROR_OK;
}

/* ---- the model's ---- */

static struct text seal_of(const struct part *part)
{
    bool own = part->kind == PART_REASONING && !part->sealed_text &&
               text_equal(part->seal_origin, TEXT(GEMINI_SEAL_ORIGIN));
    return own ? part->seal : TEXT("");
}

static struct text take_seal(struct piece *piece)
{
    struct text seal = piece->taken ? TEXT("") : seal_of(piece->part);
    piece->taken |= !text_empty(seal);
    return seal;
}

/* What was sealed stands before what it belongs to, as chat has it, or behind the text that it came
 * with, as responses have it. */
static struct text find_seal(struct piece *pieces, size_t count, size_t index)
{
    struct text seal = TEXT("");
    for (size_t i = index; i > 0 && pieces[i - 1].part->kind == PART_REASONING; i--)
        if (!text_empty(seal = take_seal(&pieces[i - 1])))
            return seal;
    for (size_t i = index + 1; is_text(pieces[index].part) && i < count; i++) {
        if (pieces[i].part->kind != PART_REASONING)
            break;
        if (!text_empty(seal = take_seal(&pieces[i])))
            return seal;
    }
    return seal;
}

/* An object; what a model wrote that is none goes along as a text, so that a conversation with a
 * slip in it can go on. */
static void write_arguments(struct writing *writing, const struct part *call)
{
    struct text text = call->custom ? call->text : call->arguments;
    yyjson_val *value =
        call->custom || text_empty(text) ? NULL : native_parse(writing->ask->arena, text);
    json_key(writing->json, TEXT("args"));
    if (yyjson_is_obj(value)) {
        native_write_value(writing->json, value);
        return;
    }
    json_begin_object(writing->json);
    if (!text_empty(text))
        json_member_text(writing->json, "input", text);
    json_end_object(writing->json);
}

static void write_call(struct writing *writing, const struct piece *piece, struct text seal)
{
    json_begin_object(writing->json);
    json_key(writing->json, TEXT("functionCall"));
    json_begin_object(writing->json);
    if (!writing->place->vertex) /* which knows no ids */
        json_member_text(writing->json, "id", piece->id);
    json_member_text(writing->json, "name", piece->part->name);
    write_arguments(writing, piece->part);
    json_end_object(writing->json);
    if (!text_empty(seal))
        json_member_text(writing->json, "thoughtSignature", seal);
    json_end_object(writing->json);
}

/* Of calls at the same time the first has the signature. */
static struct text seal_of_call(const struct writing *writing, struct piece *pieces, size_t count,
                                size_t index, bool first)
{
    struct text seal = pieces[index].seal;
    if (text_empty(seal) && first)
        seal = find_seal(pieces, count, index);
    if (text_empty(seal) && first && writing->place->model.generation >= GEMINI_3)
        seal = no_signature;
    return seal;
}

static void write_model(struct writing *writing, struct piece *pieces, size_t count)
{
    bool wrote = false, called = false;
    begin_content(writing, "model");
    for (size_t i = 0; i < count; i++) {
        if (is_text(pieces[i].part)) {
            write_text(writing, pieces[i].part->text, find_seal(pieces, count, i));
        } else if (pieces[i].part->kind == PART_TOOL_CALL) {
            write_call(writing, &pieces[i], seal_of_call(writing, pieces, count, i, !called));
            called = true;
        } else {
            continue;
        }
        wrote = true;
    }
    if (!wrote) /* a content has a part */
        write_text(writing, TEXT(" "), TEXT(""));
    end_content(writing);
}

/* ---- results of tools ---- */

static struct text join_texts(struct writing *writing, const struct part *result)
{
    size_t length = 0;
    for (size_t i = 0; i < result->result_count; i++)
        length += is_text(&result->results[i]) ? result->results[i].text.length : 0;
    char *bytes = arena_take(writing->ask->arena, length), *at = bytes;
    if (bytes == NULL)
        return text_of(NULL, 0);
    for (size_t i = 0; i < result->result_count; i++)
        if (is_text(&result->results[i]))
            at = (char *)mempcpy(at, result->results[i].text.data, result->results[i].text.length);
    return text_of(bytes, length);
}

static enum error write_media_of(struct writing *writing, const struct part *result)
{
    for (size_t i = 0; i < result->result_count; i++) {
        const struct part *part = &result->results[i];
        enum error error = part->kind == PART_TEXT || part->kind == PART_REFUSAL
                               ? ERROR_OK
                               : gemini_write_media(writing->ask, writing->place, part);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

static bool has_media(const struct part *result)
{
    for (size_t i = 0; i < result->result_count; i++)
        if (result->results[i].kind != PART_TEXT && result->results[i].kind != PART_REFUSAL)
            return true;
    return false;
}

/* Gemini 3 takes pictures within a result, the others beside it. */
static bool media_within(const struct writing *writing, const struct part *result)
{
    return writing->place->model.generation >= GEMINI_3 && has_media(result);
}

static enum error write_result(struct writing *writing, const struct piece *piece)
{
    const struct part *result = piece->part;
    struct json_writer *json = writing->json;
    enum error error;
    if (text_empty(result->name))
        return native_refuse(writing->ask, text_from(result->path),
                             "answers a call that is not in this conversation");
    struct text output = join_texts(writing, result);
    if (output.data == NULL)
        return ERROR_MEMORY;
    json_begin_object(json);
    json_key(json, TEXT("functionResponse"));
    json_begin_object(json);
    if (!writing->place->vertex)
        json_member_text(json, "id", piece->id);
    json_member_text(json, "name", result->name);
    json_key(json, TEXT("response"));
    json_begin_object(json);
    json_member_text(json, result->is_error ? "error" : "output", output);
    json_end_object(json);
    if (media_within(writing, result)) {
        json_key(json, TEXT("parts"));
        json_begin_array(json);
        error = write_media_of(writing, result);
        if (error != ERROR_OK)
            return error;
        json_end_array(json);
    }
    json_end_object(json);
    json_end_object(json);
    return ERROR_OK;
}

/* The result of the call; NULL where the run has none that was not written, or is longer than what
 * a model calls at a time: then it goes as it came. */
static const struct piece *find_result(const struct piece *results, size_t count, struct text id,
                                       const bool *written)
{
    for (size_t i = 0; count <= TRANSLATION_TOOLS_MAX && i < count; i++)
        if (!written[i] && text_equal(results[i].id, id))
            return &results[i];
    return NULL;
}

/* Results in the order of the calls before them, then those that answer none of these. */
static enum error write_ordered(struct writing *writing, const struct piece *results, size_t count,
                                const struct piece *calls, size_t call_count)
{
    enum error error = ERROR_OK;
    bool *written = arena_take_zeroed(writing->ask->arena, count);
    if (written == NULL)
        return ERROR_MEMORY;
    for (size_t i = 0; i < call_count && error == ERROR_OK; i++) {
        if (calls[i].part->kind != PART_TOOL_CALL)
            continue;
        const struct piece *result = find_result(results, count, calls[i].id, written);
        if (result == NULL)
            continue;
        written[result - results] = true;
        error = write_result(writing, result);
    }
    for (size_t i = 0; i < count && error == ERROR_OK; i++)
        if (!written[i])
            error = write_result(writing, &results[i]);
    return error;
}

/* What older models take beside their results. */
static enum error write_media_beside(struct writing *writing, const struct piece *results,
                                     size_t count)
{
    bool any = false;
    for (size_t i = 0; i < count; i++)
        any |= has_media(results[i].part) && !media_within(writing, results[i].part);
    if (!any)
        return ERROR_OK;
    begin_content(writing, "user");
    write_text(writing, TEXT("What the tools returned beside text:"), TEXT(""));
    for (size_t i = 0; i < count; i++) {
        enum error error = write_media_of(writing, results[i].part);
        if (error != ERROR_OK)
            return error;
    }
    end_content(writing);
    return ERROR_OK;
}

static enum error write_results(struct writing *writing, const struct piece *results, size_t count,
                                const struct piece *calls, size_t call_count)
{
    begin_content(writing, "user");
    enum error error = write_ordered(writing, results, count, calls, call_count);
    if (error != ERROR_OK)
        return error;
    end_content(writing);
    return write_media_beside(writing, results, count);
}

/* ---- contents ---- */

static enum kind kind_of(const struct turn *turn, const struct part *part)
{
    if (turn->role == TURN_ASSISTANT)
        return KIND_MODEL;
    return part->kind == PART_TOOL_RESULT ? KIND_RESULTS : KIND_USER;
}

static enum error lay_out(struct writing *writing)
{
    const struct conversation *conversation = writing->ask->conversation;
    size_t room = 0;
    for (size_t i = 0; i < conversation->turn_count; i++)
        room += conversation->turns[i].part_count;
    writing->pieces = arena_take_zeroed(writing->ask->arena, room * sizeof *writing->pieces);
    if (writing->pieces == NULL)
        return ERROR_MEMORY;
    for (size_t i = 0; i < conversation->turn_count; i++) {
        const struct turn *turn = &conversation->turns[i];
        for (size_t j = 0; turn->role != TURN_SYSTEM && j < turn->part_count; j++) {
            struct piece *piece = &writing->pieces[writing->count++];
            *piece = (struct piece){.part = &turn->parts[j],
                                    .kind = kind_of(turn, &turn->parts[j]),
                                    .id = turn->parts[j].id};
            piece->seal = sealed_id_split(&piece->id);
        }
    }
    return ERROR_OK;
}

static size_t run_length(const struct writing *writing, size_t start)
{
    size_t end = start;
    while (end < writing->count && writing->pieces[end].kind == writing->pieces[start].kind)
        end++;
    return end - start;
}

static enum error write_contents(struct writing *writing)
{
    enum error error = ERROR_OK;
    const struct piece *calls = NULL;
    size_t call_count = 0;
    json_key(writing->json, TEXT("contents"));
    json_begin_array(writing->json);
    for (size_t i = 0; i < writing->count && error == ERROR_OK;) {
        struct piece *run = &writing->pieces[i];
        size_t length = run_length(writing, i);
        switch (run->kind) {
        case KIND_USER: error = write_user(writing, run, length); break;
        case KIND_MODEL:
            write_model(writing, run, length);
            calls = run;
            call_count = length;
            break;
        case KIND_RESULTS: error = write_results(writing, run, length, calls, call_count); break;
        }
        i += length;
    }
    if (error != ERROR_OK)
        return error;
    if (writing->count == 0) { /* instructions alone */
        begin_content(writing, "user");
        write_text(writing, TEXT(" "), TEXT(""));
        end_content(writing);
    }
    json_end_array(writing->json);
    return ERROR_OK;
}

static bool has_instructions(const struct conversation *conversation)
{
    for (size_t i = 0; i < conversation->turn_count; i++)
        if (conversation->turns[i].role == TURN_SYSTEM && conversation->turns[i].part_count > 0)
            return true;
    return false;
}

/* There is one place for them, before all else. */
static void write_instructions(struct writing *writing, struct text further)
{
    const struct conversation *conversation = writing->ask->conversation;
    if (!has_instructions(conversation) && text_empty(further))
        return;
    json_key(writing->json, TEXT("systemInstruction"));
    json_begin_object(writing->json);
    json_key(writing->json, TEXT("parts"));
    json_begin_array(writing->json);
    for (size_t i = 0; i < conversation->turn_count; i++) {
        const struct turn *turn = &conversation->turns[i];
        for (size_t j = 0; turn->role == TURN_SYSTEM && j < turn->part_count; j++)
            write_text(writing, turn->parts[j].text, TEXT(""));
    }
    if (!text_empty(further))
        write_text(writing, further, TEXT(""));
    json_end_array(writing->json);
    json_end_object(writing->json);
}

/* ---- what the readers will need ---- */

static enum error make_state(struct native_ask *ask)
{
    const struct conversation *conversation = ask->conversation;
    struct gemini_state *state = arena_take_zeroed(ask->arena, sizeof *state);
    size_t count = (size_t)(conversation->n > 1 ? conversation->n : 1);
    if (state == NULL)
        return ERROR_MEMORY;
    state->choices = arena_take_zeroed(ask->arena, count * sizeof *state->choices);
    if (state->choices == NULL)
        return ERROR_MEMORY;
    state->choice_count = count;
    for (size_t i = 0; i < count; i++)
        state->choices[i].open = -1;
    for (size_t i = 0; i < conversation->tool_count; i++)
        state->cites |= conversation->tools[i].kind == TOOL_WEB_SEARCH ||
                        conversation->tools[i].kind == TOOL_OTHER;
    state->one_call = conversation->parallel_stated && !conversation->parallel;
    ask->state = state;
    return ERROR_OK;
}

enum error gemini_write(struct native_ask *ask, const struct gemini_place *place)
{
    struct writing writing = {.ask = ask, .place = place, .json = ask->body};
    struct text instruction = TEXT("");
    enum error error = make_state(ask);
    if (error == ERROR_OK)
        error = lay_out(&writing);
    if (error != ERROR_OK)
        return error;
    json_begin_object(ask->body);
    error = gemini_write_options(ask, place, &instruction);
    if (error != ERROR_OK)
        return error;
    write_instructions(&writing, instruction);
    error = write_contents(&writing);
    if (error == ERROR_OK)
        json_end_object(ask->body);
    return error;
}
