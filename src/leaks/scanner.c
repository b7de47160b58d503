/* The memory is one piece: the last HISTORY bytes of what was searched before, then the block that
 * is searched now.
 *
 *   | HISTORY bytes | block, up to SCANNER_BLOCK bytes |
 *                   ^ `base`: its offset in the file
 *
 * A match tells where a secret has surely begun. Where it ends, and whether its line says that it
 * is intended, is seen when WINDOW bytes from its start have been read, or the file has ended:
 * until then it is a candidate, and keeps a copy. */
#include "leaks/scanner.h"

#include <math.h>

#include "base/ensure.h"
#include "base/secret.h"
#include "identity/key.h"

#define HISTORY 512u
/* From the start of a secret: the longest one, and what stands behind it on its line. */
#define WINDOW (SECRETS_LENGTH_MAX + 192u)
/* Before a secret, for SCANNER_ALLOW on its line. */
#define LOOK_BEHIND 192u

_Static_assert(SECRETS_LENGTH_MAX + LOOK_BEHIND <= HISTORY,
               "a secret's start is still there when it matches");

struct candidate {
    struct scanner_secret found;
    size_t kept;        /* bytes of `bytes` */
    bool settled;       /* it is a secret, and how long is known */
    bool starts;        /* nothing before it makes it the rest of a longer word */
    char bytes[WINDOW]; /* from its start */
};

/* Up to where lines and characters were counted. */
struct mark {
    const char *at;
    uint64_t lines;         /* that have ended before it */
    uint64_t line_start;    /* offset of the first byte of the line it is in */
    uint64_t continuations; /* of that line, before it */
};

struct scanner {
    struct pattern_scan *scan;
    struct candidate *candidates;
    size_t count, room, unsettled; /* those from `unsettled` on may be incomplete */
    bool more;
    size_t look_alikes;
    uint64_t base; /* of the block: its offset in the file */
    size_t block_length;
    struct mark mark;
    char *memory; /* HISTORY + SCANNER_BLOCK */
};

/* ------------------------------------------------------------------ is it one? */

/* In bits a character (Shannon). English words have some 2.5 over their own length, placeholders
 * such as "xxxxxxxx" and "1234123412341234" less; 32 random characters have over 4. */
#define ENTROPY_MINIMUM_LONG 3.0
/* Of 16 characters hardly any two may be the same to come near 4. */
#define ENTROPY_MINIMUM_SHORT 2.5
#define SHORT                 20u

static double entropy(struct text t)
{
    size_t counts[256] = {0};
    double sum = 0;
    for (size_t i = 0; i < t.length; i++)
        counts[(unsigned char)t.data[i]]++;
    for (size_t i = 0; i < ARRAY_LENGTH(counts); i++) {
        if (counts[i] > 0)
            sum += (double)counts[i] * log2((double)counts[i]);
    }
    return t.length > 0 ? log2((double)t.length) - sum / (double)t.length : 0;
}

/* Documents show keys that are none: EXAMPLE in it, or hardly two different characters. */
static bool looks_random(const struct secret_row *row, struct text secret)
{
    struct text rest = text_from_index(secret, row->shown);
    double minimum = rest.length <= SHORT ? ENTROPY_MINIMUM_SHORT : ENTROPY_MINIMUM_LONG;
    return text_find(rest, TEXT("EXAMPLE")) < 0 && entropy(rest) >= minimum;
}

static bool checksum_is_right(enum secret_kind kind, struct text secret)
{
    struct text id;
    return (kind == SECRET_TURNPIKE_KEY ? key_parse(secret, &id) : key_parse_admin(secret, &id)) ==
           KEY_SYNTAX_OK;
}

/* How long the run of the row's alphabet is; 0: too long to be one. */
static size_t measure(const struct secret_row *row, const struct candidate *candidate)
{
    size_t length = row->length;
    while (length < candidate->kept && length <= row->maximum &&
           secret_alphabet_has(row->alphabet, candidate->bytes[length]))
        length++;
    return length > row->maximum ? 0 : length;
}

/* All that can be seen of it is there. Whether it is a secret. */
static bool settle(struct scanner *scanner, struct candidate *candidate)
{
    struct scanner_secret *found = &candidate->found;
    const struct secret_row *row = &secret_rows[found->kind];
    bool ours = secret_is_ours(found->kind);
    size_t length = ours ? row->length : measure(row, candidate);
    struct text secret = text_of(candidate->bytes, length);
    if (ours && !checksum_is_right(found->kind, secret)) {
        scanner->look_alikes++;
        return false;
    }
    if (!ours && (length == 0 || !candidate->starts || !looks_random(row, secret)))
        return false;
    struct text behind = text_from_index(text_of(candidate->bytes, candidate->kept), length);
    found->allowed |= text_find(text_split(&behind, '\n'), TEXT(SCANNER_ALLOW)) >= 0;
    found->secret = secret;
    candidate->settled = true;
    return true;
}

