/* Holding a catalog and finding in it. What is read is made by catalog_read.c. */
#include "meter/catalog.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/ensure.h"
#include "meter/catalog_parts.h"

#define MEMORY_MAX (256u << 20) /* what the largest file can take, several times over */

struct catalog *catalog_create(void)
{
    struct catalog *catalog = calloc(1, sizeof *catalog);
    if (catalog == NULL)
        return NULL;
    atomic_init(&catalog->references, 1);
    arena_open(&catalog->arena, NULL, MEMORY_MAX);
    return catalog;
}

struct catalog *catalog_acquire(struct catalog *catalog)
{
    unsigned before = atomic_fetch_add_explicit(&catalog->references, 1, memory_order_relaxed);
    ensure(before > 0);
    return catalog;
}

void catalog_release(struct catalog *catalog)
{
    if (catalog == NULL ||
        atomic_fetch_sub_explicit(&catalog->references, 1, memory_order_acq_rel) != 1)
        return;
    arena_close(&catalog->arena);
    free(catalog);
}

struct text catalog_version(const struct catalog *catalog)
{
    return text_from(catalog->version);
}

struct text catalog_as_of(const struct catalog *catalog)
{
    return catalog->as_of;
}

size_t catalog_model_count(const struct catalog *catalog)
{
    return catalog->model_count;
}

const struct catalog_model *catalog_model_at(const struct catalog *catalog, size_t index)
{
    ensure(index < catalog->model_count);
    return &catalog->models[index];
}

size_t catalog_provider_count(const struct catalog *catalog)
{
    return catalog->provider_count;
}

const struct catalog_provider *catalog_provider_at(const struct catalog *catalog, size_t index)
{
    ensure(index < catalog->provider_count);
    return &catalog->providers[index];
}

/* ---- the index of names ---- */

bool catalog_index_open(struct catalog *catalog, size_t names)
{
    size_t count = 16;
    while (count < names * 2)
        count *= 2;
    catalog->slots = arena_take_zeroed(&catalog->arena, count * sizeof *catalog->slots);
    catalog->slot_count = catalog->slots == NULL ? 0 : count;
    return catalog->slots != NULL;
}

/* Where the name stands, or would. */
static struct catalog_slot *slot_of(const struct catalog *catalog,
                                    const struct catalog_provider *provider, struct text name)
{
    size_t mask = catalog->slot_count - 1;
    unsigned long long hash = text_hash(name) * 31 + (size_t)(provider - catalog->providers);
    for (size_t i = (size_t)(hash ^ hash >> 32) & mask;; i = (i + 1) & mask) {
        struct catalog_slot *slot = &catalog->slots[i];
        if (slot->model == NULL ||
            (slot->model->provider == provider && text_equal(slot->name, name)))
            return slot;
    }
}

const struct catalog_model *catalog_index_add(struct catalog *catalog,
                                              const struct catalog_model *model, struct text name)
{
    struct catalog_slot *slot = slot_of(catalog, model->provider, name);
    if (slot->model != NULL)
        return slot->model;
    *slot = (struct catalog_slot){model, name};
    return NULL;
}

const struct catalog_provider *catalog_find_provider(const struct catalog *catalog,
                                                     struct text name)
{
    for (size_t i = 0; i < catalog->provider_count; i++)
        if (text_equal(catalog->providers[i].name, name))
            return &catalog->providers[i];
    return NULL;
}

static const struct catalog_model *find_name(const struct catalog *catalog,
                                             const struct catalog_provider *provider,
                                             struct text name)
{
    return catalog->slot_count == 0 ? NULL : slot_of(catalog, provider, name)->model;
}

/* ---- names that lead to a model by rule ---- */

/* "ft:gpt-4o-mini-2024-07-18:org:name:id" by the entry "ft:gpt-4o-mini-2024-07-18". */
static const struct catalog_model *find_fine_tuned(const struct catalog *catalog,
                                                   const struct catalog_provider *provider,
                                                   struct text model)
{
    struct text rest = text_from_index(model, 3);
    struct text base = text_split(&rest, ':');
    return find_name(catalog, provider, text_first(model, 3 + base.length));
}

static bool all_digits(struct text text)
{
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    return true;
}

