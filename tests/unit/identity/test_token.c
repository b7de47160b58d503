/* Tokens right and wrong against an issuer with keys of every kind: what is said of each, and that
 * nothing of a wrong one counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "identity/claims.h"
#include "identity/reader.h"
#include "identity/token.h"
#include "identity/token_memory.h"
#include "jwt_maker.h"

#define SECOND NANOSECONDS_PER_SECOND
#define NOW    1800000000ull /* seconds */

static EVP_PKEY *rsa, *other_rsa, *p256, *p384, *p521, *edwards;
static struct issuer_keys *keys;
static struct buffer token_buffer;

static const struct text audiences[] = {TEXT_INIT("turnpike"), TEXT_INIT("https://gate.example")};
static const struct caller_pair prod_claims[] = {
    {TEXT_INIT("sub"), TEXT_INIT("system:serviceaccount:prod:*")},
    {TEXT_INIT("/kubernetes.io/namespace"), TEXT_INIT("prod")},
};
static const struct caller_pair prod_tags[] = {
    {TEXT_INIT("env"), TEXT_INIT("prod")},
    {TEXT_INIT("missing"), TEXT_INIT("{no_such_claim}")},
    {TEXT_INIT("pod"), TEXT_INIT("{/kubernetes.io/pod/name}")},
};
static const struct caller_pair plain_claims[] = {{TEXT_INIT("sub"), TEXT_INIT("robot")}};
static const struct caller_rule rules[] = {
    {.claims = prod_claims,
     .claim_count = 2,
     .team = TEXT_INIT("search"),
     .name = TEXT_INIT("{/kubernetes.io/serviceaccount/name}"),
     .tags = prod_tags,
     .tag_count = 3},
    {.claims = plain_claims, .claim_count = 1, .team = TEXT_INIT("robots")},
};
static const struct issuer_terms terms = {
    .name = TEXT_INIT("cluster"),
    .issuer = TEXT_INIT("https://issuer.example"),
    .audiences = audiences,
    .audience_count = 2,
    .algorithms = (1u << JWT_ALGORITHM_COUNT) - 1,
    .clock_skew = 30 * SECOND,
    .token_lifetime = 86400 * SECOND,
    .keys_good_for = 3600 * SECOND,
    .rules = {rules, 2},
};

static void want_nothing(void *owner)
{
    ++*(unsigned *)owner;
}

static unsigned wants;

static void publish(struct text json)
{
    char problem[JWK_SET_PROBLEM_SIZE];
    struct jwk_set *set;
    assert_int_equal(jwk_set_make(json, &set, problem), ERROR_OK);
    jwk_set_free(issuer_keys_publish(keys, set, NOW * SECOND));
}

static void publish_all(void)
{
    struct buffer json;
    buffer_open(&json, 65536);
    buffer_append(&json, TEXT("{\"keys\":["));
    maker_append_jwk(&json, rsa, "rsa", ",\"use\":\"sig\"");
    const struct {
        EVP_PKEY *key;
        const char *kid;
    } rest[] = {{p256, "p256"},  {p384, "p384"}, {p521, "p521"},
                {edwards, "ed"}, {p256, "both"}, {rsa, "both"}};
    for (size_t i = 0; i < ARRAY_LENGTH(rest); i++) {
        buffer_append_char(&json, ',');
        maker_append_jwk(&json, rest[i].key, rest[i].kid, "");
    }
    buffer_append(&json, TEXT("]}"));
    publish(buffer_text(&json));
    buffer_close(&json);
}

static int set_up(void **state)
{
    rsa = maker_rsa(2048);
    other_rsa = maker_rsa(2048);
    p256 = maker_curve("P-256");
    p384 = maker_curve("P-384");
    p521 = maker_curve("P-521");
    edwards = maker_edwards();
    buffer_open(&token_buffer, 65536);
    keys = issuer_keys_create(want_nothing, &wants);
    reader_register();
    publish_all();
    return keys == NULL;
}

static int tear_down(void **state)
{
    EVP_PKEY *const all[] = {rsa, other_rsa, p256, p384, p521, edwards};
    reader_unregister();
    issuer_keys_release(keys);
    buffer_close(&token_buffer);
    for (size_t i = 0; i < ARRAY_LENGTH(all); i++)
        EVP_PKEY_free(all[i]);
    return 0;
}

/* ---- asking ---- */

static struct token_finding found;

static enum refusal identify_at(struct text token, uint64_t seconds)
{
    const struct token_issuer issuer = {&terms, keys};
    free(found.principal);
    token_identify(token, &issuer, 1, seconds * SECOND, &found);
    assert_true((found.refusal == REFUSAL_NONE) == (found.principal != NULL));
    return found.refusal;
}

static enum refusal identify(struct text token)
{
    return identify_at(token, NOW);
}

#define CLAIMS_OF(more)                                                                   \
    "{\"iss\":\"https://issuer.example\",\"sub\":\"robot\",\"aud\":\"turnpike\",\"iat\":" \
    "1799999990,\"exp\":1800000600" more "}"
#define GOOD_CLAIMS CLAIMS_OF("")

