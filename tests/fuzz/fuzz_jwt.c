/* A token, a set of keys, a certificate or a request for a key of any bytes: what is read holds
 * what the readers promise, and nothing is let in, for no key here has signed anything. The first
 * byte chooses. */
#include <stdlib.h>

#include "base/ensure.h"
#include "identity/certificate.h"
#include "identity/claims.h"
#include "identity/reader.h"
#include "identity/token.h"
#include "identity/token_request.h"
#include "pieces.h"

static const struct text audiences[] = {TEXT_INIT("turnpike")};
static const struct caller_pair claims[] = {{TEXT_INIT("sub"), TEXT_INIT("*a*")},
                                            {TEXT_INIT("/a/b/0"), TEXT_INIT("b*")}};
static const struct caller_rule rule = {.claims = claims,
                                        .claim_count = 2,
                                        .team = TEXT_INIT("team"),
                                        .name = TEXT_INIT("{sub}{/a/b}"),
                                        .tags = claims,
                                        .tag_count = 2};
static const struct issuer_terms terms = {.issuer = TEXT_INIT("i"),
                                          .audiences = audiences,
                                          .audience_count = 1,
                                          .algorithms = (1u << JWT_ALGORITHM_COUNT) - 1,
                                          .token_lifetime = UINT64_MAX / 2,
                                          .keys_good_for = UINT64_MAX / 2,
                                          .rules = {&rule, 1}};

/* A P-256 key (RFC 7515, appendix A.3). */
static const struct text known =
    TEXT_INIT("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"k\",\"x\":"
              "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9"
              "uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}");

static void want_nothing(void *owner)
{
    (void)owner;
}

static struct issuer_keys *open_keys(void)
{
    static struct issuer_keys *keys;
    char problem[JWK_SET_PROBLEM_SIZE];
    struct jwk_set *set;

    if (keys)
        return keys;
    reader_register();
    keys = ensure_memory(issuer_keys_create(want_nothing, NULL));
    ensure(jwk_set_make(known, &set, problem) == ERROR_OK);
    ensure(issuer_keys_publish(keys, set, 1) == NULL);
    return keys;
}

static void try_rules(yyjson_val *root)
{
    const struct caller_facts facts = {.subject = TEXT("s")};
    const struct caller_rules rules = {&rule, 1};
    struct principal *principal = NULL;

    (void)caller_rules_find(&rules, root);
    enum error error = caller_rule_apply(&rule, root, &facts, &principal);
    ensure((error == ERROR_OK) == (principal != NULL));
    ensure(!principal || principal->tags.length <= PRINCIPAL_TAGS_MAX);
    free(principal);
}

static void try_token(struct text input)
{
    const struct token_issuer issuer = {&terms, open_keys()};
    struct token_finding found;
    struct jwt jwt;
    const char *detail = NULL;

    token_identify(input, &issuer, 1, 1, &found);
    ensure(found.refusal != REFUSAL_NONE && !found.principal);
    if (jwt_read(input, &jwt, &detail) == REFUSAL_NONE) {
        ensure(yyjson_is_obj(jwt.claims) && claims_are_unambiguous(jwt.claims));
        ensure(jwt.signature_length > 0 && jwt.signature_length <= JWT_SIGNATURE_MAX);
        try_rules(jwt.claims);
    } else {
        ensure(detail != NULL);
    }
    jwt_close(&jwt);
}

static void try_claims(struct text input)
{
    const struct jwt_terms times = {.clock_skew = 30, .lifetime = 86400};
    yyjson_doc *document = yyjson_read(input.data, input.length, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    uint64_t expires;
    const char *detail;

    if (yyjson_is_obj(root) && claims_are_unambiguous(root)) {
        if (jwt_check_times(root, &times, 1800000000, &expires, &detail) == REFUSAL_NONE)
            ensure(expires + times.clock_skew > 1800000000);
        try_rules(root);
    }
    yyjson_doc_free(document);
}

static void try_set(struct text input)
{
    char problem[JWK_SET_PROBLEM_SIZE];
    struct jwk_set *set = NULL;
    enum error error = jwk_set_make(input, &set, problem);

    ensure((error == ERROR_OK) == (set != NULL));
    ensure(error == ERROR_OK || problem[0]);
    jwk_set_free(set);
}

static void try_certificate(struct text input)
{
    struct certificate certificate;

    if (certificate_read(input, &certificate) == ERROR_OK) {
        ensure(yyjson_is_obj(certificate.claims));
        try_rules(certificate.claims);
        certificate_close(&certificate);
    }
}

/* The body of an exchange, as a form and as JSON. */
static void try_request(struct text input)
{
    for (unsigned form = 0; form < 2; form++) {
        struct arena arena;
        struct token_request request;

        arena_open(&arena, NULL, 1 << 20);
        enum error error = token_request_read(input, form, &arena, &request);
        ensure(error == ERROR_OK || error == ERROR_SYNTAX);
        ensure((error == ERROR_OK) == (request.problem == NULL));
        ensure(request.subject_token.length <= input.length);
        arena_close(&arena);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const tries[])(struct text input) = {try_token, try_claims, try_set,
                                                       try_certificate, try_request};
    if (size == 0)
        return 0;
    tries[(uint8_t)(data[0] - '0') % ARRAY_LENGTH(tries)](
        text_of((const char *)data + 1, size - 1));
    return 0;
}
