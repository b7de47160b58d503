/* echo: POST /turnpike/v1/echo: what arrived here of a call, told to who sent it, so that he sees
 * what was changed on the way. Documented in docs/doctor.md; why it is as it is stands in
 * docs/decisions/0050.
 *
 * A body is hashed as it comes and never kept. With `events` in the query the answer is a stream of
 * small events, `interval_ms` apart: what comes late was held back, and a long interval is a
 * silence that something on the way may cut. Nothing is taken from limits and budgets. The worker's
 * thread only. */
#ifndef EXCHANGE_ECHO_H
#define EXCHANGE_ECHO_H

#include "exchange/exchange.h"

/* Bytes: more than the megabyte at which proxies stop by default, and some milliseconds to hash. */
#define ECHO_BODY_MAXIMUM (4u << 20)
/* Streams at the same time in one worker: each holds a connection for up to an hour. */
#define ECHO_STREAMS_MAXIMUM 64u

/* Before the first byte of a body. False: no memory. */
must_check bool echo_open(struct exchange *exchange);
void echo_take_body(struct exchange *exchange, struct text bytes);
/* The answer, or the beginning of the stream, which then ends by itself. */
enum step_result echo_answer(struct exchange *exchange);
/* Frees what the echo holds; the exchange may have none. */
void echo_close(struct exchange *exchange);

#endif
