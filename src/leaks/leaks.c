#include "leaks/leaks.h"

#include <openssl/evp.h>

#include "base/ensure.h"

/* Names of files, authors and the like: a million of the longest usual ones. */
#define TEXTS_MAX ((size_t)1 << 30)
/* Of a foreign key its makers' consoles show so many at the end, to tell it from others. */
#define SHOWN_END 4u
/* Shorter ones show none: too much of them would be told. */
#define SHOWN_END_FROM 32u

static const struct text state_names[LEAK_STATE_COUNT] = {
    [LEAK_FOREIGN] = TEXT_INIT("foreign"), [LEAK_NOT_ASKED] = TEXT_INIT("not asked"),
    [LEAK_LIVE] = TEXT_INIT("live"),       [LEAK_ROTATED] = TEXT_INIT("rotated"),
    [LEAK_REVOKED] = TEXT_INIT("revoked"), [LEAK_EXPIRED] = TEXT_INIT("expired"),
    [LEAK_UNKNOWN] = TEXT_INIT("unknown"),
};

struct text leak_state_name(enum leak_state state)
{
    ensure((unsigned)state < LEAK_STATE_COUNT);
    return state_names[state];
}

bool leak_state_from(struct text name, enum leak_state *state)
{
    for (unsigned i = 0; i < LEAK_STATE_COUNT; i++) {
        if (text_equal(state_names[i], name)) {
            *state = (enum leak_state)i;
            return true;
        }
    }
    return false;
}

void leaks_open(struct leaks *leaks)
{
    *leaks = (struct leaks){0};
    arena_open(&leaks->texts, NULL, TEXTS_MAX);
    ensure(pthread_mutex_init(&leaks->lock, NULL) == 0);
}

void leaks_close(struct leaks *leaks)
{
    arena_close(&leaks->texts);
    free(leaks->rows);
    (void)pthread_mutex_destroy(&leaks->lock);
}

struct text leaks_keep(struct leaks *leaks, struct text t)
{
    struct text copy = arena_copy(&leaks->texts, t);
    ensure_memory((void *)(uintptr_t)copy.data);
    return copy;
}

/* ------------------------------------------------------------------ taking */

static void write_shown(enum secret_kind kind, struct text secret, char out[LEAKS_SHOWN_SIZE])
{
    struct text start = secret_is_ours(kind) ? key_visible_part(secret)
                                             : text_first(secret, secret_rows[kind].shown);
    bool long_enough = !secret_is_ours(kind) && secret.length >= SHOWN_END_FROM;
    struct text end = text_from_index(secret, secret.length - SHOWN_END);
    (void)snprintf(out, LEAKS_SHOWN_SIZE, "%.*s…%.*s", TEXT_ARG(start),
                   long_enough ? (int)end.length : 0, end.data);
}

static void write_fingerprint(struct text secret, char out[LEAKS_FINGERPRINT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[EVP_MAX_MD_SIZE];
    ensure(EVP_Digest(secret.data, secret.length, hash, NULL, EVP_sha256(), NULL) == 1);
    for (size_t i = 0; i < LEAKS_FINGERPRINT_SIZE / 2; i++) {
        out[2 * i] = digits[hash[i] >> 4];
        out[2 * i + 1] = digits[hash[i] & 15];
    }
    out[LEAKS_FINGERPRINT_SIZE - 1] = '\0';
}

struct taking {
    struct leaks *leaks;
    struct leaks_place place; /* kept by the first secret of the file */
    bool kept;
};

static struct leak *add_row(struct leaks *leaks)
{
    if (leaks->count == LEAKS_MAX) {
        leaks->more = true;
        return NULL;
    }
    if (leaks->count == leaks->room) {
        leaks->room = leaks->room ? leaks->room * 2 : 64;
        leaks->rows = ensure_memory(reallocarray(leaks->rows, leaks->room, sizeof *leaks->rows));
    }
    return &leaks->rows[leaks->count++];
}

static void take(void *context, const struct scanner_secret *found)
{
    struct taking *taking = context;
    struct leak *leak = add_row(taking->leaks);
    if (leak == NULL)
        return;
    if (!taking->kept) {
        taking->place.file = leaks_keep(taking->leaks, taking->place.file);
        taking->place.object = leaks_keep(taking->leaks, taking->place.object);
        taking->kept = true;
    }
    *leak = (struct leak){
        .kind = found->kind,
        .file = taking->place.file,
        .object = taking->place.object,
        .line = found->line,
        .column = found->column,
        .length = found->secret.length,
        .allowed = found->allowed,
    };
    write_shown(found->kind, found->secret, leak->shown);
    write_fingerprint(found->secret, leak->fingerprint);
    if (!secret_is_ours(found->kind))
        return;
    leak->state = LEAK_NOT_ASKED;
    (void)text_copy_to(key_id(found->secret), leak->id, sizeof leak->id);
    key_compute_hash(found->secret, &leak->hash);
}

void leaks_take(struct leaks *leaks, struct scanner *scanner, const struct leaks_place *place)
{
    struct taking taking = {.leaks = leaks, .place = *place};
    ensure(pthread_mutex_lock(&leaks->lock) == 0);
    struct scanner_summary summary = scanner_end(scanner, take, &taking);
    leaks->more |= summary.more;
    leaks->look_alikes += summary.look_alikes;
    ensure(pthread_mutex_unlock(&leaks->lock) == 0);
}

/* ------------------------------------------------------------------ order */

static int compare_places(const void *left, const void *right)
{
    const struct leak *a = left, *b = right;
    int order = text_compare(a->file, b->file);
    if (order == 0 && a->line != b->line)
        order = a->line < b->line ? -1 : 1;
    if (order == 0 && a->column != b->column)
        order = a->column < b->column ? -1 : 1;
    return order ? order : text_compare(a->object, b->object);
}

static int compare_secrets(const void *left, const void *right)
{
    const struct leak *a = left, *b = right;
    int order = memcmp(a->fingerprint, b->fingerprint, LEAKS_FINGERPRINT_SIZE);
    return order ? order : compare_places(left, right);
}

static void sort(struct leaks *leaks, int (*compare)(const void *, const void *))
{
    if (leaks->count > 1)
        qsort(leaks->rows, leaks->count, sizeof *leaks->rows, compare);
}

void leaks_sort(struct leaks *leaks)
{
    sort(leaks, compare_places);
}

void leaks_sort_by_secret(struct leaks *leaks)
{
    sort(leaks, compare_secrets);
}

bool leak_is_told(const struct leak *leak)
{
    return leak->state == LEAK_LIVE || (!leak->allowed && !leak->in_baseline);
}

bool leak_may_be_live(const struct leak *leak)
{
    return leak->state == LEAK_LIVE || leak->state == LEAK_FOREIGN || leak->state == LEAK_NOT_ASKED;
}
