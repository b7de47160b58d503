/* gemini: AI Studio's Gemini API, and what it shares with Vertex AI (see gemini.h). */
#include "provider/gemini.h"

#include "base/number.h"
#include "provider/dialect.h"
#include "provider/listing.h"

/* ---- models ---- */

static unsigned take_digits(struct text *rest)
{
    unsigned number = 0;
    while (!text_empty(*rest) && rest->data[0] >= '0' && rest->data[0] <= '9' && number < 10) {
        number = number * 10 + (unsigned)(rest->data[0] - '0');
        *rest = text_from_index(*rest, 1);
    }
    return number;
}

/* "gemini-2.5-pro", "gemini-3-flash-preview", "gemini-4-argon", "gemini-flash-latest". */
static unsigned read_generation(struct text name)
{
    struct text rest = text_from_index(name, TEXT("gemini-").length);
    if (!text_starts_with(name, TEXT("gemini-")))
        return 0;
    unsigned major = take_digits(&rest), minor = 0;
    if (major == 0)
        return text_ends_with(name, TEXT("-latest")) ? GEMINI_NEWEST : 0;
    if (text_starts_with(rest, TEXT("."))) {
        rest = text_from_index(rest, 1);
        minor = take_digits(&rest);
    }
    return major > 9 || minor > 9 ? GEMINI_NEWEST : major * 10 + minor;
}

struct gemini_model gemini_model_read(struct text name)
{
    if (text_starts_with(name, TEXT("models/")))
        name = text_from_index(name, TEXT("models/").length);
    return (struct gemini_model){
        .generation = read_generation(name),
        .pro = text_find(name, TEXT("-pro")) >= 0,
        .paints = text_find(name, TEXT("-image")) >= 0,
        .speaks = text_find(name, TEXT("-tts")) >= 0,
    };
}

/* ---- targets ---- */

/* RFC 3986, section 2.3, and what pins a version ("claude-sonnet-4-5@20250929"). */
static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~' || c == '@';
}

enum error gemini_append_segment(struct native_ask *ask, struct text name)
{
    static const char digits[] = "0123456789ABCDEF";
    if (text_empty(name) || text_equal(name, TEXT(".")) || text_equal(name, TEXT("..")) ||
        text_find_char(name, '/') >= 0)
        return native_refuse(ask, TEXT("model"), "is no name that a model of this provider has");
    for (size_t i = 0; i < name.length; i++) {
        unsigned char byte = (unsigned char)name.data[i];
        if (is_plain(name.data[i])) {
            buffer_append_char(ask->target, name.data[i]);
            continue;
        }
        buffer_append_char(ask->target, '%');
        buffer_append_char(ask->target, digits[byte >> 4]);
        buffer_append_char(ask->target, digits[byte & 15]);
    }
    return ERROR_OK;
}

bool gemini_is_dropped(const struct native_ask *ask, enum conversation_parameter parameter)
{
    for (size_t i = 0; i < ask->call->drop_count; i++)
        if (text_equal(ask->call->drop[i], conversation_parameter_name(parameter)))
            return true;
    return false;
}

/* "/models/NAME:METHOD" behind "/v1beta"; tuned ones have a collection of their own. */
static enum error write_target(struct native_ask *ask, struct text method)
{
    static const struct text collections[] = {TEXT_INIT("models/"), TEXT_INIT("tunedModels/")};
    struct text name = ask->model, collection = collections[0];
    for (size_t i = 0; i < ARRAY_LENGTH(collections); i++)
        if (text_starts_with(name, collections[i])) {
            collection = collections[i];
            name = text_from_index(name, collection.length);
            break;
        }
    buffer_append_char(ask->target, '/');
    buffer_append(ask->target, collection);
    enum error error = gemini_append_segment(ask, name);
    buffer_append_char(ask->target, ':');
    buffer_append(ask->target, method);
    return error;
}

static enum error write_body(struct native_ask *ask)
{
    struct gemini_place place = {.vertex = false, .model = gemini_model_read(ask->model)};
    return gemini_write(ask, &place);
}

static enum error write_chat(struct native_ask *ask)
{
    dialect_write_credential(ask->lines, "x-goog-api-key", "", ask->call->credential);
    /* Without alt=sse a stream is one JSON array, piece by piece. */
    enum error error = write_target(ask, ask->stream ? TEXT("streamGenerateContent?alt=sse")
                                                     : TEXT("generateContent"));
    return error == ERROR_OK ? write_body(ask) : error;
}

