/* anthropic_parts: what the files of the Messages dialect share. Same rules as anthropic.h.
 *
 *   anthropic_model.c     what a model of which generation takes
 *   anthropic_schema.c    JSON Schema as its constrained decoding takes it
 *   anthropic_arrange.c   turns to messages: merged, results first, nothing unanswered
 *   anthropic_blocks.c    messages and their blocks
 *   anthropic_tools.c     tools, tool_choice, the tool that stands for a format
 *   anthropic_write.c     the body: everything else
 *   anthropic_read.c      answers
 *   anthropic_error.c     errors
 *   anthropic.c           the family: target, headers, rates */
#ifndef PROVIDER_ANTHROPIC_PARTS_H
#define PROVIDER_ANTHROPIC_PARTS_H

#include "provider/alias.h"
#include "provider/anthropic.h"

/* ---- models ---- */

enum anthropic_thinking {
    ANTHROPIC_THINKS_NEVER,
    ANTHROPIC_THINKS_BY_BUDGET, /* {"type":"enabled","budget_tokens":n} */
    ANTHROPIC_THINKS_ADAPTIVELY /* {"type":"adaptive"} */
};

/* Levels of output_config.effort in rising order. */
enum anthropic_effort {
    ANTHROPIC_EFFORT_NONE, /* the model has no such thing */
    ANTHROPIC_EFFORT_LOW,
    ANTHROPIC_EFFORT_MEDIUM,
    ANTHROPIC_EFFORT_HIGH,
    ANTHROPIC_EFFORT_XHIGH,
    ANTHROPIC_EFFORT_MAX
};

struct anthropic_model {
    struct text family; /* "opus"; empty: any */
    unsigned version;   /* 45 for 4.5: from this one on */
    enum anthropic_thinking thinking;
    enum anthropic_effort effort; /* the highest it takes */
    bool lacks_xhigh;             /* between high and max there is nothing */
    bool thinks_unasked;          /* unless told not to */
    bool thinks_always;           /* and cannot be told not to */
    bool fixed_sampling;          /* temperature 1, top_p of at least 0.99, no top_k */
    bool one_sampling;            /* temperature or top_p, not both */
    bool system_turns;            /* messages of role system */
    bool takes_prefill;           /* the assistant may have the last word */
    bool takes_schema;            /* output_config.format, strict tools */
    int64_t output_largest;       /* tokens, where the price list does not tell */
};

/* By the model's name, as any host spells it. Never NULL: an unknown one is taken for a recent one
 * of which nothing is forbidden. */
const struct anthropic_model *anthropic_model_find(struct text name);
/* "xhigh". */
struct text anthropic_effort_name(enum anthropic_effort effort);
/* Of the caller's word; "none" is EFFORT_NONE, "minimal" is low. False: no such word. */
must_check bool anthropic_effort_find(struct text name, enum anthropic_effort *effort);

/* ---- names ---- */

/* Of tools and of their calls (^[a-zA-Z0-9_-]{1,64}$). */
extern const struct alias_rule anthropic_alias_rule;

/* ---- schemas ---- */

/* Objects and arrays within each other; real schemas have a handful. */
#define ANTHROPIC_SCHEMA_DEPTH_MAX 64u

/* `schema` as JSON text in the arena for constrained decoding: objects closed, keywords that it
 * does not take told in descriptions. NULL is any object; `object`: an object at its top whatever
 * it says. ERROR_UNSUPPORTED when it is too deep; ERROR_MEMORY. */
must_handle enum error anthropic_schema_strict(struct arena *arena, yyjson_val *schema, bool object,
                                               struct text *out);
/* The same for a tool that is not strict: as it is, but an object at its top. ERROR_UNSUPPORTED
 * when it cannot be one. */
must_handle enum error anthropic_schema_object(struct arena *arena, yyjson_val *schema,
                                               struct text *out);

/* ---- messages ---- */

/* Calls in one turn of the assistant, as many as the SDKs take four times over: each result is
 * looked for among them. */
#define ANTHROPIC_CALLS_MAX 512u
/* Marks for the prompt cache in one request. */
#define ANTHROPIC_MARKS_MAX 4u

enum anthropic_block_kind {
    ANTHROPIC_BLOCK_PART,      /* as the caller's part says */
    ANTHROPIC_BLOCK_ORPHAN,    /* a result of a call that is not there: text */
    ANTHROPIC_BLOCK_UNANSWERED /* the result that is missing for the call `part` */
};

struct anthropic_block {
    enum anthropic_block_kind kind;
    const struct part *part;
};

struct anthropic_message {
    enum turn_role role;
    const struct anthropic_block *blocks;
    size_t count;
};

struct anthropic_script {
    const struct part **system; /* texts that say something */
    size_t system_count;
    struct anthropic_message *messages;
    size_t message_count;
    bool unthought_calls; /* the model is in the middle of calling tools, and what it thought before
                             is not there */
};

enum anthropic_mode { ANTHROPIC_MODE_UNSAID, ANTHROPIC_MODE_OFF, ANTHROPIC_MODE_ON };

/* What the body is written with: first everything is decided, then written. */
struct anthropic_writer {
    struct native_ask *ask;
    const struct anthropic_host *host;
    const struct anthropic_model *model;
    struct json_writer *json;
    struct anthropic_script script;
    enum error error; /* the first */
    enum anthropic_mode thinking;
    int64_t max_tokens, budget;
    enum anthropic_effort effort; /* NONE: not said */
    enum tool_choice tool_choice;
    struct text tool_name;   /* of TOOL_CHOICE_NAMED */
    struct text answer_tool; /* a tool in the place of a format; empty: none */
    struct text more_system; /* an instruction of ours; empty: none */
    size_t marks_skipped;    /* so many of the first cache marks are too many */
    struct text mark_ttl;    /* of marks that do not say; empty: the API's own */
    bool needs_files;        /* betas */
    const char *tool_beta;
};

/* Fills script. `thinks`: what the model thought in earlier turns goes along. */
must_handle enum error anthropic_arrange(struct anthropic_writer *writer, bool thinks);
/* "system": […] and "messages": […]. */
void anthropic_write_system(struct anthropic_writer *writer);
void anthropic_write_messages(struct anthropic_writer *writer);
/* "cache_control": {…} of a block, within the object at hand. */
void anthropic_write_mark(struct anthropic_writer *writer, bool mark, struct text ttl,
                          struct text param);
/* Notes the first error, with a reason for the caller. */
void anthropic_refuse(struct anthropic_writer *writer, struct text param, const char *reason);
/* The configuration says that the parameter is to be left out where the model does not take it. */
bool anthropic_is_dropped(const struct anthropic_writer *writer, struct text name);
/* The credential is a token of somebody who logged in, not a key. */
bool anthropic_uses_oauth(const struct provider_credential *credential);
/* The text says nothing: the API refuses such. */
bool anthropic_is_blank(struct text text);

/* ---- tools ---- */

/* What to do about tools: tool_choice, tool_name, answer_tool. */
void anthropic_choose_tools(struct anthropic_writer *writer);
/* One of them must be called: the API refuses that while the model thinks. */
bool anthropic_forces_tool(const struct anthropic_writer *writer);
/* "tools": […] and "tool_choice": {…}. */
void anthropic_write_tools(struct anthropic_writer *writer);
void anthropic_write_tool_choice(struct anthropic_writer *writer);

/* What the readers need of what was written: ask->state. */
struct anthropic_written {
    struct text answer_tool; /* the answer comes as the input of this tool; empty: as text */
};

#endif
