/* sse: every stream whole, split at every byte and byte by byte; the bytes handed out must always
 * be the bytes given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "record_sse.h"

struct test_case {
    struct text input;
    const char
        *expected; /* "name=data#id|" for each frame, "piece BYTES|" for what was not whole */
};

#define CASE(input, expected)      \
    {                              \
        TEXT_INIT(input), expected \
    }

static void run(const struct test_case *test, size_t limit, size_t split)
{
    struct sse_record record;
    sse_record_open(&record, limit);
    struct text input = test->input;
    if (split > input.length) {
        for (size_t i = 0; i < input.length; i++)
            sse_record_feed(&record, text_of(input.data + i, 1));
    } else {
        sse_record_feed(&record, text_first(input, split));
        sse_record_feed(&record, text_from_index(input, split));
    }
    sse_record_finish(&record);
    buffer_append_char(&record.log, '\0');
    if (strcmp(record.log.data, test->expected) != 0)
        print_error("input %.*s, split at %zu\n", TEXT_ARG(input), split);
    assert_string_equal(record.log.data, test->expected);
    assert_true(text_equal(buffer_text(&record.stream), input));
    sse_record_close(&record);
}

static void run_all_ways(const struct test_case *cases, size_t count, size_t limit)
{
    for (size_t i = 0; i < count; i++)
        for (size_t split = 0; split <= cases[i].input.length + 1; split++)
            run(&cases[i], limit, split);
}

static void test_frames(void **state)
{
    static const struct test_case cases[] = {
        CASE("", ""),
        CASE("data: a\n\n", "first =a|\n"),
        CASE("data: a\n\ndata: b\n\n", "first =a|\n=b|\n"),
        CASE("data: a\r\n\r\ndata: b\r\n\r\n", "first =a|\n=b|\n"),
        CASE("data: a\r\rdata: b\r\r", "first =a|\n=b|\n"),
        CASE("data: a\r\n\ndata: b\n\r\n", "first =a|\n=b|\n"),
        CASE("data: a\n\rdata: b\r\n\rdata: c\n\n", "first =a|\n=b|\n=c|\n"),
        CASE("data: a\r\r\ndata: b\n\n", "first =a|\n=b|\n"),
        CASE("event: delta\ndata: {\"a\":1}\nid: 7\n\n", "first delta={\"a\":1}#7|\n"),
        CASE("data: a\ndata: b\r\ndata:\rdata: c\n\n", "first =a\nb\n\nc|\n"),
        CASE("data:a\n\ndata:  a\n\ndata\n\ndata:\n\n", "first =a|\n= a|\n=|\n=|\n"),
        CASE(": keep-alive\n\ndata: a\n\n", "first |\n=a|\n"),
        CASE("\n\ndata: a\n\n\n\n", "first |\n|\n=a|\n|\n|\n"),
        CASE("\xef\xbb\xbf"
             "data: a\n\n\xef\xbb\xbf"
             "data: b\n\n",
             "first =a|\n|\n"),
        CASE("datax: a\nxdata: b\n data: c\n\n", "first |\n"),
        CASE("data: [DONE]\n\n", "first =[DONE]|\n"),
        CASE("event: a\nevent: b\ndata: c: d\n\n", "first b=c: d|\n"),
        CASE("data: a\n\ndata: cut", "first =a|\npiece data: cut|\n"),
        CASE("data: a\n\ndata: cut\n", "first =a|\npiece data: cut\n|\n"),
        CASE("data: a\n\ndata: cut\r", "first =a|\npiece data: cut\r|\n"),
        CASE("data: a\n\n\r", "first =a|\n|\n"),
        CASE("data: 0123456789012345678901234567890123456789\n\n",
             "first =0123456789012345678901234567890123456789|\n"),
    };
    run_all_ways(cases, ARRAY_LENGTH(cases), SSE_FRAME_LIMIT);
}

static void test_frames_beyond_the_limit(void **state)
{
    static const struct test_case cases[] = {
        CASE("data: abcdefgh\n\n", "first =abcdefgh|\n"),
        CASE("data: abcdefghi\n\n", "piece data: abcdefghi\n\n|\n"),
        CASE("data: abcdefghi\n\ndata: b\n\n", "piece data: abcdefghi\n\n|\n=b|\n"),
        CASE("data: a\n\ndata: 0123456789012345678901234567890123456789\r\n\r\ndata: b\n\n",
             "first =a|\npiece data: 0123456789012345678901234567890123456789\r\n\r\n|\n=b|\n"),
        CASE("data: 0123456789012345678901234567890123456789\r\rdata: b\r\r",
             "piece data: 0123456789012345678901234567890123456789\r\r|\n=b|\n"),
        CASE("data: 0123456789012345678901234567890123456789\rdata: b\r\r",
             "piece data: 0123456789012345678901234567890123456789\rdata: b\r\r|\n"),
        CASE("data: 01234567890123", "piece data: 01234567890123|\n"),
    };
    run_all_ways(cases, ARRAY_LENGTH(cases), 16);
}

