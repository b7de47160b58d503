/* A flight is one request; it lies in the sender's list from webhook_send until it has ended.
 * libcurl's multi interface carries them all, and its wake-up ends the wait of the thread. */
#include "control/webhook.h"

#include <curl/curl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/secret.h"
#include "control/fetch_curl.h"

#define SECRET_PREFIX  "whsec_"
#define SECRET_KEY_MAX 1024u /* bytes of a key; the specification has 64 as its most */
#define STATUS_GONE    410

struct flight {
    struct webhook_sender *sender;
    struct flight *next;
    CURL *curl;
    struct curl_slist *fields;
    void *ticket;
    size_t received; /* bytes of the answer, head and body */
    struct buffer url, body;
    char host[WEBHOOK_HOST_SIZE];
    char error[CURL_ERROR_SIZE];
};

struct webhook_sender {
    CURLM *multi;
    webhook_done done;
    void *context;
    struct flight *flights;
    unsigned count;
};

/* ---- ids and signatures ---- */

void webhook_make_id(struct text id, uint64_t created_at, char out[WEBHOOK_ID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[SHA256_DIGEST_LENGTH];
    unsigned int length = 0;
    EVP_MD_CTX *context = ensure_memory(EVP_MD_CTX_new());

    ensure(EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
           EVP_DigestUpdate(context, &created_at, sizeof(created_at)) == 1 &&
           EVP_DigestUpdate(context, id.data, id.length) == 1 &&
           EVP_DigestFinal_ex(context, hash, &length) == 1);
    EVP_MD_CTX_free(context);
    memcpy(out, "msg_", 4);
    for (size_t i = 0; i < (WEBHOOK_ID_SIZE - 5) / 2; i++) {
        out[4 + 2 * i] = digits[hash[i] >> 4];
        out[5 + 2 * i] = digits[hash[i] & 15];
    }
    out[WEBHOOK_ID_SIZE - 1] = 0;
}

/* The bytes to sign with, into `key`; 0 when there are none. */
static size_t read_key(struct text secret, unsigned char key[SECRET_KEY_MAX])
{
    if (!text_starts_with(secret, TEXT(SECRET_PREFIX))) {
        size_t length = secret.length < SECRET_KEY_MAX ? secret.length : SECRET_KEY_MAX;
        memcpy(key, secret.data, length);
        return length;
    }
    struct text encoded = text_from_index(secret, sizeof(SECRET_PREFIX) - 1);
    if (encoded.length == 0 || encoded.length % 4 != 0 || encoded.length / 4 * 3 > SECRET_KEY_MAX)
        return 0;
    size_t padding = 0;
    while (padding < 2 && encoded.data[encoded.length - 1 - padding] == '=')
        padding++;
    int decoded = EVP_DecodeBlock(key, (const unsigned char *)encoded.data, (int)encoded.length);
    return decoded < 0 ? 0 : (size_t)decoded - padding;
}

bool webhook_sign(struct text secret, struct text id, uint64_t timestamp, struct text body,
                  char out[WEBHOOK_SIGNATURE_SIZE])
{
    unsigned char key[SECRET_KEY_MAX], mac[SHA256_DIGEST_LENGTH];
    unsigned int mac_length = 0;
    size_t length = text_empty(secret) ? 0 : read_key(secret, key);
    struct buffer content;

    if (length == 0)
        return false;
    buffer_open(&content, id.length + body.length + 32);
    buffer_append(&content, id);
    buffer_append_char(&content, '.');
    buffer_append_unsigned(&content, timestamp);
    buffer_append_char(&content, '.');
    bool good = buffer_append(&content, body) &&
                HMAC(EVP_sha256(), key, (int)length, (const unsigned char *)content.data,
                     content.length, mac, &mac_length) != NULL;
    buffer_close(&content);
    secret_wipe(key, sizeof(key));
    memcpy(out, "v1,", 3);
    if (good)
        (void)EVP_EncodeBlock((unsigned char *)out + 3, mac, sizeof(mac));
    return good;
}

/* ---- URLs ---- */

/* A part of the URL as a string to be freed by curl_free; NULL when it has none. */
static char *take_part(CURLU *url, CURLUPart part, unsigned flags)
{
    char *out = NULL;

    return curl_url_get(url, part, &out, flags) == CURLUE_OK ? out : NULL;
}

void webhook_show_host(struct text url, char out[WEBHOOK_HOST_SIZE])
{
    CURLU *parsed = ensure_memory(curl_url());
    char *whole = text_duplicate(url);
    bool good = curl_url_set(parsed, CURLUPART_URL, whole, 0) == CURLUE_OK;
    char *scheme = good ? take_part(parsed, CURLUPART_SCHEME, 0) : NULL;
    char *host = good ? take_part(parsed, CURLUPART_HOST, 0) : NULL;
    char *port = good ? take_part(parsed, CURLUPART_PORT, 0) : NULL;

    if (scheme && host)
        (void)snprintf(out, WEBHOOK_HOST_SIZE, "%s://%s%s%s", scheme, host, port ? ":" : "",
                       port ? port : "");
    else
        (void)snprintf(out, WEBHOOK_HOST_SIZE, "(no URL)");
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parsed);
    secret_wipe(whole, url.length);
    free(whole);
}

