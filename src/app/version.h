/* version: what is running. Constant, any thread. */
#ifndef APP_VERSION_H
#define APP_VERSION_H

extern const char version_commit[];   /* "2539c35f8ab1", or "unknown" */
extern const char version_compiler[]; /* "gcc 12.2.0" */

#endif
