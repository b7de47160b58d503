/* local_server: which model servers answer on this machine, and with which models.
 *
 * Asks for /v1/models, because a bare connection would take any program on port 8000 for vLLM. All
 * at once, without threads, loopback only. Blocks for the time that it is given. */
#ifndef APP_LOCAL_SERVER_H
#define APP_LOCAL_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/text.h"

#define LOCAL_SERVER_ANSWER_MAXIMUM 262144u /* bytes; a list of 64 models has about 10,000 */
#define LOCAL_SERVERS_MAXIMUM       8u

struct local_server {
    const char *name;  /* "ollama" */
    const char *title; /* "Ollama" */
    uint16_t port;     /* on 127.0.0.1 */
    bool found;
    struct buffer answer; /* what it said, head included; local_server_close frees it */
};

/* Sets `found` and fills `answer` of each, within `milliseconds` for all. */
void local_server_probe(struct local_server *servers, size_t count, unsigned milliseconds);
/* Calls `take` with each model id of the answer, in its order. */
void local_server_models(const struct local_server *server,
                         void (*take)(void *owner, struct text model), void *owner);
void local_server_close(struct local_server *servers, size_t count);

#endif
