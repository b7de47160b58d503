/* A wish is a job: posted by a worker, it joins the queue, which is worked off at the end of the
 * turn, or, while another holds the store, some time later. Jobs leave the queue as answers that
 * are posted back. */
#include "control/key_exchange.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "base/note.h"
#include "codec/json.h"
#include "identity/key.h"
#include "store/audit.h"
#include "store/exchanged_keys.h"

#define AUDIT_MAX 4096u /* bytes of one audit row's JSON: some texts of 256, escaped */
#define ATTEMPTS  3     /* at an id that nobody has */

struct job {
    struct key_exchange *exchange;
    struct key_wish wish;
    struct loop *loop; /* of who asked */
    key_answer_taken taken;
    void *ticket;
    uint64_t since; /* monotonic */
    struct key_answer answer;
    struct secret *secret;
    struct stored_key row; /* while it is written; texts in `wish` and `id` */
    char id[KEY_ID_LENGTH];
    struct job *next;
};

struct key_exchange {
    struct loop *loop;
    struct key_refresher *keys;
    atomic_size_t waiting;
    struct job *first, **last;
    struct loop_deferred work;
    struct loop_timer again;
    bool held_up;        /* `again` is set */
    bool stopped;        /* the thread has ended */
    bool troubled;       /* noted that the store takes none */
    uint64_t count;      /* good ones, as they were last counted, and made since */
    uint64_t first_end;  /* of them, as it was then; wall */
    uint64_t counted_at; /* monotonic; 0: never */
    uint64_t pruned_at;  /* the same */
};

/* ---- answers ---- */

static void tell(void *owner)
{
    struct job *job = owner;

    job->answer.key = job->secret ? secret_expose(job->secret) : text_of(NULL, 0);
    job->answer.id = text_of(job->id, sizeof job->id);
    job->taken(job->ticket, &job->answer);
    secret_free(job->secret);
    free(job);
}

static void answer(struct job *job, enum key_outcome outcome)
{
    job->answer.outcome = outcome;
    if (outcome != KEY_MADE) {
        secret_free(job->secret);
        job->secret = NULL;
    }
    free(job->wish.principal);
    job->wish.principal = NULL;
    atomic_fetch_sub(&job->exchange->waiting, 1);
    loop_post(job->loop, tell, job);
}

/* ---- the queue ---- */

static void work(void *owner);

static void work_later(struct key_exchange *exchange)
{
    exchange->held_up = true;
    loop_timer_set(exchange->loop, &exchange->again, KEY_EXCHANGE_AGAIN);
}

static void on_again(void *owner)
{
    struct key_exchange *exchange = owner;

    exchange->held_up = false;
    work(exchange);
}

static void enqueue(void *owner)
{
    struct job *job = owner;
    struct key_exchange *exchange = job->exchange;

    if (exchange->stopped) {
        answer(job, KEY_NO_STORE);
        return;
    }
    *exchange->last = job;
    exchange->last = &job->next;
    if (!exchange->held_up)
        loop_defer(exchange->loop, &exchange->work, work, exchange);
}

static struct job *take_job(struct key_exchange *exchange)
{
    struct job *job = exchange->first;

    exchange->first = job->next;
    if (!exchange->first)
        exchange->last = &exchange->first;
    job->next = NULL;
    return job;
}

void key_exchange_ask(struct key_exchange *exchange, const struct key_wish *wish, struct loop *loop,
                      key_answer_taken taken, void *ticket)
{
    struct job *job = ensure_memory(calloc(1, sizeof *job));

    job->exchange = exchange;
    job->wish = *wish;
    job->loop = loop;
    job->taken = taken;
    job->ticket = ticket;
    job->since = clock_monotonic();
    if (atomic_fetch_add(&exchange->waiting, 1) >= KEY_EXCHANGE_WAITING_MAX)
        answer(job, KEY_BUSY);
    else
        loop_post(exchange->loop, enqueue, job);
}

/* ---- a key ---- */

static void write_audit(struct json_writer *json, const struct stored_key *row)
{
    char expires[CLOCK_RFC3339_SIZE];

    json_begin_object(json);
    json_member_text(json, "id", row->id);
    json_member_text(json, "name", row->name);
    json_member_text(json, "team", row->team);
    json_member_text(json, "principal", row->principal);
    json_member_text(json, "identified_by", row->proof);
    json_member_text(json, "issuer", row->issuer);
    json_member_text(json, "subject", row->subject);
    json_member_text(json, "expires_at",
                     text_of(expires, clock_format_rfc3339(row->expires_at, expires)));
    json_end_object(json);
}

