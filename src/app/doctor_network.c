#include "app/doctor_network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

static void write_address(struct doctor_address *row)
{
    if (getnameinfo((const struct sockaddr *)&row->address, row->length, row->text,
                    sizeof row->text, NULL, 0, NI_NUMERICHOST) != 0)
        row->text[0] = '\0';
}

void doctor_resolve(const char *host, unsigned port, int family, struct doctor_addresses *out)
{
    const struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    char service[16];
    *out = (struct doctor_addresses){0};
    (void)snprintf(service, sizeof service, "%u", port);
    int error = getaddrinfo(host, service, &hints, &list);
    if (error != 0) {
        out->problem = error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error);
        out->unreachable = error == EAI_AGAIN;
        return;
    }
    for (const struct addrinfo *one = list; one && out->count < DOCTOR_ADDRESSES_MAX;
         one = one->ai_next) {
        struct doctor_address *row = &out->rows[out->count++];
        memcpy(&row->address, one->ai_addr, one->ai_addrlen);
        row->length = one->ai_addrlen;
        write_address(row);
    }
    freeaddrinfo(list);
}

int doctor_connect(const struct doctor_address *address, int milliseconds)
{
    int problem = 0;
    socklen_t size = sizeof problem;
    int descriptor =
        socket(address->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return errno;
    if (connect(descriptor, (const struct sockaddr *)&address->address, address->length) != 0)
        problem = errno;
    if (problem == EINPROGRESS) {
        struct pollfd watch = {.fd = descriptor, .events = POLLOUT};
        int ready = poll(&watch, 1, milliseconds);
        if (ready <= 0)
            problem = ready == 0 ? ETIMEDOUT : errno;
        else if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &problem, &size) != 0)
            problem = errno;
    }
    (void)close(descriptor);
    return problem;
}
