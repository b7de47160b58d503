#include "admin/key_revocations.h"

#include <errno.h>
#include <search.h>

#include "admin/operations_parts.h"
#include "base/ensure.h"
#include "identity/key.h"

#define PATH_SIZE 4096u

struct revoked {
    char id[KEY_ID_LENGTH];
    uint64_t time;
    char reason[REVOCATIONS_REASON_MAX + 1];
};

static int compare_revoked(const void *a, const void *b)
{
    return memcmp(((const struct revoked *)a)->id, ((const struct revoked *)b)->id, KEY_ID_LENGTH);
}

static void take_revocation(void *context, const struct revocation *revocation)
{
    struct operations *operations = context;
    if (!key_id_is_valid(revocation->id))
        return;
    struct revoked *revoked = ensure_memory(calloc(1, sizeof *revoked));
    memcpy(revoked->id, revocation->id.data, KEY_ID_LENGTH);
    revoked->time = revocation->time;
    text_copy_to(revocation->reason, revoked->reason, sizeof revoked->reason);
    void **found = ensure_memory(tsearch(revoked, &operations->revocations, compare_revoked));
    if (*found != revoked)
        free(revoked); /* the first one counts */
}

static bool find_path(struct operations *operations, char path[PATH_SIZE])
{
    int length = snprintf(path, PATH_SIZE, "%s/" REVOCATIONS_FILE, operations->directory);
    if (length > 0 && (unsigned)length < PATH_SIZE)
        return true;
    return operations_refuse(operations, ADMIN_PROBLEM_STORE, "",
                             "the path of the data directory is too long");
}

static bool answer(struct operations *operations, const char *path, enum error error)
{
    if (!error)
        return true;
    return operations_refuse(operations, ADMIN_PROBLEM_STORE, "", "%s: %s", path,
                             error == ERROR_SYSTEM ? strerror(errno) : error_meaning(error));
}

bool key_revocations_refresh(struct operations *operations)
{
    char path[PATH_SIZE];
    return find_path(operations, path) &&
           answer(
               operations, path,
               revocations_read(path, &operations->revocations_read, take_revocation, operations));
}

void key_revocations_close(struct operations *operations)
{
    tdestroy(operations->revocations, free);
    operations->revocations = NULL;
}

void key_revocations_merge(struct operations *operations, struct stored_key *key)
{
    struct revoked wanted;
    if (key->revoked_at > 0 || !key_id_is_valid(key->id))
        return;
    memcpy(wanted.id, key->id.data, KEY_ID_LENGTH);
    void *found = tfind(&wanted, &operations->revocations, compare_revoked);
    if (found == NULL)
        return;
    const struct revoked *revoked = *(struct revoked *const *)found;
    key->revoked_at = revoked->time;
    key->revoked_reason = text_from(revoked->reason);
}

bool key_revocations_append(struct operations *operations, const struct revocation *revocation)
{
    char path[PATH_SIZE];
    return find_path(operations, path) &&
           answer(operations, path, revocations_append(path, revocation));
}
