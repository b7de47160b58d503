#include "identity/base64url.h"

/* 0 to 63, or 64 for what is no digit. */
static unsigned digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a') + 26;
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0') + 52;
    return c == '-' ? 62 : c == '_' ? 63 : 64;
}

bool base64url_decode(struct text encoded, uint8_t *out, size_t room, size_t *length)
{
    uint32_t bits = 0;
    unsigned count = 0; /* of the bits that wait */

    *length = 0;
    if (encoded.length % 4 == 1 || encoded.length / 4 * 3 + encoded.length % 4 > room + 1)
        return false;
    for (size_t i = 0; i < encoded.length; i++) {
        unsigned digit = digit_of(encoded.data[i]);
        if (digit > 63)
            return false;
        bits = (bits << 6 | digit) & 0xffff;
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        if (*length == room)
            return false;
        out[(*length)++] = (uint8_t)(bits >> count);
    }
    return (bits & ((1u << count) - 1)) == 0;
}
