/* scan: each document whole, split at every byte and byte by byte, and judged beside yyjson. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <yyjson.h>

#include "base/buffer.h"
#include "openai/brackets.h"
#include "openai/scan.h"
#include "openai/scan_string.h"

static const struct scan_watch watches[] = {
    {TEXT_INIT("model"), 64}, {TEXT_INIT("stream"), 64}, {TEXT_INIT("task"), 8}};

enum { MODEL, STREAM, TASK, COUNT };

struct outcome {
    enum error error;
    uint64_t offset;
    struct scan_value values[COUNT];
};

static struct outcome run(struct text document, size_t split, enum scan_mode mode,
                          struct arena *arena)
{
    struct scan scan;
    struct outcome outcome;
    scan_open(&scan, mode, watches, outcome.values, COUNT, arena);
    size_t step = split == 0 ? 1 : split;
    outcome.error = ERROR_OK;
    while (document.length > 0 && outcome.error == ERROR_OK) {
        outcome.error = scan_feed(&scan, text_first(document, step));
        document = text_from_index(document, step);
        if (split != 0)
            step = document.length;
    }
    if (outcome.error == ERROR_OK)
        outcome.error = scan_finish(&scan);
    outcome.offset = scan.offset;
    assert_int_equal(outcome.error == ERROR_OK, scan.reason == NULL);
    return outcome;
}

/* Whole first; every split must agree with it. Split 0 is byte by byte. */
static struct outcome check(struct text document, enum scan_mode mode, struct arena *arena)
{
    struct outcome whole = run(document, document.length, mode, arena);
    for (size_t split = 0; split < document.length; split++) {
        struct outcome other = run(document, split, mode, arena);
        if (other.error != whole.error || other.offset != whole.offset)
            print_error("%.*s, split at %zu: %d at %zu, whole %d at %zu\n", TEXT_ARG(document),
                        split, (int)other.error, (size_t)other.offset, (int)whole.error,
                        (size_t)whole.offset);
        assert_int_equal(other.error, whole.error);
        assert_int_equal(other.offset, whole.offset);
        for (size_t i = 0; whole.error == ERROR_OK && i < COUNT; i++) {
            assert_int_equal(other.values[i].kind, whole.values[i].kind);
            assert_int_equal(other.values[i].offset, whole.values[i].offset);
            assert_int_equal(other.values[i].length, whole.values[i].length);
            assert_int_equal(other.values[i].cut, whole.values[i].cut);
            assert_true(text_equal(other.values[i].raw, whole.values[i].raw));
        }
    }
    return whole;
}

static void test_finds_members(void **state)
{
    struct arena arena;
    struct text document = TEXT(" {\"a\":[{\"model\":\"inner\"}], \"model\" : "
                                "\"gpt-4o\",\n\"stream\":true,\"task\":{\"model\":1}} ");
    arena_open(&arena, NULL, 1u << 20);
    struct outcome outcome = check(document, SCAN_STRICT, &arena);
    assert_int_equal(outcome.error, ERROR_OK);
    assert_true(text_equal(outcome.values[MODEL].raw, TEXT("\"gpt-4o\"")));
    assert_true(
        text_equal(text_of(document.data + outcome.values[MODEL].offset, 8), TEXT("\"gpt-4o\"")));
    assert_int_equal(outcome.values[STREAM].kind, SCAN_TRUE);
    assert_int_equal(outcome.values[TASK].kind, SCAN_OBJECT);
    assert_true(outcome.values[TASK].cut);
    assert_int_equal(outcome.values[TASK].length, 11);
    arena_close(&arena);
}

