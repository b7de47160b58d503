#include "preview/tally.h"

#include <stdlib.h>

#include "base/ensure.h"

#define SLOTS_FIRST 256u

void tally_open(struct tally *tally)
{
    *tally = (struct tally){0};
}

void tally_close(struct tally *tally)
{
    for (size_t kind = 0; kind < TALLY_KINDS; kind++) {
        for (size_t group = 0; group < TALLY_GROUPS; group++) {
            free(tally->groups[kind][group].rows);
            free(tally->groups[kind][group].slots);
        }
    }
    free(tally->routes);
    free(tally->route_slots);
    *tally = (struct tally){0};
}

/* ---- finding a row ---- */

/* Names are kept once: the pointer says which. */
static size_t mix(const void *a, const void *b, const void *c)
{
    uint64_t code = (uint64_t)(uintptr_t)a * 0x9e3779b97f4a7c15u;
    code = (code ^ (uint64_t)(uintptr_t)b) * 0xbf58476d1ce4e5b9u;
    code = (code ^ (uint64_t)(uintptr_t)c) * 0x94d049bb133111ebu;
    return (size_t)(code ^ code >> 32);
}

/* At most half full, so that a look finds a free place soon. */
static bool must_grow(size_t count, size_t slots)
{
    return 2 * (count + 1) > slots;
}

static uint32_t *make_slots(size_t *count)
{
    *count = *count > 0 ? *count * 2 : SLOTS_FIRST;
    return ensure_memory(calloc(*count, sizeof(uint32_t)));
}

static void *make_room(void *rows, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return rows;
    *room = *room > 0 ? *room * 2 : 64;
    return ensure_memory(realloc(rows, *room * size));
}

static void grow_rows(struct tally_rows *group)
{
    free(group->slots);
    group->slots = make_slots(&group->slot_count);
    for (size_t i = 0; i < group->count; i++) {
        const struct tally_row *row = &group->rows[i];
        size_t slot = mix(row->name, row->detail, row->words) & (group->slot_count - 1);
        while (group->slots[slot] != 0)
            slot = (slot + 1) & (group->slot_count - 1);
        group->slots[slot] = (uint32_t)i + 1;
    }
}

static struct tally_row *find_row(struct tally_rows *group, const struct name *name,
                                  const struct name *detail, const char *words)
{
    if (must_grow(group->count, group->slot_count))
        grow_rows(group);
    size_t slot = mix(name, detail, words) & (group->slot_count - 1);
    for (; group->slots[slot] != 0; slot = (slot + 1) & (group->slot_count - 1)) {
        struct tally_row *row = &group->rows[group->slots[slot] - 1];
        if (row->name == name && row->detail == detail && row->words == words)
            return row;
    }
    group->rows = make_room(group->rows, group->count, &group->room, sizeof *group->rows);
    group->rows[group->count] = (struct tally_row){.name = name, .detail = detail, .words = words};
    group->slots[slot] = (uint32_t)++group->count;
    return &group->rows[group->count - 1];
}

static void grow_routes(struct tally *tally)
{
    free(tally->route_slots);
    tally->route_slots = make_slots(&tally->route_slot_count);
    for (size_t i = 0; i < tally->route_count; i++) {
        const struct tally_route *route = &tally->routes[i];
        size_t slot = mix(route->model, route->from, route->to) & (tally->route_slot_count - 1);
        while (tally->route_slots[slot] != 0)
            slot = (slot + 1) & (tally->route_slot_count - 1);
        tally->route_slots[slot] = (uint32_t)i + 1;
    }
}

static struct tally_route *find_route(struct tally *tally, const struct preview_verdict *verdict)
{
    const struct name *model = verdict->model, *from = verdict->target_then,
                      *to = verdict->target_now;
    if (must_grow(tally->route_count, tally->route_slot_count))
        grow_routes(tally);
    size_t mask = tally->route_slot_count - 1, slot = mix(model, from, to) & mask;
    for (; tally->route_slots[slot] != 0; slot = (slot + 1) & mask) {
        struct tally_route *route = &tally->routes[tally->route_slots[slot] - 1];
        if (route->model == model && route->from == from && route->to == to)
            return route;
    }
    tally->routes =
        make_room(tally->routes, tally->route_count, &tally->route_room, sizeof *tally->routes);
    tally->routes[tally->route_count] =
        (struct tally_route){.model = model, .from = from, .to = to};
    tally->route_slots[slot] = (uint32_t)++tally->route_count;
    return &tally->routes[tally->route_count - 1];
}

