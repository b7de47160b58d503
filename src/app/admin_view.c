#include "app/admin_view.h"

#include <string.h>
#include <time.h>

#include "admin/difference.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/number.h"
#include "codec/json.h"
#include "meter/money.h"

#define OBJECT_MAX (1u << 20) /* one object's description */
#define TITLE_SIZE 11
#define BAR_WIDE   20u
#define BAR_NARROW 8u
#define WARNING    80 /* per cent of a budget */

/* ------------------------------------------------------------------ values of a member */

static struct text text_member(yyjson_val *root, const char *name)
{
    struct text value = TEXT("");
    (void)json_get_text(root, name, &value);
    return value;
}

static bool parse_time(struct text text, uint64_t *out)
{
    struct tm parts = {0};
    char string[CLOCK_RFC3339_SIZE];
    if (!text_copy_to(text, string, sizeof string) ||
        strptime(string, "%Y-%m-%dT%H:%M:%S", &parts) == NULL)
        return false;
    *out = (uint64_t)timegm(&parts) * NANOSECONDS_PER_SECOND;
    return true;
}

static const char *age_of(yyjson_val *root, const char *name, const char *otherwise,
                          char out[OUTPUT_AGE_SIZE])
{
    uint64_t time;
    if (!parse_time(text_member(root, name), &time))
        return otherwise;
    return output_age(time, clock_wall(), out);
}

/* "$500.00" of "500.00"; false when it is no amount. */
static bool format_money(struct text amount, char out[MONEY_TEXT_SIZE])
{
    money value;
    bool negative = text_starts_with(amount, TEXT("-"));
    if (money_parse(text_from_index(amount, negative), &value) != MONEY_GOOD)
        return false;
    out[0] = '-';
    (void)money_format_people(value, out + negative);
    return true;
}

/* ------------------------------------------------------------------ how much of a budget */

/* Per cent that is spent, -1 when that is not known. */
static int used_of(yyjson_val *root)
{
    money spent, cap;
    struct text raised = text_member(root, "raised_to");
    uint64_t until = 0;
    bool is_raised = !text_empty(raised) && parse_time(text_member(root, "raised_until"), &until) &&
                     until > clock_wall();
    if (money_parse(text_member(root, "spent"), &spent) != MONEY_GOOD ||
        money_parse(is_raised ? raised : text_member(root, "amount"), &cap) != MONEY_GOOD)
        return -1;
    if (cap == 0)
        return 100;
    money used = spent * 100 / cap;
    return used > 9999 ? 9999 : (int)used;
}

static enum output_style style_of_use(int used)
{
    return used >= 100 ? STYLE_BAD : used >= WARNING ? STYLE_WARNING : STYLE_GOOD;
}

/* "█████░░░░░ 50%", the bar where people look at a terminal. */
static void write_bar(struct buffer *out, int used, unsigned width)
{
    unsigned full = used >= 100 ? width : (unsigned)used * width / 100;
    if (used > 0 && full == 0)
        full = 1;
    if (output_is_terminal()) {
        for (unsigned i = 0; i < width; i++)
            buffer_append(out, i < full ? TEXT("█") : TEXT("░"));
        buffer_append_char(out, ' ');
    }
    buffer_append_format(out, "%3d%%", used);
}

static void print_use(yyjson_val *root)
{
    char left[MONEY_TEXT_SIZE], age[OUTPUT_AGE_SIZE];
    struct buffer line;
    int used = used_of(root);
    if (used < 0 || !format_money(text_member(root, "left"), left))
        return;
    buffer_open(&line, OBJECT_MAX);
    write_bar(&line, used, BAR_WIDE);
    printf("%s%-*s%s %s%.*s%s, %s left", output_style_begin(STYLE_DIM), TITLE_SIZE, "used",
           output_style_end(STYLE_DIM), output_style_begin(style_of_use(used)),
           TEXT_ARG(buffer_text(&line)), output_style_end(style_of_use(used)), left);
    if (!text_empty(text_member(root, "resets_at")))
        printf(", starts anew %s", age_of(root, "resets_at", "", age));
    putchar('\n');
    buffer_close(&line);
}

/* ------------------------------------------------------------------ one object */

static const char *title_of(const struct object_member_row *row)
{
    static const struct {
        const char *member, *title;
    } others[] = {{"deny_models", "denied"},      {"organisation", "for"},
                  {"created_at", "created"},      {"expires_at", "expires"},
                  {"last_used_at", "last used"},  {"rotated_at", "rotated"},
                  {"revoked_at", "revoked"},      {"revoked_reason", "reason"},
                  {"raised_to", "raised to"},     {"raised_until", "until"},
                  {"period_start", "began"},      {"previous_secret_until", "old until"},
                  {"key_name", "key name"},       {"input_tokens", "tokens in"},
                  {"output_tokens", "tokens out"}};
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        if (text_equal(row->name, text_from(others[i].member)))
            return others[i].title;
    }
    return row->name.data;
}

