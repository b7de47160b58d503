/* How a request is written for an upstream of OpenAI's dialect. */
#include "provider/dialect.h"

#include "codec/traceparent.h"
#include "openai/bounds.h"
#include "provider/quirks.h"

/* Headers of a caller that stay here, beside the hop-by-hop ones. */
static const bool kept_back[HEADER_COUNT] = {
    /* The gateway writes these itself. */
    [HEADER_HOST] = true,
    [HEADER_CONTENT_LENGTH] = true,
    /* Usage is read in passing, which a content coding would prevent. */
    [HEADER_ACCEPT_ENCODING] = true,
    /* Credentials are for the gateway, not for the provider. */
    [HEADER_AUTHORIZATION] = true,
    [HEADER_API_KEY] = true,
    [HEADER_X_API_KEY] = true,
    [HEADER_X_GOOG_API_KEY] = true,
    [HEADER_X_AMZ_SECURITY_TOKEN] = true,
    [HEADER_COOKIE] = true,
    /* Who pays is not the caller's word. */
    [HEADER_OPENAI_ORGANIZATION] = true,
    [HEADER_OPENAI_PROJECT] = true,
    /* Where a call comes from is nobody's business behind the gate. */
    [HEADER_X_FORWARDED_FOR] = true,
    [HEADER_X_FORWARDED_HOST] = true,
    [HEADER_X_FORWARDED_PROTO] = true,
    [HEADER_X_FORWARDED_PORT] = true,
    [HEADER_FORWARDED] = true,
    [HEADER_X_REAL_IP] = true,
    [HEADER_VIA] = true,
    [HEADER_ORIGIN] = true,
    [HEADER_REFERER] = true,
    /* The gateway's own id is the one that counts, and it is not the provider's. */
    [HEADER_X_REQUEST_ID] = true,
};

/* Most headers differ from the prefix in their first letter. */
static bool starts_with_ignoring_case(struct text t, struct text prefix)
{
    return !text_empty(t) && (t.data[0] | 0x20) == prefix.data[0] &&
           text_equal_ignoring_case(text_first(t, prefix.length), prefix);
}

bool dialect_is_own_header(struct text name)
{
    return starts_with_ignoring_case(name, TEXT("x-turnpike-"));
}

struct text dialect_nominations(const struct http1_head *head)
{
    struct text connection = http1_head_value(head, HEADER_CONNECTION);
    if (text_equal_ignoring_case(connection, TEXT("keep-alive")) ||
        text_equal_ignoring_case(connection, TEXT("close")))
        return (struct text){NULL, 0}; /* nominates nothing that is not known anyway */
    return connection;
}

bool dialect_is_nominated(struct text nominations, struct text name)
{
    struct text member;
    while (http1_list_next(&nominations, &member))
        if (text_equal_ignoring_case(member, name))
            return true;
    return false;
}

bool dialect_has_line(struct text lines, struct text name)
{
    while (!text_empty(lines)) {
        ptrdiff_t colon = text_find_char(lines, ':'), end = text_find_char(lines, '\n');
        if (colon >= 0 && text_equal_ignoring_case(text_first(lines, (size_t)colon), name))
            return true;
        lines = text_from_index(lines, end < 0 ? lines.length : (size_t)end + 1);
    }
    return false;
}

/* The longest name of the table has fewer bytes. */
#define KNOWN_NAME_MAXIMUM 64u

/* "Content_Length": servers that hand headers on as variables (CGI, WSGI) take '_' for '-', and
 * would find a second header of a name whose first is the gateway's. */
static bool looks_like_known(struct text name)
{
    char bytes[KNOWN_NAME_MAXIMUM];

    if (name.length > sizeof bytes || text_find_char(name, '_') < 0)
        return false;
    for (size_t i = 0; i < name.length; i++)
        bytes[i] = name.data[i] == '_' ? '-' : name.data[i];
    struct text dashed = text_of(bytes, name.length);
    return header_find(dashed) != HEADER_OTHER || dialect_is_own_header(dashed) ||
           starts_with_ignoring_case(dashed, TEXT("x-forwarded-"));
}

