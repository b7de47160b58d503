/* network: texts to networks and back, and a table held against the plainest way to look something
 * up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "identity/network.h"

static struct network parse(const char *text)
{
    struct network network;
    if (network_parse(text_from(text), &network) != ERROR_OK)
        fail_msg("%s", text);
    return network;
}

static void expect_text(const struct network *network, const char *expected)
{
    char text[NETWORK_TEXT_SIZE];
    size_t length = network_format(network, text);
    assert_string_equal(text, expected);
    assert_int_equal(length, strlen(expected));
}

static void test_parse_and_format(void **state)
{
    static const char *const same[] = {"10.0.0.0/8",  "0.0.0.0/0", "192.168.1.7", "2001:db8::/32",
                                       "2001:db8::1", "::/0",      "fe80::/10",   "10.1.2.0/31",
                                       "::1",         "ff00::/8",  "128.0.0.0/1"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(same); i++) {
        struct network network = parse(same[i]);
        expect_text(&network, same[i]);
    }
    struct network mapped = parse("::ffff:10.0.0.0/104");
    expect_text(&mapped, "10.0.0.0/8");
    struct network whole = parse("10.1.2.3/32");
    expect_text(&whole, "10.1.2.3");
}

static void test_what_is_no_network(void **state)
{
    static const char *const wrong[] = {"",
                                        "/",
                                        "10.0.0.0/",
                                        "10.0.0.0/33",
                                        "10.0.0/8",
                                        "::/129",
                                        "10.0.0.0/8/8",
                                        "10.0.0.0/-1",
                                        "[::1]",
                                        "host/8",
                                        "10.0.0.0 /8",
                                        "10.0.0.0/0x8",
                                        "10.0.0.1:80",
                                        "unix:/a",
                                        "256.0.0.0/8",
                                        "::1%lo/128"};
    struct network network;
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        if (network_parse(text_from(wrong[i]), &network) != ERROR_SYNTAX)
            fail_msg("%s", wrong[i]);
    assert_int_equal(network_parse(TEXT("10.1.2.3/8"), &network), ERROR_ARGUMENT);
    expect_text(&network, "10.0.0.0/8");
    assert_int_equal(network_parse(TEXT("2001:db8::1/32"), &network), ERROR_ARGUMENT);
    expect_text(&network, "2001:db8::/32");
}

static void test_around_and_contains(void **state)
{
    struct network v4 = parse("10.1.2.3"), v6 = parse("2001:db8:1:2::5"),
                   wide = parse("10.0.0.0/8");
    (void)state;
    struct network around = network_around(&v4, 24, 48);
    expect_text(&around, "10.1.2.0/24");
    around = network_around(&v6, 24, 48);
    expect_text(&around, "2001:db8:1::/48");
    around = network_around(&wide, 24, 48); /* never narrower than it was */
    expect_text(&around, "10.0.0.0/8");
    assert_true(network_contains(&wide, &v4));
    assert_true(network_contains(&wide, &wide));
    assert_false(network_contains(&v4, &wide));
    assert_false(network_contains(&wide, &v6));
    struct network all = parse("::/0"), all_v4 = parse("0.0.0.0/0");
    assert_true(network_contains(&all, &v4));
    assert_false(network_contains(&all_v4, &v6));
    assert_true(network_contains(&all_v4, &v4));
}

static void test_addresses(void **state)
{
    struct address address;
    struct network network;
    (void)state;
    assert_int_equal(address_parse(TEXT("[::ffff:10.1.2.3]:80"), &address), ERROR_OK);
    assert_true(network_of(&address, &network));
    expect_text(&network, "10.1.2.3");
    assert_int_equal(address_parse(TEXT("unix:/a"), &address), ERROR_OK);
    assert_false(network_of(&address, &network));
    address.length = 0;
    assert_false(network_of(&address, &network));
}

static void test_most_specific_wins(void **state)
{
    static const char *const texts[] = {"10.0.0.0/8",    "10.1.0.0/16", "10.1.2.3",
                                        "2001:db8::/32", "10.1.0.0/16", "0.0.0.0/0"};
    struct network networks[ARRAY_LENGTH(texts)];
    uint32_t values[ARRAY_LENGTH(texts)];
    (void)state;
    for (uint32_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        networks[i] = parse(texts[i]);
        values[i] = i;
    }
    struct network_table *table = network_table_create(networks, values, ARRAY_LENGTH(texts));
    static const struct {
        const char *address;
        uint32_t value;
    } rows[] = {{"10.1.2.3", 2},       {"10.1.2.4", 1},    {"10.2.0.0", 0},
                {"11.0.0.1", 5},       {"2001:db8::1", 3}, {"2001:db9::1", NETWORK_NONE},
                {"10.1.2.0/24", 1},    {"10.0.0.0/7", 5},  {"::1", NETWORK_NONE},
                {"255.255.255.255", 5}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct network address = parse(rows[i].address);
        if (network_table_find(table, &address) != rows[i].value)
            fail_msg("%s", rows[i].address);
    }
    network_table_free(table);
    assert_int_equal(network_table_find(NULL, &networks[0]), NETWORK_NONE);
    table = network_table_create(NULL, NULL, 0);
    assert_int_equal(network_table_find(table, &networks[0]), NETWORK_NONE);
    network_table_free(table);
}

/* ---- against the plainest way ---- */

#define MANY 3000u

static uint32_t seed = 7;

static uint32_t next_random(void)
{
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

/* Few different bytes, so that networks overlap. */
static struct network random_network(bool address)
{
    struct network network = {.length = NETWORK_BITS};
    bool v4 = next_random() % 2 == 0;
    for (size_t i = 0; i < 16; i++)
        network.bytes[i] = (unsigned char)(next_random() % 3 == 0 ? next_random() % 4 << 6 : 0);
    if (v4) {
        memset(network.bytes, 0, 10);
        memset(network.bytes + 10, 0xff, 2);
    }
    if (address)
        return network;
    return network_around(&network, next_random() % 33, next_random() % 129);
}

static uint32_t find_plainly(const struct network *networks, const struct network *address)
{
    uint32_t best = NETWORK_NONE;
    for (uint32_t i = 0; i < MANY; i++)
        if (network_contains(&networks[i], address) &&
            (best == NETWORK_NONE || networks[i].length > networks[best].length))
            best = i;
    return best;
}

static void test_against_a_plain_search(void **state)
{
    static struct network networks[MANY];
    static uint32_t values[MANY];
    (void)state;
    for (uint32_t i = 0; i < MANY; i++) {
        networks[i] = random_network(i % 5 == 0);
        values[i] = i;
    }
    struct network_table *table = network_table_create(networks, values, MANY);
    assert_non_null(table);
    for (uint32_t i = 0; i < 3 * MANY; i++) {
        struct network address = i < MANY ? networks[i] : random_network(true);
        assert_int_equal(network_table_find(table, &address), find_plainly(networks, &address));
    }
    network_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_and_format),    cmocka_unit_test(test_what_is_no_network),
        cmocka_unit_test(test_around_and_contains), cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_most_specific_wins),  cmocka_unit_test(test_against_a_plain_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
