/* turnpike ledger reprice: what a corrected price list changes of calls that were made.
 *
 * Records are read, priced again and compared with what they cost now; what differs becomes
 * adjustments beside the records, which stay as they are. */
#include <unistd.h>

#include "admin/when.h"
#include "app/admin_options.h"
#include "app/admin_session.h"
#include "app/output.h"
#include "app/price_book_option.h"
#include "app/prices.h"
#include "app/progress.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "ledger/history.h"
#include "ledger/repricing.h"
#include "store/adjustments.h"
#include "store/audit.h"

#define JSON_MAX      (16u << 20)
#define GROUPS_MAX    4096u     /* models that a price list changes; there are some hundreds */
#define CHANGES_MAX   10000000u /* calls in one run: 240 MB */
#define BATCH         1000u     /* adjustments in a transaction */
#define PROGRESS_STEP 1000u     /* records between two looks at the clock */

struct ledger_options {
    const char *data, *config, *catalog, *since, *until;
    bool json, dry_run, yes;
};

/* A call whose cost changes. */
struct change {
    struct identifier id;
    int64_t before, after;
    uint32_t group;
};

/* What changes of one model. */
struct group {
    char provider[80], model[264], rule[PRICE_RULE_SIZE];
    uint64_t calls, unpriced; /* of these, without a price before */
    money before, after;
};

struct repricing_run {
    const struct ledger_options *options;
    const struct price_book *book;
    struct admin_session *session;
    struct change *changes;
    size_t change_count, change_room;
    struct group *groups;
    size_t group_count;
    uint64_t looked_at, same, passed_over, unpriced, waiting;
    struct progress progress;
    bool failed; /* printed why */
};

/* ---- looking ---- */

static struct group *find_group(struct repricing_run *run, const struct record *record,
                                const struct repricing *repricing)
{
    char rule[PRICE_RULE_SIZE];

    (void)price_rule_write(repricing->model, &repricing->price, rule);
    for (size_t i = 0; i < run->group_count; i++) {
        struct group *group = &run->groups[i];
        if (text_equal(text_from(group->provider), record->provider) &&
            text_equal(text_from(group->model), record->target_model) &&
            text_equal(text_from(group->rule), text_from(rule)))
            return group;
    }
    if (run->group_count == GROUPS_MAX) {
        run->failed = true;
        (void)verb_fail("more than %u models and rules change: take a shorter time", GROUPS_MAX);
        return NULL;
    }
    struct group *group = &run->groups[run->group_count++];
    text_copy_to(record->provider, group->provider, sizeof(group->provider));
    text_copy_to(record->target_model, group->model, sizeof(group->model));
    text_copy_to(text_from(rule), group->rule, sizeof(group->rule));
    return group;
}

static bool add_change(struct repricing_run *run, const struct record *record,
                       const struct repricing *repricing, int64_t before)
{
    struct group *group = find_group(run, record, repricing);

    if (!group)
        return false;
    if (run->change_count == run->change_room) {
        run->change_room = run->change_room ? run->change_room * 2 : 1024;
        if (run->change_room > CHANGES_MAX) {
            run->failed = true;
            (void)verb_fail("more than %u calls change: take a shorter time", CHANGES_MAX / 2);
            return false;
        }
        run->changes =
            ensure_memory(realloc(run->changes, run->change_room * sizeof(*run->changes)));
    }
    run->changes[run->change_count++] =
        (struct change){record->id, before, repricing->price.cost, (uint32_t)(group - run->groups)};
    group->calls++;
    group->unpriced += before < 0;
    group->before += before > 0 ? before : 0;
    group->after += repricing->price.cost;
    return true;
}

static bool look_at(void *context, const struct record *record)
{
    struct repricing_run *run = context;
    struct repricing repricing;
    int64_t now;

    if (++run->looked_at % PROGRESS_STEP == 0)
        progress_show(&run->progress, run->looked_at, 0);
    if (repricing_obstacle(record)) {
        run->passed_over++;
        return true;
    }
    if (adjustments_cost(run->session->store, record->id, &now) != ERROR_OK) {
        run->waiting++; /* still in a journal: the running server prices it by its own list */
        return true;
    }
    repricing_make(record, run->book, &repricing);
    if (repricing.price.basis == PRICE_UNPRICED) {
        run->unpriced++;
        return true;
    }
    if (repricing.price.cost == now) {
        run->same++;
        return true;
    }
    return add_change(run, record, &repricing, now);
}

static bool read_when(const struct verb_call *call, const char *name, const char *value,
                      uint64_t *out)
{
    if (!value || when_parse(value, NULL, clock_wall(), out))
        return true;
    (void)verb_misused(call->verb, "--%s: '%.60s' is no time: write " WHEN_FORMS, name, value);
    return false;
}