static void write_shown(const struct object_member_row *row, yyjson_val *value, struct buffer *out)
{
    char age[OUTPUT_AGE_SIZE], amount[MONEY_TEXT_SIZE];
    uint64_t time;
    struct text text = text_of(yyjson_get_str(value), yyjson_get_len(value));
    if (row->type == OBJECT_TYPE_MOMENT && yyjson_is_str(value) && parse_time(text, &time))
        buffer_append_format(out, "%.19sZ (%s)", text.data, output_age(time, clock_wall(), age));
    else if (row->type == OBJECT_TYPE_AMOUNT && yyjson_is_str(value) && format_money(text, amount))
        buffer_append(out, text_from(amount));
    else if (text_equal(row->name, TEXT("models")) && yyjson_is_null(value))
        buffer_append(out, TEXT("all"));
    else if (text_equal(row->name, TEXT("organisation")))
        buffer_append(out, TEXT("the organisation, everything together"));
    else
        difference_write_value(value, out);
}

/* What says nothing is left out. */
static bool is_shown(const struct object_member_row *row, yyjson_val *value)
{
    static const struct text silent[] = {TEXT_INIT("currency"), TEXT_INIT("left"),
                                         TEXT_INIT("resets_at")};
    if (value == NULL || (yyjson_is_null(value) && !text_equal(row->name, TEXT("models"))))
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(silent); i++) {
        if (text_equal(row->name, silent[i]))
            return false;
    }
    bool allowance = text_equal(row->name, TEXT("models"));
    return allowance ||
           !(yyjson_is_false(value) || (yyjson_is_ctn(value) && yyjson_get_len(value) == 0));
}

static void print_line(const char *title, struct text value)
{
    printf("%s%-*s%s ", output_style_begin(STYLE_DIM), TITLE_SIZE, title,
           output_style_end(STYLE_DIM));
    output_print(stdout, value);
    putchar('\n');
}

static void print_members(enum object_kind kind, yyjson_val *root)
{
    struct buffer line;
    buffer_open(&line, OBJECT_MAX);
    for (size_t i = 0; i < OBJECT_MEMBER_COUNT; i++) {
        const struct object_member_row *row = &object_members[i];
        yyjson_val *value = yyjson_obj_get(root, row->name.data);
        if (row->kind != kind || !is_shown(row, value))
            continue;
        buffer_clear(&line);
        if (i == OBJECT_KEY_models && !text_empty(text_member(root, "principal")))
            buffer_append(&line, TEXT("as its rule in the configuration says"));
        else
            write_shown(row, value, &line);
        print_line(title_of(row), buffer_text(&line));
        if (i == OBJECT_BUDGET_spent)
            print_use(root);
    }
    buffer_close(&line);
}

/* The key stands behind the id, as it always did. */
static void print_json(struct text json, const struct secret *secret)
{
    ptrdiff_t comma = text_find_char(json, ',');
    struct text key = secret ? secret_expose(secret) : TEXT("");
    if (secret == NULL || comma < 0)
        printf("%.*s\n", TEXT_ARG(json));
    else
        printf("%.*s,\"key\":\"%.*s\"%.*s\n", (int)comma, json.data, TEXT_ARG(key),
               TEXT_ARG(text_from_index(json, (size_t)comma)));
}

static yyjson_doc *read(struct text json)
{
    yyjson_doc *document = yyjson_read(json.data, json.length, YYJSON_READ_NUMBER_AS_RAW);
    return ensure_memory(document); /* we have written it */
}

/* Behind a full disk or a closed pipe it is gone for good, and the key is there all the same. */
static void tell_if_lost(struct text json)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return;
    yyjson_doc *document = read(json);
    struct text id = TEXT("");
    (void)json_get_text(yyjson_doc_get_root(document), "id", &id);
    (void)verb_fail("the key %.*s is in force, but could not be printed and cannot be shown again: "
                    "rotate it, or revoke it and make another",
                    TEXT_ARG(id));
    yyjson_doc_free(document);
}

void admin_view_object(enum object_kind kind, struct text json, const struct secret *secret,
                       bool as_json)
{
    if (as_json) {
        print_json(json, secret);
        if (secret != NULL)
            tell_if_lost(json);
        return;
    }
    yyjson_doc *document = read(json);
    print_members(kind, yyjson_doc_get_root(document));
    yyjson_doc_free(document);
    if (secret == NULL)
        return;
    print_line("key", secret_expose(secret));
    printf("\nKeep the key now: only its hash is stored, so it cannot be shown again.\n");
    tell_if_lost(json);
}