/* ---- adding ---- */

static void count(struct tally_row *row, const struct preview_verdict *verdict)
{
    row->calls++;
    row->cost += verdict->cost_then > 0 ? verdict->cost_then : 0;
    if (row->example_count < TALLY_EXAMPLES)
        row->examples[row->example_count++] = verdict->id;
}

static void count_change(struct tally *tally, enum tally_kind kind,
                         const struct preview_verdict *verdict, const struct name *code)
{
    struct tally_rows *groups = tally->groups[kind];

    count(find_row(&groups[TALLY_BY_KEY], verdict->key, verdict->key_name, NULL), verdict);
    count(find_row(&groups[TALLY_BY_TEAM], verdict->team, NULL, NULL), verdict);
    count(find_row(&groups[TALLY_BY_NETWORK], verdict->network, NULL, NULL), verdict);
    count(find_row(&groups[TALLY_BY_REASON], code, verdict->rule, verdict->unknown), verdict);
}

static void count_route(struct tally *tally, const struct preview_verdict *verdict)
{
    struct tally_route *route = find_route(tally, verdict);

    route->calls++;
    if (verdict->cost_then < 0 || verdict->cost_now < 0) {
        route->unpriced++;
        tally->cost_unknown++;
        return;
    }
    route->cost_then += verdict->cost_then;
    route->cost_now += verdict->cost_now;
    tally->cost_then += verdict->cost_then;
    tally->cost_now += verdict->cost_now;
}

void tally_add(void *context, const struct preview_verdict *verdict)
{
    struct tally *tally = context;
    bool then = verdict->then == PREVIEW_REFUSED, now = verdict->now == PREVIEW_REFUSED;

    tally->calls++;
    if (verdict->then == PREVIEW_APART) {
        tally->apart++;
        return;
    }
    tally->refused_then += then;
    tally->refused_now += now;
    if (verdict->now == PREVIEW_UNKNOWN) {
        tally->unknown++;
        count_change(tally, TALLY_UNKNOWN, verdict, NULL);
    } else if (now && !then) {
        tally->newly_refused++;
        tally->cost_refused += verdict->cost_then > 0 ? verdict->cost_then : 0;
        count_change(tally, TALLY_NEWLY_REFUSED, verdict, verdict->code_now);
    } else if (then && !now) {
        tally->newly_allowed++;
        tally->held_worst += verdict->held_worst;
        count_change(tally, TALLY_NEWLY_ALLOWED, verdict, verdict->code_then);
    } else if (!then) {
        count_route(tally, verdict);
    }
}

/* ---- order ---- */

static int compare_rows(const void *left, const void *right)
{
    const struct tally_row *a = left, *b = right;
    if (a->calls != b->calls)
        return a->calls > b->calls ? -1 : 1;
    return memcmp(a->examples[0].bytes, b->examples[0].bytes, sizeof a->examples[0].bytes);
}

static int compare_routes(const void *left, const void *right)
{
    const struct tally_route *a = left, *b = right;
    if ((a->from != a->to) != (b->from != b->to))
        return a->from != a->to ? -1 : 1;
    if (a->calls != b->calls)
        return a->calls > b->calls ? -1 : 1;
    return text_compare(a->model->text, b->model->text);
}

void tally_sort(struct tally *tally)
{
    for (size_t kind = 0; kind < TALLY_KINDS; kind++) {
        for (size_t group = 0; group < TALLY_GROUPS; group++) {
            struct tally_rows *rows = &tally->groups[kind][group];
            if (rows->count > 0)
                qsort(rows->rows, rows->count, sizeof *rows->rows, compare_rows);
        }
    }
    if (tally->route_count > 0)
        qsort(tally->routes, tally->route_count, sizeof *tally->routes, compare_routes);
}
