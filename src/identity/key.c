#include "identity/key.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <zlib.h>

#include "base/ensure.h"
#include "base/identifier.h"

#define HASHED_LENGTH (KEY_TEXT_LENGTH - KEY_CHECKSUM_LENGTH)
#define SECRET_START  (KEY_PREFIX_LENGTH + KEY_ID_LENGTH + 1)
/* A foreign key's first bytes that may be shown: "sk-p", "Bear", "AIza" tell what was sent, and
 * give away nothing. */
#define FOREIGN_VISIBLE 4u

static const struct text caller_prefix = TEXT_INIT(KEY_PREFIX);
static const struct text admin_prefix = TEXT_INIT(KEY_ADMIN_PREFIX);

static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
static const char base36[] = "0123456789abcdefghijklmnopqrstuvwxyz";

/* Fetching costs more than hashing 49 bytes does, so it is done once for the life of the process.
 */
static EVP_MD *sha256;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static void fetch_sha256(void)
{
    sha256 = ensure_memory(EVP_MD_fetch(NULL, "SHA256", NULL));
}

static bool is_base36(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
}

static bool is_base62(char c)
{
    return is_base36(c) || (c >= 'A' && c <= 'Z');
}

/* `length` digits, each equally likely: bytes beyond the last whole multiple are drawn again. */
static void random_digits(const char *digits, unsigned base, size_t length, char *out)
{
    const unsigned fair = 256 / base * base;
    uint8_t bytes[64];
    size_t made = 0;
    while (made < length) {
        random_bytes(bytes, sizeof bytes);
        for (size_t i = 0; i < sizeof bytes && made < length; i++) {
            if (bytes[i] < fair)
                out[made++] = digits[bytes[i] % base];
        }
    }
    secret_wipe(bytes, sizeof bytes);
}

static void write_checksum(const char *key, char out[KEY_CHECKSUM_LENGTH])
{
    unsigned long crc = crc32_z(0, (const unsigned char *)key, HASHED_LENGTH);
    for (size_t i = KEY_CHECKSUM_LENGTH; i > 0; i--) {
        out[i - 1] = base62[crc % 62];
        crc /= 62;
    }
}

void key_make_id(char out[KEY_ID_LENGTH])
{
    random_digits(base36, 36, KEY_ID_LENGTH, out);
}

bool key_id_is_valid(struct text id)
{
    if (id.length != KEY_ID_LENGTH)
        return false;
    for (size_t i = 0; i < id.length; i++) {
        if (!is_base36(id.data[i]))
            return false;
    }
    return true;
}

static enum error make(struct text prefix, struct text id, struct secret **key)
{
    char text[KEY_TEXT_LENGTH];
    ensure(key_id_is_valid(id));
    memcpy(text, prefix.data, KEY_PREFIX_LENGTH);
    memcpy(text + KEY_PREFIX_LENGTH, id.data, KEY_ID_LENGTH);
    text[SECRET_START - 1] = '_';
    random_digits(base62, 62, KEY_SECRET_LENGTH, text + SECRET_START);
    write_checksum(text, text + HASHED_LENGTH);
    *key = secret_make(text_of(text, sizeof text));
    secret_wipe(text, sizeof text);
    return *key == NULL ? ERROR_MEMORY : ERROR_OK;
}

enum error key_make(struct text id, struct secret **key)
{
    return make(caller_prefix, id, key);
}

enum error key_make_admin(struct text id, struct secret **key)
{
    return make(admin_prefix, id, key);
}

struct text key_id(struct text key)
{
    ensure(key.length == KEY_TEXT_LENGTH);
    return text_of(key.data + KEY_PREFIX_LENGTH, KEY_ID_LENGTH);
}