/* "-2026-04-23", "-20251101" or "@20251101" at the end; the name without it, or empty. */
static struct text undated(struct text name)
{
    static const struct {
        size_t length;
        const char *form; /* 0: a digit */
    } forms[] = {{11, "-0000-00-00"}, {9, "-00000000"}, {9, "@00000000"}};
    for (size_t f = 0; f < ARRAY_LENGTH(forms); f++) {
        if (name.length <= forms[f].length)
            continue;
        struct text end = text_from_index(name, name.length - forms[f].length);
        bool matches = true;
        for (size_t i = 0; i < end.length && matches; i++)
            matches = forms[f].form[i] == '0' ? all_digits(text_of(end.data + i, 1))
                                              : end.data[i] == forms[f].form[i];
        if (matches)
            return text_first(name, name.length - end.length);
    }
    return TEXT("");
}

static bool lists_dates(const struct catalog_model *model)
{
    bool dated = !text_empty(undated(model->name));
    for (size_t i = 0; i < model->alias_count && !dated; i++)
        dated = !text_empty(undated(model->aliases[i]));
    return dated;
}

/* The date is taken for the model itself when another provider's entry of the same name lists it,
 * or when nobody's entry of that name lists any: snapshots of one name have had different prices.
 */
static const struct catalog_model *find_snapshot(const struct catalog *catalog,
                                                 const struct catalog_provider *provider,
                                                 struct text name)
{
    struct text base = undated(name);
    const struct catalog_model *model =
        text_empty(base) ? NULL : find_name(catalog, provider, base);
    if (model == NULL)
        return NULL;
    bool any_dates = lists_dates(model);
    for (size_t i = 0; i < catalog->provider_count && !lists_dates(model); i++) {
        const struct catalog_model *other = find_name(catalog, &catalog->providers[i], base);
        if (other == NULL)
            continue;
        if (find_name(catalog, &catalog->providers[i], name) == other)
            return model;
        any_dates |= lists_dates(other);
    }
    return any_dates ? NULL : model;
}

/* "us.anthropic.claude-…" by the bare id; "global." has prices of its own, and so has the
 * government's cloud. */
static const struct catalog_model *find_geography(const struct catalog *catalog,
                                                  const struct catalog_provider *provider,
                                                  struct text name)
{
    static const struct text geographies[] = {
        TEXT_INIT("us."), TEXT_INIT("eu."), TEXT_INIT("apac."),
        TEXT_INIT("au."), TEXT_INIT("jp."), TEXT_INIT("ca."),
    };
    for (size_t i = 0; i < ARRAY_LENGTH(geographies); i++)
        if (text_starts_with(name, geographies[i]))
            return find_name(catalog, provider, text_from_index(name, geographies[i].length));
    return NULL;
}

/* "models/gemini-2.5-pro", "publishers/google/models/…", and the ARN of a Bedrock profile or model:
 * what stands behind the last slash. */
static struct text without_path(const struct catalog_provider *provider, struct text model)
{
    bool bedrock = text_equal(provider->name, TEXT("bedrock"));
    if (bedrock ? text_starts_with(model, TEXT("arn:"))
                : text_starts_with(model, TEXT("models/")) ||
                      text_starts_with(model, TEXT("publishers/")))
        for (size_t i = model.length; i > 0; i--)
            if (model.data[i - 1] == '/')
                return text_from_index(model, i);
    return model;
}

const struct catalog_model *catalog_find(const struct catalog *catalog,
                                         const struct catalog_provider *provider, struct text name,
                                         enum catalog_match *match)
{
    const struct catalog_model *model = find_name(catalog, provider, name);
    *match = CATALOG_EXACT;
    if (model != NULL)
        return model;
    name = without_path(provider, name);
    if (text_starts_with(name, TEXT("ft:"))) {
        *match = CATALOG_FINE_TUNED;
        model = find_fine_tuned(catalog, provider, name);
    } else if ((model = find_name(catalog, provider, name)) == NULL) {
        *match = CATALOG_SNAPSHOT;
        model = find_snapshot(catalog, provider, name);
        if (model == NULL && text_equal(provider->name, TEXT("bedrock"))) {
            *match = CATALOG_GEOGRAPHY;
            model = find_geography(catalog, provider, name);
        }
    }
    if (model == NULL)
        *match = CATALOG_NO_MATCH;
    return model;
}

/* ---- cards ---- */

