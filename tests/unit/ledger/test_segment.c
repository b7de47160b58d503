/* Damage: never a crash, never a false record. */
#include "fixture.h"

#include <fcntl.h>
#include <signal.h>

#include "ledger/checksum.h"

#define ENTRIES 12u

struct written {
    uint8_t payloads[ENTRIES][64];
    size_t lengths[ENTRIES];
};

static int open_directory(const struct fixture *fixture)
{
    int directory = open(fixture->data, O_RDONLY | O_DIRECTORY);
    assert_true(directory >= 0);
    return directory;
}

static void write_entries(struct segment *segment, struct written *written)
{
    for (size_t i = 0; i < ENTRIES; i++) {
        written->lengths[i] = 1 + (i * 13) % 60;
        memset(written->payloads[i], (int)(0x20 + i), sizeof(written->payloads[i]));
        segment_append(segment, ENTRY_END, written->payloads[i], written->lengths[i]);
    }
}

/* Everything found must have been written, in order; returns how many. */
static size_t check_found(const struct segment *segment, const struct written *written,
                          uint64_t *damaged)
{
    struct entry entry;
    size_t position = SEGMENT_START;
    size_t found = 0;
    size_t next = 0;
    *damaged = 0;
    while (segment_next(segment, &position, segment->size, &entry, damaged)) {
        while (next < ENTRIES &&
               (written->lengths[next] != entry.length ||
                memcmp(written->payloads[next], entry.payload, entry.length) != 0))
            next++;
        assert_true(next < ENTRIES);
        next++;
        found++;
    }
    assert_int_equal(position, segment->size);
    return found;
}

static void entries_are_read_back(void **state)
{
    int directory = open_directory(*state);
    struct segment segment;
    struct segment reader;
    struct written written;
    char name[SEGMENT_NAME_SIZE];
    uint64_t damaged;
    assert_int_equal(segment_create(&segment, directory, 3, 0x1234, SEGMENT_SIZE_MIN), ERROR_OK);
    write_entries(&segment, &written);
    segment_name(3, 0x1234, name);
    assert_string_equal(name, "0003-0000000000001234.journal");
    assert_int_equal(segment_open(&reader, directory, name), ERROR_OK);
    assert_true(reader.sound);
    assert_int_equal(reader.worker, 3);
    assert_int_equal(check_found(&reader, &written, &damaged), ENTRIES);
    assert_int_equal(damaged, 0);
    assert_int_equal(segment_create(&segment, directory, 3, 0x1234, SEGMENT_SIZE_MIN),
                     ERROR_EXISTS);
    segment_close(&reader);
    close(directory);
}

static void a_flipped_byte_costs_one_entry(void **state)
{
    int directory = open_directory(*state);
    struct segment segment;
    struct written written;
    assert_int_equal(segment_create(&segment, directory, 0, 5, SEGMENT_SIZE_MIN), ERROR_OK);
    write_entries(&segment, &written);
    size_t end = segment_committed(&segment);
    for (size_t at = SEGMENT_START; at < end; at++) {
        uint64_t damaged;
        segment.map[at] ^= 0x55;
        size_t found = check_found(&segment, &written, &damaged);
        /* What is between an entry's end and the next multiple of 8 belongs to nobody. */
        assert_true(found == ENTRIES || (found == ENTRIES - 1 && damaged > 0));
        segment.map[at] ^= 0x55;
    }
    segment_close(&segment);
    close(directory);
}

static void headers_may_be_damaged(void **state)
{
    int directory = open_directory(*state);
    struct segment segment;
    struct written written;
    char name[SEGMENT_NAME_SIZE];
    assert_int_equal(segment_create(&segment, directory, 0, 6, SEGMENT_SIZE_MIN), ERROR_OK);
    write_entries(&segment, &written);
    segment_name(0, 6, name);
    for (size_t at = 0; at < sizeof(struct segment_header); at++) {
        struct segment reader;
        uint64_t damaged;
        segment.map[at] ^= 0xff;
        assert_int_equal(segment_open(&reader, directory, name), ERROR_OK);
        assert_int_equal(reader.sound, at >= offsetof(struct segment_header, checksum) + 4);
        assert_int_equal(check_found(&reader, &written, &damaged), ENTRIES);
        segment_close(&reader);
        segment.map[at] ^= 0xff;
    }
    segment_close(&segment);
    close(directory);
}

/* An entry is good in its segment and at its place only. */
static void entries_do_not_travel(void **state)
{
    int directory = open_directory(*state);
    struct segment from;
    struct segment to;
    struct entry entry;
    uint64_t damaged = 0;
    size_t position = SEGMENT_START;
    assert_int_equal(segment_create(&from, directory, 0, 7, SEGMENT_SIZE_MIN), ERROR_OK);
    assert_int_equal(segment_create(&to, directory, 0, 8, SEGMENT_SIZE_MIN), ERROR_OK);
    segment_append(&from, ENTRY_END, (const uint8_t *)"served", 6);
    memcpy(to.map + SEGMENT_START, from.map + SEGMENT_START, ENTRY_SIZE(6));
    assert_false(segment_next(&to, &position, to.size, &entry, &damaged));
    assert_true(damaged > 0);
    memcpy(from.map + SEGMENT_START + 64, from.map + SEGMENT_START, ENTRY_SIZE(6));
    position = SEGMENT_START + 8;
    assert_false(segment_next(&from, &position, from.size, &entry, &damaged));
    segment_close(&from);
    segment_close(&to);
    close(directory);
}

static void a_full_disk_leaves_no_file(void **state)
{
    int directory = open_directory(*state);
    struct segment segment;
    assert_int_not_equal(segment_create(&segment, directory, 0, 9, (size_t)1 << 55), ERROR_OK);
    assert_int_equal(faccessat(directory, "0000-0000000000000009.journal", F_OK, 0), -1);
    close(directory);
}

static void checksums_are_castagnoli(void **state)
{
    uint8_t zeros[32] = {0};
    /* RFC 3720 appendix B.4. */
    assert_int_equal(checksum_extend(0, zeros, sizeof(zeros)), 0x8a9136aau);
    assert_int_equal(checksum_extend(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(checksum_extend(checksum_extend(0, "1234", 4), "56789", 5), 0xe3069283u);
}

static const struct CMUnitTest tests[] = {
#define SEGMENT_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    SEGMENT_TEST(entries_are_read_back),      SEGMENT_TEST(a_flipped_byte_costs_one_entry),
    SEGMENT_TEST(headers_may_be_damaged),     SEGMENT_TEST(entries_do_not_travel),
    SEGMENT_TEST(a_full_disk_leaves_no_file), cmocka_unit_test(checksums_are_castagnoli),
};

int main(void)
{
    (void)signal(SIGXFSZ, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
