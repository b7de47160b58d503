/* The table of fields drives encoding and decoding: each row becomes statements of its own, so that
 * the compiler sees every number, type and member. A key is the field's number and its wire type: a
 * reader that does not know the number knows by the wire type how much to skip. */
#include "store/record.h"

#include "base/ensure.h"
#include "store/varint.h"

enum wire { WIRE_NUMBER, WIRE_BYTES };
#define WIRE_BITS 2

#define SHOWN_TIME(name)         TEXT_INIT(#name)
#define SHOWN_DURATION(name)     TEXT_INIT(#name "_ms")
#define SHOWN_INTEGER(name)      TEXT_INIT(#name)
#define SHOWN_MONEY(name)        TEXT_INIT(#name "_usd")
#define SHOWN_FLAG(name)         TEXT_INIT(#name)
#define SHOWN_TEXT(name)         TEXT_INIT(#name)
#define SHOWN_JSON(name)         TEXT_INIT(#name)
#define SHOWN_OUTCOME(name)      TEXT_INIT(#name)
#define SHOWN_USAGE_SOURCE(name) TEXT_INIT(#name)

const struct record_field record_fields[] = {
#define FIELD(number, type, name, limit, description) \
    {number,                                          \
     offsetof(struct record, name),                   \
     limit,                                           \
     RECORD_TYPE_##type,                              \
     TEXT_INIT(#name),                                \
     SHOWN_##type(name),                              \
     description},
#include "tables/ledger_fields.def"
#undef FIELD
};
const size_t record_field_count = ARRAY_LENGTH(record_fields);

/* Keys of two bytes and lengths of two bytes are what RECORD_SIZE_MAX allows for. */
#define FIELD(number, type, name, limit, description) \
    _Static_assert((number) > 0 && (number) < 1 << 12 && (limit) < 1 << 14, #name);
#include "tables/ledger_fields.def"
#undef FIELD

/* At least the highest field number. */
enum {
    FIELD_NUMBERS = 0
#define FIELD(number, type, name, limit, description) | (number)
#include "tables/ledger_fields.def"
#undef FIELD
};

static const bool is_known[FIELD_NUMBERS + 1] = {
#define FIELD(number, type, name, limit, description) [number] = true,
#include "tables/ledger_fields.def"
#undef FIELD
};

static const struct text outcome_names[RECORD_OUTCOME_COUNT] = {
    TEXT_INIT(""),       TEXT_INIT("served"),    TEXT_INIT("refused"),
    TEXT_INIT("failed"), TEXT_INIT("cancelled"), TEXT_INIT("interrupted"),
};
static const struct text usage_source_names[RECORD_USAGE_COUNT] = {
    TEXT_INIT("none"),
    TEXT_INIT("reported"),
    TEXT_INIT("estimated"),
};

void record_clear(struct record *record, struct identifier id)
{
    memset(record, 0, sizeof(*record));
    record->id = id;
#define CLEAR_TIME(member)
#define CLEAR_DURATION(member) record->member = RECORD_UNKNOWN;
#define CLEAR_INTEGER(member)  record->member = RECORD_UNKNOWN;
#define CLEAR_MONEY(member)    record->member = RECORD_UNKNOWN;
#define CLEAR_FLAG(member)
#define CLEAR_TEXT(member)
#define CLEAR_JSON(member)
#define CLEAR_OUTCOME(member)
#define CLEAR_USAGE_SOURCE(member)
#define FIELD(number, type, name, limit, description) CLEAR_##type(name)
#include "tables/ledger_fields.def"
#undef FIELD
    record->calls = 1;
}

/* How much of a text that is too long stands before a cut that does not split a UTF-8 character. */
static size_t cut_length(struct text t, size_t limit)
{
    size_t length = limit;
    while (length > 0 && limit - length < 3 && ((uint8_t)t.data[length] & 0xc0) == 0x80)
        length--;
    return length;
}

static inline uint8_t *put_number(uint8_t *out, unsigned number, uint64_t value)
{
    out = varint_write(out, (uint64_t)number << WIRE_BITS | WIRE_NUMBER);
    return varint_write(out, value);
}

static inline uint8_t *put_text(uint8_t *out, unsigned number, struct text t, size_t limit)
{
    size_t length = t.length > limit ? cut_length(t, limit) : t.length;
    out = varint_write(out, (uint64_t)number << WIRE_BITS | WIRE_BYTES);
    out = varint_write(out, length);
    memcpy(out, t.data, length);
    return out + length;
}

#define ENCODE_TIME(number, value, limit) \
    if ((value) != 0)                     \
        out = put_number(out, number, value);
#define ENCODE_DURATION(number, value, limit) ENCODE_INTEGER(number, value, limit)
#define ENCODE_MONEY(number, value, limit)    ENCODE_INTEGER(number, value, limit)
#define ENCODE_INTEGER(number, value, limit) \
    if ((value) >= 0)                        \
        out = put_number(out, number, (uint64_t)(value));
#define ENCODE_FLAG(number, value, limit) \
    if (value)                            \
        out = put_number(out, number, 1);
#define ENCODE_TEXT(number, value, limit) \
    if ((value).length > 0)               \
        out = put_text(out, number, value, limit);
#define ENCODE_JSON(number, value, limit)                \
    if ((value).length > 0 && (value).length <= (limit)) \
        out = put_text(out, number, value, limit);
#define ENCODE_OUTCOME(number, value, limit) \
    if ((value) != RECORD_OUTCOME_UNKNOWN)   \
        out = put_number(out, number, (uint64_t)(value));
#define ENCODE_USAGE_SOURCE(number, value, limit) \
    if ((value) != RECORD_USAGE_NONE)             \
        out = put_number(out, number, (uint64_t)(value));

size_t record_encode(const struct record *record, uint8_t *begin)
{
    uint8_t *out = begin;
    memcpy(out, record->id.bytes, sizeof(record->id.bytes));
    out += sizeof(record->id.bytes);
#define FIELD(number, type, name, limit, description) ENCODE_##type(number, record->name, limit)
#include "tables/ledger_fields.def"
#undef FIELD
    return (size_t)(out - begin);
}

/* A value out of its enum's or integer's range is a newer writer's and stays unknown. */
static inline bool take_time(uint64_t *member, uint64_t value)
{
    *member = value;
    return true;
}

static inline bool take_integer(int64_t *member, uint64_t value)
{
    if (value <= INT64_MAX)
        *member = (int64_t)value;
    return true;
}

static inline bool take_flag(bool *member, uint64_t value)
{
    *member = value != 0;
    return true;
}

static inline bool take_outcome(enum record_outcome *member, uint64_t value)
{
    if (value < RECORD_OUTCOME_COUNT)
        *member = (enum record_outcome)value;
    return true;
}

static inline bool take_usage_source(enum record_usage_source *member, uint64_t value)
{
    if (value < RECORD_USAGE_COUNT)
        *member = (enum record_usage_source)value;
    return true;
}

static inline bool take_text(struct text *member, const uint8_t **at, const uint8_t *end,
                             uint64_t length, size_t limit)
{
    if (length > limit || length > (uint64_t)(end - *at))
        return false;
    *member = text_of((const char *)*at, (size_t)length);
    *at += length;
    return true;
}

/* Passes over a field of a newer writer. A number that is known, with another wire type, is none.
 */
static bool pass_over(uint64_t key, uint64_t value, const uint8_t **at, const uint8_t *end)
{
    uint64_t number = key >> WIRE_BITS;
    if (number < ARRAY_LENGTH(is_known) && is_known[number])
        return false;
    switch ((enum wire)(key & ((1 << WIRE_BITS) - 1))) {
    case WIRE_NUMBER: return true;
    case WIRE_BYTES:
        if (value > (uint64_t)(end - *at))
            return false;
        *at += value;
        return true;
    }
    return false;
}

/* The wire type and how a value is taken: one pair a type. */
#define WIRE_OF_TIME         WIRE_NUMBER
#define WIRE_OF_DURATION     WIRE_NUMBER
#define WIRE_OF_INTEGER      WIRE_NUMBER
#define WIRE_OF_MONEY        WIRE_NUMBER
#define WIRE_OF_FLAG         WIRE_NUMBER
#define WIRE_OF_TEXT         WIRE_BYTES
#define WIRE_OF_JSON         WIRE_BYTES
#define WIRE_OF_OUTCOME      WIRE_NUMBER
#define WIRE_OF_USAGE_SOURCE WIRE_NUMBER

#define TAKE_TIME(member, limit)         take_time(member, value)
#define TAKE_DURATION(member, limit)     take_integer(member, value)
#define TAKE_INTEGER(member, limit)      take_integer(member, value)
#define TAKE_MONEY(member, limit)        take_integer(member, value)
#define TAKE_FLAG(member, limit)         take_flag(member, value)
#define TAKE_TEXT(member, limit)         take_text(member, at, end, value, limit)
#define TAKE_JSON(member, limit)         take_text(member, at, end, value, limit)
#define TAKE_OUTCOME(member, limit)      take_outcome(member, value)
#define TAKE_USAGE_SOURCE(member, limit) take_usage_source(member, value)

/* Reads one field; false when it is not well-formed. */
static inline bool read_field(struct record *record, const uint8_t **at, const uint8_t *end)
{
    uint64_t key;
    uint64_t value; /* of WIRE_BYTES the length */
    if (!varint_read(at, end, &key) || !varint_read(at, end, &value))
        return false;
    switch (key) {
#define FIELD(number, type, name, limit, description) \
    case (number) << WIRE_BITS | WIRE_OF_##type:      \
        return TAKE_##type(&record->name, limit);
#include "tables/ledger_fields.def"
#undef FIELD
    default: return pass_over(key, value, at, end);
    }
}

enum error record_decode_fields(struct record *record, struct identifier id, const uint8_t *bytes,
                                size_t length)
{
    record_clear(record, id);
    const uint8_t *at = bytes;
    const uint8_t *end = bytes + length;
    while (at < end) {
        if (!read_field(record, &at, end))
            return ERROR_CORRUPT;
    }
    return ERROR_OK;
}

enum error record_decode(struct record *record, const uint8_t *bytes, size_t length)
{
    struct identifier id;
    if (length < sizeof(id.bytes))
        return ERROR_CORRUPT;
    memcpy(id.bytes, bytes, sizeof(id.bytes));
    return record_decode_fields(record, id, bytes + sizeof(id.bytes), length - sizeof(id.bytes));
}

struct text record_outcome_name(enum record_outcome outcome)
{
    return outcome_names[outcome];
}

struct text record_usage_source_name(enum record_usage_source source)
{
    return usage_source_names[source];
}

static bool find_name(const struct text *names, size_t count, struct text name, unsigned *out)
{
    for (size_t i = 0; i < count; i++) {
        if (text_equal(names[i], name)) {
            *out = (unsigned)i;
            return true;
        }
    }
    return false;
}

bool record_outcome_parse(struct text name, enum record_outcome *out)
{
    unsigned index;
    if (!find_name(outcome_names, RECORD_OUTCOME_COUNT, name, &index))
        return false;
    *out = (enum record_outcome)index;
    return true;
}

bool record_usage_source_parse(struct text name, enum record_usage_source *out)
{
    unsigned index;
    if (!find_name(usage_source_names, RECORD_USAGE_COUNT, name, &index))
        return false;
    *out = (enum record_usage_source)index;
    return true;
}
