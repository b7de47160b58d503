/* operations: every administrative change, as one function each.
 *
 * The command line, `turnpike apply` and the HTTP interface all come through here. An operation
 * checks all that was said, applies it and writes the audit row in one transaction, or does nothing
 * and says why in `problem`. Several can be made one: operations_begin ... operations_commit.
 *
 * A `struct operations` uses one open store; one thread at a time; it may block, so no worker calls
 * it. Result texts live in the arena that was passed to operations_open. What an operation changed
 * reaches a running server through the store, within a second.
 *
 * Roles: an owner may do everything; an operator everything but admin keys; finance may look at
 * everything; a team_lead may look at its team and make, edit, rotate and revoke the team's keys.
 * The rules are here, so that nobody can forget them. */
#ifndef ADMIN_OPERATIONS_H
#define ADMIN_OPERATIONS_H

#include <stdint.h>

#include "admin/objects.h"
#include "base/arena.h"
#include "base/secret.h"
#include "store/revocations.h"
#include "store/store.h"

enum admin_role { ADMIN_OWNER, ADMIN_OPERATOR, ADMIN_FINANCE, ADMIN_TEAM_LEAD, ADMIN_ROLE_COUNT };

/* "owner", "operator", "finance", "team_lead". */
const char *admin_role_name(enum admin_role role);
must_check bool admin_role_from(struct text name, enum admin_role *role);

/* Who does it. Texts must outlive the operations. */
struct admin_actor {
    struct text who; /* "cli:alice" for a user of the system, "key:ID" for an admin key */
    struct text via; /* "cli", "apply", "api" */
    enum admin_role role;
    struct text team; /* of a team_lead */
};

enum admin_problem_code {
#define PROBLEM(name, code, status, meaning) ADMIN_PROBLEM_##name,
#include "admin/problems.def"
#undef PROBLEM
    ADMIN_PROBLEM_COUNT
};

#define ADMIN_PROBLEM_MESSAGE_SIZE 1024u
#define ADMIN_PROBLEM_FIELD_SIZE   64u

/* What was wrong, of the last operation that returned false. */
struct admin_problem {
    enum admin_problem_code code;
    char field[ADMIN_PROBLEM_FIELD_SIZE]; /* the member concerned, "amount"; empty: the whole */
    /* What, and what to do; a sentence part without full stop, clean of control characters. */
    char message[ADMIN_PROBLEM_MESSAGE_SIZE];
};

/* "invalid_value": stable. */
const char *admin_problem_name(enum admin_problem_code code);
/* 400 and so on. */
int admin_problem_status(enum admin_problem_code code);

/* What an operation did. Texts are in the arena. */
struct operation_result {
    struct text id;        /* of the object; a team's is its name, the organisation's is empty */
    struct text before;    /* JSON object; data NULL: there was none */
    struct text after;     /* JSON object; data NULL: there is none any more */
    struct text remark;    /* for people, such as that a team was made too; mostly empty */
    bool changed;          /* false: it was so already, nothing was written */
    struct secret *secret; /* of a key that was made or rotated: the caller frees; else NULL */
    bool in_store;         /* operations_revoke_key: the store has it too, not only the file */
};

struct operations {
    struct store *store;
    struct arena *arena;
    struct admin_actor actor;
    struct admin_problem problem;
    const char *directory; /* the data directory */
    struct revocations_position revocations_read;
    void *revocations;           /* of the file, by key id */
    unsigned depth;              /* transactions begun */
    uint64_t clock;              /* what operations_now says; 0: the wall clock */
    bool make_teams;             /* a key of an unknown team makes the team, with a remark */
    const struct config *config; /* of the gateway, for names in it; NULL: not at hand */
    /* Where `config` is not: the names of networks of the configuration that was in force last,
     * into the arena; false: none is known. NULL: nobody can say. */
    bool (*learn_networks)(const char *directory, struct arena *arena, const struct text **names,
                           size_t *count);
    bool networks_asked, networks_known; /* what it said, the first time */
    const struct text *networks;
    size_t network_count;
    const char *zones; /* where the time zones are; NULL: where the system has them */
};