/* What follows the prefix. */
static enum key_syntax parse_rest(struct text key, struct text *id)
{
    if (key.length != KEY_TEXT_LENGTH || key.data[SECRET_START - 1] != '_' ||
        !key_id_is_valid(key_id(key)))
        return KEY_SYNTAX_MALFORMED;
    for (size_t i = SECRET_START; i < KEY_TEXT_LENGTH; i++) {
        if (!is_base62(key.data[i]))
            return KEY_SYNTAX_MALFORMED;
    }
    char checksum[KEY_CHECKSUM_LENGTH];
    write_checksum(key.data, checksum);
    /* Not secret: anybody can compute it. */
    if (memcmp(checksum, key.data + HASHED_LENGTH, sizeof checksum) != 0)
        return KEY_SYNTAX_CHECKSUM;
    *id = key_id(key);
    return KEY_SYNTAX_OK;
}

enum key_syntax key_parse(struct text key, struct text *id)
{
    if (text_empty(key))
        return KEY_SYNTAX_MISSING;
    if (text_starts_with(key, admin_prefix))
        return KEY_SYNTAX_ADMIN;
    return text_starts_with(key, caller_prefix) ? parse_rest(key, id) : KEY_SYNTAX_NOT_OURS;
}

enum key_syntax key_parse_admin(struct text key, struct text *id)
{
    if (text_empty(key))
        return KEY_SYNTAX_MISSING;
    if (text_starts_with(key, caller_prefix))
        return KEY_SYNTAX_CALLER;
    return text_starts_with(key, admin_prefix) ? parse_rest(key, id) : KEY_SYNTAX_NOT_OURS;
}

void key_compute_hash(struct text key, struct key_hash *out)
{
    ensure(key.length == KEY_TEXT_LENGTH);
    ensure(pthread_once(&sha256_once, fetch_sha256) == 0);
    unsigned length = 0;
    ensure(EVP_Digest(key.data, HASHED_LENGTH, out->bytes, &length, sha256, NULL) == 1);
    ensure(length == KEY_HASH_SIZE);
}

bool key_hash_equal(const struct key_hash *a, const struct key_hash *b)
{
    uint64_t differences = 0;
    for (size_t i = 0; i < KEY_HASH_SIZE; i += sizeof(uint64_t)) {
        uint64_t left, right;
        memcpy(&left, a->bytes + i, sizeof left);
        memcpy(&right, b->bytes + i, sizeof right);
        differences |= left ^ right;
    }
    return differences == 0;
}

struct text key_from_authorization(struct text value)
{
    struct text rest = text_trim(value);
    struct text scheme = text_split(&rest, ' ');
    if (!text_equal_ignoring_case(scheme, TEXT("Bearer")))
        return text_of(NULL, 0);
    return text_trim(rest);
}

struct text key_visible_part(struct text key)
{
    if (text_starts_with(key, caller_prefix) || text_starts_with(key, admin_prefix)) {
        size_t length = KEY_PREFIX_LENGTH;
        while (length < key.length && length < SECRET_START - 1 && is_base36(key.data[length]))
            length++;
        return text_first(key, length);
    }
    /* So short a thing might be a password: none of it is shown. */
    return text_first(key, key.length > 4 * FOREIGN_VISIBLE ? FOREIGN_VISIBLE : 0);
}

enum refusal key_syntax_refusal(enum key_syntax syntax)
{
    static const enum refusal refusals[] = {
        [KEY_SYNTAX_OK] = REFUSAL_NONE,
        [KEY_SYNTAX_MISSING] = REFUSAL_KEY_MISSING,
        [KEY_SYNTAX_NOT_OURS] = REFUSAL_KEY_MALFORMED,
        [KEY_SYNTAX_ADMIN] = REFUSAL_KEY_ADMINISTRATIVE,
        [KEY_SYNTAX_CALLER] = REFUSAL_KEY_MALFORMED,
        /* It begins as ours do: something was lost or added when it was copied. */
        [KEY_SYNTAX_MALFORMED] = REFUSAL_KEY_MISTYPED,
        [KEY_SYNTAX_CHECKSUM] = REFUSAL_KEY_MISTYPED,
    };
    ensure((unsigned)syntax < ARRAY_LENGTH(refusals));
    return refusals[syntax];
}