static int look_at_all(const struct verb_call *call, struct repricing_run *run)
{
    struct history_filter filter = {0};
    struct history *history;
    char problem[HISTORY_PROBLEM_SIZE];

    if (!read_when(call, "since", run->options->since, &filter.since) ||
        !read_when(call, "until", run->options->until, &filter.until))
        return VERB_USAGE;
    if (history_open(run->session->data, &filter, &history, problem) != ERROR_OK)
        return verb_fail("%s", problem);
    progress_begin(&run->progress, "Pricing", !run->options->json);
    enum error error = history_read(history, look_at, run, problem);
    history_close(history);
    progress_end(&run->progress);
    if (error)
        return verb_fail("%s", problem);
    return run->failed ? VERB_FAILED : VERB_OK;
}

/* ---- showing ---- */

static void money_cell(struct output_table *table, enum output_style style, money amount)
{
    char text[MONEY_TEXT_SIZE];

    output_table_cell(table, style, text_of(text, money_format_people(amount, text)));
}

static void print_groups(const struct repricing_run *run)
{
    static const struct output_column columns[] = {
        {"PROVIDER", false, true}, {"MODEL", false, true}, {"CALLS", true, false},
        {"BEFORE", true, false},   {"AFTER", true, false}, {"CHANGE", true, false},
        {"RULE", false, true},
    };
    struct output_table *table = output_table_create(columns, ARRAY_LENGTH(columns));
    char text[MONEY_TEXT_SIZE];

    for (size_t i = 0; i < run->group_count; i++) {
        const struct group *group = &run->groups[i];
        output_table_cell(table, STYLE_PLAIN, text_from(group->provider));
        output_table_cell(table, STYLE_PLAIN, text_from(group->model));
        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)group->calls);
        output_table_cell(table, STYLE_PLAIN, text_from(text));
        if (group->unpriced == group->calls)
            output_table_cell(table, STYLE_WARNING, TEXT("unpriced"));
        else
            money_cell(table, STYLE_PLAIN, group->before);
        money_cell(table, STYLE_PLAIN, group->after);
        money_cell(table, group->after > group->before ? STYLE_WARNING : STYLE_GOOD,
                   group->after - group->before);
        output_table_cell(table, STYLE_DIM, text_from(group->rule));
    }
    output_table_print(table);
}

static void print_counts(const struct repricing_run *run)
{
    printf("%llu calls looked at: %zu change, %llu stay", (unsigned long long)run->looked_at,
           run->change_count, (unsigned long long)run->same);
    if (run->unpriced)
        printf(", %llu have no price in this list", (unsigned long long)run->unpriced);
    if (run->passed_over)
        printf(", %llu cannot or need not be priced again", (unsigned long long)run->passed_over);
    if (run->waiting)
        printf(", %llu are not in the store yet", (unsigned long long)run->waiting);
    printf(".\n");
}

static void print_json(const struct repricing_run *run, bool written)
{
    struct buffer out;
    struct json_writer writer;

    buffer_open(&out, JSON_MAX);
    json_open(&writer, &out);
    json_begin_object(&writer);
    json_member_bool(&writer, "written", written);
    json_member_text(&writer, "catalog", catalog_version(price_book_catalog(run->book)));
    json_member_unsigned(&writer, "looked_at", run->looked_at);
    json_member_unsigned(&writer, "changed", run->change_count);
    json_member_unsigned(&writer, "same", run->same);
    json_member_unsigned(&writer, "unpriced", run->unpriced);
    json_member_unsigned(&writer, "passed_over", run->passed_over);
    json_member_unsigned(&writer, "not_in_store", run->waiting);
    json_key(&writer, TEXT("models"));
    json_begin_array(&writer);
    for (size_t i = 0; i < run->group_count; i++) {
        const struct group *group = &run->groups[i];
        json_begin_object(&writer);
        json_member_text(&writer, "provider", text_from(group->provider));
        json_member_text(&writer, "model", text_from(group->model));
        json_member_text(&writer, "rule", text_from(group->rule));
        json_member_unsigned(&writer, "calls", group->calls);
        json_member_unsigned(&writer, "unpriced_before", group->unpriced);
        price_json_exact(&writer, "before_usd", group->before);
        price_json_exact(&writer, "after_usd", group->after);
        json_end_object(&writer);
    }
    json_end_array(&writer);
    json_end_object(&writer);
    prices_print(&out);
    buffer_close(&out);
}

/* ---- writing ---- */

static bool agreed(const struct repricing_run *run)
{
    char answer[16];

    if (run->options->yes)
        return true;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        (void)verb_fail("nothing was written: say --yes, or --dry-run to look only");
        return false;
    }
    printf("\nWrite %zu adjustments? [y/N] ", run->change_count);
    fflush(stdout);
    return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static enum error write_change(const struct repricing_run *run, const struct change *change,
                               uint64_t time)
{
    struct adjustment adjustment = {
        .exchange = change->id,
        .time = time,
        .who = text_from(run->session->who),
        .catalog = catalog_version(price_book_catalog(run->book)),
        .rule = text_from(run->groups[change->group].rule),
        .before = change->before,
        .after = change->after,
    };

    return adjustments_add(run->session->store, &adjustment);
}

