/* base64url: RFC 4648 section 5, without padding, read strictly. Pure, any thread. */
#ifndef IDENTITY_BASE64URL_H
#define IDENTITY_BASE64URL_H

#include <stdint.h>

#include "base/text.h"

/* Writes the bytes that `encoded` stands for into `out` and their number into `length`. False when
 * it is not the one way to write them: a character outside of the alphabet, padding, a length that
 * cannot be, bits left over that are not zero; or when `room` is too small. */
must_check bool base64url_decode(struct text encoded, uint8_t *out, size_t room, size_t *length);

#endif
