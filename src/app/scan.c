/* turnpike scan: finds keys where they do not belong, says which still open something, and ends
 * those that do.
 *
 * Looking comes first and asking the gateway afterwards, because root becomes the owner of the data
 * directory to ask, who may not read what root may. */
#include <errno.h>
#include <unistd.h>

#include "app/admin_options.h"
#include "app/progress.h"
#include "app/scan_gate.h"
#include "app/scan_print.h"
#include "base/clock.h"
#include "leaks/baseline.h"
#include "leaks/history.h"
#include "leaks/tree.h"

/* As scanners have it: 1 is for what was found. */
enum scan_exit { SCAN_CLEAN = 0, SCAN_FOUND = 1, SCAN_FAILED = 2 };

#define ANSWER_SIZE 16u

struct scan_options {
    const char *git, *range, *data, *server, *format, *baseline;
    bool staged, standard_input, revoke, yes, live, json;
};

struct scan {
    const struct verb_call *call;
    const struct scan_options *options;
    struct leaks leaks;
    struct crew crew;
    struct progress progress;
    struct report_summary summary;
    bool failed; /* something was not looked at */
};

static void fail(struct scan *scan, const char *what, enum error error)
{
    scan->failed = true;
    (void)verb_fail("%s: %s", what, error == ERROR_SYSTEM ? strerror(errno) : error_meaning(error));
}

/* ------------------------------------------------------------------ looking */

static void tick(void *owner, uint64_t done, uint64_t total)
{
    struct scan *scan = owner;
    progress_show(&scan->progress, done, total);
}

static void complain(void *owner, const char *message)
{
    struct scan *scan = owner;
    scan->failed = true;
    (void)verb_fail("%s", message);
}

static void look_into_history(struct scan *scan)
{
    const struct history_part part = {scan->options->git, scan->options->range,
                                      scan->options->staged};
    enum error error = history_scan(&scan->crew, &part, &scan->summary.shallow);
    if (error == ERROR_NOT_FOUND)
        (void)verb_fail("--git needs git, which is not installed here");
    else if (error == ERROR_UNSUPPORTED)
        (void)verb_fail("%.200s: git could not do it, as it says above", scan->options->git);
    else if (error)
        fail(scan, scan->options->git, error);
    scan->failed |= error != ERROR_OK;
}

static void look(struct scan *scan)
{
    uint64_t began = clock_monotonic();
    enum error error = ERROR_OK;
    progress_begin(&scan->progress, "Scanning", true);
    if (scan->call->operand_count > 0)
        error = tree_scan(&scan->crew, scan->call->operands, scan->call->operand_count);
    if (error && error != ERROR_NOT_FOUND) /* that it has told */
        fail(scan, "scan", error);
    scan->failed |= error != ERROR_OK;
    if (scan->options->git != NULL)
        look_into_history(scan);
    if (scan->options->standard_input)
        scan->failed |=
            tree_scan_descriptor(&scan->crew, STDIN_FILENO, "(standard input)") != ERROR_OK;
    progress_end(&scan->progress);
    scan->summary.files = scan->crew.files;
    scan->summary.bytes = scan->crew.bytes;
    scan->summary.unread = scan->crew.unread;
    scan->summary.milliseconds = (clock_monotonic() - began) / NANOSECONDS_PER_MILLISECOND;
}

/* ------------------------------------------------------------------ revoking */

static bool confirm(size_t count)
{
    char answer[ANSWER_SIZE] = "";
    FILE *terminal = fopen("/dev/tty", "r+e");
    if (terminal == NULL) {
        (void)verb_fail("there is no terminal to ask on: --yes revokes without asking");
        return false;
    }
    fprintf(terminal, "\nRevoke %zu live %s, at once and for good? [y/N] ", count,
            count == 1 ? "key" : "keys");
    fflush(terminal);
    bool read = fgets(answer, sizeof answer, terminal) != NULL;
    fclose(terminal);
    if (read && (answer[0] == 'y' || answer[0] == 'Y'))
        return true;
    (void)verb_fail("nothing was revoked");
    return false;
}

static bool is_same_key(const struct leak *a, const struct leak *b)
{
    return a->kind == b->kind && text_equal(text_from(a->id), text_from(b->id));
}

/* A key may have been found in several places, and by both of its secrets in a time of grace. */
static bool is_first_of_its_key(const struct leaks *leaks, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (is_same_key(&leaks->rows[i], &leaks->rows[at]))
            return false;
    }
    return true;
}

static size_t count_live_keys(const struct leaks *leaks)
{
    size_t count = 0;
    for (size_t i = 0; i < leaks->count; i++)
        count += leaks->rows[i].state == LEAK_LIVE && is_first_of_its_key(leaks, i);
    return count;
}

