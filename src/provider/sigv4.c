#include "provider/sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "base/number.h"
#include "base/secret.h"
#include "codec/http1.h"

#define ALGORITHM       "AWS4-HMAC-SHA256"
#define SCOPE_END       "/aws4_request"
#define HASH_LENGTH     32u
#define HASH_HEX_LENGTH 64u
/* "20150830T123600Z"; its first eight characters are the date. */
#define STAMP_LENGTH 16u
#define DATE_LENGTH  8u
/* Method, names of the headers (twice), hash. */
#define CANONICAL_OVERHEAD 4096u
/* AWS's own have 40 characters. */
#define SECRET_KEY_MAX 256u

struct header {
    struct text name, value; /* as given */
};

struct parameter {
    size_t name, name_length, value, value_length; /* in `parameters` */
};

/* One signature under construction. */
struct signing {
    const struct sigv4_key *key;
    const struct sigv4_request *request;
    char stamp[STAMP_LENGTH];
    struct header headers[SIGV4_HEADERS_MAX]; /* sorted */
    size_t header_count;
    struct buffer canonical;  /* the canonical request */
    struct buffer names;      /* of the signed headers: "content-type;host" */
    struct buffer parameters; /* encoded, in the order given */
    struct buffer scope;      /* "20150830/us-east-1/service/aws4_request" */
};

static struct text stamp_of(const struct signing *signing)
{
    return text_of(signing->stamp, STAMP_LENGTH);
}

static struct text date_of(const struct signing *signing)
{
    return text_of(signing->stamp, DATE_LENGTH);
}

/* "2015-08-30T12:36:00.…" without what stands between the digits. */
static void make_stamp(uint64_t time, char stamp[STAMP_LENGTH])
{
    char long_form[CLOCK_RFC3339_SIZE];
    size_t length = 0;

    clock_format_rfc3339(time * NANOSECONDS_PER_SECOND, long_form);
    for (const char *at = long_form; *at != '.'; at++)
        if (*at != '-' && *at != ':')
            stamp[length++] = *at;
    stamp[length++] = 'Z';
    ensure(length == STAMP_LENGTH);
}

/* ---- canonical URI and query ---- */

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static void append_encoded(struct buffer *out, struct text t)
{
    for (size_t i = 0; i < t.length; i++) {
        if (is_unreserved(t.data[i]))
            buffer_append_char(out, t.data[i]);
        else
            buffer_append_format(out, "%%%02X", (unsigned char)t.data[i]);
    }
}

/* Decoded and encoded anew, so that each byte stands in the one form that the rule knows. */
static void append_parameter_part(struct buffer *out, struct text t)
{
    for (size_t i = 0; i < t.length; i++) {
        char c = t.data[i];
        if (c == '%' && i + 2 < t.length) {
            int high = number_hex_digit(t.data[i + 1]), low = number_hex_digit(t.data[i + 2]);
            if (high >= 0 && low >= 0) {
                c = (char)(high << 4 | low);
                i += 2;
            }
        }
        append_encoded(out, text_of(&c, 1));
    }
}

/* The path without empty segments, "." and "..", and each segment encoded once more than it is in
 * the request line: "%3A" becomes "%253A". */
static enum error append_path(struct buffer *out, struct text path)
{
    struct text segments[SIGV4_SEGMENTS_MAX], segment = TEXT("");
    size_t count = 0;

    while (path.data != NULL) {
        segment = text_split(&path, '/');
        if (text_equal(segment, TEXT("..")))
            count -= count > 0;
        else if (!text_empty(segment) && !text_equal(segment, TEXT("."))) {
            if (count == SIGV4_SEGMENTS_MAX)
                return ERROR_LIMIT;
            segments[count++] = segment;
        }
    }
    for (size_t i = 0; i < count; i++) {
        buffer_append_char(out, '/');
        append_encoded(out, segments[i]);
    }
    /* What ends in a slash, or in a segment that is left out, names a folder. */
    if (count == 0 || !text_equal(segment, segments[count - 1]))
        buffer_append_char(out, '/');
    return ERROR_OK;
}

static struct text part_of(const struct buffer *bytes, size_t start, size_t length)
{
    return text_first(text_from_index(buffer_text(bytes), start), length);
}

