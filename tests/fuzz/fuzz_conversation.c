/* Any bytes as a request for chat or a response: turns, tools and parameters that hold together, or
 * a reason that names the member. Neither depends on what was read before. */
#include "base/ensure.h"
#include "openai/conversation.h"
#include "openai/envelope.h"
#include "pieces.h"

#define MEMORY_MAX (64u << 20)
#define DROPS_MAX  128u

static void check_media(const struct part *part)
{
    const struct part_media *media = &part->media;
    unsigned sources =
        (media->data.data != NULL) + (media->url.data != NULL) + (media->file_id.data != NULL);
    ensure(sources == 1);
}

static void check_part(const struct conversation *conversation, const struct turn *turn,
                       const struct part *part)
{
    ensure(part->path != NULL && part->path[0] != '\0');
    switch (part->kind) {
    case PART_TEXT: ensure(part->text.length > 0); break;
    case PART_IMAGE:
    case PART_FILE:
    case PART_AUDIO: check_media(part); break;
    case PART_REFUSAL:
    case PART_REASONING: ensure(turn->role == TURN_ASSISTANT); break;
    case PART_TOOL_CALL:
        ensure(turn->role == TURN_ASSISTANT && !text_empty(part->name));
        ensure(!text_empty(part->id) || conversation->legacy_functions);
        break;
    case PART_TOOL_RESULT:
        ensure(turn->role == TURN_USER);
        for (size_t i = 0; i < part->result_count; i++)
            check_part(conversation, turn, &part->results[i]);
        break;
    }
}

static void check(const struct conversation *conversation)
{
    for (size_t i = 0; i < conversation->turn_count; i++)
        for (size_t k = 0; k < conversation->turns[i].part_count; k++)
            check_part(conversation, &conversation->turns[i], &conversation->turns[i].parts[k]);
    for (size_t i = 0; i < conversation->tool_count; i++)
        ensure(conversation->tools[i].path != NULL && conversation->tools[i].raw != NULL);
    ensure(conversation->tool_choice != TOOL_CHOICE_NAMED ||
           !text_empty(conversation->tool_choice_name));
    ensure(conversation->n >= 1 && conversation->n <= CONVERSATION_CHOICES_MAX);
    ensure(conversation->max_output >= -1);
    ensure((conversation->stated & PARAMETER_BIT(PARAMETER_UNKNOWN)) == 0 ||
           conversation->unknown.data != NULL);
}

/* What nobody understands is refused by a name that can be dropped, until nothing is stated. */
static void check_parameters(struct conversation *conversation)
{
    struct text drops[DROPS_MAX] = {TEXT_INIT("unknown")};
    struct conversation_problem problem = {0};
    size_t count = 1;
    while (conversation_check(conversation, 0, drops, count, TEXT("m"), &problem) != ERROR_OK) {
        ensure(!text_empty(problem.param) && !text_empty(problem.reason));
        ensure(count < DROPS_MAX);
        drops[count++] = problem.param;
    }
    ensure(conversation->stated == 0);
}

static void read(enum conversation_api api, struct text body)
{
    struct arena arena;
    struct envelope envelope;
    struct conversation conversation;
    struct conversation_problem problem = {0};
    arena_open(&arena, NULL, MEMORY_MAX);
    envelope_open(&envelope, &arena);
    if (envelope_feed(&envelope, body) == ERROR_OK && envelope_finish(&envelope) == ERROR_OK) {
        enum error error = conversation_read(&conversation, api, body, &arena, &problem);
        ensure(error == ERROR_OK || error == ERROR_SYNTAX || error == ERROR_UNSUPPORTED);
        ensure(error == ERROR_OK || !text_empty(problem.reason));
        if (error == ERROR_OK) {
            check(&conversation);
            check_parameters(&conversation);
            conversation_close(&conversation);
        }
    }
    arena_close(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text body = text_of((const char *)data, size);
    read(CONVERSATION_CHAT, body);
    read(CONVERSATION_RESPONSES, body);
    return 0;
}
