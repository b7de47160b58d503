/* A slot is the list of one provider as it is configured: idle, or asked for by one worker
 * (`busy`), whose `struct question` walks through the pages. Slots are under the lock; questions
 * belong to their worker's thread. */
#include "exchange/model_lists.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/ensure.h"
#include "base/note.h"

#define SECOND         NANOSECONDS_PER_SECOND
#define LINES_MAXIMUM  (64u << 10)
#define TARGET_MAXIMUM 8192u
#define WHY_SIZE       200u

struct waiter {
    struct waiter *next;
    struct loop *loop;
    void (*done)(void *ticket);
    void *ticket;
};

struct slot {
    struct slot *next;
    char *key; /* name, type and address: what another list would come of */
    struct listing *listing;
    uint64_t read_at, failed_at, asked_at; /* monotonic; 0: never */
    bool busy, noted;
    struct waiter *waiters;
};

struct model_lists {
    pthread_mutex_t lock;
    struct slot *slots;
    size_t slot_count, waiter_count;
};

struct model_question {
    struct model_question *next;
    struct worker *worker;
    struct slot *slot;
    struct upstreams *upstreams; /* held */
    const struct upstream *row;
    struct listing *listing; /* as far as it has come */
    struct http_call *call;
    struct buffer lines, target, body; /* `lines` has the credential: wiped */
    struct pool_lease lease;
    unsigned status;
    uint64_t until; /* monotonic */
};

struct model_lists *model_lists_create(void)
{
    struct model_lists *lists = calloc(1, sizeof(*lists));

    if (lists)
        ensure(pthread_mutex_init(&lists->lock, NULL) == 0);
    return lists;
}

/* ---- slots; with the lock ---- */

static void free_slot(struct slot *slot)
{
    listing_release(slot->listing);
    free(slot->key);
    free(slot);
}

void model_lists_free(struct model_lists *lists)
{
    if (!lists)
        return;
    for (struct slot *slot = lists->slots, *next; slot; slot = next) {
        next = slot->next;
        free_slot(slot);
    }
    pthread_mutex_destroy(&lists->lock);
    free(lists);
}

/* The idle one that was asked for longest ago. */
static void forget_one(struct model_lists *lists)
{
    struct slot **oldest = NULL;

    for (struct slot **link = &lists->slots; *link; link = &(*link)->next)
        if (!(*link)->busy && (!oldest || (*link)->asked_at < (*oldest)->asked_at))
            oldest = link;
    if (!oldest)
        return;
    struct slot *slot = *oldest;
    *oldest = slot->next;
    lists->slot_count--;
    free_slot(slot);
}

static struct slot *find_slot(struct model_lists *lists, const struct upstream *row, bool make)
{
    const struct config_provider *provider = row->config;
    char *key;

    if (asprintf(&key, "%.*s %.*s %.*s %.*s", TEXT_ARG(provider->name), TEXT_ARG(provider->type),
                 TEXT_ARG(provider->endpoint.text), TEXT_ARG(provider->aws_region)) < 0)
        return NULL;
    for (struct slot *slot = lists->slots; slot; slot = slot->next) {
        if (strcmp(slot->key, key) != 0)
            continue;
        free(key);
        return slot;
    }
    if (lists->slot_count >= MODEL_LISTS_MAX)
        forget_one(lists);
    struct slot *slot =
        make && lists->slot_count < MODEL_LISTS_MAX ? calloc(1, sizeof(*slot)) : NULL;
    if (!slot) {
        free(key);
        return NULL;
    }
    *slot = (struct slot){.next = lists->slots, .key = key};
    lists->slots = slot;
    lists->slot_count++;
    return slot;
}

static void answer_waiters(struct model_lists *lists, struct slot *slot)
{
    while (slot->waiters) {
        struct waiter *waiter = slot->waiters;
        slot->waiters = waiter->next;
        lists->waiter_count--;
        loop_post(waiter->loop, waiter->done, waiter->ticket);
        free(waiter);
    }
}

static bool is_due(const struct slot *slot, uint64_t now)
{
    if (slot->busy ||
        (slot->failed_at != 0 && now - slot->failed_at < MODEL_LIST_PAUSE_SECONDS * SECOND))
        return false;
    return !slot->listing || now - slot->read_at >= MODEL_LIST_FRESH_SECONDS * SECOND;
}

/* ---- one question ---- */

