/* checksum: CRC-32C (Castagnoli, RFC 3720 appendix B.4), in hardware where there is any. Any
 * thread. */
#ifndef LEDGER_CHECKSUM_H
#define LEDGER_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Continues from `checksum` (0 at the start). */
uint32_t checksum_extend(uint32_t checksum, const void *bytes, size_t length);

#endif
