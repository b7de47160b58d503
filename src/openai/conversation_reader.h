/* conversation_reader: what the two readers of conversations (chat, responses) have in common.
 *
 * Only files of this module include it. A reader goes on after its first problem without harm, and
 * the first is what the caller hears of. Rows lie in the conversation's arena. One thread at a
 * time. */
#ifndef OPENAI_CONVERSATION_READER_H
#define OPENAI_CONVERSATION_READER_H

#include "openai/conversation.h"

/* How far back the call of a tool's result is looked for, in calls: results follow their calls at
 * once, and a caller with made-up ids must not make the search quadratic. */
#define CONVERSATION_CALLS_BACK 1024u

struct conversation_call {
    struct text id, name;
    bool custom;
};

struct conversation_reader {
    struct conversation *conversation;
    struct arena *arena;
    struct conversation_problem *problem;
    enum error error; /* the first; ERROR_OK so far */
    struct conversation_call *calls;
    size_t call_count, call_capacity;
    struct text allowed_mode; /* of allowed_tools */
    yyjson_val *allowed;      /* its tools, which the others are filtered by */
    const char *choice_path;  /* of a tool_choice that names a tool; NULL: none */
};

/* ---- problems ---- */

/* "messages[3].content[0]": any piece may be NULL, an index below 0 left out. Never NULL. */
const char *reader_path(struct conversation_reader *reader, const char *first, int64_t first_index,
                        const char *second, int64_t second_index);
/* `path` and `member` (may be NULL) are put together with a dot. Reason static. */
void reader_fail(struct conversation_reader *reader, enum error error, const char *path,
                 const char *member, const char *reason);
void *reader_take(struct conversation_reader *reader, size_t count, size_t size);

/* ---- members ---- */

/* The member; NULL when it is absent or null. */
yyjson_val *reader_find(yyjson_val *object, const char *key);
/* Empty when absent; a problem when it is no string. */
struct text reader_text(struct conversation_reader *reader, yyjson_val *object, const char *key,
                        const char *path);
/* A problem also when it is absent or empty. */
struct text reader_need_text(struct conversation_reader *reader, yyjson_val *object,
                             const char *key, const char *path);
/* NULL when absent; a problem when it is no object (array). */
yyjson_val *reader_object(struct conversation_reader *reader, yyjson_val *object, const char *key,
                          const char *path);
yyjson_val *reader_array(struct conversation_reader *reader, yyjson_val *object, const char *key,
                         const char *path);
bool reader_flag(struct conversation_reader *reader, yyjson_val *object, const char *key,
                 const char *path);
struct text reader_value_text(yyjson_val *value);

/* ---- parts ---- */

void reader_cache_mark(struct conversation_reader *reader, yyjson_val *object, const char *path,
                       bool *mark, struct text *ttl);
/* A URL or data URL. */
void reader_media_url(struct conversation_reader *reader, struct text url, const char *path,
                      const char *member, struct part_media *media);
/* `file_data`: a data URL or base64 alone, whose kind the file's name tells. */
void reader_file_data(struct conversation_reader *reader, struct text data, const char *path,
                      struct part_media *media);
void reader_remember_call(struct conversation_reader *reader, const struct part *call);
/* The call with the id, or NULL. */
const struct conversation_call *reader_find_call(const struct conversation_reader *reader,
                                                 struct text id);

/* `input_audio`: the object with data and format. */
void reader_audio(struct conversation_reader *reader, yyjson_val *value, struct part *part);

/* ---- tools ---- */

/* Room for `count` more; NULL when memory is short. */
struct tool *reader_add_tools(struct conversation_reader *reader, size_t count);
/* The tool that must be called: its name is in `holder`. */
void reader_choose_named(struct conversation_reader *reader, yyjson_val *holder, const char *path);

/* The path, the raw object and the type of `tools`' member at `index`. False, and told, when it is
 * no object. */
must_check bool reader_begin_tool(struct conversation_reader *reader, yyjson_val *value,
                                  size_t index, struct tool *tool);
/* `function` is the object that holds name, description and so on: in chat within the tool, in
 * responses the tool itself. */
void reader_function_tool(struct conversation_reader *reader, yyjson_val *function,
                          struct tool *tool);
/* A tool that is no function. `custom` holds the name of a custom one. */
void reader_other_tool(struct conversation_reader *reader, yyjson_val *custom, struct tool *tool);
/* none, auto, required. */
void reader_tool_mode(struct conversation_reader *reader, struct text mode, const char *path);
/* Once tools and choice are read: filters by allowed_tools, checks the name. */
void reader_settle_tools(struct conversation_reader *reader);
/* json_schema: `schema` is the object with name, schema, strict. */
void reader_schema(struct conversation_reader *reader, yyjson_val *schema, const char *path);

/* ---- the two bodies ---- */

void conversation_read_messages(struct conversation_reader *reader, yyjson_val *messages);
void conversation_read_input(struct conversation_reader *reader, yyjson_val *instructions,
                             yyjson_val *input);
void conversation_read_chat_tools(struct conversation_reader *reader, yyjson_val *tools);
void conversation_read_functions(struct conversation_reader *reader, yyjson_val *functions);
void conversation_read_flat_tools(struct conversation_reader *reader, yyjson_val *tools);
void conversation_read_flat_choice(struct conversation_reader *reader, yyjson_val *choice);
/* text.format, which is flat too. */
void conversation_read_flat_format(struct conversation_reader *reader, yyjson_val *format);
void conversation_read_chat_choice(struct conversation_reader *reader, yyjson_val *choice);
void conversation_read_web_search(struct conversation_reader *reader, yyjson_val *options);
void conversation_read_function_call(struct conversation_reader *reader, yyjson_val *choice);
void conversation_read_chat_format(struct conversation_reader *reader, yyjson_val *format);

#endif