void admin_view_result(enum object_kind kind, const struct operation_result *result, bool as_json)
{
    admin_session_remark(result);
    admin_view_object(kind, result->after.data ? result->after : result->before, result->secret,
                      as_json);
    if (!result->changed && !as_json)
        printf("\nNothing to change: it is so already.\n");
}

/* ------------------------------------------------------------------ tables */

struct listing {
    struct output_table *table; /* NULL: JSON lines */
    enum object_kind kind;
    size_t count;
};

static void add_text(struct output_table *table, struct text text)
{
    output_table_cell(table, STYLE_PLAIN, text);
}

static void add_age(struct output_table *table, yyjson_val *root, const char *name,
                    const char *otherwise)
{
    char age[OUTPUT_AGE_SIZE];
    add_text(table, text_from(age_of(root, name, otherwise, age)));
}

static void add_value(struct output_table *table, yyjson_val *value, struct text otherwise)
{
    struct buffer cell;
    buffer_open(&cell, OBJECT_MAX);
    if (value == NULL || yyjson_is_null(value))
        buffer_append(&cell, otherwise);
    else
        difference_write_value(value, &cell);
    add_text(table, buffer_text(&cell));
    buffer_close(&cell);
}

static void add_money(struct output_table *table, yyjson_val *root, const char *name)
{
    char amount[MONEY_TEXT_SIZE];
    struct text text = text_member(root, name);
    add_text(table, format_money(text, amount) ? text_from(amount) : text);
}

/* "team search", "the organisation". */
static void add_scope(struct output_table *table, yyjson_val *root)
{
    static const struct {
        const char *member, *word;
    } scopes[] = {
        {"team", "team"}, {"key", "key"}, {"key_name", "key"}, {"tag", "tag"}, {"model", "model"}};
    char cell[256] = "organisation";
    for (size_t i = 0; i < ARRAY_LENGTH(scopes); i++) {
        struct text value = text_member(root, scopes[i].member);
        if (!text_empty(value))
            (void)snprintf(cell, sizeof cell, "%s %.*s", scopes[i].word, TEXT_ARG(value));
    }
    size_t used = strlen(cell); /* several of one scope are told apart by their names */
    struct text name = text_member(root, "name");
    if (!text_empty(name))
        (void)snprintf(cell + used, sizeof cell - used, ": %.*s", TEXT_ARG(name));
    add_text(table, text_from(cell));
}

static void add_team(struct output_table *table, yyjson_val *root)
{
    add_text(table, text_member(root, "name"));
    add_value(table, yyjson_obj_get(root, "keys"), TEXT("0"));
    add_value(table, yyjson_obj_get(root, "models"), TEXT("all"));
    add_value(table, yyjson_obj_get(root, "deny_models"), TEXT("none"));
    add_age(table, root, "created_at", "");
}

static void add_key(struct output_table *table, yyjson_val *root)
{
    struct text state = text_member(root, "state");
    add_text(table, text_member(root, "id"));
    add_text(table, text_member(root, "name"));
    add_text(table, text_member(root, "team"));
    output_table_cell(table, text_equal(state, TEXT("live")) ? STYLE_GOOD : STYLE_BAD, state);
    add_age(table, root, "created_at", "");
    add_age(table, root, "expires_at", "never");
    add_value(table, yyjson_obj_get(root, "models"),
              text_empty(text_member(root, "principal")) ? TEXT("all") : TEXT("as its rule says"));
}

static void add_budget(struct output_table *table, yyjson_val *root)
{
    struct text rolling = text_member(root, "rolling"), period = text_member(root, "period");
    bool soft = yyjson_is_true(yyjson_obj_get(root, "soft"));
    bool observed = text_equal(text_member(root, "mode"), TEXT("observe"));
    int used = used_of(root);
    struct buffer cell;
    buffer_open(&cell, OBJECT_MAX);
    add_text(table, text_member(root, "id"));
    add_scope(table, root);
    buffer_append_format(&cell, "%.*s%s%s", TEXT_ARG(text_empty(rolling) ? period : rolling),
                         soft ? ", soft" : "", observed ? ", observed" : "");
    add_text(table, buffer_text(&cell));
    add_money(table, root, "amount");
    add_money(table, root, "spent");
    buffer_clear(&cell);
    if (used >= 0)
        write_bar(&cell, used, BAR_NARROW);
    output_table_cell(table, style_of_use(used), buffer_text(&cell));
    buffer_close(&cell);
}

