/* operations_parts: what the files operations*.c share: refusing, checking members, transactions.
 * Within admin/ only.
 *
 * Functions that return bool have set `problem` when they return false. `out` of a check stays as
 * it is when the member was not said; null sets the default named there. */
#ifndef ADMIN_OPERATIONS_PARTS_H
#define ADMIN_OPERATIONS_PARTS_H

#include "admin/operations.h"
#include "base/buffer.h"
#include "codec/json.h"

#define OPERATIONS_JSON_MAX \
    (1u << 20) /* one object: 256 patterns of 128 bytes in two lists, and room */

#define OPERATIONS_SHOWN_MAX 60u /* characters of somebody's words in a message */

uint64_t operations_now(const struct operations *operations);

/* ---- refusing; return false ---- */

/* `field` is a member's name or "". */
bool operations_refuse(struct operations *operations, enum admin_problem_code code,
                       const char *field, const char *format, ...) format_like(4, 5);
bool operations_refuse_member(struct operations *operations, enum admin_problem_code code,
                              enum object_member member, const char *format, ...) format_like(4, 5);
/* NOT_FOUND: nothing of that kind is called so. */
bool operations_refuse_unknown(struct operations *operations, enum object_kind kind,
                               const char *field, struct text said);
/* From what the store said. ERROR_OK gives true. */
bool operations_store_answer(struct operations *operations, enum error error);
bool operations_no_memory(struct operations *operations);

/* ---- checking what was said ---- */

/* Whether every member that is needed was said, with something in it. */
bool operations_check_required(struct operations *operations, const struct object_change *wanted);
/* Whether nothing was said that can only be said when the object is made. */
bool operations_check_editable(struct operations *operations, const struct object_change *changes);
/* A text without control characters of `maximum` bytes at most; null: "". */
bool operations_check_text(struct operations *operations, const struct object_change *change,
                           enum object_member member, size_t maximum, struct text *out);
/* The same for a text that comes from elsewhere. */
bool operations_check_words(struct operations *operations, const char *field, struct text text,
                            size_t maximum);
/* Patterns as a JSON array; null: "" (no list). */
bool operations_check_models(struct operations *operations, const struct object_change *change,
                             enum object_member member, struct text *out);
/* Names and values as a JSON object, sorted by name; null or none: "". */
bool operations_check_tags(struct operations *operations, const struct object_change *change,
                           enum object_member member, struct text *out);
/* A moment, 0: never; null: 0. */
bool operations_check_moment(struct operations *operations, const struct object_change *change,
                             enum object_member member, uint64_t *out);
bool operations_check_flag(struct operations *operations, const struct object_change *change,
                           enum object_member member, bool *out);

/* "90s" as nanoseconds. */
bool operations_check_duration(struct operations *operations, const struct object_change *change,
                               enum object_member member, uint64_t *out);
/* enforce or observe; null: enforce. */
bool operations_check_mode(struct operations *operations, const struct object_change *change,
                           enum object_member member, struct text *out);

/* Whom a budget or limit is for, as the store has it. */
struct operations_scope {
    struct text kind;
    struct text value;
};

/* The members that say so; those that a kind does not have are OBJECT_MEMBER_COUNT. */
struct operations_scope_members {
    enum object_member organisation, team, key, tag, model;
};

/* Exactly one must be said; looks at nothing but the words. */
bool operations_check_scope(struct operations *operations, const struct object_change *change,
                            const struct operations_scope_members *members,
                            struct operations_scope *out);
/* The team must exist; a key becomes its id. */
bool operations_resolve_scope(struct operations *operations, struct operations_scope *scope);
/* Whether the actor may see it. */
bool operations_sees_scope(struct operations *operations, const struct operations_scope *scope);
bool operations_scope_passes(struct operations *operations, const struct operations_scope *scope,
                             const struct operations_filter *filter);
/* "the team search", for messages. */
struct text operations_scope_words(struct operations *operations,
                                   const struct operations_scope *scope);

/* ---- rows of the store, copied ---- */

/* Puts each text into the arena. */
bool operations_keep(struct operations *operations, struct text *const *texts, size_t count);

