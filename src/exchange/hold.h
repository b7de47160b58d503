/* hold: what exchanges do with policy before a call is sent: limits, the worst case of its cost,
 * and what the caller is told of both. The worker's thread only. */
#ifndef EXCHANGE_HOLD_H
#define EXCHANGE_HOLD_H

#include "exchange/exchange.h"
#include "meter/price_book.h"

#define HOLD_SPAN_SIZE     40u
#define HOLD_BYTES_A_TOKEN 4 /* of English text and JSON, roughly: for limits, never for money */

/* The call, as the gate is asked about it. */
void hold_describe(const struct exchange *exchange, struct gate_call *call);
/* Into the record: what the call needs of a model (bits of enum route_need), where that was looked
 * at. */
void hold_note_needs(struct exchange *exchange, unsigned needs);
/* In admit: lists of models, and what the call counts for is taken from every limit. STEP_NEXT, or
 * the end. */
enum step_result hold_limits(struct exchange *exchange);
/* The price of what is asked of the target; NULL: it has none. */
const struct priced_model *hold_find_price(const struct exchange *exchange,
                                           const struct exchange_target *target);
/* What the call costs at most at that target, in picodollars; -1: nobody knows. */
int64_t hold_estimate(const struct exchange *exchange, const struct exchange_target *target);
/* As the step, for a copy that nobody waits for: false, and nothing is held, when it does not fit
 * whole or has no price where it would need one. */
bool hold_quietly(struct exchange *exchange);
/* The bytes of the body, or, where that is not known, as many as are taken. */
int64_t hold_body_size(const struct exchange *exchange);
/* The header lines about limits, about a clamp, and about tags that the record has no room for. */
void hold_write_lines(struct exchange *exchange, struct buffer *lines);
/* Into the record: the rules that would have refused the call. */
void hold_note_observed(struct exchange *exchange);
/* A duration as OpenAI writes them: "6m0s", "1.250s", "20ms". Returns the length. */
size_t hold_write_span(uint64_t nanoseconds, char out[HOLD_SPAN_SIZE]);

#endif