static void test_strict_about_names(void **state)
{
    static const struct {
        struct text document;
        enum error strict, lenient;
    } rows[] = {
        {TEXT_INIT("{\"model\":\"a\",\"model\":\"b\"}"), ERROR_UNSUPPORTED, ERROR_OK},
        {TEXT_INIT("{\"model\":\"a\",\"mod\\u0065l\":\"b\"}"), ERROR_UNSUPPORTED, ERROR_OK},
        {TEXT_INIT("{\"model\":\"a\",\"Model\":\"b\"}"), ERROR_UNSUPPORTED, ERROR_OK},
        {TEXT_INIT("{\"\xc5\xbftream\":true}"), ERROR_UNSUPPORTED, ERROR_OK},
        {TEXT_INIT("{\"\\u017Ftream\":true}"), ERROR_UNSUPPORTED, ERROR_OK},
        {TEXT_INIT("{\"tas\xe2\x84\xaa\":true}"), ERROR_UNSUPPORTED, ERROR_OK},
        {TEXT_INIT("{\"mod\xff\":1}"), ERROR_SYNTAX, ERROR_OK},
        {TEXT_INIT("{\"model\\ud800\":1,\"model\":2}"), ERROR_OK, ERROR_OK},
        {TEXT_INIT("{\"x\":{\"model\":1,\"model\":2}}"), ERROR_OK, ERROR_OK},
    };
    struct arena arena;
    arena_open(&arena, NULL, 1u << 20);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        assert_int_equal(check(rows[i].document, SCAN_STRICT, &arena).error, rows[i].strict);
        assert_int_equal(check(rows[i].document, SCAN_LENIENT, &arena).error, rows[i].lenient);
    }
    struct outcome outcome = check(TEXT("{\"model\":\"a\",\"model\":17}"), SCAN_LENIENT, &arena);
    assert_true(text_equal(outcome.values[MODEL].raw, TEXT("17")));
    outcome = check(TEXT("{\"m\\u006fdel\":\"a\"}"), SCAN_STRICT, &arena);
    assert_true(text_equal(outcome.values[MODEL].raw, TEXT("\"a\"")));
    arena_close(&arena);
}

static void test_agrees_with_yyjson(void **state)
{
    static const char *const documents[] = {
        "{}",
        "{ }",
        "{\"a\":1}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\" 1}",
        "{a:1}",
        "[1]",
        "1",
        "\"a\"",
        "null",
        "",
        " ",
        "{",
        "}",
        "{}}",
        "{} x",
        "{}\n\t\r ",
        "{}{}",
        "{\"a\":01}",
        "{\"a\":-}",
        "{\"a\":-0}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":1.5e}",
        "{\"a\":1.5e+}",
        "{\"a\":1.5e+07}",
        "{\"a\":1E5}",
        "{\"a\":+1}",
        "{\"a\":1-2}",
        "{\"a\":0x1}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":tru}",
        "{\"a\":truee}",
        "{\"a\":nul}",
        "{\"a\":false}",
        "{\"a\":[]}",
        "{\"a\":[1,]}",
        "{\"a\":[,1]}",
        "{\"a\":[1 2]}",
        "{\"a\":[1}",
        "{\"a\":{]}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\\u1234\"}",
        "{\"a\":\"\\n\\t\\b\\f\\r\\/\\\\\\\"\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\x01\"}",
        "{\"a\":\"abc}",
        "{'a':1}",
        "{\"a\":1}//x",
        "{/**/\"a\":1}",
        "\xef\xbb\xbf{}",
        "{\"a\":\"0123456789012345678901234567890123456789\"}",
        "{\"a\":\"012345678901234567890123456789\\\\\",\"b\":[[[{\"c\":[]}]]]}",
        "{\"a\":1\f}",
        "{\"a\":[true,false,null,-1.5e-3,\"\",{},[]]}",
    };
    struct arena arena;
    arena_open(&arena, NULL, 1u << 20);
    for (size_t i = 0; i < ARRAY_LENGTH(documents); i++) {
        struct text document = text_from(documents[i]);
        yyjson_doc *doc = yyjson_read(document.data, document.length, 0);
        bool expected = yyjson_is_obj(yyjson_doc_get_root(doc));
        yyjson_doc_free(doc);
        bool found = check(document, SCAN_STRICT, &arena).error == ERROR_OK;
        if (found != expected)
            print_error("%s\n", documents[i]);
        assert_int_equal(found, expected);
    }
    arena_close(&arena);
}

