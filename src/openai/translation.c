#include "openai/translation_parts.h"

#include "base/ensure.h"

#define TOOLS_AT_FIRST 4u /* most turns call one or two */

/* ---- opening, closing ---- */

struct translation *translation_open(const struct translation_settings *settings)
{
    struct translation *translation = arena_take_zeroed(settings->arena, sizeof(*translation));
    if (translation == NULL)
        return NULL;
    translation->settings = *settings;
    translation->model = settings->model;
    translation->streams = settings->conversation->stream;
    translation->writer = settings->conversation->api == CONVERSATION_CHAT ? &translation_chat
                                                                           : &translation_responses;
    usage_clear(&translation->usage);
    buffer_open(&translation->out, TRANSLATION_ANSWER_MAX);
    buffer_open(&translation->joined, TRANSLATION_ANSWER_MAX);
    return translation;
}

static void close_choice(struct translation_choice *choice)
{
    struct buffer *buffers[] = {&choice->text,    &choice->refusal, &choice->reasoning,
                                &choice->block,   &choice->details, &choice->annotations,
                                &choice->logprobs};
    for (size_t i = 0; i < ARRAY_LENGTH(buffers); i++)
        buffer_close(buffers[i]);
    for (size_t i = 0; i < choice->tool_count; i++)
        buffer_close(&choice->tools[i].arguments);
}

void translation_close(struct translation *translation)
{
    if (translation == NULL)
        return;
    if (translation->writer->close != NULL)
        translation->writer->close(translation);
    for (unsigned i = 0; i < translation->choice_count; i++)
        close_choice(translation->choices[i]);
    buffer_close(&translation->out);
    buffer_close(&translation->joined);
}

/* ---- helpers ---- */

struct text translation_token(const struct translation *translation)
{
    struct text id = translation->settings.request_id;
    return text_starts_with(id, TEXT("req_")) ? text_from_index(id, 4) : id;
}

struct text translation_custom_input(struct translation *translation, struct text arguments)
{
    struct text input = arguments;
    yyjson_doc *document;
    if (json_parse(arguments, &document) != ERROR_OK)
        return arguments; /* as the model wrote it */
    if (json_get_text(yyjson_doc_get_root(document), "input", &input) == JSON_PRESENT) {
        input = arena_copy(translation->settings.arena, input);
        translation->failed |= input.data == NULL;
    }
    yyjson_doc_free(document);
    return input.data == NULL ? TEXT("") : input;
}

/* The writer is told of each event. */
static bool tells(const struct translation *translation)
{
    return translation->streams || translation->writer->keeps_all;
}

/* The choices hold the texts. */
static bool keeps(const struct translation *translation)
{
    return !tells(translation);
}

static void keep(struct translation *translation, struct buffer *buffer, struct text text)
{
    if (!buffer_append(buffer, text))
        translation->failed = true;
}

static void flush(struct translation *translation)
{
    if (translation->out.failed)
        translation->failed = true;
    if (!translation->failed && translation->out.length > 0) {
        translation->written = true;
        translation->settings.write(translation->settings.owner, buffer_text(&translation->out));
    }
    buffer_clear(&translation->out);
}

static struct text copy(struct translation *translation, struct text text)
{
    struct text kept = arena_copy(translation->settings.arena, text);
    translation->failed |= kept.data == NULL;
    return kept.data == NULL ? TEXT("") : kept;
}

/* ---- choices ---- */

static struct translation_choice *make_choice(struct translation *translation, unsigned index)
{
    struct arena *arena = translation->settings.arena;
    struct translation_choice *choice = arena_take_zeroed(arena, sizeof(*choice));
    if (translation->choices == NULL)
        translation->choices = arena_take(arena, TRANSLATION_CHOICES_MAX * sizeof(choice));
    if (choice == NULL || translation->choices == NULL) {
        translation->failed = true;
        return NULL;
    }
    choice->index = index;
    struct buffer *buffers[] = {&choice->text,    &choice->refusal, &choice->reasoning,
                                &choice->block,   &choice->details, &choice->annotations,
                                &choice->logprobs};
    for (size_t i = 0; i < ARRAY_LENGTH(buffers); i++)
        buffer_open(buffers[i], TRANSLATION_ANSWER_MAX);
    translation->choices[index] = choice;
    translation->choice_count = index + 1;
    if (tells(translation))
        translation->writer->begin_choice(translation, choice);
    return choice;
}

