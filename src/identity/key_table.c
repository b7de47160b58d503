/* A liburcu lock-free hash table of immutable entries.
 *
 * Invariants: an entry is filled before it is added and never written afterwards, except its
 * `next_old` once it has been taken out. There is at most one entry of an id. What was taken out is
 * in the table's list `old`, and is freed by key_table_end after every reader has let go. The hash
 * table is enlarged by the writer itself, so no thread of the library's own is ever started. */
#include "identity/key_table.h"

#include <stdatomic.h>
#include <urcu/urcu-qsbr.h>

#include <urcu/rculfhash.h>

#include "base/ensure.h"
#include "identity/annotate.h"
#include "identity/reader.h"

#define BUCKETS_MIN 64u /* a power of two */

struct entry {
    struct cds_lfht_node node;
    struct key key;
    struct entry *next_old;
    struct key_exchanged exchanged;
    char memory[]; /* of the key: the models' array, then all texts */
};

struct key_table {
    struct cds_lfht *entries;
    unsigned long buckets;
    atomic_size_t count;
    struct entry *old;
    bool registered_here; /* key_table_begin has registered the writer, key_table_end undoes it */
};

static struct entry *entry_of(struct cds_lfht_node *node)
{
    return CONTAINER_OF(node, struct entry, node);
}

static int has_id(struct cds_lfht_node *node, const void *id)
{
    struct entry *entry = entry_of(node);
    order_acquire(entry);
    return memcmp(entry->key.id.data, id, KEY_ID_LENGTH) == 0;
}

/* Ids are random and made by us: a caller cannot put colliding ones into the table. */
static unsigned long hash_of(struct text id)
{
    return (unsigned long)text_hash(id);
}

static struct entry *find(struct key_table *table, struct text id)
{
    struct cds_lfht_iter iterator;
    cds_lfht_lookup(table->entries, hash_of(id), has_id, id.data, &iterator);
    struct cds_lfht_node *node = cds_lfht_iter_get_node(&iterator);
    return node == NULL ? NULL : entry_of(node);
}

struct key_table *key_table_create(void)
{
    struct key_table *table = calloc(1, sizeof *table);
    if (table == NULL)
        return NULL;
    table->buckets = BUCKETS_MIN;
    table->entries = cds_lfht_new_flavor(BUCKETS_MIN, BUCKETS_MIN, 0, 0, &urcu_qsbr_flavor, NULL);
    if (table->entries == NULL) {
        free(table);
        return NULL;
    }
    return table;
}

static bool keep_nothing(void *context, const struct key *key)
{
    return false;
}

void key_table_destroy(struct key_table *table)
{
    if (table == NULL)
        return;
    key_table_begin(table);
    key_table_retain(table, keep_nothing, NULL);
    key_table_end(table);
    ensure(cds_lfht_destroy(table->entries, NULL) == 0);
    free(table);
}

const struct key *key_table_find(struct key_table *table, struct text id)
{
    if (id.length != KEY_ID_LENGTH)
        return NULL;
    struct entry *entry = find(table, id);
    return entry == NULL ? NULL : &entry->key;
}

/* KEY_SYNTAX_OK with the key's public id and hash: a key that was let in before had the form. */
static enum key_syntax read_key(const struct key_memory *memory, const struct siphash_code *code,
                                struct text key, struct text *id, struct key_hash *hash)
{
    const struct key_hash *remembered = key_memory_find(memory, code);
    if (remembered != NULL) {
        *id = key_id(key);
        *hash = *remembered;
        return KEY_SYNTAX_OK;
    }
    enum key_syntax syntax = key_parse(key, id);
    if (syntax == KEY_SYNTAX_OK)
        key_compute_hash(key, hash);
    return syntax;
}

enum refusal key_table_identify(struct key_table *table, struct key_memory *memory, struct text key,
                                uint64_t wall, const struct key **out)
{
    static const enum refusal refusals[] = {
        [KEY_VERDICT_OK] = REFUSAL_NONE,
        [KEY_VERDICT_UNKNOWN] = REFUSAL_KEY_UNKNOWN,
        [KEY_VERDICT_REVOKED] = REFUSAL_KEY_REVOKED,
        [KEY_VERDICT_EXPIRED] = REFUSAL_KEY_EXPIRED,
    };
    const struct siphash_code code = key_memory_code(memory, key);
    struct text id;
    struct key_hash hash;
    *out = NULL;
    enum key_syntax syntax = read_key(memory, &code, key, &id, &hash);
    if (syntax != KEY_SYNTAX_OK)
        return key_syntax_refusal(syntax);
    const struct key *found = key_table_find(table, id);
    enum key_verdict verdict = key_check(found, &hash, wall);
    if (verdict != KEY_VERDICT_UNKNOWN)
        *out = found;
    if (verdict == KEY_VERDICT_OK)
        key_memory_keep(memory, &code, &hash);
    return refusals[verdict];
}

size_t key_table_count(const struct key_table *table)
{
    return atomic_load_explicit(&table->count, memory_order_relaxed);
}

/* ------------------------------------------------------------------ the writer's side */

void key_table_begin(struct key_table *table)
{
    table->registered_here = !reader_is_registered();
    if (table->registered_here)
        reader_register();
}

static void free_old(struct key_table *table)
{
    if (table->old == NULL)
        return;
    reader_wait_for_all();
    while (table->old != NULL) {
        struct entry *entry = table->old;
        table->old = entry->next_old;
        free(entry);
    }
}

void key_table_end(struct key_table *table)
{
    free_old(table);
    if (table->registered_here)
        reader_unregister();
}

static void retire(struct key_table *table, struct entry *entry)
{
    entry->next_old = table->old;
    table->old = entry;
}

