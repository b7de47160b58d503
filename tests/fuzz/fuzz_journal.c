/* Any bytes as a journal segment: its entries are read, decoded and written as JSON. Whatever
 * stands there, nothing outside is touched and every entry lies within the segment. The checksum
 * would keep nearly every mutation from the decoders, so those get the bytes directly as well. */
#include <stdint.h>

#include "base/ensure.h"
#include "ledger/record_json.h"
#include "ledger/segment.h"

#define LENGTH_MAX 65536u

static void decode(const uint8_t *bytes, size_t length)
{
    static char line[RECORD_JSON_MAX];
    static uint8_t again[RECORD_SIZE_MAX];
    static struct record_json json;
    struct record record;
    struct object object;
    if (record_decode(&record, bytes, length) == ERROR_OK) {
        ensure(record_json_write(&json, &record, RECORD_JSON_ALL, line) <= RECORD_JSON_MAX);
        ensure(record_encode(&record, again) <= RECORD_SIZE_MAX);
    }
    (void)!object_decode(&object, bytes, length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static _Alignas(4096) uint8_t map[SEGMENT_HEADER_SIZE + LENGTH_MAX];
    if (size > LENGTH_MAX)
        return 0;
    struct segment segment = {
        .map = map, .size = SEGMENT_HEADER_SIZE + ((size + 7) & ~(size_t)7), .number = 1};
    memset(map, 0, segment.size);
    memcpy(map + SEGMENT_START, data, size);
    struct entry entry;
    size_t position = SEGMENT_START;
    uint64_t damaged = 0;
    while (segment_next(&segment, &position, segment.size, &entry, &damaged)) {
        ensure(entry.payload + entry.length <= map + segment.size);
        ensure(position <= segment.size);
        decode(entry.payload, entry.length);
    }
    ensure(damaged <= size + 7);
    decode(data, size);
    return 0;
}
