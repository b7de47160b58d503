#include "app/doctor_report.h"

#include <stdarg.h>

#include "app/output.h"
#include "app/verb.h"
#include "base/ensure.h"
#include "codec/json.h"

#define REPORT_MAX  (4u << 20) /* bytes: DOCTOR_ROWS_MAX rows of DETAIL_SIZE twice */
#define DETAIL_SIZE 1536u
#define INDENT      19u /* where the words start */

static const struct {
    const char *name, *word;
    enum output_style style;
} results[DOCTOR_RESULT_COUNT] = {
    [DOCTOR_PASS] = {"pass", "pass", STYLE_GOOD},
    [DOCTOR_WARN] = {"warn", "WARN", STYLE_WARNING},
    [DOCTOR_FAIL] = {"fail", "FAIL", STYLE_BAD},
};

void doctor_report_open(struct doctor_report *report, struct text target, bool json, bool strict)
{
    *report = (struct doctor_report){.json = json, .strict = strict, .target = target};
    arena_open(&report->arena, NULL, REPORT_MAX);
}

void doctor_report_close(struct doctor_report *report)
{
    arena_close(&report->arena);
}

/* What servers and certificates say stands in the words: nothing of it may move a cursor. */
static struct text clean(struct doctor_report *report, const char *words)
{
    struct text copy = arena_copy(&report->arena, text_from(words));
    char *bytes = (char *)(uintptr_t)ensure_memory((void *)(uintptr_t)copy.data);
    for (size_t i = 0, unshown; i < copy.length; i += unshown ? unshown : 1) {
        unshown = output_unshown(text_from_index(copy, i));
        memset(bytes + i, ' ', unshown);
    }
    return copy;
}

static void print_row(const struct doctor_row *row)
{
    printf("%s%s%s  %-*s ", output_style_begin(results[row->result].style),
           results[row->result].word, output_style_end(results[row->result].style), (int)INDENT - 7,
           row->check);
    output_paragraphs(row->detail, INDENT);
    if (!text_empty(row->fix)) {
        printf("%*s%sfix:%s ", (int)INDENT, "", output_style_begin(STYLE_BOLD),
               output_style_end(STYLE_BOLD));
        output_paragraphs(row->fix, INDENT + 5);
    }
    fflush(stdout);
}

void doctor_say(struct doctor_report *report, enum doctor_result result, const char *check,
                const char *fix, const char *format, ...)
{
    char detail[DETAIL_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    ensure(report->count < DOCTOR_ROWS_MAX);
    struct doctor_row *row = &report->rows[report->count++];
    *row = (struct doctor_row){result, check, clean(report, detail), clean(report, fix ? fix : "")};
    report->counts[result]++;
    if (!report->json)
        print_row(row);
}

static void print_json(const struct doctor_report *report, const char *result)
{
    struct json_writer json;
    struct buffer out;
    buffer_open(&out, REPORT_MAX * 2);
    json_open(&json, &out);
    json_begin_object(&json);
    json_member_text(&json, "target", report->target);
    json_member_text(&json, "result", text_from(result));
    json_key(&json, TEXT("checks"));
    json_begin_array(&json);
    for (size_t i = 0; i < report->count; i++) {
        const struct doctor_row *row = &report->rows[i];
        json_begin_object(&json);
        json_member_text(&json, "check", text_from(row->check));
        json_member_text(&json, "result", text_from(results[row->result].name));
        json_member_text(&json, "detail", row->detail);
        json_member_text(&json, "fix", text_empty(row->fix) ? text_of(NULL, 0) : row->fix);
        json_end_object(&json);
    }
    json_end_array(&json);
    json_end_object(&json);
    printf("%.*s\n", TEXT_ARG(buffer_text(&out)));
    buffer_close(&out);
}

int doctor_report_finish(struct doctor_report *report)
{
    enum doctor_result worst = report->counts[DOCTOR_FAIL]   ? DOCTOR_FAIL
                               : report->counts[DOCTOR_WARN] ? DOCTOR_WARN
                                                             : DOCTOR_PASS;
    if (report->json)
        print_json(report, results[worst].name);
    else
        printf("\n%zu passed, %zu %s, %zu failed\n", report->counts[DOCTOR_PASS],
               report->counts[DOCTOR_WARN],
               report->counts[DOCTOR_WARN] == 1 ? "warning" : "warnings",
               report->counts[DOCTOR_FAIL]);
    bool bad = worst == DOCTOR_FAIL || (report->strict && worst == DOCTOR_WARN);
    return bad ? VERB_FAILED : VERB_OK;
}