static enum refusal ask(EVP_PKEY *key, const char *algorithm, const char *header,
                        const char *claims)
{
    return identify(maker_token(&token_buffer, key, algorithm, header, claims));
}

static enum refusal ask_claims(const char *claims)
{
    return ask(rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", claims);
}

/* ---- what is let in ---- */

static void test_every_algorithm(void **state)
{
    const struct {
        EVP_PKEY *key;
        const char *algorithm, *header;
    } rows[] = {
        {rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":\"JWT\"}"},
        {rsa, "RS384", "{\"alg\":\"RS384\",\"kid\":\"rsa\"}"},
        {rsa, "RS512", "{\"alg\":\"RS512\",\"kid\":\"rsa\"}"},
        {rsa, "PS256", "{\"alg\":\"PS256\",\"kid\":\"rsa\"}"},
        {rsa, "PS384", "{\"alg\":\"PS384\",\"kid\":\"rsa\"}"},
        {rsa, "PS512", "{\"alg\":\"PS512\",\"kid\":\"rsa\"}"},
        {p256, "ES256", "{\"alg\":\"ES256\",\"kid\":\"p256\"}"},
        {p384, "ES384", "{\"alg\":\"ES384\",\"kid\":\"p384\"}"},
        {p521, "ES512", "{\"alg\":\"ES512\",\"kid\":\"p521\"}"},
        {edwards, "EdDSA", "{\"alg\":\"EdDSA\",\"kid\":\"ed\",\"typ\":\"at+jwt\"}"},
    };
    _Static_assert(ARRAY_LENGTH(rows) == JWT_ALGORITHM_COUNT, "each");
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_int_equal(ask(rows[i].key, rows[i].algorithm, rows[i].header, GOOD_CLAIMS),
                         REFUSAL_NONE);
        assert_true(text_equal(found.principal->team, TEXT("robots")));
        assert_true(text_equal(found.principal->name, TEXT("robot")));
        assert_true(text_empty(found.principal->tags));
    }
}

static void test_kubernetes(void **state)
{
    static const char claims[] =
        "{\"aud\":[\"other\",\"turnpike\"],\"exp\":1800003597,\"iat\":1799999990,"
        "\"iss\":\"https://issuer.example\",\"jti\":\"0f3a\",\"kubernetes.io\":{\"namespace\":"
        "\"prod\",\"node\":{\"name\":\"n1\"},\"pod\":{\"name\":\"search-0\",\"uid\":\"u\"},"
        "\"serviceaccount\":{\"name\":\"search\",\"uid\":\"v\"}},\"nbf\":1799999990,"
        "\"sub\":\"system:serviceaccount:prod:search\"}";
    assert_int_equal(ask_claims(claims), REFUSAL_NONE);
    const struct principal *principal = found.principal;
    assert_true(text_equal(principal->team, TEXT("search")));
    assert_true(text_equal(principal->name, TEXT("search")));
    assert_true(text_equal(principal->tags, TEXT("{\"env\":\"prod\",\"pod\":\"search-0\"}")));
    assert_true(text_equal(principal->subject, TEXT("system:serviceaccount:prod:search")));
    assert_true(text_equal(principal->proof_id, TEXT("0f3a")));
    assert_true(principal_id_is_valid(principal->id));
    assert_int_equal(principal->expires_at, (1800003597ull + 30) * SECOND);
    char again[PRINCIPAL_ID_LENGTH];
    principal_make_id(terms.issuer, principal->subject, again);
    assert_true(text_equal(principal->id, text_of(again, sizeof again)));
    principal_make_id(TEXT("https://issuer.exampl"), TEXT("esystem:serviceaccount:prod:search"),
                      again);
    assert_false(text_equal(principal->id, text_of(again, sizeof again)));
}

static void test_nested_claims_decide(void **state)
{
    assert_int_equal(
        ask_claims("{\"iss\":\"https://issuer.example\",\"aud\":\"turnpike\",\"exp\":1800000600,"
                   "\"sub\":\"system:serviceaccount:prod:x\","
                   "\"kubernetes.io\":{\"namespace\":\"dev\"}}"),
        REFUSAL_CALLER_UNKNOWN);
    assert_string_equal(found.seen, "system:serviceaccount:prod:x");
}

/* ---- signatures ---- */

static void test_no_signature(void **state)
{
    assert_int_equal(ask(rsa, "none", "{\"alg\":\"none\"}", GOOD_CLAIMS), REFUSAL_TOKEN_MALFORMED);
    struct text token = maker_token(&token_buffer, rsa, "RS256", "{\"alg\":\"none\"}", GOOD_CLAIMS);
    assert_int_equal(identify(token), REFUSAL_TOKEN_SIGNATURE);
    token =
        maker_token(&token_buffer, rsa, "RS256", "{\"alg\":\"nOnE\",\"kid\":\"rsa\"}", GOOD_CLAIMS);
    assert_int_equal(identify(token), REFUSAL_TOKEN_SIGNATURE);
    assert_int_equal(ask(rsa, "RS256", "{\"kid\":\"rsa\"}", GOOD_CLAIMS), REFUSAL_TOKEN_SIGNATURE);
}

