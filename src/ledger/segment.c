#include "ledger/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ensure.h"
#include "base/number.h"
#include "ledger/checksum.h"

static const char magic[8] = "TPKJRNL1";

_Static_assert(sizeof(struct segment_header) <= SEGMENT_HEADER_SIZE, "the header fits its page");
_Static_assert(RECORD_SIZE_MAX <= ENTRY_LENGTH_MAX, "a reader takes what a writer writes");
_Static_assert(SEGMENT_SIZE_MIN > 4 * ENTRY_RECORD_MAX + SEGMENT_HEADER_SIZE, "worth a file");

void segment_name(unsigned worker, uint64_t number, char out[SEGMENT_NAME_SIZE])
{
    int length = snprintf(out, SEGMENT_NAME_SIZE, "%04u-%016llx.journal", worker,
                          (unsigned long long)number);
    ensure(length > 0 && (size_t)length < SEGMENT_NAME_SIZE);
}

bool segment_parse_name(const char *name, unsigned *worker, uint64_t *number)
{
    struct text rest = text_from(name);
    struct text suffix = TEXT(".journal");
    if (!text_ends_with(rest, suffix))
        return false;
    rest.length -= suffix.length;
    struct text first = text_split(&rest, '-');
    uint64_t value;
    if (first.length != 4 || rest.length != 16 || !number_parse_unsigned(first, &value) ||
        !number_parse_hex(rest, number))
        return false;
    *worker = (unsigned)value;
    return true;
}

static uint32_t header_checksum(const struct segment_header *header)
{
    return checksum_extend(0, header, offsetof(struct segment_header, checksum));
}

static enum error map_file(struct segment *segment, int file, int protection)
{
    void *map = mmap(NULL, segment->size, protection, MAP_SHARED, file, 0);
    if (map == MAP_FAILED)
        return error_from_errno(errno);
    segment->map = map;
    return ERROR_OK;
}

enum error segment_create(struct segment *segment, int directory, unsigned worker, uint64_t number,
                          size_t size)
{
    char name[SEGMENT_NAME_SIZE];
    segment_name(worker, number, name);
    int file = openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return error_from_errno(errno);
    *segment = (struct segment){.size = size, .number = number, .worker = worker, .sound = true};
    /* Every block is the file's before anything is mapped: a store to the mapping cannot meet a
     * full disk, which would be SIGBUS. */
    int failure = posix_fallocate(file, 0, (off_t)size);
    enum error error =
        failure ? error_from_errno(failure) : map_file(segment, file, PROT_READ | PROT_WRITE);
    close(file);
    if (error) {
        unlinkat(directory, name, 0);
        return error;
    }
    struct segment_header *header = segment_header_of(segment);
    memcpy(header->magic, magic, sizeof(magic));
    header->number = number;
    header->size = size;
    header->worker = worker;
    header->checksum = header_checksum(header);
    atomic_store_explicit(&header->committed, SEGMENT_START, memory_order_release);
    return ERROR_OK;
}

enum error segment_open(struct segment *segment, int directory, const char *name)
{
    *segment = (struct segment){0};
    if (!segment_parse_name(name, &segment->worker, &segment->number))
        return ERROR_NOT_FOUND;
    int file = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0)
        return error_from_errno(errno);
    struct stat status;
    enum error error = ERROR_OK;
    if (fstat(file, &status) != 0)
        error = error_from_errno(errno);
    else if (status.st_size < SEGMENT_HEADER_SIZE || status.st_size > (off_t)SEGMENT_SIZE_MAX)
        error = ERROR_CORRUPT;
    if (!error) {
        segment->size = (size_t)status.st_size & ~(size_t)7;
        error = map_file(segment, file, PROT_READ);
    }
    close(file);
    if (error)
        return error;
    const struct segment_header *header = segment_header_of(segment);
    segment->sound = memcmp(header->magic, magic, sizeof(magic)) == 0 &&
                     header->checksum == header_checksum(header) &&
                     header->number == segment->number;
    return ERROR_OK;
}

void segment_close(struct segment *segment)
{
    if (segment->map)
        ensure(munmap(segment->map, segment->size) == 0);
    segment->map = NULL;
}

/* `word` is length and kind as they stand in the entry. */
static uint32_t entry_checksum(uint64_t number, uint64_t position, uint32_t word,
                               const uint8_t *payload, size_t length)
{
    struct {
        uint64_t number;
        uint64_t position;
        uint64_t word;
    } place = {number, position, word};
    return checksum_extend(checksum_extend(0, &place, sizeof(place)), payload, length);
}

void segment_append(struct segment *segment, enum entry_kind kind, const uint8_t *payload,
                    size_t length)
{
    struct segment_header *header = segment_header_of(segment);
    uint64_t position = atomic_load_explicit(&header->committed, memory_order_relaxed);
    ensure(length > 0 && position + ENTRY_SIZE(length) <= segment->size);
    uint8_t *entry = segment->map + position;
    uint32_t word = (uint32_t)length << 8 | (uint32_t)kind;
    uint32_t checksum = entry_checksum(segment->number, position, word, payload, length);
    memcpy(entry + ENTRY_HEAD_SIZE, payload, length);
    memcpy(entry, &checksum, sizeof(checksum));
    memcpy(entry + sizeof(checksum), &word, sizeof(word));
    atomic_store_explicit(&header->committed, position + ENTRY_SIZE(length), memory_order_release);
}

/* The entry that stands exactly at `position`, if one does. */
static bool read_at(const struct segment *segment, size_t position, size_t limit, struct entry *out)
{
    const uint8_t *entry = segment->map + position;
    uint32_t checksum;
    uint32_t word;
    memcpy(&checksum, entry, sizeof(checksum));
    memcpy(&word, entry + sizeof(checksum), sizeof(word));
    size_t length = word >> 8;
    unsigned kind = word & 0xff;
    if (length == 0 || kind == 0 || length > ENTRY_LENGTH_MAX ||
        ENTRY_SIZE(length) > limit - position)
        return false;
    const uint8_t *payload = entry + ENTRY_HEAD_SIZE;
    if (entry_checksum(segment->number, position, word, payload, length) != checksum)
        return false;
    *out = (struct entry){(enum entry_kind)kind, payload, length, position};
    return true;
}

bool segment_next(const struct segment *segment, size_t *position, size_t limit, struct entry *out,
                  uint64_t *damaged)
{
    if (limit > segment->size)
        limit = segment->size;
    size_t at = *position;
    size_t last_dirty =
        at; /* behind the last word that is not zero: unwritten space is no damage */
    for (; at < limit; at += ENTRY_HEAD_SIZE) {
        uint64_t word;
        memcpy(&word, segment->map + at, sizeof(word));
        if (word == 0)
            continue;
        if (read_at(segment, at, limit, out)) {
            *damaged += at - *position;
            *position = at + ENTRY_SIZE(out->length);
            return true;
        }
        last_dirty = at + ENTRY_HEAD_SIZE;
    }
    *damaged += last_dirty - *position;
    if (limit > *position)
        *position = limit;
    return false;
}
