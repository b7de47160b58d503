/* One step reads what is new in the revocations file, then what is new in the store, then writes to
 * the store what so far only the file says.
 *
 * Invariants: an id in `revoked` is revoked in the table, whenever its key comes into it. `seen` is
 * the highest change that is in the table. Whatever fails, the table keeps what it has: keys leave
 * it only when a store that was put in the place of another does not have them, and not when that
 * store has no keys at all (it was made anew after the old one was lost: to lock everybody out is
 * no way to tell). */
#include "control/key_refresher.h"

#include <errno.h>
#include <pthread.h>
#include <search.h>
#include <sys/stat.h>
#include <yyjson.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/note.h"
#include "store/exchanged_keys.h"
#include "store/keys.h"
#include "store/revocations.h"

#define PATH_SIZE 4096u
/* After a failure that waiting for a lock does not mend, the store is tried once a second. */
#define STORE_STEPS_SKIPPED 4u

/* A line of the revocations file. */
struct revoked {
    char id[KEY_ID_LENGTH];
    bool in_store; /* the store says so too, or has no such key */
    uint64_t time;
    char reason[REVOCATIONS_REASON_MAX + 1];
    struct revoked *next; /* of all */
};

struct key_refresher {
    struct key_table *table;
    char store_path[PATH_SIZE];
    char file_path[PATH_SIZE];
    struct store *store; /* NULL: not open */
    struct keys_reader *reader;
    struct stat opened; /* which file `store` is */
    bool replaced;      /* `store` is another than the table was loaded from */
    int64_t seen;
    struct revocations_position position;
    uint64_t damaged_told;
    void *revoked_by_id; /* tsearch's tree of struct revoked */
    struct revoked *revoked;
    unsigned steps_to_skip; /* of the store */
    uint64_t changes;
    bool to_apply;     /* some of them may not be in the store */
    enum error failed; /* of the callbacks below, in this step */
    pthread_mutex_t lock;
    struct key_refresher_state state; /* under the lock */
};

static int compare_revoked(const void *a, const void *b)
{
    return memcmp(((const struct revoked *)a)->id, ((const struct revoked *)b)->id, KEY_ID_LENGTH);
}

static struct revoked *find_revoked(const struct key_refresher *refresher, struct text id)
{
    struct revoked wanted;
    memcpy(wanted.id, id.data, KEY_ID_LENGTH);
    void *found = tfind(&wanted, &refresher->revoked_by_id, compare_revoked);
    return found == NULL ? NULL : *(struct revoked *const *)found;
}

static void describe(struct key_refresher_state *state, const char *path, const char *what)
{
    struct buffer problem;
    buffer_open(&problem, 2 * PATH_SIZE);
    buffer_append_format(&problem, "%s: %s", path, what);
    text_copy_to(buffer_text(&problem), state->problem, sizeof state->problem);
    buffer_close(&problem);
}

/* ------------------------------------------------------------------ the file */

static void take_revocation(void *context, const struct revocation *revocation)
{
    struct key_refresher *refresher = context;
    if (!key_id_is_valid(revocation->id) || find_revoked(refresher, revocation->id) != NULL)
        return;
    struct revoked *revoked = calloc(1, sizeof *revoked);
    if (revoked == NULL) {
        refresher->failed = ERROR_MEMORY;
        return;
    }
    memcpy(revoked->id, revocation->id.data, KEY_ID_LENGTH);
    revoked->time = revocation->time;
    text_copy_to(revocation->reason, revoked->reason, sizeof revoked->reason);
    if (tsearch(revoked, &refresher->revoked_by_id, compare_revoked) == NULL) {
        free(revoked);
        refresher->failed = ERROR_MEMORY;
        return;
    }
    revoked->next = refresher->revoked;
    refresher->revoked = revoked;
    refresher->to_apply = true;
    const struct key *key = key_table_get(refresher->table, revocation->id);
    if (key != NULL && !key->revoked) {
        struct key now = *key;
        now.revoked = true;
        enum error error = key_table_put(refresher->table, &now);
        if (error)
            refresher->failed = error;
    }
}

