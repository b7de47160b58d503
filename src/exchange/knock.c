#include "exchange/knock.h"

#include "config/snapshot.h"
#include "exchange/upstreams.h"

/* What the configuration calls where the address is; empty: nothing. */
static struct text name_network(const struct worker_door *door, const struct address *source)
{
    const struct upstreams *upstreams = door->worker->upstreams;
    struct network network;

    if (!network_of(source, &network))
        return source->length > 0 ? TEXT(CONFIG_NETWORK_UNIX) : text_of(NULL, 0);
    const struct config_network *named =
        upstreams ? config_network_of(upstreams->config, &network) : NULL;
    return named ? named->name : text_of(NULL, 0);
}

void knock_note(const struct worker_door *door, const struct address *source,
                enum knock_reason reason)
{
    const struct worker *worker = door->worker;
    char host[ADDRESS_TEXT_SIZE];

    if (!worker->knocks)
        return;
    size_t length = address_format_host(source, host);
    knocks_put(worker->knocks, loop_wall(worker->loop), reason, text_of(host, length),
               name_network(door, source), door->name);
}

void knock_on_no_tls(void *door, const struct address *peer, enum tls_trouble trouble)
{
    static const enum knock_reason reasons[] = {
        [TLS_TROUBLE_OTHER] = KNOCK_TLS_OTHER,
        [TLS_TROUBLE_PLAIN_HTTP] = KNOCK_TLS_PLAIN_HTTP,
        [TLS_TROUBLE_VERSION] = KNOCK_TLS_VERSION,
        [TLS_TROUBLE_CLIENT_CERTIFICATE] = KNOCK_TLS_CLIENT_CERTIFICATE,
        [TLS_TROUBLE_DISTRUSTED] = KNOCK_TLS_DISTRUSTED,
    };

    knock_note(door, peer, reasons[trouble]);
}
