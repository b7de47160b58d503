/* base64: RFC 4648 section 4, the alphabet with '+' and '/', padded. Pure, any thread. */
#ifndef CODEC_BASE64_H
#define CODEC_BASE64_H

#include "base/buffer.h"

/* False (and `out` failed) when it has no room. */
bool base64_append(struct buffer *out, struct text bytes);

#endif
