/* Turns to messages: what stands together is one message, results of tools come first in the turn
 * behind their calls, no call is without a result and no result without a call. The API refuses
 * everything else (Anthropic API reference, Messages; "Handle tool calls"). */
#include "provider/anthropic_parts.h"

struct arranging {
    struct anthropic_writer *writer;
    const struct turn **turns; /* those that say something, without what goes to `system` */
    size_t turn_count;
    struct anthropic_block *blocks; /* room for all */
    size_t block_count;
    bool thinks;
};

bool anthropic_is_blank(struct text text)
{
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        if (c != ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\v' && c != '\f')
            return false;
    }
    return true;
}

static bool is_sealed(const struct part *part)
{
    return !text_empty(part->seal) && text_equal(part->seal_origin, TEXT("anthropic"));
}

static bool says_something(const struct arranging *arranging, const struct part *part)
{
    switch (part->kind) {
    case PART_TEXT:
    case PART_REFUSAL: return !anthropic_is_blank(part->text);
    case PART_REASONING: return arranging->thinks && is_sealed(part);
    default: return true;
    }
}

static bool turn_says_something(const struct arranging *arranging, const struct turn *turn)
{
    for (size_t i = 0; i < turn->part_count; i++)
        if (says_something(arranging, &turn->parts[i]))
            return true;
    return false;
}

/* ---- system ---- */

static void add_system(struct anthropic_writer *writer, const struct turn *turn)
{
    struct anthropic_script *script = &writer->script;
    for (size_t i = 0; i < turn->part_count; i++) {
        const struct part *part = &turn->parts[i];
        if (part->kind != PART_TEXT)
            anthropic_refuse(writer, text_from(part->path),
                             "is not a text, as instructions to this model must be");
        else if (!anthropic_is_blank(part->text))
            script->system[script->system_count++] = part;
    }
}

/* A later one may stay where it is when the model knows such, and it is the last or the assistant
 * goes on behind it. */
static bool may_stay(const struct arranging *arranging, const struct turn *turn)
{
    const struct anthropic_writer *writer = arranging->writer;
    const struct conversation *conversation = writer->ask->conversation;
    const struct turn *end = conversation->turns + conversation->turn_count;
    if (!writer->model->system_turns || writer->host->no_system_turns)
        return false;
    for (turn++; turn < end; turn++)
        if (turn->role != TURN_SYSTEM && turn_says_something(arranging, turn))
            return turn->role == TURN_ASSISTANT;
    return true;
}

static void sort_turns(struct arranging *arranging)
{
    const struct conversation *conversation = arranging->writer->ask->conversation;
    bool stays = false, behind_system = false;
    for (size_t i = 0; i < conversation->turn_count; i++) {
        const struct turn *turn = &conversation->turns[i];
        if (!turn_says_something(arranging, turn))
            continue;
        bool system = turn->role == TURN_SYSTEM;
        /* Neighbours share their lot, so that it is looked for once for all of them. */
        if (system && !behind_system)
            stays = arranging->turn_count > 0 && may_stay(arranging, turn);
        behind_system = system;
        if (system && !stays)
            add_system(arranging->writer, turn);
        else
            arranging->turns[arranging->turn_count++] = turn;
    }
}

/* ---- blocks ---- */

static void add_block(struct arranging *arranging, enum anthropic_block_kind kind,
                      const struct part *part)
{
    arranging->blocks[arranging->block_count++] =
        (struct anthropic_block){.kind = kind, .part = part};
}

/* Parts of turns `first` to `end`, of which `wanted` says that it is their turn. */
static void add_parts(struct arranging *arranging, size_t first, size_t end,
                      bool (*wanted)(const struct part *part))
{
    for (size_t i = first; i < end; i++)
        for (size_t j = 0; j < arranging->turns[i]->part_count; j++) {
            const struct part *part = &arranging->turns[i]->parts[j];
            if (says_something(arranging, part) && wanted(part))
                add_block(arranging, ANTHROPIC_BLOCK_PART, part);
        }
}

static bool is_any(const struct part *part)
{
    (void)part;
    return true;
}

static bool is_reasoning(const struct part *part)
{
    return part->kind == PART_REASONING;
}