/* NOT_FOUND, with the nearest name, under `field`. */
bool operations_require_team(struct operations *operations, const char *field, struct text name);
/* The nearest name of a team; empty: none is near. */
struct text operations_nearest_team(struct operations *operations, struct text name);
/* Ends every live key of the team. Returns false with `problem`. */
bool operations_revoke_team_keys(struct operations *operations, struct text team,
                                 struct text reason);
/* Counts the live keys of a team. */
bool operations_count_keys(struct operations *operations, struct text team, uint64_t *count);
/* Deletes the budgets, limits and network rules that are for the scope. */
bool operations_delete_of_scope(struct operations *operations,
                                const struct operations_scope *scope);
/* "bud_" and 12 random characters, in the arena. */
bool operations_make_id(struct operations *operations, struct text prefix, struct text *out);

/* ---- writing ---- */

struct operations_writer {
    struct buffer buffer;
    struct json_writer json;
};

void operations_write_begin(struct operations_writer *writer);
/* Ends the object and copies it into the arena. */
bool operations_write_end(struct operations *operations, struct operations_writer *writer,
                          struct text *out);
/* Ends the object and hands it out instead. */
void operations_write_hand(struct operations_writer *writer,
                           void (*found)(void *context, struct text json), void *context);
/* "30d", "90s": the largest unit that fits. */
void operations_write_duration(struct json_writer *writer, const char *name, uint64_t duration);
void operations_write_scope(struct operations *operations, struct json_writer *writer,
                            const struct operations_scope *scope);
/* An empty text is null. */
void operations_write_name(struct json_writer *writer, const char *name, struct text value);
/* 0 is null. */
void operations_write_moment(struct json_writer *writer, const char *name, uint64_t time);
/* `json` is written as it is; `otherwise` when it is empty. */
void operations_write_json(struct json_writer *writer, const char *name, struct text json,
                           struct text otherwise);

/* ---- roles ---- */

/* FORBIDDEN. */
bool operations_may_change(struct operations *operations, enum object_kind kind);
/* Whether the actor may know of what belongs to this team (empty: to none). Sets no problem. */
bool operations_sees_team(const struct operations *operations, struct text team);

/* ---- the frame of an operation ---- */

/* Empties the result, checks the role, begins. After true, operations_finish must follow. */
bool operations_start(struct operations *operations, enum object_kind kind,
                      struct operation_result *result);
/* Audits what changed and commits, or rolls back and empties the result. Returns whether all is
 * well. */
bool operations_finish(struct operations *operations, enum object_kind kind, const char *action,
                       bool good, struct operation_result *result);
/* For what an operation does to other objects beside its own. */
bool operations_audit(struct operations *operations, enum object_kind kind, const char *action,
                      const struct operation_result *result);

/* ---- what each kind does; called inside a transaction, the role being checked ---- */

struct operations_kind {
    /* Looks at the words alone; needs no store. */
    bool (*check)(struct operations *operations, const struct object_change *change, bool creating);
    bool (*create)(struct operations *operations, const struct object_change *wanted,
                   struct operation_result *result);
    bool (*edit)(struct operations *operations, struct text id, const struct object_change *changes,
                 struct operation_result *result);
    bool (*remove)(struct operations *operations, struct text id,
                   const struct operation_deletion *deletion, struct operation_result *result);
    bool (*show)(struct operations *operations, struct text id, struct text *json);
    bool (*list)(struct operations *operations, const struct operations_filter *filter,
                 void (*found)(void *context, struct text json), void *context);
    /* See operations_match; NULL: never asked. */
    bool (*match)(struct operations *operations, const struct object_change *change,
                  struct text *id);
    /* The id of one that is for the scope, with data NULL when there is none; NULL: kinds without
     * a scope. */
    bool (*first_of_scope)(struct operations *operations, const struct operations_scope *scope,
                           struct text *id);
};

/* For admin/apply.c: the id of the object that the change means, found by what tells objects of its
 * kind apart; empty: there is none yet. False with `problem`, also when it is ambiguous. */
bool operations_match(struct operations *operations, const struct object_change *change,
                      struct text *id);
/* Ends a key without the file of revocations, which cannot be taken back. */
bool operations_revoke_in_store(struct operations *operations, struct text id, struct text reason,
                                struct operation_result *result);

extern const struct operations_kind operations_organisation, operations_team, operations_key,
    operations_budget, operations_limit, operations_network_rule, operations_admin_key;

#endif
