/* ledger_parts: the inside of a ledger, for those who do its work beside the road
 * (control/ledger_thread.c, observe/access_log.c). */
#ifndef LEDGER_LEDGER_PARTS_H
#define LEDGER_LEDGER_PARTS_H

#include "ledger/importer.h"
#include "ledger/ledger.h"
#include "ledger/shelf.h"

#define LEDGER_LOCK_FILE         "lock"
#define LEDGER_JOURNAL_DIRECTORY "journal"

struct ledger {
    struct shelf shelf;
    bool shelf_open;
    struct importer *importer;
    struct guard *guard;
    struct knocks *knocks; /* of each worker */
    unsigned workers;
    int directory;
    int lock;
    unsigned tail_lane;             /* where the access log reads first next time */
    _Atomic uint64_t lines_written; /* by the access log */
};

#endif
