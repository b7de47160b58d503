/* key: the text of a Turnpike API key, and the hash by which it is known.
 *
 *   tpk_ 0123456789ab _ 0123456789abcdefghijABCDEFGHIJ01 234567
 *        public id      secret                           checksum
 *
 * As a regular expression for scanners: KEY_PATTERN. The public id may be shown and logged. The
 * secret has 190 random bits. The checksum is the CRC-32 (zlib's) of everything before it, in base
 * 62 (0-9 A-Z a-z), most significant digit first, six digits: a mistyped key is told from a foreign
 * one, and a scanner can tell a key from a look-alike, without asking anybody.
 *
 * What is kept is one SHA-256 of the key without its checksum. No salt: the public id in front is
 * one. No slow hash and no pepper: those make guessing a short secret dear, and 190 bits are not
 * guessed; they would only make checking dear for us.
 *
 * The keys of administrators are made alike, with another prefix (KEY_ADMIN_PREFIX): one that turns
 * up where the other is wanted is told from a wrong one, and never looked up.
 *
 * Pure functions, any thread. */
#ifndef IDENTITY_KEY_H
#define IDENTITY_KEY_H

#include <stdint.h>

#include "base/secret.h"
#include "base/text.h"
#include "tables/error.h"
#include "tables/refusals.h"

#define KEY_PREFIX          "tpk_"
#define KEY_PATTERN         "tpk_[0-9a-z]{12}_[0-9A-Za-z]{38}"
#define KEY_ADMIN_PREFIX    "tpa_"
#define KEY_ADMIN_PATTERN   "tpa_[0-9a-z]{12}_[0-9A-Za-z]{38}"
#define KEY_PREFIX_LENGTH   4u /* of either */
#define KEY_ID_LENGTH       12u
#define KEY_SECRET_LENGTH   32u
#define KEY_CHECKSUM_LENGTH 6u
#define KEY_TEXT_LENGTH \
    (KEY_PREFIX_LENGTH + KEY_ID_LENGTH + 1 + KEY_SECRET_LENGTH + KEY_CHECKSUM_LENGTH)
#define KEY_HASH_SIZE 32u

struct key_hash {
    uint8_t bytes[KEY_HASH_SIZE];
};

enum key_syntax {
    KEY_SYNTAX_OK,
    KEY_SYNTAX_MISSING,   /* empty */
    KEY_SYNTAX_NOT_OURS,  /* does not start with tpk_ */
    KEY_SYNTAX_ADMIN,     /* starts with tpa_: it opens the admin API alone */
    KEY_SYNTAX_CALLER,    /* key_parse_admin: starts with tpk_: it opens no admin API */
    KEY_SYNTAX_MALFORMED, /* starts well, but has a wrong length or a wrong character */
    KEY_SYNTAX_CHECKSUM   /* has the form, but a character is wrong */
};

/* Makes a new key. `id` (a new one, or that of a key to rotate; KEY_ID_LENGTH bytes) is the public
 * id in it. ERROR_MEMORY. */
must_handle enum error key_make(struct text id, struct secret **key);
must_handle enum error key_make_admin(struct text id, struct secret **key);
/* Writes a new random public id, no NUL. */
void key_make_id(char out[KEY_ID_LENGTH]);
bool key_id_is_valid(struct text id);

/* Sets `id` (pointing into `key`) only with KEY_SYNTAX_OK. */
must_check enum key_syntax key_parse(struct text key, struct text *id);
must_check enum key_syntax key_parse_admin(struct text key, struct text *id);
/* The public id in a key that key_parse or key_parse_admin found OK. Points into `key`. */
struct text key_id(struct text key);
/* Of a key that key_parse or key_parse_admin found OK. */
void key_compute_hash(struct text key, struct key_hash *out);
/* Takes the same time wherever the two differ. */
bool key_hash_equal(const struct key_hash *a, const struct key_hash *b);

/* The key in the value of an Authorization header ("Bearer KEY", RFC 6750 section 2.1; the scheme
 * in any case); empty when it has none. Points into `value`. */
struct text key_from_authorization(struct text value);
/* As much of what was sent as key as may be shown and logged: the prefix and the public id, or the
 * first four bytes of something that is not ours. Points into `key`. */
struct text key_visible_part(struct text key);
/* What to refuse a call with; REFUSAL_NONE for KEY_SYNTAX_OK. Of key_parse. */
enum refusal key_syntax_refusal(enum key_syntax syntax);

#endif
