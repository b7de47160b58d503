/* paths: the data directory, and what lies in it. Main thread. */
#ifndef APP_PATHS_H
#define APP_PATHS_H

#include <stdbool.h>
#include <stddef.h>

#define DATA_DEFAULT "./data"
#define PATH_SIZE    4096u

/* Prepares to work in the data directory `data` beside a running server: it must exist (it is made,
 * mode 0700, with `make`) and be writable. Root becomes the directory's owner first, so that no
 * file is made that the server could not open. False when it has printed why not. */
bool data_directory_enter(const char *data, bool make);

/* DATA/NAME into `out`; false when it is too long (printed). */
bool data_path(const char *data, const char *name, char out[PATH_SIZE]);

#endif