static enum error write_audit(const struct repricing_run *run, size_t from, size_t to,
                              uint64_t time)
{
    char text[160];
    struct text version = catalog_version(price_book_catalog(run->book));
    int length = snprintf(text, sizeof(text), "{\"adjustments\":%zu,\"catalog\":\"%.*s\"}",
                          to - from, TEXT_ARG(version));
    struct audit_entry entry = {
        .time = time,
        .who = text_from(run->session->who),
        .via = TEXT("cli"),
        .action = TEXT("reprice"),
        .object_kind = TEXT("ledger"),
        .after = text_of(text, (size_t)length),
    };

    return audit_append(run->session->store, &entry);
}

/* One transaction: the adjustments and who made them. */
static enum error write_batch(const struct repricing_run *run, size_t from, size_t to)
{
    struct store *store = run->session->store;
    uint64_t time = clock_wall();
    enum error error = store_begin(store);

    for (size_t i = from; !error && i < to; i++)
        error = write_change(run, &run->changes[i], time);
    if (!error)
        error = write_audit(run, from, to, time);
    if (!error)
        return store_commit(store);
    store_roll_back(store);
    return error;
}

static int write_all(struct repricing_run *run)
{
    progress_begin(&run->progress, "Correcting", !run->options->json);
    for (size_t from = 0; from < run->change_count; from += BATCH) {
        size_t to = from + BATCH < run->change_count ? from + BATCH : run->change_count;
        enum error error = write_batch(run, from, to);
        if (error) {
            progress_end(&run->progress);
            return verb_fail("%zu of %zu adjustments were written, then: %s. Run it again: what is "
                             "written is not written twice",
                             from, run->change_count,
                             error == ERROR_ARGUMENT ? "somebody else corrected the same calls"
                                                     : store_problem(run->session->store));
        }
        progress_show(&run->progress, to, run->change_count);
    }
    progress_end(&run->progress);
    return VERB_OK;
}

static int finish(struct repricing_run *run)
{
    bool write = !run->options->dry_run && run->change_count > 0;

    if (!run->options->json) {
        if (run->group_count > 0)
            print_groups(run);
        print_counts(run);
    }
    if (write && !agreed(run))
        return VERB_FAILED;
    int code = write ? write_all(run) : VERB_OK;
    if (run->options->json)
        print_json(run, write && code == VERB_OK);
    else if (write && code == VERB_OK)
        printf("%zu adjustments written; the records stay as they were.\n", run->change_count);
    return code;
}

static int reprice_run(const struct verb_call *call)
{
    const struct ledger_options *options = call->options;
    struct admin_session session;
    struct repricing_run run = {.options = options, .session = &session};
    int code = VERB_FAILED;
    struct price_book *book = price_book_option_open(options->config, options->catalog);

    if (!book)
        return VERB_FAILED;
    run.book = book;
    run.groups = ensure_memory(calloc(GROUPS_MAX, sizeof(*run.groups)));
    admin_session_begin(&session, call->verb, options->data);
    if (admin_session_open(&session, false))
        code = look_at_all(call, &run);
    if (code == VERB_OK)
        code = finish(&run);
    admin_session_end(&session);
    free(run.changes);
    free(run.groups);
    price_book_release(book);
    return code;
}

static const struct option reprice_options[] = {
    ADMIN_TEXT_ROW(struct ledger_options, "since", since, "WHEN",
                   "calls that started at or after WHEN: " WHEN_FORMS),
    ADMIN_TEXT_ROW(struct ledger_options, "until", until, "WHEN",
                   "calls that started before WHEN [now]"),
    PRICE_BOOK_CATALOG_ROW(struct ledger_options),
    PRICE_BOOK_CONFIG_ROW(struct ledger_options),
    OPTION_FLAG_ROW("dry-run", struct ledger_options, dry_run, "show what would change, and stop"),
    OPTION_FLAG_LETTER_ROW('y', "yes", struct ledger_options, yes, "do not ask"),
    ADMIN_DATA_ROW(struct ledger_options),
    ADMIN_JSON_ROW(struct ledger_options),
    OPTION_WIDE_ROW,
    OPTION_END,
};

static const struct verb ledger_reprice = {
    .name = "reprice",
    .summary = "Show what a corrected price list changes, and write it as adjustments",
    .required = "--since WHEN",
    .options = reprice_options,
    .options_size = sizeof(struct ledger_options),
    .description = "Prices recorded calls again, by the cards in force when they were made. What "
                   "costs something else now is shown by model; then an adjustment is written "
                   "beside each record, which stays as it is. `turnpike usage` counts both.\n\n"
                   "Own prices and discounts are in the configuration: --config. Budgets of a "
                   "running server take adjustments of older calls in at its next start.",
    .examples = "turnpike ledger reprice --since 2026-11-01 --catalog prices.json --dry-run\n"
                "turnpike ledger reprice --since 30d --config turnpike.yaml --yes\n",
    .run = reprice_run,
};

static const struct verb *const ledger_verbs[] = {&ledger_reprice, NULL};

const struct verb verb_ledger = {
    .name = "ledger",
    .summary = "Correct what recorded calls cost",
    .description =
        "Records are never changed: a correction stands beside its record, with who made "
        "it and by which price list.",
    .verbs = ledger_verbs,
};
