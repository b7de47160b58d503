/* exchange: one call through the gateway, from its first byte to its record.
 *
 * It walks the steps of exchange.c, each a file of this folder, in this order:
 *
 *   receive   the head: which endpoint, which limits                           receive.c
 *   identify  who calls, from where                                            identify.c
 *   read      the body, one scan finds what routing needs                      read.c
 *   admit     rules give a verdict; room in the journal is reserved            admit.c
 *   route     the ordered list of targets                                      route.c
 *   hold      the worst case is held in limits of tokens and budgets; a clamp  hold.c
 *   forward   one attempt after another, while nothing has been relayed        forward.c, attempt.c
 *   relay     the answer to the caller, usage read in passing                  relay.c
 *   settle    cost, record, metrics; then, and only then, the last bytes       settle.c, bill.c
 *
 * Identity comes before the body is read: a stranger makes the gateway hold nothing
 * (docs/decisions/0002).
 *
 * Each step returns STEP_NEXT, STEP_WAIT (an event will resume it) or STEP_END (go to settle with
 * what `ending` says). An asynchronous completion does one thing: it puts what it learned into the
 * exchange and calls exchange_resume. Memory: one arena, in which the exchange itself lies, freed
 * at the end; a held body beside it. The worker's thread only. */
#ifndef EXCHANGE_EXCHANGE_H
#define EXCHANGE_EXCHANGE_H

#include "base/arena.h"
#include "codec/multipart.h"
#include "exchange/worker.h"
#include "gate/gate.h"
#include "identity/network.h"
#include "openai/bounds.h"
#include "openai/endpoint.h"
#include "openai/envelope.h"
#include "openai/refusal.h"
#include "policy/policy.h"
#include "provider/credential_pool.h"
#include "route/place.h"
#include "store/record.h"

enum exchange_step {
    STEP_RECEIVE,
    STEP_IDENTIFY,
    STEP_READ,
    STEP_ADMIT,
    STEP_ROUTE,
    STEP_HOLD,
    STEP_FORWARD,
    STEP_RELAY,
    STEP_SETTLE,
    STEP_OVER,
    STEP_COUNT
};

enum step_result { STEP_NEXT, STEP_WAIT, STEP_END };

/* What is left to hand to the caller once the record is written. */
enum exchange_ending {
    ENDING_NONE,  /* nothing: the caller is gone */
    ENDING_OWN,   /* an answer of the gateway's own: ending_status, ending_lines, ending_body */
    ENDING_RELAY, /* the gathered last bytes of an answer under way */
    ENDING_CUT    /* the answer broke where only a cut connection can say so */
};

/* How the body is held on its way. */
enum exchange_body {
    BODY_NONE,
    BODY_JSON,   /* held whole in `body`, scanned by `envelope` */
    BODY_FORM,   /* multipart: held until its `model` was seen, then streamed */
    BODY_SMALL,  /* held whole in `body`, for the gateway itself */
    BODY_STREAM, /* streamed through, never looked at */
    BODY_HASHED  /* echo.c: read to its end, and not kept */
};

/* Targets of one call: as many as one model may have attempts. More rows in the configuration are
 * used only when earlier ones are not. */
#define EXCHANGE_TARGETS_MAXIMUM 16u

/* A place that the call may go to. */
struct exchange_target {
    const struct config_provider *provider;
    struct text model; /* what to ask it for; empty: the name that the caller asked for */
    const struct config_target *row; /* NULL: a stored object or the default decided */
    struct route_place *place;       /* what is known of it; NULL as above */
};

/* What became of each attempt, as JSON; the field's limit in the ledger. */
#define EXCHANGE_DETAIL_MAXIMUM 2048u

struct attempt;
struct left;
struct caller_wait;
struct echo;
struct key_wait;

/* credentials.c: what the next attempt is given, and what was tried before. */
struct exchange_credentials {
    const struct config_provider *provider;  /* whose; NULL: none was chosen yet */
    const struct provider_credential *given; /* for this turn of the loop */
    struct pool_tried tried;                 /* of the provider's pool */
    enum pool_choice choice;
    uint64_t retry_after;
    uint64_t waits_until; /* 0: no wait has begun */
    struct credential_wait *wait;
};

