/* bedrock: models of many makers behind one API of AWS.
 *
 * Chat and responses go through Converse and ConverseStream, which are the same for all models but
 * for what bedrock_models.c says; embeddings through InvokeModel, in the model's own words. Source:
 * Amazon Bedrock API reference, Runtime. */
#include "base/number.h"
#include "provider/bedrock_parts.h"
#include "provider/dialect.h"
#include "provider/sigv4.h"

/* Of header lines that are signed: content type, metadata, what the configuration adds. */
#define SIGNED_LINES_MAX (16u << 10)

struct bedrock_state *bedrock_state_make(struct native_ask *ask)
{
    struct bedrock_state *state = arena_take_zeroed(ask->arena, sizeof *state);
    if (state == NULL)
        return NULL;
    state->input_tokens = -1;
    state->model = bedrock_model_find(ask->model);
    if (bedrock_is(state->model, BEDROCK_CLAUDE))
        state->claude = anthropic_model_find(ask->model);
    ask->state = state;
    return state;
}

/* RFC 3986 section 2.3, unreserved; all else is encoded, `:` and `/` of ARNs too. */
static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void bedrock_write_target(struct native_ask *ask, const char *operation)
{
    static const char digits[] = "0123456789ABCDEF";
    struct buffer *target = ask->target;
    buffer_append(target, TEXT("/model/"));
    for (size_t i = 0; i < ask->model.length; i++) {
        unsigned char c = (unsigned char)ask->model.data[i];
        if (is_unreserved((char)c)) {
            buffer_append_char(target, (char)c);
            continue;
        }
        const char encoded[] = {'%', digits[c >> 4], digits[c & 15]};
        buffer_append(target, text_of(encoded, sizeof encoded));
    }
    buffer_append_char(target, '/');
    buffer_append(target, text_from(operation));
}

static void read_head(struct native_answer *answer, const struct http1_head *head)
{
    struct bedrock_state *state = answer->state;
    const struct http1_header *name = http1_head_find_name(head, TEXT("x-amzn-errortype"));
    const struct http1_header *tokens =
        http1_head_find_name(head, TEXT("x-amzn-bedrock-input-token-count"));
    if (name != NULL)
        state->exception = arena_copy(answer->arena, name->value);
    if (tokens != NULL && !number_parse_signed(tokens->value, &state->input_tokens))
        state->input_tokens = -1;
}

/* What else a proxy on the way may change is not signed. */
static bool is_signed(struct text line)
{
    struct text name = text_split(&line, ':');
    return text_equal_ignoring_case(name, TEXT("content-type")) ||
           text_equal_ignoring_case(text_first(name, sizeof("x-amz") - 1), TEXT("x-amz"));
}

static void pick_signed(const struct buffer *lines, struct buffer *out)
{
    struct text rest = buffer_text(lines);
    while (!text_empty(rest)) {
        struct text line = text_split(&rest, '\n');
        if (!is_signed(line))
            continue;
        buffer_append(out, line);
        buffer_append_char(out, '\n');
    }
}

static struct text exposed(const struct secret *secret)
{
    return secret == NULL ? text_of(NULL, 0) : secret_expose(secret);
}

enum error bedrock_sign(const struct bedrock_signing *signing, struct buffer *out)
{
    const struct provider_credential *credential = signing->credential;
    if (credential->access_key_id == NULL) {
        /* An API key of Bedrock's. */
        dialect_write_credential(out, "authorization", "Bearer ", credential);
        return out->failed ? ERROR_MEMORY : ERROR_OK;
    }
    struct buffer lines;
    buffer_open(&lines, SIGNED_LINES_MAX);
    pick_signed(out, &lines);
    const struct sigv4_key key = {
        .access_key_id = exposed(credential->access_key_id),
        .secret_key = exposed(credential->secret_access_key),
        .session_token = exposed(credential->session_token),
    };
    const struct sigv4_request request = {
        .method = signing->method,
        .host = signing->host,
        .target = signing->target,
        .lines = buffer_text(&lines),
        .body = &signing->body,
        .body_count = 1,
        .region = signing->region,
        .service = TEXT("bedrock"),
        .time = (uint64_t)signing->now,
    };
    enum error error = lines.failed ? ERROR_MEMORY : sigv4_sign(&key, &request, out);
    buffer_close(&lines);
    return error;
}

static enum error sign(struct native_ask *ask, struct text target, struct text body)
{
    const struct provider_settings *settings = ask->call->settings;
    return bedrock_sign(
        &(struct bedrock_signing){
            .credential = ask->call->credential,
            .method = TEXT("POST"),
            .host = settings->host,
            .target = target,
            .body = body,
            .region = settings->region,
            .now = ask->call->now,
        },
        ask->lines);
}

static const struct native bedrock = {
    .usage_dialect = TEXT_INIT("bedrock"),
    /* Only Claude seals its reasoning, and its signatures hold on every host. */
    .seal_origin = TEXT_INIT("anthropic"),
    .framing = NATIVE_EVENT_STREAM,
    .request_id = TEXT_INIT("x-amzn-requestid"),
    .understood = BEDROCK_UNDERSTOOD,
    .embedding_members = bedrock_embedding_members,
    .write_chat = bedrock_write_chat,
    .write_count = bedrock_write_count,
    .count_member = "inputTokens",
    .write_embeddings = bedrock_write_embeddings,
    .sign = sign,
    .read_chat = bedrock_read_chat,
    .read_frame = bedrock_read_frame,
    .read_embeddings = bedrock_read_embeddings,
    .count_usage = bedrock_count_usage,
    .read_head = read_head,
    .read_error = bedrock_read_error,
};

extern const struct provider provider_bedrock;
const struct provider provider_bedrock = {
    .name = TEXT_INIT("bedrock"),
    .prepare = native_prepare,
    .answer_open = native_answer_open,
    .native = &bedrock,
    .lister = &bedrock_lister,
};
