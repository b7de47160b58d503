/* source: who is believed, and how far. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "identity/source.h"

struct row {
    const char *peer;
    enum source_field field;
    const char *first, *second; /* lines of the field; NULL: no such line */
    const char *source;
    unsigned hops;
    bool unreadable;
};

#define XFF SOURCE_FIELD_X_FORWARDED_FOR
#define FWD SOURCE_FIELD_FORWARDED

static const struct row rows[] = {
    /* a stranger says what he likes */
    {"203.0.113.9:1", XFF, "10.0.0.1", NULL, "203.0.113.9", 0, false},
    {"203.0.113.9:1", FWD, "for=10.0.0.1", NULL, "203.0.113.9", 0, false},
    /* a trusted forwarder is believed, what stands before its word is not */
    {"10.0.0.2:1", XFF, "198.51.100.7", NULL, "198.51.100.7", 1, false},
    {"10.0.0.2:1", XFF, "1.2.3.4, 198.51.100.7", NULL, "198.51.100.7", 1, false},
    {"10.0.0.2:1", XFF, "1.2.3.4", "198.51.100.7", "198.51.100.7", 1, false},
    /* two of ours in a row */
    {"10.0.0.2:1", XFF, "1.2.3.4, 198.51.100.7, 10.9.9.9", NULL, "198.51.100.7", 2, false},
    {"10.0.0.2:1", XFF, "198.51.100.7", "10.9.9.9", "198.51.100.7", 2, false},
    /* all are ours: the first of them called */
    {"10.0.0.2:1", XFF, "10.1.1.1, 10.9.9.9", NULL, "10.1.1.1", 2, false},
    /* no field, or the other one */
    {"10.0.0.2:1", XFF, NULL, NULL, "10.0.0.2", 0, false},
    {"10.0.0.2:1", SOURCE_FIELD_NONE, "198.51.100.7", NULL, "10.0.0.2", 0, false},
    /* forms of an address */
    {"10.0.0.2:1", XFF, "198.51.100.7:4711", NULL, "198.51.100.7", 1, false},
    {"10.0.0.2:1", XFF, "2001:db8::1", NULL, "2001:db8::1", 1, false},
    {"10.0.0.2:1", XFF, "[2001:db8::1]:80", NULL, "2001:db8::1", 1, false},
    {"10.0.0.2:1", XFF, " , 198.51.100.7 ,, ", NULL, "198.51.100.7", 1, false},
    {"10.0.0.2:1", FWD, "for=198.51.100.7;proto=http;by=10.0.0.2", NULL, "198.51.100.7", 1, false},
    {"10.0.0.2:1", FWD, "For=\"[2001:db8::1]:4711\"", NULL, "2001:db8::1", 1, false},
    {"10.0.0.2:1", FWD, "for=1.2.3.4, proto=https; for=198.51.100.7", NULL, "198.51.100.7", 1,
     false},
    {"10.0.0.2:1", FWD, "for=1.2.3.4;x=\"a,b\"", NULL, "1.2.3.4", 1, false},
    /* IPv4-mapped IPv6, as a dual-stack socket has it */
    {"[::ffff:10.0.0.2]:1", XFF, "198.51.100.7", NULL, "198.51.100.7", 1, false},
    {"[::ffff:203.0.113.9]:1", XFF, "10.0.0.1", NULL, "203.0.113.9", 0, false},
    {"10.0.0.2:1", XFF, "198.51.100.7, ::ffff:10.9.9.9", NULL, "198.51.100.7", 2, false},
    /* what cannot be read ends the chain where it could */
    {"10.0.0.2:1", XFF, "unknown", NULL, "10.0.0.2", 0, true},
    {"10.0.0.2:1", XFF, "1.2.3.4, unknown, 10.9.9.9", NULL, "10.9.9.9", 1, true},
    {"10.0.0.2:1", XFF, "198.51.100.7:99999", NULL, "10.0.0.2", 0, true},
    {"10.0.0.2:1", XFF, "198.51.100.7:", NULL, "10.0.0.2", 0, true},
    {"10.0.0.2:1", XFF, "[2001:db8::1]x", NULL, "10.0.0.2", 0, true},
    {"10.0.0.2:1", FWD, "for=_hidden", NULL, "10.0.0.2", 0, true},
    {"10.0.0.2:1", FWD, "by=10.0.0.2", NULL, "10.0.0.2", 0, true},
    {"10.0.0.2:1", FWD, "for=\"198.51.100.7", NULL, "10.0.0.2", 0, true},
};

static struct network_table *trust(const char *text)
{
    struct network network;
    uint32_t value = 0;
    assert_int_equal(network_parse(text_from(text), &network), ERROR_OK);
    struct network_table *table = network_table_create(&network, &value, 1);
    assert_non_null(table);
    return table;
}

static void expect(const struct row *row, const struct network_table *trusted)
{
    struct text values[2];
    struct address peer;
    struct source source;
    char text[ADDRESS_TEXT_SIZE];
    size_t count = 0;
    if (row->first != NULL)
        values[count++] = text_from(row->first);
    if (row->second != NULL)
        values[count++] = text_from(row->second);
    assert_int_equal(address_parse(text_from(row->peer), &peer), ERROR_OK);
    source_find(&peer, row->field, values, count, trusted, false, &source);
    address_format_host(&source.address, text);
    if (strcmp(text, row->source) != 0 || source.hops != row->hops ||
        source.unreadable != row->unreadable)
        fail_msg("%s, %s: %s after %u hops", row->peer, row->first ? row->first : "nothing", text,
                 source.hops);
}

static void test_rows(void **state)
{
    struct network_table *trusted = trust("10.0.0.0/8");
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        expect(&rows[i], trusted);
    network_table_free(trusted);
}

static void test_nobody_is_trusted(void **state)
{
    (void)state;
    expect(&(struct row){"10.0.0.2:1", XFF, "198.51.100.7", NULL, "10.0.0.2", 0, false}, NULL);
}

static void test_unix_peers(void **state)
{
    struct network_table *trusted = trust("10.0.0.0/8");
    struct text value = TEXT("198.51.100.7");
    struct address peer;
    struct source source;
    char text[ADDRESS_TEXT_SIZE];
    (void)state;
    assert_int_equal(address_parse(TEXT("unix:/a"), &peer), ERROR_OK);
    source_find(&peer, XFF, &value, 1, trusted, false, &source);
    address_format_host(&source.address, text);
    assert_string_equal(text, "unix");
    source_find(&peer, XFF, &value, 1, trusted, true, &source);
    address_format_host(&source.address, text);
    assert_string_equal(text, "198.51.100.7");
    network_table_free(trusted);
}

static void test_an_endless_chain(void **state)
{
    struct network_table *trusted = trust("10.0.0.0/8");
    struct text values[SOURCE_HOPS_MAX + 8];
    struct address peer;
    struct source source;
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++)
        values[i] = TEXT("10.0.0.3");
    assert_int_equal(address_parse(TEXT("10.0.0.2:1"), &peer), ERROR_OK);
    source_find(&peer, XFF, values, ARRAY_LENGTH(values), trusted, false, &source);
    assert_int_equal(source.hops, SOURCE_HOPS_MAX);
    assert_true(source.unreadable);
    network_table_free(trusted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_nobody_is_trusted),
        cmocka_unit_test(test_unix_peers),
        cmocka_unit_test(test_an_endless_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
