/* What became of a key that somebody found. */
#include "admin/call.h"
#include "admin/handlers.h"
#include "admin/leaked_key.h"
#include "base/number.h"

static bool read_hash(struct text digits, struct key_hash *out)
{
    if (digits.length != 2 * sizeof out->bytes)
        return false;
    for (size_t i = 0; i < sizeof out->bytes; i++) {
        int high = number_hex_digit(digits.data[2 * i]);
        int low = number_hex_digit(digits.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* "tpk_ID" or "tpa_ID". */
static bool read_id(struct text visible, bool *administrative, struct text *id)
{
    *administrative = text_starts_with(visible, TEXT(KEY_ADMIN_PREFIX));
    *id = text_from_index(visible, KEY_PREFIX_LENGTH);
    return (*administrative || text_starts_with(visible, TEXT(KEY_PREFIX))) && key_id_is_valid(*id);
}

bool handle_leaked_key(struct admin_call *call)
{
    const struct document_node *body = call_read_shape(call, SHAPE_LeakedKey);
    struct leaked_key found;
    struct key_hash hash;
    struct text id;
    bool administrative;

    if (!body)
        return false;
    if (!read_id(call_member(body, "key"), &administrative, &id))
        return call_refuse(call, ADMIN_PROBLEM_INVALID, "key",
                           "write tpk_ or tpa_ and the twelve characters behind it, no more");
    if (!read_hash(call_member(body, "hash"), &hash))
        return call_refuse(call, ADMIN_PROBLEM_INVALID, "hash",
                           "write the SHA-256 as 64 hexadecimal digits");
    if (!leaked_key_look_up(&call->office->operations, administrative, id, &hash, &found))
        return call_refuse_operation(call);
    json_begin_object(&call->json);
    json_member_text(&call->json, "state", text_from(leaked_key_state_name(found.state)));
    call_write_text(call, "name", found.name);
    call_write_text(call, "team", found.team);
    call_write_moment(call, "good_until", found.good_until);
    json_end_object(&call->json);
    return true;
}
