#include "control/issuer_shelf.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "codec/json.h"
#include "control/config_versions.h"
#include "control/issuer_source.h"

#define PATH_MAX_BYTES CONFIG_VERSIONS_PATH
/* A set with each byte escaped, and what stands beside it. */
#define FILE_MAX  (6u * ISSUER_DOCUMENT_MAX + 8192u)
#define READ_STEP 65536u
/* A clock that is set back by more than this has lost what it fetched. */
#define AHEAD_MAX (600 * NANOSECONDS_PER_SECOND)

bool issuer_shelf_keeps(const struct config_issuer *issuer)
{
    return text_empty(issuer->jwks_file);
}

/* By a hash: issuers are URLs, and names in the configuration may change. */
static bool name_file(const char *data, const struct config_issuer *issuer,
                      char path[PATH_MAX_BYTES])
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *digest = ensure_memory(EVP_MD_CTX_new());
    const char separator = '\n';

    ensure(EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
           EVP_DigestUpdate(digest, issuer->terms.issuer.data, issuer->terms.issuer.length) == 1 &&
           EVP_DigestUpdate(digest, &separator, 1) == 1 &&
           EVP_DigestUpdate(digest, issuer->jwks_url.data, issuer->jwks_url.length) == 1 &&
           EVP_DigestFinal_ex(digest, hash, NULL) == 1);
    EVP_MD_CTX_free(digest);
    int length = snprintf(
        path, PATH_MAX_BYTES, "%s/" ISSUER_SHELF_DIRECTORY "/%02x%02x%02x%02x%02x%02x%02x%02x.json",
        data, hash[0], hash[1], hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]);
    return length > 0 && (size_t)length < PATH_MAX_BYTES;
}

static enum error make_directory(const char *data)
{
    char path[PATH_MAX_BYTES];
    int length = snprintf(path, sizeof path, "%s/" ISSUER_SHELF_DIRECTORY, data);

    if (length <= 0 || (size_t)length >= sizeof path)
        return ERROR_ARGUMENT;
    return mkdir(path, 0700) == 0 || errno == EEXIST ? ERROR_OK : error_from_errno(errno);
}

enum error issuer_shelf_write(const char *data, const struct config_issuer *issuer,
                              struct text keys, uint64_t fetched_at)
{
    char path[PATH_MAX_BYTES];
    struct buffer file;
    struct json_writer json;

    if (!name_file(data, issuer, path))
        return ERROR_ARGUMENT;
    enum error error = make_directory(data);
    if (error)
        return error;
    buffer_open(&file, FILE_MAX);
    json_open(&json, &file);
    json_begin_object(&json);
    json_member_text(&json, "issuer", issuer->terms.issuer);
    json_member_text(&json, "jwks_url", issuer->jwks_url);
    json_member_unsigned(&json, "fetched_at", fetched_at);
    json_member_text(&json, "keys", keys);
    json_end_object(&json);
    error = json_done(&json) ? config_versions_replace_file(path, buffer_text(&file), 0600)
                             : ERROR_LIMIT;
    buffer_close(&file);
    return error;
}

static enum error read_file(const char *path, struct buffer *out)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t got = 1;

    if (file < 0)
        return errno == ENOENT ? ERROR_NOT_FOUND : error_from_errno(errno);
    while (got > 0) {
        char *room = buffer_reserve(out, READ_STEP);
        got = room ? read(file, room, READ_STEP) : -1;
        out->length += got > 0 ? (size_t)got : 0;
    }
    close(file);
    return got < 0 ? ERROR_CORRUPT : ERROR_OK;
}

static struct text member(yyjson_val *root, const char *name)
{
    yyjson_val *value = yyjson_obj_get(root, name);

    return text_of(yyjson_get_str(value), yyjson_get_len(value));
}

static enum error take(yyjson_val *root, const struct config_issuer *issuer, uint64_t wall,
                       struct buffer *keys, uint64_t *fetched_at)
{
    struct text set = member(root, "keys");

    *fetched_at = yyjson_get_uint(yyjson_obj_get(root, "fetched_at"));
    if (!text_equal(member(root, "issuer"), issuer->terms.issuer) || text_empty(set) ||
        *fetched_at == 0 || *fetched_at > wall + AHEAD_MAX)
        return ERROR_CORRUPT;
    return buffer_append(keys, set) ? ERROR_OK : ERROR_CORRUPT;
}

enum error issuer_shelf_read(const char *data, const struct config_issuer *issuer, uint64_t wall,
                             struct buffer *keys, uint64_t *fetched_at)
{
    char path[PATH_MAX_BYTES];
    struct buffer file;

    buffer_open(keys, ISSUER_DOCUMENT_MAX);
    if (!name_file(data, issuer, path))
        return ERROR_NOT_FOUND;
    buffer_open(&file, FILE_MAX + READ_STEP);
    enum error error = read_file(path, &file);
    yyjson_doc *document = error ? NULL : yyjson_read(file.data, file.length, 0);
    if (!error)
        error = take(yyjson_doc_get_root(document), issuer, wall, keys, fetched_at);
    yyjson_doc_free(document);
    buffer_close(&file);
    return error;
}
