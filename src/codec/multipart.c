#include "codec/multipart.h"

#include "base/ensure.h"
#include "tables/headers.h"

/* States
 *
 *   FIRST ──"--boundary"──▶ AFTER ──CRLF──▶ HEAD ──blank line──▶ DATA ──CRLF--boundary──▶ AFTER
 *                             └──"--"──▶ EPILOGUE (nothing, or CRLF)
 *
 * `delimiter` is CRLF--boundary. While matched > 0, the last `matched` bytes of the input are its
 * beginning and have not been told yet; when the match fails they were data, and are handed out
 * from `delimiter` itself, so nothing of the input is kept. CR occurs only at its start, so a
 * failed match can begin anew only at the byte that failed.
 *
 * A boundary line behind a bare LF, or where a part's data begins, is matched, too, and refused,
 * since lax readers take it for a delimiter. Then the first `absent` bytes of the delimiter are
 * counted as matched though they were not there. */
enum multipart_state { FIRST, AFTER, HEAD, DATA, EPILOGUE, FAILED };

static enum error fail(struct multipart_scanner *scanner, enum error error, const char *reason)
{
    scanner->state = FAILED;
    scanner->reason = reason;
    return error;
}

/* ---- parameters of a header value: *( OWS ";" OWS token "=" ( token / quoted-string ) ) ---- */

static bool is_token_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static struct text take_token(struct text *rest)
{
    size_t length = 0;
    while (length < rest->length && is_token_character(rest->data[length]))
        length++;
    struct text token = text_first(*rest, length);
    *rest = text_from_index(*rest, length);
    return token;
}

/* What stands between the quotes. A backslash before a quote hides the quote from some readers and
 * not from others, so there must be none. */
static bool take_quoted(struct text *rest, struct text *value)
{
    struct text inside = text_from_index(*rest, 1);
    ptrdiff_t quote = text_find_char(inside, '"');
    if (quote < 0 || (quote > 0 && inside.data[quote - 1] == '\\'))
        return false;
    *value = text_first(inside, (size_t)quote);
    *rest = text_from_index(inside, (size_t)quote + 1);
    return true;
}

/* Takes one parameter off `rest`, which is not empty; false when it is malformed. */
static bool take_parameter(struct text *rest, struct text *name, struct text *value)
{
    if (rest->data[0] != ';')
        return false;
    *rest = text_trim(text_from_index(*rest, 1));
    *name = take_token(rest);
    if (name->length == 0 || rest->length < 2 || rest->data[0] != '=')
        return false;
    *rest = text_from_index(*rest, 1);
    if (rest->data[0] == '"') {
        if (!take_quoted(rest, value))
            return false;
    } else {
        *value = take_token(rest);
        if (value->length == 0)
            return false;
    }
    *rest = text_trim(*rest);
    return true;
}

/* RFC 2046 section 5.1.1, bchars; a boundary does not end in a space. */
static bool is_boundary(struct text t)
{
    for (size_t i = 0; i < t.length; i++) {
        char c = t.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && (c == '\0' || strchr("'()+_,-./:=? ", c) == NULL))
            return false;
    }
    return t.length > 0 && t.length <= MULTIPART_BOUNDARY_LIMIT && t.data[t.length - 1] != ' ';
}

enum error multipart_boundary(struct text content_type, struct text *boundary)
{
    ptrdiff_t semicolon = text_find_char(content_type, ';');
    size_t length = semicolon < 0 ? content_type.length : (size_t)semicolon;
    struct text type = text_trim(text_first(content_type, length));
    if (!text_equal_ignoring_case(type, TEXT("multipart/form-data")))
        return ERROR_UNSUPPORTED;
    struct text rest = text_trim(text_from_index(content_type, length)), name, value;
    bool found = false;
    while (rest.length > 0) {
        if (!take_parameter(&rest, &name, &value))
            return ERROR_SYNTAX;
        if (!text_equal_ignoring_case(name, TEXT("boundary")))
            continue;
        if (found || !is_boundary(value))
            return ERROR_SYNTAX;
        found = true;
        *boundary = value;
    }
    return found ? ERROR_OK : ERROR_SYNTAX;
}

