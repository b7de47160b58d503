#include "codec/sse.h"

#include <stdint.h>

#include "base/ensure.h"
#include "base/find.h"

/* Three flags are the state between two bytes: line_has_bytes, after_return, blank_return. A frame
 * ends behind a blank line; when that line ends in CR, behind its LF, if there is one.
 *
 * Invariants: the bytes since the last frame are in `partial`, in order, unless `passing`, when
 * they have been handed out. after_return && blank_return: the frame is complete but for that LF.
 */

/* A buffer larger than this is not kept once its frame is done: a stream that is idle costs little.
 */
#define KEPT_CAPACITY 4096

void sse_splitter_open(struct sse_splitter *splitter, size_t limit)
{
    *splitter = (struct sse_splitter){.limit = limit};
    buffer_open(&splitter->partial, limit);
}

void sse_splitter_close(struct sse_splitter *splitter)
{
    buffer_close(&splitter->partial);
}

/* The common frame, all of it at hand: a line, its LF and a blank line's. Its length; 0 for any
 * other. */
static size_t find_plain_frame(const struct sse_splitter *splitter, struct text bytes)
{
    const char *end = bytes.data + bytes.length;
    if (splitter->line_has_bytes || splitter->after_return || splitter->passing ||
        splitter->partial.length > 0)
        return 0;
    const char *line_end = find_line_end(bytes.data, end);
    bool plain =
        line_end > bytes.data && end - line_end >= 2 && line_end[0] == '\n' && line_end[1] == '\n';
    return plain ? (size_t)(line_end + 2 - bytes.data) : 0;
}

/* Moves over bytes until a frame is complete (true) or the bytes are used up; `length` says how
 * far. */
static bool scan(struct sse_splitter *splitter, struct text bytes, size_t *length)
{
    const char *at = bytes.data;
    const char *end = bytes.data + bytes.length;
    while (at < end) {
        bool complete = false;
        if (splitter->after_return) {
            splitter->after_return = false;
            at += *at == '\n';
            complete = splitter->blank_return;
        } else {
            const char *line_end = find_line_end(at, end);
            splitter->line_has_bytes |= line_end > at;
            at = line_end;
            if (at == end)
                break;
            bool blank = !splitter->line_has_bytes;
            splitter->line_has_bytes = false;
            splitter->after_return = *at == '\r';
            splitter->blank_return = blank;
            complete = blank && *at == '\n';
            at++;
        }
        if (complete) {
            *length = (size_t)(at - bytes.data);
            return true;
        }
    }
    *length = bytes.length;
    return false;
}

static void forget_partial(struct sse_splitter *splitter)
{
    splitter->taken = false;
    if (splitter->partial.capacity > KEPT_CAPACITY) {
        buffer_close(&splitter->partial);
        buffer_open(&splitter->partial, splitter->limit);
    }
    buffer_clear(&splitter->partial);
}

static bool hand_out(struct sse_splitter *splitter, struct text raw, bool whole,
                     struct sse_frame *frame)
{
    *frame = (struct sse_frame){.raw = raw, .whole = whole, .first = !splitter->begun};
    splitter->begun = true;
    return true;
}

static bool hand_out_partial(struct sse_splitter *splitter, bool whole, struct sse_frame *frame)
{
    splitter->taken = true;
    return hand_out(splitter, buffer_text(&splitter->partial), whole, frame);
}

