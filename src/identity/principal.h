/* principal: who calls, whatever proved it: a key, a token of an issuer, a client certificate.
 *
 * A value whose texts belong to whoever made it: the key table, or principal_copy. */
#ifndef IDENTITY_PRINCIPAL_H
#define IDENTITY_PRINCIPAL_H

#include <stdint.h>

#include "base/text.h"
#include "identity/model_rules.h"

/* What proved it; also a bit of what a listener accepts. */
enum principal_proof {
    PRINCIPAL_KEY,
    PRINCIPAL_TOKEN,
    PRINCIPAL_CERTIFICATE,
    PRINCIPAL_PROOF_COUNT
};

/* "key", "token", "certificate". */
struct text principal_proof_name(enum principal_proof proof);
#define PRINCIPAL_PROOF_WORDS "key|token|certificate"

/* The id of one without a key: "wl_" and 20 characters of base 36, of the SHA-256 of who says it
 * and of whom. */
#define PRINCIPAL_ID_PREFIX "wl_"
#define PRINCIPAL_ID_LENGTH 23u
/* Bytes of a name, an issuer and a subject, as the record keeps them; what is longer is cut. */
#define PRINCIPAL_NAME_MAX    128u
#define PRINCIPAL_SUBJECT_MAX 256u
/* Bytes of the tags' JSON, as those of a key. */
#define PRINCIPAL_TAGS_MAX 480u

/* By what a rule of the configuration is known again: the same as long as it stands in the same
 * place and says the same of whom it lets in, for which team, by which name and with which tags
 * (caller_rule_make_code). */
#define PRINCIPAL_RULE_SIZE 16u
struct principal_rule {
    uint8_t bytes[PRINCIPAL_RULE_SIZE];
};

struct caller_rule;

struct principal {
    enum principal_proof proof;
    struct text id;   /* of a key its public id, else as principal_make_id makes it */
    struct text name; /* for people */
    struct text team;
    struct text tags;            /* a JSON object; empty: none */
    struct model_rules models;   /* its patterns are the configuration's, or the key's */
    struct text issuer, subject; /* empty: it is its key's */
    struct text proof_id;        /* of a token its "jti" */
    uint64_t expires_at;         /* wall nanoseconds; 0: never */
    struct text exchanged_key;   /* the id of the key that was given for the proof, and was sent in
                                    its place; empty: the proof itself was */
    const struct caller_rule *rule; /* the configuration's; NULL: it is its key's */
};

/* The id of `subject` as `issuer` names it: the same always and everywhere, and not told from
 * another by chance (103 bits). */
void principal_make_id(struct text issuer, struct text subject, char out[PRINCIPAL_ID_LENGTH]);
bool principal_id_is_valid(struct text id);

/* A copy in one piece of memory, all texts but the models' patterns in it; free afterwards. NULL
 * when memory is short. */
must_check struct principal *principal_copy(const struct principal *principal);

#endif