static bool is_no_reasoning(const struct part *part)
{
    return part->kind != PART_REASONING;
}

static const struct part *first_part(const struct arranging *arranging, const struct turn *turn)
{
    for (size_t i = 0; i < turn->part_count; i++)
        if (says_something(arranging, &turn->parts[i]))
            return &turn->parts[i];
    return NULL;
}

/* The order is the model's own where it begins with what the model thought; else that comes first,
 * as it must. */
static void add_assistant(struct arranging *arranging, size_t first, size_t end)
{
    const struct part *leading = first_part(arranging, arranging->turns[first]);
    if (leading != NULL && is_reasoning(leading)) {
        add_parts(arranging, first, end, is_any);
        return;
    }
    add_parts(arranging, first, end, is_reasoning);
    add_parts(arranging, first, end, is_no_reasoning);
}

/* ---- calls and results ---- */

struct calls {
    const struct part *rows[ANTHROPIC_CALLS_MAX];
    const struct part *results[ANTHROPIC_CALLS_MAX];
    size_t count;
    size_t next; /* results mostly come in the order of the calls */
    bool many;
};

static void gather_calls(struct calls *calls, const struct anthropic_message *message)
{
    calls->count = calls->next = 0;
    calls->many = false;
    if (message == NULL || message->role != TURN_ASSISTANT)
        return;
    for (size_t i = 0; i < message->count; i++) {
        if (message->blocks[i].part->kind != PART_TOOL_CALL)
            continue;
        calls->many |= calls->count == ANTHROPIC_CALLS_MAX;
        if (calls->many)
            return;
        calls->results[calls->count] = NULL;
        calls->rows[calls->count++] = message->blocks[i].part;
    }
}

/* False: there is no such call, or it has its result. */
static bool take_result(struct calls *calls, const struct part *result)
{
    for (size_t i = 0; i < calls->count; i++) {
        size_t at = (calls->next + i) % calls->count;
        if (calls->results[at] != NULL || !text_equal(calls->rows[at]->id, result->id))
            continue;
        calls->results[at] = result;
        calls->next = at + 1;
        return true;
    }
    return false;
}

static void match_results(const struct arranging *arranging, struct calls *calls, size_t first,
                          size_t end)
{
    for (size_t i = first; i < end; i++)
        for (size_t j = 0; j < arranging->turns[i]->part_count; j++)
            if (arranging->turns[i]->parts[j].kind == PART_TOOL_RESULT)
                (void)take_result(calls, &arranging->turns[i]->parts[j]);
}

/* In the order of the calls. */
static void add_results(struct arranging *arranging, const struct calls *calls)
{
    for (size_t i = 0; i < calls->count; i++)
        if (calls->results[i] != NULL)
            add_block(arranging, ANTHROPIC_BLOCK_PART, calls->results[i]);
        else
            add_block(arranging, ANTHROPIC_BLOCK_UNANSWERED, calls->rows[i]);
}

static bool is_taken(const struct calls *calls, const struct part *result)
{
    for (size_t i = 0; i < calls->count; i++)
        if (calls->results[i] == result)
            return true;
    return false;
}

/* What the user says beside the results, and results of nothing. */
static void add_others(struct arranging *arranging, const struct calls *calls, size_t first,
                       size_t end)
{
    for (size_t i = first; i < end; i++)
        for (size_t j = 0; j < arranging->turns[i]->part_count; j++) {
            const struct part *part = &arranging->turns[i]->parts[j];
            if (!says_something(arranging, part))
                continue;
            if (part->kind != PART_TOOL_RESULT)
                add_block(arranging, ANTHROPIC_BLOCK_PART, part);
            else if (!is_taken(calls, part))
                add_block(arranging, ANTHROPIC_BLOCK_ORPHAN, part);
        }
}

/* ---- messages ---- */

static void end_message(struct arranging *arranging, enum turn_role role, size_t first_block)
{
    struct anthropic_script *script = &arranging->writer->script;
    script->messages[script->message_count++] =
        (struct anthropic_message){.role = role,
                                   .blocks = arranging->blocks + first_block,
                                   .count = arranging->block_count - first_block};
}