/* Those before it begin too: Python's SDK counts choices by their order. NULL when the translation
 * has failed. */
static struct translation_choice *choice_at(struct translation *translation, unsigned index)
{
    if (index >= TRANSLATION_CHOICES_MAX)
        translation->failed = true;
    while (!translation->failed && translation->choice_count <= index)
        if (make_choice(translation, translation->choice_count) == NULL)
            return NULL;
    return translation->failed ? NULL : translation->choices[index];
}

/* Something that the model said. */
static void account(struct translation *translation, struct text text)
{
    translation->has_content = true;
    translation->content_bytes += text.length;
    bool held = !translation->streams || translation->writer->keeps_all;
    if (held && translation->content_bytes > TRANSLATION_ANSWER_MAX)
        translation->failed = true;
}

/* ---- runs of text ---- */

typedef void (*tell_text)(struct translation *translation, struct translation_choice *choice,
                          struct text text);

static void tell_run(struct translation *translation, struct translation_choice *choice,
                     struct text text)
{
    const struct translation_writer *writer = translation->writer;
    const struct {
        struct buffer *kept;
        tell_text tell;
    } rows[] = {
        [RUN_TEXT] = {&choice->text, writer->text},
        [RUN_REFUSAL] = {&choice->refusal, writer->refusal},
        [RUN_REASONING] = {&choice->reasoning, writer->reasoning},
    };
    if (text_empty(text))
        return;
    ensure(rows[choice->run].tell != NULL); /* what was held back belongs to a run */
    if (choice->run == RUN_TEXT)
        for (size_t i = 0; i < text.length; i++)
            choice->characters += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    /* A seal, when one comes, goes with the text of its block. */
    if (choice->run == RUN_REASONING && !text_empty(translation->settings.seal_origin))
        keep(translation, &choice->block, text);
    if (keeps(translation))
        keep(translation, rows[choice->run].kept, text);
    if (tells(translation))
        rows[choice->run].tell(translation, choice, text);
}

static void end_run(struct translation *translation, struct translation_choice *choice)
{
    if (choice->seam.length > 0)
        tell_run(translation, choice, seam_rest(&choice->seam));
    choice->run = RUN_NONE;
}

static void add_text(struct translation *translation, unsigned index, enum translation_run run,
                     struct text text)
{
    struct translation_choice *choice;
    if (text_empty(text) || (choice = choice_at(translation, index)) == NULL)
        return;
    account(translation, text);
    if (choice->run != run) {
        end_run(translation, choice);
        choice->run = run;
        choice->run_start = choice->characters;
        if (run == RUN_REASONING)
            buffer_clear(&choice->block);
    }
    tell_run(translation, choice, seam_join(&choice->seam, text, &translation->joined));
    translation->failed |= translation->joined.failed;
    flush(translation);
}

void translation_text(struct translation *translation, unsigned choice, struct text text)
{
    add_text(translation, choice, RUN_TEXT, text);
}

void translation_refusal(struct translation *translation, unsigned choice, struct text text)
{
    add_text(translation, choice, RUN_REFUSAL, text);
}

void translation_reasoning(struct translation *translation, unsigned choice, struct text text)
{
    add_text(translation, choice, RUN_REASONING, text);
}

void translation_reasoning_seal(struct translation *translation, unsigned index, struct text seal,
                                bool whole)
{
    struct translation_choice *choice;
    if (text_empty(seal) || (choice = choice_at(translation, index)) == NULL)
        return;
    end_run(translation, choice);
    account(translation, TEXT(""));
    translation->writer->seal(translation, choice, seal, whole);
    choice->detail_count++;
    buffer_clear(&choice->block);
    flush(translation);
}

/* ---- tools ---- */

static bool is_custom(const struct translation *translation, struct text name)
{
    const struct conversation *conversation = translation->settings.conversation;
    for (size_t i = 0; i < conversation->tool_count; i++)
        if (text_equal(conversation->tools[i].name, name))
            return conversation->tools[i].kind == TOOL_CUSTOM;
    return false;
}

