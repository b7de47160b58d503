#include "app/doctor_http.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "base/secret.h"
#include "control/fetch_curl.h"

#define CONNECT_SECONDS 8L /* a handshake over a slow line takes two */
#define HEAD_MAX        65536u

/* ------------------------------------------------------------------ the certificate */

static void write_name(const X509_NAME *name, char *out, size_t size)
{
    BIO *memory = BIO_new(BIO_s_mem());
    char *bytes = NULL;
    ensure_memory(memory);
    (void)X509_NAME_print_ex(memory, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    long length = BIO_get_mem_data(memory, &bytes);
    (void)text_copy_to(text_of(bytes, length > 0 ? (size_t)length : 0), out, size);
    BIO_free(memory);
}

static void append_name(char out[DOCTOR_HTTP_NAMES_SIZE], struct text name)
{
    size_t used = strlen(out);
    (void)snprintf(out + used, DOCTOR_HTTP_NAMES_SIZE - used, "%s%.*s", used ? ", " : "",
                   TEXT_ARG(name));
}

/* Its subject alternative names (RFC 6125): the common name counts no more. */
static void write_names(const X509 *certificate, char out[DOCTOR_HTTP_NAMES_SIZE])
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    out[0] = '\0';
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        int type;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
        const char *bytes = (const char *)ASN1_STRING_get0_data(value);
        size_t length = (size_t)ASN1_STRING_length(value);
        if (type == GEN_DNS)
            append_name(out, text_of(bytes, length));
        if (type == GEN_IPADD && length == 4) {
            char address[16];
            const unsigned char *b = (const unsigned char *)bytes;
            (void)snprintf(address, sizeof address, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
            append_name(out, text_from(address));
        }
    }
    GENERAL_NAMES_free(names);
}

static int64_t seconds_of(const ASN1_TIME *time)
{
    struct tm parts;
    return ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
}

/* Where a struct doctor_call hangs at libcurl's SSL_CTX. */
static int context_index = -1;

/* Of each certificate, from the root's side down; notes the first error and the server's own. */
static int look_at_certificate(int good, X509_STORE_CTX *store)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct doctor_call *call = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), context_index);
    struct doctor_certificate *seen = &call->certificate;
    const X509 *current = X509_STORE_CTX_get_current_cert(store);
    bool own = X509_STORE_CTX_get_error_depth(store) == 0;
    if (current != NULL && own && !seen->seen) {
        seen->seen = true;
        write_names(current, seen->names);
        seen->not_after = seconds_of(X509_get0_notAfter(current));
    }
    if (current != NULL && seen->error == 0 && (!good || own)) {
        write_name(X509_get_subject_name(current), seen->subject, sizeof seen->subject);
        write_name(X509_get_issuer_name(current), seen->issuer, sizeof seen->issuer);
    }
    if (!good && seen->error == 0) {
        seen->error = X509_STORE_CTX_get_error(store);
        (void)text_copy_to(text_from(X509_verify_cert_error_string(seen->error)), seen->error_text,
                           sizeof seen->error_text);
    }
    return good || call->unverified;
}

static CURLcode prepare_context(CURL *curl, void *context, void *owner)
{
    if (context_index < 0)
        context_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    if (context_index < 0 || SSL_CTX_set_ex_data(context, context_index, owner) != 1)
        return CURLE_OUT_OF_MEMORY;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, look_at_certificate);
    return CURLE_OK;
}

/* ------------------------------------------------------------------ the call */

void doctor_call_open(struct doctor_call *call)
{
    *call = (struct doctor_call){
        .curl = ensure_memory(curl_easy_init()), .method = "GET", .proxy = "", .seconds = 15};
    buffer_open(&call->head, HEAD_MAX);
    buffer_open(&call->answer, DOCTOR_HTTP_BODY_MAX);
}

void doctor_call_close(struct doctor_call *call)
{
    curl_easy_cleanup(call->curl);
    buffer_close(&call->head);
    buffer_close(&call->answer);
}

static size_t take_head(char *bytes, size_t size, size_t count, void *owner)
{
    struct doctor_call *call = owner;
    struct text line = text_of(bytes, size * count);
    /* Of several heads (a proxy's, an interim one) the last counts. */
    if (text_starts_with(line, TEXT("HTTP/")))
        buffer_clear(&call->head);
    buffer_append(&call->head, line);
    return size * count;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *owner)
{
    struct doctor_call *call = owner;
    uint64_t now = clock_monotonic() - call->began;
    if (call->piece_count == 0)
        call->first_byte = now;
    if (call->piece_count < DOCTOR_HTTP_PIECES_MAX) {
        call->piece_ends[call->piece_count] = call->answer.length + size * count;
        call->piece_times[call->piece_count++] = now;
    }
    return buffer_append(&call->answer, text_of(bytes, size * count)) ? size * count : 0;
}