static int compare_parameters(const struct buffer *bytes, const struct parameter *a,
                              const struct parameter *b)
{
    int names = text_compare(part_of(bytes, a->name, a->name_length),
                             part_of(bytes, b->name, b->name_length));

    return names ? names
                 : text_compare(part_of(bytes, a->value, a->value_length),
                                part_of(bytes, b->value, b->value_length));
}

static enum error append_query(struct signing *signing, struct text query)
{
    struct parameter sorted[SIGV4_PARAMETERS_MAX];
    struct buffer *bytes = &signing->parameters;
    size_t count = 0;

    while (!text_empty(query)) {
        struct text value = text_split(&query, '&');
        struct text name = text_split(&value, '=');
        struct parameter added = {.name = bytes->length};
        if (count == SIGV4_PARAMETERS_MAX)
            return ERROR_LIMIT;
        append_parameter_part(bytes, name);
        added.name_length = bytes->length - added.name;
        added.value = bytes->length;
        append_parameter_part(bytes, value);
        added.value_length = bytes->length - added.value;
        if (bytes->failed)
            return ERROR_MEMORY;
        size_t at = count++;
        for (; at > 0 && compare_parameters(bytes, &sorted[at - 1], &added) > 0; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = added;
    }
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_char(&signing->canonical, '&');
        buffer_append(&signing->canonical, part_of(bytes, sorted[i].name, sorted[i].name_length));
        buffer_append_char(&signing->canonical, '=');
        buffer_append(&signing->canonical, part_of(bytes, sorted[i].value, sorted[i].value_length));
    }
    return ERROR_OK;
}

/* ---- canonical headers ---- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static int compare_names(struct text a, struct text b)
{
    for (size_t i = 0; i < a.length && i < b.length; i++)
        if (lower(a.data[i]) != lower(b.data[i]))
            return lower(a.data[i]) - lower(b.data[i]);
    return (a.length > b.length) - (a.length < b.length);
}

/* Headers of one name keep their order. */
static enum error add_header(struct signing *signing, struct text name, struct text value)
{
    struct header *headers = signing->headers;
    size_t at = signing->header_count;

    if (at == SIGV4_HEADERS_MAX)
        return ERROR_LIMIT;
    signing->header_count++;
    for (; at > 0 && compare_names(headers[at - 1].name, name) > 0; at--)
        headers[at] = headers[at - 1];
    headers[at] = (struct header){name, value};
    return ERROR_OK;
}

/* One line; what begins with a space or a tab goes on with the one before (RFC 9112 section 5.2).
 */
static struct text take_line(struct text *rest)
{
    size_t length = 0;

    while (length < rest->length &&
           !(rest->data[length] == '\n' &&
             (length + 1 == rest->length ||
              (rest->data[length + 1] != ' ' && rest->data[length + 1] != '\t'))))
        length++;
    struct text line = text_first(*rest, length);
    *rest = text_from_index(*rest, length + 1);
    return line;
}

static enum error add_headers(struct signing *signing)
{
    struct text rest = signing->request->lines;
    enum error error = add_header(signing, TEXT("host"), signing->request->host);

    if (error == ERROR_OK)
        error = add_header(signing, TEXT("x-amz-date"), stamp_of(signing));
    if (error == ERROR_OK && !text_empty(signing->key->session_token))
        error = add_header(signing, TEXT("x-amz-security-token"), signing->key->session_token);
    while (error == ERROR_OK && !text_empty(rest)) {
        struct text line = take_line(&rest);
        ptrdiff_t colon = text_find_char(line, ':');
        if (colon <= 0)
            return ERROR_SYNTAX;
        error = add_header(signing, text_first(line, (size_t)colon),
                           text_from_index(line, (size_t)colon + 1));
    }
    return error;
}

/* Trimmed, and each run of spaces within as one. */
static void append_value(struct buffer *out, struct text value)
{
    bool space = false, begun = false;

    for (size_t i = 0; i < value.length; i++) {
        char c = value.data[i];
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            space = true;
            continue;
        }
        if (space && begun)
            buffer_append_char(out, ' ');
        buffer_append_char(out, c);
        space = false;
        begun = true;
    }
}

