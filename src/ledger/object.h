/* object: which provider keeps a stored object (file, batch, response …) made through the gateway.
 *
 * A later call that names the id goes to the provider that made it. Texts point into memory of
 * whoever filled the struct; it owns nothing. Pure functions, any thread. */
#ifndef LEDGER_OBJECT_H
#define LEDGER_OBJECT_H

#include <stdint.h>

#include "base/text.h"
#include "tables/error.h"

#define OBJECT_ID_MAX   256u /* longer ids are not recorded: no provider makes one */
#define OBJECT_NAME_MAX 128u /* provider, team, key id, kind: configured names are shorter */
#define OBJECT_SIZE_MAX (OBJECT_ID_MAX + 4 * OBJECT_NAME_MAX + 5 * 3 + 8)

struct object {
    struct text id;       /* as the provider made it: "file-abc", "resp_…" */
    struct text provider; /* the provider's name in the configuration */
    struct text team;     /* of the key that made it */
    struct text key_id;
    struct text kind;    /* "file", "batch", "response" … */
    uint64_t created_at; /* wall clock, nanoseconds */
};

/* Writes at most OBJECT_SIZE_MAX bytes and returns how many; 0 when the id is empty or too long.
 * Other texts are cut. */
size_t object_encode(const struct object *object, uint8_t *out);
/* Texts point into `bytes`. */
must_handle enum error object_decode(struct object *object, const uint8_t *bytes, size_t length);

/* An object with the memory of its texts. */
struct object_copy {
    struct object object;
    uint8_t bytes[OBJECT_SIZE_MAX];
};
/* False as object_encode would return 0. */
must_check bool object_copy(struct object_copy *copy, const struct object *object);

#endif