/* "models.countTokens": all of the request, which names its model again. */
static enum error write_count(struct native_ask *ask)
{
    struct text name = ask->model;
    bool bare = text_find_char(name, '/') < 0;
    dialect_write_credential(ask->lines, "x-goog-api-key", "", ask->call->credential);
    enum error error = write_target(ask, TEXT("countTokens"));
    if (error == ERROR_OK && bare)
        name = arena_format(ask->arena, "models/%.*s", TEXT_ARG(name));
    if (name.data == NULL)
        error = ERROR_MEMORY;
    if (error != ERROR_OK)
        return error;
    json_begin_object(ask->body);
    json_key(ask->body, TEXT("generateContentRequest"));
    json_begin_object(ask->body);
    json_member_text(ask->body, "model", name);
    error = native_write_members(ask, write_body, NULL);
    json_end_object(ask->body);
    json_end_object(ask->body);
    return error;
}

static enum error write_embeddings(struct native_ask *ask)
{
    dialect_write_credential(ask->lines, "x-goog-api-key", "", ask->call->credential);
    enum error error = write_target(ask, TEXT("batchEmbedContents"));
    return error == ERROR_OK ? gemini_write_embeddings(ask, GEMINI_EMBED_BATCH) : error;
}

/* ---- errors ---- */

/* "34.4s", "0.5s", "3600s": a google.protobuf.Duration. 0 for anything else. */
static uint64_t read_duration(struct text text)
{
    static const uint64_t units[] = {1000000000, 100000000, 10000000, 1000000, 100000,
                                     10000,      1000,      100,      10,      1};
    uint64_t seconds, fraction = 0;
    if (!text_ends_with(text, TEXT("s")))
        return 0;
    struct text rest = text_first(text, text.length - 1), whole = text_split(&rest, '.');
    if (!number_parse_unsigned(whole, &seconds) || seconds > 86400 * 30)
        return 0;
    if (rest.data != NULL && (rest.length > 9 || !number_parse_unsigned(rest, &fraction)))
        return 0;
    return seconds * units[0] + fraction * units[rest.data == NULL ? 0 : rest.length];
}

/* What google.rpc's error details say. */
struct details {
    struct text reason;   /* ErrorInfo */
    uint64_t retry_after; /* RetryInfo */
    bool for_the_day;     /* QuotaFailure: nothing is left today */
};

static bool is_of_the_day(yyjson_val *violations)
{
    yyjson_val *violation;
    size_t index, count;
    yyjson_arr_foreach(violations, index, count, violation)
    {
        struct text quota = TEXT("");
        (void)json_get_text(violation, "quotaId", &quota);
        if (text_find(quota, TEXT("PerDay")) >= 0)
            return true;
    }
    return false;
}

static struct details read_details(yyjson_val *list)
{
    struct details details = {.reason = TEXT("")};
    yyjson_val *entry;
    size_t index, count;
    yyjson_arr_foreach(list, index, count, entry)
    {
        struct text type = TEXT(""), delay = TEXT("");
        (void)json_get_text(entry, "@type", &type);
        if (text_ends_with(type, TEXT("google.rpc.RetryInfo")) &&
            json_get_text(entry, "retryDelay", &delay) == JSON_PRESENT)
            details.retry_after = read_duration(delay);
        else if (text_ends_with(type, TEXT("google.rpc.ErrorInfo")))
            (void)json_get_text(entry, "reason", &details.reason);
        else if (text_ends_with(type, TEXT("google.rpc.QuotaFailure")))
            details.for_the_day |= is_of_the_day(yyjson_obj_get(entry, "violations"));
    }
    return details;
}

static const struct {
    struct text status;
    enum provider_failure failure;
} status_rows[] = {
    {TEXT_INIT("INVALID_ARGUMENT"), PROVIDER_FAILURE_REQUEST},
    {TEXT_INIT("OUT_OF_RANGE"), PROVIDER_FAILURE_REQUEST},
    /* Billing that is off, a region that is not served: the account's, not the caller's. */
    {TEXT_INIT("FAILED_PRECONDITION"), PROVIDER_FAILURE_CREDENTIAL},
    {TEXT_INIT("UNAUTHENTICATED"), PROVIDER_FAILURE_CREDENTIAL},
    {TEXT_INIT("PERMISSION_DENIED"), PROVIDER_FAILURE_CREDENTIAL},
    {TEXT_INIT("NOT_FOUND"), PROVIDER_FAILURE_MODEL},
    {TEXT_INIT("RESOURCE_EXHAUSTED"), PROVIDER_FAILURE_RATE_LIMITED},
    {TEXT_INIT("CANCELLED"), PROVIDER_FAILURE_SERVER},
    {TEXT_INIT("INTERNAL"), PROVIDER_FAILURE_SERVER},
    {TEXT_INIT("UNAVAILABLE"), PROVIDER_FAILURE_SERVER},
    {TEXT_INIT("DEADLINE_EXCEEDED"), PROVIDER_FAILURE_TIMEOUT},
};

