/* name_server: a name server on the loopback that answers what a test tells it (RFC 1035 section
 * 4). It runs on the test's own loop. */
#ifndef TESTS_NET_NAME_SERVER_H
#define TESTS_NET_NAME_SERVER_H

#include "endpoint.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "net/resolver.h"

#define NAME_SERVER_RECORDS 64u
#define NAME_SERVER_NONE    3u /* RCODE: no such name */
#define NAME_SERVER_FAILS   2u /* RCODE: server failure */

struct name_record {
    char name[64];
    struct address address;
    uint32_t seconds;
};

struct name_server {
    struct loop *loop;
    struct loop_watch *watch;
    int descriptor;
    struct name_record records[NAME_SERVER_RECORDS];
    size_t count;
    unsigned questions; /* for addresses of IPv4: one a lookup */
    unsigned rcode;     /* not 0: answers everything with it */
    bool silent;
};

static inline void name_server_add(struct name_server *server, const char *name, const char *ip,
                                   uint32_t seconds)
{
    assert_true(server->count < NAME_SERVER_RECORDS);
    struct name_record *record = &server->records[server->count++];
    text_copy_to(text_from(name), record->name, sizeof(record->name));
    assert_int_equal(address_parse_host(text_from(ip), 0, &record->address), ERROR_OK);
    record->seconds = seconds;
}

/* "\3two\4test\0" as "two.test"; returns the length of the encoded form. */
static inline size_t name_server_decode(const uint8_t *question, char out[256])
{
    size_t read = 0;
    size_t written = 0;
    while (question[read] != 0) {
        if (written)
            out[written++] = '.';
        memcpy(out + written, question + read + 1, question[read]);
        written += question[read];
        read += question[read] + 1u;
    }
    out[written] = '\0';
    return read + 1;
}

static inline size_t name_server_put_record(uint8_t *out, const struct name_record *record)
{
    bool v6 = record->address.any.sa_family == AF_INET6;
    size_t size = v6 ? 16 : 4;
    uint32_t seconds = htonl(record->seconds);
    memcpy(out, (uint8_t[]){0xc0, 12, 0, v6 ? 28 : 1, 0, 1},
           6); /* the name is that of the question */
    memcpy(out + 6, &seconds, 4);
    memcpy(out + 10, (uint8_t[]){0, (uint8_t)size}, 2);
    if (v6)
        memcpy(out + 12, &record->address.v6.sin6_addr, size);
    else
        memcpy(out + 12, &record->address.v4.sin_addr, size);
    return 12 + size;
}

static inline void name_server_ready(void *owner, unsigned events)
{
    struct name_server *server = owner;
    uint8_t message[2048];
    struct sockaddr_in from;
    socklen_t from_length = sizeof(from);
    ssize_t got = recvfrom(server->descriptor, message, 512, MSG_DONTWAIT, (struct sockaddr *)&from,
                           &from_length);
    if (got < 17)
        return;
    char name[256];
    size_t length = 12 + name_server_decode(message + 12, name) + 4;
    uint8_t type = message[length - 3];
    server->questions += type == 1;
    if (server->silent)
        return;
    uint8_t found = 0;
    bool known = false;
    for (size_t i = 0; i < server->count && server->rcode == 0; i++) {
        const struct name_record *record = &server->records[i];
        bool wanted = (record->address.any.sa_family == AF_INET6) == (type == 28);
        if (strcmp(record->name, name) != 0)
            continue;
        known = true;
        if (wanted) {
            length += name_server_put_record(message + length, record);
            found++;
        }
    }
    unsigned rcode = server->rcode ? server->rcode : known ? 0u : NAME_SERVER_NONE;
    message[2] = 0x81;
    message[3] = (uint8_t)(0x80 | rcode);
    memcpy(message + 4, (uint8_t[]){0, 1, 0, found, 0, 0, 0, 0}, 8);
    sendto(server->descriptor, message, length, 0, (struct sockaddr *)&from, from_length);
}

/* Opens the server and a resolver that asks it. */
static inline struct resolver *name_server_open(struct name_server *server, struct loop *loop)
{
    *server = (struct name_server){.loop = loop};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    server->descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->descriptor, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(server->descriptor, (struct sockaddr *)&address, &length), 0);
    assert_int_equal(
        loop_watch_open(loop, server->descriptor, name_server_ready, server, &server->watch),
        ERROR_OK);
    loop_watch_set(server->watch, LOOP_READABLE);
    char servers[32];
    snprintf(servers, sizeof(servers), "127.0.0.1:%u", ntohs(address.sin_port));
    struct resolver *resolver = resolver_create(loop, servers, 300 * MILLISECOND);
    assert_non_null(resolver);
    return resolver;
}

static inline void name_server_close(struct name_server *server)
{
    loop_watch_close(server->watch);
    close(server->descriptor);
}

#endif
