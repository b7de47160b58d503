/* multipart: every body whole, split at every byte and byte by byte; offsets are checked by the
 * recorder against the body itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "record_multipart.h"

struct test_case {
    const char *name;
    struct text input;
    const char *expected; /* "name=data|" for each part; or "!" and a part of the record */
};

#define CASE(name, input, expected)      \
    {                                    \
        name, TEXT_INIT(input), expected \
    }

static void run(const struct test_case *test, size_t split)
{
    struct multipart_record record;
    struct text input = test->input;
    multipart_record_open(&record, TEXT("XyZ"), input);
    if (split > input.length) {
        for (size_t i = 0; i < input.length; i++)
            multipart_record_feed(&record, text_of(input.data + i, 1));
    } else {
        multipart_record_feed(&record, text_first(input, split));
        multipart_record_feed(&record, text_from_index(input, split));
    }
    multipart_record_finish(&record);
    buffer_append_char(&record.log, '\0');
    const char *log = record.log.data;
    bool good = test->expected[0] == '!' ? strstr(log, test->expected + 1) != NULL
                                         : strcmp(log, test->expected) == 0;
    if (!good)
        fail_msg("case %s, split at %zu: expected\n%s\ngot\n%s", test->name, split, test->expected,
                 log);
    multipart_record_close(&record);
}

static void run_all_ways(const struct test_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t split = 0; split <= cases[i].input.length + 1; split++)
            run(&cases[i], split);
}

#define FIELD(name) "--XyZ\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n"
#define END         "\r\n--XyZ--\r\n"

static void test_bodies(void **state)
{
    static const struct test_case cases[] = {
        CASE("one field", FIELD("model") "gpt-4o" END, "model=gpt-4o|\ndone\n"),
        CASE("without the last line end", FIELD("model") "gpt-4o\r\n--XyZ--",
             "model=gpt-4o|\ndone\n"),
        CASE("no parts", "--XyZ--\r\n", "done\n"),
        CASE("empty value", FIELD("a") END, "a=|\ndone\n"),
        CASE("two fields", FIELD("model") "whisper-1\r\n" FIELD("purpose") "batch" END,
             "model=whisper-1|\npurpose=batch|\ndone\n"),
        CASE("a file",
             "--XyZ\r\ncontent-disposition: FORM-DATA; Name=file; filename=\"a b.mp3\"\r\n"
             "Content-Type: audio/mpeg\r\nX-Other: y\r\n\r\n\x00\x01\xff\r\nx" END,
             "!file file a b.mp3 type audio/mpeg="),
        CASE("an empty file name",
             "--XyZ\r\nContent-Disposition: form-data; name=\"f\"; filename=\"\"\r\n\r\n" END,
             "f file =|\ndone\n"),
        CASE("a file name with backslash",
             "--XyZ\r\nContent-Disposition: form-data; name=\"f\"; filename=\"C:\\a\"\r\n\r\n" END,
             "f file C:\\a=|\ndone\n"),
        CASE("file name in RFC 5987 form",
             "--XyZ\r\nContent-Disposition: form-data; name=\"f\"; filename*=UTF-8''a\r\n\r\n" END,
             "f=|\ndone\n"),
        CASE("a field that is not encoded",
             "--XyZ\r\nContent-Disposition: form-data; name=\"f\"\r\nContent-Transfer-Encoding: "
             "Binary\r\n\r\na" END,
             "f=a|\ndone\n"),
        CASE("line ends in the data",
             FIELD("a") "\r\n\r\n\n\r\r\n-\r\n--\r\n--X\r\n--XyY\n--Xy\n-" END,
             "a=\r\n\r\n\n\r\r\n-\r\n--\r\n--X\r\n--XyY\n--Xy\n-|\ndone\n"),
        CASE("almost the end, again and again", FIELD("a") "\r\r\n--Xy\r\n--Xy\r\n--X\r" END,
             "a=\r\r\n--Xy\r\n--Xy\r\n--X\r|\ndone\n"),
        CASE("a boundary within a line", FIELD("a") "x--XyZ--" END, "a=x--XyZ--|\ndone\n"),
    };
    run_all_ways(cases, ARRAY_LENGTH(cases));
}