static void append_headers(struct signing *signing)
{
    struct buffer *out = &signing->canonical;

    for (size_t i = 0; i < signing->header_count; i++) {
        const struct header *header = &signing->headers[i];
        bool again = i > 0 && compare_names(header[-1].name, header->name) == 0;
        if (again) {
            buffer_append_char(out, ',');
        } else {
            buffer_append(out, i > 0 ? TEXT("\n") : TEXT(""));
            buffer_append(&signing->names, i > 0 ? TEXT(";") : TEXT(""));
            for (size_t k = 0; k < header->name.length; k++) {
                buffer_append_char(out, lower(header->name.data[k]));
                buffer_append_char(&signing->names, lower(header->name.data[k]));
            }
            buffer_append_char(out, ':');
        }
        append_value(out, header->value);
    }
    buffer_append(out, TEXT("\n\n"));
    buffer_append(out, buffer_text(&signing->names));
}

/* ---- hashes ---- */

static void hash_parts(const struct text *parts, size_t count, unsigned char out[HASH_LENGTH])
{
    EVP_MD_CTX *digest = ensure_memory(EVP_MD_CTX_new());

    ensure(EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1);
    for (size_t i = 0; i < count; i++)
        ensure(EVP_DigestUpdate(digest, parts[i].data, parts[i].length) == 1);
    ensure(EVP_DigestFinal_ex(digest, out, NULL) == 1);
    EVP_MD_CTX_free(digest);
}

static void authenticate(struct text key, struct text message, unsigned char out[HASH_LENGTH])
{
    unsigned length = 0;

    ensure(HMAC(EVP_sha256(), key.data, (int)key.length, (const unsigned char *)message.data,
                message.length, out, &length) != NULL &&
           length == HASH_LENGTH);
}