/* `store` is open for writing, for operations_show and operations_list reading is enough; NULL: it
 * cannot be opened, and only operations_revoke_key works. All must outlive the operations. */
void operations_open(struct operations *operations, struct store *store, const char *directory,
                     struct arena *arena, const struct admin_actor *actor);
void operations_close(struct operations *operations);
/* For one that lives long: what comes next goes into this arena, on behalf of this actor. */
void operations_use(struct operations *operations, struct arena *arena,
                    const struct admin_actor *actor);

/* Makes what follows one change. Inside, each operation that fails has written nothing; whether to
 * commit the others is the caller's choice. Can be nested. */
must_check bool operations_begin(struct operations *operations);
must_check bool operations_commit(struct operations *operations);
void operations_roll_back(struct operations *operations);

/* Looks at the words alone, without the store: for whoever wants to refuse a wrong command line
 * before anything is opened. operations_create and operations_edit do it again. */
must_check bool operations_check(struct operations *operations, const struct object_change *change,
                                 bool creating);

/* By kind, as the HTTP interface has it. `id`: a team's name; the id of a budget, limit or admin
 * key; a key's id or, where only one live key has it, its name; ignored for the organisation. False
 * with `problem`. */
must_check bool operations_create(struct operations *operations, const struct object_change *wanted,
                                  struct operation_result *result);
/* Members that were not said stay. */
must_check bool operations_edit(struct operations *operations, struct text id,
                                const struct object_change *changes,
                                struct operation_result *result);

struct operation_deletion {
    bool revoke_keys; /* a team: revoke its live keys too, instead of refusing */
    struct text reason;
};
/* Keys and admin keys are not deleted but revoked. A team takes its budgets and limits with it. */
must_check bool operations_delete(struct operations *operations, enum object_kind kind,
                                  struct text id, const struct operation_deletion *deletion,
                                  struct operation_result *result);

/* The key gets a new secret; the old one is good for `grace` more nanoseconds. */
must_check bool operations_rotate_key(struct operations *operations, struct text id, uint64_t grace,
                                      struct operation_result *result);
/* First into DATA/revocations, then into the store; true when it holds by either. With a store that
 * cannot be asked, an id is taken at its word. */
must_check bool operations_revoke_key(struct operations *operations, struct text id,
                                      struct text reason, struct operation_result *result);
/* The amount of a budget is `amount` until the moment (both as people write them), then the old one
 * again. An `amount` with data NULL ends a raise. */
must_check bool operations_raise_budget(struct operations *operations, struct text id,
                                        struct text amount, struct text until,
                                        struct operation_result *result);

/* What the audit calls the kind: "network_rule". */
struct text operations_audit_name(enum object_kind kind);

/* Reading. The JSON is what `after` of an operation is. */
must_check bool operations_show(struct operations *operations, enum object_kind kind,
                                struct text id, struct text *json);

/* The id of the key that is meant by an id, a whole key, its visible part, or the name of one live
 * key. The actor must see it. */
bool operations_resolve_key(struct operations *operations, const char *field, struct text given,
                            struct text *id);

struct operations_filter {
    struct text team; /* only what belongs to it; empty: all */
    struct text key;  /* id: only budgets and limits of this key */
    bool live;        /* keys: only those that are neither revoked nor expired */
    bool exchanged;   /* keys: those that were given in exchange for tokens, in place of others */
    uint64_t unused; /* keys: only live ones that were not used for so many nanoseconds, as far back
                        as uses are counted; 0: all */
};
/* Calls `found` for each, with a text that is valid until it returns. Keys: the newest first. */
must_check bool operations_list(struct operations *operations, enum object_kind kind,
                                const struct operations_filter *filter,
                                void (*found)(void *context, struct text json), void *context);

#endif
