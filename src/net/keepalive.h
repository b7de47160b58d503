/* keepalive: probes on TCP connections on which nothing is said for long. Any thread.
 *
 * A model may think for minutes without a byte: middle boxes forget such connections, and a caller
 * whose machine is gone sends no end. */
#ifndef NET_KEEPALIVE_H
#define NET_KEEPALIVE_H

#define KEEPALIVE_IDLE_SECONDS     60 /* less than what address translators commonly allow */
#define KEEPALIVE_INTERVAL_SECONDS 15
#define KEEPALIVE_PROBES           4 /* unanswered: the connection is reset */

/* On a listening socket, every accepted connection inherits it. Does nothing where it does not
 * apply (unix sockets). */
void keepalive_set(int descriptor);

#endif
