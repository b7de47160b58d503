#include "openai/frame_pattern.h"

#include "openai/scan_string.h"

void frame_strings_add(struct frame_strings *strings, struct text data, struct text string,
                       bool counts)
{
    const char *close = string.data + string.length, *end = data.data + data.length;
    /* A string with a colon right behind it was walked as a member's name, and another string in
     * its place would be another name. Spaces before a colon are as good as one: nobody writes
     * them. */
    bool plain = close + 1 < end && (close[1] == ',' || close[1] == '}' || close[1] == ']');
    if (!plain || strings->count == FRAME_PATTERN_STRINGS) {
        strings->too_many = true;
        return;
    }
    strings->counts[strings->count] = counts;
    strings->strings[strings->count++] = string;
}

static bool make_room(struct frame_pattern *pattern, struct arena *arena, size_t length)
{
    if (length <= pattern->capacity)
        return true;
    if (length > FRAME_PATTERN_BYTES_MAX)
        return false;
    /* Twice, so that frames that grow take the arena's memory a few times at most. */
    char *bytes = arena_take(arena, length * 2);
    if (bytes == NULL)
        return false;
    pattern->bytes = bytes;
    pattern->capacity = length * 2;
    return true;
}

void frame_pattern_learn(struct frame_pattern *pattern, struct arena *arena, struct text data,
                         const struct frame_strings *strings)
{
    size_t total = data.length;
    pattern->count = 0;
    for (size_t i = 0; i < strings->count; i++)
        total -= strings->strings[i].length;
    if (strings->too_many || strings->count == 0 || !make_room(pattern, arena, total))
        return;
    const char *from = data.data;
    char *to = pattern->bytes;
    for (size_t i = 0; i <= strings->count; i++) {
        bool last = i == strings->count;
        const char *until = last ? data.data + data.length : strings->strings[i].data;
        size_t length = (size_t)(until - from);
        memcpy(to, from, length);
        to += length;
        pattern->lengths[i] = (uint16_t)length;
        if (last)
            break;
        pattern->counts[i] = strings->counts[i];
        from = until + strings->strings[i].length;
    }
    pattern->count = (uint8_t)strings->count;
}

bool frame_pattern_match(const struct frame_pattern *pattern, struct text data,
                         size_t *content_bytes)
{
    const char *p = data.data, *end = p + data.length, *piece = pattern->bytes;
    size_t content = 0;
    if (pattern->count == 0)
        return false;
    for (size_t i = 0;; i++) {
        size_t length = pattern->lengths[i];
        if ((size_t)(end - p) < length || memcmp(p, piece, length) != 0)
            return false;
        p += length;
        piece += length;
        if (i == pattern->count)
            break;
        const char *close = scan_string_close(p, end);
        content += pattern->counts[i] ? (size_t)(close - p) : 0;
        p = close;
    }
    *content_bytes = content;
    return p == end;
}