static void test_bodies_refused(void **state)
{
    static const struct test_case cases[] = {
        CASE("empty", "", "!ended before"),
        CASE("preamble", "x\r\n" FIELD("a") END, "!does not begin with its boundary"),
        CASE("preamble of an empty line", "\r\n" FIELD("a") END,
             "!does not begin with its boundary"),
        CASE("other boundary", "--XyY\r\n", "!does not begin with its boundary"),
        CASE("longer boundary", "--XyZZ\r\n", "!follows a boundary"),
        CASE("padding behind a boundary", "--XyZ \r\n", "!follows a boundary"),
        CASE("bare LF behind a boundary", "--XyZ\n", "!follows a boundary"),
        CASE("longer boundary in the data", FIELD("a") "x\r\n--XyZZ" END, "!follows a boundary"),
        CASE("one dash", FIELD("a") "x\r\n--XyZ-\r\n", "!follows a boundary"),
        CASE("boundary behind bare LF", FIELD("a") "x\n--XyZ--\r\n", "!does not begin behind CRLF"),
        CASE("boundary where the data begins", FIELD("a") "--XyZ--\r\n",
             "!does not begin behind CRLF"),
        CASE("boundary behind bare LF where the data begins", FIELD("a") "\n--XyZ--\r\n",
             "!does not begin behind CRLF"),
        CASE("epilogue", FIELD("a") "x" END "y", "!follows the last boundary"),
        CASE("epilogue without line end", FIELD("a") "x\r\n--XyZ-- ", "!follows the last boundary"),
        CASE("second line end", FIELD("a") "x" END "\r\n", "!follows the last boundary"),
        CASE("half a line end", FIELD("a") "x\r\n--XyZ--\r", "!ended before"),
        CASE("cut in the data", FIELD("a") "x", "!ended before"),
        CASE("cut in the boundary", FIELD("a") "x\r\n--Xy", "!ended before"),
        CASE("cut in the head", "--XyZ\r\nContent-Dis", "!ended before"),
        CASE("no head", "--XyZ\r\n\r\nx" END, "!no Content-Disposition"),
        CASE("no disposition", "--XyZ\r\nA: b\r\n\r\nx" END, "!no Content-Disposition"),
        CASE("two dispositions",
             "--XyZ\r\nContent-Disposition: form-data; name=\"a\"\r\ncontent-disposition: "
             "form-data; name=\"model\"\r\n\r\nx" END,
             "!more than one Content-Disposition"),
        CASE("no name", "--XyZ\r\nContent-Disposition: form-data\r\n\r\nx" END, "!no name"),
        CASE("two names",
             "--XyZ\r\nContent-Disposition: form-data; name=a; name=\"model\"\r\n\r\nx" END,
             "!two ways"),
        CASE("escape in the name",
             "--XyZ\r\nContent-Disposition: form-data; name=\"mo\\del\"\r\n\r\nx" END, "!two ways"),
        CASE("extended name",
             "--XyZ\r\nContent-Disposition: form-data; name=a; name*=UTF-8''model\r\n\r\nx" END,
             "!two ways"),
        CASE("name in pieces",
             "--XyZ\r\nContent-Disposition: form-data; name=a; NAME*0=mo; name*1=del\r\n\r\nx" END,
             "!two ways"),
        CASE("hidden quote",
             "--XyZ\r\nContent-Disposition: form-data; filename=\"x\\\"; name=\"model\r\n\r\nx" END,
             "!malformed"),
        CASE("two file names",
             "--XyZ\r\nContent-Disposition: form-data; name=a; filename=a; filename=b\r\n\r\nx" END,
             "!more than one file name"),
        CASE("open quote", "--XyZ\r\nContent-Disposition: form-data; name=\"a\r\n\r\nx" END,
             "!malformed"),
        CASE("no value", "--XyZ\r\nContent-Disposition: form-data; name=\r\n\r\nx" END,
             "!malformed"),
        CASE("space before the equals sign",
             "--XyZ\r\nContent-Disposition: form-data; name =a\r\n\r\nx" END, "!malformed"),
        CASE("a comma between", "--XyZ\r\nContent-Disposition: form-data, name=a\r\n\r\nx" END,
             "!malformed"),
        CASE("other disposition", "--XyZ\r\nContent-Disposition: attachment; name=a\r\n\r\nx" END,
             "!not form-data"),
        CASE("encoded",
             "--XyZ\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: "
             "base64\r\n\r\nx" END,
             "!Content-Transfer-Encoding"),
        CASE("two types",
             "--XyZ\r\nContent-Disposition: form-data; name=a\r\nContent-Type: "
             "a/b\r\nContent-Type: a/c\r\n\r\nx" END,
             "!more than one Content-Type"),
        CASE("bare LF in the head",
             "--XyZ\r\nA: b\nContent-Disposition: form-data; name=a\r\n\r\nx" END,
             "!does not end in CRLF"),
        CASE("bare CR in the head",
             "--XyZ\r\nA: b\rContent-Disposition: form-data; name=b\r\nContent-Disposition: "
             "form-data; name=a\r\n\r\nx" END,
             "!control character"),
        CASE("NUL in the head",
             "--XyZ\r\nContent-Disposition: form-data; name=\"a\0b\"\r\n\r\nx" END,
             "!control character"),
        CASE("folding", "--XyZ\r\nContent-Disposition: form-data;\r\n name=a\r\n\r\nx" END,
             "!malformed"),
        CASE("folding of another header",
             "--XyZ\r\nContent-Disposition: form-data; name=a\r\nA: b\r\n c\r\n\r\nx" END,
             "!malformed"),
        CASE("space before the colon",
             "--XyZ\r\nContent-Disposition : form-data; name=a\r\n\r\nx" END, "!malformed"),
        CASE("no colon", "--XyZ\r\nContent-Disposition\r\n\r\nx" END, "!malformed"),
    };
    run_all_ways(cases, ARRAY_LENGTH(cases));
}