struct exchange {
    struct worker *worker;
    struct worker_door *door;
    struct exchange *next, *previous;
    struct http_request *request; /* NULL once the caller is gone or has all */
    struct upstreams *upstreams;
    struct arena arena;
    enum exchange_step step;
    bool advancing;  /* exchange_resume is not re-entered */
    bool resumed;    /* an event came while advancing */
    bool malformed;  /* the head could not be read */
    bool abandoned;  /* the caller left, the call is read to its end for its cost */
    bool is_mirror;  /* mirror.c: it never had one; abandoned too */
    bool unrecorded; /* a probe (/healthz, /metrics), not a call */
    struct loop_deferred release;

    struct identifier id;
    char id_text[IDENTIFIER_TEXT_LENGTH];
    uint64_t started; /* loop_now */
    struct journal_reservation reservation;
    bool reserved;
    bool begun; /* the begin mark is written */

    struct endpoint_match match;
    struct network source;                  /* the true source; length 0: a unix socket */
    const struct http1_head *borrowed_head; /* of a mirror, while its request is made */

    /* who: copies, because a key may be replaced while the exchange lives */
    bool known;                /* he has proved who he is: he may hear of teams, rules and models */
    struct text key_id, team;  /* of a caller without a key `key_id` is the principal's */
    struct model_rules models; /* of the key */
    struct refusal_rule rule;  /* that refuses */
    struct text observed_networks; /* JSON objects, what observed rules would have refused */
    enum principal_proof proof;
    const struct caller_rule *caller_rule; /* of the configuration; NULL: he has a key of his own */
    struct key_wait *key_wait;             /* for a key in exchange */
    bool key_given;                        /* `page` has it */
    uint64_t proof_expires;                /* wall; 0: never */
    struct caller_wait *caller_wait;       /* for the keys of an issuer */
    uint64_t caller_waits_until;           /* loop_now; 0: it never waited */

    /* the body */
    enum exchange_body body_kind;
    bool in_model_field, model_complete;
    uint64_t form_model_offset; /* of the field's value in the body */
    bool form_open;
    bool body_urlencoded; /* the small one is a form, not JSON */
    bool reading;         /* read_step has run */
    struct buffer body;   /* held bytes */
    struct text form_model;
    size_t body_offset;           /* of `body`, how much of a streamed one was handed on */
    struct references references; /* of a JSON body */
    uint64_t body_seen;
    bool body_ended;
    bool body_failed;
    bool streaming_body; /* forward has taken over: on_body goes to the attempt */

    /* where */
    struct text model; /* as the caller asked */
    const struct config_model *route;
    size_t target_count, target_next;
    const struct route_model_rules *rules; /* of `route`; NULL: none beyond the list's order */
    size_t attempts_maximum;
    uint64_t deadline;       /* of all attempts together, loop_now; UINT64_MAX: none */
    uint64_t mirrors;        /* targets that get a copy, a bit for each of the model's */
    struct loop_timer pause; /* between two attempts */
    uint64_t pause_for;
    unsigned rounds; /* how often it began again with a target that was tried */
    bool pausing;
    bool planned;          /* the attempt in hand is left for another: target_next says which */
    struct lookup *lookup; /* an object is being looked up */
    struct models_wait *models_wait; /* providers are being asked what they have */
    bool models_asked;
    enum error lookup_error;
    bool lookup_done;
    struct text lookup_provider;

    /* how much */
    struct policy_hold hold;
    struct bounds bounds;
    struct gate_grant grant;
    int64_t output_limit; /* a clamp: tokens of one choice; 0: none */
    size_t tags_left_out; /* of the caller's own */

    struct exchange_credentials credentials;
    struct attempt *attempt;
    struct attempt *rival; /* hedge.c: a second one at the same time */
    struct left *rival_left;
    struct loop_timer hedge_timer;
    struct echo *echo;
    struct text problem_param, problem_reason; /* why the last target could not be asked at all */
    struct buffer attempts_detail;
    bool stream_counted; /* among the streams in flight */
    bool answered;       /* the head of an answer went to the caller */

    struct buffer page; /* a local answer too large for the arena */
    enum exchange_ending ending;
    unsigned ending_status;
    struct text ending_lines, ending_body;

