/* Each server goes CONNECTING -> READING -> ENDED, and from anywhere to ENDED by an error or when
 * the time is over. A descriptor is open exactly while it has not ended. */
#include "app/local_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <yyjson.h>

#include "base/clock.h"
#include "base/ensure.h"

#define READ_STEP 16384u

/* HTTP/1.0, so that the answer ends with the connection and has no chunks. */
static const char question[] = "GET /v1/models HTTP/1.0\r\nHost: localhost\r\n"
                               "Accept: application/json\r\nUser-Agent: turnpike\r\n\r\n";

static int start(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return -1;
    if (connect(descriptor, (struct sockaddr *)&address, sizeof(address)) == 0 ||
        errno == EINPROGRESS)
        return descriptor;
    close(descriptor);
    return -1;
}

static void end(struct pollfd *watch)
{
    close(watch->fd);
    watch->fd = -1;
}

/* The connection stands, or failed. The question fits any socket's buffer. */
static void ask(struct pollfd *watch)
{
    ssize_t sent = send(watch->fd, question, sizeof(question) - 1, MSG_NOSIGNAL);
    if (sent == (ssize_t)sizeof(question) - 1)
        watch->events = POLLIN;
    else
        end(watch);
}

static void receive(struct pollfd *watch, struct buffer *answer)
{
    char *space = buffer_reserve(answer, READ_STEP);
    ssize_t got = space ? recv(watch->fd, space, READ_STEP, 0) : 0;
    if (got > 0)
        answer->length += (size_t)got;
    else if (got == 0 || (errno != EAGAIN && errno != EINTR))
        end(watch);
}

static struct text body_of(struct text answer)
{
    ptrdiff_t head = text_find(answer, TEXT("\r\n\r\n"));
    return head < 0 ? (struct text){0} : text_from_index(answer, (size_t)head + 4);
}

static yyjson_doc *parse_models(struct text answer)
{
    struct text body = body_of(answer);
    yyjson_doc *document = text_empty(body) ? NULL : yyjson_read(body.data, body.length, 0);
    if (document && yyjson_is_arr(yyjson_obj_get(yyjson_doc_get_root(document), "data")))
        return document;
    yyjson_doc_free(document);
    return NULL;
}

/* A list of models, or a server of this kind that wants a key: not another Turnpike, whose console
 * may have one of the ports. */
static bool is_model_server(struct text answer)
{
    if (!text_starts_with(answer, TEXT("HTTP/1.")) || answer.length < sizeof("HTTP/1.1 200"))
        return false;
    struct text status = text_of(answer.data + sizeof("HTTP/1.1"), 3);
    if (text_equal(status, TEXT("401")))
        return text_find(answer, TEXT("Turnpike")) < 0;
    yyjson_doc *document = parse_models(answer);
    bool found = text_equal(status, TEXT("200")) && document;
    yyjson_doc_free(document);
    return found;
}

static bool poll_once(struct local_server *servers, struct pollfd *watches, size_t count,
                      uint64_t deadline)
{
    uint64_t now = clock_monotonic();
    bool open = false;
    for (size_t i = 0; i < count; i++)
        open |= watches[i].fd >= 0;
    if (!open || now >= deadline)
        return false;
    int wait = (int)((deadline - now) / NANOSECONDS_PER_MILLISECOND) + 1;
    if (poll(watches, (nfds_t)count, wait) < 0)
        return errno == EINTR;
    for (size_t i = 0; i < count; i++) {
        if (watches[i].fd < 0 || watches[i].revents == 0)
            continue;
        if (watches[i].events == POLLOUT)
            ask(&watches[i]);
        else
            receive(&watches[i], &servers[i].answer);
    }
    return true;
}

void local_server_probe(struct local_server *servers, size_t count, unsigned milliseconds)
{
    struct pollfd watches[LOCAL_SERVERS_MAXIMUM];
    uint64_t deadline = clock_monotonic() + milliseconds * NANOSECONDS_PER_MILLISECOND;
    ensure(count <= LOCAL_SERVERS_MAXIMUM);
    for (size_t i = 0; i < count; i++) {
        buffer_open(&servers[i].answer, LOCAL_SERVER_ANSWER_MAXIMUM);
        watches[i] = (struct pollfd){.fd = start(servers[i].port), .events = POLLOUT};
    }
    while (poll_once(servers, watches, count, deadline)) {
    }
    for (size_t i = 0; i < count; i++) {
        if (watches[i].fd >= 0)
            end(&watches[i]);
        servers[i].found = is_model_server(buffer_text(&servers[i].answer));
    }
}

void local_server_models(const struct local_server *server,
                         void (*take)(void *owner, struct text model), void *owner)
{
    yyjson_doc *document = parse_models(buffer_text(&server->answer));
    yyjson_val *models = yyjson_obj_get(yyjson_doc_get_root(document), "data");
    size_t index, count;
    yyjson_val *model;
    yyjson_arr_foreach(models, index, count, model)
    {
        yyjson_val *id = yyjson_obj_get(model, "id");
        if (yyjson_is_str(id))
            take(owner, text_of(yyjson_get_str(id), yyjson_get_len(id)));
    }
    yyjson_doc_free(document);
}

void local_server_close(struct local_server *servers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buffer_close(&servers[i].answer);
}