static void note_revoked(struct leaks *leaks, const struct leak *revoked)
{
    const struct leak copy = *revoked;
    for (size_t i = 0; i < leaks->count; i++) {
        if (leaks->rows[i].state == LEAK_LIVE && is_same_key(&leaks->rows[i], &copy))
            leaks->rows[i].state = LEAK_REVOKED;
    }
}

static void revoke_live(struct scan *scan, struct scan_gate *gate)
{
    struct leaks *leaks = &scan->leaks;
    size_t count = count_live_keys(leaks);
    if (count == 0)
        return;
    if (!scan->options->yes && !confirm(count)) {
        scan->failed = true;
        return;
    }
    for (size_t i = 0; i < leaks->count; i++) {
        const struct leak *leak = &leaks->rows[i];
        if (leak->state != LEAK_LIVE)
            continue;
        if (!scan_gate_revoke(gate, leak)) {
            scan->failed = true;
            continue;
        }
        fprintf(stderr, "turnpike: %.*s%s is revoked\n", (int)KEY_PREFIX_LENGTH, leak->shown,
                leak->id);
        note_revoked(leaks, leak);
    }
}

/* ------------------------------------------------------------------ telling */

static bool wants_may_be_live(const struct leak *leak)
{
    return leak_is_told(leak) && leak_may_be_live(leak);
}

static bool is_format(const struct scan *scan, const char *format)
{
    const char *wanted = scan->options->json     ? "json"
                         : scan->options->format ? scan->options->format
                                                 : "text";
    return text_equal(text_from(wanted), text_from(format));
}

static void write_report(struct scan *scan, report_wants wants)
{
    struct buffer out;
    buffer_open(&out, REPORT_MAX);
    if (is_format(scan, "sarif"))
        report_write_sarif(&scan->leaks, wants, &scan->summary, &out);
    else
        report_write_json(&scan->leaks, wants, &scan->summary, &out);
    if (out.failed)
        fail(scan, "the report", ERROR_MEMORY);
    else
        (void)fwrite(out.data, 1, out.length, stdout); /* a failure is noticed at the end */
    buffer_close(&out);
}

static int exit_code_of(const struct scan *scan, bool found)
{
    if (found)
        return scan->failed && scan->options->revoke ? SCAN_FAILED : SCAN_FOUND;
    return scan->failed ? SCAN_FAILED : SCAN_CLEAN;
}

/* For people the list comes before the question, for programs afterwards. */
static int tell(struct scan *scan, struct scan_gate *gate)
{
    report_wants wants = scan->options->live ? wants_may_be_live : leak_is_told;
    bool text = is_format(scan, "text"), found = false;
    leaks_sort(&scan->leaks);
    for (size_t i = 0; i < scan->leaks.count; i++)
        found |= wants(&scan->leaks.rows[i]);
    if (text) {
        scan_print_leaks(&scan->leaks, wants);
        scan_print_summary(&scan->leaks, wants, &scan->summary);
    }
    if (gate != NULL && scan->options->revoke)
        revoke_live(scan, gate);
    if (!text)
        write_report(scan, wants);
    return exit_code_of(scan, found);
}

/* ------------------------------------------------------------------ the whole */

static int ask_and_tell(struct scan *scan)
{
    const struct scan_options *options = scan->options;
    char problem[BASELINE_PROBLEM_SIZE];
    struct scan_gate gate;
    if (options->baseline && !baseline_apply(&scan->leaks, options->baseline, problem)) {
        (void)verb_fail("%s", problem);
        return SCAN_FAILED;
    }
    if (options->data == NULL && options->server == NULL)
        return tell(scan, NULL);
    bool open = scan_gate_open(&gate, scan->call->verb, options->data, options->server);
    bool asked = open && scan_gate_ask(&gate, &scan->leaks);
    scan->failed |= !asked;
    int code = tell(scan, asked ? &gate : NULL);
    scan_gate_close(&gate);
    return asked ? code : SCAN_FAILED;
}

