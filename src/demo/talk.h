/* talk: what the demo reads out of a chat or responses request, and what it answers.
 *
 * Both dialects are read into the same few things (question, tools, schema), so that one place
 * decides on the answer. Texts and values are those of the request's document; the reply is owned.
 * No state of its own: any thread. */
#ifndef DEMO_TALK_H
#define DEMO_TALK_H

#include "base/buffer.h"
#include "codec/json.h"

/* A request is wrong: what the demo answers then. */
struct demo_problem {
    const char *message; /* NULL: none */
    const char *param;   /* NULL: none */
    const char *code;
};

struct talk {
    struct text model;
    struct text question;    /* the last thing that the user said, as text */
    struct text tool_result; /* of a tool that the demo called, when that is what came last */
    bool has_tool_result;
    bool stream;
    bool include_usage;
    uint64_t n;
    uint64_t limit;    /* of output tokens, 0 none */
    yyjson_val *tools; /* array, or NULL */
    bool tools_flat;   /* the responses API does without the inner "function" */
    yyjson_val *tool;  /* the one to be called (the object with name and parameters), or NULL */
    struct text tool_name;
    bool wants_json;
    yyjson_val *schema; /* that the answer must follow, or NULL */

    struct buffer reply; /* text, or the tool's arguments */
    bool was_cut;        /* by the limit */
    uint64_t input_tokens;
    uint64_t output_tokens;
};

/* False with `problem` set. `body_length` is that of the request, for its token count. */
must_check bool talk_read_chat(struct talk *talk, yyjson_val *root, size_t body_length,
                               struct demo_problem *problem);
must_check bool talk_read_responses(struct talk *talk, yyjson_val *root, size_t body_length,
                                    struct demo_problem *problem);
/* Fills the reply. False when memory is short. */
must_check bool talk_answer(struct talk *talk);
void talk_close(struct talk *talk);

/* About four bytes of text make a token. */
uint64_t talk_tokens(size_t bytes);
/* The next piece of the reply for a stream: a word with the space behind it. Empty at the end. */
struct text talk_next_piece(struct text *rest);

#endif