static struct translation_tool *add_tool(struct translation *translation,
                                         struct translation_choice *choice)
{
    if (choice->tool_count == TRANSLATION_TOOLS_MAX) {
        translation->failed = true;
        return NULL;
    }
    if (choice->tool_count == choice->tool_capacity) {
        size_t capacity = choice->tool_capacity == 0 ? TOOLS_AT_FIRST : choice->tool_capacity * 2;
        struct translation_tool *tools =
            arena_take(translation->settings.arena, capacity * sizeof(*tools));
        if (tools == NULL) {
            translation->failed = true;
            return NULL;
        }
        if (choice->tool_count > 0)
            memcpy(tools, choice->tools, choice->tool_count * sizeof(*tools));
        choice->tools = tools;
        choice->tool_capacity = capacity;
    }
    struct translation_tool *tool = &choice->tools[choice->tool_count++];
    *tool = (struct translation_tool){.open = true};
    buffer_open(&tool->arguments, TRANSLATION_ANSWER_MAX);
    return tool;
}

int translation_tool_begin(struct translation *translation, unsigned index, struct text id,
                           struct text name)
{
    translation->calls_first = true;
    struct translation_choice *choice = choice_at(translation, index);
    translation->calls_first = false;
    if (choice == NULL)
        return -1;
    struct translation_tool *tool = add_tool(translation, choice);
    if (tool == NULL)
        return -1;
    int number = (int)choice->tool_count - 1;
    end_run(translation, choice);
    tool->name = copy(translation, name);
    tool->custom = is_custom(translation, name);
    if (text_empty(id)) {
        struct text token = translation_token(translation);
        id = arena_format(translation->settings.arena, "call_%.*s_%u_%d", TEXT_ARG(token), index,
                          number);
        translation->failed |= id.data == NULL;
        tool->id = id.data == NULL ? TEXT("") : id;
    } else {
        tool->id = copy(translation, id);
    }
    account(translation, name);
    if (tells(translation))
        translation->writer->tool_begin(translation, choice, tool);
    flush(translation);
    return translation->failed ? -1 : number;
}

static struct translation_tool *open_tool(struct translation *translation, unsigned choice,
                                          int index)
{
    if (translation->failed || choice >= translation->choice_count || index < 0 ||
        (size_t)index >= translation->choices[choice]->tool_count)
        return NULL;
    struct translation_tool *tool = &translation->choices[choice]->tools[index];
    return tool->open ? tool : NULL;
}

static void tell_arguments(struct translation *translation, struct translation_choice *choice,
                           struct translation_tool *tool, struct text fragment)
{
    if (text_empty(fragment))
        return;
    if (tool->custom || !translation->streams || translation->writer->keeps_all)
        keep(translation, &tool->arguments, fragment);
    if (tells(translation) && !tool->custom)
        translation->writer->tool_arguments(translation, choice, tool, fragment);
}

void translation_tool_arguments(struct translation *translation, unsigned choice, int index,
                                struct text fragment)
{
    struct translation_tool *tool = open_tool(translation, choice, index);
    if (tool == NULL || text_empty(fragment))
        return;
    account(translation, fragment);
    tool->has_arguments = true;
    tell_arguments(translation, translation->choices[choice], tool,
                   seam_join(&tool->seam, fragment, &translation->joined));
    translation->failed |= translation->joined.failed;
    flush(translation);
}

static void end_tool(struct translation *translation, struct translation_choice *choice,
                     struct translation_tool *tool)
{
    tell_arguments(translation, choice, tool, seam_rest(&tool->seam));
    if (!tool->has_arguments && !tool->custom)
        tell_arguments(translation, choice, tool, TEXT("{}"));
    tool->open = false;
    if (tool->custom) {
        struct text input = translation_custom_input(translation, buffer_text(&tool->arguments));
        if (tells(translation) && !text_empty(input))
            translation->writer->tool_arguments(translation, choice, tool, input);
    }
    if (tells(translation))
        translation->writer->tool_end(translation, choice, tool);
}

void translation_tool_end(struct translation *translation, unsigned choice, int index)
{
    struct translation_tool *tool = open_tool(translation, choice, index);
    if (tool == NULL)
        return;
    end_tool(translation, translation->choices[choice], tool);
    flush(translation);
}