/* The copy of `text` at `*memory`, which moves on. */
static struct text copy_text(struct text text, char **memory)
{
    struct text copy = text_of(*memory, text.length);
    if (text.length > 0)
        memcpy(*memory, text.data, text.length);
    *memory += text.length;
    return copy;
}

static size_t total_length(const struct text *texts, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += texts[i].length;
    return total;
}

static const struct text *copy_texts(const struct text *texts, size_t count, struct text *out,
                                     char **memory)
{
    for (size_t i = 0; i < count; i++)
        out[i] = copy_text(texts[i], memory);
    return out;
}

static size_t exchanged_length(const struct key_exchanged *exchanged)
{
    return exchanged == NULL ? 0
                             : exchanged->principal.length + exchanged->issuer.length +
                                   exchanged->subject.length + exchanged->proof_id.length;
}

static void copy_exchanged(struct entry *entry, const struct key_exchanged *from, char **memory)
{
    if (from == NULL)
        return;
    entry->exchanged = *from;
    entry->exchanged.principal = copy_text(from->principal, memory);
    entry->exchanged.issuer = copy_text(from->issuer, memory);
    entry->exchanged.subject = copy_text(from->subject, memory);
    entry->exchanged.proof_id = copy_text(from->proof_id, memory);
    entry->key.exchanged = &entry->exchanged;
}

static struct entry *make_entry(const struct key *key)
{
    const struct model_rules *rules = &key->models;
    size_t names = rules->allowed_count + rules->denied_count;
    size_t size = names * sizeof(struct text) + key->id.length + key->name.length +
                  key->team.length + key->tags.length + exchanged_length(key->exchanged) +
                  total_length(rules->allowed, rules->allowed_count) +
                  total_length(rules->denied, rules->denied_count);
    struct entry *entry = calloc(1, sizeof *entry + size);
    if (entry == NULL)
        return NULL;
    cds_lfht_node_init(&entry->node);
    entry->key = *key;
    struct text *models = (struct text *)(void *)entry->memory;
    char *memory = entry->memory + names * sizeof(struct text);
    entry->key.models.allowed = copy_texts(rules->allowed, rules->allowed_count, models, &memory);
    entry->key.models.denied =
        copy_texts(rules->denied, rules->denied_count, models + rules->allowed_count, &memory);
    entry->key.id = copy_text(key->id, &memory);
    entry->key.name = copy_text(key->name, &memory);
    entry->key.team = copy_text(key->team, &memory);
    entry->key.tags = copy_text(key->tags, &memory);
    copy_exchanged(entry, key->exchanged, &memory);
    return entry;
}

static void added_one(struct key_table *table)
{
    size_t count = atomic_load_explicit(&table->count, memory_order_relaxed) + 1;
    atomic_store_explicit(&table->count, count, memory_order_relaxed);
    if (count > table->buckets) {
        table->buckets *= 2;
        cds_lfht_resize(table->entries, table->buckets);
    }
}

enum error key_table_put(struct key_table *table, const struct key *key)
{
    if (!key_id_is_valid(key->id) || key->models.allowed_count > KEY_MODELS_MAX ||
        key->models.denied_count > KEY_MODELS_MAX)
        return ERROR_ARGUMENT;
    if (key_table_count(table) >= KEY_TABLE_MAX && key_table_get(table, key->id) == NULL)
        return ERROR_LIMIT;
    struct entry *entry = make_entry(key);
    if (entry == NULL)
        return ERROR_MEMORY;
    order_release(entry);
    struct cds_lfht_node *replaced = cds_lfht_add_replace(table->entries, hash_of(entry->key.id),
                                                          has_id, entry->key.id.data, &entry->node);
    if (replaced != NULL)
        retire(table, entry_of(replaced));
    else
        added_one(table);
    return ERROR_OK;
}

const struct key *key_table_get(struct key_table *table, struct text id)
{
    return key_table_find(table, id);
}

static void take_out(struct key_table *table, struct entry *entry)
{
    ensure(cds_lfht_del(table->entries, &entry->node) == 0);
    atomic_store_explicit(&table->count, key_table_count(table) - 1, memory_order_relaxed);
    retire(table, entry);
}

void key_table_remove(struct key_table *table, struct text id)
{
    struct entry *entry = id.length == KEY_ID_LENGTH ? find(table, id) : NULL;
    if (entry != NULL)
        take_out(table, entry);
}

void key_table_retain(struct key_table *table, bool (*keep)(void *context, const struct key *key),
                      void *context)
{
    struct cds_lfht_iter iterator;
    cds_lfht_first(table->entries, &iterator);
    struct cds_lfht_node *node;
    while ((node = cds_lfht_iter_get_node(&iterator)) != NULL) {
        cds_lfht_next(table->entries, &iterator);
        if (!keep(context, &entry_of(node)->key))
            take_out(table, entry_of(node));
    }
}

/* ------------------------------------------------------------------ one key */

enum key_verdict key_check(const struct key *key, const struct key_hash *hash, uint64_t wall)
{
    if (key == NULL)
        return KEY_VERDICT_UNKNOWN;
    /* Both are always compared, so that time does not tell whether a key was rotated. */
    bool current = key_hash_equal(&key->hash, hash);
    bool previous = key_hash_equal(&key->previous_hash, hash);
    if (!current && !(previous && key->previous_until > 0))
        return KEY_VERDICT_UNKNOWN;
    if (key->revoked)
        return KEY_VERDICT_REVOKED;
    if (key->expires_at > 0 && wall >= key->expires_at)
        return KEY_VERDICT_EXPIRED;
    if (!current && wall >= key->previous_until)
        return KEY_VERDICT_EXPIRED;
    return KEY_VERDICT_OK;
}