/* ---- one request ---- */

/* Counts what comes and keeps nothing; less than what was given breaks the answer off. */
static size_t take_answer(char *bytes, size_t size, size_t count, void *context)
{
    struct flight *flight = context;

    (void)bytes;
    flight->received += size * count;
    return flight->received > WEBHOOK_ANSWER_MAX ? 0 : size * count;
}

static bool add_field(struct flight *flight, const char *name, const char *value)
{
    char line[256];

    ensure((size_t)snprintf(line, sizeof(line), "%s: %s", name, value) < sizeof(line));
    struct curl_slist *fields = curl_slist_append(flight->fields, line);
    if (!fields)
        return false;
    flight->fields = fields;
    return true;
}

static bool add_fields(struct flight *flight, const struct webhook_request *request,
                       const char *signature)
{
    char id[WEBHOOK_ID_SIZE], timestamp[24];

    (void)text_copy_to(request->id, id, sizeof(id));
    (void)snprintf(timestamp, sizeof(timestamp), "%llu", (unsigned long long)request->timestamp);
    /* An empty Expect keeps libcurl from waiting for a "100 Continue". */
    struct curl_slist *fields = curl_slist_append(NULL, "Expect:");
    flight->fields = fields;
    return fields && add_field(flight, "Content-Type", "application/json") &&
           add_field(flight, "webhook-id", id) &&
           add_field(flight, "webhook-timestamp", timestamp) &&
           (!signature || add_field(flight, "webhook-signature", signature));
}

static bool set_options(struct flight *flight)
{
    CURL *curl = flight->curl;

    fetch_set_proxy(curl, buffer_text(&flight->url));
    fetch_set_trust(curl);
    (void)curl_easy_setopt(curl, CURLOPT_PRIVATE, flight);
    (void)curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, flight->error);
    (void)curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    /* Else the end of a request waits for a name server that does not answer. */
    (void)curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)WEBHOOK_TIMEOUT_SECONDS);
    (void)curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)WEBHOOK_CONNECT_TIMEOUT_SECONDS);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, flight);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_answer);
    (void)curl_easy_setopt(curl, CURLOPT_HEADERDATA, flight);
    (void)curl_easy_setopt(curl, CURLOPT_USERAGENT, "Turnpike/" TURNPIKE_VERSION);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, flight->fields);
    (void)curl_easy_setopt(curl, CURLOPT_POST, 1L);
    (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDS, flight->body.data);
    (void)curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)flight->body.length);
    return curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_URL, flight->url.data) == CURLE_OK;
}

static void free_flight(struct flight *flight)
{
    curl_easy_cleanup(flight->curl);
    curl_slist_free_all(flight->fields);
    if (flight->url.data)
        secret_wipe(flight->url.data, flight->url.capacity);
    buffer_close(&flight->url);
    buffer_close(&flight->body);
    free(flight);
}

static struct flight *make_flight(struct webhook_sender *sender,
                                  const struct webhook_request *request, const char *signature)
{
    struct flight *flight = calloc(1, sizeof(*flight));

    if (!flight)
        return NULL;
    flight->sender = sender;
    buffer_open(&flight->url, request->url.length + 1);
    buffer_open(&flight->body, request->body.length + 1);
    flight->curl = curl_easy_init();
    webhook_show_host(request->url, flight->host);
    if (flight->curl && buffer_append(&flight->url, request->url) &&
        buffer_append_char(&flight->url, 0) && buffer_append(&flight->body, request->body) &&
        add_fields(flight, request, signature) && set_options(flight))
        return flight;
    free_flight(flight);
    return NULL;
}

enum error webhook_send(struct webhook_sender *sender, const struct webhook_request *request,
                        void *ticket, char problem[WEBHOOK_PROBLEM_SIZE])
{
    char signature[WEBHOOK_SIGNATURE_SIZE];
    bool is_signed = !text_empty(request->secret);

    problem[0] = 0;
    if (sender->count >= WEBHOOK_FLIGHTS_MAX)
        return ERROR_LIMIT;
    if (!text_starts_with(request->url, TEXT("https://")) &&
        !text_starts_with(request->url, TEXT("http://"))) {
        (void)snprintf(problem, WEBHOOK_PROBLEM_SIZE,
                       "its URL does not begin with https:// or http://");
        return ERROR_ARGUMENT;
    }
    if (is_signed &&
        !webhook_sign(request->secret, request->id, request->timestamp, request->body, signature)) {
        (void)snprintf(problem, WEBHOOK_PROBLEM_SIZE,
                       "its secret begins with whsec_, and what follows is not base64");
        return ERROR_ARGUMENT;
    }
    struct flight *flight = make_flight(sender, request, is_signed ? signature : NULL);
    if (!flight)
        return ERROR_MEMORY;
    if (curl_multi_add_handle(sender->multi, flight->curl) != CURLM_OK) {
        free_flight(flight);
        return ERROR_MEMORY;
    }
    flight->ticket = ticket;
    flight->next = sender->flights;
    sender->flights = flight;
    sender->count++;
    return ERROR_OK;
}