static void test_depth(void **state)
{
    struct scan scan;
    struct scan_value values[COUNT];
    char document[2 * SCAN_DEPTH_MAX + 16];
    for (size_t arrays = SCAN_DEPTH_MAX - 1; arrays <= SCAN_DEPTH_MAX; arrays++) {
        size_t length = 5;
        memcpy(document, "{\"a\":", 5);
        memset(document + length, '[', arrays);
        length += arrays;
        memset(document + length, ']', arrays);
        length += arrays;
        document[length++] = '}';
        enum error error =
            scan_text(&scan, SCAN_STRICT, text_of(document, length), watches, values, COUNT);
        assert_int_equal(error, arrays == SCAN_DEPTH_MAX ? ERROR_UNSUPPORTED : ERROR_OK);
    }
}

static void test_tells_where(void **state)
{
    struct scan scan;
    struct scan_value values[COUNT];
    struct text document = TEXT("{\n  \"a\": 1,\n  \"b\": tru }");
    assert_int_equal(scan_text(&scan, SCAN_STRICT, document, watches, values, COUNT), ERROR_SYNTAX);
    assert_int_equal(scan.line, 3);
    assert_int_equal(scan_column(&scan), 11);
    assert_string_equal(scan.reason, "a value was expected (true, false or null)");
}

static void test_decodes_strings(void **state)
{
    static const struct {
        struct text raw;
        const char *meaning; /* NULL: refused */
    } rows[] = {
        {TEXT_INIT("\"abc\""), "abc"},
        {TEXT_INIT("\"\""), ""},
        {TEXT_INIT("\"a\\n\\\"\\\\\\/\\t\""), "a\n\"\\/\t"},
        {TEXT_INIT("\"\\u00e9\\u20ac\\ud83d\\udea6\""), "\xc3\xa9\xe2\x82\xac\xf0\x9f\x9a\xa6"},
        {TEXT_INIT("\"\\ud83d\""), NULL},
        {TEXT_INIT("\"\\udea6\\ud83d\""), NULL},
        {TEXT_INIT("\"\\ud83dx\""), NULL},
        {TEXT_INIT("\"\xc3\""), NULL},
        {TEXT_INIT("\"\xed\xa0\x80\""), NULL},
        {TEXT_INIT("\"\xc0\xaf\""), NULL},
        {TEXT_INIT("\"\xf4\x90\x80\x80\""), NULL},
        {TEXT_INIT("abc"), NULL},
    };
    struct arena arena;
    arena_open(&arena, NULL, 1u << 20);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct text out;
        enum error error = scan_decode_string(&arena, rows[i].raw, &out);
        assert_int_equal(error, rows[i].meaning != NULL ? ERROR_OK : ERROR_SYNTAX);
        if (rows[i].meaning != NULL)
            assert_true(text_equal(out, text_from(rows[i].meaning)));
    }
    arena_close(&arena);
}

static void test_whole_numbers(void **state)
{
    static const struct {
        struct text raw;
        int64_t value; /* -1: refused */
    } rows[] = {
        {TEXT_INIT("0"), 0},
        {TEXT_INIT("4096"), 4096},
        {TEXT_INIT("4.0"), 4},
        {TEXT_INIT("4e3"), 4000},
        {TEXT_INIT("1.5e1"), 15},
        {TEXT_INIT("1500e-2"), 15},
        {TEXT_INIT("0.0"), 0},
        {TEXT_INIT("0e-5"), 0},
        {TEXT_INIT("9007199254740992"), 9007199254740992},
        {TEXT_INIT("9007199254740993"), -1},
        {TEXT_INIT("1e16"), -1},
        {TEXT_INIT("1.5"), -1},
        {TEXT_INIT("-1"), -1},
        {TEXT_INIT("-0"), -1},
        {TEXT_INIT("1e999999999999"), -1},
        {TEXT_INIT("\"1\""), -1},
        {TEXT_INIT(""), -1},
        {TEXT_INIT("15e-1"), -1},
        {TEXT_INIT("99999999999999999999999999999999999999999999"), -1},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        int64_t value = -1;
        bool ok = scan_whole_number(rows[i].raw, &value);
        if (ok != (rows[i].value >= 0))
            print_error("%.*s\n", TEXT_ARG(rows[i].raw));
        assert_int_equal(ok, rows[i].value >= 0);
        if (ok)
            assert_int_equal(value, rows[i].value);
    }
}

