/* reader: how a thread takes part in read-copy-update (liburcu's QSBR flavour, known here only).
 *
 * A worker registers at its start and unregisters at its end. Around the wait of its loop it calls
 * reader_pause and reader_resume; a loop that never waits calls reader_turn once per turn. Between
 * two such calls everything it found in a shared table stays valid; it keeps no pointer across
 * them. A registered thread that blocks without reader_pause holds up the writer. */
#ifndef IDENTITY_READER_H
#define IDENTITY_READER_H

#include <stdbool.h>

void reader_register(void);
void reader_unregister(void);
/* Whether the calling thread is registered. */
bool reader_is_registered(void);

void reader_pause(void);  /* holds nothing from here on, until … */
void reader_resume(void); /* … here */
void reader_turn(void);   /* holds nothing at this moment */

/* For tables: waits until every registered thread has told that it holds nothing of what it found
 * before. The calling thread, if registered, must itself hold nothing. */
void reader_wait_for_all(void);

#endif
