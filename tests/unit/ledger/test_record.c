#include "fixture.h"

#include "ledger/record_json.h"
#include "store/varint.h"

/* Every field different from unknown and from every other. */
static struct record full_record(char *filler, size_t size)
{
    struct record record;
    record_clear(&record, identifier_make(1800000000123456789ull));
    memset(filler, 'x', size);
    for (size_t i = 0; i < record_field_count; i++) {
        const struct record_field *field = &record_fields[i];
        void *member = (char *)&record + field->offset;
        switch (field->type) {
        case RECORD_TYPE_TIME: *(uint64_t *)member = UINT64_MAX - i; break;
        case RECORD_TYPE_DURATION:
        case RECORD_TYPE_INTEGER:
        case RECORD_TYPE_MONEY: *(int64_t *)member = INT64_MAX - (int64_t)i; break;
        case RECORD_TYPE_FLAG: *(bool *)member = true; break;
        case RECORD_TYPE_TEXT:
        case RECORD_TYPE_JSON: *(struct text *)member = text_of(filler, field->limit); break;
        case RECORD_TYPE_OUTCOME: *(enum record_outcome *)member = RECORD_OUTCOME_FAILED; break;
        case RECORD_TYPE_USAGE_SOURCE:
            *(enum record_usage_source *)member = RECORD_USAGE_ESTIMATED;
            break;
        }
    }
    return record;
}

static void assert_same(const struct record *a, const struct record *b)
{
    assert_memory_equal(&a->id, &b->id, sizeof(a->id));
    for (size_t i = 0; i < record_field_count; i++) {
        const void *left = (const char *)a + record_fields[i].offset;
        const void *right = (const char *)b + record_fields[i].offset;
        if (record_fields[i].type == RECORD_TYPE_TEXT || record_fields[i].type == RECORD_TYPE_JSON)
            assert_true(text_equal(*(const struct text *)left, *(const struct text *)right));
    }
#define SAME_TIME(name)         assert_true(a->name == b->name);
#define SAME_DURATION(name)     assert_true(a->name == b->name);
#define SAME_INTEGER(name)      assert_true(a->name == b->name);
#define SAME_MONEY(name)        assert_true(a->name == b->name);
#define SAME_FLAG(name)         assert_true(a->name == b->name);
#define SAME_OUTCOME(name)      assert_true(a->name == b->name);
#define SAME_USAGE_SOURCE(name) assert_true(a->name == b->name);
#define SAME_TEXT(name)
#define SAME_JSON(name)
#define FIELD(number, type, name, limit, description) SAME_##type(name)
#include "tables/ledger_fields.def"
#undef FIELD
}

static void the_largest_record_fits_its_bound(void **state)
{
    static char filler[4096];
    static uint8_t bytes[RECORD_SIZE_MAX];
    struct record record = full_record(filler, sizeof(filler));
    struct record decoded;
    size_t length = record_encode(&record, bytes);
    assert_true(length <= RECORD_SIZE_MAX);
    assert_int_equal(record_decode(&decoded, bytes, length), ERROR_OK);
    assert_same(&record, &decoded);
}

static void an_unknown_record_is_its_id(void **state)
{
    uint8_t bytes[RECORD_SIZE_MAX];
    struct record record;
    struct record decoded;
    record_clear(&record, identifier_make(1));
    size_t length = record_encode(&record, bytes);
    assert_int_equal(length, 16 + 2 + 1); /* and `calls`, which is 1 */
    assert_int_equal(record_decode(&decoded, bytes, length), ERROR_OK);
    assert_same(&record, &decoded);
}

static void long_texts_are_cut_at_a_character(void **state)
{
    static char filler[4096];
    uint8_t bytes[RECORD_SIZE_MAX];
    struct record record;
    struct record decoded;
    record_clear(&record, identifier_make(1));
    memset(filler, 'y', sizeof(filler));
    memcpy(filler + 511, "\xf0\x9f\x98\x80", 4);
    record.path = text_of(filler, sizeof(filler));
    record.attempts_detail = text_of(filler, sizeof(filler));
    size_t length = record_encode(&record, bytes);
    assert_int_equal(record_decode(&decoded, bytes, length), ERROR_OK);
    assert_int_equal(decoded.path.length, 511);
    assert_true(text_empty(decoded.attempts_detail));
}

static void every_cut_is_corrupt_or_shorter(void **state)
{
    uint8_t bytes[RECORD_SIZE_MAX];
    struct record record = fixture_record(identifier_make(7));
    struct record decoded;
    size_t length = record_encode(&record, bytes);
    size_t good = 0;
    for (size_t cut = 0; cut < length; cut++) {
        uint8_t *copy = malloc(cut ? cut : 1); /* so that a read beyond it is seen */
        memcpy(copy, bytes, cut);
        good += record_decode(&decoded, copy, cut) == ERROR_OK;
        free(copy);
    }
    assert_true(good > 0 && good < 60); /* cuts between fields */
}

