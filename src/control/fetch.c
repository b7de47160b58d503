#include "control/fetch.h"

#include "base/ensure.h"
#include "base/secret.h"
#include "config/endpoint.h"
#include "control/fetch_curl.h"
#include "control/webhook.h"

_Static_assert(FETCH_HOST_SIZE == WEBHOOK_HOST_SIZE, "one writes for the other");

static const char *variable(const char *lower, const char *upper)
{
    const char *value = getenv(lower);

    if (!value)
        value = getenv(upper);
    return value ? value : "";
}

void fetch_set_proxy(CURL *curl, struct text url)
{
    bool tls = text_starts_with(url, TEXT("https:"));
    const char *proxy =
        tls ? variable("https_proxy", "HTTPS_PROXY") : variable("http_proxy", "HTTP_PROXY");

    (void)curl_easy_setopt(curl, CURLOPT_PROXY, proxy);
    (void)curl_easy_setopt(curl, CURLOPT_NOPROXY, variable("no_proxy", "NO_PROXY"));
}

void fetch_set_trust(CURL *curl)
{
    const char *file = getenv("SSL_CERT_FILE");
    const char *folder = getenv("SSL_CERT_DIR");

    if (file && file[0])
        (void)curl_easy_setopt(curl, CURLOPT_CAINFO, file);
    if (folder && folder[0])
        (void)curl_easy_setopt(curl, CURLOPT_CAPATH, folder);
    (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    (void)curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

void fetch_show_host(struct text url, char out[FETCH_HOST_SIZE])
{
    webhook_show_host(url, out);
}

bool fetch_is_safe(struct text url)
{
    struct config_endpoint endpoint;
    struct arena arena;

    arena_open(&arena, NULL, 65536);
    /* Whom it goes to decides, and endpoint_parse knows base URLs alone. */
    struct text query = url, rest = text_split(&query, '?');
    ptrdiff_t behind = text_find(rest, TEXT("://"));
    size_t host = behind < 0 ? 0 : (size_t)behind + sizeof("://") - 1;
    ptrdiff_t path = text_find_char(text_from_index(rest, host), '/');
    struct text base = path < 0 ? rest : text_first(rest, host + (size_t)path);
    bool safe =
        endpoint_parse(base, &arena, &endpoint) == NULL && endpoint.port != 0 &&
        (endpoint.tls || endpoint_is_local(endpoint.host) || endpoint_is_metadata(endpoint.host));
    arena_close(&arena);
    return safe;
}

void fetch_append_form(struct buffer *out, const char *name, struct text value)
{
    static const char digits[] = "0123456789ABCDEF";

    if (out->length > 0)
        buffer_append_char(out, '&');
    buffer_append(out, text_from(name));
    buffer_append_char(out, '=');
    for (size_t i = 0; i < value.length; i++) {
        unsigned char c = (unsigned char)value.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '.' || c == '_' || c == '~';
        const char encoded[] = {'%', digits[c >> 4], digits[c & 15]};
        buffer_append(out, plain ? text_of(&value.data[i], 1) : text_of(encoded, 3));
    }
}

/* ---- one request ---- */

struct call {
    CURL *curl;
    struct curl_slist *fields;
    const struct fetch_request *request;
    struct fetch_answer *answer;
    bool too_large;
    char error[CURL_ERROR_SIZE];
};

static size_t take_answer(char *bytes, size_t size, size_t count, void *context)
{
    struct call *call = context;
    struct buffer *body = &call->answer->body;

    if (size * count > body->maximum - YYJSON_PADDING_SIZE - body->length) {
        call->too_large = true;
        return 0;
    }
    return buffer_append(body, text_of(bytes, size * count)) ? size * count : 0;
}

static int look_for_stop(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct call *call = context;

    (void)a, (void)b, (void)c, (void)d;
    return call->request->stop && __atomic_load_n(call->request->stop, __ATOMIC_RELAXED);
}

static bool add_line(struct call *call, struct text line)
{
    char *copy = text_duplicate(line);
    struct curl_slist *fields = curl_slist_append(call->fields, copy);

    secret_wipe(copy, line.length);
    free(copy);
    if (fields)
        call->fields = fields;
    return fields != NULL;
}

static bool has_control_character(struct text t)
{
    for (size_t i = 0; i < t.length; i++)
        if ((unsigned char)t.data[i] < ' ' || t.data[i] == 0x7f)
            return true;
    return false;
}

static bool add_fields(struct call *call)
{
    const struct fetch_request *request = call->request;
    struct text rest = request->lines;
    /* An empty Expect keeps libcurl from waiting for a "100 Continue". */
    bool good = add_line(call, TEXT("Expect:"));

    for (size_t i = 0; good && i < FETCH_FIELDS_MAX && request->fields[i].name; i++) {
        const struct fetch_field *field = &request->fields[i];
        struct buffer line;
        buffer_open(&line, FETCH_ANSWER_MAX);
        good = !has_control_character(field->value) &&
               buffer_append_format(&line, "%s: %.*s", field->name, TEXT_ARG(field->value)) &&
               add_line(call, buffer_text(&line));
        if (line.data)
            secret_wipe(line.data, line.capacity);
        buffer_close(&line);
    }
    while (good && !text_empty(rest)) {
        struct text line = text_split(&rest, '\n');
        good = line.length > 1 && add_line(call, text_first(line, line.length - 1));
    }
    return good;
}

static void forget_fields(struct call *call)
{
    for (struct curl_slist *field = call->fields; field; field = field->next)
        secret_wipe(field->data, strlen(field->data));
    curl_slist_free_all(call->fields);
}

static bool set_options(struct call *call, const char *url)
{
    const struct fetch_request *request = call->request;
    CURL *curl = call->curl;
    unsigned timeout =
        request->metadata ? FETCH_METADATA_TIMEOUT_MILLISECONDS : FETCH_TIMEOUT_MILLISECONDS;

    if (request->metadata)
        (void)curl_easy_setopt(curl, CURLOPT_PROXY, "");
    else
        fetch_set_proxy(curl, request->url);
    fetch_set_trust(curl);
    if (request->authority) {
        (void)curl_easy_setopt(curl, CURLOPT_CAINFO, request->authority);
        (void)curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    }
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, call->error);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)timeout);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, call);
    (void)curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_for_stop);
    (void)curl_easy_setopt(curl, CURLOPT_XFERINFODATA, call);
    (void)curl_easy_setopt(curl, CURLOPT_USERAGENT, "Turnpike/" TURNPIKE_VERSION);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, call->fields);
    (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    if (request->body.length > 0) {
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.data);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.length);
    }
    return curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK;
}

