/* translation_parts: what the writers of translated answers share; only files of this module
 * include it. translation.c takes the events, checks and keeps what must be kept; a writer (chat,
 * responses) puts them into bytes. One thread at a time. */
#ifndef OPENAI_TRANSLATION_PARTS_H
#define OPENAI_TRANSLATION_PARTS_H

#include "codec/json.h"
#include "openai/seam.h"
#include "openai/translation.h"

/* What an event can be about, so that the run of events that make one thing is known. */
enum translation_run { RUN_NONE, RUN_TEXT, RUN_REFUSAL, RUN_REASONING, RUN_CITATION };

struct translation_tool {
    struct text id, name; /* in the arena */
    bool custom;          /* the caller's tool takes text */
    bool open;
    bool has_arguments;
    size_t item;             /* responses: its number in the output */
    struct seam seam;        /* of the arguments */
    struct buffer arguments; /* not kept in streams of chat, unless custom */
};

struct translation_choice {
    unsigned index;
    enum translation_run run;
    uint64_t characters;                          /* of text so far */
    uint64_t run_start;                           /* in characters: where the text at hand began */
    struct seam seam;                             /* of the run at hand */
    struct buffer text, refusal, reasoning;       /* kept when whole */
    struct buffer block;                          /* reasoning of the block at hand */
    struct buffer details, annotations, logprobs; /* JSON array items; kept when whole */
    size_t detail_count, annotation_count;
    struct translation_tool *tools;
    size_t tool_count, tool_capacity;
};

struct translation_citation {
    struct text url, title;
    uint64_t start, end; /* characters */
    size_t index;        /* among the choice's */
};

struct translation_writer;

struct translation {
    struct translation_settings settings;
    const struct translation_writer *writer;
    bool streams;
    bool failed;
    bool written;                        /* bytes have gone out */
    bool calls_first;                    /* the choice that begins now begins with a call */
    bool has_content;                    /* something that the model said was told */
    struct text id, model, service_tier; /* id: the provider's, or empty */
    struct usage usage;
    uint64_t content_bytes;
    struct translation_choice **choices;
    unsigned choice_count;
    unsigned char *finishes; /* by choice: enum translation_finish + 1; 0: not yet */
    unsigned finish_count;   /* the highest choice of which one was told, + 1 */
    struct buffer out;       /* one event's bytes, or the whole answer */
    struct buffer joined;    /* for seams */
    void *state;             /* the writer's */
};

struct translation_writer {
    /* It takes all events, of whole answers too, and keeps what it needs of them: the end of its
     * streams repeats all that was said. Else a whole answer's texts are kept in the choices, and
     * of its events only seal, citation and end are told. */
    bool keeps_all;
    void (*begin_choice)(struct translation *translation, struct translation_choice *choice);
    void (*text)(struct translation *translation, struct translation_choice *choice,
                 struct text text);
    void (*refusal)(struct translation *translation, struct translation_choice *choice,
                    struct text text);
    void (*reasoning)(struct translation *translation, struct translation_choice *choice,
                      struct text text);
    /* choice->block has the text of the block. */
    void (*seal)(struct translation *translation, struct translation_choice *choice,
                 struct text seal, bool whole);
    void (*tool_begin)(struct translation *translation, struct translation_choice *choice,
                       struct translation_tool *tool);
    /* Of a custom tool: its text, all at once. */
    void (*tool_arguments)(struct translation *translation, struct translation_choice *choice,
                           struct translation_tool *tool, struct text fragment);
    void (*tool_end)(struct translation *translation, struct translation_choice *choice,
                     struct translation_tool *tool);
    void (*citation)(struct translation *translation, struct translation_choice *choice,
                     const struct translation_citation *citation);
    void (*logprobs)(struct translation *translation, struct translation_choice *choice,
                     struct text items);
    /* Appends what is left, or the whole answer, to `out`. */
    void (*end)(struct translation *translation);
    void (*broken)(struct translation *translation, struct text type, struct text code,
                   struct text message);
    void (*close)(struct translation *translation); /* frees what the state holds; may be NULL */
};

extern const struct translation_writer translation_chat;
extern const struct translation_writer translation_responses;

/* JSON has a difference between "" and null, buffers without a byte have none. */
static inline struct text text_or_empty(struct text text)
{
    return text.data == NULL ? TEXT("") : text;
}

/* "req_0123…" without its prefix, for ids that are made. */
struct text translation_token(const struct translation *translation);
/* FINISH_STOP where none was told. */
enum translation_finish translation_finish_of(const struct translation *translation,
                                              unsigned index);
/* The text of a custom tool, from the arguments that a model wrote for the function in its place:
 * {"input":"…"}. In the arena. */
struct text translation_custom_input(struct translation *translation, struct text arguments);

#endif