static void end_question(struct model_question *question)
{
    struct worker *worker = question->worker;

    for (struct model_question **link = &worker->model_questions; *link; link = &(*link)->next) {
        if (*link != question)
            continue;
        *link = question->next;
        break;
    }
    if (question->lines.data)
        secret_wipe(question->lines.data, question->lines.capacity);
    buffer_close(&question->lines);
    buffer_close(&question->target);
    buffer_close(&question->body);
    listing_release(question->listing);
    upstreams_release(question->upstreams);
    free(question);
}

static void report(struct model_question *question, enum provider_failure failure)
{
    if (question->lease.row)
        credential_pool_report(&question->lease, &(struct pool_report){.failure = failure},
                               loop_now(question->worker->loop));
    question->lease = (struct pool_lease){0};
}

/* `why`: NULL where the list has come. */
static void conclude(struct model_question *question, const char *why)
{
    struct model_lists *lists = question->worker->model_lists;
    struct slot *slot = question->slot;
    struct text name = question->row->config->name;
    uint64_t now = loop_now(question->worker->loop);

    pthread_mutex_lock(&lists->lock);
    bool was_noted = slot->noted, has = slot->listing != NULL;
    slot->busy = false;
    slot->noted = why != NULL;
    slot->failed_at = why ? now : 0;
    if (!why) {
        struct listing *before = slot->listing;
        slot->listing = listing_hold(question->listing);
        slot->read_at = now;
        listing_release(before);
    }
    answer_waiters(lists, slot);
    pthread_mutex_unlock(&lists->lock);
    if (why && !was_noted)
        note_warning("models", "provider %.*s does not tell which models it has: %s; %s",
                     TEXT_ARG(name), why,
                     has ? "what it said before is told" : "names behind patterns are not listed");
    else if (!why && was_noted)
        note_info("models", "provider %.*s tells its models again", TEXT_ARG(name));
    if (!why && question->listing->cut)
        note_warning("models", "provider %.*s has more models than are listed", TEXT_ARG(name));
    end_question(question);
}

static void ask_page(struct model_question *question);

static void read_page(struct model_question *question)
{
    const struct provider_settings *settings = &question->row->settings;
    char why[WHY_SIZE];

    report(question, question->status == 401   ? PROVIDER_FAILURE_CREDENTIAL
                     : question->status == 429 ? PROVIDER_FAILURE_RATE_LIMITED
                                               : PROVIDER_FAILURE_NONE);
    /* It has no such thing, which is an answer too: nothing is listed. */
    if (question->status == 404 || question->status == 405 || question->status == 501) {
        conclude(question, NULL);
        return;
    }
    if (question->status != 200) {
        snprintf(why, sizeof(why), "it answered %u", question->status);
        conclude(question, why);
        return;
    }
    if (provider_list_read(settings, question->listing, buffer_text(&question->body)) != ERROR_OK)
        conclude(question, "its answer is not of a form that is known here");
    else if (question->listing->next.data)
        ask_page(question);
    else
        conclude(question, NULL);
}

static void on_head(void *owner, const struct http1_head *head)
{
    struct model_question *question = owner;

    question->status = head->status;
}

static void on_body(void *owner, struct text bytes, bool last)
{
    struct model_question *question = owner;

    if (last)
        question->call = NULL;
    if (!buffer_append(&question->body, bytes)) {
        if (question->call)
            http_call_cancel(question->call);
        question->call = NULL;
        report(question, PROVIDER_FAILURE_NONE);
        conclude(question, "its answer is too large");
    } else if (last) {
        read_page(question);
    }
}

static void on_nothing(void *owner)
{
    (void)owner;
}

static void on_failed(void *owner, enum error error, struct text detail)
{
    struct model_question *question = owner;
    char why[WHY_SIZE];

    (void)detail;
    question->call = NULL;
    snprintf(why, sizeof(why), "%s", error_name(error));
    report(question, PROVIDER_FAILURE_NONE);
    conclude(question, why);
}

static const struct http_call_events events = {
    .on_head = on_head,
    .on_body = on_body,
    .on_flush = on_nothing,
    .on_sendable = on_nothing,
    .on_failed = on_failed,
};

/* False: there is none to ask with. */
static bool choose_credential(struct model_question *question,
                              const struct provider_credential **credential)
{
    const struct upstream *row = question->row;
    const struct pool_tried tried = {0};
    uint64_t wait;

    *credential = &row->settings.credential;
    if (!row->pool)
        return true;
    return credential_pool_choose(row->pool, clock_wall(), loop_now(question->worker->loop), &tried,
                                  &question->lease, credential, &wait) == POOL_CHOSEN;
}

