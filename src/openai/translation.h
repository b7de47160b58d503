/* translation: a model's answer, event by event, written as OpenAI would write it.
 *
 * A translator tells what it read of its provider's answer (text, reasoning, tool calls, why it
 * ended, usage); out come the bytes of the endpoint that the caller asked: a chat completion or a
 * response, whole or as a stream, in the order and with the repetitions that the official SDKs need
 * (OpenAI API reference; choices and tool indexes without gaps, role once, ids stable, arguments
 * never sent twice).
 *
 *     translation_open(&translation, &settings)
 *     translation_begin(&translation, id, model)          once the provider began; may be left out
 *     translation_text / _reasoning / _tool_begin / _tool_arguments / _tool_end …
 *     translation_finish(&translation, choice, reason)
 *     translation_usage(&translation, &usage)             the last one counts
 *     translation_end(&translation)                       all that is left, [DONE]
 *
 * A stream's bytes go to `write` with each event; a whole answer's at the end. Nothing is written
 * before the first event that says something (begin, usage and finish alone do not), so that a
 * failure until then may still become another attempt or a status. One thread at a time; memory in
 * buffers with a maximum: translation_close frees them. */
#ifndef OPENAI_TRANSLATION_H
#define OPENAI_TRANSLATION_H

#include "base/arena.h"
#include "base/buffer.h"
#include "openai/conversation.h"
#include "openai/usage.h"

/* Bytes that an answer may have, whole or (responses) all of a stream, whose last event repeats it.
 */
#define TRANSLATION_ANSWER_MAX (64u << 20)
/* Choices and, for each of them, calls of tools at a time: what the SDKs accept. */
#define TRANSLATION_CHOICES_MAX 128u
#define TRANSLATION_TOOLS_MAX   128u

enum translation_finish {
    FINISH_STOP, /* with calls of tools it becomes tool_calls by itself */
    FINISH_LENGTH,
    FINISH_TOOL_CALLS,
    FINISH_CONTENT_FILTER
};

struct translation_settings {
    const struct conversation
        *conversation;       /* what was asked: api, stream, include_usage, echoes */
    struct text model;       /* what the answer calls the model: as the caller asked */
    struct text request_id;  /* ids are made from it where the provider has none */
    struct text seal_origin; /* the family, for translation_reasoning_seal */
    int64_t created;         /* seconds since 1970 */
    struct arena *arena;
    void (*write)(void *owner, struct text bytes); /* valid during the call */
    void *owner;
};

struct translation;

/* In the arena. NULL when it is used up. `settings` is copied, what it points to outlives it. */
must_check struct translation *translation_open(const struct translation_settings *settings);
void translation_close(struct translation *translation); /* NULL is fine */

/* `id` as the provider has it ("msg_…"); empty: made of the request id. An empty `model` keeps that
 * of the settings. */
void translation_begin(struct translation *translation, struct text id, struct text model);
void translation_text(struct translation *translation, unsigned choice, struct text text);
void translation_refusal(struct translation *translation, unsigned choice, struct text text);
/* Chat: `reasoning_content`; responses: a reasoning item's summary. */
void translation_reasoning(struct translation *translation, unsigned choice, struct text text);
/* Ends the reasoning block at hand with what the provider needs to see again: `seal` is its
 * signature, or with `whole` all of a redacted block. The caller gets it in chat as
 * `reasoning_details`, in responses as `encrypted_content`, tagged with the family;
 * conversation_read finds it again. */
void translation_reasoning_seal(struct translation *translation, unsigned choice, struct text seal,
                                bool whole);
/* A call of the caller's tool; returns its index, or -1 when there are too many (`failed` is set).
 * Several may be open at a time. An empty `id` is made. */
int translation_tool_begin(struct translation *translation, unsigned choice, struct text id,
                           struct text name);
/* A further piece of its arguments (JSON text). */
void translation_tool_arguments(struct translation *translation, unsigned choice, int index,
                                struct text fragment);
/* Arguments that never came become "{}". Ended by translation_end where it is left out. */
void translation_tool_end(struct translation *translation, unsigned choice, int index);
/* A source for the text from `start` to `end`, in characters of the choice's text; -1: what was
 * written last. */
void translation_citation(struct translation *translation, unsigned choice, struct text url,
                          struct text title, int64_t start, int64_t end);
/* logprobs of the text just written, as OpenAI's JSON array items. */
void translation_logprobs(struct translation *translation, unsigned choice, struct text items);
void translation_finish(struct translation *translation, unsigned choice,
                        enum translation_finish reason);
/* The whole usage so far, subsets as OpenAI counts them; overwrites. */
void translation_usage(struct translation *translation, const struct usage *usage);
void translation_service_tier(struct translation *translation, struct text tier);

/* Something has been written, or (whole) told, that the model said. */
bool translation_has_content(const struct translation *translation);
/* A finish was told, for every choice that began. */
bool translation_is_finished(const struct translation *translation);
/* Bytes of text and arguments that the model wrote, for an estimate. */
uint64_t translation_content_bytes(const struct translation *translation);

/* The answer is complete: its rest, or all of it, is written. False: memory or a limit was short,
 * before (`failed`) or now; nothing complete was written then. */
must_check bool translation_end(struct translation *translation);
/* It broke off in the stream: what the official SDKs raise an error from (and no [DONE]). For a
 * whole answer, or a stream of which nothing was written: nothing; the caller of this decides. */
void translation_break(struct translation *translation, struct text type, struct text code,
                       struct text message);

#endif