static void test_string_end_everywhere(void **state)
{
    char bytes[200];
    for (size_t start = 0; start < 20; start++)
        for (size_t at = start; at < 190; at++)
            for (size_t kind = 0; kind < 5; kind++) {
                memset(bytes, kind == 4 ? '\x80' : 'a', sizeof bytes);
                bytes[at] = "\"\\\x1f\x00\""[kind];
                assert_ptr_equal(scan_string_end(bytes + start, bytes + sizeof bytes), bytes + at);
                assert_ptr_equal(scan_string_end(bytes + start, bytes + at), bytes + at);
                bytes[at] = ' ';
                assert_ptr_equal(scan_string_end(bytes + start, bytes + sizeof bytes),
                                 bytes + sizeof bytes);
            }
}

static void test_quote_everywhere(void **state)
{
    char bytes[60];
    for (size_t start = 0; start < 20; start++)
        for (size_t at = start; at < sizeof bytes; at++) {
            memset(bytes, ':', sizeof bytes);
            bytes[at] = '"';
            assert_ptr_equal(scan_quote(bytes + start, bytes + sizeof bytes), bytes + at);
            assert_ptr_equal(scan_quote(bytes + start, bytes + at), bytes + at);
        }
}

static unsigned random_below(uint64_t *seed, unsigned limit)
{
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(*seed >> 33) % limit;
}

/* What brackets_pass does, said in the plainest way. */
static size_t end_of_brackets(struct text t)
{
    size_t open = 1;
    bool in_string = false;
    for (size_t i = 0; i < t.length; i++) {
        char c = t.data[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '{' || c == '['))
            open++;
        else if (!in_string && (c == '}' || c == ']') && --open == 0)
            return i + 1;
    }
    return t.length;
}

static void test_brackets_in_any_bytes(void **state)
{
    static const char alphabet[] = "\"\"\"\\\\{}[]}]aaaaaaaaaaaaa\n\xdb\xfb";
    uint64_t seed = 1;
    char bytes[150];
    for (int round = 0; round < 20000; round++) {
        size_t length = random_below(&seed, sizeof bytes);
        for (size_t i = 0; i < length; i++)
            bytes[i] = alphabet[random_below(&seed, sizeof alphabet - 1)];
        size_t expected = end_of_brackets(text_of(bytes, length));
        size_t largest = 1 + random_below(&seed, 60), at = 0;
        struct brackets brackets = {.open = 1};
        while (at < length && brackets.open > 0) {
            size_t piece = 1 + random_below(&seed, (unsigned)largest);
            const char *end = bytes + (piece < length - at ? at + piece : length);
            at = (size_t)(brackets_pass(&brackets, bytes + at, end) - bytes);
        }
        assert_int_equal(at, expected);
    }
}

static void append_random_value(struct buffer *out, uint64_t *seed, unsigned depth)
{
    static const char *const plain[] = {
        "null",
        "true",
        "-1.5e3",
        "0",
        "\"\"",
        "\"a\"",
        "\"\\\"\"",
        "\"{[\\\\\"",
        "\"]}\\u007d\"",
        "\"model\"",
        "\"a string longer than the widest step that there is in any scan of it all\""};
    unsigned kind = random_below(seed, depth < 5 ? 6 : 4);
    if (kind < 4) {
        buffer_append(out, text_from(plain[random_below(seed, ARRAY_LENGTH(plain))]));
        return;
    }
    buffer_append_char(out, kind == 4 ? '[' : '{');
    for (unsigned i = 0, count = random_below(seed, 4); i < count; i++) {
        if (i > 0)
            buffer_append(out, TEXT(", "));
        if (kind == 5)
            buffer_append(out, i % 2 ? TEXT("\"model\":") : TEXT("\"s\\\\\" : "));
        append_random_value(out, seed, depth + 1);
    }
    buffer_append_char(out, kind == 4 ? ']' : '}');
}