static void read_file(struct key_refresher *refresher, struct key_refresher_state *state)
{
    struct revocations_position before = refresher->position;
    refresher->failed = ERROR_OK;
    key_table_begin(refresher->table);
    enum error error =
        revocations_read(refresher->file_path, &refresher->position, take_revocation, refresher);
    int number = errno;
    key_table_end(refresher->table);
    if (!error)
        error = refresher->failed;
    state->file_working = error == ERROR_OK;
    if (error) {
        refresher->position = before; /* what could not be kept is read again */
        describe(state, refresher->file_path,
                 error == ERROR_SYSTEM ? strerror(number) : error_meaning(error));
    }
    if (refresher->position.damaged > refresher->damaged_told)
        note_warning("keys", "%s: %llu damaged lines; each was a revocation whose command failed",
                     refresher->file_path, (unsigned long long)refresher->position.damaged);
    refresher->damaged_told = refresher->position.damaged;
}

/* ------------------------------------------------------------------ the store */

static void close_store(struct key_refresher *refresher)
{
    keys_reader_destroy(refresher->reader);
    store_close(refresher->store);
    refresher->reader = NULL;
    refresher->store = NULL;
}

/* The patterns of the JSON array `models`, pointing into `document`. False when it is no such
 * array. */
static bool read_models(yyjson_doc *document, struct text models[KEY_MODELS_MAX], size_t *count)
{
    yyjson_val *root = yyjson_doc_get_root(document);
    size_t index, length;
    yyjson_val *item;
    if (!yyjson_is_arr(root) || yyjson_arr_size(root) > KEY_MODELS_MAX)
        return false;
    *count = yyjson_arr_size(root);
    yyjson_arr_foreach(root, index, length, item)
    {
        if (!yyjson_is_str(item))
            return false;
        models[index] = text_of(yyjson_get_str(item), yyjson_get_len(item));
    }
    return true;
}

static void fill_key(struct key_refresher *refresher, const struct stored_key *row, struct key *key)
{
    _Static_assert(KEY_HASH_SIZE == KEYS_HASH_SIZE, "one hash");
    *key = (struct key){.id = row->id,
                        .name = row->name,
                        .team = row->team,
                        .tags = row->tags,
                        .previous_until = row->previous_until,
                        .created_at = row->created_at,
                        .expires_at = row->expires_at,
                        .revoked = row->revoked_at > 0};
    memcpy(key->hash.bytes, row->hash, KEY_HASH_SIZE);
    memcpy(key->previous_hash.bytes, row->previous_hash, KEY_HASH_SIZE);
    struct revoked *revoked = find_revoked(refresher, row->id);
    if (revoked != NULL) {
        revoked->in_store = key->revoked;
        key->revoked = true;
    }
}

/* What a key's rules point into while they are copied. */
struct key_lists {
    yyjson_doc *allow, *deny;
    struct text allowed[KEY_MODELS_MAX], denied[KEY_MODELS_MAX];
};

/* A damaged list of either kind: the key may then use no model, rather than all. */
static void open_lists(struct key_lists *lists, const struct stored_key *row,
                       struct model_rules *rules)
{
    lists->allow = yyjson_read(row->models.data, row->models.length, 0);
    lists->deny = yyjson_read(row->denied.data, row->denied.length, 0);
    *rules = (struct model_rules){
        .listed = !text_empty(row->models), .allowed = lists->allowed, .denied = lists->denied};
    bool damaged = (!text_empty(row->models) &&
                    !read_models(lists->allow, lists->allowed, &rules->allowed_count)) ||
                   (!text_empty(row->denied) &&
                    !read_models(lists->deny, lists->denied, &rules->denied_count));
    if (!damaged)
        return;
    note_warning("keys", "key %.*s: its list of models is damaged: it may use none",
                 TEXT_ARG(row->id));
    *rules = (struct model_rules){.listed = true};
}

