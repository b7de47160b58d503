/* replay: see replay.h.
 *
 *   replay_take ──▶ waits for its decision ──▶ decided ──▶ waits for its end ──▶ settled, told
 *                                                └── refused: settled at once ──▶ told
 *
 * Both waits are in one heap, by time; before a record that began at T is taken, all that happened
 * until T has happened. What a call needs until its end is copied: its names are kept by the
 * tables, what it holds lies in an arena of its own, whose blocks are used again. */
#include "preview/replay.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "gate/gate.h"
#include "ledger/repricing.h"
#include "policy/networks.h"
#include "preview/callers.h"
#include "preview/road.h"

#define CALLS_CHUNK 1024u      /* calls under way are made so many at a time */
#define HOLD_MAX    (1u << 20) /* bytes of what one call holds */
#define BLOCKS_KEPT 65536u     /* of calls that have ended, for the next ones: 512 MiB */
#define NETWORK_V4  24u        /* as bounces are grouped where no network is named */
#define NETWORK_V6  48u
#define RULE_SIZE   256u /* "models of team …": names have half of that at most */

/* A call from its record to its end. */
struct call {
    uint64_t at; /* of what comes next */
    uint64_t order;
    bool decided;
    bool reported;  /* it began in the time that is asked about */
    bool part;      /* a line that stands for no call, but for money */
    bool body_read; /* its model and size are known, as far as it got */
    bool asked;     /* the record says what was asked for at most */
    struct gate_call gate;
    const struct preview_key *key; /* NULL: the store has none */
    struct callers_finding caller; /* where the configuration says who he is */
    struct name *model;
    const struct origin *source;
    const struct network_rules *door; /* of the listener; NULL: it has none, or is gone */
    struct road_way way;
    struct policy_actual actual;
    uint64_t ends_at;
    struct preview_verdict verdict;
    struct policy_hold hold;
    struct arena arena;
    struct call *next_free;
};

struct calls_chunk {
    struct calls_chunk *next;
    struct call calls[CALLS_CHUNK];
};

struct endpoint_set {
    const struct endpoint *by_method[ENDPOINT_METHOD_COUNT];
};

/* Where a call came from. */
struct origin {
    struct network network;  /* length 0: a unix socket */
    const struct name *name; /* of the network that it is in */
};

/* Whose key it is, as the last record of it said; where the store has the key, as that says. */
struct caller {
    const struct name *key, *key_name, *team, *tags;
    const struct preview_key *stored; /* NULL: the store has none */
};

struct replay {
    struct preview_rules *rules;
    uint64_t since;
    preview_visit visit;
    void *context;
    struct names names;      /* of everything that is told */
    struct names sources;    /* the owner is a struct origin */
    struct names callers;    /* by the key's id; the owner is a struct caller */
    struct names paths;      /* patterns of endpoints; the owner is an endpoint_set */
    const struct name *path; /* of the record before: most are of one endpoint */
    struct endpoint_set *sets;
    struct names codes; /* of refusals that rules decide; the owner is not NULL */
    struct road *road;
    struct arena_pool pool;
    struct calls_chunk *chunks;
    struct call *free_calls;
    struct call **heap;
    size_t heap_count, heap_room;
    uint64_t order, ticked;
};

static const struct model_rules no_rules;

/* ---- tables ---- */

static void fill_endpoints(struct replay *replay)
{
    replay->sets = ensure_memory(calloc(endpoint_count, sizeof *replay->sets));
    for (unsigned i = 0; i < endpoint_count; i++) {
        struct name *name = names_take(&replay->paths, endpoints[i].pattern);
        if (name->owner == NULL)
            name->owner = &replay->sets[i];
        ((struct endpoint_set *)name->owner)->by_method[endpoints[i].method] = &endpoints[i];
    }
}

