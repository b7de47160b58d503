/* tool_calls: how often the provider ran a tool of its own for one answer, counted in passing.
 *
 * OpenAI bills such calls beside tokens and tells of them nowhere but in the items of the output,
 * each of which has an id of its own ("ws_…"); a stream has each item several times, so distinct
 * ids are counted. Bytes of the answer's body come split anywhere. By value, nothing to close, one
 * thread at a time. OpenAI API reference, responses: output items. */
#ifndef OPENAI_TOOL_CALLS_H
#define OPENAI_TOOL_CALLS_H

#include <stdint.h>

#include "base/text.h"

enum tool_call {
    TOOL_CALL_WEB_SEARCH,  /* ws_ */
    TOOL_CALL_FILE_SEARCH, /* fs_ */
    TOOL_CALL_CONTAINER,   /* cntr_: sessions of the code interpreter, not its calls */
    TOOL_CALL_COUNT
};

#define TOOL_CALLS_IDS_MAX 512u /* distinct ids of one answer; 119 calls were seen at most */

struct tool_calls {
    unsigned counts[TOOL_CALL_COUNT];
    bool full; /* there were more than TOOL_CALLS_IDS_MAX: the counts are too low */
    /* the rest belongs to tool_calls.c */
    uint8_t state, matched;
    int16_t kind;
    uint64_t hash;
    size_t id_count;
    uint64_t ids[TOOL_CALLS_IDS_MAX]; /* hashes */
};

void tool_calls_open(struct tool_calls *calls);
void tool_calls_feed(struct tool_calls *calls, struct text bytes);

#endif
