/* json: writing JSON into a buffer, and reading members of a yyjson document with type checks.
 *
 * The writer takes care of commas, escapes and UTF-8; the buffer is the caller's, and the buffer's
 * `failed` says at the end whether everything fitted. Misuse (a value where a key is due) is a
 * programming error. One thread at a time. */
#ifndef CODEC_JSON_H
#define CODEC_JSON_H

#include <stdint.h>
#include <yyjson.h>

#include "base/buffer.h"
#include "base/text.h"
#include "tables/error.h"

/* Objects and arrays within each other; what we write has a handful. */
#define JSON_DEPTH_LIMIT 32

struct json_writer {
    struct buffer *out;
    uint32_t objects;   /* bit i: level i is an object */
    uint32_t populated; /* bit i: level i has a member, so that a comma is due */
    uint8_t depth;
    bool after_key;
};

void json_open(struct json_writer *writer, struct buffer *out);
/* Everything that was begun has ended, and the buffer took it all. */
must_check bool json_done(const struct json_writer *writer);

void json_begin_object(struct json_writer *writer);
void json_end_object(struct json_writer *writer);
void json_begin_array(struct json_writer *writer);
void json_end_array(struct json_writer *writer);

/* Inside an object each value follows its key. */
void json_key(struct json_writer *writer, struct text key);
/* What is not valid UTF-8 becomes U+FFFD. Data NULL is written as null. */
void json_text(struct json_writer *writer, struct text value);
void json_unsigned(struct json_writer *writer, uint64_t value);
void json_signed(struct json_writer *writer, int64_t value);
void json_bool(struct json_writer *writer, bool value);
void json_null(struct json_writer *writer);
/* `value` is written as it is and must be one JSON value, such as a decimal number. Within its
 * strings, too, what is not valid UTF-8 becomes U+FFFD. */
void json_raw(struct json_writer *writer, struct text value);

/* A value of a document. What is not valid UTF-8 in it becomes U+FFFD. */
void json_value(struct json_writer *writer, yyjson_val *value);

/* Key and value in one. */
void json_member_text(struct json_writer *writer, const char *key, struct text value);
void json_member_unsigned(struct json_writer *writer, const char *key, uint64_t value);
void json_member_signed(struct json_writer *writer, const char *key, int64_t value);
void json_member_bool(struct json_writer *writer, const char *key, bool value);

/* The value as a JSON string with its quotes, outside of any writer. */
bool json_append_text(struct buffer *out, struct text value);

/* ---- reading ---- */

/* For yyjson_obj_foreach: `value`, or an object without members where that is no object. The loop
 * itself would step on from NULL, which is undefined. */
yyjson_val *json_members(yyjson_val *value);

/* Parses `text`, which is copied. Bytes that are not UTF-8 stay as they are, and half a surrogate
 * pair ("\\ud83d" alone: what JavaScript makes of a string that was cut within a character) becomes
 * three bytes like those of any other character of its size; json_text writes both as U+FFFD.
 * ERROR_SYNTAX, ERROR_MEMORY: `document` is NULL. yyjson_doc_free afterwards. */
must_handle enum error json_parse(struct text text, yyjson_doc **document);

enum json_presence {
    JSON_ABSENT,    /* no such member, or it is null, or `object` is not an object */
    JSON_PRESENT,   /* and `out` is set */
    JSON_WRONG_TYPE /* it is there and is something else; `out` is as before */
};

/* `object` may be NULL. Texts are valid while the document is. */
enum json_presence json_get_text(yyjson_val *object, const char *key, struct text *out);
enum json_presence json_get_unsigned(yyjson_val *object, const char *key, uint64_t *out);
enum json_presence json_get_bool(yyjson_val *object, const char *key, bool *out);
enum json_presence json_get_object(yyjson_val *object, const char *key, yyjson_val **out);
enum json_presence json_get_array(yyjson_val *object, const char *key, yyjson_val **out);

#endif
