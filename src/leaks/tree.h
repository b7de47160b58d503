/* tree: the secrets in files and folders.
 *
 * Every regular file is searched, whatever it holds and whatever a .gitignore says: secrets hide
 * there. Left out are git's objects, which are compressed (leaks/history.h looks into them), and
 * what is behind symbolic links within the tree. */
#ifndef LEAKS_TREE_H
#define LEAKS_TREE_H

#include "leaks/crew.h"

/* Files at one go; a list of them takes some 100 bytes each. */
#define TREE_FILES_MAX 8000000u

/* ERROR_NOT_FOUND when one of the paths is not there (told through crew->complain), ERROR_LIMIT
 * over TREE_FILES_MAX, and those of crew_run. */
must_handle enum error tree_scan(struct crew *crew, char *const *paths, size_t count);
/* What comes from a descriptor, as a file of that name. The calling thread. Errors as above;
 * ERROR_SYSTEM when it could not be read to its end. */
must_handle enum error tree_scan_descriptor(struct crew *crew, int descriptor, const char *name);

#endif
