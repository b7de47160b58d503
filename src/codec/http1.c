#include "codec/http1.h"

#include <llhttp.h>

#include "base/ensure.h"
#include "base/number.h"
#include "codec/http1_fields.h"
#include "codec/http1_plain.h"

/* States
 *
 *   START ──first byte──▶ HEAD ──blank line──▶ LENGTH ──────┐
 *     ▲                    │                   CHUNKED ─────┤ (by way of TRAILERS)
 *     │ ◀──a 1xx response──┤                   CLOSE ─eof───┤
 *     │                    └──no body────────────────────▶ ENDING ──on_complete──▶ START
 *     │                                                                            or TUNNEL
 *   Any state goes to FAILED on an error and stays there.
 *
 * llhttp reads heads and chunked bodies, but for heads of the plain kind that arrive whole
 * (http1_plain.h). It is paused at the end of each head, and how the body is framed is decided
 * here, from the headers as collected; bodies with a length or until close never go through llhttp,
 * and each message starts it anew. So nothing carries over between messages.
 *
 * Invariants: heads and trailers are copied into memory of ours before llhttp sees them, so the
 * texts of headers point there and what came in pieces is contiguous. llhttp gets at most as many
 * bytes as a head or the trailers may still have, so a limit strikes at the same byte however the
 * input was cut. ENDING is reached exactly once per message.
 *
 * What llhttp (with no leniency) lets through and is refused here: several spaces in a request
 * line, a request without version (HTTP/0.9), versions other than 1.0 and 1.1, RTSP, methods
 * outside our list, targets with a fragment or characters that no URI has, an absolute-form target
 * of another host than Host,
 * transfer codings before chunked, an empty Transfer-Encoding, Transfer-Encoding in HTTP/1.0, a
 * missing or repeated Host, any number of empty lines (bare LF too) before a message, control
 * characters in a reason phrase, status codes below 100 and above 599, framing headers in trailers.
 *
 * Where responses may be lax, because no two readers can disagree about it: the reason phrase may
 * be missing together with the space before it, and may hold bytes outside ASCII; a 204 may declare
 * a length or a coding, but its connection is not used again. */
enum http1_state {
    STATE_START,
    STATE_HEAD,
    STATE_LENGTH,
    STATE_CHUNKED,
    STATE_TRAILERS,
    STATE_CLOSE,
    STATE_ENDING,
    STATE_TUNNEL,
    STATE_FAILED
};

/* RFC 9112 section 2.2 asks servers to ignore at least one empty line before a request line. */
#define LEADING_BYTES_LIMIT 4

const struct http1_limits http1_limits_default = {
    .head_bytes = 65536,
    .header_count = 100,
    .trailer_bytes = 8192,
    .extension_bytes = 256,
    .interim_count = 16,
};

_Static_assert(sizeof(llhttp_t) <= HTTP1_MACHINE_WORDS * sizeof(uint64_t),
               "HTTP1_MACHINE_WORDS is too small for this llhttp");
_Static_assert(_Alignof(llhttp_t) <= _Alignof(uint64_t), "llhttp_t needs more alignment");

static inline llhttp_t *machine_of(struct http1_parser *parser)
{
    return (llhttp_t *)(void *)parser->machine;
}

__attribute__((cold)) static enum error fail(struct http1_parser *parser, enum error error,
                                             const char *reason)
{
    parser->state = STATE_FAILED;
    parser->error = error;
    parser->reason = reason;
    return error;
}

/* For llhttp's callbacks: fail() and llhttp leaves at once. */
__attribute__((cold)) static int refuse(struct http1_parser *parser, enum error error,
                                        const char *reason)
{
    fail(parser, error, reason);
    return HPE_USER;
}

/* ---- checks of what was collected ---- */

/* RFC 9110 section 7.2: uri-host and port; brackets for IPv6. */
static const bool host_characters[256] = {
    ['!'] = true,         ['$' ... '+'] = true, ['-' ... '.'] = true, ['0' ... ';'] = true,
    ['='] = true,         ['A' ... '['] = true, [']'] = true,         ['_'] = true,
    ['a' ... 'z'] = true, ['~'] = true,
};