static void close_lists(struct key_lists *lists)
{
    yyjson_doc_free(lists->allow);
    yyjson_doc_free(lists->deny);
}

static void take_key(void *context, const struct stored_key *row)
{
    struct key_refresher *refresher = context;
    struct key_lists lists;
    struct key key;
    if (!key_id_is_valid(row->id)) {
        note_warning("keys", "the store has a key with an id that is none: it is left out");
        refresher->seen = row->changed;
        return;
    }
    fill_key(refresher, row, &key);
    open_lists(&lists, row, &key.models);
    enum error error = key_table_put(refresher->table, &key);
    close_lists(&lists);
    if (error)
        refresher->failed = error;
    else if (!refresher->failed)
        refresher->seen = row->changed;
    refresher->changes += refresher->state.loaded;
}

/* ------------------------------------------------------------------ keys given for tokens */

static enum error put_exchanged(struct key_refresher *refresher, const struct stored_key *row)
{
    _Static_assert(PRINCIPAL_RULE_SIZE == KEYS_RULE_SIZE, "one code");
    struct key_exchanged exchanged = {
        .proof = text_equal(row->proof, principal_proof_name(PRINCIPAL_CERTIFICATE))
                     ? PRINCIPAL_CERTIFICATE
                     : PRINCIPAL_TOKEN,
        .principal = row->principal,
        .issuer = row->issuer,
        .subject = row->subject,
        .proof_id = row->proof_id,
    };
    struct key key;
    fill_key(refresher, row, &key);
    memcpy(exchanged.rule.bytes, row->rule, sizeof exchanged.rule.bytes);
    key.exchanged = &exchanged;
    return key_table_put(refresher->table, &key);
}

static void take_exchanged(void *context, const struct stored_key *row)
{
    struct key_refresher *refresher = context;
    if (!key_id_is_valid(row->id))
        return;
    enum error error = put_exchanged(refresher, row);
    if (error)
        refresher->failed = error;
}

/* Whoever revokes one says so in the file first; this is for what could be said in the store alone.
 */
static void take_revoked_exchanged(void *context, const struct stored_key *row)
{
    struct key_refresher *refresher = context;
    const struct key *key = key_table_get(refresher->table, row->id);
    if (key != NULL && !key->revoked)
        take_exchanged(refresher, row);
}

static enum error read_revoked_exchanged(struct key_refresher *refresher)
{
    refresher->failed = ERROR_OK;
    key_table_begin(refresher->table);
    enum error error = exchanged_keys_revoked(refresher->store, take_revoked_exchanged, refresher);
    key_table_end(refresher->table);
    return error ? error : refresher->failed;
}

struct store *key_refresher_store(struct key_refresher *refresher)
{
    return refresher->state.store_working ? refresher->store : NULL;
}

enum error key_refresher_put_exchanged(struct key_refresher *refresher,
                                       const struct stored_key *row)
{
    key_table_begin(refresher->table);
    enum error error = put_exchanged(refresher, row);
    key_table_end(refresher->table);
    return error;
}

static bool is_kept(void *context, const struct key *key)
{
    const uint64_t *wall = context;
    return key->exchanged == NULL || key->expires_at >= *wall;
}

void key_refresher_drop_exchanged(struct key_refresher *refresher, uint64_t wall)
{
    key_table_begin(refresher->table);
    key_table_retain(refresher->table, is_kept, &wall);
    key_table_end(refresher->table);
}

/* ------------------------------------------------------------------ a store in another's place */

/* The ids of a store that replaced another. */
struct id_list {
    char (*ids)[KEY_ID_LENGTH];
    size_t count, room;
    bool failed;
};