static bool write_page(struct model_question *question,
                       const struct provider_credential *credential)
{
    const struct listing_ask ask = {
        .settings = &question->row->settings,
        .credential = credential,
        .page = question->listing->next,
        .now = (int64_t)(clock_wall() / SECOND),
        .target = &question->target,
        .lines = &question->lines,
    };

    buffer_clear(&question->target);
    buffer_clear(&question->lines);
    buffer_clear(&question->body);
    return provider_list_ask(&ask) == ERROR_OK;
}

static void ask_page(struct model_question *question)
{
    const struct upstream *row = question->row;
    const struct provider_credential *credential;
    uint64_t now = loop_now(question->worker->loop);

    if (now >= question->until) {
        conclude(question, "it takes too long");
        return;
    }
    if (!choose_credential(question, &credential)) {
        conclude(question, "none of its credentials can be used now");
        return;
    }
    uint64_t left = question->until - now;
    if (write_page(question, credential)) {
        const struct http_call_request request = {
            .method = HTTP1_GET,
            .target = buffer_text(&question->target),
            .headers = buffer_text(&question->lines),
            .held = true,
            .timeouts = {left, left, left, left, left},
        };
        question->call = http_call_start(row->list_origin ? row->list_origin : row->origin,
                                         &request, &events, question);
    }
    if (question->call)
        return;
    report(question, PROVIDER_FAILURE_NONE);
    conclude(question, "memory is short");
}

/* The slot is busy from here on. */
static void begin(struct worker *worker, struct upstreams *upstreams, const struct upstream *row,
                  struct slot *slot)
{
    struct model_question *question = ensure_memory(calloc(1, sizeof(*question)));

    *question = (struct model_question){
        .next = worker->model_questions,
        .worker = worker,
        .slot = slot,
        .upstreams = upstreams_hold(upstreams),
        .row = row,
        .listing = ensure_memory(listing_create()),
        .until = loop_now(worker->loop) + MODEL_LIST_WAIT_SECONDS * SECOND,
    };
    worker->model_questions = question;
    buffer_open(&question->lines, LINES_MAXIMUM);
    buffer_open(&question->target, TARGET_MAXIMUM);
    buffer_open(&question->body, LISTING_PAGE_MAX);
    ask_page(question);
}

/* ---- what callers get ---- */

struct listing *model_lists_take(struct worker *worker, struct upstreams *upstreams,
                                 const struct upstream *row, bool *asking)
{
    struct model_lists *lists = worker->model_lists;
    uint64_t now = loop_now(worker->loop);

    *asking = false;
    if (!lists || worker->draining || !provider_lists(&row->settings))
        return NULL;
    pthread_mutex_lock(&lists->lock);
    struct slot *slot = find_slot(lists, row, true);
    bool due = slot && is_due(slot, now);
    struct listing *listing = slot ? listing_hold(slot->listing) : NULL;
    if (slot) {
        slot->busy |= due;
        slot->asked_at = now;
        *asking = slot->busy && !listing;
    }
    pthread_mutex_unlock(&lists->lock);
    if (due)
        begin(worker, upstreams, row, slot);
    return listing;
}

bool model_lists_wait(struct worker *worker, const struct upstream *row, void (*done)(void *ticket),
                      void *ticket)
{
    struct model_lists *lists = worker->model_lists;
    struct waiter *waiter = calloc(1, sizeof(*waiter));

    if (!waiter)
        return false;
    pthread_mutex_lock(&lists->lock);
    struct slot *slot = find_slot(lists, row, false);
    bool waits = slot && slot->busy && lists->waiter_count < MODEL_LIST_WAITERS_MAX;
    if (waits) {
        *waiter = (struct waiter){slot->waiters, worker->loop, done, ticket};
        slot->waiters = waiter;
        lists->waiter_count++;
    }
    pthread_mutex_unlock(&lists->lock);
    if (!waits)
        free(waiter);
    return waits;
}

void model_lists_leave(struct worker *worker)
{
    while (worker->model_questions) {
        struct model_question *question = worker->model_questions;
        if (question->call)
            http_call_cancel(question->call);
        question->call = NULL;
        report(question, PROVIDER_FAILURE_NONE);
        conclude(question, "the gateway is stopping");
    }
}
