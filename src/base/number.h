/* number: the only way numbers are read from text. Checked, whole input, no locale. Any thread. */
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include <stdint.h>

#include "base/text.h"

/* Decimal digits only, no sign, no space, no leading '+'; false on anything else or overflow. */
must_check bool number_parse_unsigned(struct text t, uint64_t *out);
/* As above with an optional leading '-'. */
must_check bool number_parse_signed(struct text t, int64_t *out);
/* Hexadecimal digits only, either case. */
must_check bool number_parse_hex(struct text t, uint64_t *out);
/* The value of one hexadecimal digit, either case; -1 for any other byte. */
int number_hex_digit(char c);
/* "250ms", "30s", "5m", "2h", "7d"; a unit is required unless the number is 0. Milliseconds. */
must_check bool number_parse_duration(struct text t, uint64_t *milliseconds);
/* "512", "64KiB", "8MiB", "2GiB" (1024) and "kB", "MB", "GB" (1000). Bytes. */
must_check bool number_parse_size(struct text t, uint64_t *bytes);
/* "5%", "12.25%", "100%": at most four decimals, any number before. Parts of a million. */
must_check bool number_parse_percent(struct text t, uint64_t *millionths);
#define NUMBER_DIGITS_MAX 20 /* of UINT64_MAX */
/* Writes decimal digits without a NUL, returns how many. */
size_t number_format_unsigned(uint64_t number, char out[NUMBER_DIGITS_MAX]);

#endif
