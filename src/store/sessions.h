/* sessions: who is signed in to the console, and the codes by which somebody may sign in once.
 *
 * Both are known by the hash of their secret alone. A session that ended is no row any more: the
 * audit remembers. Statements are made for each call. Writing within the caller's transaction, if
 * there is one. Errors and threads as in store/store.h. */
#ifndef STORE_SESSIONS_H
#define STORE_SESSIONS_H

#include <stdint.h>

#include "base/text.h"
#include "store/store.h"
#include "tables/error.h"

#define SESSIONS_HASH_SIZE 32u

/* Times are wall-clock nanoseconds. */
struct stored_session {
    struct text id; /* may be shown: "ses_…" */
    uint8_t hash[SESSIONS_HASH_SIZE];
    struct text who;      /* as the audit has it: "key:ID", "cli:alice", "sso:alice@example.com" */
    struct text name;     /* for people */
    struct text role;     /* owner, operator, finance, team_lead */
    struct text team;     /* of a team_lead; else empty */
    struct text method;   /* key, link, sso */
    struct text bound_to; /* what must still be good: an admin key's id, single sign-on's mark */
    struct text source;   /* the address it was begun from */
    struct text agent;    /* what the browser said it is */
    uint64_t created_at;
    uint64_t used_at;
    uint64_t expires_at; /* at the latest */
};

/* Texts are valid until it returns. */
typedef void (*sessions_found)(void *context, const struct stored_session *session);

/* ERROR_EXISTS when the id or hash is taken. */
must_handle enum error sessions_insert(struct store *store, const struct stored_session *session);
/* ERROR_NOT_FOUND. */
must_handle enum error sessions_find(struct store *store, const uint8_t hash[SESSIONS_HASH_SIZE],
                                     sessions_found found, void *context);
/* All, the newest first. */
must_handle enum error sessions_list(struct store *store, sessions_found found, void *context);
/* ERROR_NOT_FOUND. */
must_handle enum error sessions_note_use(struct store *store, struct text id, uint64_t time);
/* ERROR_NOT_FOUND. */
must_handle enum error sessions_end(struct store *store, struct text id);
/* Takes away what nobody can use any more: sessions past `now` or not used since `used_since`, and
 * of one who only the `most` newest stay, that there is room for one more. */
must_handle enum error sessions_sweep(struct store *store, struct text who, uint64_t now,
                                      uint64_t used_since, size_t most);

struct stored_sign_in_code {
    uint8_t hash[SESSIONS_HASH_SIZE];
    struct text who;  /* who made it */
    struct text role; /* what it is good for */
    struct text team;
    uint64_t expires_at;
};

typedef void (*sign_in_code_found)(void *context, const struct stored_sign_in_code *code);

/* Takes away those past `now`, too. */
must_handle enum error sign_in_codes_insert(struct store *store,
                                            const struct stored_sign_in_code *code, uint64_t now);
/* Takes it away, whatever its time: nobody gets it a second time. ERROR_NOT_FOUND. */
must_handle enum error sign_in_codes_take(struct store *store,
                                          const uint8_t hash[SESSIONS_HASH_SIZE],
                                          sign_in_code_found found, void *context);

#endif