static const struct endpoint *find_endpoint(struct replay *replay, const struct record *record)
{
    static const struct text methods[ENDPOINT_METHOD_COUNT] = {
        [ENDPOINT_GET] = TEXT_INIT("GET"),
        [ENDPOINT_POST] = TEXT_INIT("POST"),
        [ENDPOINT_DELETE] = TEXT_INIT("DELETE"),
    };
    const struct name *name = replay->path;

    if (name == NULL || !text_equal(name->text, record->endpoint))
        replay->path = name = names_find(&replay->paths, record->endpoint);
    for (unsigned i = 0; name != NULL && i < ENDPOINT_METHOD_COUNT; i++) {
        if (text_equal(record->method, methods[i]))
            return ((const struct endpoint_set *)name->owner)->by_method[i];
    }
    return NULL;
}

/* Refusals that keys, lists, limits, budgets, prices and routes decide on. */
static const enum refusal decided_refusals[] = {
    REFUSAL_NETWORK_CLOSED,    REFUSAL_NETWORK_NOT_ALLOWED, REFUSAL_KEY_REVOKED,
    REFUSAL_KEY_EXPIRED,       REFUSAL_MODEL_NOT_FOUND,     REFUSAL_MODEL_UNSTATED,
    REFUSAL_MODEL_NOT_ALLOWED, REFUSAL_MODEL_UNPRICED,      REFUSAL_NO_TARGET,
    REFUSAL_RATE_LIMITED,      REFUSAL_CALL_TOO_LARGE,      REFUSAL_BUDGET_EXHAUSTED,
};

struct replay *replay_create(struct preview_rules *rules, uint64_t since, preview_visit visit,
                             void *context)
{
    struct replay *replay = ensure_memory(calloc(1, sizeof *replay));

    replay->rules = rules;
    replay->since = since;
    replay->visit = visit;
    replay->context = context;
    names_open(&replay->names);
    names_open(&replay->sources);
    names_open(&replay->callers);
    names_open(&replay->paths);
    names_open(&replay->codes);
    fill_endpoints(replay);
    for (size_t i = 0; i < ARRAY_LENGTH(decided_refusals); i++)
        names_take(&replay->codes, refusal_row(decided_refusals[i])->code)->owner = replay;
    replay->road = road_create(rules, &replay->names);
    arena_pool_open(&replay->pool, BLOCKS_KEPT);
    return replay;
}

void replay_destroy(struct replay *replay)
{
    if (replay == NULL)
        return;
    road_destroy(replay->road);
    names_close(&replay->names);
    names_close(&replay->sources);
    names_close(&replay->callers);
    names_close(&replay->paths);
    names_close(&replay->codes);
    free(replay->sets);
    while (replay->chunks != NULL) {
        struct calls_chunk *next = replay->chunks->next;
        free(replay->chunks);
        replay->chunks = next;
    }
    arena_pool_close(&replay->pool);
    free(replay->heap);
    free(replay);
}

struct names *replay_names(struct replay *replay)
{
    return &replay->names;
}

/* ---- calls under way ---- */

static struct call *take_call(struct replay *replay)
{
    if (replay->free_calls == NULL) {
        struct calls_chunk *chunk = ensure_memory(malloc(sizeof *chunk));
        chunk->next = replay->chunks;
        replay->chunks = chunk;
        for (size_t i = 0; i < CALLS_CHUNK; i++) {
            chunk->calls[i].next_free = replay->free_calls;
            replay->free_calls = &chunk->calls[i];
        }
    }
    struct call *call = replay->free_calls;
    replay->free_calls = call->next_free;
    memset(call, 0, sizeof *call);
    return call;
}

