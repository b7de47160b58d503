/* organisation: the one organisation of a gateway, a row that is always there.
 *
 * Statements are made for each call: this changes a few times a year. Errors as in store/store.h.
 * Writing within the caller's transaction, if there is one. */
#ifndef STORE_ORGANISATION_H
#define STORE_ORGANISATION_H

#include <stdint.h>

#include "base/text.h"
#include "store/store.h"
#include "tables/error.h"

/* Lists: JSON array of names and patterns; empty text: no list (`allow`: all models, `deny`: none);
 * "[]" as `allow`: no model at all. */
struct stored_organisation {
    struct text name; /* empty until somebody gives one */
    struct text contact;
    struct text allow;
    struct text deny;
    int64_t changed; /* 0: never; ignored when writing */
};

typedef void (*organisation_found)(void *context, const struct stored_organisation *organisation);

/* Calls `found` once; texts are valid until it returns. */
must_handle enum error organisation_read(struct store *store, organisation_found found,
                                         void *context);
must_handle enum error organisation_write(struct store *store,
                                          const struct stored_organisation *organisation);

#endif