static void test_limits(void **state)
{
    struct buffer body;
    buffer_open(&body, 1u << 20);
    buffer_append(&body, TEXT("--XyZ\r\nA: "));
    while (body.length < MULTIPART_HEAD_LIMIT + 100)
        buffer_append_char(&body, 'a');
    struct test_case head = {"long head", buffer_text(&body), "!error limit"};
    run(&head, body.length);
    run(&head, SIZE_MAX);
    buffer_clear(&body);
    for (size_t i = 0; i < MULTIPART_PART_LIMIT + 1; i++)
        buffer_append(&body, i == 0 ? TEXT(FIELD("a")) : TEXT("\r\n" FIELD("a")));
    struct test_case parts = {"many parts", buffer_text(&body), "!error limit"};
    run(&parts, body.length);
    buffer_close(&body);
}

/* What the offsets are for: replace a field's value in the body. */
static void test_splice_by_offsets(void **state)
{
    struct text body = TEXT(FIELD("a") "x\r\n" FIELD("model") "fast\r\n" FIELD("b") "y" END);
    struct multipart_scanner scanner;
    multipart_open(&scanner, TEXT("XyZ"));
    struct text rest = body;
    struct multipart_event event;
    uint64_t begin = 0, end = 0;
    bool in_model = false;
    do {
        assert_int_equal(multipart_next(&scanner, &rest, &event), ERROR_OK);
        if (event.kind == MULTIPART_BEGIN &&
            (in_model = text_equal(event.part->name, TEXT("model"))))
            begin = event.offset;
        else if (event.kind == MULTIPART_END && in_model)
            end = event.offset;
    } while (event.kind != MULTIPART_MORE);
    assert_int_equal(multipart_finish(&scanner), ERROR_OK);
    struct buffer out;
    buffer_open(&out, 4096);
    buffer_append(&out, text_first(body, begin));
    buffer_append(&out, TEXT("gpt-4o"));
    buffer_append(&out, text_from_index(body, end));
    assert_true(text_equal(buffer_text(&out), TEXT(FIELD("a") "x\r\n" FIELD(
                                                  "model") "gpt-4o\r\n" FIELD("b") "y" END)));
    buffer_close(&out);
    multipart_close(&scanner);
}

static void test_boundaries(void **state)
{
    static const struct {
        const char *content_type, *boundary;
        enum error error;
    } cases[] = {
        {"multipart/form-data; boundary=abc", "abc", ERROR_OK},
        {"Multipart/Form-Data ; Charset=utf-8 ;BOUNDARY=\"a b:c\"", "a b:c", ERROR_OK},
        {"multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
         "----WebKitFormBoundary7MA4YWxkTrZu0gW", ERROR_OK},
        {"multipart/mixed; boundary=abc", NULL, ERROR_UNSUPPORTED},
        {"application/json", NULL, ERROR_UNSUPPORTED},
        {"", NULL, ERROR_UNSUPPORTED},
        {"multipart/form-data", NULL, ERROR_SYNTAX},
        {"multipart/form-data; boundary=", NULL, ERROR_SYNTAX},
        {"multipart/form-data; boundary=\"\"", NULL, ERROR_SYNTAX},
        {"multipart/form-data; boundary=\"a \"", NULL, ERROR_SYNTAX},
        {"multipart/form-data; boundary=\"a", NULL, ERROR_SYNTAX},
        {"multipart/form-data; boundary=a; boundary=b", NULL, ERROR_SYNTAX},
        {"multipart/form-data; boundary=a, b", NULL, ERROR_SYNTAX},
        {"multipart/form-data; boundary=\"a*b\"", NULL, ERROR_SYNTAX},
        {"multipart/form-data; "
         "boundary=aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaa",
         "aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaa", ERROR_OK},
        {"multipart/form-data; "
         "boundary=aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaab",
         NULL, ERROR_SYNTAX},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct text boundary = {0};
        enum error error = multipart_boundary(text_from(cases[i].content_type), &boundary);
        if (error != cases[i].error)
            fail_msg("%s: %s", cases[i].content_type, error_name(error));
        if (error == ERROR_OK)
            assert_true(text_equal(boundary, text_from(cases[i].boundary)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),     cmocka_unit_test(test_bodies_refused),
        cmocka_unit_test(test_limits),     cmocka_unit_test(test_splice_by_offsets),
        cmocka_unit_test(test_boundaries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