bool sse_next(struct sse_splitter *splitter, struct text *bytes, struct sse_frame *frame)
{
    struct buffer *partial = &splitter->partial;
    if (splitter->taken)
        forget_partial(splitter);
    if (bytes->length == 0)
        return false;
    size_t length = find_plain_frame(splitter, *bytes);
    if (length > 0 && length <= splitter->limit) {
        struct text raw = text_first(*bytes, length);
        *bytes = text_from_index(*bytes, length);
        hand_out(splitter, raw, true, frame);
        frame->is_line = true;
        return true;
    }
    struct sse_splitter before = *splitter;
    bool complete = scan(splitter, *bytes, &length);
    struct text piece = text_first(*bytes, length);
    bool fits = !splitter->passing && partial->length + length <= splitter->limit;
    if (fits && complete && partial->length == 0) {
        *bytes = text_from_index(*bytes, length);
        return hand_out(splitter, piece, true, frame);
    }
    if (fits && buffer_append(partial, piece)) {
        *bytes = text_from_index(*bytes, length);
        return complete && hand_out_partial(splitter, true, frame);
    }
    if (partial->length > 0) {
        /* What was held goes out first; the bytes at hand are scanned again by the next call. */
        splitter->line_has_bytes = before.line_has_bytes;
        splitter->after_return = before.after_return;
        splitter->blank_return = before.blank_return;
        splitter->passing = true;
        return hand_out_partial(splitter, false, frame);
    }
    buffer_clear(partial); /* of the failure, if memory was short */
    *bytes = text_from_index(*bytes, length);
    splitter->passing = !complete;
    if (length == 0)
        return sse_next(splitter, bytes, frame); /* the end of a piece without a byte of its own */
    return hand_out(splitter, piece, false, frame);
}

bool sse_end(struct sse_splitter *splitter, struct sse_frame *frame)
{
    if (splitter->taken)
        forget_partial(splitter);
    if (splitter->partial.length == 0)
        return false;
    bool whole = splitter->after_return && splitter->blank_return;
    return hand_out_partial(splitter, whole, frame);
}

/* Removes one line with its end from the front of `rest`. */
static struct text take_line(struct text *rest)
{
    const char *end = rest->data + rest->length;
    const char *line_end = find_line_end(rest->data, end);
    struct text line = text_of(rest->data, (size_t)(line_end - rest->data));
    size_t used = line.length;
    if (used < rest->length && rest->data[used] == '\r')
        used++;
    if (used < rest->length && rest->data[used] == '\n')
        used++;
    *rest = text_from_index(*rest, used);
    return line;
}

/* "name: value", "name:value" or "name". */
static void split_field(struct text line, struct text *name, struct text *value)
{
    ptrdiff_t colon = text_find_char(line, ':');
    *name = colon < 0 ? line : text_first(line, (size_t)colon);
    *value = text_from_index(line, colon < 0 ? line.length : (size_t)colon + 1);
    if (value->length > 0 && value->data[0] == ' ')
        *value = text_from_index(*value, 1);
}

static bool join_data(struct sse_event *event, struct buffer *joined, struct text value)
{
    if (!event->has_data) {
        event->has_data = true;
        event->data = value;
        return true;
    }
    if (joined->length == 0 && !buffer_append(joined, event->data))
        return false;
    if (!buffer_append_char(joined, '\n') || !buffer_append(joined, value))
        return false;
    event->data = buffer_text(joined);
    return true;
}

bool sse_read(const struct sse_frame *frame, struct buffer *joined, struct sse_event *event)
{
    ensure(frame->whole);
    struct text rest = frame->raw;
    *event = (struct sse_event){0};
    buffer_clear(joined);
    if (frame->first && text_starts_with(rest, TEXT("\xef\xbb\xbf")))
        rest = text_from_index(rest, 3);
    while (rest.length > 0) {
        struct text name, value;
        struct text line = frame->is_line ? text_first(rest, rest.length - 2) : take_line(&rest);
        if (frame->is_line)
            rest.length = 0;
        split_field(line, &name, &value);
        if (text_equal(name, TEXT("data"))) {
            if (!join_data(event, joined, value))
                return false;
        } else if (text_equal(name, TEXT("event"))) {
            event->name = value;
        } else if (text_equal(name, TEXT("id"))) {
            event->id = value;
        }
    }
    return true;
}

bool sse_append(struct buffer *out, struct text name, struct text data)
{
    if (name.length > 0) {
        buffer_append(out, TEXT("event: "));
        buffer_append(out, name);
        buffer_append_char(out, '\n');
    }
    if (data.length == 0)
        data = TEXT("");
    bool ends_in_line_end;
    do {
        size_t before = data.length;
        struct text line = take_line(&data);
        ends_in_line_end = before > line.length;
        buffer_append(out, TEXT("data: "));
        buffer_append(out, line);
        buffer_append_char(out, '\n');
    } while (data.length > 0 || ends_in_line_end);
    buffer_append_char(out, '\n');
    return !out->failed;
}