/* ---- beside the text ---- */

void translation_citation(struct translation *translation, unsigned index, struct text url,
                          struct text title, int64_t start, int64_t end)
{
    struct translation_choice *choice = choice_at(translation, index);
    if (choice == NULL)
        return;
    account(translation, TEXT(""));
    if (choice->run == RUN_TEXT) {
        end_run(translation, choice);
        choice->run = RUN_CITATION;
    }
    struct translation_citation citation = {
        .url = url,
        .title = title,
        .start = start < 0 ? choice->run_start : (uint64_t)start,
        .end = end < 0 ? choice->characters : (uint64_t)end,
        .index = choice->annotation_count++,
    };
    translation->writer->citation(translation, choice, &citation);
    flush(translation);
}

void translation_logprobs(struct translation *translation, unsigned index, struct text items)
{
    struct translation_choice *choice;
    if (text_empty(items) || (choice = choice_at(translation, index)) == NULL)
        return;
    account(translation, TEXT(""));
    if (keeps(translation)) {
        if (choice->logprobs.length > 0)
            keep(translation, &choice->logprobs, TEXT(","));
        keep(translation, &choice->logprobs, items);
    }
    if (tells(translation))
        translation->writer->logprobs(translation, choice, items);
    flush(translation);
}

/* ---- about the answer ---- */

void translation_begin(struct translation *translation, struct text id, struct text model)
{
    if (!text_empty(id))
        translation->id = copy(translation, id);
    if (!text_empty(model))
        translation->model = copy(translation, model);
}

/* A choice that says nothing begins only when another one speaks or all has ended. */
void translation_finish(struct translation *translation, unsigned index,
                        enum translation_finish reason)
{
    if (index >= TRANSLATION_CHOICES_MAX) {
        translation->failed = true;
        return;
    }
    if (translation->finishes == NULL)
        translation->finishes =
            arena_take_zeroed(translation->settings.arena, TRANSLATION_CHOICES_MAX);
    if (translation->finishes == NULL) {
        translation->failed = true;
        return;
    }
    translation->finishes[index] = (unsigned char)(reason + 1);
    if (index >= translation->finish_count)
        translation->finish_count = index + 1;
}

void translation_usage(struct translation *translation, const struct usage *usage)
{
    translation->usage = *usage;
}

void translation_service_tier(struct translation *translation, struct text tier)
{
    if (!text_equal(translation->service_tier, tier))
        translation->service_tier = copy(translation, tier);
}

bool translation_has_content(const struct translation *translation)
{
    return translation->has_content;
}

bool translation_is_finished(const struct translation *translation)
{
    if (translation->finish_count == 0)
        return false;
    for (unsigned i = 0; i < translation->choice_count; i++)
        if (i >= translation->finish_count || translation->finishes[i] == 0)
            return false;
    return true;
}

enum translation_finish translation_finish_of(const struct translation *translation, unsigned index)
{
    if (index >= translation->finish_count || translation->finishes[index] == 0)
        return FINISH_STOP;
    return (enum translation_finish)(translation->finishes[index] - 1);
}

uint64_t translation_content_bytes(const struct translation *translation)
{
    return translation->content_bytes;
}

/* ---- the end ---- */

bool translation_end(struct translation *translation)
{
    unsigned last = translation->finish_count > 0 ? translation->finish_count - 1 : 0;
    if (choice_at(translation, last) == NULL)
        return false;
    for (unsigned i = 0; i < translation->choice_count; i++) {
        struct translation_choice *choice = translation->choices[i];
        end_run(translation, choice);
        for (size_t k = 0; k < choice->tool_count; k++)
            if (choice->tools[k].open)
                end_tool(translation, choice, &choice->tools[k]);
    }
    if (!translation->failed)
        translation->writer->end(translation);
    flush(translation);
    return !translation->failed;
}

void translation_break(struct translation *translation, struct text type, struct text code,
                       struct text message)
{
    if (!translation->streams || !translation->written)
        return;
    translation->failed = false; /* of which this tells */
    buffer_clear(&translation->out);
    translation->writer->broken(translation, type, code, message);
    flush(translation);
    translation->failed = true;
}