/* Only these have more to say that holds no part of the URL but its host. */
static bool has_safe_words(CURLcode code)
{
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_COULDNT_CONNECT ||
           code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY;
}

static enum error perform(struct call *call, const char *host, char problem[FETCH_PROBLEM_SIZE])
{
    long status = 0;
    CURLcode code = curl_easy_perform(call->curl);

    if (call->too_large) {
        (void)snprintf(problem, FETCH_PROBLEM_SIZE, "%s answered more than %u KiB", host,
                       FETCH_ANSWER_MAX >> 10);
        return ERROR_LIMIT;
    }
    if (code != CURLE_OK) {
        (void)snprintf(problem, FETCH_PROBLEM_SIZE, "%s: %.200s", host,
                       call->error[0] && has_safe_words(code) ? call->error
                                                              : curl_easy_strerror(code));
        return code == CURLE_OPERATION_TIMEDOUT ? ERROR_TIMEOUT_TOTAL : ERROR_UNREACHABLE;
    }
    (void)curl_easy_getinfo(call->curl, CURLINFO_RESPONSE_CODE, &status);
    call->answer->status = (unsigned)status;
    return ERROR_OK;
}

enum error fetch(const struct fetch_request *request, struct fetch_answer *answer,
                 char problem[FETCH_PROBLEM_SIZE])
{
    struct call call = {.request = request, .answer = answer};
    char host[FETCH_HOST_SIZE], url[FETCH_URL_MAX];
    enum error error = ERROR_MEMORY;

    *answer = (struct fetch_answer){0};
    buffer_open(&answer->body, FETCH_ANSWER_MAX + YYJSON_PADDING_SIZE);
    if (!text_copy_to(request->url, url, sizeof(url)) || !fetch_is_safe(request->url)) {
        (void)snprintf(problem, FETCH_PROBLEM_SIZE,
                       "a URL is not to be asked: it is none, too long, or would have credentials "
                       "travel in clear");
        return ERROR_ARGUMENT;
    }
    fetch_show_host(request->url, host);
    call.curl = curl_easy_init();
    if (call.curl && buffer_reserve(&answer->body, answer->body.maximum) && add_fields(&call) &&
        set_options(&call, url))
        error = perform(&call, host, problem);
    else
        (void)snprintf(problem, FETCH_PROBLEM_SIZE, "%s: the request could not be made", host);
    curl_easy_cleanup(call.curl);
    forget_fields(&call);
    secret_wipe(url, sizeof(url));
    return error;
}

void fetch_close(struct fetch_answer *answer)
{
    yyjson_doc_free(answer->document);
    if (answer->body.data)
        secret_wipe(answer->body.data, answer->body.capacity);
    buffer_close(&answer->body);
    answer->document = NULL;
}

/* In place, so that no copy of a token is left behind. */
yyjson_val *fetch_parse(struct fetch_answer *answer)
{
    struct buffer *body = &answer->body;

    ensure(!answer->document && body->capacity >= body->length + YYJSON_PADDING_SIZE);
    memset(body->data + body->length, 0, YYJSON_PADDING_SIZE);
    answer->document = yyjson_read_opts(body->data, body->length, YYJSON_READ_INSITU, NULL, NULL);
    yyjson_val *root = yyjson_doc_get_root(answer->document);
    return yyjson_is_obj(root) ? root : NULL;
}