/* An HMAC with the public key as its secret, in each form that it is known in. */
static void test_key_confusion(void **state)
{
    struct buffer secrets[2];
    BIO *pem = BIO_new(BIO_s_mem());
    char *bytes;
    ensure(PEM_write_bio_PUBKEY(pem, rsa) == 1);
    long length = BIO_get_mem_data(pem, &bytes);
    for (size_t i = 0; i < 2; i++)
        buffer_open(&secrets[i], 65536);
    buffer_append(&secrets[0], text_of(bytes, (size_t)length));
    maker_append_jwk(&secrets[1], rsa, "rsa", "");
    for (size_t i = 0; i < 2; i++) {
        unsigned char mac[32];
        unsigned size;
        (void)maker_token(&token_buffer, rsa, "none", "{\"alg\":\"HS256\",\"kid\":\"rsa\"}",
                          GOOD_CLAIMS);
        token_buffer.length--;
        ensure(HMAC(EVP_sha256(), secrets[i].data, (int)secrets[i].length,
                    (unsigned char *)token_buffer.data, token_buffer.length, mac, &size) != NULL);
        buffer_append_char(&token_buffer, '.');
        maker_append_base64url(&token_buffer, mac, size);
        assert_int_equal(identify(buffer_text(&token_buffer)), REFUSAL_TOKEN_SIGNATURE);
        buffer_close(&secrets[i]);
    }
    BIO_free(pem);
}

static void test_other_keys(void **state)
{
    assert_int_equal(ask(other_rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", GOOD_CLAIMS),
                     REFUSAL_TOKEN_SIGNATURE);
    /* of the curve that the algorithm is not about: */
    assert_int_equal(ask(p384, "ES384", "{\"alg\":\"ES256\",\"kid\":\"p384\"}", GOOD_CLAIMS),
                     REFUSAL_TOKEN_KEY_UNKNOWN);
    assert_int_equal(ask(p256, "ES256", "{\"alg\":\"RS256\",\"kid\":\"p256\"}", GOOD_CLAIMS),
                     REFUSAL_TOKEN_KEY_UNKNOWN);
    assert_int_equal(ask(rsa, "RS256", "{\"alg\":\"PS256\",\"kid\":\"rsa\"}", GOOD_CLAIMS),
                     REFUSAL_TOKEN_SIGNATURE);
    assert_int_equal(ask(rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"rsb\"}", GOOD_CLAIMS),
                     REFUSAL_TOKEN_KEY_UNKNOWN);
    assert_true(found.wants_keys);
    assert_string_equal(found.seen, "rsb");
    /* one name, two kinds of keys: each for its own algorithm */
    assert_int_equal(ask(rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"both\"}", GOOD_CLAIMS),
                     REFUSAL_NONE);
    assert_int_equal(ask(p256, "ES256", "{\"alg\":\"ES256\",\"kid\":\"both\"}", GOOD_CLAIMS),
                     REFUSAL_NONE);
    assert_int_equal(ask(p384, "ES384", "{\"alg\":\"ES384\",\"kid\":\"both\"}", GOOD_CLAIMS),
                     REFUSAL_TOKEN_KEY_UNKNOWN);
    /* no name: where one key alone fits */
    assert_int_equal(ask(p384, "ES384", "{\"alg\":\"ES384\"}", GOOD_CLAIMS), REFUSAL_NONE);
    assert_int_equal(ask(rsa, "RS256", "{\"alg\":\"RS256\"}", GOOD_CLAIMS),
                     REFUSAL_TOKEN_KEY_UNKNOWN);
}

static void test_ecdsa_in_der(void **state)
{
    assert_int_equal(ask(p256, "ES256-der", "{\"alg\":\"ES256\",\"kid\":\"p256\"}", GOOD_CLAIMS),
                     REFUSAL_TOKEN_SIGNATURE);
}

/* What a token brings along of keys is not looked at. */
static void test_embedded_keys(void **state)
{
    struct buffer header;
    static const char *const kinds[] = {"jwk", "jku", "x5u", "x5c"};
    buffer_open(&header, 65536);
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        buffer_clear(&header);
        buffer_append_format(&header, "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"%s\":", kinds[i]);
        if (i == 0)
            maker_append_jwk(&header, other_rsa, "rsa", "");
        else
            buffer_append(&header, TEXT("\"http://127.0.0.1:1/keys\""));
        buffer_append_char(&header, '}');
        buffer_append_char(&header, '\0');
        assert_int_equal(ask(other_rsa, "RS256", header.data, GOOD_CLAIMS),
                         REFUSAL_TOKEN_SIGNATURE);
        assert_int_equal(ask(rsa, "RS256", header.data, GOOD_CLAIMS), REFUSAL_NONE);
    }
    buffer_close(&header);
}

static void test_each_bit_of_the_signed_part_counts(void **state)
{
    struct text token = maker_token(&token_buffer, p256, "ES256",
                                    "{\"alg\":\"ES256\",\"kid\":\"p256\"}", GOOD_CLAIMS);
    char *bytes = token_buffer.data;
    for (size_t i = 0; i < token.length; i++) {
        char before = bytes[i];
        bytes[i] = before == 'A' ? 'B' : 'A';
        assert_int_not_equal(identify(token), REFUSAL_NONE);
        bytes[i] = before;
    }
    assert_int_equal(identify(token), REFUSAL_NONE);
}