/* Of a valid document both modes tell the same, wherever it is cut. */
static void test_passing_over_agrees_with_checking(void **state)
{
    uint64_t seed = 7;
    for (int round = 0; round < 300; round++) {
        struct arena arena;
        struct buffer document;
        arena_open(&arena, NULL, 1u << 22);
        buffer_open(&document, 1u << 20);
        static const char *const keys[] = {
            "{\"x\":", ",\"model\":", " , \"stream\":", ",\"task\": "};
        for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
            buffer_append(&document, text_from(keys[i]));
            append_random_value(&document, &seed, 1);
        }
        buffer_append_char(&document, '}');
        struct outcome strict = check(buffer_text(&document), SCAN_STRICT, &arena);
        struct outcome lenient = check(buffer_text(&document), SCAN_LENIENT, &arena);
        assert_int_equal(strict.error, ERROR_OK);
        assert_int_equal(lenient.error, ERROR_OK);
        for (size_t i = 0; i < COUNT; i++) {
            assert_int_equal(strict.values[i].kind, lenient.values[i].kind);
            assert_int_equal(strict.values[i].offset, lenient.values[i].offset);
            assert_int_equal(strict.values[i].length, lenient.values[i].length);
            assert_true(text_equal(strict.values[i].raw, lenient.values[i].raw));
        }
        buffer_close(&document);
        arena_close(&arena);
    }
}

/* An answer's inside is its reader's affair, its outside is not. */
static void test_answers_are_checked_outside(void **state)
{
    static const struct {
        const char *document;
        enum error error;
    } rows[] = {
        {"{\"a\":[NaN,\t,1],\"model\":\"m\"}", ERROR_OK},
        {"{\"a\":{\"b\":\"\n\"},\"model\":\"m\"}", ERROR_OK},
        {"{\"a\":NaN,\"model\":\"m\"}", ERROR_SYNTAX},
        {"{\"a\":[1],,\"model\":\"m\"}", ERROR_SYNTAX},
        {"{\"a\":[1]\"model\":\"m\"}", ERROR_SYNTAX},
        {"{\"a\":[1}}", ERROR_OK},
        {"{\"a\":[[1],\"model\":\"m\"}", ERROR_SYNTAX},
        {"{\"a\":[\"]}", ERROR_SYNTAX},
        {"{\"a\":[]}]", ERROR_SYNTAX},
    };
    struct arena arena;
    arena_open(&arena, NULL, 1u << 20);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_int_equal(check(text_from(rows[i].document), SCAN_LENIENT, &arena).error,
                         rows[i].error);
    arena_close(&arena);
}

static void test_long_values_across_feeds(void **state)
{
    static const struct scan_watch one[] = {{TEXT_INIT("v"), 5000}};
    struct arena arena;
    struct scan scan;
    struct scan_value value;
    char piece[100];
    arena_open(&arena, NULL, 1u << 20);
    memset(piece, 'x', sizeof piece);
    for (size_t pieces = 49; pieces <= 50; pieces++) {
        scan_open(&scan, SCAN_STRICT, one, &value, 1, &arena);
        assert_int_equal(scan_feed(&scan, TEXT("{\"v\":\"")), ERROR_OK);
        for (size_t i = 0; i < pieces; i++)
            assert_int_equal(scan_feed(&scan, text_of(piece, sizeof piece)), ERROR_OK);
        assert_int_equal(scan_feed(&scan, TEXT("\"}")), ERROR_OK);
        assert_int_equal(scan_finish(&scan), ERROR_OK);
        assert_int_equal(value.length, pieces * 100 + 2);
        assert_int_equal(value.cut, pieces == 50);
        assert_int_equal(value.raw.length, pieces == 50 ? 0 : 4902);
    }
    arena_close(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_members),
        cmocka_unit_test(test_strict_about_names),
        cmocka_unit_test(test_agrees_with_yyjson),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_tells_where),
        cmocka_unit_test(test_decodes_strings),
        cmocka_unit_test(test_whole_numbers),
        cmocka_unit_test(test_string_end_everywhere),
        cmocka_unit_test(test_quote_everywhere),
        cmocka_unit_test(test_brackets_in_any_bytes),
        cmocka_unit_test(test_passing_over_agrees_with_checking),
        cmocka_unit_test(test_answers_are_checked_outside),
        cmocka_unit_test(test_long_values_across_feeds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