static void take_id(void *context, const struct stored_key *row)
{
    struct id_list *list = context;
    if (list->failed || row->id.length != KEY_ID_LENGTH)
        return;
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 256;
        void *ids = reallocarray(list->ids, room, KEY_ID_LENGTH);
        if (ids == NULL) {
            list->failed = true;
            return;
        }
        list->ids = ids;
        list->room = room;
    }
    memcpy(list->ids[list->count++], row->id.data, KEY_ID_LENGTH);
}

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, KEY_ID_LENGTH);
}

static bool is_listed(void *context, const struct key *key)
{
    const struct id_list *list = context;
    return bsearch(key->id.data, list->ids, list->count, KEY_ID_LENGTH, compare_ids) != NULL;
}

/* Removes from the table what a store that replaced another does not have. */
static enum error drop_missing(struct key_refresher *refresher)
{
    struct id_list list = {0};
    enum error error = keys_reader_changed(refresher->reader, 0, take_id, &list);
    if (!error)
        error = exchanged_keys_list(refresher->store, take_id, &list);
    if (!error && list.failed)
        error = ERROR_MEMORY;
    if (!error && list.count > 0) {
        qsort(list.ids, list.count, KEY_ID_LENGTH, compare_ids);
        key_table_retain(refresher->table, is_listed, &list);
    } else if (!error) {
        note_warning("keys", "the store has been replaced by one without keys; those known until "
                             "now stay in force until it has some or the server is restarted");
    }
    free(list.ids);
    return error;
}

static enum error load_changes(struct key_refresher *refresher)
{
    int64_t latest;
    enum error error = keys_reader_latest(refresher->reader, &latest);
    if (error || (latest == refresher->seen && !refresher->replaced))
        return error;
    bool whole = refresher->replaced || latest < refresher->seen;
    refresher->failed = ERROR_OK;
    key_table_begin(refresher->table);
    if (whole)
        refresher->seen = 0;
    error = keys_reader_changed(refresher->reader, refresher->seen, take_key, refresher);
    if (!error && whole)
        error = exchanged_keys_list(refresher->store, take_exchanged, refresher);
    if (!error)
        error = refresher->failed;
    if (!error && whole && refresher->state.loaded)
        error = drop_missing(refresher);
    key_table_end(refresher->table);
    /* Stays set when it failed, so that all is read again. */
    refresher->replaced = whole && error;
    return error;
}

/* Opens the store, again if another file has taken its place. */
static enum error open_store(struct key_refresher *refresher, char problem[STORE_PROBLEM_SIZE])
{
    struct stat now;
    bool exists = stat(refresher->store_path, &now) == 0;
    if (refresher->store != NULL && exists && now.st_dev == refresher->opened.st_dev &&
        now.st_ino == refresher->opened.st_ino)
        return ERROR_OK;
    close_store(refresher);
    if (!exists && refresher->state.loaded)
        return ERROR_NOT_FOUND;
    enum error error = store_open(refresher->store_path, STORE_WRITE, KEY_REFRESHER_PATIENCE,
                                  &refresher->store, problem);
    if (error)
        return error;
    error = keys_reader_create(refresher->store, &refresher->reader);
    if (!error && stat(refresher->store_path, &refresher->opened) != 0)
        error = ERROR_STORE;
    refresher->replaced = true;
    return error;
}

/* Writes to the store what only the file says. */
static enum error apply_revocations(struct key_refresher *refresher)
{
    enum error error = ERROR_OK;
    for (struct revoked *revoked = refresher->revoked; revoked != NULL; revoked = revoked->next) {
        if (revoked->in_store)
            continue;
        struct text id = text_of(revoked->id, KEY_ID_LENGTH), reason = text_from(revoked->reason);
        error = keys_revoke(refresher->store, id, revoked->time, reason);
        if (error == ERROR_NOT_FOUND)
            error = exchanged_keys_revoke(refresher->store, id, revoked->time, reason);
        if (error && error != ERROR_NOT_FOUND)
            return error;
        revoked->in_store = true;
    }
    refresher->to_apply = false;
    return ERROR_OK;
}

