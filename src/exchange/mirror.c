/* mirror: see mirror.h. */
#include "exchange/mirror.h"

#include "exchange/attempt.h"
#include "exchange/count.h"
#include "exchange/hold.h"

/* Copies under way in one worker: each costs a connection and a copy of a body. Further ones are
 * not made: a mirror is a sample. */
#define MIRRORS_MAXIMUM 64u
/* Bytes of a body that is copied; times the number above that is 256 MiB at most. */
#define MIRROR_BODY_MAXIMUM (4u * 1024u * 1024u)

static bool may_copy(const struct exchange *exchange)
{
    return exchange->body_kind == BODY_JSON && exchange->body.length > 0 &&
           exchange->body.length <= MIRROR_BODY_MAXIMUM &&
           exchange->match.endpoint->routing == ENDPOINT_BY_MODEL && !exchange->worker->draining &&
           exchange->worker->mirror_count < MIRRORS_MAXIMUM;
}

static bool copy_text(struct arena *arena, struct text *text)
{
    if (text->length == 0)
        return true;
    *text = arena_copy(arena, *text);
    return text->data != NULL;
}

/* What the record says of the caller and of what he asked for. */
static bool copy_record(struct exchange *copy, const struct exchange *original)
{
    struct record *record = &copy->record;
    bool complete = true;

    *record = original->record;
    record->id = copy->id;
    for (size_t i = 0; i < record_field_count; i++) {
        const struct record_field *field = &record_fields[i];
        if (field->type == RECORD_TYPE_TEXT || field->type == RECORD_TYPE_JSON)
            complete &=
                copy_text(&copy->arena, (struct text *)(void *)((char *)record + field->offset));
    }
    record->part_of = arena_copy(&copy->arena, text_of(original->id_text, IDENTIFIER_TEXT_LENGTH));
    record->part = TEXT("mirror");
    record->calls = 0;
    record->attempts = 0;
    record->bytes_sent = 0;
    record->output_clamp = record->cost_reserved = RECORD_UNKNOWN;
    return complete && record->part_of.data;
}

static bool copy_body(struct exchange *copy, const struct exchange *original)
{
    struct text body = buffer_text(&original->body);

    copy->body_kind = BODY_JSON;
    copy->body_ended = true;
    copy->body_seen = original->body_seen;
    copy->model = original->model;
    copy->match = original->match;
    copy->match.object = text_of(NULL, 0);
    copy->bounds = original->bounds;
    copy->output_limit = original->output_limit;
    return buffer_append(&copy->body, body) && copy_text(&copy->arena, &copy->model) &&
           copy_text(&copy->arena, &copy->match.path) &&
           copy_text(&copy->arena, &copy->match.query) &&
           envelope_feed(&copy->envelope, buffer_text(&copy->body)) == ERROR_OK &&
           envelope_finish(&copy->envelope) == ERROR_OK;
}

static void copy_target(struct exchange *copy, const struct exchange *original, size_t index)
{
    const struct config_model *model = original->route;
    const struct config_target *row = &model->targets[index];

    copy->route = model;
    copy->targets[0] = (struct exchange_target){
        row->provider, row->model, row,
        route_table_model(copy->upstreams->routes, model->index)->places[index]};
    copy->target_count = copy->attempts_maximum = 1;
    copy->deadline =
        model->rules.timeouts.total > 0 ? copy->started + model->rules.timeouts.total : UINT64_MAX;
}

/* Its texts are the copy's own: the original may be over sooner. */
static void open_hold(struct exchange *copy, const struct exchange *original)
{
    policy_open_extra(&original->hold, &copy->arena, &copy->hold);
    copy->hold.call.team = copy->team = copy->record.team;
    copy->hold.call.key = copy->key_id = copy->record.key_id;
    copy->hold.call.tags = copy->record.tags;
    copy->hold.call.model = copy->model;
}

static void enlist(struct exchange *copy)
{
    struct worker *worker = copy->worker;

    copy->next = worker->exchanges;
    if (copy->next)
        copy->next->previous = copy;
    worker->exchanges = copy;
    worker->exchange_count++;
    worker->abandoned_count++;
    worker->mirror_count++;
    copy->abandoned = copy->is_mirror = true;
    metrics_add(worker->metrics, METRIC_EXCHANGES, 1);
}

/* Nothing of it is known outside yet. */
static void discard(struct exchange *copy)
{
    policy_settle(&copy->hold, &(struct policy_actual){.state = POLICY_COST_NONE});
    if (copy->reserved)
        journal_release(copy->worker->journal, &copy->reservation);
    buffer_close(&copy->body);
    buffer_close(&copy->attempts_detail);
    upstreams_release(copy->upstreams);
    struct arena arena = copy->arena; /* the copy lies in it */
    arena_close(&arena);
}

static struct exchange *open_copy(struct exchange *original)
{
    struct worker *worker = original->worker;
    const struct config_limits *limits = &original->upstreams->config->limits;
    struct arena arena;

    arena_open(&arena, &worker->arena_pool, limits->exchange_memory);
    struct exchange *copy = arena_take_zeroed_to(&arena, sizeof(*copy), EXCHANGE_ZEROED);
    if (!copy) {
        arena_close(&arena);
        return NULL;
    }
    copy->arena = arena;
    copy->worker = worker;
    copy->door = original->door;
    copy->upstreams = upstreams_hold(original->upstreams);
    copy->started = loop_now(worker->loop);
    copy->id = identifier_make(loop_wall(worker->loop));
    identifier_format(copy->id, copy->id_text);
    copy->step = STEP_FORWARD;
    envelope_open(&copy->envelope, &copy->arena);
    buffer_open(&copy->body, MIRROR_BODY_MAXIMUM);
    buffer_open(&copy->attempts_detail, EXCHANGE_DETAIL_MAXIMUM);
    return copy;
}

static void start(struct exchange *original, size_t index)
{
    struct exchange *copy = open_copy(original);

    if (!copy)
        return;
    bool complete = copy_record(copy, original) && copy_body(copy, original);
    copy_target(copy, original, index);
    if (complete) {
        open_hold(copy, original);
        complete = hold_quietly(copy);
    }
    if (complete && journal_reserve(copy->worker->journal, &copy->reservation,
                                    loop_wall(copy->worker->loop)) == ERROR_OK)
        copy->reserved = true;
    if (!copy->reserved) {
        discard(copy);
        return;
    }
    enlist(copy);
    /* The caller's head is there as long as the request is made; nobody looks at it later. */
    copy->borrowed_head = http_request_head(original->request);
    exchange_resume(copy);
}

void mirror_start(struct exchange *exchange)
{
    for (uint64_t rest = exchange->mirrors; rest != 0 && may_copy(exchange); rest &= rest - 1)
        start(exchange, (size_t)__builtin_ctzll(rest));
    exchange->mirrors = 0;
}