static bool may_pass(const struct http1_header *header, struct text connection,
                     struct text replacements)
{
    if (header->id != HEADER_OTHER && (kept_back[header->id] || header_is_hop_by_hop(header->id)))
        return false;
    if (header->id == HEADER_OTHER && looks_like_known(header->name))
        return false;
    if (dialect_is_own_header(header->name) ||
        starts_with_ignoring_case(header->name, TEXT("x-forwarded-")) ||
        dialect_has_line(replacements, header->name))
        return false;
    /* A malformed one is to be taken for none (W3C Trace Context, section 4.3). */
    if (header->id == HEADER_TRACEPARENT && !traceparent_parse(header->value, NULL))
        return false;
    return !dialect_is_nominated(connection, header->name);
}

static struct text make_target(const struct provider_call *call)
{
    struct text base = call->settings->base_path, path = call->match->path,
                query = call->match->query;
    size_t length = base.length + path.length + (text_empty(query) ? 0 : 1 + query.length);
    char *bytes = arena_take(call->arena, length + 1);
    if (bytes == NULL)
        return (struct text){NULL, 0};
    char *at = bytes;
    if (base.length > 0)
        at = (char *)mempcpy(at, base.data, base.length);
    at = (char *)mempcpy(at, path.data, path.length);
    if (!text_empty(query)) {
        *at++ = '?';
        at = (char *)mempcpy(at, query.data, query.length);
    }
    *at = '\0';
    return text_of(bytes, length);
}

static bool streams_with_usage_option(const struct endpoint *endpoint)
{
    return endpoint->kind == ENDPOINT_CHAT || endpoint->kind == ENDPOINT_COMPLETIONS;
}

static enum error make_edits(const struct provider_call *call, struct provider_request *request)
{
    const struct envelope *envelope = call->envelope;
    if (envelope == NULL)
        return ERROR_OK;
    request->expects_stream = envelope->stream;
    if (!text_empty(call->model) && envelope->model.data != NULL &&
        !text_equal(call->model, envelope->model)) {
        enum error error = envelope_set_model(envelope, call->model, &request->edits);
        if (error != ERROR_OK)
            return error;
    }
    if (call->output_limit > 0) {
        enum error error = bounds_clamp(envelope, call->match->endpoint->kind, call->output_limit,
                                        call->arena, &request->edits);
        if (error != ERROR_OK)
            return error;
    }
    if (envelope->stream && !envelope->include_usage &&
        !quirks_have(call->settings->quirks, QUIRK_NO_STREAM_OPTIONS) &&
        streams_with_usage_option(call->match->endpoint)) {
        envelope_ask_usage(envelope, &request->edits);
        request->usage_asked = true;
    }
    return ERROR_OK;
}

enum error dialect_prepare(const struct provider_call *call, struct buffer *lines,
                           struct provider_request *request)
{
    const struct http1_head *head = call->head;
    struct text connection = dialect_nominations(head);
    request->target = make_target(call);
    if (request->target.data == NULL)
        return ERROR_MEMORY;
    for (size_t i = 0; i < head->header_count; i++)
        if (may_pass(&head->headers[i], connection, call->settings->extra_lines))
            http1_append_parsed_header(lines, &head->headers[i]);
    buffer_append(lines, TEXT("accept-encoding: identity\r\n"));
    buffer_append(lines, call->settings->extra_lines);
    enum error error = make_edits(call, request);
    return error == ERROR_OK ? quirks_edit(call, request) : error;
}

void dialect_write_credential(struct buffer *lines, const char *name, const char *prefix,
                              const struct provider_credential *credential)
{
    if (credential->secret == NULL) {
        /* A key that signs, where nothing is signed: rather no call than one without credential. */
        lines->failed |= credential->access_key_id != NULL;
        return;
    }
    /* A secret with a line break in it would write headers of its own. */
    struct text value = secret_expose(credential->secret);
    for (size_t i = 0; i < value.length; i++)
        if ((unsigned char)value.data[i] < 0x20 || value.data[i] == 0x7f) {
            lines->failed = true;
            return;
        }
    buffer_append(lines, text_from(credential->bearer ? "authorization" : name));
    buffer_append(lines, TEXT(": "));
    buffer_append(lines, text_from(credential->bearer ? "Bearer " : prefix));
    buffer_append(lines, value);
    buffer_append(lines, TEXT("\r\n"));
}