/* ------------------------------------------------------------------ candidates */

/* Bytes from HISTORY before the block to its end; `offset` is one of the file. */
static char *place_of(struct scanner *scanner, uint64_t offset)
{
    return scanner->memory + HISTORY + (ptrdiff_t)(int64_t)(offset - scanner->base);
}

static char *block_end(struct scanner *scanner)
{
    return scanner->memory + HISTORY + scanner->block_length;
}

static uint64_t offset_of(const struct scanner *scanner, const char *at)
{
    return scanner->base + (uint64_t)(at - (scanner->memory + HISTORY));
}

/* The first byte that is there at all: less than HISTORY in a file's first block. */
static char *first_byte(struct scanner *scanner)
{
    size_t before = scanner->base < HISTORY ? (size_t)scanner->base : HISTORY;
    return scanner->memory + HISTORY - before;
}

/* Whether a word begins here, though the byte before belongs to words: "\n" and "%3D" in front of a
 * key are escapes, as in JSON and URLs. */
static bool is_escaped(const char *first, const char *at)
{
    if (at - first >= 2 && at[-2] == '\\')
        return at[-1] == 'n' || at[-1] == 't' || at[-1] == 'r';
    return at - first >= 3 && at[-3] == '%';
}

/* Every byte of every file is looked at: so many at a time, by instructions as wide as there are.
 */
#define COUNTED_AT_ONCE 128u

/* Bytes whose bits of `mask` are `value`. */
static uint64_t count_bytes(const char *from, const char *to, unsigned mask, unsigned value)
{
    uint64_t count = 0;
    for (; (size_t)(to - from) >= COUNTED_AT_ONCE; from += COUNTED_AT_ONCE) {
        uint8_t part = 0; /* at most COUNTED_AT_ONCE */
        for (size_t i = 0; i < COUNTED_AT_ONCE; i++)
            part = (uint8_t)(part + (((unsigned char)from[i] & mask) == value));
        count += part;
    }
    for (; from < to; from++)
        count += ((unsigned char)*from & mask) == value;
    return count;
}

static uint64_t count_line_ends(const char *from, const char *to)
{
    return count_bytes(from, to, 0xff, '\n');
}

/* Bytes of UTF-8 that go on with a character. */
static uint64_t count_continuations(const char *from, const char *to)
{
    return count_bytes(from, to, 0xc0, 0x80);
}

/* Every byte is counted once. Only matches that overlap come out of order, and no secret has an end
 * of line in it: the way back stays on the line. */
static void move_mark(struct scanner *scanner, const char *at)
{
    struct mark *mark = &scanner->mark;
    if (at < mark->at) {
        mark->continuations -= count_continuations(at, mark->at);
    } else {
        const char *last = memrchr(mark->at, '\n', (size_t)(at - mark->at));
        if (last != NULL) {
            mark->lines += count_line_ends(mark->at, last + 1);
            mark->line_start = offset_of(scanner, last + 1);
            mark->continuations = 0;
        }
        mark->continuations += count_continuations(last ? last + 1 : mark->at, at);
    }
    mark->at = at;
}

/* Line and column; what the line says before it. */
static void look_before(struct scanner *scanner, struct candidate *candidate)
{
    struct scanner_secret *found = &candidate->found;
    const char *at = place_of(scanner, found->offset), *first = first_byte(scanner);
    size_t before = (size_t)(at - first);
    if (before > LOOK_BEHIND)
        before = LOOK_BEHIND;
    const char *line = memrchr(at - before, '\n', before);
    line = line ? line + 1 : at - before;
    move_mark(scanner, at);
    found->line = scanner->mark.lines + 1;
    found->column = found->offset - scanner->mark.line_start - scanner->mark.continuations + 1;
    found->allowed = text_find(text_of(line, (size_t)(at - line)), TEXT(SCANNER_ALLOW)) >= 0;
    candidate->starts = at == first ||
                        !secret_alphabet_has(secret_rows[found->kind].alphabet, at[-1]) ||
                        is_escaped(first, at);
}

static struct candidate *add_candidate(struct scanner *scanner)
{
    if (scanner->count == SCANNER_FOUND_MAX) {
        scanner->more = true;
        return NULL;
    }
    if (scanner->count == scanner->room) {
        scanner->room = scanner->room ? scanner->room * 2 : 16;
        scanner->candidates = ensure_memory(
            reallocarray(scanner->candidates, scanner->room, sizeof *scanner->candidates));
    }
    return &scanner->candidates[scanner->count++];
}

/* Of the pattern library. */
static void take_match(void *context, enum secret_kind kind, uint64_t end)
{
    struct scanner *scanner = context;
    struct candidate *candidate = add_candidate(scanner);
    if (candidate == NULL)
        return;
    candidate->found =
        (struct scanner_secret){.kind = kind, .offset = end - secret_rows[kind].length};
    candidate->settled = false;
    const char *at = place_of(scanner, candidate->found.offset);
    size_t there = (size_t)(block_end(scanner) - at);
    look_before(scanner, candidate);
    candidate->kept = there < WINDOW ? there : WINDOW;
    memcpy(candidate->bytes, at, candidate->kept);
    /* Most are settled at once, and most that are none are dropped here. */
    if (candidate->kept == WINDOW && !settle(scanner, candidate))
        scanner->count--;
}

