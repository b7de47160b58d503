/* apply: makes what is administered as files say, all or nothing.
 *
 * A file is a mapping with `organisation`, `teams`, `keys`, `budgets`, `limits` and
 * `network_rules`, each optional; an object's members are those of objects.def, and one that is not
 * said is at its default. Teams are found by name; keys by name (and team), or id; budgets by scope
 * and period, limits by scope, measure and window, both by their name if they have one. What is
 * there already as it should be is left alone, so that a second run changes nothing.
 *
 * Every object is checked by the very operation that would make it, in a transaction that is taken
 * back when anything is wrong, or when only a look is wanted. One thread; as operations.h. */
#ifndef ADMIN_APPLY_H
#define ADMIN_APPLY_H

#include "admin/operations.h"
#include "config/problem.h"

#define APPLY_FILES_MAX 64u          /* of one run */
#define APPLY_WORDS_MAX (256u << 20) /* bytes of a plan in words: 500,000 objects */

struct apply_file {
    struct text yaml; /* YAML or JSON */
    struct config_problems problems;
};

enum apply_action { APPLY_CREATE, APPLY_EDIT, APPLY_DELETE };

struct apply_step {
    enum apply_action action;
    enum object_kind kind;
    struct operation_result result;
    struct apply_step *next;
};

struct apply_plan {
    struct apply_step *first, *last;
    size_t count;
    size_t creations, edits, deletions;
};

struct apply_request {
    struct apply_file *files;
    size_t file_count;
    bool prune;  /* delete what no file names, of the kinds that the files have a list of */
    bool commit; /* false: only a look */
    /* What apply_plan_write said of the look, when this is to be exactly that; else data NULL. */
    struct text expected;
    /* How far it is, in objects of the files; NULL: nobody asks. */
    void (*progress)(void *owner, size_t done, size_t total);
    void *owner;
};

/* Sets `plan`, whose memory is the operations' arena; secrets of new keys are apply_plan_close's to
 * free, and mean nothing after a look. False when something is wrong: said in the problems of the
 * files, or, when none of them has an error, in the operations' problem. Nothing was written then.
 */
must_check bool apply_run(struct operations *operations, const struct apply_request *request,
                          struct apply_plan *plan);
void apply_plan_close(struct apply_plan *plan);

/* The plan in words, a line for each object ("+ team search", "~ …", "- …") and indented ones for
 * its members. The same for the same change, whenever it is made. */
void apply_plan_write(const struct apply_plan *plan, struct buffer *out);

#endif
