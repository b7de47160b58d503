#include "leaks/patterns.h"

#include <dlfcn.h>
#include <hs/hs.h>

#include "base/ensure.h"

/* The name that both libraries' packages install: the interface is version 5's. */
#define LIBRARY "libhs.so.5"

/* The library's functions that are used here, each with its own type. */
#define FUNCTIONS(X)      \
    X(valid_platform)     \
    X(compile_multi)      \
    X(free_database)      \
    X(free_compile_error) \
    X(alloc_scratch) X(free_scratch) X(open_stream) X(scan_stream) X(reset_stream) X(close_stream)

struct library {
#define MEMBER(name) __typeof__(hs_##name) *name;
    FUNCTIONS(MEMBER)
#undef MEMBER
};

struct patterns {
    void *handle;
    struct library library;
    hs_database_t *database;
};

struct pattern_scan {
    const struct patterns *patterns;
    hs_scratch_t *scratch;
    hs_stream_t *stream;
    pattern_matched matched;
    void *context;
};

static bool load_library(struct patterns *patterns, char problem[PATTERNS_PROBLEM_SIZE])
{
    bool complete = true;
    patterns->handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (patterns->handle == NULL) {
        (void)snprintf(problem, PATTERNS_PROBLEM_SIZE,
                       "looking for keys needs the library " LIBRARY " (%.200s); on Debian the "
                       "package libvectorscan5 or libhyperscan5 has it",
                       dlerror());
        return false;
    }
    /* POSIX's way from an object pointer to a function pointer. */
#define LOAD(name)                                                                    \
    *(void **)(void *)&patterns->library.name = dlsym(patterns->handle, "hs_" #name); \
    complete = complete && patterns->library.name != NULL;
    FUNCTIONS(LOAD)
#undef LOAD
    if (!complete)
        (void)snprintf(problem, PATTERNS_PROBLEM_SIZE,
                       LIBRARY " is not the library that it says it is: functions are missing");
    return complete;
}

static bool compile(struct patterns *patterns, char problem[PATTERNS_PROBLEM_SIZE])
{
    const char *texts[SECRET_KIND_COUNT];
    unsigned flags[SECRET_KIND_COUNT], ids[SECRET_KIND_COUNT];
    hs_compile_error_t *error = NULL;
    for (unsigned i = 0; i < SECRET_KIND_COUNT; i++) {
        texts[i] = secret_rows[i].pattern;
        flags[i] = 0;
        ids[i] = i;
    }
    if (patterns->library.compile_multi(texts, flags, ids, SECRET_KIND_COUNT, HS_MODE_STREAM, NULL,
                                        &patterns->database, &error) == HS_SUCCESS)
        return true;
    (void)snprintf(problem, PATTERNS_PROBLEM_SIZE, LIBRARY " does not take the patterns: %.300s",
                   error ? error->message : "it does not say why");
    if (error)
        (void)patterns->library.free_compile_error(error);
    return false;
}

enum error patterns_open(struct patterns **out, char problem[PATTERNS_PROBLEM_SIZE])
{
    struct patterns *patterns = ensure_memory(calloc(1, sizeof *patterns));
    bool good = load_library(patterns, problem);
    if (good && patterns->library.valid_platform() != HS_SUCCESS) {
        (void)snprintf(problem, PATTERNS_PROBLEM_SIZE,
                       "looking for keys needs a processor with SSSE3 (x86 since 2006), or an Arm "
                       "one and libvectorscan5; this one " LIBRARY " does not run on");
        good = false;
    }
    good = good && compile(patterns, problem);
    *out = good ? patterns : NULL;
    if (good)
        return ERROR_OK;
    patterns_close(patterns);
    return ERROR_UNSUPPORTED;
}

void patterns_close(struct patterns *patterns)
{
    if (patterns == NULL)
        return;
    if (patterns->database)
        (void)patterns->library.free_database(patterns->database);
    if (patterns->handle)
        (void)dlclose(patterns->handle);
    free(patterns);
}

enum error pattern_scan_open(const struct patterns *patterns, pattern_matched matched,
                             void *context, struct pattern_scan **out)
{
    struct pattern_scan *scan = calloc(1, sizeof *scan);
    *out = scan;
    if (scan == NULL)
        return ERROR_MEMORY;
    *scan = (struct pattern_scan){.patterns = patterns, .matched = matched, .context = context};
    const struct library *library = &patterns->library;
    if (library->alloc_scratch(patterns->database, &scan->scratch) == HS_SUCCESS &&
        library->open_stream(patterns->database, 0, &scan->stream) == HS_SUCCESS)
        return ERROR_OK;
    pattern_scan_close(scan);
    *out = NULL;
    return ERROR_MEMORY;
}

void pattern_scan_close(struct pattern_scan *scan)
{
    if (scan == NULL)
        return;
    const struct library *library = &scan->patterns->library;
    if (scan->stream)
        (void)library->close_stream(scan->stream, NULL, NULL, NULL);
    if (scan->scratch)
        (void)library->free_scratch(scan->scratch);
    free(scan);
}

static int report(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                  void *context)
{
    const struct pattern_scan *scan = context;
    ensure(id < SECRET_KIND_COUNT);
    scan->matched(scan->context, (enum secret_kind)id, to);
    return 0;
}

void pattern_scan_take(struct pattern_scan *scan, struct text bytes)
{
    ensure(bytes.length <= UINT32_MAX);
    ensure(scan->patterns->library.scan_stream(scan->stream, bytes.data, (unsigned)bytes.length, 0,
                                               scan->scratch, report, scan) == HS_SUCCESS);
}

void pattern_scan_end(struct pattern_scan *scan)
{
    ensure(scan->patterns->library.reset_stream(scan->stream, 0, scan->scratch, report, scan) ==
           HS_SUCCESS);
}