static void fields_of_a_newer_writer_are_skipped(void **state)
{
    uint8_t bytes[RECORD_SIZE_MAX + 64];
    struct record record = fixture_record(identifier_make(7));
    struct record decoded;
    uint8_t *end = bytes + record_encode(&record, bytes);
    end = varint_write(end, 4000u << 2); /* a number */
    end = varint_write(end, UINT64_MAX);
    end = varint_write(end, 4001u << 2 | 1); /* bytes */
    end = varint_write(end, 3);
    memcpy(end, "abc", 3);
    assert_int_equal(record_decode(&decoded, bytes, (size_t)(end + 3 - bytes)), ERROR_OK);
    assert_same(&record, &decoded);
    assert_int_equal(record_decode(&decoded, bytes, (size_t)(end + 2 - bytes)), ERROR_CORRUPT);
}

static void objects_survive(void **state)
{
    struct object object = {.id = TEXT("batch_1"), .provider = TEXT("p"), .created_at = 5};
    struct object_copy copy;
    assert_true(object_copy(&copy, &object));
    assert_true(text_equal(copy.object.id, TEXT("batch_1")));
    assert_true(text_equal(copy.object.provider, TEXT("p")));
    assert_true(text_empty(copy.object.team));
    assert_int_equal(copy.object.created_at, 5);
    uint8_t bytes[OBJECT_SIZE_MAX];
    size_t length = object_encode(&object, bytes);
    for (size_t cut = 0; cut < length; cut++)
        assert_int_equal(object_decode(&object, bytes, cut), ERROR_CORRUPT);
    static char filler[OBJECT_ID_MAX + 1];
    object.id = text_of(filler, sizeof(filler));
    assert_false(object_copy(&copy, &object));
}

/* What stands for `path` in the line of a record that has nothing else. */
static struct text shown_path(struct text path, char line[RECORD_JSON_MAX])
{
    struct record record;
    struct record_json json = {0};
    record_clear(&record, identifier_make(1));
    record.path = path;
    struct text rest = text_of(line, record_json_write(&json, &record, RECORD_JSON_KNOWN, line));
    while (!text_starts_with(rest, TEXT("\"path\":\"")))
        rest = text_from_index(rest, 1);
    rest = text_from_index(rest, 8);
    size_t length = 0;
    while (rest.data[length] != '"')
        length += rest.data[length] == '\\' ? 2 : 1;
    return text_of(rest.data, length);
}

/* Eight bytes are looked at at once: every byte is seen at every place. */
static void every_byte_is_escaped_everywhere(void **state)
{
    static char line[RECORD_JSON_MAX];
    for (int byte = 0; byte < 256; byte++) {
        char alone = (char)byte;
        char wanted[64];
        struct text escaped = shown_path(text_of(&alone, 1), line);
        assert_true(escaped.length <= 6);
        for (size_t place = 0; place < 18; place++) {
            char path[18];
            memset(path, 'a', sizeof(path));
            path[place] = alone;
            memset(wanted, 'a', sizeof(wanted));
            memcpy(wanted + place, shown_path(text_of(&alone, 1), line).data, escaped.length);
            assert_true(text_equal(shown_path(text_of(path, sizeof(path)), line),
                                   text_of(wanted, sizeof(path) - 1 + escaped.length)));
        }
    }
}

static void lines_are_json(void **state)
{
    static char line[RECORD_JSON_MAX];
    struct record_json json = {0};
    struct record record;
    record_clear(&record, (struct identifier){{0x01, 0x9f}});
    record.started_at = 1800000000123456789ull;
    record.duration = 1234567;
    record.path = TEXT("/a\"\\\x01\n\xc3\xa9\xff\xed\xa0\x80");
    record.tags = TEXT("{\"env\":\"prod\"}");
    record.outcome = RECORD_OUTCOME_SERVED;
    size_t length = record_json_write(&json, &record, RECORD_JSON_KNOWN, line);
    struct text expected =
        TEXT("{\"id\":\"req_019f0000000000000000000000000000\","
             "\"started_at\":\"2027-01-15T08:00:00.123456Z\",\"duration_ms\":1.234,"
             "\"path\":\"/"
             "a\\\"\\\\\\u0001\\u000a\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\","
             "\"outcome\":\"served\",\"streamed\":false,\"usage_source\":\"none\","
             "\"tags\":{\"env\":\"prod\"},\"calls\":1}\n");
    line[length] = 0;
    assert_string_equal(line, expected.data);
}

static void the_longest_line_fits_its_bound(void **state)
{
    static char filler[4096];
    static char line[RECORD_JSON_MAX];
    struct record_json json = {0};
    struct record record = full_record(filler, sizeof(filler));
    memset(filler, 1, sizeof(filler));
    assert_true(record_json_write(&json, &record, RECORD_JSON_ALL, line) <= RECORD_JSON_MAX);
    record_clear(&record, record.id);
    size_t length = record_json_write(&json, &record, RECORD_JSON_ALL, line);
    line[length - 1] = '\0';
    assert_non_null(strstr(line, "\"connect_ms\":null"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_largest_record_fits_its_bound),
    cmocka_unit_test(an_unknown_record_is_its_id),
    cmocka_unit_test(long_texts_are_cut_at_a_character),
    cmocka_unit_test(every_cut_is_corrupt_or_shorter),
    cmocka_unit_test(fields_of_a_newer_writer_are_skipped),
    cmocka_unit_test(objects_survive),
    cmocka_unit_test(every_byte_is_escaped_everywhere),
    cmocka_unit_test(lines_are_json),
    cmocka_unit_test(the_longest_line_fits_its_bound),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