static struct text write_hex(const unsigned char hash[HASH_LENGTH], char out[HASH_HEX_LENGTH])
{
    for (size_t i = 0; i < HASH_LENGTH; i++) {
        out[2 * i] = "0123456789abcdef"[hash[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[hash[i] & 15];
    }
    return text_of(out, HASH_HEX_LENGTH);
}

static enum error write_canonical(struct signing *signing)
{
    const struct sigv4_request *request = signing->request;
    struct buffer *out = &signing->canonical;
    struct text query = request->target;
    struct text path = text_split(&query, '?');
    unsigned char hash[HASH_LENGTH];
    char hex[HASH_HEX_LENGTH];

    /* In one piece from the start: what is wiped in the end has left no copies. */
    if (buffer_reserve(out, CANONICAL_OVERHEAD + 3 * request->target.length +
                                request->lines.length + request->host.length +
                                signing->key->session_token.length) == NULL)
        return ERROR_LIMIT;
    buffer_append(out, request->method);
    buffer_append_char(out, '\n');
    enum error error = append_path(out, path);
    if (error != ERROR_OK)
        return error;
    buffer_append_char(out, '\n');
    error = append_query(signing, query);
    if (error == ERROR_OK)
        error = add_headers(signing);
    if (error != ERROR_OK)
        return error;
    buffer_append_char(out, '\n');
    append_headers(signing);
    buffer_append_char(out, '\n');
    hash_parts(request->body, request->body_count, hash);
    buffer_append(out, write_hex(hash, hex));
    return out->failed || signing->names.failed ? ERROR_LIMIT : ERROR_OK;
}

/* The key for one day, region and service, made anew each time: four short hashes, which the one
 * of the body outweighs. */
static void make_key(const struct signing *signing, unsigned char out[HASH_LENGTH])
{
    const struct text parts[] = {date_of(signing), signing->request->region,
                                 signing->request->service, TEXT("aws4_request")};
    char secret[sizeof("AWS4") + SECRET_KEY_MAX];
    struct text key = signing->key->secret_key;

    memcpy(secret, "AWS4", 4);
    memcpy(secret + 4, key.data, key.length);
    key = text_of(secret, 4 + key.length);
    for (size_t i = 0; i < ARRAY_LENGTH(parts); i++) {
        unsigned char next[HASH_LENGTH];
        authenticate(key, parts[i], next);
        memcpy(out, next, HASH_LENGTH);
        secret_wipe(next, sizeof(next));
        key = text_of((const char *)out, HASH_LENGTH);
    }
    secret_wipe(secret, sizeof(secret));
}

static enum error write_signature(const struct signing *signing, char hex[HASH_HEX_LENGTH])
{
    const struct text canonical = buffer_text(&signing->canonical);
    unsigned char hash[HASH_LENGTH], key[HASH_LENGTH];
    struct buffer to_sign;

    hash_parts(&canonical, 1, hash);
    buffer_open(&to_sign, SIGV4_CANONICAL_MAX);
    buffer_append(&to_sign, TEXT(ALGORITHM "\n"));
    buffer_append(&to_sign, stamp_of(signing));
    buffer_append_char(&to_sign, '\n');
    buffer_append(&to_sign, buffer_text(&signing->scope));
    buffer_append_char(&to_sign, '\n');
    buffer_append(&to_sign, write_hex(hash, hex));
    enum error error = to_sign.failed ? ERROR_MEMORY : ERROR_OK;
    if (error == ERROR_OK) {
        make_key(signing, key);
        authenticate(text_of((const char *)key, HASH_LENGTH), buffer_text(&to_sign), hash);
        secret_wipe(key, sizeof(key));
        write_hex(hash, hex);
    }
    buffer_close(&to_sign);
    return error;
}

/* ---- the lines ---- */

static enum error append_lines(const struct signing *signing, struct text signature,
                               struct buffer *out)
{
    struct buffer value;

    buffer_open(&value, SIGV4_CANONICAL_MAX);
    buffer_append(&value, TEXT(ALGORITHM " Credential="));
    buffer_append(&value, signing->key->access_key_id);
    buffer_append_char(&value, '/');
    buffer_append(&value, buffer_text(&signing->scope));
    buffer_append(&value, TEXT(", SignedHeaders="));
    buffer_append(&value, buffer_text(&signing->names));
    buffer_append(&value, TEXT(", Signature="));
    buffer_append(&value, signature);
    bool whole =
        !value.failed && http1_append_header(out, TEXT("x-amz-date"), stamp_of(signing)) &&
        (text_empty(signing->key->session_token) ||
         http1_append_header(out, TEXT("x-amz-security-token"), signing->key->session_token)) &&
        http1_append_header(out, TEXT("authorization"), buffer_text(&value));
    buffer_close(&value);
    return whole ? ERROR_OK : ERROR_MEMORY;
}

/* A key that came with a line break from somewhere would write headers of its own. */
static bool is_header_text(struct text t)
{
    for (size_t i = 0; i < t.length; i++)
        if ((unsigned char)t.data[i] <= ' ' || t.data[i] == 0x7f)
            return false;
    return true;
}

static enum error sign(struct signing *signing, struct buffer *out)
{
    const struct sigv4_key *key = signing->key;
    const struct sigv4_request *request = signing->request;
    char hex[HASH_HEX_LENGTH];

    if (text_empty(key->secret_key) || !is_header_text(key->access_key_id) ||
        !is_header_text(key->session_token) || !is_header_text(request->region) ||
        !is_header_text(request->service))
        return ERROR_SYNTAX;
    if (key->secret_key.length > SECRET_KEY_MAX)
        return ERROR_LIMIT;
    make_stamp(request->time, signing->stamp);
    buffer_append(&signing->scope, date_of(signing));
    buffer_append_char(&signing->scope, '/');
    buffer_append(&signing->scope, request->region);
    buffer_append_char(&signing->scope, '/');
    buffer_append(&signing->scope, request->service);
    buffer_append(&signing->scope, TEXT(SCOPE_END));
    if (signing->scope.failed)
        return ERROR_LIMIT;
    enum error error = write_canonical(signing);
    if (error == ERROR_OK)
        error = write_signature(signing, hex);
    if (error == ERROR_OK)
        error = append_lines(signing, text_of(hex, sizeof(hex)), out);
    return error;
}

enum error sigv4_sign(const struct sigv4_key *key, const struct sigv4_request *request,
                      struct buffer *out)
{
    struct signing signing = {.key = key, .request = request};
    struct buffer *buffers[] = {&signing.canonical, &signing.names, &signing.parameters,
                                &signing.scope};

    for (size_t i = 0; i < ARRAY_LENGTH(buffers); i++)
        buffer_open(buffers[i], SIGV4_CANONICAL_MAX);
    enum error error = sign(&signing, out);
    if (signing.canonical.length > 0) /* the session token was in it */
        secret_wipe(signing.canonical.data, signing.canonical.length);
    for (size_t i = 0; i < ARRAY_LENGTH(buffers); i++)
        buffer_close(buffers[i]);
    return error;
}
