/* left: what an attempt cost whose answer the caller does not get: one that was left for another,
 * the loser of a hedge.
 *
 * It is a line of its own in the ledger, with its provider and its cost, and counts in the same
 * budgets as the call (`part_of` says which call; it stands for no call itself). Room in the
 * journal and money are there before it is counted on: a retry that could not be paid for is not
 * made. The worker's thread only. */
#ifndef EXCHANGE_LEFT_H
#define EXCHANGE_LEFT_H

#include "exchange/attempt.h"

/* Room and money for one line; zeroed: none. */
struct left {
    struct policy_hold hold;
    struct journal_reservation room;
    bool open;
};

/* Holds the worst case of one more attempt. False when a budget or the journal has no room. */
bool left_open(struct exchange *exchange, struct left *left);
/* Gives it back unused. */
void left_close(struct exchange *exchange, struct left *left);
/* The attempt is over: its line is written, if it cost something; `left` is used up either way.
 * `part` is static. */
void left_write(struct exchange *exchange, struct attempt *attempt, struct left *left,
                struct text part);
/* For an attempt that failed before anything was held for it: writes its line. False when what it
 * cost does not fit beside what is held for the call: then the call must end with this attempt. */
bool left_pay(struct exchange *exchange, struct attempt *attempt);

#endif
