/* doctor_network: names and addresses, looked at one step at a time. Blocks. Main thread. */
#ifndef APP_DOCTOR_NETWORK_H
#define APP_DOCTOR_NETWORK_H

#include <sys/socket.h>

#include "base/text.h"

#define DOCTOR_ADDRESSES_MAX 16u
#define DOCTOR_ADDRESS_SIZE  64u

struct doctor_address {
    struct sockaddr_storage address;
    socklen_t length;
    char text[DOCTOR_ADDRESS_SIZE];
};

struct doctor_addresses {
    struct doctor_address rows[DOCTOR_ADDRESSES_MAX];
    size_t count;
    const char *problem; /* why there is none: static; NULL: there are some */
    bool unreachable;    /* no name server answered, which is something else than no such name */
};

/* Of one family, AF_INET or AF_INET6, as the system's resolver says. */
void doctor_resolve(const char *host, unsigned port, int family, struct doctor_addresses *out);
/* Opens a TCP connection and closes it. 0, or what errno says. */
int doctor_connect(const struct doctor_address *address, int milliseconds);

#endif
