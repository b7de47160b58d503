/* rollup: a record as the store counts it (store/rollup.h). Pure, any thread. */
#ifndef LEDGER_ROLLUP_H
#define LEDGER_ROLLUP_H

#include "ledger/record.h"
#include "store/rollup.h"

/* Texts point to where the record's do, cut as its row in the store cuts them. */
void rollup_describe(const struct record *record, struct rollup_call *call);

#endif
