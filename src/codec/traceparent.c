/* traceparent: see traceparent.h. */
#include "codec/traceparent.h"

/* Offsets and lengths of the four fields; a dash stands behind each but the last. */
struct field {
    size_t offset, length;
    bool not_zero;
};

static const struct field fields[] = {{0, 2, false}, {3, 32, true}, {36, 16, true}, {53, 2, false}};

#define TRACE_FIELD        1u
#define TRACEPARENT_LENGTH 55u

static bool field_is_good(struct text t, const struct field *field)
{
    bool zero = true;

    for (size_t i = field->offset; i < field->offset + field->length; i++) {
        char c = t.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        zero = zero && c == '0';
    }
    return !(zero && field->not_zero);
}

bool traceparent_parse(struct text value, struct text *trace_id)
{
    if (value.length < TRACEPARENT_LENGTH || text_starts_with(value, TEXT("ff")))
        return false;
    bool first_version = text_starts_with(value, TEXT("00"));
    if (value.length > TRACEPARENT_LENGTH &&
        (first_version || value.data[TRACEPARENT_LENGTH] != '-'))
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(fields); i++) {
        if (!field_is_good(value, &fields[i]))
            return false;
        if (i + 1 < ARRAY_LENGTH(fields) && value.data[fields[i].offset + fields[i].length] != '-')
            return false;
    }
    if (trace_id)
        *trace_id = text_of(value.data + fields[TRACE_FIELD].offset, fields[TRACE_FIELD].length);
    return true;
}
