/* event_stream: AWS's published cases and Bedrock's shapes; every stream whole, split at every byte
 * and byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/number.h"
#include "record_event_stream.h"
#include "write_event_stream.h"

struct test_case {
    const char *hex; /* the stream; spaces are for the eye */
    const char *expected;
};

static void read_hex(const char *hex, struct buffer *out)
{
    for (; *hex; hex++) {
        if (*hex == ' ')
            continue;
        buffer_append_char(out, (char)(number_hex_digit(hex[0]) << 4 | number_hex_digit(hex[1])));
        hex++;
    }
}

static void run(struct text input, const char *expected, size_t limit, size_t split)
{
    struct event_stream_record record;
    event_stream_record_open(&record, limit);
    if (split > input.length) {
        for (size_t i = 0; i < input.length; i++)
            event_stream_record_feed(&record, text_of(input.data + i, 1));
    } else {
        event_stream_record_feed(&record, text_first(input, split));
        event_stream_record_feed(&record, text_from_index(input, split));
    }
    event_stream_record_finish(&record);
    buffer_append_char(&record.log, '\0');
    if (strcmp(record.log.data, expected) != 0)
        print_error("split at %zu\n", split);
    assert_string_equal(record.log.data, expected);
    assert_true(text_starts_with(input, buffer_text(&record.frames)));
    event_stream_record_close(&record);
}

static void run_all_ways(struct text input, const char *expected, size_t limit)
{
    for (size_t split = 0; split <= input.length + 1; split++)
        run(input, expected, limit, split);
}

static void run_cases(const struct test_case *cases, size_t count)
{
    struct buffer stream;
    buffer_open(&stream, 65536);
    for (size_t i = 0; i < count; i++) {
        buffer_clear(&stream);
        read_hex(cases[i].hex, &stream);
        run_all_ways(buffer_text(&stream), cases[i].expected, EVENT_STREAM_FRAME_LIMIT);
    }
    buffer_close(&stream);
}

/* The cases of AWS's own decoders (aws-c-event-stream, botocore). */
static const struct test_case published[] = {
    {"00000010 00000000 05c248eb 7d98c8ff", "{}\n"},
    {"00000017 00000007 29860158 0462797465 02 ff c2f869dc", "byte:2=-1 {}\n"},
    {"00000019 00000009 710e923e 0573686f7274 03 ffff b27cb6cc", "short:3=-1 {}\n"},
    {"0000001d 0000000d 83e3f0e7 07696e7465676572 04 ffffffff 8b8e12eb", "integer:4=-1 {}\n"},
    {"0000001e 0000000e 5d4adb8d 046c6f6e67 05 ffffffffffffffff 4bc232da", "long:5=-1 {}\n"},
    {"0000001d 00000000 fd528c5a 7b27666f6f273a27626172277d c3653936", "{{'foo':'bar'}}\n"},
    {"0000003d 00000020 07fd8396 0c636f6e74656e742d74797065 07 0010 "
     "6170706c69636174696f6e2f6a736f6e 7b27666f6f273a27626172277d 8d9c08b1",
     "content-type:7=0application/json {{'foo':'bar'}}\n"},
    {"0000002b 0000000e 348bec7b 086576656e742d6964 04 0000a00c 7b27666f6f273a27626172277d "
     "d3890285",
     "event-id:4=40972 {{'foo':'bar'}}\n"},
    {"00000062 00000052 03b5cb9c 013000 013101 01320202 0133030003 01340400000004 "
     "0135050000000000000005 0136060005 6279746573 0137070004 75746638 0138080000000000000008 "
     "013909 30313233343536373839616263646566 63353671",
     "0:0=1 1:1=0 2:2=2 3:3=3 4:4=4 5:5=5 6:6=0bytes 7:7=0utf8 8:8=8 9:9=00123456789abcdef {}\n"},
    {"00000052 00000042 bf23637e 0d3a6d6573736167652d74797065 070005 6572726f72 "
     "0b3a6572726f722d636f6465 070004 636f6465 0e3a6572726f722d6d657373616765 070007 "
     "6d657373616765 6b6cea3d",
     ":message-type:7=0error :error-code:7=0code :error-message:7=0message {}\n"},
    /* Corrupted: the length of the headers, a header, the length, the payload. */
    {"0000003d ff000102 07fd8396 0c636f6e74656e742d74797065 07 0010 "
     "6170706c69636174696f6e2f6a736f6e 7b27666f6f273a27626172277d 8d9c08b1",
     "syntax"},
    {"0000003d 00000020 07fd8396 0c636f6e74656e742b74797065 07 0010 "
     "6170706c69636174696f6e2f6a736f6e 7b27666f6f273a27626172277d 8d9c08b1",
     "syntax"},
    {"0100001d 00000000 fd528c5a 7b27666f6f273a27626172277d c3653936", "syntax"},
    {"0000001d 00000000 fd528c5a 7b27666f6f273a27626172278d c3653936", "syntax"},
};