static void test_a_frame_within_the_input_is_not_copied(void **state)
{
    struct sse_splitter splitter;
    sse_splitter_open(&splitter, SSE_FRAME_LIMIT);
    struct text input = TEXT("data: a\n\ndata: b\n\ndata");
    struct text rest = input;
    struct sse_frame frame;
    assert_true(sse_next(&splitter, &rest, &frame));
    assert_ptr_equal(frame.raw.data, input.data);
    assert_true(sse_next(&splitter, &rest, &frame));
    assert_ptr_equal(frame.raw.data, input.data + 9);
    assert_false(sse_holding(&splitter));
    assert_int_equal(splitter.partial.capacity, 0);
    assert_false(sse_next(&splitter, &rest, &frame));
    assert_true(sse_holding(&splitter));
    sse_splitter_close(&splitter);
}

/* The buffer for a large frame that was cut is given back when the frame is done. */
static void test_memory_is_given_back(void **state)
{
    struct sse_splitter splitter;
    sse_splitter_open(&splitter, SSE_FRAME_LIMIT);
    struct sse_frame frame;
    for (size_t i = 0; i < 100000; i++) {
        struct text piece = TEXT("data: x\n");
        assert_false(sse_next(&splitter, &piece, &frame));
    }
    struct text end = TEXT("\n");
    assert_true(sse_next(&splitter, &end, &frame));
    assert_int_equal(frame.raw.length, 800001);
    assert_false(sse_next(&splitter, &end, &frame));
    assert_true(splitter.partial.capacity <= 4096);
    sse_splitter_close(&splitter);
}

/* As a relay does it: leave one frame out. */
static void test_hold_mode_leaves_a_frame_out(void **state)
{
    struct text input = TEXT("data: 1\r\n\r\ndata: usage\r\n\r\ndata: [DONE]\r\n\r\n");
    for (size_t split = 0; split <= input.length; split++) {
        struct sse_splitter splitter;
        struct buffer out, joined;
        sse_splitter_open(&splitter, SSE_FRAME_LIMIT);
        buffer_open(&out, 4096);
        buffer_open(&joined, 4096);
        struct text pieces[] = {text_first(input, split), text_from_index(input, split)};
        for (size_t i = 0; i < 2; i++) {
            struct sse_frame frame;
            struct sse_event event;
            while (sse_next(&splitter, &pieces[i], &frame)) {
                assert_true(sse_read(&frame, &joined, &event));
                if (!text_equal(event.data, TEXT("usage")))
                    buffer_append(&out, frame.raw);
            }
        }
        assert_true(text_equal(buffer_text(&out), TEXT("data: 1\r\n\r\ndata: [DONE]\r\n\r\n")));
        sse_splitter_close(&splitter);
        buffer_close(&out);
        buffer_close(&joined);
    }
}

static void check_append(struct text name, struct text data, const char *expected)
{
    struct buffer out, joined;
    buffer_open(&out, 4096);
    buffer_open(&joined, 4096);
    assert_true(sse_append(&out, name, data));
    assert_true(text_equal(buffer_text(&out), text_from(expected)));
    struct sse_frame frame = {.raw = buffer_text(&out), .whole = true};
    struct sse_event event;
    assert_true(sse_read(&frame, &joined, &event));
    assert_true(text_equal(event.name, name));
    assert_true(event.has_data);
    if (text_find_char(data, '\r') < 0)
        assert_true(text_equal(event.data, data));
    buffer_close(&out);
    buffer_close(&joined);
}

static void test_writing(void **state)
{
    check_append(TEXT(""), TEXT("a"), "data: a\n\n");
    check_append(TEXT("error"), TEXT("{\"a\": 1}"), "event: error\ndata: {\"a\": 1}\n\n");
    check_append(TEXT(""), TEXT(""), "data: \n\n");
    check_append(TEXT(""), text_of(NULL, 0), "data: \n\n");
    check_append(TEXT(""), TEXT("a\nb"), "data: a\ndata: b\n\n");
    check_append(TEXT(""), TEXT("a\n"), "data: a\ndata: \n\n");
    check_append(TEXT(""), TEXT("\n"), "data: \ndata: \n\n");
    check_append(TEXT(""), TEXT("a\r\nb\rc"), "data: a\ndata: b\ndata: c\n\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_frames_beyond_the_limit),
        cmocka_unit_test(test_a_frame_within_the_input_is_not_copied),
        cmocka_unit_test(test_memory_is_given_back),
        cmocka_unit_test(test_hold_mode_leaves_a_frame_out),
        cmocka_unit_test(test_writing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
