#include "openai/tags.h"

#include "base/buffer.h"
#include "openai/members.h"

struct tag {
    struct text name, value; /* `value` as it stands in JSON, with its quotes, if `raw` */
    bool raw;
};

/* The next "name=value" of the header; false at the end. Blank pieces ("a=1,,b=2") are skipped. */
static bool next_tag(struct text *header, struct tag *tag)
{
    while (header->length > 0) {
        struct text piece = text_trim(text_split(header, ','));
        if (piece.length == 0)
            continue;
        struct text value = piece;
        tag->name = text_trim(text_split(&value, '='));
        tag->value = value.data ? text_trim(value) : value;
        tag->raw = false;
        return true;
    }
    return false;
}

static bool is_word(struct text text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c <= 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return text.length > 0;
}

static bool is_value(struct text text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c < 0x20 || c == 0x7f)
            return false;
    }
    return scan_is_utf8(text);
}

const char *tags_header_problem(struct text header)
{
    struct tag tag;
    size_t count = 0;

    if (header.length > TAGS_LENGTH_MAX)
        return "it is longer than 480 bytes";
    while (next_tag(&header, &tag)) {
        if (!tag.value.data)
            return "a tag is written name=value, tags are separated by commas";
        if (!is_word(tag.name) || tag.name.length > TAGS_NAME_MAX)
            return "a tag's name is 1 to 64 characters of ASCII without spaces, quotes and `=`";
        if (!is_value(tag.value) || tag.value.length > TAGS_VALUE_MAX)
            return "a tag's value is at most 256 bytes of UTF-8 without control characters";
        if (++count > TAGS_MAX)
            return "there are more than 32 tags";
    }
    return NULL;
}

static bool has_name(const struct tag *tags, size_t count, struct text name)
{
    for (size_t i = 0; i < count; i++) {
        if (text_equal(tags[i].name, name))
            return true;
    }
    return false;
}

static size_t gather(struct text header, struct text metadata, struct tag tags[TAGS_MAX],
                     size_t *left_out)
{
    struct members members;
    struct member member;
    struct tag tag;
    size_t count = 0;

    while (count < TAGS_MAX && next_tag(&header, &tag)) {
        if (!has_name(tags, count, tag.name))
            tags[count++] = tag;
    }
    if (metadata.length == 0)
        return count;
    members_open(&members, metadata);
    while (members_next(&members, &member)) {
        if (has_name(tags, count, member.key))
            continue;
        if (count < TAGS_MAX && member.kind == SCAN_STRING &&
            member.raw.length <= TAGS_VALUE_MAX + 2 && is_word(member.key) &&
            member.key.length <= TAGS_NAME_MAX)
            tags[count++] = (struct tag){member.key, member.raw, true};
        else
            ++*left_out;
    }
    return count;
}

/* What is escaped in JSON and may stand in a header's value. */
static void append_escaped(struct buffer *out, struct text value)
{
    buffer_append_char(out, '"');
    for (size_t i = 0; i < value.length; i++) {
        if (value.data[i] == '"' || value.data[i] == '\\')
            buffer_append_char(out, '\\');
        buffer_append_char(out, value.data[i]);
    }
    buffer_append_char(out, '"');
}

/* Takes the tag back when it does not fit; then false. */
static bool append_tag(struct buffer *out, const struct tag *tag)
{
    size_t before = out->length;

    buffer_append(out, before > 1 ? TEXT(",\"") : TEXT("\""));
    buffer_append(out, tag->name);
    buffer_append(out, TEXT("\":"));
    if (tag->raw)
        buffer_append(out, tag->value);
    else
        append_escaped(out, tag->value);
    if (out->failed || out->length < TAGS_LENGTH_MAX)
        return true;
    out->length = before;
    return false;
}

struct text tags_make(struct text header, struct text metadata, struct arena *arena,
                      size_t *left_out)
{
    struct tag tags[TAGS_MAX];
    struct buffer out;
    size_t count = 0;

    *left_out = 0;
    if (header.length > 0 || metadata.length > 0)
        count = gather(header, metadata, tags, left_out);

    if (count == 0)
        return text_of(NULL, 0);
    buffer_open(&out, 4 * TAGS_LENGTH_MAX);
    buffer_append_char(&out, '{');
    for (size_t i = 0; i < count; i++)
        *left_out += !append_tag(&out, &tags[i]);
    buffer_append_char(&out, '}');
    struct text made =
        out.failed || out.length <= 2 ? text_of(NULL, 0) : arena_copy(arena, buffer_text(&out));
    buffer_close(&out);
    return made;
}