/* ---- how it went ---- */

static void judge_status(const struct flight *flight, long status, struct webhook_outcome *outcome)
{
    curl_off_t seconds = 0;

    outcome->delivered = status >= 200 && status < 300;
    if (outcome->delivered)
        return;
    outcome->gone = status == STATUS_GONE;
    outcome->whole_receiver = status == 429 || status >= 500;
    if (curl_easy_getinfo(flight->curl, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK && seconds > 0)
        outcome->retry_after = (uint64_t)seconds < WEBHOOK_RETRY_AFTER_MAX / NANOSECONDS_PER_SECOND
                                   ? (uint64_t)seconds * NANOSECONDS_PER_SECOND
                                   : WEBHOOK_RETRY_AFTER_MAX;
    (void)snprintf(outcome->problem, WEBHOOK_PROBLEM_SIZE, "%s answered %ld%s", flight->host,
                   status,
                   status >= 300 && status < 400
                       ? ", a redirect, which is not followed: write the new URL into the "
                         "configuration"
                       : "");
}

/* Only these have more to say that holds no part of the URL but its host. */
static bool has_safe_words(CURLcode code)
{
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_COULDNT_CONNECT ||
           code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY;
}

static void judge(const struct flight *flight, CURLcode code, struct webhook_outcome *outcome)
{
    long status = 0;
    bool cut = (code == CURLE_WRITE_ERROR && flight->received > WEBHOOK_ANSWER_MAX) ||
               code == CURLE_OPERATION_TIMEDOUT; /* its status has come, the rest does not matter */

    *outcome = (struct webhook_outcome){0};
    (void)curl_easy_getinfo(flight->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 200 && (code == CURLE_OK || cut)) {
        judge_status(flight, status, outcome);
        return;
    }
    outcome->whole_receiver = true;
    (void)snprintf(outcome->problem, WEBHOOK_PROBLEM_SIZE, "%s: %s", flight->host,
                   flight->error[0] && has_safe_words(code) ? flight->error
                                                            : curl_easy_strerror(code));
}

static void end_flight(struct webhook_sender *sender, struct flight *flight)
{
    struct flight **link = &sender->flights;

    while (*link != flight)
        link = &(*link)->next;
    *link = flight->next;
    sender->count--;
    (void)curl_multi_remove_handle(sender->multi, flight->curl);
    free_flight(flight);
}

static void take_ended(struct webhook_sender *sender)
{
    struct webhook_outcome outcome;
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(sender->multi, &left)) != NULL) {
        char *owner = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        ensure(curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner) == CURLE_OK);
        struct flight *flight = (struct flight *)(void *)owner;
        void *ticket = flight->ticket;
        judge(flight, message->data.result, &outcome);
        end_flight(sender, flight);
        sender->done(sender->context, ticket, &outcome);
    }
}

void webhook_turn(struct webhook_sender *sender, unsigned milliseconds)
{
    int running;

    (void)curl_multi_perform(sender->multi, &running);
    take_ended(sender);
    (void)curl_multi_poll(sender->multi, NULL, 0, (int)milliseconds, NULL);
    (void)curl_multi_perform(sender->multi, &running);
    take_ended(sender);
}

void webhook_wake(struct webhook_sender *sender)
{
    (void)curl_multi_wakeup(sender->multi);
}

/* ---- the sender ---- */

enum error webhook_sender_create(webhook_done done, void *context, struct webhook_sender **out)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return ERROR_SYSTEM;
    struct webhook_sender *sender = calloc(1, sizeof(*sender));
    CURLM *multi = curl_multi_init();
    if (!sender || !multi) {
        (void)curl_multi_cleanup(multi);
        free(sender);
        curl_global_cleanup();
        return ERROR_MEMORY;
    }
    sender->multi = multi;
    sender->done = done;
    sender->context = context;
    *out = sender;
    return ERROR_OK;
}

void webhook_sender_destroy(struct webhook_sender *sender)
{
    if (!sender)
        return;
    while (sender->flights)
        end_flight(sender, sender->flights);
    (void)curl_multi_cleanup(sender->multi);
    free(sender);
    curl_global_cleanup();
}