static bool consists_of(struct text t, const bool set[256])
{
    for (size_t i = 0; i < t.length; i++)
        if (!set[(unsigned char)t.data[i]])
            return false;
    return true;
}

/* llhttp's number for a method, plus one, to ours: 0 means that requests may not use it. */
static const uint8_t methods_accepted[] = {
    [HTTP_GET] = HTTP1_GET + 1,         [HTTP_HEAD] = HTTP1_HEAD + 1,
    [HTTP_POST] = HTTP1_POST + 1,       [HTTP_PUT] = HTTP1_PUT + 1,
    [HTTP_DELETE] = HTTP1_DELETE + 1,   [HTTP_PATCH] = HTTP1_PATCH + 1,
    [HTTP_OPTIONS] = HTTP1_OPTIONS + 1,
};

/* ---- llhttp's callbacks while it reads a head: `at` points into fields->bytes ---- */

static int on_method_complete(llhttp_t *machine)
{
    struct http1_parser *parser = machine->data;
    unsigned number = llhttp_get_method(machine);
    if (number >= ARRAY_LENGTH(methods_accepted) || methods_accepted[number] == 0)
        return refuse(parser, ERROR_HTTP_UNSUPPORTED,
                      number == HTTP_PRI ? "HTTP/2 is not spoken here"
                                         : "this method is not supported");
    parser->head.method = (enum http1_method)(methods_accepted[number] - 1);
    return 0;
}

static int on_url(llhttp_t *machine, const char *at, size_t length)
{
    struct http1_parser *parser = machine->data;
    struct text *target = &parser->head.target;
    if (target->data == NULL)
        target->data = at;
    target->length = (size_t)(at + length - target->data);
    return 0;
}

/* Absolute-form ("http://host/path", RFC 9112 section 3.2.2) is the same request as the path with
 * that Host; check_head refuses it where the two name different hosts. */
static void strip_authority(struct http1_parser *parser)
{
    struct text *target = &parser->head.target;
    ptrdiff_t scheme = text_find(*target, TEXT("://"));
    if (scheme <= 0 ||
        (!text_equal_ignoring_case(text_first(*target, (size_t)scheme), TEXT("http")) &&
         !text_equal_ignoring_case(text_first(*target, (size_t)scheme), TEXT("https"))))
        return;
    struct text rest = text_from_index(*target, (size_t)scheme + 3);
    ptrdiff_t path = text_find_char(rest, '/');
    if (path <= 0)
        return;
    parser->head.authority = text_first(rest, (size_t)path);
    *target = text_from_index(rest, (size_t)path);
}

static int on_url_complete(llhttp_t *machine)
{
    struct http1_parser *parser = machine->data;
    const struct http1_head *head = &parser->head;
    size_t start = (size_t)(head->target.data - parser->fields->bytes);
    if (start != http1_method_text(head->method).length + 1)
        return refuse(parser, ERROR_HTTP_SYNTAX, "one space must follow the method");
    if (head->method == HTTP1_OPTIONS && text_equal(head->target, TEXT("*")))
        return 0;
    strip_authority(parser);
    if (head->target.length == 0 || head->target.data[0] != '/')
        return refuse(parser, ERROR_HTTP_SYNTAX,
                      "the request target must be a path that starts with /");
    if (!consists_of(head->target, http1_target_characters))
        return refuse(parser, ERROR_HTTP_SYNTAX,
                      "the request target has a character that no URI path or query has");
    return 0;
}

/* Called before llhttp's own idea of the version is known; may come in pieces. */
static int on_version(llhttp_t *machine, const char *at, size_t length)
{
    struct http1_parser *parser = machine->data;
    if (parser->side == HTTP1_RESPONSE || parser->version_seen)
        return 0;
    parser->version_seen = true;
    const char *end = parser->head.target.data + parser->head.target.length;
    if (at - end != 6 || memcmp(end, " HTTP/", 6) != 0)
        return refuse(parser, ERROR_HTTP_SYNTAX,
                      "one space and HTTP/1.1 must follow the request target");
    return 0;
}

