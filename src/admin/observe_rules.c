#include "admin/observe_rules.h"

#include "admin/operations.h"
#include "base/note.h"
#include "policy/rules.h"

#define ARENA_SIZE ((size_t)64 << 20)
#define PATH_SIZE  4096u
#define PATIENCE   1000u /* milliseconds that it waits for another's lock; it is tried again */

static bool edit_all(struct operations *operations, const struct text *ids, size_t count)
{
    struct object_change change;
    struct operation_result result;
    bool good = operations_begin(operations);
    object_open(&change, OBJECT_NETWORK_RULE);
    object_set_text(&change, OBJECT_NETWORK_RULE_mode, text_from(policy_mode_name(POLICY_OBSERVE)));
    for (size_t i = 0; good && i < count; i++)
        good = operations_edit(operations, ids[i], &change, &result);
    good = good && operations_commit(operations);
    if (!good)
        operations_roll_back(operations);
    return good;
}

static bool edit_in(struct store *store, const char *data, const struct text *ids, size_t count)
{
    const struct admin_actor gateway = {
        .who = TEXT("gateway"), .via = TEXT("guard"), .role = ADMIN_OPERATOR};
    struct operations operations;
    struct arena arena;
    arena_open(&arena, NULL, ARENA_SIZE);
    operations_open(&operations, store, data, &arena, &gateway);
    bool good = edit_all(&operations, ids, count);
    if (!good)
        note_error("guard", "network rule %.*s could not be made observed: %s; it is tried again",
                   TEXT_ARG(ids[0]), operations.problem.message);
    operations_close(&operations);
    arena_close(&arena);
    return good;
}

bool observe_rules_of_store(const char *data, const struct text *ids, size_t count)
{
    char path[PATH_SIZE], problem[STORE_PROBLEM_SIZE] = "the path is too long";
    struct store *store = NULL;
    int length = snprintf(path, sizeof path, "%s/" STORE_FILE, data);
    if (length < 0 || (size_t)length >= sizeof path ||
        store_open(path, STORE_WRITE, PATIENCE, &store, problem) != ERROR_OK) {
        note_error("guard", "the store cannot be opened to make network rule %.*s observed: %s",
                   TEXT_ARG(ids[0]), problem);
        return false;
    }
    bool good = edit_in(store, data, ids, count);
    store_close(store);
    return good;
}