    /* From here on nothing is zeroed (EXCHANGE_ZEROED): each is written before it is read. */
    struct record record;                                     /* record_clear */
    struct envelope envelope;                                 /* envelope_open */
    struct exchange_target targets[EXCHANGE_TARGETS_MAXIMUM]; /* target_count of them */
    struct multipart_scanner form;                            /* while form_open */
};

/* What of a new exchange is zeroed. */
#define EXCHANGE_ZEROED offsetof(struct exchange, record)

/* The events of the caller's side, for http_server_create; its owner is a struct worker_door. */
extern const struct http_server_events exchange_server_events;

/* The head of the caller's request. */
static inline const struct http1_head *exchange_head(const struct exchange *exchange)
{
    return exchange->is_mirror ? exchange->borrowed_head : http_request_head(exchange->request);
}

/* Goes on with the current step. The exchange may be gone when this returns. */
void exchange_resume(struct exchange *exchange);
/* Ends with an answer of the gateway's own; returns STEP_END for a step to return. Its request id
 * is filled in. Cold: what leads to it stands apart from what every call goes through. */
__attribute__((cold)) enum step_result exchange_refuse(struct exchange *exchange,
                                                       enum refusal refusal,
                                                       struct refusal_context context);
/* Ends with a local answer (models, health): `content_type` static, `body` in the arena. */
enum step_result exchange_answer(struct exchange *exchange, unsigned status,
                                 const char *content_type, struct text body);
/* The same, of what nobody on the way may keep. */
enum step_result exchange_answer_uncached(struct exchange *exchange, unsigned status,
                                          const char *content_type, struct text body);
/* Ends because the caller is gone or the answer broke; for events outside of a step, followed by
 * exchange_resume. */
void exchange_end(struct exchange *exchange, enum exchange_ending ending);

/* Its ending is decided: nothing more is gathered for the caller. */
static inline bool exchange_is_settling(const struct exchange *exchange)
{
    return exchange->step >= STEP_SETTLE;
}

/* Cuts every open exchange of the worker (the drain's time is up). */
void exchange_cut_all(struct worker *worker);

/* The steps. */
enum step_result receive_step(struct exchange *exchange);
enum step_result identify_step(struct exchange *exchange);
enum step_result read_step(struct exchange *exchange);
enum step_result admit_step(struct exchange *exchange);
enum step_result route_step(struct exchange *exchange);
enum step_result hold_step(struct exchange *exchange);
enum step_result forward_step(struct exchange *exchange);
enum step_result relay_step(struct exchange *exchange);
enum step_result settle_step(struct exchange *exchange);

/* receive.c: the first facts of the record, of a head that could not be read too. */
void receive_note_caller(struct exchange *exchange);
/* read.c: body events before forward has taken over. Room is NULL or behind the held body, for at
 * most `*size` bytes, which it may lower. */
char *read_room(struct exchange *exchange, size_t *size);
void read_take(struct exchange *exchange, struct text bytes);
void read_end(struct exchange *exchange);
/* read.c: follows the form that decides about the model; on an error `wrong` says why. */
must_handle enum error read_scan_form(struct exchange *exchange, struct text bytes,
                                      const char **wrong);
/* forward.c: body events after, and the caller's readiness for more. */
void forward_take_body(struct exchange *exchange, struct text bytes);
void forward_end_body(struct exchange *exchange);
/* route.c: the caller left while an object was looked up. */
void route_forget_lookup(struct exchange *exchange);
/* relay.c */
void relay_caller_drained(struct exchange *exchange);
/* relay.c: the caller has left. True when the call goes on without him, to learn what it cost. */
bool relay_abandoned(struct exchange *exchange);
/* Below it is one page for each code of a refusal. */
#define LOCAL_ERRORS_PATH "/turnpike/v1/errors"

/* settle.c: hands the last bytes over; the exchange is freed after it. */
/* local.c: what the gateway answers itself. Returns false when the path is not one of its pages. */
bool local_page(struct exchange *exchange, struct text path, enum step_result *result);
/* models.c: the list of models, and what is said of one. */
enum step_result local_models(struct exchange *exchange);
/* models.c: the caller left while providers were asked. */
void models_forget_wait(struct exchange *exchange);

/* Whether the key may use the model. */
bool admit_allows_model(const struct exchange *exchange, struct text model);

#endif
