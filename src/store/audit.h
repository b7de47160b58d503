/* audit: who changed what, when, from what to what. Rows are only ever added.
 *
 * audit_append belongs into the transaction of the change, so that there is neither without the
 * other. Errors and threads as in store/store.h. */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include <stdint.h>

#include "base/text.h"
#include "store/store.h"
#include "tables/error.h"

struct audit_entry {
    int64_t number;          /* given by audit_append */
    uint64_t time;           /* wall-clock nanoseconds */
    struct text who;         /* system user or admin key */
    struct text via;         /* cli, api */
    struct text action;      /* create, update, delete, revoke, … */
    struct text object_kind; /* team, key, budget, limit, organisation, … */
    struct text object_id;
    struct text before; /* JSON; empty: there was nothing */
    struct text after;  /* JSON; empty: there is nothing any more */
};

/* Sets `number`. */
must_handle enum error audit_append(struct store *store, struct audit_entry *entry);

/* What is asked for; zeroed: everything but that keys were given for tokens, by the thousand: that
 * is found by its kind ("exchanged_key"), object or who. */
struct audit_filter {
    uint64_t since; /* wall nanoseconds; 0: no bound */
    uint64_t until; /* not included; 0: no bound */
    struct text object_kind;
    struct text object_id;
    struct text who;
    int64_t before_number; /* only older ones: the next page; 0: from the newest */
    uint64_t limit;        /* 0: all */
};

/* Texts are valid until it returns. False ends the reading. */
typedef bool (*audit_found)(void *context, const struct audit_entry *entry);

/* The newest first. */
must_handle enum error audit_list(struct store *store, const struct audit_filter *filter,
                                  audit_found found, void *context);

#endif
