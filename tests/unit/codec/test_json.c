/* json: what is written is read back by yyjson; hostile strings come out as valid JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/json.h"

static void test_structure(void **state)
{
    struct buffer out;
    buffer_open(&out, 4096);
    struct json_writer writer;
    json_open(&writer, &out);
    json_begin_object(&writer);
    json_member_text(&writer, "a", TEXT("b"));
    json_member_unsigned(&writer, "n", UINT64_MAX);
    json_member_signed(&writer, "m", INT64_MIN);
    json_member_bool(&writer, "t", true);
    json_member_text(&writer, "none", text_of(NULL, 0));
    json_key(&writer, TEXT("list"));
    json_begin_array(&writer);
    json_unsigned(&writer, 1);
    json_null(&writer);
    json_begin_object(&writer);
    json_end_object(&writer);
    json_begin_array(&writer);
    json_end_array(&writer);
    json_raw(&writer, TEXT("1.50"));
    json_end_array(&writer);
    json_key(&writer, TEXT("o"));
    json_begin_object(&writer);
    json_member_bool(&writer, "f", false);
    json_end_object(&writer);
    assert_false(json_done(&writer));
    json_end_object(&writer);
    assert_true(json_done(&writer));
    assert_true(
        text_equal(buffer_text(&out), TEXT("{\"a\":\"b\",\"n\":18446744073709551615,\"m\":-"
                                           "9223372036854775808,\"t\":true,\"none\":null,"
                                           "\"list\":[1,null,{},[],1.50],\"o\":{\"f\":false}}")));
    buffer_close(&out);
}

static void test_strings(void **state)
{
    static const struct {
        struct text value;
        const char *expected;
    } cases[] = {
        {TEXT_INIT(""), "\"\""},
        {TEXT_INIT("plain"), "\"plain\""},
        {TEXT_INIT("\"\\/\b\f\n\r\t"), "\"\\\"\\\\/\\b\\f\\n\\r\\t\""},
        {TEXT_INIT("a\0b\x1f\x7f"), "\"a\\u0000b\\u001f\\u007f\""},
        {TEXT_INIT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
         "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {TEXT_INIT("\xff"
                   "a"),
         "\"\xef\xbf\xbd"
         "a\""},
        {TEXT_INIT("\xc3"), "\"\xef\xbf\xbd\""},
        {TEXT_INIT("\xe2\x82"), "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {TEXT_INIT("\xc0\xaf"), "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {TEXT_INIT("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
        {TEXT_INIT("\xf4\x90\x80\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct buffer out;
        buffer_open(&out, 4096);
        assert_true(json_append_text(&out, cases[i].value));
        assert_true(text_equal(buffer_text(&out), text_from(cases[i].expected)));
        buffer_close(&out);
    }
}

/* What a caller's body holds may be no UTF-8, even where it is passed on as it is. */
static void test_raw(void **state)
{
    struct buffer out;
    struct json_writer writer;
    (void)state;
    buffer_open(&out, 4096);
    json_open(&writer, &out);
    json_begin_array(&writer);
    json_raw(&writer, TEXT("{\"a\":\"\xc3\xa9\"}"));
    json_raw(&writer, TEXT("\"x\xff\xed\xa0\x80\xe2\x82\""));
    json_end_array(&writer);
    assert_true(json_done(&writer));
    assert_true(text_equal(buffer_text(&out),
                           TEXT("[{\"a\":\"\xc3\xa9\"},\"x\xef\xbf\xbd\xef\xbf\xbd\xef\xbf"
                                "\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"]")));
    buffer_close(&out);
}

/* Every string of two bytes: valid JSON, and the same string back when it was valid UTF-8. */
static void test_all_pairs_of_bytes(void **state)
{
    struct buffer out;
    buffer_open(&out, 4096);
    for (unsigned pair = 0; pair < 65536; pair++) {
        char bytes[2] = {(char)(pair >> 8), (char)pair};
        buffer_clear(&out);
        assert_true(json_append_text(&out, text_of(bytes, 2)));
        yyjson_doc *document = yyjson_read(out.data, out.length, 0);
        assert_non_null(document);
        if ((bytes[0] & 0x80) == 0 && (bytes[1] & 0x80) == 0) {
            yyjson_val *root = yyjson_doc_get_root(document);
            assert_true(
                text_equal(text_of(yyjson_get_str(root), yyjson_get_len(root)), text_of(bytes, 2)));
        }
        yyjson_doc_free(document);
    }
    buffer_close(&out);
}

static void test_a_full_buffer_is_noticed(void **state)
{
    struct buffer out;
    buffer_open(&out, 8);
    struct json_writer writer;
    json_open(&writer, &out);
    json_begin_array(&writer);
    json_text(&writer, TEXT("too long for this"));
    json_end_array(&writer);
    assert_false(json_done(&writer));
    buffer_close(&out);
}

static void test_reading(void **state)
{
    static const char input[] = "{\"s\":\"x\\u0000y\",\"n\":5,\"m\":-5,\"d\":1.5,\"b\":true,\"z\":"
                                "null,\"o\":{\"s\":\"i\"},\"a\":[1]}";
    yyjson_doc *document = yyjson_read(input, sizeof(input) - 1, 0);
    yyjson_val *root = yyjson_doc_get_root(document);
    struct text text = TEXT("before");
    uint64_t number = 7;
    bool flag = false;
    yyjson_val *value = NULL;
    assert_int_equal(json_get_text(root, "n", &text), JSON_WRONG_TYPE);
    assert_int_equal(json_get_text(root, "z", &text), JSON_ABSENT);
    assert_int_equal(json_get_text(root, "none", &text), JSON_ABSENT);
    assert_int_equal(json_get_text(NULL, "s", &text), JSON_ABSENT);
    assert_true(text_equal(text, TEXT("before")));
    assert_int_equal(json_get_text(root, "s", &text), JSON_PRESENT);
    assert_true(text_equal(text, TEXT("x\0y")));
    assert_int_equal(json_get_unsigned(root, "m", &number), JSON_WRONG_TYPE);
    assert_int_equal(json_get_unsigned(root, "d", &number), JSON_WRONG_TYPE);
    assert_int_equal(number, 7);
    assert_int_equal(json_get_unsigned(root, "n", &number), JSON_PRESENT);
    assert_int_equal(number, 5);
    assert_int_equal(json_get_bool(root, "n", &flag), JSON_WRONG_TYPE);
    assert_int_equal(json_get_bool(root, "b", &flag), JSON_PRESENT);
    assert_true(flag);
    assert_int_equal(json_get_array(root, "o", &value), JSON_WRONG_TYPE);
    assert_int_equal(json_get_array(root, "a", &value), JSON_PRESENT);
    assert_int_equal(json_get_object(root, "a", &value), JSON_WRONG_TYPE);
    assert_int_equal(json_get_object(root, "o", &value), JSON_PRESENT);
    assert_int_equal(json_get_text(value, "s", &text), JSON_PRESENT);
    assert_true(text_equal(text, TEXT("i")));
    yyjson_doc_free(document);
}

static void expect_parsed(const char *json, const char *expected)
{
    yyjson_doc *document;
    assert_int_equal(json_parse(text_from(json), &document), ERROR_OK);
    assert_string_equal(yyjson_get_str(yyjson_doc_get_root(document)), expected);
    yyjson_doc_free(document);
}

static void test_parse(void **state)
{
    yyjson_doc *document;
    expect_parsed("\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80");
    expect_parsed("\"a\\ud83d\"", "a\xed\xa0\xbd");
    expect_parsed("\"\\ude00\\ud83dz\"", "\xed\xb8\x80\xed\xa0\xbdz");
    expect_parsed("\"\\ud83d\\ud83d\\ude00\"", "\xed\xa0\xbd\xf0\x9f\x98\x80");
    expect_parsed("\"\\ud83d\\\\ude00\"", "\xed\xa0\xbd\\ude00");
    expect_parsed("\"\xff\"", "\xff");
    static const char *const wrong[] = {"",     "{",  "\"\\ud83", "\"\\ud83d", "\"\\uzzzz\"",
                                        "[1,]", "1 2"};
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        assert_int_equal(json_parse(text_from(wrong[i]), &document), ERROR_SYNTAX);
        assert_null(document);
    }
}

static void test_values(void **state)
{
    static const struct {
        const char *json, *expected;
    } rows[] = {
        {"[1, {\"a\": \"\\u00e4\"}]", "[[1,{\"a\":\"\xc3\xa4\"}]]"},
        {"\"\\ud83d\\u00e4\"", "[\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xc3\xa4\"]"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        yyjson_doc *document;
        struct buffer out;
        struct json_writer json;
        buffer_open(&out, 256);
        json_open(&json, &out);
        assert_int_equal(json_parse(text_from(rows[i].json), &document), ERROR_OK);
        json_begin_array(&json);
        json_value(&json, yyjson_doc_get_root(document));
        json_end_array(&json);
        assert_true(json_done(&json));
        assert_true(text_equal(buffer_text(&out), text_from(rows[i].expected)));
        yyjson_doc_free(document);
        buffer_close(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_structure),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_all_pairs_of_bytes),
        cmocka_unit_test(test_a_full_buffer_is_noticed),
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