size_t catalog_card_key(const struct catalog_card *card, char out[CATALOG_CARD_KEY_SIZE])
{
    static const char *const signs[] = {"", ">", ">="};
    struct text service = price_service_name(card->service);
    int length =
        snprintf(out, CATALOG_CARD_KEY_SIZE, "%.*s%s", TEXT_ARG(service), signs[card->comparison]);
    if (card->comparison != CATALOG_NO_THRESHOLD)
        length += snprintf(out + length, CATALOG_CARD_KEY_SIZE - (size_t)length, "%lld",
                           (long long)card->threshold);
    if (card->window != NULL)
        length += snprintf(out + length, CATALOG_CARD_KEY_SIZE - (size_t)length, " %.*s",
                           TEXT_ARG(card->window->name));
    ensure(length >= 0 && (size_t)length < CATALOG_CARD_KEY_SIZE);
    return (size_t)length;
}

#define SECONDS_PER_DAY 86400
#define FIRST_WEEKDAY   3 /* 1970-01-01 was a Thursday; Monday is 0 */

bool catalog_window_holds(const struct catalog_window *window, int64_t at)
{
    int64_t second = at % SECONDS_PER_DAY, day = at / SECONDS_PER_DAY;
    if (second < 0) {
        second += SECONDS_PER_DAY;
        day--;
    }
    int64_t weekday = ((day + FIRST_WEEKDAY) % 7 + 7) % 7;
    int minute = (int)(second / 60);
    if ((window->weekdays >> weekday & 1) == 0)
        return false;
    for (size_t i = 0; i < window->range_count; i++)
        if (minute >= window->ranges[i].from && minute < window->ranges[i].until)
            return true;
    return false;
}

bool catalog_multiplier_holds(const struct catalog_multiplier *multiplier, struct text value)
{
    for (size_t i = 0; i < multiplier->value_count; i++)
        if (text_equal(multiplier->values[i], value))
            return true;
    return false;
}

/* ---- where catalogs come from ---- */

void catalog_problems_open(struct catalog_problems *problems)
{
    *problems = (struct catalog_problems){0};
    buffer_open(&problems->lines, 1u << 20); /* 50 lines of at most a few hundred bytes */
}

void catalog_problems_close(struct catalog_problems *problems)
{
    buffer_close(&problems->lines);
}

struct catalog *catalog_shipped(void)
{
    struct catalog *catalog = NULL;
    struct catalog_problems problems;
    catalog_problems_open(&problems);
    enum error error = catalog_read(catalog_shipped_text(), &catalog, &problems);
    catalog_problems_close(&problems);
    ensure(error != ERROR_SYNTAX); /* the build tests it */
    return error ? NULL : catalog;
}

static enum error cannot_read(const char *path, struct catalog_problems *problems, enum error error,
                              const char *why)
{
    problems->count++;
    buffer_append_format(&problems->lines, "%s: %s\n", path, why);
    return error;
}

static enum error read_all(int file, struct buffer *out)
{
    for (;;) {
        char *room = buffer_reserve(out, 65536);
        if (room == NULL)
            return out->length + 65536 > out->maximum ? ERROR_SYNTAX : ERROR_MEMORY;
        ssize_t got = read(file, room, 65536);
        if (got < 0)
            return ERROR_SYSTEM;
        if (got == 0)
            return out->length > CATALOG_SIZE_MAX ? ERROR_SYNTAX : ERROR_OK;
        out->length += (size_t)got;
    }
}

enum error catalog_load(const char *path, struct catalog **catalog,
                        struct catalog_problems *problems)
{
    struct buffer json;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return cannot_read(path, problems, ERROR_NOT_FOUND, strerror(errno));
    buffer_open(&json, CATALOG_SIZE_MAX + 2 * 65536);
    enum error error = read_all(file, &json);
    const char *why = error == ERROR_SYSTEM ? strerror(errno) : error_meaning(error);
    close(file);
    if (error == ERROR_SYNTAX) {
        problems->count++;
        buffer_append_format(&problems->lines, "%s: the file is larger than %u MiB\n", path,
                             CATALOG_SIZE_MAX >> 20);
    } else if (error) {
        (void)cannot_read(path, problems, error, why);
    } else {
        error = catalog_read(buffer_text(&json), catalog, problems);
    }
    buffer_close(&json);
    return error;
}