static void test_published(void **state)
{
    run_cases(published, ARRAY_LENGTH(published));
}

/* All that are sound, one behind the other. */
static void test_published_as_one_stream(void **state)
{
    struct buffer stream, expected;
    buffer_open(&stream, 65536);
    buffer_open(&expected, 65536);
    for (size_t i = 0; i < ARRAY_LENGTH(published); i++) {
        if (strcmp(published[i].expected, "syntax") == 0)
            continue;
        read_hex(published[i].hex, &stream);
        buffer_append(&expected, text_from(published[i].expected));
    }
    buffer_append_char(&expected, '\0');
    run_all_ways(buffer_text(&stream), expected.data, EVENT_STREAM_FRAME_LIMIT);
    buffer_close(&stream);
    buffer_close(&expected);
}

static void test_bedrock(void **state)
{
    static const struct test_case cases[] = {
        {"0000009400000057b4ab9aee0b3a6576656e742d74797065070011636f6e74656e74426c6f636b44656c7461"
         "0d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d74"
         "797065070005"
         "6576656e747b22636f6e74656e74426c6f636b496e646578223a302c2264656c7461223a7b2274657874223a"
         "224869227d7d1f944657",
         ":event-type:7=0contentBlockDelta :content-type:7=0application/json "
         ":message-type:7=0event {{\"contentBlockIndex\":0,\"delta\":{\"text\":\"Hi\"}}}\n"},
        {"0000008300000061a9d144e50f3a657863657074696f6e2d747970650700137468726f74746c696e67457863"
         "657074696f6e0d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573"
         "736167652d74797065070009657863657074696f6e7b226d657373616765223a22736c6f77227d9350311c",
         ":exception-type:7=0throttlingException :content-type:7=0application/json "
         ":message-type:7=0exception {{\"message\":\"slow\"}}\n"},
    };
    run_cases(cases, ARRAY_LENGTH(cases));
}

/* A frame made here must be the published one, byte by byte. */
static void test_writer(void **state)
{
    struct buffer stream, expected;
    buffer_open(&stream, 4096);
    buffer_open(&expected, 4096);
    read_hex("0000008300000061a9d144e50f3a657863657074696f6e2d747970650700137468726f74746c696e6745"
             "7863657074696f6e0d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d"
             "3a6d6573736167652d74797065070009657863657074696f6e7b226d657373616765223a22736c6f7722"
             "7d9350311c",
             &expected);
    event_stream_write_message(&stream, "exception", "throttlingException",
                               TEXT("{\"message\":\"slow\"}"));
    assert_true(text_equal(buffer_text(&stream), buffer_text(&expected)));
    buffer_close(&stream);
    buffer_close(&expected);
}

/* Lengths and headers that no encoder writes, under CRCs that are right. */
static void test_malformed_headers(void **state)
{
    static const struct test_case cases[] = {
        {"00", "syntax"},              /* a name without a letter */
        {"0161", "syntax"},            /* no type */
        {"056162", "syntax"},          /* the name is cut */
        {"01610a", "syntax"},          /* no such type */
        {"0161ff", "syntax"},          /* and no negative one */
        {"016104000000", "syntax"},    /* the value is cut */
        {"016107", "syntax"},          /* its length is missing */
        {"0161070003 6162", "syntax"}, /* or says too much */
        {"016109 00112233", "syntax"},
        {"0161070000", "a:7=0 {}\n"},
        {"016108ffffffffffffffff", "a:8=-1 {}\n"},
        {"0161058000000000000000", "a:5=-9223372036854775808 {}\n"},
        {"01610280", "a:2=-128 {}\n"},
        {"0161037fff", "a:3=32767 {}\n"},
    };
    struct buffer headers, stream;
    buffer_open(&headers, 4096);
    buffer_open(&stream, 4096);
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        buffer_clear(&headers);
        buffer_clear(&stream);
        read_hex(cases[i].hex, &headers);
        event_stream_write_frame(&stream, buffer_text(&headers), TEXT(""));
        run_all_ways(buffer_text(&stream), cases[i].expected, EVENT_STREAM_FRAME_LIMIT);
    }
    buffer_close(&headers);
    buffer_close(&stream);
}

