#include "net/keepalive.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/attributes.h"

void keepalive_set(int descriptor)
{
    static const struct {
        int level;
        int option;
        int value;
    } rows[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        setsockopt(descriptor, rows[i].level, rows[i].option, &rows[i].value,
                   sizeof(rows[i].value));
}
