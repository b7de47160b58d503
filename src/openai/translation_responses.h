/* translation_responses: what the two files that write responses share: the items of the output
 * (translation_responses.c) and the object around them (translation_response.c). */
#ifndef OPENAI_TRANSLATION_RESPONSES_H
#define OPENAI_TRANSLATION_RESPONSES_H

#include "openai/translation_parts.h"

/* Items of one answer. Reasoning, text and 128 calls by turns stay far below. */
#define RESPONSE_ITEMS_MAX 1024u

enum response_item_kind {
    ITEM_REASONING, /* one summary part */
    ITEM_TEXT,      /* a message of one output_text part */
    ITEM_REFUSAL,   /* a message of one refusal part */
    ITEM_CALL       /* of a function or a custom tool */
};

struct response_item {
    enum response_item_kind kind;
    bool done;
    struct text id;
    struct text place;      /* "item_id":…,"output_index":… as each event of it has them */
    struct buffer text;     /* not of calls, whose arguments are with the tool */
    struct buffer notes;    /* annotations: JSON array items */
    struct buffer logprobs; /* JSON array items */
    size_t note_count;
    uint64_t first_character; /* of the choice's text */
    struct text seal;         /* encrypted_content, or empty */
    size_t tool;              /* its number in the choice */
};

struct response_state {
    struct text id;   /* resp_… */
    struct text echo; /* members that repeat the request */
    uint64_t sequence;
    struct response_item *items;
    size_t item_count, item_capacity;
    ptrdiff_t current; /* the item of text or reasoning that is open; -1: none */
};

enum response_status {
    RESPONSE_IN_PROGRESS,
    RESPONSE_COMPLETED,
    RESPONSE_INCOMPLETE,
    RESPONSE_FAILED
};

/* What of the request each snapshot repeats. False when memory is short. */
must_check bool response_make_echo(struct translation *translation, struct response_state *state);
/* The response object, with the items unless it is in progress. `code` and `message` are of the
 * failure. */
void response_write(struct translation *translation, struct response_state *state,
                    enum response_status status, struct text code, struct text message);
/* An item as it is when added, or (`full`) done. */
void response_write_item(struct translation *translation, const struct response_item *item,
                         bool full);
/* The status that the finish makes. */
enum response_status response_status(const struct translation *translation);

#endif