/* Adds `name` ("Authorization: Bearer ") and the value, whole, however long: a token cut short is
 * refused as another's fault. Wiped, but for libcurl's copy. */
static struct curl_slist *append_secret_field(struct curl_slist *fields, const char *name,
                                              struct text value)
{
    size_t size = strlen(name) + value.length + 1;
    char *line = ensure_memory(malloc(size));
    (void)snprintf(line, size, "%s%.*s", name, TEXT_ARG(value));
    fields = ensure_memory(curl_slist_append(fields, line));
    secret_wipe(line, size);
    free(line);
    return fields;
}

static struct curl_slist *make_fields(const struct doctor_call *call)
{
    struct curl_slist *fields = curl_slist_append(NULL, "Expect:");
    for (size_t i = 0; i < call->field_count; i++)
        fields = curl_slist_append(fields, call->fields[i]);
    if (call->body.length > 0)
        fields = curl_slist_append(fields, "Content-Type: application/json");
    if (call->key != NULL)
        fields = append_secret_field(fields, "Authorization: Bearer ", text_from(call->key));
    return fields;
}

static void forget_fields(struct curl_slist *fields)
{
    for (struct curl_slist *field = fields; field; field = field->next)
        secret_wipe(field->data, strlen(field->data));
    curl_slist_free_all(fields);
}

static struct curl_slist *make_proxy_fields(const struct doctor_call *call)
{
    if (text_empty(call->proxy_authorization))
        return NULL;
    return append_secret_field(NULL, "Proxy-Authorization: ", call->proxy_authorization);
}

static void set_options(struct doctor_call *call, const struct curl_slist *fields,
                        const struct curl_slist *proxy_fields)
{
    CURL *curl = call->curl;
    curl_easy_reset(curl);
    fetch_set_trust(curl);
    if (call->authority)
        (void)curl_easy_setopt(curl, CURLOPT_CAINFO, call->authority);
    if (call->own_certificate) {
        (void)curl_easy_setopt(curl, CURLOPT_SSLCERT, call->own_certificate);
        (void)curl_easy_setopt(curl, CURLOPT_SSLKEY,
                               call->own_key ? call->own_key : call->own_certificate);
    }
    if (call->unverified)
        (void)curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    (void)curl_easy_setopt(curl, CURLOPT_URL, call->url);
    (void)curl_easy_setopt(curl, CURLOPT_PROXY, call->proxy);
    (void)curl_easy_setopt(curl, CURLOPT_NOPROXY, "");
    (void)curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, call->problem);
    (void)curl_easy_setopt(curl, CURLOPT_USERAGENT, "turnpike-doctor/" TURNPIKE_VERSION);
    (void)curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, fields);
    (void)curl_easy_setopt(curl, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
    (void)curl_easy_setopt(curl, CURLOPT_PROXYHEADER, proxy_fields);
    (void)curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_head);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, call);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, call);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, call->seconds);
    if (call->compressed)
        (void)curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
    (void)curl_easy_setopt(curl, CURLOPT_CONNECT_ONLY, call->connect_only ? 1L : 0L);
    (void)curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, prepare_context);
    (void)curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, call);
    if (call->body.length > 0) {
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->body.data);
        (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)call->body.length);
    }
}

bool doctor_call_run(struct doctor_call *call)
{
    struct curl_slist *fields = make_fields(call), *proxy_fields = make_proxy_fields(call);
    buffer_clear(&call->head);
    buffer_clear(&call->answer);
    call->piece_count = 0;
    call->status = call->new_connections = 0;
    call->first_byte = 0;
    call->problem[0] = '\0';
    call->certificate = (struct doctor_certificate){0};
    set_options(call, fields, proxy_fields);
    call->began = clock_monotonic();
    call->code = curl_easy_perform(call->curl);
    call->total = clock_monotonic() - call->began;
    ERR_clear_error();
    (void)curl_easy_getinfo(call->curl, CURLINFO_RESPONSE_CODE, &call->status);
    (void)curl_easy_getinfo(call->curl, CURLINFO_NUM_CONNECTS, &call->new_connections);
    if (call->problem[0] == '\0' && call->code != CURLE_OK)
        (void)text_copy_to(text_from(curl_easy_strerror(call->code)), call->problem,
                           sizeof call->problem);
    forget_fields(fields);
    forget_fields(proxy_fields);
    return call->code == CURLE_OK;
}

struct text doctor_call_field(const struct doctor_call *call, const char *name)
{
    struct text rest = buffer_text(&call->head), found = {NULL, 0};
    while (!text_empty(rest)) {
        struct text line = text_split(&rest, '\n');
        struct text value = line, field = text_split(&value, ':');
        if (value.data == NULL || !text_equal_ignoring_case(field, text_from(name)))
            continue;
        if (text_ends_with(value, TEXT("\r")))
            value.length--;
        found = text_trim(value);
    }
    return found;
}