static void test_algorithms_that_the_issuer_does_not_use(void **state)
{
    struct issuer_terms strict = terms;
    strict.algorithms = 1u << JWT_ES256;
    const struct token_issuer issuer = {&strict, keys};
    struct token_finding finding;
    token_identify(maker_token(&token_buffer, rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"rsa\"}",
                               GOOD_CLAIMS),
                   &issuer, 1, NOW * SECOND, &finding);
    assert_int_equal(finding.refusal, REFUSAL_TOKEN_SIGNATURE);
    assert_string_equal(finding.seen, "RS256");
}

/* ---- the form ---- */

static void test_headers(void **state)
{
    static const char *const wrong[] = {
        "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[\"exp\"]}",
        "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[]}",
        "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"b64\":false,\"crit\":[\"b64\"]}",
        "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":\"logout+jwt\"}",
        "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":1}",
        "{\"alg\":\"RS256\",\"kid\":7}",
        "{\"alg\":\"none\",\"alg\":\"RS256\",\"kid\":\"rsa\"}",
        "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"\\u0061lg\":\"none\"}",
        "[\"RS256\"]",
        "{\"alg\":\"RS256\",\"kid\":\"rsa\"} ,",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        assert_int_equal(ask(rsa, "RS256", wrong[i], GOOD_CLAIMS), REFUSAL_TOKEN_MALFORMED);
}

static void test_claims_twice(void **state)
{
    static const char *const wrong[] = {
        CLAIMS_OF(",\"sub\":\"robot\""),
        CLAIMS_OF(",\"aud\":[\"x\"]"),
        CLAIMS_OF(",\"deep\":{\"a\":[{\"b\":1,\"b\":2}]}"),
        CLAIMS_OF(",\"s\\u0075b\":\"admin\""),
        CLAIMS_OF(",\"d\":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]"),
    };
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        assert_int_equal(ask_claims(wrong[i]), REFUSAL_TOKEN_MALFORMED);
}

static void test_base64url(void **state)
{
    struct text token = maker_token(&token_buffer, p256, "ES256",
                                    "{\"alg\":\"ES256\",\"kid\":\"p256\"}", GOOD_CLAIMS);
    size_t length = token.length;
    char *last = &token_buffer.data[length - 1];
    /* 64 bytes leave four bits over in the last character: another one for the same bytes */
    char before = *last;
    *last = before == 'A' ? 'B' : before == 'Q' ? 'R' : before == 'g' ? 'h' : 'x';
    assert_int_equal(identify(token), REFUSAL_TOKEN_MALFORMED);
    *last = before;
    static const char *const behind[] = {"=", "==", " ", "\n", ".", ".A", "+", "/", "AAA"};
    for (size_t i = 0; i < ARRAY_LENGTH(behind); i++) {
        token_buffer.length = length;
        buffer_append(&token_buffer, text_from(behind[i]));
        assert_int_equal(identify(buffer_text(&token_buffer)), REFUSAL_TOKEN_MALFORMED);
    }
    assert_int_equal(identify(TEXT("eyJ")), REFUSAL_TOKEN_MALFORMED);
    assert_int_equal(identify(TEXT("eyJ.e30.")), REFUSAL_TOKEN_MALFORMED);
    assert_int_equal(identify(TEXT("eyJ.e30.AA.AA.AA")), REFUSAL_TOKEN_MALFORMED);
    assert_int_equal(identify(TEXT("")), REFUSAL_TOKEN_MALFORMED);
}

static void test_huge(void **state)
{
    char *claims = calloc(1, 40000);
    ensure_memory(claims);
    size_t begin = (size_t)snprintf(claims, 40000,
                                    "{\"iss\":\"https://issuer.example\",\"sub\":\"robot\","
                                    "\"aud\":\"turnpike\",\"exp\":1800000600,\"fill\":\"");
    memset(claims + begin, 'x', 12800);
    memcpy(claims + begin + 12300, "\"}", 3);
    assert_int_equal(ask_claims(claims), REFUSAL_TOKEN_MALFORMED);
    memset(claims + begin, 'x', 12800);
    memcpy(claims + begin + 11000, "\"}", 3);
    assert_int_equal(ask_claims(claims), REFUSAL_NONE);
    /* many members, each compared with each */
    claims[begin - 9] = 0;
    size_t at = strlen(claims);
    for (unsigned i = 0; i < 1500; i++)
        at += (size_t)snprintf(claims + at, 16, ",\"%u\":1", i);
    memcpy(claims + at, "}", 2);
    assert_int_equal(ask_claims(claims), REFUSAL_TOKEN_MALFORMED);
    free(claims);
}

/* ---- the claims ---- */

#define WITH(iss, aud, times) "{\"iss\":" iss ",\"sub\":\"robot\",\"aud\":" aud times "}"
#define ISS                   "\"https://issuer.example\""
#define TIMES                 ",\"iat\":1799999990,\"exp\":1800000600"