/* Keys that are wrong are said with the status of a wrong request. */
static bool is_credential(struct text reason)
{
    return text_starts_with(reason, TEXT("API_KEY_")) ||
           text_starts_with(reason, TEXT("ACCESS_TOKEN_")) ||
           text_equal(reason, TEXT("CREDENTIALS_MISSING"));
}

/* Only the message tells; seen: "The input token count (1200000) exceeds the maximum number of
 * tokens allowed (1048576)." */
static bool is_context(struct text message)
{
    return text_find(message, TEXT("exceeds the maximum number of tokens")) >= 0;
}

void gemini_read_error(struct native_answer *answer, yyjson_val *root, struct native_error *error)
{
    struct text status = TEXT("");
    (void)answer;
    if (yyjson_is_arr(root)) /* where a stream without frames was asked for */
        root = yyjson_arr_get_first(root);
    yyjson_val *said = yyjson_obj_get(root, "error");
    struct details details = read_details(yyjson_obj_get(said, "details"));
    enum provider_failure failure = error->failure;
    (void)json_get_text(said, "status", &status);
    (void)json_get_text(said, "message", &error->message);
    for (size_t i = 0; i < ARRAY_LENGTH(status_rows); i++)
        if (text_equal(status_rows[i].status, status))
            failure = status_rows[i].failure;
    if (is_credential(details.reason))
        failure = PROVIDER_FAILURE_CREDENTIAL;
    else if (failure == PROVIDER_FAILURE_REQUEST && is_context(error->message))
        failure = PROVIDER_FAILURE_CONTEXT_LENGTH;
    else if (failure == PROVIDER_FAILURE_RATE_LIMITED && details.for_the_day)
        failure = PROVIDER_FAILURE_QUOTA;
    if (failure != error->failure)
        native_error_set(error, failure);
    error->retry_after = failure == PROVIDER_FAILURE_QUOTA ? 0 : details.retry_after;
}

/* ---- what it has ---- */

/* "models.list": {"models": [{"name": "models/…"}], "nextPageToken": …}. */
static enum error list_ask(const struct listing_ask *ask)
{
    buffer_append(ask->target, ask->settings->base_path);
    buffer_append(ask->target, TEXT("/models?pageSize=1000"));
    if (!text_empty(ask->page))
        listing_append_parameter(ask->target, "pageToken", ask->page);
    dialect_write_credential(ask->lines, "x-goog-api-key", "", ask->credential);
    return ERROR_OK;
}

/* Pictures and films are made by other methods, which no call here uses. */
static enum error list_read(struct listing *listing, yyjson_val *root)
{
    static const char *const methods[] = {"generateContent", "embedContent", "batchEmbedContents",
                                          NULL};
    static const struct text prefix = TEXT_INIT("models/");
    yyjson_val *rows = yyjson_obj_get(root, "models"), *row;
    size_t index, count;
    if (!yyjson_is_arr(rows)) /* proto3 leaves out what is empty */
        return yyjson_is_obj(root) && rows == NULL ? ERROR_OK : ERROR_SYNTAX;
    yyjson_arr_foreach(rows, index, count, row)
    {
        struct text name = listing_text(row, "name");
        if (text_starts_with(name, prefix))
            name = text_from_index(name, prefix.length);
        if (listing_has_word(yyjson_obj_get(row, "supportedGenerationMethods"), methods))
            listing_add(listing, name, 0);
    }
    listing_set_next(listing, listing_text(root, "nextPageToken"));
    return ERROR_OK;
}

static const struct lister lister = {.ask = list_ask, .read = list_read};

/* ---- the family ---- */

static const struct native gemini = {
    .usage_dialect = TEXT_INIT("gemini"),
    .seal_origin = TEXT_INIT(GEMINI_SEAL_ORIGIN),
    .framing = NATIVE_SSE,
    .understood = GEMINI_UNDERSTOOD,
    .embedding_members = gemini_embedding_members,
    .write_chat = write_chat,
    .write_count = write_count,
    .count_member = "totalTokens",
    .write_embeddings = write_embeddings,
    .read_chat = gemini_read_chat,
    .read_frame = gemini_read_frame,
    .read_embeddings = gemini_read_embeddings,
    .count_usage = gemini_count_usage,
    .read_head = gemini_read_head,
    .read_error = gemini_read_error,
};

extern const struct provider provider_gemini;
const struct provider provider_gemini = {
    .name = TEXT_INIT("gemini"),
    .prepare = native_prepare,
    .answer_open = native_answer_open,
    .native = &gemini,
    .lister = &lister,
};
