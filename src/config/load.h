/* load: from a YAML file to a snapshot, or to the list of everything that is wrong with it.
 *
 * Nothing half-valid comes out: one error and there is no snapshot (design, law 10). Secrets behind
 * env: and file: are read here, and the proxy variables of the environment too. Blocks on files;
 * main thread, a command or the thread of the admin API, never a worker. */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

#include "base/buffer.h"
#include "config/problem.h"
#include "config/snapshot.h"
#include "tables/error.h"

/* Reads and checks the file at `path`. `out` gets a snapshot that the caller releases, or NULL.
 * SYNTAX when problems tell of at least one error, NOT_FOUND or SYSTEM when the file cannot be read
 * (problems says why), MEMORY. Warnings may be there with OK. `problems` is opened by the caller.
 */
must_handle enum error config_load(const char *path, struct config **out,
                                   struct config_problems *problems);
/* Only the file's bytes, at the end of `yaml`, which has room for DOCUMENT_BYTES_MAXIMUM and some
 * more; the same errors. */
must_handle enum error config_read_file(const char *path, struct buffer *yaml,
                                        struct config_problems *problems);
/* The same for text at hand; `name` stands for the file in messages. */
must_handle enum error config_load_text(struct text name, struct text yaml, struct config **out,
                                        struct config_problems *problems);
/* The same, but that these rules of listeners are only observed where the file enforces them. */
must_handle enum error config_load_guarded(struct text name, struct text yaml,
                                           const struct config_taken_back *taken_back, size_t count,
                                           struct config **out, struct config_problems *problems);

#endif
