#include "app/scan_print.h"

#include "app/output.h"

static enum output_style style_of(const struct leak *leak)
{
    static const enum output_style styles[LEAK_STATE_COUNT] = {
        [LEAK_FOREIGN] = STYLE_WARNING, [LEAK_NOT_ASKED] = STYLE_WARNING,
        [LEAK_LIVE] = STYLE_BAD,        [LEAK_ROTATED] = STYLE_GOOD,
        [LEAK_REVOKED] = STYLE_GOOD,    [LEAK_EXPIRED] = STYLE_GOOD,
        [LEAK_UNKNOWN] = STYLE_WARNING,
    };
    return styles[leak->state];
}

static void print_state(const struct leak *leak)
{
    if (!secret_is_ours(leak->kind))
        return;
    printf(": %s%.*s%s", output_style_begin(style_of(leak)), TEXT_ARG(leak_state_name(leak->state)),
           output_style_end(style_of(leak)));
    if (!text_empty(leak->name)) {
        printf(", \"");
        output_print(stdout, leak->name);
        printf("\"");
    }
    if (!text_empty(leak->team)) {
        printf(" of ");
        output_print(stdout, leak->team);
    }
}

static void print_commit(const struct leak *leak)
{
    if (text_empty(leak->commit))
        return;
    printf("; commit %.*s, %.*s, ", TEXT_ARG(text_first(leak->commit, 12)),
           TEXT_ARG(text_first(leak->date, 10)));
    output_print(stdout, leak->author);
}

void scan_print_leaks(const struct leaks *leaks, report_wants wants)
{
    for (size_t i = 0; i < leaks->count; i++) {
        const struct leak *leak = &leaks->rows[i];
        if (!wants(leak))
            continue;
        printf("%s", output_style_begin(STYLE_BOLD));
        output_print(stdout, leak->file);
        printf(":%llu:%llu:%s %.*s %s", (unsigned long long)leak->line,
               (unsigned long long)leak->column, output_style_end(STYLE_BOLD),
               TEXT_ARG(secret_rows[leak->kind].title), leak->shown);
        print_state(leak);
        print_commit(leak);
        putchar('\n');
    }
    fflush(stdout);
}

/* ------------------------------------------------------------------ the summary */

static void print_size(uint64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    unsigned unit = 0;
    double size = (double)bytes;
    while (size >= 1000 && unit + 1 < ARRAY_LENGTH(units)) {
        size /= 1000;
        unit++;
    }
    fprintf(stderr, "%.*f %s", unit > 0 && size < 10 ? 1 : 0, size, units[unit]);
}

static void print_counts(const struct leaks *leaks, report_wants wants)
{
    size_t counts[LEAK_STATE_COUNT] = {0}, told = 0;
    const char *before = ": ";
    for (size_t i = 0; i < leaks->count; i++) {
        if (!wants(&leaks->rows[i]))
            continue;
        counts[leaks->rows[i].state]++;
        told++;
    }
    fprintf(stderr, "%zu %s", told, told == 1 ? "secret" : "secrets");
    for (size_t i = 0; i < LEAK_STATE_COUNT; i++) {
        if (counts[i] == 0 || i == LEAK_FOREIGN)
            continue;
        fprintf(stderr, "%s%zu %.*s", before, counts[i],
                TEXT_ARG(leak_state_name((enum leak_state)i)));
        before = ", ";
    }
    if (told < leaks->count)
        fprintf(stderr, "; %zu more hidden (allowed, in the baseline, or ended)",
                leaks->count - told);
}

static void print_hints(const struct leaks *leaks, report_wants wants,
                        const struct report_summary *summary)
{
    bool asked = true;
    for (size_t i = 0; i < leaks->count; i++)
        asked &= !wants(&leaks->rows[i]) || leaks->rows[i].state != LEAK_NOT_ASKED;
    if (!asked)
        fprintf(stderr, "turnpike: --data DIR or --server URL says which Turnpike keys are live\n");
    if (leaks->look_alikes > 0)
        fprintf(stderr,
                "turnpike: %llu %s a Turnpike key with a wrong checksum: mistyped, cut or made up, "
                "and no secret\n",
                (unsigned long long)leaks->look_alikes,
                leaks->look_alikes == 1 ? "text has the form of" : "texts have the form of");
    if (leaks->more)
        fprintf(stderr,
                "turnpike: there are more than a report holds: mend these and scan again\n");
    if (summary->shallow)
        fprintf(stderr, "turnpike: this clone is shallow: git has only a part of the history here "
                        "(`git fetch --unshallow` gets the rest)\n");
}

void scan_print_summary(const struct leaks *leaks, report_wants wants,
                        const struct report_summary *summary)
{
    fprintf(stderr, "turnpike: ");
    print_counts(leaks, wants);
    fprintf(stderr, ". %llu %s, ", (unsigned long long)summary->files,
            summary->files == 1 ? "file" : "files");
    print_size(summary->bytes);
    fprintf(stderr, ", %.1f s\n", (double)summary->milliseconds / 1000);
    print_hints(leaks, wants, summary);
}
