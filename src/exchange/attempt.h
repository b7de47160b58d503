/* attempt: one upstream call of an exchange: its target, its times, its error, its answer.
 *
 * An exchange has at most one at a time; forward.c makes the next when one failed before anything
 * was relayed. Lives in the exchange's arena, closed by attempt_close. The worker's thread only. */
#ifndef EXCHANGE_ATTEMPT_H
#define EXCHANGE_ATTEMPT_H

#include "base/clock.h"
#include "exchange/exchange.h"
#include "http/client.h"
#include "openai/tool_calls.h"
#include "provider/provider.h"

enum attempt_state {
    ATTEMPT_WAITING,   /* sent, no answer yet */
    ATTEMPT_WITHHELD,  /* its head is here; nothing counts yet, so another may still be tried */
    ATTEMPT_ANSWERING, /* the caller gets it */
    ATTEMPT_FAILED,    /* error says why */
    ATTEMPT_COMPLETE
};

/* Parts gathered for one write. */
#define ATTEMPT_PARTS_MAXIMUM 48u

struct attempt {
    struct exchange *exchange;
    const struct exchange_target *target;
    struct upstream *upstream;
    struct http_call *call;  /* NULL when over */
    struct pool_lease lease; /* of the credential that it goes out with; no row: the only one */
    struct provider_call asked;
    struct provider_request request;
    struct provider_sink sink;
    struct provider_answer *answer;
    struct provider_answer_out out;
    bool credential_failed;   /* refused, or limited while another one is ready */
    bool credential_refused;  /* the provider does not take the gateway's own */
    struct tool_calls *tools; /* counted where the call may use the provider's own; else NULL */
    enum attempt_state state;
    enum error error;
    struct text detail; /* of the error, for the caller and the record */
    unsigned status;    /* of the upstream's answer, 0 none */
    bool has_length;
    uint64_t length;
    struct text sent_lines; /* the request's header lines, with the provider's key */
    struct text lines;      /* the answer's header lines for the caller */
    size_t part_count;      /* of `parts` */
    bool object_recorded;
    struct splice_cursor cursor; /* streamed bodies: edits on the way */
    bool body_blocked;           /* the upstream takes no more for now */
    bool body_sent;              /* a streamed body was handed over to its end */
    bool paused;                 /* the caller takes no more for now */
    struct text upstream_request_id;
    struct http_call_times times;
    bool noted;

    /* for its target */
    enum route_pass pass;
    bool entered;        /* among the calls in flight there */
    uint64_t entered_at; /* loop_now */
    bool decided;        /* whether another one follows: exchange->planned */
    int64_t cost;        /* of a line of its own, picodollars; RECORD_UNKNOWN */

    struct buffer held;         /* of an answer that is withheld */
    bool filtered;              /* a good status, but a filter took the answer away */
    struct loop_timer patience; /* until its first token, or the end of withholding it */
    uint64_t token_due;         /* loop_now; 0: no time-out of the model's own */

    /* From here on nothing is zeroed (ATTEMPT_ZEROED): each is written before it is read. */
    struct text body_parts[SPLICES_PARTS_MAX]; /* the held body, as the call sends it */
    struct text parts[ATTEMPT_PARTS_MAXIMUM];  /* of the answer, gathered, not yet sent */
};

/* What of a new attempt is zeroed. */
#define ATTEMPT_ZEROED offsetof(struct attempt, body_parts)

/* What is held of an answer that is withheld: an error's body, the first frames of a stream, a
 * usual answer in one piece. What is larger goes on to the caller. */
#define ATTEMPT_HELD_MAXIMUM (64u * 1024u)
/* For so long a stream is withheld though its head is here: then callers' own time-outs for silence
 * matter more than that another target might be tried. */
#define ATTEMPT_PATIENCE (10 * NANOSECONDS_PER_SECOND)

/* Starts the call to exchange->targets[target_next]. ERROR_UNSUPPORTED: the provider does not offer
 * the endpoint or what the body asks for, ERROR_SYNTAX: the body is wrong, both with
 * exchange->problem_reason where it can be told; ERROR_MEMORY. */
must_handle enum error attempt_start(struct exchange *exchange,
                                     const struct exchange_target *target);
/* Its answer is the caller's from now on: what was withheld is gathered, to be sent. */
void attempt_release(struct attempt *attempt);
/* Drops what is open. */
void attempt_stop(struct attempt *attempt);
/* Drops what is open and notes the times and the outcome in the record, once. */
void attempt_note(struct attempt *attempt);
/* As attempt_note, then lets go of the answer. */
void attempt_close(struct attempt *attempt);

/* forward.c: whether the answer, whose head is here, waits until it is known to be one. */
bool forward_withholds(const struct attempt *attempt);
/* forward.c: whether another attempt will be made in the place of this one, which is over: decided
 * once, with all that it takes (money, the budget for retries, a target). */
bool forward_plan_next(struct attempt *attempt);
/* forward.c: the refusal that a failed attempt stands for. */
enum refusal forward_refusal(const struct attempt *attempt);
/* forward.c: the upstream takes more of a streamed body. */
void forward_pump_body(struct exchange *exchange);

/* relay.c: events of the answer. */
void relay_head(struct attempt *attempt, const struct http1_head *head);
void relay_bytes(struct attempt *attempt, struct text bytes, bool last);
void relay_flush(struct attempt *attempt);
void relay_failed(struct attempt *attempt);
void relay_patience(struct attempt *attempt);
/* relay.c: settle hands the last bytes over. */
void relay_send_last(struct attempt *attempt);
/* relay.c: how many bytes wait for that. */
size_t relay_gathered_length(const struct attempt *attempt);
/* relay.c: the provider of the attempt in hand keeps the object `id`. */
void relay_record_object(struct exchange *exchange, struct text id);
/* relay.c: the sink of the provider's answer. */
void relay_sink(void *owner, struct text bytes);

#endif
