#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "base/siphash.h"

#define SIZE_MAX_TRIED 80

/* The seed of the published codes: the bytes 0 to 15. */
static struct siphash_seed counted_seed(void)
{
    struct siphash_seed seed;
    unsigned char bytes[sizeof seed];
    for (unsigned char i = 0; i < sizeof bytes; i++)
        bytes[i] = i;
    memcpy(&seed, bytes, sizeof seed);
    return seed;
}

/* The first two of the authors' vectors_sip128. */
static void test_published_codes(void **state)
{
    static const unsigned char none[] = {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6,
                                         0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93};
    static const unsigned char one[] = {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44,
                                        0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45};
    const struct siphash_seed seed = counted_seed();
    struct siphash_code code = siphash(&seed, text_of(NULL, 0));
    assert_memory_equal(&code, none, sizeof none);
    code = siphash(&seed, text_of("", 1));
    assert_memory_equal(&code, one, sizeof one);
}

/* Another implementation agrees at every length. */
static void test_against_openssl(void **state)
{
    const struct siphash_seed seed = counted_seed();
    char text[SIZE_MAX_TRIED];
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    assert_non_null(mac);
    for (size_t size = 0; size <= sizeof text; size++) {
        for (size_t i = 0; i < size; i++)
            text[i] = (char)(size * 31 + i * 7);
        unsigned char expected[sizeof(struct siphash_code)];
        size_t length = 0;
        EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
        assert_int_equal(EVP_MAC_init(context, (const unsigned char *)&seed, sizeof seed, NULL), 1);
        assert_int_equal(EVP_MAC_update(context, (const unsigned char *)text, size), 1);
        assert_int_equal(EVP_MAC_final(context, expected, &length, sizeof expected), 1);
        assert_int_equal(length, sizeof expected);
        EVP_MAC_CTX_free(context);
        const struct siphash_code code = siphash(&seed, text_of(text, size));
        assert_memory_equal(&code, expected, sizeof expected);
    }
    EVP_MAC_free(mac);
}

static void test_equal(void **state)
{
    const struct siphash_code code = {{1, 2}}, same = {{1, 2}}, first = {{3, 2}}, last = {{1, 3}};
    assert_true(siphash_code_equal(&code, &same));
    assert_false(siphash_code_equal(&code, &first));
    assert_false(siphash_code_equal(&code, &last));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_codes),
        cmocka_unit_test(test_against_openssl),
        cmocka_unit_test(test_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