/* False after saying what is wrong with the command line. */
static bool check_words(const struct verb_call *call)
{
    const struct scan_options *options = call->options;
    const char *wrong = NULL;
    if (call->operand_count == 0 && !options->git && !options->standard_input)
        wrong = "say what to look into: PATH, --git DIR or --stdin";
    else if ((options->range || options->staged) && !options->git)
        wrong = "--range and --staged are parts of a repository: --git DIR says which";
    else if (options->range && options->staged)
        wrong = "--range and --staged do not go together";
    else if (options->range && options->range[0] == '-')
        wrong = "--range takes commits as git names them, such as main..HEAD";
    else if (options->data && options->server)
        wrong = "--data and --server do not go together: one gateway is asked";
    else if (options->revoke && !options->data && !options->server)
        wrong = "--revoke needs a gateway: --data DIR or --server URL";
    else if (options->format && !text_equal(text_from(options->format), TEXT("text")) &&
             !text_equal(text_from(options->format), TEXT("json")) &&
             !text_equal(text_from(options->format), TEXT("sarif")))
        wrong = "--format is text, json or sarif";
    else if (options->revoke && !options->yes &&
             (options->json || (options->format && options->format[0] != 't')))
        wrong = "--revoke asks on a terminal, for people: with JSON and SARIF give --yes, too";
    if (wrong != NULL)
        (void)verb_misused(call->verb, "%s", wrong);
    return wrong == NULL;
}

static int scan_run(const struct verb_call *call)
{
    struct scan scan = {.call = call, .options = call->options};
    char problem[PATTERNS_PROBLEM_SIZE];
    struct patterns *patterns;
    if (!check_words(call))
        return SCAN_FAILED;
    if (patterns_open(&patterns, problem) != ERROR_OK) {
        (void)verb_fail("%s", problem);
        return SCAN_FAILED;
    }
    leaks_open(&scan.leaks);
    scan.crew = (struct crew){.patterns = patterns,
                              .leaks = &scan.leaks,
                              .tick = tick,
                              .complain = complain,
                              .owner = &scan};
    crew_open(&scan.crew);
    look(&scan);
    int code = ask_and_tell(&scan);
    crew_close(&scan.crew);
    leaks_close(&scan.leaks);
    patterns_close(patterns);
    return code;
}

static const struct option scan_option_rows[] = {
    OPTION_TEXT_ROW("git", struct scan_options, git, "DIR",
                    "all that git remembers in this repository: every branch, tag and stash, each "
                    "file once",
                    OPTION_DIRECTORY),
    OPTION_TEXT_ROW("range", struct scan_options, range, "COMMITS",
                    "with --git: only what these commits brought, such as main..HEAD", OPTION_ANY),
    OPTION_FLAG_ROW("staged", struct scan_options, staged,
                    "with --git: only what the next commit would bring"),
    OPTION_FLAG_ROW("stdin", struct scan_options, standard_input, "what comes on standard input"),
    OPTION_TEXT_ROW("data", struct scan_options, data, "DIR",
                    "ask the gateway with this data directory what became of its keys",
                    OPTION_DIRECTORY),
    OPTION_TEXT_ROW("server", struct scan_options, server, "URL",
                    "ask the admin API there, with the admin key in " SCAN_GATE_VARIABLE,
                    OPTION_ANY),
    OPTION_FLAG_ROW("live", struct scan_options, live, "tell only what may still open something"),
    OPTION_TEXT_ROW("baseline", struct scan_options, baseline, "FILE",
                    "an earlier report (--format json): what is in it is not told again, unless "
                    "it is live",
                    OPTION_FILE),
    OPTION_TEXT_ROW("format", struct scan_options, format, "FORMAT", "text, json or sarif [text]",
                    OPTION_ANY),
    OPTION_FLAG_ROW("json", struct scan_options, json, "the same as --format json"),
    OPTION_FLAG_ROW("revoke", struct scan_options, revoke,
                    "revoke the gateway's keys that are live, after asking"),
    OPTION_FLAG_LETTER_ROW('y', "yes", struct scan_options, yes, "do not ask"),
    OPTION_END,
};

const struct verb verb_scan = {
    .name = "scan",
    .summary = "Find keys in files and in git's history, and end them",
    .operands = "[PATH...]",
    .operands_min = 0,
    .operands_max = 65536,
    .options = scan_option_rows,
    .options_size = sizeof(struct scan_options),
    .description =
        "Finds Turnpike's keys, whose checksum tells them from look-alikes, and those of "
        "well-known "
        "providers. Of a secret only the part that may be shown is printed. What is ignored by "
        "git, binaries and large files are searched too; compressed files are not. A line with "
        "`" SCANNER_ALLOW "` in it is passed over, unless its key is live.\n"
        "\n"
        "Exit code: 0 nothing found; 1 something found, also where something else could not be "
        "read; 2 nothing found but not all could be read, or what was to be asked, compared or "
        "revoked was not.",
    .examples = "turnpike scan .\n"
                "turnpike scan --git . --data /var/lib/turnpike --revoke\n"
                "turnpike scan --git . --staged  # before each commit\n"
                "turnpike scan --git . --range origin/main..HEAD --format sarif > scan.sarif\n"
                "docker logs app 2>&1 | turnpike scan --stdin",
    .run = scan_run,
};