/* Gives the candidates that wait the bytes that have come, and drops those that are none. */
static void go_on(struct scanner *scanner, struct text bytes, bool ended)
{
    size_t kept = scanner->unsettled;
    for (size_t i = scanner->unsettled; i < scanner->count; i++) {
        struct candidate *candidate = &scanner->candidates[i];
        if (!candidate->settled) {
            struct text more = text_first(bytes, WINDOW - candidate->kept);
            if (more.length > 0)
                memcpy(candidate->bytes + candidate->kept, more.data, more.length);
            candidate->kept += more.length;
            if ((ended || candidate->kept == WINDOW) && !settle(scanner, candidate))
                continue;
        }
        if (kept != i) {
            scanner->candidates[kept] = *candidate;
            /* It points into itself. */
            scanner->candidates[kept].found.secret.data = scanner->candidates[kept].bytes;
        }
        kept++;
    }
    scanner->count = kept;
    while (scanner->unsettled < scanner->count && scanner->candidates[scanner->unsettled].settled)
        scanner->unsettled++;
}

/* ------------------------------------------------------------------ blocks and files */

enum error scanner_create(const struct patterns *patterns, struct scanner **out)
{
    struct scanner *scanner = calloc(1, sizeof *scanner);
    *out = scanner;
    if (scanner == NULL)
        return ERROR_MEMORY;
    scanner->memory = malloc(HISTORY + SCANNER_BLOCK);
    scanner->mark.at = scanner->memory ? scanner->memory + HISTORY : NULL;
    enum error error = scanner->memory
                           ? pattern_scan_open(patterns, take_match, scanner, &scanner->scan)
                           : ERROR_MEMORY;
    if (error) {
        scanner_destroy(scanner);
        *out = NULL;
    }
    return error;
}

void scanner_destroy(struct scanner *scanner)
{
    if (scanner == NULL)
        return;
    pattern_scan_close(scanner->scan);
    if (scanner->memory)
        secret_wipe(scanner->memory, HISTORY + SCANNER_BLOCK);
    if (scanner->candidates)
        secret_wipe(scanner->candidates, scanner->room * sizeof *scanner->candidates);
    free(scanner->memory);
    free(scanner->candidates);
    free(scanner);
}

/* What was searched becomes history, and the block is empty. */
static void finish_block(struct scanner *scanner)
{
    char *end = block_end(scanner);
    move_mark(scanner, end);
    scanner->base += scanner->block_length;
    memmove(scanner->memory, end - HISTORY, HISTORY);
    scanner->block_length = 0;
    scanner->mark.at = scanner->memory + HISTORY;
}

char *scanner_space(struct scanner *scanner, size_t *size)
{
    *size = SCANNER_BLOCK;
    return scanner->memory + HISTORY;
}

void scanner_took(struct scanner *scanner, size_t size)
{
    const struct text bytes = text_of(scanner->memory + HISTORY, size);
    ensure(size <= SCANNER_BLOCK);
    if (size == 0)
        return;
    scanner->block_length = size;
    go_on(scanner, bytes, false);
    pattern_scan_take(scanner->scan, bytes);
    finish_block(scanner);
}

static int compare_candidates(const void *left, const void *right)
{
    const struct scanner_secret *a = &((const struct candidate *)left)->found;
    const struct scanner_secret *b = &((const struct candidate *)right)->found;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    return (int)a->kind - (int)b->kind;
}

struct scanner_summary scanner_end(struct scanner *scanner,
                                   void (*found)(void *context,
                                                 const struct scanner_secret *secret),
                                   void *context)
{
    go_on(scanner, TEXT(""), true);
    pattern_scan_end(scanner->scan);
    struct scanner_summary summary = {.more = scanner->more, .look_alikes = scanner->look_alikes};
    uint64_t end = 0; /* of the secret before */
    if (scanner->count > 1)
        qsort(scanner->candidates, scanner->count, sizeof *scanner->candidates, compare_candidates);
    for (size_t i = 0; i < scanner->count; i++) {
        struct candidate *candidate = &scanner->candidates[i];
        if (candidate->found.offset < end)
            continue;
        candidate->found.secret.data = candidate->bytes; /* it was moved */
        end = candidate->found.offset + candidate->found.secret.length;
        found(context, &candidate->found);
        summary.count++;
    }
    scanner->count = scanner->unsettled = scanner->look_alikes = 0;
    scanner->more = false;
    scanner->base = 0;
    scanner->mark = (struct mark){.at = scanner->memory + HISTORY};
    return summary;
}