static void add_limit(struct output_table *table, yyjson_val *root)
{
    static const struct {
        const char *member, *words;
    } measures[] = {{"requests", "calls"},
                    {"tokens", "tokens"},
                    {"input_tokens", "tokens in"},
                    {"output_tokens", "tokens out"},
                    {"concurrent", "calls at once"}};
    struct text per = text_member(root, "per");
    struct buffer cell;
    buffer_open(&cell, OBJECT_MAX);
    add_text(table, text_member(root, "id"));
    add_scope(table, root);
    for (size_t i = 0; i < ARRAY_LENGTH(measures); i++) {
        yyjson_val *amount = yyjson_obj_get(root, measures[i].member);
        if (amount != NULL)
            buffer_append_format(&cell, "%s %s", yyjson_get_raw(amount), measures[i].words);
    }
    if (!text_empty(per))
        buffer_append_format(&cell, " per %.*s", TEXT_ARG(per));
    add_text(table, buffer_text(&cell));
    add_text(table, text_member(root, "mode"));
    buffer_close(&cell);
}

static void add_network_rule(struct output_table *table, yyjson_val *root)
{
    struct text allowed = text_member(root, "allow"), mode = text_member(root, "mode");
    bool allows = !text_empty(allowed);
    add_text(table, text_member(root, "id"));
    add_scope(table, root);
    output_table_cell(table, allows ? STYLE_GOOD : STYLE_BAD,
                      allows ? TEXT("allow") : TEXT("deny"));
    add_text(table, allows ? allowed : text_member(root, "deny"));
    add_text(table, mode);
    struct text problem = text_member(root, "problem");
    output_table_cell(table, STYLE_BAD, problem);
}

static void add_admin_key(struct output_table *table, yyjson_val *root)
{
    bool revoked = !text_empty(text_member(root, "revoked_at"));
    add_text(table, text_member(root, "id"));
    add_text(table, text_member(root, "name"));
    add_text(table, text_member(root, "role"));
    add_text(table, text_member(root, "team"));
    output_table_cell(table, revoked ? STYLE_BAD : STYLE_GOOD,
                      revoked ? TEXT("revoked") : TEXT("live"));
    add_age(table, root, "expires_at", "never");
}

static const struct view {
    struct output_column columns[8];
    size_t count;
    void (*add)(struct output_table *table, yyjson_val *root);
} views[OBJECT_KIND_COUNT] = {
    [OBJECT_TEAM] = {{{"TEAM", false, true},
                      {"KEYS", true, false},
                      {"MODELS", false, true},
                      {"DENIED", false, true},
                      {"CREATED", false, false}},
                     5,
                     add_team},
    [OBJECT_KEY] = {{{"ID", false, false},
                     {"NAME", false, true},
                     {"TEAM", false, true},
                     {"STATE", false, false},
                     {"CREATED", false, false},
                     {"EXPIRES", false, false},
                     {"MODELS", false, true}},
                    7,
                    add_key},
    [OBJECT_BUDGET] = {{{"ID", false, false},
                        {"FOR", false, true},
                        {"PERIOD", false, true},
                        {"AMOUNT", true, false},
                        {"SPENT", true, false},
                        {"USED", false, false}},
                       6,
                       add_budget},
    [OBJECT_LIMIT] = {{{"ID", false, false},
                       {"FOR", false, true},
                       {"AT MOST", false, false},
                       {"MODE", false, false}},
                      4,
                      add_limit},
    [OBJECT_NETWORK_RULE] = {{{"ID", false, false},
                              {"FOR", false, true},
                              {"ACTION", false, false},
                              {"NETWORK", false, false},
                              {"MODE", false, false},
                              {"PROBLEM", false, true}},
                             6,
                             add_network_rule},
    [OBJECT_ADMIN_KEY] = {{{"ID", false, false},
                           {"NAME", false, true},
                           {"ROLE", false, false},
                           {"TEAM", false, true},
                           {"STATE", false, false},
                           {"EXPIRES", false, false}},
                          6,
                          add_admin_key},
};

static void list_one(void *context, struct text json)
{
    struct listing *listing = context;
    listing->count++;
    if (listing->table == NULL) {
        print_json(json, NULL);
        return;
    }
    yyjson_doc *document = read(json);
    views[listing->kind].add(listing->table, yyjson_doc_get_root(document));
    yyjson_doc_free(document);
}

int admin_view_list(struct admin_session *session, enum object_kind kind,
                    const struct operations_filter *filter, bool as_json, const char *hint)
{
    const struct view *view = &views[kind];
    struct listing listing = {.kind = kind};
    if (!as_json)
        listing.table = output_table_create(view->columns, view->count);
    bool good = operations_list(&session->operations, kind, filter, list_one, &listing);
    if (listing.table != NULL)
        output_table_print(listing.table);
    if (!good)
        return admin_session_fail(session);
    if (listing.count == 0 && !as_json)
        printf("\n%s\n", hint);
    return VERB_OK;
}