static void check_prelude(uint64_t total, uint64_t headers, size_t limit, const char *expected)
{
    struct buffer stream;
    buffer_open(&stream, 64);
    event_stream_write_number(&stream, total, 4);
    event_stream_write_number(&stream, headers, 4);
    event_stream_write_number(&stream, crc32(0, (unsigned char *)stream.data, 8), 4);
    run_all_ways(buffer_text(&stream), expected, limit);
    buffer_close(&stream);
}

/* Told from the prelude alone, before anything of the frame is held. */
static void test_lengths(void **state)
{
    check_prelude(15, 0, 1024, "syntax");
    check_prelude(0, 0, 1024, "syntax");
    check_prelude(16, 1, 1024, "syntax");
    check_prelude(100, 85, 1024, "syntax");
    check_prelude(100, 84, 1024, "http_truncated");
    check_prelude(1024, 0, 1024, "http_truncated");
    check_prelude(1025, 0, 1024, "limit");
    check_prelude(0xffffffff, 0, EVENT_STREAM_FRAME_LIMIT, "limit");
    check_prelude(1u << 20, EVENT_STREAM_HEADERS_LIMIT, EVENT_STREAM_FRAME_LIMIT, "http_truncated");
    check_prelude(1u << 20, EVENT_STREAM_HEADERS_LIMIT + 1, EVENT_STREAM_FRAME_LIMIT, "limit");
}

/* Every single bit that is wrong is noticed, and the error stays whatever follows. */
static void test_every_bit_counts(void **state)
{
    struct buffer stream;
    buffer_open(&stream, 4096);
    event_stream_write_message(&stream, "event", "messageStop", TEXT("{\"stopReason\":\"x\"}"));
    for (size_t bit = 0; bit < 8 * stream.length; bit++) {
        struct event_stream_record record;
        event_stream_record_open(&record, EVENT_STREAM_FRAME_LIMIT);
        stream.data[bit / 8] = (char)(stream.data[bit / 8] ^ (1 << bit % 8));
        event_stream_record_feed(&record, buffer_text(&stream));
        assert_int_equal(record.error, ERROR_SYNTAX);
        stream.data[bit / 8] = (char)(stream.data[bit / 8] ^ (1 << bit % 8));
        event_stream_record_feed(&record, buffer_text(&stream));
        assert_int_equal(record.error, ERROR_SYNTAX);
        assert_int_equal(record.frames.length, 0);
        event_stream_record_close(&record);
    }
    buffer_close(&stream);
}

static void test_truncated(void **state)
{
    struct buffer stream;
    buffer_open(&stream, 4096);
    event_stream_write_frame(&stream, TEXT(""), TEXT("{}"));
    size_t first = stream.length;
    event_stream_write_frame(&stream, TEXT(""), TEXT("{}"));
    for (size_t length = 0; length <= stream.length; length++) {
        bool between = length == 0 || length == first || length == stream.length;
        struct event_stream_record record;
        event_stream_record_open(&record, EVENT_STREAM_FRAME_LIMIT);
        event_stream_record_feed(&record, text_first(buffer_text(&stream), length));
        assert_int_equal(event_stream_end(&record.stream),
                         between ? ERROR_OK : ERROR_HTTP_TRUNCATED);
        event_stream_record_close(&record);
    }
    buffer_close(&stream);
}

static void test_a_frame_within_the_input_is_not_copied(void **state)
{
    struct buffer bytes;
    struct event_stream stream;
    struct event_stream_frame frame;
    buffer_open(&bytes, 4096);
    event_stream_open(&stream, EVENT_STREAM_FRAME_LIMIT);
    event_stream_write_frame(&bytes, TEXT(""), TEXT("one"));
    event_stream_write_frame(&bytes, TEXT(""), TEXT("two"));
    struct text rest = buffer_text(&bytes);
    assert_int_equal(event_stream_next(&stream, &rest, &frame), ERROR_OK);
    assert_ptr_equal(frame.raw.data, bytes.data);
    assert_int_equal(event_stream_next(&stream, &rest, &frame), ERROR_OK);
    assert_ptr_equal(frame.payload.data, bytes.data + 19 + 12);
    assert_int_equal(stream.partial.capacity, 0);
    assert_int_equal(event_stream_next(&stream, &rest, &frame), ERROR_OK);
    assert_true(text_empty(frame.raw));
    event_stream_close(&stream);
    buffer_close(&bytes);
}

