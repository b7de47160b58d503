/* watch: tells when files that the configuration was made from have changed.
 *
 * By looking at them once a second: that sees an edit, a rename over the file, a Kubernetes
 * volume's switched link and a network file system alike. Main thread. */
#ifndef APP_WATCH_H
#define APP_WATCH_H

#include "config/snapshot.h"
#include "net/loop.h"

struct watch;

/* `changed` is called after a change has settled for one look. */
must_check struct watch *watch_create(struct loop *loop, void (*changed)(void *owner), void *owner);
/* Files are about to be read: what changes from now on is told. */
void watch_note(struct watch *watch);
/* Looks at `path` (may be NULL: no file) and at the certificates and files of secrets that `config`
 * names, from now on; at those that it looked at before, for changes since watch_note. */
void watch_set(struct watch *watch, const char *path, const struct config *config);
void watch_destroy(struct watch *watch);

#endif