/* ---- the head of a part ---- */

static enum error read_disposition(struct multipart_scanner *scanner, struct text value)
{
    struct multipart_part *part = &scanner->part;
    struct text rest = value, name;
    if (part->name.data != NULL)
        return fail(scanner, ERROR_SYNTAX, "a part has more than one Content-Disposition");
    if (!text_equal_ignoring_case(take_token(&rest), TEXT("form-data")))
        return fail(scanner, ERROR_SYNTAX, "a part's Content-Disposition is not form-data");
    rest = text_trim(rest);
    while (rest.length > 0) {
        if (!take_parameter(&rest, &name, &value))
            return fail(scanner, ERROR_SYNTAX, "a part's Content-Disposition is malformed");
        if (text_equal_ignoring_case(name, TEXT("name"))) {
            if (part->name.data != NULL || text_find_char(value, '\\') >= 0)
                return fail(scanner, ERROR_SYNTAX, "a part's name can be read in two ways");
            part->name = value;
        } else if (text_equal_ignoring_case(text_first(name, 5), TEXT("name*"))) {
            return fail(scanner, ERROR_SYNTAX, "a part's name can be read in two ways");
        } else if (text_equal_ignoring_case(name, TEXT("filename"))) {
            if (part->has_filename)
                return fail(scanner, ERROR_SYNTAX, "a part has more than one file name");
            part->has_filename = true;
            part->filename = value;
        }
    }
    if (part->name.data == NULL)
        return fail(scanner, ERROR_SYNTAX, "a part has no name");
    return ERROR_OK;
}

/* RFC 7578 section 4.7: a part is not encoded; a reader that obeys the header would see other data.
 */
static bool is_plain_encoding(struct text value)
{
    return text_equal_ignoring_case(value, TEXT("binary")) ||
           text_equal_ignoring_case(value, TEXT("8bit")) ||
           text_equal_ignoring_case(value, TEXT("7bit"));
}

static enum error read_header(struct multipart_scanner *scanner, struct text line)
{
    struct text value = line;
    struct text name = take_token(&value);
    if (name.length == 0 || value.length == 0 || value.data[0] != ':')
        return fail(scanner, ERROR_SYNTAX, "a part has a malformed header");
    value = text_trim(text_from_index(value, 1));
    if (text_equal_ignoring_case(name, TEXT("content-transfer-encoding")))
        return is_plain_encoding(value)
                   ? ERROR_OK
                   : fail(scanner, ERROR_SYNTAX, "a part has a Content-Transfer-Encoding");
    enum header_id id = header_find(name);
    if (id == HEADER_CONTENT_DISPOSITION)
        return read_disposition(scanner, value);
    if (id == HEADER_CONTENT_TYPE) {
        if (scanner->part.content_type.data != NULL)
            return fail(scanner, ERROR_SYNTAX, "a part has more than one Content-Type");
        scanner->part.content_type = value;
    }
    return ERROR_OK;
}

/* `head` ends in an empty line. All its LF have a CR before them. */
static enum error read_head(struct multipart_scanner *scanner)
{
    struct text rest = buffer_text(&scanner->head);
    scanner->part = (struct multipart_part){0};
    for (;;) {
        struct text line = text_split(&rest, '\n');
        line.length--; /* the CR */
        if (line.length == 0)
            break;
        for (size_t i = 0; i < line.length; i++)
            if (((unsigned char)line.data[i] < ' ' && line.data[i] != '\t') || line.data[i] == 0x7f)
                return fail(scanner, ERROR_SYNTAX, "a part's head has a control character");
        enum error error = read_header(scanner, line);
        if (error != ERROR_OK)
            return error;
    }
    if (scanner->part.name.data == NULL)
        return fail(scanner, ERROR_SYNTAX, "a part has no Content-Disposition");
    return ERROR_OK;
}

/* ---- one step in each state ---- */

