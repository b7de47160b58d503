/* reply: what the demo's writers write into: a body, or the frames of a stream. Owned by one call,
 * on its worker's thread. */
#ifndef DEMO_REPLY_H
#define DEMO_REPLY_H

#include "base/buffer.h"
#include "codec/json.h"
#include "demo/talk.h"

struct reply {
    struct buffer body; /* JSON, or all frames one after the other */
    unsigned status;
    bool stream;
    int64_t created;         /* seconds */
    unsigned long long seed; /* of ids: from the request and the time */
};

/* {"error":…} with the status. */
void reply_error(struct reply *reply, unsigned status, const struct demo_problem *problem);
/* An id such as "chatcmpl-demo0123456789abcdef" into `out`; `index` tells several apart. */
#define REPLY_ID_SIZE 64
struct text reply_id(const struct reply *reply, const char *prefix, unsigned index,
                     char out[REPLY_ID_SIZE]);

/* Each answers a parsed request; `length` is that of its body. Failures are in reply->body. */
void chat_answer(struct reply *reply, yyjson_val *root, size_t length);
void responses_answer(struct reply *reply, yyjson_val *root, size_t length);
void completions_answer(struct reply *reply, yyjson_val *root, size_t length);
void embeddings_answer(struct reply *reply, yyjson_val *root, size_t length);
void moderations_answer(struct reply *reply, yyjson_val *root, size_t length);

#endif
