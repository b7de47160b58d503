/* annotate: tells ThreadSanitizer of an order that it cannot see.
 *
 * liburcu orders memory with fences of its own inside a library that is not instrumented, so
 * ThreadSanitizer would call every published object a race. The writer says order_release(object)
 * before it publishes, the reader order_acquire(object) when it has found it; nothing is generated
 * in other builds. */
#ifndef IDENTITY_ANNOTATE_H
#define IDENTITY_ANNOTATE_H

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ORDER_IS_CHECKED 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define ORDER_IS_CHECKED 1
#endif

#ifdef ORDER_IS_CHECKED
#include <sanitizer/tsan_interface.h>
#define order_release(object) __tsan_release((void *)(object))
#define order_acquire(object) __tsan_acquire((void *)(object))
#else
#define order_release(object) ((void)(object))
#define order_acquire(object) ((void)(object))
#endif

#endif
