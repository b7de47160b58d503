/* Encoding: the five texts in the order of the struct, each length (LEB128) and bytes, then the
 * time in 8 bytes, low first. A newer writer may append; what is behind is skipped. */
#include "ledger/object.h"

#include "base/ensure.h"
#include "store/varint.h"

static uint8_t *put_text(uint8_t *out, struct text t, size_t limit)
{
    t = text_first(t, limit);
    out = varint_write(out, t.length);
    if (t.length > 0)
        memcpy(out, t.data, t.length);
    return out + t.length;
}

size_t object_encode(const struct object *object, uint8_t *begin)
{
    if (object->id.length == 0 || object->id.length > OBJECT_ID_MAX)
        return 0;
    uint8_t *out = put_text(begin, object->id, OBJECT_ID_MAX);
    out = put_text(out, object->provider, OBJECT_NAME_MAX);
    out = put_text(out, object->team, OBJECT_NAME_MAX);
    out = put_text(out, object->key_id, OBJECT_NAME_MAX);
    out = put_text(out, object->kind, OBJECT_NAME_MAX);
    memcpy(out, &object->created_at, sizeof(object->created_at));
    return (size_t)(out - begin) + sizeof(object->created_at);
}

static bool take_text(const uint8_t **at, const uint8_t *end, size_t limit, struct text *out)
{
    uint64_t length;
    if (!varint_read(at, end, &length) || length > limit || length > (uint64_t)(end - *at))
        return false;
    *out = text_of((const char *)*at, (size_t)length);
    *at += length;
    return true;
}

enum error object_decode(struct object *object, const uint8_t *bytes, size_t length)
{
    const uint8_t *at = bytes;
    const uint8_t *end = bytes + length;
    if (!take_text(&at, end, OBJECT_ID_MAX, &object->id) || text_empty(object->id) ||
        !take_text(&at, end, OBJECT_NAME_MAX, &object->provider) ||
        !take_text(&at, end, OBJECT_NAME_MAX, &object->team) ||
        !take_text(&at, end, OBJECT_NAME_MAX, &object->key_id) ||
        !take_text(&at, end, OBJECT_NAME_MAX, &object->kind) ||
        (size_t)(end - at) < sizeof(object->created_at))
        return ERROR_CORRUPT;
    memcpy(&object->created_at, at, sizeof(object->created_at));
    return ERROR_OK;
}

bool object_copy(struct object_copy *copy, const struct object *object)
{
    size_t length = object_encode(object, copy->bytes);
    if (length == 0)
        return false;
    ensure(object_decode(&copy->object, copy->bytes, length) == ERROR_OK);
    return true;
}