static void test_whose(void **state)
{
    assert_int_equal(ask_claims(WITH("\"https://issuer.example/\"", "\"turnpike\"", TIMES)),
                     REFUSAL_TOKEN_ISSUER);
    assert_string_equal(found.seen, "https://issuer.example/");
    assert_int_equal(ask_claims(WITH("[\"https://issuer.example\"]", "\"turnpike\"", TIMES)),
                     REFUSAL_TOKEN_ISSUER);
    assert_int_equal(ask_claims("{\"sub\":\"robot\",\"aud\":\"turnpike\",\"exp\":1800000600}"),
                     REFUSAL_TOKEN_ISSUER);
}

static void test_audience(void **state)
{
    static const char *const wrong[] = {
        WITH(ISS, "\"turnpike2\"", TIMES),
        WITH(ISS, "\"\"", TIMES),
        WITH(ISS, "[]", TIMES),
        WITH(ISS, "[\"a\",\"b\"]", TIMES),
        WITH(ISS, "[[\"turnpike\"]]", TIMES),
        WITH(ISS, "{\"turnpike\":1}", TIMES),
        WITH(ISS, "null", TIMES),
        WITH(ISS, "\"Turnpike\"", TIMES),
        "{\"iss\":" ISS ",\"sub\":\"robot\",\"exp\":1800000600}",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        assert_int_equal(ask_claims(wrong[i]), REFUSAL_TOKEN_AUDIENCE);
    assert_int_equal(ask_claims(WITH(ISS, "[\"a\",\"https://gate.example\"]", TIMES)),
                     REFUSAL_NONE);
}

static void test_times(void **state)
{
    static const struct {
        const char *times;
        enum refusal refusal;
    } rows[] = {
        {",\"exp\":1800000600", REFUSAL_NONE},
        {",\"exp\":1799999971", REFUSAL_NONE}, /* within the skew */
        {",\"exp\":1799999970", REFUSAL_TOKEN_EXPIRED},
        {",\"exp\":1799999000.5", REFUSAL_TOKEN_EXPIRED},
        {",\"exp\":0", REFUSAL_TOKEN_EXPIRED},
        {",\"exp\":-1", REFUSAL_TOKEN_CLAIMS},
        {",\"exp\":\"1800000600\"", REFUSAL_TOKEN_CLAIMS},
        {",\"exp\":null", REFUSAL_TOKEN_CLAIMS},
        {",\"exp\":1e400", REFUSAL_TOKEN_MALFORMED},
        {",\"exp\":1e300", REFUSAL_TOKEN_CLAIMS},
        {",\"exp\":18446744073709551615", REFUSAL_TOKEN_CLAIMS},
        {",\"exp\":281474976710655", REFUSAL_TOKEN_CLAIMS}, /* holds too long */
        {"", REFUSAL_TOKEN_CLAIMS},
        {",\"exp\":1800000600,\"nbf\":1800000030", REFUSAL_NONE},
        {",\"exp\":1800000600,\"nbf\":1800000031", REFUSAL_TOKEN_EARLY},
        {",\"exp\":1800000600,\"iat\":1800000031", REFUSAL_TOKEN_EARLY},
        {",\"exp\":1800000600,\"iat\":\"now\"", REFUSAL_TOKEN_CLAIMS},
        {",\"exp\":1800000600,\"nbf\":true", REFUSAL_TOKEN_CLAIMS},
        {",\"exp\":1800086400", REFUSAL_NONE},
        {",\"exp\":1800086401", REFUSAL_TOKEN_CLAIMS},
        {",\"exp\":1800000600,\"iat\":1", REFUSAL_TOKEN_CLAIMS},
        {",\"exp\":1800000001,\"iat\":1800000020", REFUSAL_TOKEN_CLAIMS},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char claims[512];
        (void)snprintf(claims, sizeof claims, WITH(ISS, "\"turnpike\"", "%s"), rows[i].times);
        if (ask_claims(claims) != rows[i].refusal)
            fail_msg("%s: %d", rows[i].times, (int)found.refusal);
    }
}

/* The gateway's clock, not the token's issuer's, is wrong: an hour back, an hour ahead. */
static void test_wrong_clock(void **state)
{
    struct text token = maker_token(&token_buffer, rsa, "RS256",
                                    "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", GOOD_CLAIMS);
    assert_int_equal(identify_at(token, NOW - 3600), REFUSAL_TOKEN_EARLY);
    assert_int_equal(identify_at(token, NOW + 3000), REFUSAL_TOKEN_EXPIRED);
    assert_string_equal(found.seen, "2027-01-15T08:10:00.000000Z");
    assert_int_equal(identify_at(token, NOW), REFUSAL_NONE);
}

static void test_subject(void **state)
{
    assert_int_equal(ask_claims("{\"iss\":" ISS ",\"aud\":\"turnpike\",\"exp\":1800000600}"),
                     REFUSAL_TOKEN_CLAIMS);
    assert_int_equal(
        ask_claims("{\"iss\":" ISS ",\"sub\":7,\"aud\":\"turnpike\",\"exp\":1800000600}"),
        REFUSAL_TOKEN_CLAIMS);
    assert_int_equal(
        ask_claims("{\"iss\":" ISS ",\"sub\":\"robot2\",\"aud\":\"turnpike\",\"exp\":1800000600}"),
        REFUSAL_CALLER_UNKNOWN);
    assert_int_equal(ask_claims("{\"iss\":" ISS ",\"sub\":\"robot\\u0000\",\"aud\":\"turnpike\","
                                "\"exp\":1800000600}"),
                     REFUSAL_CALLER_UNKNOWN);
}

/* No rule, audience or time is told of a token that is not genuine. */
static void test_strangers_learn_nothing(void **state)
{
    static const char *const claims[] = {
        "{\"iss\":" ISS ",\"sub\":\"nobody\",\"aud\":\"x\",\"exp\":1}", GOOD_CLAIMS};
    for (size_t i = 0; i < ARRAY_LENGTH(claims); i++) {
        assert_int_equal(ask(other_rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", claims[i]),
                         REFUSAL_TOKEN_SIGNATURE);
        assert_string_equal(found.detail, "its signature is wrong");
        assert_string_equal(found.seen, "");
    }
}

static void test_spiffe_without_issuer(void **state)
{
    static const struct caller_pair claims[] = {
        {TEXT_INIT("sub"), TEXT_INIT("spiffe://prod.example/ns/*")}};
    static const struct caller_rule rule = {
        .claims = claims, .claim_count = 1, .team = TEXT_INIT("search")};
    struct issuer_terms spiffe = terms;
    spiffe.issuer = TEXT("spiffe://prod.example");
    spiffe.rules = (struct caller_rules){&rule, 1};
    const struct token_issuer issuer = {&spiffe, keys};
    static const struct {
        const char *subject;
        enum refusal refusal;
    } rows[] = {
        {"spiffe://prod.example/ns/search", REFUSAL_NONE},
        {"spiffe://prod.example/other", REFUSAL_CALLER_UNKNOWN},
        {"spiffe://prod.example.evil/ns/search", REFUSAL_TOKEN_ISSUER},
        {"spiffe://prod.example", REFUSAL_TOKEN_ISSUER},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char body[256];
        struct token_finding finding;
        (void)snprintf(body, sizeof body,
                       "{\"sub\":\"%s\",\"aud\":[\"turnpike\"],\"exp\":1800000600}",
                       rows[i].subject);
        token_identify(
            maker_token(&token_buffer, p256, "ES256", "{\"alg\":\"ES256\",\"kid\":\"p256\"}", body),
            &issuer, 1, NOW * SECOND, &finding);
        assert_int_equal(finding.refusal, rows[i].refusal);
        free(finding.principal);
    }
}

/* ---- keys ---- */

static void test_old_keys(void **state)
{
    struct text token = maker_token(&token_buffer, rsa, "RS256",
                                    "{\"alg\":\"RS256\",\"kid\":\"rsa\"}", CLAIMS_OF(""));
    struct issuer_terms later = terms;
    later.clock_skew = 86400 * SECOND;
    const struct token_issuer issuer = {&later, keys};
    struct token_finding finding;
    token_identify(token, &issuer, 1, (NOW + 3600) * SECOND, &finding);
    assert_int_equal(finding.refusal, REFUSAL_NONE);
    free(finding.principal);
    token_identify(token, &issuer, 1, (NOW + 3601) * SECOND, &finding);
    assert_int_equal(finding.refusal, REFUSAL_TOKEN_KEYS_MISSING);
    assert_true(finding.wants_keys);
}

static enum error make_set(const char *json, char problem[JWK_SET_PROBLEM_SIZE])
{
    struct jwk_set *set;
    enum error error = jwk_set_make(text_from(json), &set, problem);
    jwk_set_free(set);
    return error;
}

static void test_sets(void **state)
{
    char problem[JWK_SET_PROBLEM_SIZE];
    static const char *const wrong[] = {
        "",
        "[]",
        "{}",
        "{\"keys\":{}}",
        "{\"keys\":[]}",
        "{\"keys\":[1,null,{}]}",
        "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\",\"kid\":\"a\"}]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\",\"kid\":\"a\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}]}",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AAAA\",\"y\":\"AAAA\"}]}",
        "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AAAA\"}]}",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        assert_int_not_equal(make_set(wrong[i], problem), ERROR_OK);
        assert_string_not_equal(problem, "");
    }
}

/* A set of one key with `more` said of it; how many keys it then has, 0 with an error. */
static size_t count_usable(EVP_PKEY *key, const char *more, char problem[JWK_SET_PROBLEM_SIZE])
{
    struct buffer json;
    struct jwk_set *set;
    buffer_open(&json, 65536);
    buffer_append(&json, TEXT("{\"keys\":["));
    maker_append_jwk(&json, key, "k", more);
    buffer_append(&json, TEXT("]}"));
    size_t count = jwk_set_make(buffer_text(&json), &set, problem) ? 0 : jwk_set_count(set);
    jwk_set_free(set);
    buffer_close(&json);
    return count;
}

static void test_keys_that_are_left_out(void **state)
{
    char problem[JWK_SET_PROBLEM_SIZE];
    EVP_PKEY *weak = maker_rsa(1024);
    assert_int_equal(count_usable(weak, "", problem), 0);
    assert_non_null(strstr(problem, "2048"));
    EVP_PKEY_free(weak);
    assert_int_equal(count_usable(rsa, "", problem), 1);
    assert_int_equal(count_usable(rsa, ",\"use\":\"enc\"", problem), 0);
    assert_int_equal(count_usable(rsa, ",\"use\":\"jwt-svid\"", problem), 1);
    assert_int_equal(count_usable(rsa, ",\"use\":\"x509-svid\"", problem), 0);
    assert_int_equal(count_usable(rsa, ",\"key_ops\":[\"encrypt\"]", problem), 0);
    assert_int_equal(count_usable(rsa, ",\"key_ops\":[\"verify\"]", problem), 1);
    assert_int_equal(count_usable(rsa, ",\"alg\":\"HS256\"", problem), 0);
    assert_int_equal(count_usable(rsa, ",\"alg\":\"ES256\"", problem), 0);
    assert_int_equal(count_usable(p256, ",\"alg\":\"ES256\"", problem), 1);
}

/* A point that lies on no curve: the other half of the key is another key's. */
static void test_point_off_the_curve(void **state)
{
    char problem[JWK_SET_PROBLEM_SIZE];
    struct buffer json;
    EVP_PKEY *other = maker_curve("P-256");
    buffer_open(&json, 4096);
    buffer_append(&json, TEXT("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\""));
    maker_append_number(&json, p256, OSSL_PKEY_PARAM_EC_PUB_X, 32);
    buffer_append(&json, TEXT("\",\"y\":\""));
    maker_append_number(&json, other, OSSL_PKEY_PARAM_EC_PUB_Y, 32);
    buffer_append(&json, TEXT("\"}]}"));
    buffer_append_char(&json, '\0');
    assert_int_equal(make_set(json.data, problem), ERROR_SYNTAX);
    buffer_close(&json);
    EVP_PKEY_free(other);
}

/* ---- asking for newer keys ---- */

static void test_wants_are_few(void **state)
{
    unsigned asked = 0;
    struct issuer_keys *own = issuer_keys_create(want_nothing, &asked);
    struct issuer_keys_view view;
    issuer_keys_read(own, &view);
    assert_null(view.set);
    for (int i = 0; i < 1000; i++)
        assert_true(issuer_keys_want(own, 5 * SECOND));
    assert_int_equal(asked, 1);
    assert_true(issuer_keys_take_want(own));
    assert_false(issuer_keys_take_want(own));
    issuer_keys_begin(own, 5 * SECOND);
    assert_true(issuer_keys_want(own, 5 * SECOND)); /* one is under way */
    assert_int_equal(asked, 1);
    issuer_keys_fail(own);
    for (int i = 0; i < 1000; i++)
        assert_false(issuer_keys_want(own, 15 * SECOND - 1));
    assert_int_equal(asked, 1);
    assert_true(issuer_keys_want(own, 15 * SECOND));
    assert_int_equal(asked, 2);
    issuer_keys_release(own);
}

/* ---- remembered ---- */

static struct principal *principal_until(uint64_t expires_at)
{
    const struct principal principal = {.id = TEXT("wl_x"), .expires_at = expires_at};
    return ensure_memory(principal_copy(&principal));
}

static void test_memory(void **state)
{
    struct token_memory *memory = token_memory_create();
    struct token_remembered row = {.code = token_memory_code(memory, TEXT("one")),
                                   .principal = principal_until(100),
                                   .generation = 3,
                                   .keys_version = 9};
    assert_null(token_memory_find(memory, &row.code, 0));
    assert_int_equal(token_memory_keep(memory, &row)->keys_version, 9);
    const struct token_remembered *remembered = token_memory_find(memory, &row.code, 99);
    assert_non_null(remembered);
    assert_int_equal(remembered->generation, 3);
    assert_null(token_memory_find(memory, &row.code, 100)); /* it has ended */
    struct siphash_code other = token_memory_code(memory, TEXT("two"));
    assert_null(token_memory_find(memory, &other, 0));
    /* far more than there is room for: each takes a place, none is lost without being freed */
    for (uint64_t i = 0; i < 5000; i++) {
        char text[32];
        int length = snprintf(text, sizeof text, "token %llu", (unsigned long long)i);
        row.code = token_memory_code(memory, text_of(text, (size_t)length));
        row.principal = principal_until(100);
        (void)token_memory_keep(memory, &row);
        assert_non_null(token_memory_find(memory, &row.code, 0));
    }
    token_memory_destroy(memory);
}

/* ---- templates ---- */

static void test_templates(void **state)
{
    assert_null(claims_template_problem(TEXT("")));
    assert_null(claims_template_problem(TEXT("a{b}c{/d/e}")));
    assert_non_null(claims_template_problem(TEXT("a{b")));
    assert_non_null(claims_template_problem(TEXT("a}b")));
    assert_non_null(claims_template_problem(TEXT("{}")));
    static const char json[] = "{\"n\":12,\"t\":true,\"s\":\"x\",\"a\":[1]}";
    yyjson_doc *document = yyjson_read(json, sizeof json - 1, 0);
    yyjson_val *claims = yyjson_doc_get_root(document);
    struct buffer out;
    buffer_open(&out, 64);
    assert_true(claims_expand(claims, TEXT("{s}-{n}-{t}!"), &out));
    assert_true(text_equal(buffer_text(&out), TEXT("x-12-true!")));
    buffer_clear(&out);
    assert_false(claims_expand(claims, TEXT("{a}"), &out));
    buffer_close(&out);
    assert_true(claims_match(claims, TEXT("n"), TEXT("1*")));
    assert_true(claims_match(claims, TEXT("a"), TEXT("1")));
    assert_false(claims_match(claims, TEXT("missing"), TEXT("*")));
    yyjson_doc_free(document);
}

/* What a claim is too long for is cut, never left out: a budget goes by it. */
static void test_long_claims_are_cut(void **state)
{
    static const struct caller_pair tags[] = {
        {TEXT_INIT("whole"), TEXT_INIT("{x}")},
        {TEXT_INIT("part"), TEXT_INIT("br-{x}")},
        {TEXT_INIT("many"), TEXT_INIT("{x}{x}{x}{x}{x}{x}{x}{x}{x}")}};
    static const struct caller_rule rule = {
        .claims = plain_claims, .claim_count = 1, .tags = tags, .tag_count = 3};
    const struct caller_facts facts = {.subject = TEXT("robot")};
    char json[3100], wanted[128 + 1];
    struct principal *principal;
    memset(json, 'x', sizeof json);
    memcpy(json, "{\"x\":\"", 6);
    memcpy(json + sizeof json - 2, "\"}", 2);
    memset(wanted, 'x', sizeof wanted);
    wanted[128] = 0;
    yyjson_doc *document = yyjson_read(json, sizeof json, 0);
    assert_int_equal(caller_rule_apply(&rule, yyjson_doc_get_root(document), &facts, &principal),
                     ERROR_OK);
    yyjson_doc *read = yyjson_read(principal->tags.data, principal->tags.length, 0);
    yyjson_val *made = yyjson_doc_get_root(read);
    assert_string_equal(yyjson_get_str(yyjson_obj_get(made, "whole")), wanted);
    assert_string_equal(yyjson_get_str(yyjson_obj_get(made, "many")), wanted);
    memcpy(wanted, "br-", 3);
    assert_string_equal(yyjson_get_str(yyjson_obj_get(made, "part")), wanted);
    yyjson_doc_free(read);
    yyjson_doc_free(document);
    free(principal);
}

static void test_long_tags_are_refused(void **state)
{
    static const struct caller_pair tags[] = {{TEXT_INIT("a"), TEXT_INIT("{x}")},
                                              {TEXT_INIT("b"), TEXT_INIT("{x}")},
                                              {TEXT_INIT("env"), TEXT_INIT("prod")}};
    static const struct caller_rule rule = {
        .claims = plain_claims, .claim_count = 1, .tags = tags, .tag_count = 3};
    const struct caller_facts facts = {.subject = TEXT("robot")};
    char json[300] = "{\"x\":\"";
    struct principal *principal;
    memset(json + 6, '"', 256);
    for (size_t i = 6; i < 262; i += 2) /* quotes, which take two bytes each */
        json[i] = '\\';
    memcpy(json + 262, "\"}", 3);
    yyjson_doc *document = yyjson_read(json, strlen(json), 0);
    assert_int_equal(caller_rule_apply(&rule, yyjson_doc_get_root(document), &facts, &principal),
                     ERROR_LIMIT);
    assert_null(principal);
    yyjson_doc_free(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_algorithm),
        cmocka_unit_test(test_kubernetes),
        cmocka_unit_test(test_nested_claims_decide),
        cmocka_unit_test(test_no_signature),
        cmocka_unit_test(test_key_confusion),
        cmocka_unit_test(test_other_keys),
        cmocka_unit_test(test_ecdsa_in_der),
        cmocka_unit_test(test_embedded_keys),
        cmocka_unit_test(test_each_bit_of_the_signed_part_counts),
        cmocka_unit_test(test_algorithms_that_the_issuer_does_not_use),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_claims_twice),
        cmocka_unit_test(test_base64url),
        cmocka_unit_test(test_huge),
        cmocka_unit_test(test_whose),
        cmocka_unit_test(test_audience),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_wrong_clock),
        cmocka_unit_test(test_subject),
        cmocka_unit_test(test_strangers_learn_nothing),
        cmocka_unit_test(test_spiffe_without_issuer),
        cmocka_unit_test(test_old_keys),
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_keys_that_are_left_out),
        cmocka_unit_test(test_point_off_the_curve),
        cmocka_unit_test(test_wants_are_few),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_templates),
        cmocka_unit_test(test_long_claims_are_cut),
        cmocka_unit_test(test_long_tags_are_refused),
    };
    int failed = cmocka_run_group_tests(tests, set_up, tear_down);
    free(found.principal);
    return failed;
}
