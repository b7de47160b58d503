#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/identifier.h"
#include "identity/key.h"

static const char id[] = "0123456789ab";

static struct secret *make(void)
{
    struct secret *key = NULL;
    assert_int_equal(key_make(text_from(id), &key), ERROR_OK);
    return key;
}

static void test_form(void **state)
{
    struct secret *key = make();
    struct text text = secret_expose(key);
    assert_int_equal(text.length, KEY_TEXT_LENGTH);
    assert_int_equal(KEY_TEXT_LENGTH, 55);
    assert_memory_equal(text.data, "tpk_0123456789ab_", 17);
    struct text found;
    assert_int_equal(key_parse(text, &found), KEY_SYNTAX_OK);
    assert_true(text_equal(found, text_from(id)));
    secret_free(key);
}

/* The documented form, so that a key made today is one for ever; Python:
 * zlib.crc32(b"tpk_0123456789ab_0123456789ABCDEFGHIJKLMNOPQRSTUV") in base 62, hashlib.sha256 of
 * the same. */
static const char known[] = "tpk_0123456789ab_0123456789ABCDEFGHIJKLMNOPQRSTUV2xqmvc";

static void test_known_key(void **state)
{
    struct text found;
    assert_int_equal(key_parse(text_from(known), &found), KEY_SYNTAX_OK);
    struct key_hash hash;
    key_compute_hash(text_from(known), &hash);
    static const uint8_t expected[KEY_HASH_SIZE] = {0x17, 0xb3, 0xdb, 0xe2, 0xaf, 0xa0, 0x09, 0xec,
                                                    0x9f, 0x6f, 0x77, 0xa0, 0x28, 0xd5, 0x5b, 0x58,
                                                    0x79, 0x21, 0x2c, 0xe2, 0xe5, 0xe6, 0x87, 0x58,
                                                    0xfd, 0x7e, 0x09, 0x6e, 0x16, 0x0e, 0x77, 0x40};
    assert_memory_equal(hash.bytes, expected, KEY_HASH_SIZE);
}

static void test_keys_differ(void **state)
{
    struct secret *a = make();
    struct secret *b = make();
    assert_false(secret_equal(a, secret_expose(b)));
    struct key_hash hash_a, hash_b, again;
    key_compute_hash(secret_expose(a), &hash_a);
    key_compute_hash(secret_expose(b), &hash_b);
    key_compute_hash(secret_expose(a), &again);
    assert_false(key_hash_equal(&hash_a, &hash_b));
    assert_true(key_hash_equal(&hash_a, &again));
    secret_free(a);
    secret_free(b);
}

static void test_ids(void **state)
{
    char a[KEY_ID_LENGTH], b[KEY_ID_LENGTH];
    key_make_id(a);
    key_make_id(b);
    assert_memory_not_equal(a, b, sizeof a);
    assert_true(key_id_is_valid(text_of(a, sizeof a)));
    assert_true(key_id_is_valid(text_from(id)));
    assert_false(key_id_is_valid(TEXT("")));
    assert_false(key_id_is_valid(TEXT("0123456789a")));
    assert_false(key_id_is_valid(TEXT("0123456789abc")));
    assert_false(key_id_is_valid(TEXT("0123456789aB")));
    assert_false(key_id_is_valid(TEXT("0123456789a_")));
}

static void test_what_is_not_a_key(void **state)
{
    struct text found;
    assert_int_equal(key_parse(text_of(NULL, 0), &found), KEY_SYNTAX_MISSING);
    assert_int_equal(key_parse(TEXT("sk-proj-1234567890"), &found), KEY_SYNTAX_NOT_OURS);
    assert_int_equal(key_parse(TEXT("tpk"), &found), KEY_SYNTAX_NOT_OURS);
    assert_int_equal(key_parse(TEXT("TPK_0123456789ab_"), &found), KEY_SYNTAX_NOT_OURS);
    assert_int_equal(key_parse(TEXT("tpk_"), &found), KEY_SYNTAX_MALFORMED);
    assert_int_equal(key_parse(TEXT("tpk_0123456789ab_"), &found), KEY_SYNTAX_MALFORMED);
}

/* Each at its own door; at the other it is told apart from a wrong one. */
static void test_admin_keys(void **state)
{
    struct secret *admin = NULL;
    struct text found;
    assert_int_equal(key_make_admin(TEXT("0123456789ab"), &admin), ERROR_OK);
    struct text text = secret_expose(admin);
    assert_true(text_starts_with(text, TEXT(KEY_ADMIN_PREFIX)));
    assert_int_equal(key_parse_admin(text, &found), KEY_SYNTAX_OK);
    assert_true(text_equal(found, TEXT("0123456789ab")));
    assert_true(text_equal(key_visible_part(text), TEXT("tpa_0123456789ab")));
    assert_int_equal(key_parse(text, &found), KEY_SYNTAX_ADMIN);
    assert_int_equal(key_syntax_refusal(KEY_SYNTAX_ADMIN), REFUSAL_KEY_ADMINISTRATIVE);
    secret_free(admin);
    struct secret *caller = make();
    assert_int_equal(key_parse_admin(secret_expose(caller), &found), KEY_SYNTAX_CALLER);
    secret_free(caller);
    assert_int_equal(key_parse_admin(text_of(NULL, 0), &found), KEY_SYNTAX_MISSING);
    assert_int_equal(key_parse_admin(TEXT("sk-proj-1234567890"), &found), KEY_SYNTAX_NOT_OURS);
    assert_int_equal(key_parse_admin(TEXT("tpa_0123456789ab_"), &found), KEY_SYNTAX_MALFORMED);
}

