/* poison: functions that nobody here may call, because each has hurt somebody.
 *
 * Force-included into every file of the house by the build, after the system's own headers. */
#ifndef BASE_POISON_H
#define BASE_POISON_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang_analyzer__)
/* With clang, _FORTIFY_SOURCE makes these two macros, and it refuses to poison a macro. */
#undef sprintf
#undef vsprintf
#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok gets
#pragma GCC poison atoi atol atoll atof
#endif

#endif