static void advance(struct multipart_scanner *scanner, struct text *bytes, size_t length)
{
    scanner->position += length;
    *bytes = text_from_index(*bytes, length);
}

/* Compares with the delimiter as far as both go; returns how far, and moves over it. */
static size_t match(struct multipart_scanner *scanner, struct text *bytes)
{
    size_t length = 0;
    while (length < bytes->length && scanner->matched < scanner->delimiter_length &&
           bytes->data[length] == scanner->delimiter[scanner->matched]) {
        scanner->matched++;
        length++;
    }
    advance(scanner, bytes, length);
    return length;
}

static enum error step_first(struct multipart_scanner *scanner, struct text *bytes,
                             struct multipart_event *event)
{
    match(scanner, bytes);
    if (scanner->matched == scanner->delimiter_length) {
        scanner->matched = 0;
        scanner->state = AFTER;
    } else if (bytes->length > 0) {
        return fail(scanner, ERROR_SYNTAX, "the body does not begin with its boundary");
    }
    return ERROR_OK;
}

/* The two bytes behind a boundary; `matched` counts them. */
static enum error step_after(struct multipart_scanner *scanner, struct text *bytes,
                             struct multipart_event *event)
{
    char c = bytes->data[0];
    if (scanner->matched == 0)
        scanner->closing = c == '-';
    if (c != (scanner->closing ? "--" : "\r\n")[scanner->matched])
        return fail(scanner, ERROR_SYNTAX, "something follows a boundary on its line");
    advance(scanner, bytes, 1);
    if (++scanner->matched < 2)
        return ERROR_OK;
    scanner->matched = 0;
    scanner->state = scanner->closing ? EPILOGUE : HEAD;
    if (scanner->closing)
        event->kind = MULTIPART_DONE;
    buffer_clear(&scanner->head);
    return ERROR_OK;
}

static enum error step_head(struct multipart_scanner *scanner, struct text *bytes,
                            struct multipart_event *event)
{
    struct buffer *head = &scanner->head;
    const char *line_feed = memchr(bytes->data, '\n', bytes->length);
    size_t length = line_feed != NULL ? (size_t)(line_feed + 1 - bytes->data) : bytes->length;
    if (length > MULTIPART_HEAD_LIMIT - head->length)
        return fail(scanner, ERROR_LIMIT, "the head of a part is larger than allowed");
    if (!buffer_append(head, text_first(*bytes, length)))
        return fail(scanner, ERROR_MEMORY, "out of memory");
    advance(scanner, bytes, length);
    if (line_feed == NULL)
        return ERROR_OK;
    struct text t = buffer_text(head);
    if (!text_ends_with(t, TEXT("\r\n")))
        return fail(scanner, ERROR_SYNTAX, "a part's head has a line that does not end in CRLF");
    if (t.length != 2 && !text_ends_with(t, TEXT("\n\r\n")))
        return ERROR_OK;
    if (++scanner->part_count > MULTIPART_PART_LIMIT)
        return fail(scanner, ERROR_LIMIT, "there are more parts than allowed");
    enum error error = read_head(scanner);
    if (error != ERROR_OK)
        return error;
    scanner->state = DATA;
    scanner->matched = 2;
    scanner->absent = 2;
    event->kind = MULTIPART_BEGIN;
    event->offset = scanner->position;
    return ERROR_OK;
}

static void tell_data(struct multipart_event *event, struct text data, uint64_t offset)
{
    event->kind = MULTIPART_DATA;
    event->data = data;
    event->offset = offset;
}

/* Goes on with a delimiter that has begun: it is one, or it was data, or the bytes end. */
static enum error continue_match(struct multipart_scanner *scanner, struct text *bytes,
                                 struct multipart_event *event)
{
    match(scanner, bytes);
    if (scanner->matched == scanner->delimiter_length) {
        if (scanner->absent > 0)
            return fail(scanner, ERROR_SYNTAX, "a boundary line does not begin behind CRLF");
        event->kind = MULTIPART_END;
        event->offset = scanner->position - scanner->delimiter_length;
        scanner->matched = 0;
        scanner->state = AFTER;
    } else if (bytes->length > 0) {
        struct text matched = text_of(scanner->delimiter, scanner->matched);
        struct text held = text_from_index(matched, scanner->absent);
        if (held.length > 0)
            tell_data(event, held, scanner->position - held.length);
        scanner->matched = 0;
    }
    return ERROR_OK;
}