static enum error audit(struct store *store, const struct stored_key *row)
{
    struct buffer after;
    struct json_writer json;

    buffer_open(&after, AUDIT_MAX);
    json_open(&json, &after);
    write_audit(&json, row);
    struct audit_entry entry = {
        .time = row->created_at,
        .who = row->principal,
        .via = TEXT("exchange"),
        .action = TEXT("create"),
        .object_kind = TEXT("exchanged_key"),
        .object_id = row->id,
        .before = TEXT(""),
        .after = buffer_text(&after),
    };
    enum error error = json_done(&json) ? audit_append(store, &entry) : ERROR_MEMORY;
    buffer_close(&after);
    return error;
}

static uint64_t end_of(const struct key_wish *wish, uint64_t wall)
{
    uint64_t end = wall + wish->lifetime;

    return wish->ends_by > 0 && wish->ends_by < end ? wish->ends_by : end;
}

static void fill_row(struct job *job, uint64_t wall)
{
    const struct principal *principal = job->wish.principal;

    job->answer.expires_at = end_of(&job->wish, wall);
    job->row = (struct stored_key){
        .id = text_of(job->id, sizeof job->id),
        .name = principal->name,
        .team = principal->team,
        .tags = principal->tags,
        .principal = principal->id,
        .proof = principal_proof_name(principal->proof),
        .issuer = principal->issuer,
        .subject = principal->subject,
        .proof_id = principal->proof_id,
        .created_at = wall,
        .expires_at = job->answer.expires_at,
    };
    memcpy(job->row.rule, job->wish.rule.bytes, sizeof job->row.rule);
}

static enum error insert(struct job *job, struct store *store)
{
    struct key_hash hash;
    enum error error = ERROR_EXISTS;

    for (int attempt = 0; attempt < ATTEMPTS && error == ERROR_EXISTS; attempt++) {
        key_make_id(job->id);
        secret_free(job->secret);
        job->secret = NULL;
        error = key_make(text_of(job->id, sizeof job->id), &job->secret);
        if (error)
            return error;
        key_compute_hash(secret_expose(job->secret), &hash);
        memcpy(job->row.hash, hash.bytes, sizeof job->row.hash);
        error = exchanged_keys_insert(store, &job->row);
    }
    return error;
}

static enum error count_all(struct key_exchange *exchange, struct store *store, uint64_t wall)
{
    exchange->counted_at = clock_monotonic();
    return exchanged_keys_count(store, TEXT(""), wall, &exchange->count, &exchange->first_end);
}

/* Whether there may be one more of all; what has ended since the last count is counted again, no
 * more often than once a second: it is a walk over all of them. */
static enum error has_room(struct key_exchange *exchange, struct store *store, uint64_t wall,
                           bool *room)
{
    enum error error = ERROR_OK;

    if (exchange->count >= KEY_EXCHANGE_KEYS_MAX &&
        clock_monotonic() - exchange->counted_at >= NANOSECONDS_PER_SECOND)
        error = count_all(exchange, store, wall);
    *room = exchange->count < KEY_EXCHANGE_KEYS_MAX;
    return error;
}

static enum error refuse(struct job *job, enum key_outcome outcome, uint64_t most,
                         uint64_t first_end)
{
    job->answer.outcome = outcome;
    job->answer.most = most;
    job->answer.first_end = first_end;
    return ERROR_OK;
}

/* In the transaction. KEY_MADE: it is written, not yet committed. */
static enum error make(struct job *job, struct store *store, uint64_t wall)
{
    struct key_exchange *exchange = job->exchange;
    uint64_t count, first_end;
    bool room;
    enum error error =
        exchanged_keys_count(store, job->wish.principal->id, wall, &count, &first_end);

    if (error)
        return error;
    if (count >= job->wish.most)
        return refuse(job, KEY_TOO_MANY, job->wish.most, first_end);
    error = has_room(exchange, store, wall, &room);
    if (error)
        return error;
    if (!room)
        return refuse(job, KEY_ALL_GIVEN, KEY_EXCHANGE_KEYS_MAX, exchange->first_end);
    fill_row(job, wall);
    error = insert(job, store);
    if (error == ERROR_OK)
        error = audit(store, &job->row);
    job->answer.outcome = KEY_MADE;
    exchange->count += error == ERROR_OK;
    return error;
}

