/* The table of fields drives encoding and decoding; a struct text's member is found by its offset.
 * A key is the field's number and its wire type: a reader that does not know the number knows by
 * the wire type how much to skip. */
#include "ledger/record.h"

#include "base/ensure.h"
#include "ledger/varint.h"

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

/* The row of each field number, plus one; the size is the next power of two above every number. */
enum {
    FIELD_NUMBERS = 1
#define FIELD(number, type, name, limit, description) | (number)
#include "tables/ledger_fields.def"
#undef FIELD
};

enum row {
#define FIELD(number, type, name, limit, description) ROW_##name,
#include "tables/ledger_fields.def"
#undef FIELD
};

static const uint8_t row_of_number[FIELD_NUMBERS + 1] = {
#define FIELD(number, type, name, limit, description) [number] = ROW_##name + 1,
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

/* One statement a row, so that the compiler sees every number and type. */
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

static const struct record_field *find_field(uint64_t number)
{
    if (number >= ARRAY_LENGTH(row_of_number) || row_of_number[number] == 0)
        return NULL;
    return &record_fields[row_of_number[number] - 1];
}

static bool is_bytes(enum record_type type)
{
    return type == RECORD_TYPE_TEXT || type == RECORD_TYPE_JSON;
}

/* A value out of its enum's or integer's range is a newer writer's and stays unknown. */
static void set_number(struct record *record, const struct record_field *field, uint64_t value)
{
    char *member = (char *)record + field->offset;
    switch (field->type) {
    case RECORD_TYPE_TIME: *(uint64_t *)(void *)member = value; break;
    case RECORD_TYPE_DURATION:
    case RECORD_TYPE_INTEGER:
    case RECORD_TYPE_MONEY:
        if (value <= INT64_MAX)
            *(int64_t *)(void *)member = (int64_t)value;
        break;
    case RECORD_TYPE_FLAG: *(bool *)member = value != 0; break;
    case RECORD_TYPE_OUTCOME:
        if (value < RECORD_OUTCOME_COUNT)
            *(enum record_outcome *)(void *)member = (enum record_outcome)value;
        break;
    case RECORD_TYPE_USAGE_SOURCE:
        if (value < RECORD_USAGE_COUNT)
            *(enum record_usage_source *)(void *)member = (enum record_usage_source)value;
        break;
    case RECORD_TYPE_TEXT:
    case RECORD_TYPE_JSON: ensure(false);
    }
}

/* Reads one field; false when it is not well-formed. */
static bool read_field(struct record *record, const uint8_t **at, const uint8_t *end)
{
    uint64_t key;
    uint64_t value;
    if (!varint_read(at, end, &key) || !varint_read(at, end, &value))
        return false;
    const struct record_field *field = find_field(key >> WIRE_BITS);
    enum wire wire = (enum wire)(key & ((1 << WIRE_BITS) - 1));
    if (wire > WIRE_BYTES || (field && is_bytes(field->type) != (wire == WIRE_BYTES)))
        return false;
    if (wire == WIRE_NUMBER) {
        if (field)
            set_number(record, field, value);
        return true;
    }
    if (value > (uint64_t)(end - *at) || (field && value > field->limit))
        return false;
    if (field)
        *(struct text *)(void *)((char *)record + field->offset) =
            text_of((const char *)*at, (size_t)value);
    *at += value;
    return true;
}

enum error record_decode(struct record *record, const uint8_t *bytes, size_t length)
{
    struct identifier id;
    if (length < sizeof(id.bytes))
        return ERROR_CORRUPT;
    memcpy(id.bytes, bytes, sizeof(id.bytes));
    record_clear(record, id);
    const uint8_t *at = bytes + sizeof(id.bytes);
    const uint8_t *end = bytes + length;
    while (at < end) {
        if (!read_field(record, &at, end))
            return ERROR_CORRUPT;
    }
    return ERROR_OK;
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