/* Any one wrong byte is noticed: a CRC finds every change of up to 32 bits in a row. */
static void test_each_typo_is_noticed(void **state)
{
    struct secret *key = make();
    for (size_t at = 0; at < KEY_TEXT_LENGTH; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            char text[KEY_TEXT_LENGTH];
            struct text found;
            memcpy(text, secret_expose(key).data, sizeof text);
            if ((char)byte == text[at])
                continue;
            text[at] = (char)byte;
            assert_int_not_equal(key_parse(text_of(text, sizeof text), &found), KEY_SYNTAX_OK);
        }
    }
    secret_free(key);
}

/* Cut, lengthened, characters swapped or doubled, several bytes changed: never read as a key, never
 * read beyond its end (the copies are on the heap, at their exact length). */
static void test_mutated_keys(void **state)
{
    struct secret *key = make();
    struct text right = secret_expose(key);
    unsigned counts[KEY_SYNTAX_CHECKSUM + 1] = {0};
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t dice[8];
        random_bytes(dice, sizeof dice);
        size_t length = dice[0] % 2 ? KEY_TEXT_LENGTH : dice[1] % (KEY_TEXT_LENGTH + 20u);
        char *text = malloc(length + 1);
        assert_non_null(text);
        for (size_t i = 0; i < length; i++)
            text[i] = right.data[i % KEY_TEXT_LENGTH];
        for (size_t i = 0; length > 1 && i < dice[2] % 4u; i++) {
            size_t a = dice[3 + i] % length, b = dice[4 + i] % length;
            char swapped = text[a];
            text[a] = text[b];
            text[b] = dice[7] % 2 ? swapped : (char)dice[6];
        }
        char *exact = realloc(text, length ? length : 1);
        assert_non_null(exact);
        struct text found;
        enum key_syntax syntax = key_parse(text_of(exact, length), &found);
        counts[syntax]++;
        if (syntax == KEY_SYNTAX_OK)
            assert_true(text_equal(text_of(exact, length), right));
        free(exact);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++)
        assert_true(counts[i] > 0 || i == KEY_SYNTAX_ADMIN || i == KEY_SYNTAX_CALLER);
    secret_free(key);
}

static void test_authorization(void **state)
{
    assert_true(text_equal(key_from_authorization(TEXT("Bearer tpk_a")), TEXT("tpk_a")));
    assert_true(text_equal(key_from_authorization(TEXT(" bEARER   tpk_a \t")), TEXT("tpk_a")));
    assert_true(text_empty(key_from_authorization(TEXT("Bearer"))));
    assert_true(text_empty(key_from_authorization(TEXT("Bearer "))));
    assert_true(text_empty(key_from_authorization(TEXT("Basic dXNlcjpwYXNz"))));
    assert_true(text_empty(key_from_authorization(TEXT("tpk_a"))));
    assert_true(text_empty(key_from_authorization(text_of(NULL, 0))));
}

static void test_visible_part(void **state)
{
    assert_true(text_equal(key_visible_part(text_from(known)), TEXT("tpk_0123456789ab")));
    assert_true(text_equal(key_visible_part(TEXT("tpk_01")), TEXT("tpk_01")));
    assert_true(text_equal(key_visible_part(TEXT("tpk_01\n\xff_secret")), TEXT("tpk_01")));
    assert_true(text_equal(key_visible_part(TEXT("sk-proj-abcdefghijkl")), TEXT("sk-p")));
    assert_true(text_empty(key_visible_part(TEXT("hunter2"))));
    assert_true(text_empty(key_visible_part(text_of(NULL, 0))));
}

static void test_refusals(void **state)
{
    assert_int_equal(key_syntax_refusal(KEY_SYNTAX_OK), REFUSAL_NONE);
    assert_int_equal(key_syntax_refusal(KEY_SYNTAX_MISSING), REFUSAL_KEY_MISSING);
    assert_int_equal(key_syntax_refusal(KEY_SYNTAX_NOT_OURS), REFUSAL_KEY_MALFORMED);
    assert_int_equal(key_syntax_refusal(KEY_SYNTAX_MALFORMED), REFUSAL_KEY_MISTYPED);
    assert_int_equal(key_syntax_refusal(KEY_SYNTAX_CHECKSUM), REFUSAL_KEY_MISTYPED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_known_key),
        cmocka_unit_test(test_keys_differ),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_what_is_not_a_key),
        cmocka_unit_test(test_admin_keys),
        cmocka_unit_test(test_each_typo_is_noticed),
        cmocka_unit_test(test_mutated_keys),
        cmocka_unit_test(test_authorization),
        cmocka_unit_test(test_visible_part),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