static void read_store(struct key_refresher *refresher, struct key_refresher_state *state)
{
    char problem[STORE_PROBLEM_SIZE] = "";
    bool changed = false;
    enum error error = open_store(refresher, problem);
    if (!error)
        error = keys_reader_poll(refresher->reader, &changed);
    if (!error && (changed || refresher->replaced || !refresher->state.store_working)) {
        error = load_changes(refresher);
        if (!error)
            error = read_revoked_exchanged(refresher);
    }
    state->store_working = error == ERROR_OK;
    state->loaded = state->loaded || error == ERROR_OK;
    if (!error && refresher->to_apply)
        error = apply_revocations(refresher);
    if (!error || (error == ERROR_BUSY && state->store_working))
        return; /* a lock held by another: the next step writes it */
    if (problem[0] != '\0')
        text_copy_to(text_from(problem), state->problem, sizeof state->problem);
    else
        describe(state, refresher->store_path,
                 refresher->store ? store_problem(refresher->store) : error_meaning(error));
    if (error == ERROR_BUSY)
        return;
    refresher->steps_to_skip = STORE_STEPS_SKIPPED;
    if (!state->store_working)
        close_store(refresher);
}

/* ------------------------------------------------------------------ life */

static void publish(struct key_refresher *refresher, const struct key_refresher_state *state)
{
    bool was_well = refresher->state.problem[0] == '\0';
    bool is_well = state->problem[0] == '\0';
    if (!is_well && strcmp(state->problem, refresher->state.problem) != 0)
        note_warning("keys", "%s; the keys known until now stay in force, and revocations hold",
                     state->problem);
    if (is_well && !was_well)
        note_info("keys", "keys and revocations can be read again");
    pthread_mutex_lock(&refresher->lock);
    refresher->state = *state;
    refresher->state.changes = refresher->changes;
    refresher->state.keys = key_table_count(refresher->table);
    if (state->file_working && state->store_working)
        refresher->state.updated_at = clock_wall();
    pthread_mutex_unlock(&refresher->lock);
}

void key_refresher_step(struct key_refresher *refresher)
{
    struct key_refresher_state state = refresher->state;
    if (refresher->steps_to_skip == 0)
        state.problem[0] = '\0';
    read_file(refresher, &state);
    if (refresher->steps_to_skip == 0)
        read_store(refresher, &state);
    else
        refresher->steps_to_skip--;
    publish(refresher, &state);
}

enum error key_refresher_create(const char *data, struct key_table *table,
                                struct key_refresher **out)
{
    struct key_refresher *refresher = calloc(1, sizeof *refresher);
    if (refresher == NULL)
        return ERROR_MEMORY;
    refresher->table = table;
    int store_length = snprintf(refresher->store_path, PATH_SIZE, "%s/%s", data, STORE_FILE);
    int file_length = snprintf(refresher->file_path, PATH_SIZE, "%s/%s", data, REVOCATIONS_FILE);
    if ((size_t)store_length >= PATH_SIZE || (size_t)file_length >= PATH_SIZE) {
        free(refresher);
        return ERROR_ARGUMENT;
    }
    ensure(pthread_mutex_init(&refresher->lock, NULL) == 0);
    key_refresher_step(refresher);
    *out = refresher;
    return ERROR_OK;
}

static void free_nothing(void *node)
{
}

void key_refresher_destroy(struct key_refresher *refresher)
{
    if (refresher == NULL)
        return;
    close_store(refresher);
    tdestroy(refresher->revoked_by_id, free_nothing);
    while (refresher->revoked != NULL) {
        struct revoked *next = refresher->revoked->next;
        free(refresher->revoked);
        refresher->revoked = next;
    }
    pthread_mutex_destroy(&refresher->lock);
    free(refresher);
}

void key_refresher_read_state(struct key_refresher *refresher, struct key_refresher_state *out)
{
    pthread_mutex_lock(&refresher->lock);
    *out = refresher->state;
    pthread_mutex_unlock(&refresher->lock);
}
