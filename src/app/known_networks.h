/* known_networks: in which network of the gateway's configuration an address is, for commands
 * beside it: by the file that was in force last (control/config_versions.h), of which only
 * `networks` are read, so that no secret has to be at hand. Main thread. */
#ifndef APP_KNOWN_NETWORKS_H
#define APP_KNOWN_NETWORKS_H

#include "base/arena.h"
#include "identity/network.h"

#define KNOWN_NETWORK_SIZE 65u

/* The name of the network whose longest range has all of `address`; empty when none has, or no
 * configuration was kept. `data` is the data directory. */
void known_networks_find(const char *data, const struct network *address,
                         char name[KNOWN_NETWORK_SIZE]);
/* The names of all networks, in `arena`; false when no configuration was kept, it cannot be read,
 * or memory is short. For `struct operations`. */
must_check bool known_networks_list(const char *data, struct arena *arena,
                                    const struct text **names, size_t *count);

#endif