/* ---- a transaction ---- */

/* Those at the head of the queue, up to `end`; NULL: to its end. */
static enum error make_all(struct key_exchange *exchange, struct store *store, struct job **end)
{
    uint64_t wall = clock_wall(), before = exchange->count;
    size_t count = 0;
    enum error error = store_begin(store);

    if (error)
        return error;
    for (*end = exchange->first; *end && count < KEY_EXCHANGE_BATCH_MAX && !error; count++) {
        error = make(*end, store, wall);
        *end = (*end)->next;
    }
    if (!error)
        error = store_commit(store);
    if (error) {
        store_roll_back(store);
        exchange->count = before;
    }
    return error;
}

static void give_all(struct key_exchange *exchange, const struct job *end)
{
    while (exchange->first != end) {
        struct job *job = take_job(exchange);
        enum key_outcome outcome = job->answer.outcome;
        if (outcome == KEY_MADE &&
            key_refresher_put_exchanged(exchange->keys, &job->row) != ERROR_OK)
            outcome = KEY_NO_STORE;
        answer(job, outcome);
    }
}

/* Those that have waited for too long, or all. */
static void give_up(struct key_exchange *exchange, bool all, enum key_outcome outcome)
{
    uint64_t now = clock_monotonic();

    while (exchange->first && (all || now - exchange->first->since >= KEY_EXCHANGE_PATIENCE))
        answer(take_job(exchange), outcome);
}

static void note_trouble(struct key_exchange *exchange, struct store *store, enum error error)
{
    if (error && !exchange->troubled)
        note_warning("keys", "no keys can be given for tokens now: %s",
                     store ? store_problem(store) : "the store cannot be used");
    else if (!error && exchange->troubled)
        note_info("keys", "keys can be given for tokens again");
    exchange->troubled = error != ERROR_OK;
}

static void work(void *owner)
{
    struct key_exchange *exchange = owner;
    struct store *store = key_refresher_store(exchange->keys);
    struct job *end = NULL;

    if (!exchange->first)
        return;
    enum error error = store ? make_all(exchange, store, &end) : ERROR_STORE;
    if (error == ERROR_BUSY) {
        give_up(exchange, false, KEY_BUSY);
        if (exchange->first)
            work_later(exchange);
        return;
    }
    note_trouble(exchange, store, error);
    if (error) {
        give_up(exchange, true, KEY_NO_STORE);
        return;
    }
    give_all(exchange, end);
    if (exchange->first) /* others of this thread come between */
        loop_defer(exchange->loop, &exchange->work, work, exchange);
}

/* ---- what has ended ---- */

static void prune(struct key_exchange *exchange, struct store *store)
{
    uint64_t wall = clock_wall();
    uint64_t gone = wall > KEY_EXCHANGE_REMEMBERED ? wall - KEY_EXCHANGE_REMEMBERED : 0;

    enum error error = exchanged_keys_prune(store, gone);
    if (error == ERROR_OK) {
        key_refresher_drop_exchanged(exchange->keys, gone);
        error = count_all(exchange, store, wall);
    }
    if (error && error != ERROR_BUSY) /* a store held by another is asked again in a minute */
        note_trouble(exchange, store, error);
}

void key_exchange_step(struct key_exchange *exchange)
{
    struct store *store = key_refresher_store(exchange->keys);
    uint64_t now = clock_monotonic();

    if (!store || (exchange->pruned_at > 0 && now - exchange->pruned_at < KEY_EXCHANGE_PRUNE_TIME))
        return;
    exchange->pruned_at = now;
    prune(exchange, store);
}

uint64_t key_exchange_count(const struct key_exchange *exchange)
{
    return exchange->count;
}

/* ---- its life ---- */

struct key_exchange *key_exchange_create(struct loop *loop, struct key_refresher *keys)
{
    struct key_exchange *exchange = calloc(1, sizeof *exchange);

    if (!exchange)
        return NULL;
    exchange->loop = loop;
    exchange->keys = keys;
    exchange->last = &exchange->first;
    loop_timer_open(&exchange->again, on_again, exchange);
    return exchange;
}

void key_exchange_stop(struct key_exchange *exchange)
{
    exchange->stopped = true;
    loop_timer_clear(exchange->loop, &exchange->again);
    give_up(exchange, true, KEY_NO_STORE);
}

void key_exchange_destroy(struct key_exchange *exchange)
{
    free(exchange);
}
