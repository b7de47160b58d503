#include "control/credential_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "base/number.h"
#include "control/credential_parts.h"

/* No token lives longer; who says so has another unit in mind. */
#define LIFETIME_MAX_SECONDS (366ull * 86400)

enum error source_fail(struct token_source *source, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(source->problem, CREDENTIAL_PROBLEM_SIZE, format, arguments);
    va_end(arguments);
    return ERROR_ARGUMENT;
}

struct text source_variable(const char *name)
{
    return text_from(getenv(name));
}

struct text source_first(struct text a, struct text b)
{
    return text_empty(a) ? b : a;
}

/* ---- files and buffers ---- */

static enum error open_still(struct token_source *source, struct buffer *buffer, size_t size)
{
    buffer_open(buffer, size + YYJSON_PADDING_SIZE);
    if (buffer_reserve(buffer, buffer->maximum))
        return ERROR_OK;
    (void)source_fail(source, "memory is short");
    return ERROR_MEMORY;
}

enum error source_open_body(struct token_source *source, struct buffer *body)
{
    return open_still(source, body, SOURCE_BODY_MAX);
}

void source_forget(struct buffer *buffer)
{
    if (buffer->data)
        secret_wipe(buffer->data, buffer->capacity);
    buffer_close(buffer);
}

struct text source_trim(const struct buffer *file)
{
    struct text bytes = buffer_text(file);

    while (bytes.length > 0 && (unsigned char)bytes.data[bytes.length - 1] <= ' ')
        bytes.length--;
    return bytes;
}

enum error source_read_file(struct token_source *source, struct text path, struct buffer *out)
{
    enum error error = open_still(source, out, SOURCE_FILE_MAX);
    char *name = text_duplicate(path);
    int file = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = file < 0 ? -1 : 1;

    while (error == ERROR_OK && got > 0 && out->length <= SOURCE_FILE_MAX) {
        got = read(file, out->data + out->length, SOURCE_FILE_MAX + 1 - out->length);
        out->length += got > 0 ? (size_t)got : 0;
    }
    if (error == ERROR_OK && got < 0)
        error = source_fail(source, "file %.300s cannot be read: %s", name, strerror(errno));
    else if (error == ERROR_OK && out->length > SOURCE_FILE_MAX)
        error =
            source_fail(source, "file %.300s is larger than %u KiB", name, SOURCE_FILE_MAX >> 10);
    if (file >= 0)
        close(file);
    free(name);
    return error;
}

yyjson_doc *source_parse(struct buffer *file)
{
    memset(file->data + file->length, 0, YYJSON_PADDING_SIZE);
    return yyjson_read_opts(file->data, file->length, YYJSON_READ_INSITU, NULL, NULL);
}

/* ---- answers ---- */

struct text source_member(yyjson_val *object, const char *name)
{
    yyjson_val *value = yyjson_obj_get(object, name);

    return text_of(yyjson_get_str(value), yyjson_get_len(value));
}

/* A server's words, as far as they are plain. */
static void copy_words(struct text words, char out[SOURCE_WORDS_MAX + 1])
{
    size_t length = 0;

    for (; length < words.length && length < SOURCE_WORDS_MAX; length++) {
        char c = words.data[length];
        out[length] = (unsigned char)c >= ' ' && (unsigned char)c < 0x7f ? c : ' ';
    }
    out[length] = 0;
}

/* OAuth's {"error": "invalid_grant", "error_description": …}, Google's {"error": {"message": …}}.
 */
static enum error refuse_status(struct token_source *source, struct text url, unsigned status,
                                yyjson_val *root)
{
    char host[FETCH_HOST_SIZE], code[SOURCE_WORDS_MAX + 1], words[SOURCE_WORDS_MAX + 1];
    yyjson_val *error = yyjson_obj_get(root, "error");
    struct text message =
        source_first(source_member(root, "error_description"),
                     source_first(source_member(error, "message"), source_member(root, "message")));

    fetch_show_host(url, host);
    copy_words(source_first(source_member(root, "error"), source_member(error, "status")), code);
    copy_words(message, words);
    return source_fail(source, "%s answered %u%s%s%s%s", host, status, code[0] ? " " : "", code,
                       words[0] ? ": " : "", words);
}

