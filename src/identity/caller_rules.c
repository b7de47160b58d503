#include "identity/caller_rules.h"

#include <openssl/evp.h>

#include "base/buffer.h"
#include "base/ensure.h"
#include "codec/json.h"
#include "identity/claims.h"

static bool rule_matches(const struct caller_rule *rule, yyjson_val *claims)
{
    for (size_t i = 0; i < rule->claim_count; i++) {
        if (!claims_match(claims, rule->claims[i].name, rule->claims[i].value))
            return false;
    }
    return true;
}

const struct caller_rule *caller_rules_find(const struct caller_rules *rules, yyjson_val *claims)
{
    for (size_t i = 0; i < rules->count; i++) {
        if (rule_matches(&rules->rows[i], claims))
            return &rules->rows[i];
    }
    return NULL;
}

/* With its length in front, so that no two lists of texts are one. */
static void digest_text(EVP_MD_CTX *digest, struct text text)
{
    const uint64_t length = text.length;

    ensure(EVP_DigestUpdate(digest, &length, sizeof length) == 1 &&
           EVP_DigestUpdate(digest, text.data, text.length) == 1);
}

static void digest_pairs(EVP_MD_CTX *digest, const struct caller_pair *pairs, size_t count)
{
    const uint64_t length = count;

    ensure(EVP_DigestUpdate(digest, &length, sizeof length) == 1);
    for (size_t i = 0; i < count; i++) {
        digest_text(digest, pairs[i].name);
        digest_text(digest, pairs[i].value);
    }
}

void caller_rule_make_code(struct caller_rule *rule, struct text place, struct text name)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    EVP_MD_CTX *digest = ensure_memory(EVP_MD_CTX_new());

    ensure(EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1);
    digest_text(digest, place);
    digest_text(digest, name);
    digest_pairs(digest, rule->claims, rule->claim_count);
    digest_text(digest, rule->team);
    digest_text(digest, rule->name);
    digest_pairs(digest, rule->tags, rule->tag_count);
    ensure(EVP_DigestFinal_ex(digest, hash, NULL) == 1);
    EVP_MD_CTX_free(digest);
    memcpy(rule->code.bytes, hash, sizeof rule->code.bytes);
}

const struct caller_rule *caller_rules_find_code(const struct caller_rules *rules,
                                                 const struct principal_rule *code)
{
    for (size_t i = 0; i < rules->count; i++) {
        if (memcmp(&rules->rows[i].code, code, sizeof *code) == 0)
            return &rules->rows[i];
    }
    return NULL;
}

/* The template filled in, in `memory`, which is larger than `limit` by more than one claim; empty
 * when it cannot be. What did not fit lies behind the limit. */
static struct text expand(yyjson_val *claims, struct text template, size_t limit, char *memory,
                          size_t size)
{
    struct buffer out = {.data = memory, .capacity = size, .maximum = size};

    return claims_expand(claims, template, &out) || out.failed
               ? claims_cut(buffer_text(&out), limit)
               : text_of(NULL, 0);
}

/* {"repository":"org/name"}; false when there is no room. */
static bool make_tags(const struct caller_rule *rule, yyjson_val *claims, struct buffer *out)
{
    char memory[CLAIMS_VALUE_MAX];
    struct json_writer json;

    json_open(&json, out);
    json_begin_object(&json);
    for (size_t i = 0; i < rule->tag_count; i++) {
        struct text value =
            expand(claims, rule->tags[i].value, CALLER_TAG_VALUE_MAX, memory, sizeof memory);
        if (text_empty(value))
            continue;
        json_key(&json, rule->tags[i].name);
        json_text(&json, value);
    }
    json_end_object(&json);
    return json_done(&json);
}

enum error caller_rule_apply(const struct caller_rule *rule, yyjson_val *claims,
                             const struct caller_facts *facts, struct principal **out)
{
    char id[PRINCIPAL_ID_LENGTH], tags_memory[PRINCIPAL_TAGS_MAX], name_memory[CLAIMS_VALUE_MAX];
    struct buffer tags = {
        .data = tags_memory, .capacity = sizeof tags_memory, .maximum = sizeof tags_memory};
    struct text name =
        expand(claims, rule->name, PRINCIPAL_NAME_MAX, name_memory, sizeof name_memory);

    *out = NULL;
    if (!make_tags(rule, claims, &tags))
        return ERROR_LIMIT;
    principal_make_id(facts->issuer, facts->subject, id);
    const struct principal principal = {
        .proof = facts->proof,
        .id = text_of(id, sizeof id),
        .name = text_empty(name) ? claims_cut(facts->subject, PRINCIPAL_NAME_MAX) : name,
        .team = rule->team,
        .tags = tags.length > 2 ? buffer_text(&tags) : text_of(NULL, 0), /* "{}": none */
        .models = rule->models,
        .issuer = claims_cut(facts->issuer, PRINCIPAL_SUBJECT_MAX),
        .subject = claims_cut(facts->subject, PRINCIPAL_SUBJECT_MAX),
        .proof_id = claims_cut(facts->proof_id, PRINCIPAL_NAME_MAX),
        .expires_at = facts->expires_at,
        .rule = rule,
    };
    *out = principal_copy(&principal);
    return *out ? ERROR_OK : ERROR_MEMORY;
}