static struct anthropic_message *last_message(struct anthropic_script *script)
{
    return script->message_count == 0 ? NULL : &script->messages[script->message_count - 1];
}

static void add_user(struct arranging *arranging, struct calls *calls, size_t first, size_t end)
{
    struct anthropic_script *script = &arranging->writer->script;
    size_t block = arranging->block_count;
    gather_calls(calls, last_message(script));
    if (calls->many)
        anthropic_refuse(arranging->writer, TEXT("messages"),
                         "have a turn with more calls of tools than a model makes");
    match_results(arranging, calls, first, end);
    add_results(arranging, calls);
    add_others(arranging, calls, first, end);
    end_message(arranging, TURN_USER, block);
}

/* What the assistant called must be answered before anything else is said. */
static void answer_calls(struct arranging *arranging, struct calls *calls)
{
    gather_calls(calls, last_message(&arranging->writer->script));
    if (calls->count > 0)
        add_user(arranging, calls, 0, 0);
}

static void add_messages(struct arranging *arranging, struct calls *calls)
{
    for (size_t first = 0, end; first < arranging->turn_count; first = end) {
        enum turn_role role = arranging->turns[first]->role;
        for (end = first + 1; end < arranging->turn_count; end++)
            if (arranging->turns[end]->role != role)
                break;
        size_t block = arranging->block_count;
        if (role == TURN_USER) {
            add_user(arranging, calls, first, end);
            continue;
        }
        if (role == TURN_SYSTEM) {
            answer_calls(arranging, calls);
            block = arranging->block_count;
            add_parts(arranging, first, end, is_any);
        } else {
            add_assistant(arranging, first, end);
        }
        end_message(arranging, role, block);
    }
    answer_calls(arranging, calls);
}

static bool is_answer(const struct anthropic_message *message)
{
    const struct anthropic_block *first = message->blocks;
    return message->role == TURN_USER && message->count > 0 &&
           (first->kind == ANTHROPIC_BLOCK_UNANSWERED ||
            (first->kind == ANTHROPIC_BLOCK_PART && first->part->kind == PART_TOOL_RESULT));
}

/* The model goes on with what it thought before its first call of this turn: without that,
 * thinking by budget is refused. */
static bool is_unthought(const struct anthropic_script *script)
{
    const struct anthropic_message *first = NULL;
    for (size_t i = script->message_count; i >= 2; i -= 2) {
        if (!is_answer(&script->messages[i - 1]) || script->messages[i - 2].role != TURN_ASSISTANT)
            break;
        first = &script->messages[i - 2];
    }
    return first != NULL && first->blocks[0].part->kind != PART_REASONING;
}

static bool take_memory(struct arranging *arranging, const struct conversation *conversation)
{
    struct arena *arena = arranging->writer->ask->arena;
    struct anthropic_script *script = &arranging->writer->script;
    size_t parts = 0;
    for (size_t i = 0; i < conversation->turn_count; i++)
        parts += conversation->turns[i].part_count;
    *script = (struct anthropic_script){0};
    arranging->turns = arena_take(arena, (conversation->turn_count + 1) * sizeof(struct turn *));
    script->system = arena_take(arena, (parts + 1) * sizeof(struct part *));
    /* Each turn may need one of the user behind it, and each call a result that nobody gave. */
    script->messages =
        arena_take(arena, (2 * conversation->turn_count + 1) * sizeof(*script->messages));
    arranging->blocks = arena_take(arena, (2 * parts + 1) * sizeof(*arranging->blocks));
    return arranging->turns != NULL && script->system != NULL && script->messages != NULL &&
           arranging->blocks != NULL;
}

enum error anthropic_arrange(struct anthropic_writer *writer, bool thinks)
{
    struct arranging arranging = {.writer = writer, .thinks = thinks};
    struct calls *calls = arena_take(writer->ask->arena, sizeof *calls);
    if (calls == NULL || !take_memory(&arranging, writer->ask->conversation))
        return ERROR_MEMORY;
    sort_turns(&arranging);
    add_messages(&arranging, calls);
    writer->script.unthought_calls = is_unthought(&writer->script);
    return writer->error;
}