/* How many of `bytes` are data for sure: up to a line end that may begin a delimiter. */
static size_t find_data(const struct multipart_scanner *scanner, struct text bytes)
{
    struct text dashes = text_from_index(text_of(scanner->delimiter, scanner->delimiter_length), 2);
    const char *end = bytes.data + bytes.length;
    const char *at = bytes.data;
    while (at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        struct text follows = text_first(text_of(at + 1, (size_t)(end - at - 1)), dashes.length);
        if (text_starts_with(dashes, follows)) {
            bool has_return = at > bytes.data && at[-1] == '\r';
            return (size_t)(at - bytes.data) - has_return;
        }
        at++;
    }
    return bytes.length - (bytes.data[bytes.length - 1] == '\r');
}

static enum error step_data(struct multipart_scanner *scanner, struct text *bytes,
                            struct multipart_event *event)
{
    if (scanner->matched > 0)
        return continue_match(scanner, bytes, event);
    size_t length = find_data(scanner, *bytes);
    if (length > 0) {
        tell_data(event, text_first(*bytes, length), scanner->position);
        advance(scanner, bytes, length);
        return ERROR_OK;
    }
    scanner->absent = bytes->data[0] == '\n';
    scanner->matched = (size_t)scanner->absent + 1;
    advance(scanner, bytes, 1);
    return ERROR_OK;
}

static enum error step_epilogue(struct multipart_scanner *scanner, struct text *bytes,
                                struct multipart_event *event)
{
    if (scanner->matched == 2 || bytes->data[0] != "\r\n"[scanner->matched])
        return fail(scanner, ERROR_SYNTAX, "something follows the last boundary");
    scanner->matched++;
    advance(scanner, bytes, 1);
    return ERROR_OK;
}

static enum error step_failed(struct multipart_scanner *scanner, struct text *bytes,
                              struct multipart_event *event)
{
    return ERROR_SYNTAX;
}

typedef enum error (*step)(struct multipart_scanner *scanner, struct text *bytes,
                           struct multipart_event *event);

static const step steps[] = {
    [FIRST] = step_first, [AFTER] = step_after,       [HEAD] = step_head,
    [DATA] = step_data,   [EPILOGUE] = step_epilogue, [FAILED] = step_failed,
};

void multipart_open(struct multipart_scanner *scanner, struct text boundary)
{
    ensure(boundary.length > 0 && boundary.length <= MULTIPART_BOUNDARY_LIMIT);
    *scanner = (struct multipart_scanner){.state = FIRST, .matched = 2};
    buffer_open(&scanner->head, MULTIPART_HEAD_LIMIT);
    memcpy(scanner->delimiter, "\r\n--", 4);
    memcpy(scanner->delimiter + 4, boundary.data, boundary.length);
    scanner->delimiter_length = 4 + boundary.length;
}

void multipart_close(struct multipart_scanner *scanner)
{
    buffer_close(&scanner->head);
}

enum error multipart_next(struct multipart_scanner *scanner, struct text *bytes,
                          struct multipart_event *event)
{
    *event = (struct multipart_event){.kind = MULTIPART_MORE, .part = &scanner->part};
    while (bytes->length > 0 && event->kind == MULTIPART_MORE) {
        enum error error = steps[scanner->state](scanner, bytes, event);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

enum error multipart_finish(struct multipart_scanner *scanner)
{
    if (scanner->state == EPILOGUE && scanner->matched != 1)
        return ERROR_OK;
    if (scanner->state == FAILED)
        return ERROR_SYNTAX;
    return fail(scanner, ERROR_SYNTAX, "the body ended before its closing boundary");
}