/* The buffer for a large frame that was cut is given back when the frame is done. */
static void test_memory_is_given_back(void **state)
{
    struct buffer bytes, payload;
    struct event_stream stream;
    struct event_stream_frame frame;
    buffer_open(&bytes, 4u << 20);
    buffer_open(&payload, 4u << 20);
    event_stream_open(&stream, EVENT_STREAM_FRAME_LIMIT);
    for (size_t i = 0; i < 1u << 20; i++)
        buffer_append_char(&payload, 'x');
    event_stream_write_frame(&bytes, TEXT(""), buffer_text(&payload));
    struct text rest = text_first(buffer_text(&bytes), 1000);
    assert_int_equal(event_stream_next(&stream, &rest, &frame), ERROR_OK);
    assert_true(text_empty(frame.raw));
    rest = text_from_index(buffer_text(&bytes), 1000);
    assert_int_equal(event_stream_next(&stream, &rest, &frame), ERROR_OK);
    assert_true(text_equal(frame.payload, buffer_text(&payload)));
    assert_int_equal(event_stream_next(&stream, &rest, &frame), ERROR_OK);
    assert_true(text_empty(frame.raw));
    assert_true(stream.partial.capacity <= 4096);
    event_stream_close(&stream);
    buffer_close(&bytes);
    buffer_close(&payload);
}

static struct event_stream_frame only_frame(struct buffer *bytes)
{
    struct event_stream stream;
    struct event_stream_frame frame;
    struct text rest = buffer_text(bytes);
    event_stream_open(&stream, EVENT_STREAM_FRAME_LIMIT);
    assert_int_equal(event_stream_next(&stream, &rest, &frame), ERROR_OK);
    event_stream_close(&stream); /* the frame is a slice of the input */
    return frame;
}

static void test_messages(void **state)
{
    struct buffer bytes;
    struct event_stream_message message;
    buffer_open(&bytes, 4096);
    event_stream_write_message(&bytes, "event", "messageStart", TEXT("{\"role\":\"assistant\"}"));
    struct event_stream_frame frame = only_frame(&bytes);
    assert_true(event_stream_read(&frame, &message));
    assert_int_equal(message.kind, EVENT_STREAM_EVENT);
    assert_true(text_equal(message.name, TEXT("messageStart")));
    assert_true(text_equal(message.content_type, TEXT("application/json")));
    assert_true(text_equal(message.payload, TEXT("{\"role\":\"assistant\"}")));

    buffer_clear(&bytes);
    event_stream_write_message(&bytes, "exception", "throttlingException", TEXT("{}"));
    frame = only_frame(&bytes);
    assert_true(event_stream_read(&frame, &message));
    assert_int_equal(message.kind, EVENT_STREAM_EXCEPTION);
    assert_true(text_equal(message.name, TEXT("throttlingException")));

    buffer_clear(&bytes);
    read_hex(published[9].hex, &bytes);
    frame = only_frame(&bytes);
    assert_true(event_stream_read(&frame, &message));
    assert_int_equal(message.kind, EVENT_STREAM_ERROR);
    assert_true(text_equal(message.name, TEXT("code")));
    assert_true(text_equal(message.message, TEXT("message")));

    buffer_clear(&bytes);
    read_hex(published[0].hex, &bytes); /* does not say of what kind it is */
    frame = only_frame(&bytes);
    assert_false(event_stream_read(&frame, &message));

    buffer_clear(&bytes);
    event_stream_write_message(&bytes, "tomorrow", "x", TEXT("{}"));
    frame = only_frame(&bytes);
    assert_false(event_stream_read(&frame, &message));
    buffer_close(&bytes);
}

/* The first of two headers with one name counts; one of another type is no string. */
static void test_strings(void **state)
{
    struct buffer bytes, headers;
    buffer_open(&bytes, 4096);
    buffer_open(&headers, 4096);
    event_stream_write_header(&headers, &(struct event_stream_header){.name = TEXT_INIT("a"),
                                                                      .type = EVENT_STREAM_BYTES,
                                                                      .bytes = TEXT_INIT("raw")});
    event_stream_write_string(&headers, TEXT("a"), TEXT("first"));
    event_stream_write_string(&headers, TEXT("a"), TEXT("second"));
    event_stream_write_frame(&bytes, buffer_text(&headers), TEXT(""));
    struct event_stream_frame frame = only_frame(&bytes);
    assert_true(text_equal(event_stream_string(&frame, TEXT("a")), TEXT("first")));
    assert_true(text_empty(event_stream_string(&frame, TEXT("b"))));
    buffer_close(&bytes);
    buffer_close(&headers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published),
        cmocka_unit_test(test_published_as_one_stream),
        cmocka_unit_test(test_bedrock),
        cmocka_unit_test(test_writer),
        cmocka_unit_test(test_malformed_headers),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_every_bit_counts),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_a_frame_within_the_input_is_not_copied),
        cmocka_unit_test(test_memory_is_given_back),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