static bool is_sooner(const struct call *a, const struct call *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void wait_until(struct replay *replay, struct call *call, uint64_t at)
{
    call->at = at;
    call->order = replay->order++;
    if (replay->heap_count == replay->heap_room) {
        replay->heap_room = replay->heap_room > 0 ? replay->heap_room * 2 : CALLS_CHUNK;
        replay->heap =
            ensure_memory(realloc(replay->heap, replay->heap_room * sizeof(struct call *)));
    }
    size_t hole = replay->heap_count++;
    while (hole > 0 && is_sooner(call, replay->heap[(hole - 1) / 2])) {
        replay->heap[hole] = replay->heap[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    replay->heap[hole] = call;
}

static struct call *take_next(struct replay *replay)
{
    struct call *first = replay->heap[0], *last = replay->heap[--replay->heap_count];
    size_t hole = 0;

    for (;;) {
        size_t child = 2 * hole + 1;
        if (child >= replay->heap_count)
            break;
        if (child + 1 < replay->heap_count &&
            is_sooner(replay->heap[child + 1], replay->heap[child]))
            child++;
        if (!is_sooner(replay->heap[child], last))
            break;
        replay->heap[hole] = replay->heap[child];
        hole = child;
    }
    replay->heap[hole] = last;
    return first;
}

/* ---- from a record ---- */

/* Named by the new configuration, else "10.1.2.0/24". */
static const struct origin *find_source(struct replay *replay, const struct record *record)
{
    struct name *known = names_take(&replay->sources, record->source);
    struct address address;
    char range[NETWORK_TEXT_SIZE];

    if (known->owner != NULL)
        return known->owner;
    struct origin *source =
        ensure_memory(arena_take_zeroed(&replay->sources.arena, sizeof *source));
    known->owner = source;
    if (address_parse_host(record->source, 0, &address) != ERROR_OK ||
        !network_of(&address, &source->network)) {
        source->name = names_take(&replay->names, TEXT(CONFIG_NETWORK_UNIX));
        return source;
    }
    const struct config_network *named = config_network_of(replay->rules->config, &source->network);
    struct network around = network_around(&source->network, NETWORK_V4, NETWORK_V6);
    struct text name = named ? named->name : text_of(range, network_format(&around, range));
    source->name = names_take(&replay->names, name);
    return source;
}

/* A listener that the new configuration does not have has no rules: its callers have to find
 * another one. */
static const struct network_rules *find_door(const struct replay *replay,
                                             const struct record *record)
{
    const struct config *config = replay->rules->config;

    for (size_t i = 0; i < config->listener_count; i++) {
        if (text_equal(config->listeners[i].name, record->listener))
            return config->listeners[i].network_rules;
    }
    return NULL;
}

static void follow(struct replay *replay, const struct name **name, struct text text)
{
    if (*name == NULL || !text_equal((*name)->text, text))
        *name = names_take(&replay->names, text);
}

/* Valid until the next record. */
static const struct caller *find_caller(struct replay *replay, const struct record *record)
{
    struct name *known = names_take(&replay->callers, record->key_id);
    struct caller *caller = known->owner;

    if (caller == NULL) {
        const struct name *stored = names_find(&replay->rules->keys, record->key_id);
        caller = ensure_memory(arena_take_zeroed(&replay->callers.arena, sizeof *caller));
        caller->key = names_take(&replay->names, record->key_id);
        caller->stored = stored ? stored->owner : NULL;
        known->owner = caller;
    }
    follow(replay, &caller->key_name, record->key_name);
    follow(replay, &caller->team, caller->stored ? caller->stored->team : record->team);
    follow(replay, &caller->tags, caller->stored ? caller->stored->tags : record->tags);
    return caller;
}

static enum preview_state state_of(const struct replay *replay, const struct record *record)
{
    if (record->calls > 1)
        return PREVIEW_APART; /* a number of calls that there was no room to record */
    if (record->refusal.length > 0) {
        const struct name *code = names_find(&replay->codes, record->refusal);
        if (code != NULL)
            return PREVIEW_REFUSED;
        return record->attempts > 0 ? PREVIEW_ALLOWED : PREVIEW_APART;
    }
    bool came_to_nothing =
        record->attempts <= 0 && record->admitted < 0 && record->outcome != RECORD_OUTCOME_SERVED;
    return came_to_nothing ? PREVIEW_APART : PREVIEW_ALLOWED;
}

/* As bill_settle has it. */
static void read_actual(const struct record *record, struct policy_actual *actual)
{
    bool none = text_equal(record->cost_state, TEXT("none"));

    *actual = (struct policy_actual){
        .state = none || record->cost_state.length == 0 ? POLICY_COST_NONE
                 : record->cost < 0                     ? POLICY_COST_UNKNOWN
                                                        : POLICY_COST_KNOWN,
        .cost = record->cost > 0 ? record->cost : 0,
        .tokens_known = record->input_tokens >= 0 || record->output_tokens >= 0 || none,
        .input_tokens = record->input_tokens > 0 ? record->input_tokens : 0,
        .output_tokens = record->output_tokens > 0 ? record->output_tokens : 0,
    };
}

/* What the call would have cost where it would go; the record has what was billed, by unit. */
static void price(const struct replay *replay, const struct record *record, struct call *call)
{
    const struct road_target *target = call->way.first;
    struct preview_verdict *verdict = &call->verdict;
    bool same = target == NULL || verdict->target_now == verdict->target_then;
    struct repricing repricing;

    if (call->actual.state == POLICY_COST_NONE || verdict->then != PREVIEW_ALLOWED)
        return;
    if (repricing_obstacle(record) != NULL) {
        if (!same) {
            verdict->cost_now = RECORD_UNKNOWN;
            call->actual.state = POLICY_COST_UNKNOWN;
        }
        return;
    }
    if (same) {
        repricing_make(record, replay->rules->book, &repricing);
    } else {
        struct record moved = *record;
        moved.provider = target->provider;
        moved.target_model = target->model;
        repricing_make(&moved, replay->rules->book, &repricing);
    }
    bool priced = repricing.price.basis != PRICE_UNPRICED && repricing.price.basis != PRICE_NONE;
    verdict->cost_now = priced ? repricing.price.cost : RECORD_UNKNOWN;
    call->actual.state = priced ? POLICY_COST_KNOWN : POLICY_COST_UNKNOWN;
    call->actual.cost = priced ? repricing.price.cost : 0;
}

static void describe_gate(const struct replay *replay, const struct record *record,
                          const struct caller *caller, struct call *call)
{
    struct gate_call *gate = &call->gate;

    gate_read_asked(record->asked, gate);
    gate->team = caller->team->text;
    gate->key = caller->key->text;
    gate->tags = caller->tags->text;
    gate->models = caller->stored ? &caller->stored->models : &no_rules;
    gate->model = call->verdict.model->text;
    gate->bounds.input = record->asked_input < 0 ? BOUNDS_UNKNOWN : record->asked_input;
    gate->bounds.output = record->asked_output < 0 ? BOUNDS_UNKNOWN : record->asked_output;
    gate->body_size = gate->unsized                ? (int64_t)replay->rules->config->limits.upload
                      : record->bytes_received > 0 ? record->bytes_received
                                                   : 0;
    gate->wall = record->started_at;
    gate->now = record->started_at + (record->admitted > 0 ? (uint64_t)record->admitted : 0);
}

/* A holder of a token or certificate is who the new configuration says. */
static void describe_caller(struct replay *replay, const struct record *record, struct call *call)
{
    const struct name *exchanged = record->exchanged_key.length > 0
                                       ? names_find(&replay->rules->keys, record->exchanged_key)
                                       : NULL;

    callers_find(replay->rules->config, record, &call->caller);
    if (exchanged)
        call->key = exchanged->owner;
    const struct caller_rule *rule = call->caller.rule;
    if (!rule)
        return;
    call->gate.team = rule->team;
    call->gate.models = &rule->models;
    call->gate.own_limits = rule->limits;
    call->gate.own_limit_count = rule->limit_count;
    if (!policy_has_team(replay->rules->policy, rule->team))
        call->caller.refusal = REFUSAL_CALLER_WITHOUT_TEAM;
    if (!text_equal(call->verdict.team->text, rule->team))
        call->verdict.team = names_take(&replay->names, rule->team);
}

static void describe(struct replay *replay, const struct record *record, struct call *call)
{
    struct preview_verdict *verdict = &call->verdict;
    const struct caller *caller = find_caller(replay, record);

    call->key = caller->stored;
    call->source = find_source(replay, record);
    call->door = find_door(replay, record);
    call->model = names_take(&replay->names, record->model);
    *verdict = (struct preview_verdict){
        .id = record->id,
        .started_at = record->started_at,
        .key = caller->key,
        .key_name = caller->key_name,
        .team = caller->team,
        .model = call->model,
        .network = call->source->name,
        .then = state_of(replay, record),
        .code_then =
            record->refusal.length > 0 ? names_take(&replay->names, record->refusal) : NULL,
        .target_then = road_name_of(replay->road, call->model, record),
        .cost_then = record->cost,
        .cost_now = record->cost,
    };
    call->asked = record->admitted >= 0;
    call->body_read = call->asked || verdict->then == PREVIEW_ALLOWED;
    call->reported = record->started_at >= replay->since;
    call->ends_at =
        record->finished_at > record->started_at ? record->finished_at : record->started_at;
    call->gate.endpoint = find_endpoint(replay, record);
    read_actual(record, &call->actual);
    describe_gate(replay, record, caller, call);
    if (record->calls <= 1)
        describe_caller(replay, record, call);
    /* Of another version, or no endpoint at all; or a question about the caller himself, which
     * takes nothing and is answered whatever the rules say. */
    if (call->gate.endpoint == NULL || call->gate.endpoint->kind == ENDPOINT_WHOAMI ||
        call->gate.endpoint->kind == ENDPOINT_ECHO) {
        verdict->then = PREVIEW_APART;
        call->asked = false;
        return;
    }
    if (verdict->then == PREVIEW_APART)
        return;
    road_find(replay->road, call->model, &call->gate, record, &call->way);
    verdict->target_now = call->way.first ? call->way.first->name : NULL;
    price(replay, record, call);
}

/* ---- the decision ---- */

static void refuse(struct replay *replay, struct call *call, enum refusal refusal,
                   const struct name *rule)
{
    call->verdict.now = PREVIEW_REFUSED;
    call->verdict.refusal = refusal;
    call->verdict.code_now = names_take(&replay->names, refusal_row(refusal)->code);
    call->verdict.rule = rule;
}

static void leave_unknown(struct call *call, const char *why)
{
    call->verdict.now = PREVIEW_UNKNOWN;
    call->verdict.unknown = why;
}

/* "lim_…", or "models of team search" as records have it. */
static const struct name *name_rule(struct replay *replay, const struct gate_refusal *refused)
{
    const struct policy_subject *subject = &refused->why.subject;
    char words[RULE_SIZE];

    if (!refused->has_why)
        return NULL;
    if (refused->why.reason != POLICY_REASON_MODEL)
        return names_take(&replay->names, refused->why.id);
    int length = subject->scope == POLICY_ORGANISATION
                     ? snprintf(words, sizeof words, "models of the organisation")
                     : snprintf(words, sizeof words, "models of %s %.*s",
                                policy_scope_name(subject->scope), TEXT_ARG(subject->name));
    size_t fits = length < (int)sizeof words ? (size_t)length : sizeof words - 1;
    return names_take(&replay->names, text_of(words, fits));
}

/* Where no rule has the source, the whole list refuses. */
static const char *const list_words[POLICY_NETWORK_LISTS] = {
    [POLICY_NETWORK_LISTENER] = "networks of the listener",
    [POLICY_NETWORK_TEAM] = "networks of the team",
    [POLICY_NETWORK_KEY] = "networks of the key",
};

static bool check_caller(struct replay *replay, struct call *call)
{
    if (call->caller.refusal == REFUSAL_NONE)
        return true;
    refuse(replay, call, call->caller.refusal, NULL);
    return false;
}

static bool check_key(struct replay *replay, struct call *call)
{
    const struct preview_key *key = call->key;

    if (key == NULL)
        return true;
    if (key->revoked_at > 0 && key->revoked_at <= call->gate.wall)
        refuse(replay, call, REFUSAL_KEY_REVOKED, call->verdict.key);
    else if (key->expires_at > 0 && key->expires_at <= call->gate.wall)
        refuse(replay, call, REFUSAL_KEY_EXPIRED, call->verdict.key);
    else
        return true;
    return false;
}

/* The lists that speak: the listener's before it is known who calls, then team's and key's. */
static bool judge_networks(struct replay *replay, struct call *call, bool principal)
{
    struct policy_network_question question = {.source = &call->source->network};
    struct policy_network_verdict verdict;

    if (principal)
        policy_find_networks(replay->rules->policy, call->gate.team, call->gate.key,
                             question.lists);
    else
        question.lists[POLICY_NETWORK_LISTENER] = call->door;
    policy_judge_networks(&question, &verdict);
    if (!verdict.refused)
        return true;
    const struct network_rule *rule = verdict.answers[verdict.by].rule;
    refuse(replay, call, principal ? REFUSAL_NETWORK_NOT_ALLOWED : REFUSAL_NETWORK_CLOSED,
           names_take(&replay->names, rule ? rule->id : text_from(list_words[verdict.by])));
    return false;
}

/* What was used is held, for what comes after. It is no more than what was asked for: where not
 * even that fits, the call is refused whatever it asked for. */
static bool hold_actual(struct call *call, struct gate_refusal *refused)
{
    const struct policy_actual *actual = &call->actual;
    const struct policy_tokens tokens = {.input = actual->input_tokens,
                                         .output = actual->output_tokens,
                                         .output_least = actual->output_tokens,
                                         .output_clamp = actual->output_tokens};
    const struct policy_ask ask = {.input = actual->cost};
    struct policy_grant grant;
    int64_t output;

    refused->has_why = true;
    refused->refusal = REFUSAL_RATE_LIMITED;
    if (call->hold.counts_tokens &&
        policy_hold_tokens(&call->hold, &tokens, &output, &refused->why) != POLICY_ALLOWED)
        return false;
    refused->refusal = REFUSAL_BUDGET_EXHAUSTED;
    return policy_reserve(&call->hold, &ask, &grant, &refused->why) == POLICY_ALLOWED;
}

static bool costs_something(const struct call *call)
{
    enum endpoint_bills bills = call->gate.endpoint->bills;
    return bills != ENDPOINT_BILLS_NOTHING && bills != ENDPOINT_BILLS_REPORTED;
}

/* After the first half: what the call asks for at most, where it goes and what that costs. */
static void decide_hold(struct replay *replay, struct call *call)
{
    struct gate_refusal refused;
    struct gate_grant grant;
    const char *unknown = call->way.unknown;

    if (call->way.refusal != REFUSAL_NONE) {
        refuse(replay, call, call->way.refusal, NULL);
        return;
    }
    if (!costs_something(call))
        return;
    if (!call->asked && (call->hold.counts_tokens || policy_is_capped(&call->hold)))
        unknown = "how much it asked for: it was recorded before that was kept";
    if (unknown == NULL && call->asked) {
        if (!gate_hold(replay->rules->config->unpriced_models, &call->gate, call->way.prices,
                       call->way.count, &call->hold, &grant, &refused))
            refuse(replay, call, refused.refusal, name_rule(replay, &refused));
        return;
    }
    if (!hold_actual(call, &refused))
        refuse(replay, call, refused.refusal, name_rule(replay, &refused));
    else if (unknown != NULL)
        leave_unknown(call, unknown);
}

static void decide(struct replay *replay, struct call *call)
{
    struct gate_refusal refused;

    call->verdict.now = PREVIEW_ALLOWED;
    if (!judge_networks(replay, call, false) || !check_caller(replay, call) ||
        !check_key(replay, call) || !judge_networks(replay, call, true))
        return;
    if (call->gate.endpoint->kind == ENDPOINT_TOKEN)
        return; /* a token's exchange: whoever is let in may ask, and how often its keys decide */
    if (!call->body_read) {
        leave_unknown(call, "its body was not read: nobody knows what it asked for");
        return;
    }
    if (!gate_admit(replay->rules->policy, &call->gate, &call->arena, &call->hold, &refused))
        refuse(replay, call, refused.refusal, name_rule(replay, &refused));
    else
        decide_hold(replay, call);
    if (call->verdict.now == PREVIEW_ALLOWED && call->caller.unknown)
        leave_unknown(call, call->caller.unknown);
}

/* It was let in nowhere and cost nothing: but it may have been counted. */
static void count_apart(struct replay *replay, struct call *call)
{
    struct gate_refusal refused;

    call->verdict.now = PREVIEW_APART;
    call->actual.state = POLICY_COST_NONE;
    if (call->asked)
        (void)!gate_admit(replay->rules->policy, &call->gate, &call->arena, &call->hold, &refused);
}

/* An attempt that was left, or a copy: it cost what it cost, in the budgets of its call. */
static void settle_part(struct replay *replay, struct call *call)
{
    const struct policy_hold of = {
        .policy = replay->rules->policy,
        .call = {.team = call->gate.team,
                 .key = call->gate.key,
                 .tags = call->gate.tags,
                 .model = call->gate.model,
                 .wall = call->gate.wall,
                 .now = call->at},
        .open = true,
    };
    const struct policy_ask nothing = {0};
    struct policy_grant grant;
    struct policy_why why;

    policy_open_extra(&of, &call->arena, &call->hold);
    if (policy_reserve(&call->hold, &nothing, &grant, &why) != POLICY_ALLOWED)
        call->actual.state = POLICY_COST_NONE; /* a budget of nothing: nothing counts in it */
    policy_settle(&call->hold, &call->actual);
}

/* ---- time ---- */

static void end(struct replay *replay, struct call *call)
{
    policy_settle(&call->hold, &call->actual);
    arena_close(&call->arena);
    if (call->reported && !call->part)
        replay->visit(replay->context, &call->verdict);
    call->next_free = replay->free_calls;
    replay->free_calls = call;
}

/* What it would have used, had it been let in. */
static void settle_terms(struct call *call)
{
    struct preview_verdict *verdict = &call->verdict;

    if (verdict->now == PREVIEW_REFUSED) {
        call->actual = (struct policy_actual){.state = POLICY_COST_NONE, .tokens_known = true};
    } else if (verdict->then == PREVIEW_REFUSED) {
        bool costs = verdict->now == PREVIEW_ALLOWED && costs_something(call);
        call->actual =
            (struct policy_actual){.state = costs ? POLICY_COST_UNKNOWN : POLICY_COST_NONE};
        verdict->cost_now = costs ? RECORD_UNKNOWN : 0;
        verdict->held_worst = costs;
    }
}

static void happen(struct replay *replay, struct call *call)
{
    if (call->at >= replay->ticked + POLICY_TICK) {
        policy_tick(replay->rules->policy, call->at);
        replay->ticked = call->at;
    }
    if (call->part) {
        settle_part(replay, call);
        end(replay, call);
        return;
    }
    if (call->decided) {
        end(replay, call);
        return;
    }
    call->decided = true;
    if (call->verdict.then == PREVIEW_APART)
        count_apart(replay, call);
    else
        decide(replay, call);
    settle_terms(call);
    bool holds = call->hold.limit_count > 0 || call->hold.budget_count > 0;
    if (!holds || call->verdict.now == PREVIEW_REFUSED || call->ends_at <= call->at)
        end(replay, call);
    else
        wait_until(replay, call, call->ends_at);
}

static void run_until(struct replay *replay, uint64_t time)
{
    while (replay->heap_count > 0 && replay->heap[0]->at <= time)
        happen(replay, take_next(replay));
}

void replay_take(struct replay *replay, const struct record *record)
{
    struct call *call = take_call(replay);

    arena_open(&call->arena, &replay->pool, HOLD_MAX);
    describe(replay, record, call);
    call->part = record->part_of.length > 0;
    run_until(replay, record->started_at);
    wait_until(replay, call, call->part ? call->ends_at : call->gate.now);
}

void replay_finish(struct replay *replay)
{
    run_until(replay, UINT64_MAX);
}