static int on_version_complete(llhttp_t *machine)
{
    struct http1_parser *parser = machine->data;
    unsigned minor = llhttp_get_http_minor(machine);
    if (llhttp_get_http_major(machine) != 1 || minor > 1)
        return refuse(parser, ERROR_HTTP_UNSUPPORTED, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    parser->head.version_minor = (uint8_t)minor;
    return 0;
}

static int on_status(llhttp_t *machine, const char *at, size_t length)
{
    struct http1_parser *parser = machine->data;
    struct text *phrase = &parser->head.phrase;
    if (phrase->data == NULL)
        phrase->data = at;
    phrase->length = (size_t)(at + length - phrase->data);
    return 0;
}

/* ---- header fields, of a head or of trailers ---- */

static struct http1_fields *fields_of(struct http1_parser *parser)
{
    return parser->state == STATE_TRAILERS ? parser->trailers : parser->fields;
}

static int extend(struct http1_parser *parser, bool is_value, const char *at, size_t length)
{
    struct http1_fields *fields = fields_of(parser);
    struct http1_header *header = &fields->headers[fields->count];
    struct text *t = is_value ? &header->value : &header->name;
    if (t->data == NULL)
        t->data = at;
    t->length = (size_t)(at + length - t->data);
    return 0;
}

static int on_header_field(llhttp_t *machine, const char *at, size_t length)
{
    return extend(machine->data, false, at, length);
}

static int on_header_value(llhttp_t *machine, const char *at, size_t length)
{
    return extend(machine->data, true, at, length);
}

static inline bool is_framing(enum header_id id)
{
    return id == HEADER_CONTENT_LENGTH || id == HEADER_TRANSFER_ENCODING;
}

static int check_framing(struct http1_parser *parser, enum header_id id)
{
    if (is_framing(id) && (http1_head_has(&parser->head, HEADER_CONTENT_LENGTH) ||
                           http1_head_has(&parser->head, HEADER_TRANSFER_ENCODING)))
        return refuse(parser, ERROR_HTTP_AMBIGUOUS,
                      "Content-Length and Transfer-Encoding may occur once, and not together");
    return 0;
}

static int on_header_field_complete(llhttp_t *machine)
{
    struct http1_parser *parser = machine->data;
    struct http1_fields *fields = fields_of(parser);
    struct http1_header *header = &fields->headers[fields->count];
    if (fields->count >= parser->limits->header_count)
        return refuse(parser, ERROR_HTTP_HEAD_TOO_LARGE,
                      "there are more header fields than allowed");
    header->id = header_find(header->name);
    if (parser->state == STATE_TRAILERS) {
        if (is_framing(header->id) || header->id == HEADER_HOST)
            return refuse(parser, ERROR_HTTP_AMBIGUOUS,
                          "a trailer tries to change the framing or the host");
        return 0;
    }
    return check_framing(parser, header->id);
}

/* What one header says about the message, where a wrong one refuses the message. */
static int check_header(struct http1_parser *parser, const struct http1_header *header)
{
    const struct http1_head *head = &parser->head;
    bool is_request = parser->side == HTTP1_REQUEST;
    switch (header->id) {
    case HEADER_HOST:
        if (is_request && http1_head_has(head, HEADER_HOST))
            return refuse(parser, ERROR_HTTP_AMBIGUOUS, "there is more than one Host header");
        if (is_request && !consists_of(header->value, host_characters))
            return refuse(parser, ERROR_HTTP_SYNTAX, "the Host header is not a host and port");
        return 0;
    case HEADER_AUTHORIZATION:
    case HEADER_CONTENT_TYPE:
    case HEADER_CONTENT_ENCODING: /* of two, one parser takes the first and the next one the last */
        if (is_request && http1_head_has(head, header->id))
            return refuse(parser, ERROR_HTTP_AMBIGUOUS,
                          "Authorization, Content-Type and Content-Encoding may occur once");
        return 0;
    case HEADER_TRANSFER_ENCODING:
        if (!text_equal_ignoring_case(header->value, TEXT("chunked")))
            return refuse(parser, ERROR_HTTP_AMBIGUOUS,
                          "the only transfer coding accepted is chunked");
        if (head->version_minor == 0)
            return refuse(parser, ERROR_HTTP_AMBIGUOUS, "HTTP/1.0 has no Transfer-Encoding");
        return 0;
    case HEADER_CONTENT_LENGTH:
        if (!number_parse_unsigned(header->value, &parser->head.content_length))
            return refuse(parser, ERROR_HTTP_SYNTAX, "the Content-Length is not a number");
        parser->head.has_content_length = true;
        return 0;
    case HEADER_EXPECT:
        if (is_request && head->version_minor == 1 &&
            !text_equal_ignoring_case(header->value, TEXT("100-continue")))
            return refuse(parser, ERROR_HTTP_EXPECTATION,
                          "the only expectation known is 100-continue");
        return 0;
    default: return 0;
    }
}

static inline void note_present(struct http1_head *head, enum header_id id)
{
    head->present[id / 64] |= 1ull << (id % 64);
}

static int on_header_value_complete(llhttp_t *machine)
{
    struct http1_parser *parser = machine->data;
    struct http1_fields *fields = fields_of(parser);
    struct http1_header *header = &fields->headers[fields->count];
    header->value = text_trim(header->value);
    if (parser->state == STATE_HEAD) {
        if (check_header(parser, header) != 0)
            return HPE_USER;
        note_present(&parser->head, header->id);
    }
    if (!http1_fields_add(fields))
        return refuse(parser, ERROR_MEMORY, "out of memory");
    return 0;
}

static int on_headers_complete(llhttp_t *machine)
{
    struct http1_parser *parser = machine->data;
    if (parser->side == HTTP1_RESPONSE)
        parser->head.status = (uint16_t)llhttp_get_status_code(machine);
    return HPE_PAUSED;
}

/* ---- llhttp's callbacks while it reads a chunked body: `at` points into the input ---- */

static void obey(struct http1_parser *parser, enum http1_verdict verdict)
{
    if (verdict == HTTP1_STOP)
        parser->stop = true;
}

static int on_chunk_body(llhttp_t *machine, const char *at, size_t length)
{
    struct http1_parser *parser = machine->data;
    if (length == 0)
        return 0;
    obey(parser, parser->events->on_body(parser->owner, text_of(at, length)));
    return parser->stop ? HPE_PAUSED : 0;
}

static int on_chunk_extension(llhttp_t *machine, const char *at, size_t length)
{
    struct http1_parser *parser = machine->data;
    if (length > parser->limits->extension_bytes - parser->extension_seen)
        return refuse(parser, ERROR_HTTP_SYNTAX, "the chunk extensions are longer than allowed");
    parser->extension_seen += length;
    return 0;
}

static int on_chunk_header(llhttp_t *machine)
{
    struct http1_parser *parser = machine->data;
    parser->extension_seen = 0;
    if (machine->content_length > 0)
        return 0;
    parser->state = STATE_TRAILERS;
    return HPE_PAUSED;
}

static int on_chunks_complete(llhttp_t *machine)
{
    struct http1_parser *parser = machine->data;
    parser->state = STATE_ENDING;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_method_complete = on_method_complete,
    .on_url = on_url,
    .on_url_complete = on_url_complete,
    .on_version = on_version,
    .on_version_complete = on_version_complete,
    .on_status = on_status,
    .on_header_field = on_header_field,
    .on_header_field_complete = on_header_field_complete,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_chunk_body,
    .on_chunk_extension_name = on_chunk_extension,
    .on_chunk_extension_value = on_chunk_extension,
    .on_chunk_header = on_chunk_header,
    .on_message_complete = on_chunks_complete,
};

/* What llhttp's errors are to us; where there is no sentence here, llhttp's own is good. */
static const struct {
    enum error error;
    const char *reason;
} machine_errors[] = {
    [HPE_INVALID_METHOD] = {ERROR_HTTP_SYNTAX,
                            "the request does not begin with a known method and a space"},
    [HPE_INVALID_CONSTANT] = {ERROR_HTTP_SYNTAX, "the start line does not say HTTP/1.1"},
    [HPE_INVALID_URL] = {ERROR_HTTP_SYNTAX,
                         "the request target is not a path of printable ASCII characters"},
    [HPE_INVALID_TRANSFER_ENCODING] = {ERROR_HTTP_AMBIGUOUS,
                                       "the only transfer coding accepted is chunked"},
    [HPE_UNEXPECTED_CONTENT_LENGTH] = {ERROR_HTTP_AMBIGUOUS,
                                       "there is more than one Content-Length"},
    [HPE_INVALID_CONTENT_LENGTH] = {ERROR_HTTP_SYNTAX,
                                    "the Content-Length is not one decimal number"},
};

/* llhttp gave up, of its own accord or because a callback refused. */
static enum error machine_failed(struct http1_parser *parser, llhttp_errno_t number)
{
    if (parser->state == STATE_FAILED)
        return parser->error;
    if ((size_t)number < ARRAY_LENGTH(machine_errors) && machine_errors[number].reason != NULL)
        return fail(parser, machine_errors[number].error, machine_errors[number].reason);
    const char *reason = llhttp_get_error_reason(machine_of(parser));
    return fail(parser, ERROR_HTTP_SYNTAX, reason != NULL ? reason : "malformed HTTP");
}

/* ---- the end of a head ---- */

struct connection_options {
    bool close;
    bool keep_alive;
    bool upgrade;
};

static struct connection_options read_connection(const struct http1_head *head)
{
    struct connection_options options = {0};
    if (!http1_head_has(head, HEADER_CONNECTION))
        return options;
    for (size_t i = 0; i < head->header_count; i++) {
        if (head->headers[i].id != HEADER_CONNECTION)
            continue;
        struct text list = head->headers[i].value, option;
        while (http1_list_next(&list, &option)) {
            options.close |= text_equal_ignoring_case(option, TEXT("close"));
            options.keep_alive |= text_equal_ignoring_case(option, TEXT("keep-alive"));
            options.upgrade |= text_equal_ignoring_case(option, TEXT("upgrade"));
        }
    }
    return options;
}

static bool is_tunnel(const struct http1_parser *parser)
{
    unsigned status = parser->head.status;
    return parser->side == HTTP1_RESPONSE &&
           (status == 101 || (parser->expected == HTTP1_CONNECT && status / 100 == 2));
}

/* RFC 9112 section 6.3, in its order. Both lengths at once have been refused already. */
static enum http1_framing find_framing(const struct http1_parser *parser)
{
    const struct http1_head *head = &parser->head;
    bool is_response = parser->side == HTTP1_RESPONSE;
    if (is_response && (parser->expected == HTTP1_HEAD || head->status / 100 == 1 ||
                        head->status == 204 || head->status == 304 || is_tunnel(parser)))
        return HTTP1_NO_BODY;
    if (http1_head_has(head, HEADER_TRANSFER_ENCODING))
        return HTTP1_CHUNKED;
    if (head->has_content_length)
        return head->content_length > 0 ? HTTP1_CONTENT_LENGTH : HTTP1_NO_BODY;
    return is_response ? HTTP1_UNTIL_CLOSE : HTTP1_NO_BODY;
}

static void derive(struct http1_parser *parser)
{
    struct http1_head *head = &parser->head;
    struct connection_options options = read_connection(head);
    head->framing = find_framing(parser);
    head->keep_alive = (head->version_minor == 1 || options.keep_alive) && !options.close &&
                       head->framing != HTTP1_UNTIL_CLOSE;
    if (parser->side == HTTP1_REQUEST) {
        head->upgrade =
            options.upgrade && head->version_minor == 1 && http1_head_has(head, HEADER_UPGRADE);
        head->expect_continue = head->version_minor == 1 && head->framing != HTTP1_NO_BODY &&
                                http1_head_has(head, HEADER_EXPECT);
        return;
    }
    head->upgrade = is_tunnel(parser);
    bool declares_body = http1_head_has(head, HEADER_TRANSFER_ENCODING) || head->content_length > 0;
    if (head->upgrade || (head->status == 204 && declares_body))
        head->keep_alive = false;
}

/* The phrase is the one text of a head in which llhttp allows control characters. */
static bool has_control_character(struct text t)
{
    for (size_t i = 0; i < t.length; i++) {
        unsigned char c = (unsigned char)t.data[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return true;
    }
    return false;
}

static enum error check_head(struct http1_parser *parser)
{
    struct http1_head *head = &parser->head;
    if (parser->side == HTTP1_REQUEST) {
        if (!parser->version_seen)
            return fail(parser, ERROR_HTTP_UNSUPPORTED, "the request line has no HTTP version");
        if (head->version_minor == 1 && !http1_head_has(head, HEADER_HOST))
            return fail(parser, ERROR_HTTP_SYNTAX, "an HTTP/1.1 request must have a Host header");
        if (head->authority.length > 0 &&
            !text_equal_ignoring_case(head->authority, http1_head_value(head, HEADER_HOST)))
            return fail(parser, ERROR_HTTP_AMBIGUOUS,
                        "the request target and the Host header name different hosts");
        return ERROR_OK;
    }
    if (head->status < 100 || head->status > 599)
        return fail(parser, ERROR_HTTP_SYNTAX, "the status code is not within 100 and 599");
    if (has_control_character(head->phrase))
        return fail(parser, ERROR_HTTP_SYNTAX, "the reason phrase has a control character");
    return ERROR_OK;
}

static enum error finish_interim(struct http1_parser *parser)
{
    if (parser->interim_seen >= parser->limits->interim_count)
        return fail(parser, ERROR_HTTP_SYNTAX, "there are more interim responses than allowed");
    parser->interim_seen++;
    parser->state = STATE_START;
    if (parser->events->on_interim != NULL)
        obey(parser, parser->events->on_interim(parser->owner, &parser->head));
    return ERROR_OK;
}

static const uint8_t state_after_head[] = {
    [HTTP1_NO_BODY] = STATE_ENDING,
    [HTTP1_CONTENT_LENGTH] = STATE_LENGTH,
    [HTTP1_CHUNKED] = STATE_CHUNKED,
    [HTTP1_UNTIL_CLOSE] = STATE_CLOSE,
};

static enum error finish_head(struct http1_parser *parser)
{
    struct http1_head *head = &parser->head;
    head->headers = parser->fields->headers;
    head->header_count = parser->fields->count;
    enum error error = check_head(parser);
    if (error != ERROR_OK)
        return error;
    derive(parser);
    if (parser->side == HTTP1_RESPONSE && head->status / 100 == 1 && head->status != 101)
        return finish_interim(parser);
    parser->interim_seen = 0;
    parser->body_left = head->content_length;
    parser->state = state_after_head[head->framing];
    obey(parser, parser->events->on_head(parser->owner, head));
    return ERROR_OK;
}

/* ---- a head of the plain kind ---- */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void begin_head(struct http1_parser *parser)
{
    parser->state = STATE_HEAD;
    parser->error = ERROR_OK;
    parser->reason = NULL;
    parser->head = (struct http1_head){0};
    http1_fields_clear(parser->fields);
}

static bool check_plain(struct http1_parser *parser)
{
    const struct http1_fields *fields = parser->fields;
    for (size_t i = 0; i < fields->count; i++) {
        const struct http1_header *header = &fields->headers[i];
        if (check_framing(parser, header->id) != 0 || check_header(parser, header) != 0)
            return false;
        note_present(&parser->head, header->id);
    }
    return true;
}

/* Takes a head that is plain and all there. What is refused is begun again: llhttp says why. */
static bool take_plain(struct http1_parser *parser, struct text bytes, size_t *used)
{
    struct http1_fields *fields = parser->fields;
    size_t length = smaller(bytes.length, smaller(fields->capacity, parser->limits->head_bytes));
    memcpy(fields->bytes, bytes.data, length);
    *used =
        http1_plain_read(parser->side, length, parser->limits->header_count, fields, &parser->head);
    if (*used > 0 && check_plain(parser)) {
        fields->length = *used;
        parser->version_seen = true;
        return true;
    }
    *used = 0;
    begin_head(parser);
    return false;
}

/* ---- one step in each state: what it did with `bytes`, how many it used ---- */

static enum error step_start(struct http1_parser *parser, struct text bytes, size_t *used)
{
    char c = bytes.data[0];
    bool inside_line_end = parser->leading_bytes % 2 != 0;
    if (parser->side == HTTP1_REQUEST && (inside_line_end || c == '\r' || c == '\n')) {
        if (c != (inside_line_end ? '\n' : '\r') || parser->leading_bytes == LEADING_BYTES_LIMIT)
            return fail(parser, ERROR_HTTP_SYNTAX,
                        "something other than a request line came first");
        parser->leading_bytes++;
        *used = 1;
        return ERROR_OK;
    }
    if (parser->side == HTTP1_RESPONSE && c != 'H')
        return fail(parser, ERROR_HTTP_SYNTAX, "the response does not begin with HTTP/1");
    if (parser->fields == NULL && (parser->fields = http1_fields_make()) == NULL)
        return fail(parser, ERROR_MEMORY, "out of memory");
    begin_head(parser);
    if (parser->trailers != NULL)
        http1_fields_clear(parser->trailers);
    parser->leading_bytes = 0;
    parser->extension_seen = 0;
    parser->version_seen = false;
    if (take_plain(parser, bytes, used))
        return finish_head(parser);
    llhttp_init(machine_of(parser), parser->side == HTTP1_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE,
                &settings);
    machine_of(parser)->data = parser;
    return ERROR_OK;
}

/* Copies what fits behind the fields that we have, and lets llhttp read the copy. When they end
 * within it (`ended`), what was copied beyond is given back. */
static enum error read_fields(struct http1_parser *parser, struct http1_fields *fields,
                              size_t limit, struct text bytes, size_t *used, bool *ended)
{
    if (fields->length >= limit) /* a reload may have lowered it meanwhile */
        return fail(parser, ERROR_HTTP_HEAD_TOO_LARGE, "the header fields are larger than allowed");
    if (fields->length == fields->capacity && !http1_fields_grow(fields, &parser->head))
        return fail(parser, ERROR_MEMORY, "out of memory");
    size_t room = smaller(fields->capacity, limit) - fields->length;
    size_t length = smaller(bytes.length, room);
    char *start = fields->bytes + fields->length;
    memcpy(start, bytes.data, length);
    fields->length += length;
    llhttp_t *machine = machine_of(parser);
    llhttp_errno_t number = llhttp_execute(machine, start, length);
    *used = length;
    *ended = number == HPE_PAUSED;
    if (number == HPE_OK)
        return ERROR_OK;
    if (number != HPE_PAUSED)
        return machine_failed(parser, number);
    *used = (size_t)(llhttp_get_error_pos(machine) - start);
    fields->length = (size_t)(start - fields->bytes) + *used;
    llhttp_resume(machine);
    return ERROR_OK;
}

static enum error step_head(struct http1_parser *parser, struct text bytes, size_t *used)
{
    bool ended;
    enum error error =
        read_fields(parser, parser->fields, parser->limits->head_bytes, bytes, used, &ended);
    return error == ERROR_OK && ended ? finish_head(parser) : error;
}

static enum error step_length(struct http1_parser *parser, struct text bytes, size_t *used)
{
    struct text piece = bytes;
    if (parser->body_left < piece.length)
        piece.length = (size_t)parser->body_left;
    parser->body_left -= piece.length;
    if (parser->body_left == 0)
        parser->state = STATE_ENDING;
    *used = piece.length;
    obey(parser, parser->events->on_body(parser->owner, piece));
    return ERROR_OK;
}

static enum error step_chunked(struct http1_parser *parser, struct text bytes, size_t *used)
{
    llhttp_t *machine = machine_of(parser);
    llhttp_errno_t number = llhttp_execute(machine, bytes.data, bytes.length);
    *used = bytes.length;
    if (number == HPE_OK)
        return ERROR_OK;
    if (number != HPE_PAUSED)
        return machine_failed(parser, number);
    *used = (size_t)(llhttp_get_error_pos(machine) - bytes.data);
    llhttp_resume(machine);
    return ERROR_OK;
}

/* Nearly always only an empty line comes here, and is read where it is; memory is for fields. */
static enum error step_trailers(struct http1_parser *parser, struct text bytes, size_t *used)
{
    bool is_line_end = bytes.data[0] == '\r' || bytes.data[0] == '\n';
    if (is_line_end && (parser->trailers == NULL || parser->trailers->length == 0))
        return step_chunked(parser, text_first(bytes, 1), used);
    if (parser->trailers == NULL && (parser->trailers = http1_fields_make()) == NULL)
        return fail(parser, ERROR_MEMORY, "out of memory");
    bool ended;
    return read_fields(parser, parser->trailers, parser->limits->trailer_bytes, bytes, used,
                       &ended);
}

static enum error step_close(struct http1_parser *parser, struct text bytes, size_t *used)
{
    *used = bytes.length;
    obey(parser, parser->events->on_body(parser->owner, bytes));
    return ERROR_OK;
}

/* Uses no bytes. The owner may idle the parser from on_complete, so nothing is touched after it. */
static enum error step_ending(struct http1_parser *parser, struct text bytes, size_t *used)
{
    parser->stop = true;
    parser->state = is_tunnel(parser) ? STATE_TUNNEL : STATE_START;
    struct http1_fields *trailers = parser->trailers;
    if (trailers != NULL && trailers->count > 0 && parser->events->on_trailers != NULL)
        parser->events->on_trailers(parser->owner, trailers->headers, trailers->count);
    parser->events->on_complete(parser->owner);
    return ERROR_OK;
}

static enum error step_tunnel(struct http1_parser *parser, struct text bytes, size_t *used)
{
    parser->stop = true; /* not HTTP any more: nothing is used */
    return ERROR_OK;
}

static enum error step_failed(struct http1_parser *parser, struct text bytes, size_t *used)
{
    return parser->error;
}

typedef enum error (*step)(struct http1_parser *parser, struct text bytes, size_t *used);

static const step steps[] = {
    [STATE_START] = step_start,     [STATE_HEAD] = step_head,         [STATE_LENGTH] = step_length,
    [STATE_CHUNKED] = step_chunked, [STATE_TRAILERS] = step_trailers, [STATE_CLOSE] = step_close,
    [STATE_ENDING] = step_ending,   [STATE_TUNNEL] = step_tunnel,     [STATE_FAILED] = step_failed,
};

/* ---- public ---- */

void http1_parser_open(struct http1_parser *parser, enum http1_side side,
                       const struct http1_limits *limits, const struct http1_events *events,
                       void *owner)
{
    *parser = (struct http1_parser){
        .side = side,
        .state = STATE_START,
        .expected = HTTP1_GET,
        .limits = limits,
        .events = events,
        .owner = owner,
    };
}

void http1_parser_close(struct http1_parser *parser)
{
    http1_fields_free(parser->fields);
    http1_fields_free(parser->trailers);
    *parser = (struct http1_parser){.state = STATE_FAILED, .error = ERROR_CLOSED};
}

void http1_parser_expect(struct http1_parser *parser, enum http1_method method)
{
    ensure(parser->state == STATE_START && parser->side == HTTP1_RESPONSE);
    parser->expected = (uint8_t)method;
}

void http1_parser_idle(struct http1_parser *parser)
{
    ensure(http1_parser_between(parser));
    http1_fields_free(parser->fields);
    http1_fields_free(parser->trailers);
    parser->fields = NULL;
    parser->trailers = NULL;
    parser->head = (struct http1_head){0};
}

bool http1_parser_between(const struct http1_parser *parser)
{
    return parser->state == STATE_START && parser->interim_seen == 0;
}

enum error http1_feed(struct http1_parser *parser, struct text bytes, size_t *consumed)
{
    size_t total = 0;
    parser->stop = false;
    *consumed = 0;
    while (!parser->stop && (total < bytes.length || parser->state == STATE_ENDING)) {
        size_t used = 0;
        enum error error = steps[parser->state](parser, text_from_index(bytes, total), &used);
        if (error != ERROR_OK)
            return error;
        total += used;
        *consumed = total;
    }
    return parser->state == STATE_FAILED ? parser->error : ERROR_OK;
}

enum error http1_end(struct http1_parser *parser)
{
    size_t used = 0;
    if (parser->state == STATE_FAILED)
        return parser->error;
    if (parser->state == STATE_TUNNEL || http1_parser_between(parser))
        return ERROR_OK;
    if (parser->state == STATE_CLOSE || parser->state == STATE_ENDING)
        return step_ending(parser, text_of(NULL, 0), &used);
    return fail(parser, ERROR_HTTP_TRUNCATED, "the connection ended inside a message");
}