enum error source_ask(struct token_source *source, const struct fetch_request *request,
                      struct fetch_answer *answer, yyjson_val **root)
{
    char host[FETCH_HOST_SIZE];
    struct fetch_request asked = *request;

    asked.stop = source->request->stop;
    *root = NULL;
    enum error error = fetch(&asked, answer, source->problem);
    if (error != ERROR_OK)
        return error;
    *root = fetch_parse(answer);
    if (answer->status != 200)
        return refuse_status(source, request->url, answer->status, *root);
    if (*root)
        return ERROR_OK;
    fetch_show_host(request->url, host);
    return source_fail(source, "%s answered what is no JSON object", host);
}

enum error source_post_form(struct token_source *source, struct text url, const struct buffer *form,
                            struct fetch_answer *answer, yyjson_val **root)
{
    struct fetch_request request = {
        .method = "POST",
        .url = url,
        .fields = {{"Content-Type", TEXT_INIT("application/x-www-form-urlencoded")}},
        .body = buffer_text(form),
    };

    if (form->failed) {
        *answer = (struct fetch_answer){0};
        (void)source_fail(source, "the request would be larger than %u KiB", SOURCE_BODY_MAX >> 10);
        return ERROR_LIMIT;
    }
    return source_ask(source, &request, answer, root);
}

enum error source_make_bearer(struct token_source *source, struct text bytes, uint64_t expires,
                              struct pool_token **token)
{
    for (size_t i = 0; i < bytes.length; i++)
        if ((unsigned char)bytes.data[i] <= ' ' || (unsigned char)bytes.data[i] >= 0x7f)
            return source_fail(source, "the token holds a character that no token has");
    if (text_empty(bytes))
        return source_fail(source, "the answer has no token");
    *token = ensure_memory(calloc(1, sizeof(**token)));
    (*token)->credential.bearer = true;
    (*token)->credential.secret = secret_make(bytes);
    (*token)->expires = expires;
    if ((*token)->credential.secret)
        return ERROR_OK;
    pool_token_free(*token);
    *token = NULL;
    (void)source_fail(source, "memory is short");
    return ERROR_MEMORY;
}

/* A number, also as text (Azure's metadata server). */
static bool read_number(yyjson_val *value, uint64_t *number)
{
    if (yyjson_is_uint(value)) {
        *number = yyjson_get_uint(value);
        return true;
    }
    return yyjson_is_str(value) &&
           number_parse_unsigned(text_of(yyjson_get_str(value), yyjson_get_len(value)), number);
}

enum error source_read_token(struct token_source *source, yyjson_val *root,
                             struct pool_token **token)
{
    uint64_t now = source->request->wall / NANOSECONDS_PER_SECOND, lifetime = 0, until = 0;

    if (!read_number(yyjson_obj_get(root, "expires_in"), &lifetime) &&
        read_number(yyjson_obj_get(root, "expires_on"), &until) && until > now)
        lifetime = until - now;
    if (text_empty(source_member(root, "access_token")))
        return source_fail(source, "the answer has no access_token");
    if (lifetime == 0 || lifetime > LIFETIME_MAX_SECONDS)
        return source_fail(source, "the answer does not say for how long the token holds");
    return source_make_bearer(source, source_member(root, "access_token"),
                              source->request->wall + lifetime * NANOSECONDS_PER_SECOND, token);
}

/* ---- the kinds ---- */

static enum error source_api_key(struct token_source *source, struct pool_token **token)
{
    enum error error =
        source_make_bearer(source, secret_expose(source->request->definition->api_key), 0, token);

    if (error == ERROR_OK)
        (*token)->credential.bearer = false; /* the family knows where its keys go */
    return error;
}

enum error credential_fetch(const struct credential_request *request, struct pool_token **token,
                            char problem[CREDENTIAL_PROBLEM_SIZE])
{
    static enum error (*const kinds[])(struct token_source *, struct pool_token **) = {
        [CONFIG_CREDENTIAL_API_KEY] = source_api_key,
        [CONFIG_CREDENTIAL_GOOGLE] = source_google,
        [CONFIG_CREDENTIAL_AZURE] = source_azure,
        [CONFIG_CREDENTIAL_AWS] = source_aws,
    };
    struct token_source source = {.request = request, .problem = problem};

    *token = NULL;
    problem[0] = 0;
    return kinds[request->definition->kind](&source, token);
}
