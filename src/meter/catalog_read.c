/* Reading and checking a catalog. Each object of the file has a table of its members; the walk over
 * a table reports what is unknown, given twice or missing, and each member's reader what is wrong
 * with its value. Reading goes on after a problem, so that one run tells as many as it can; a
 * catalog with a problem is thrown away at the end.
 *
 * Providers and windows are read before models, which refer to them, whatever the file's order. */
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>

#include "base/ensure.h"
#include "base/instant.h"
#include "meter/catalog_parts.h"
#include "meter/catalog_reader.h"

#define ENTRIES_MAX 1000u /* of an object whose keys are names: they are compared pairwise */

/* ---- problems and their places ---- */

static void append_place(struct buffer *out, const struct place *place)
{
    bool dot = false;
    if (place->above != NULL) {
        append_place(out, place->above);
        dot = text_empty(place->above->label) && place->above->above != NULL;
    }
    if (place->key.data != NULL)
        buffer_append_format(out, "%s%.*s", dot ? "." : "", TEXT_ARG(text_first(place->key, 64)));
    else if (place->above != NULL)
        buffer_append_format(out, "[%zu]", place->index);
    if (!text_empty(place->label))
        buffer_append_format(out, " %.*s: ", TEXT_ARG(place->label));
}

void catalog_complain(struct reading *reading, const struct place *place, const char *format, ...)
{
    char message[512];
    va_list arguments;
    struct buffer *lines = &reading->problems->lines;
    if (reading->problems->count++ >= CATALOG_PROBLEMS_MAX)
        return;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    size_t start = lines->length;
    append_place(lines, place);
    bool ends_with_label = !text_empty(place->label);
    buffer_append_format(lines, "%s%s", ends_with_label || place->above == NULL ? "" : ": ",
                         message);
    /* What a file holds is not for the terminal. */
    for (size_t i = start; i < lines->length; i++)
        if ((unsigned char)lines->data[i] < ' ' || lines->data[i] == 0x7f)
            lines->data[i] = '?';
    buffer_append_char(lines, '\n');
}

void *catalog_take(struct reading *reading, size_t count, size_t size)
{
    void *memory = arena_take_zeroed(&reading->catalog->arena, count * size);
    if (memory == NULL)
        reading->out_of_memory = true;
    return memory;
}

struct text catalog_keep(struct reading *reading, struct text text)
{
    struct text kept = arena_copy(&reading->catalog->arena, text);
    if (kept.data == NULL) {
        reading->out_of_memory = true;
        kept = TEXT("");
    }
    return kept;
}

struct text json_words(yyjson_val *value)
{
    return text_of(yyjson_get_str(value), yyjson_get_len(value));
}

/* ---- objects and lists by tables ---- */

static const char *kind_of(yyjson_val *value)
{
    if (yyjson_is_str(value))
        return "a string";
    if (yyjson_is_num(value))
        return "a number";
    if (yyjson_is_bool(value))
        return "true or false";
    if (yyjson_is_arr(value))
        return "a list";
    return yyjson_is_obj(value) ? "an object" : "null";
}

bool catalog_want(struct reading *reading, const struct place *place, yyjson_val *value, bool good,
                  const char *wanted)
{
    if (!good)
        catalog_complain(reading, place, "must be %s, and is %s", wanted, kind_of(value));
    return good;
}

static void unknown_member(struct reading *reading, const struct place *place, struct text key,
                           const struct member_rows *rows)
{
    size_t best = SIZE_MAX, limit = key.length < 6 ? key.length / 3 + 1 : 3;
    const struct member_row *nearest = NULL;
    /* Not for what is not told any more: a hostile file may have millions of these. */
    bool told = reading->problems->count < CATALOG_PROBLEMS_MAX;
    for (size_t i = 0; i < rows->count && told; i++) {
        size_t distance = text_edit_distance(text_from(rows->rows[i].key), key, limit);
        if (distance <= limit && distance < best) {
            best = distance;
            nearest = &rows->rows[i];
        }
    }
    catalog_complain(reading, place, "there is no such key here%s%s%s",
                     nearest ? "; did you mean '" : "", nearest ? nearest->key : "",
                     nearest ? "'?" : "");
}

static const struct member_row *find_row(const struct member_rows *rows, struct text key)
{
    for (size_t i = 0; i < rows->count; i++)
        if (text_equal(text_from(rows->rows[i].key), key))
            return &rows->rows[i];
    return NULL;
}

void catalog_read_object(struct reading *reading, const struct place *place, yyjson_val *object,
                         const struct member_rows *rows, void *out)
{
    uint64_t seen = 0;
    size_t index, count;
    yyjson_val *key, *value;
    if (!catalog_want(reading, place, object, yyjson_is_obj(object), "an object"))
        return;
    yyjson_obj_foreach(object, index, count, key, value)
    {
        struct place member = {.above = place, .key = json_words(key)};
        const struct member_row *row = find_row(rows, member.key);
        if (row == NULL) {
            unknown_member(reading, &member, member.key, rows);
            continue;
        }
        uint64_t bit = 1ull << (row - rows->rows);
        if (seen & bit)
            catalog_complain(reading, &member, "is given twice");
        else
            row->read(reading, &member, value, (char *)out + row->offset);
        seen |= bit;
    }
    for (size_t i = 0; i < rows->count; i++) {
        struct place member = {.above = place, .key = text_from(rows->rows[i].key)};
        if (rows->rows[i].required && (seen & 1ull << i) == 0)
            catalog_complain(reading, &member, "is missing");
    }
}

size_t catalog_read_list(struct reading *reading, const struct place *place, yyjson_val *list,
                         member_reader *read, size_t size, void **out)
{
    size_t index, count;
    yyjson_val *value;
    if (!catalog_want(reading, place, list, yyjson_is_arr(list), "a list"))
        return 0;
    char *entries = catalog_take(reading, yyjson_arr_size(list), size);
    if (entries == NULL)
        return 0;
    yyjson_arr_foreach(list, index, count, value)
    {
        struct place entry = {.above = place, .index = index};
        read(reading, &entry, value, entries + index * size);
    }
    *out = entries;
    return yyjson_arr_size(list);
}

bool catalog_want_few(struct reading *reading, const struct place *place, yyjson_val *object)
{
    if (!catalog_want(reading, place, object, yyjson_is_obj(object), "an object"))
        return false;
    if (yyjson_obj_size(object) <= ENTRIES_MAX)
        return true;
    catalog_complain(reading, place, "has more than %u entries", ENTRIES_MAX);
    return false;
}

bool catalog_is_repeated(yyjson_val *object, struct text name, size_t index)
{
    size_t i, count;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, i, count, key, value)
    {
        if (i >= index)
            break;
        if (text_equal(json_words(key), name))
            return true;
    }
    return false;
}

/* ---- values ---- */

#define NOTE_MAX 4096u

bool catalog_check_name(struct reading *reading, const struct place *place, struct text name)
{
    bool clean = name.length > 0 && name.length <= CATALOG_NAME_MAX;
    for (size_t i = 0; i < name.length && clean; i++)
        clean = (unsigned char)name.data[i] > ' ' && name.data[i] != 0x7f;
    if (!clean)
        catalog_complain(reading, place, "must be a name of 1 to %u bytes without white space",
                         CATALOG_NAME_MAX);
    return clean;
}

void read_name(struct reading *reading, const struct place *place, yyjson_val *value, void *out)
{
    if (catalog_want(reading, place, value, yyjson_is_str(value), "a string") &&
        catalog_check_name(reading, place, json_words(value)))
        *(struct text *)out = catalog_keep(reading, json_words(value));
}

void read_note(struct reading *reading, const struct place *place, yyjson_val *value, void *out)
{
    if (!catalog_want(reading, place, value, yyjson_is_str(value), "a string"))
        return;
    if (yyjson_get_len(value) > NOTE_MAX)
        catalog_complain(reading, place, "is longer than %u bytes", NOTE_MAX);
    else
        *(struct text *)out = catalog_keep(reading, json_words(value));
}

/* A list of texts, as one: "gp, pk". */
void read_joined(struct reading *reading, const struct place *place, yyjson_val *value, void *out)
{
    size_t index, count;
    yyjson_val *entry;
    struct buffer joined;
    if (!catalog_want(reading, place, value, yyjson_is_arr(value), "a list"))
        return;
    buffer_open(&joined, NOTE_MAX);
    yyjson_arr_foreach(value, index, count, entry)
    {
        struct place at = {.above = place, .index = index};
        if (!catalog_want(reading, &at, entry, yyjson_is_str(entry), "a string"))
            continue;
        if (joined.length > 0)
            buffer_append(&joined, TEXT(", "));
        buffer_append(&joined, json_words(entry));
    }
    if (joined.failed)
        catalog_complain(reading, place, "is longer than %u bytes", NOTE_MAX);
    else
        *(struct text *)out = catalog_keep(reading, buffer_text(&joined));
    buffer_close(&joined);
}

#define TOKENS_MAX 1000000000000ll /* of a context window or a tier */

void read_tokens(struct reading *reading, const struct place *place, yyjson_val *value, void *out)
{
    if (!catalog_want(reading, place, value, yyjson_is_uint(value), "a whole number of tokens"))
        return;
    if (yyjson_get_uint(value) < 1 || yyjson_get_uint(value) > TOKENS_MAX)
        catalog_complain(reading, place, "must be between 1 and %lld", TOKENS_MAX);
    else
        *(int64_t *)out = (int64_t)yyjson_get_uint(value);
}

void read_instant(struct reading *reading, const struct place *place, yyjson_val *value, void *out)
{
    if (!catalog_want(reading, place, value, yyjson_is_str(value), "a date in a string"))
        return;
    if (!instant_parse(json_words(value), out))
        catalog_complain(reading, place,
                         "'%.*s' is no date: write 2026-11-22 or 2026-11-22T16:00:00Z",
                         TEXT_ARG(text_first(json_words(value), 40)));
}

/* The text of a decimal; complains and returns false when it is none. */
static bool decimal_of(struct reading *reading, const struct place *place, yyjson_val *value,
                       money *amount)
{
    if (yyjson_is_num(value)) {
        catalog_complain(reading, place,
                         "must be a string such as \"0.25\": a number would lose digits");
        return false;
    }
    if (!catalog_want(reading, place, value, yyjson_is_str(value), "a decimal in a string"))
        return false;
    enum money_problem problem = money_parse(json_words(value), amount);
    if (problem != MONEY_GOOD)
        catalog_complain(reading, place, "'%.*s' %s", TEXT_ARG(text_first(json_words(value), 40)),
                         money_problem_text(problem));
    return problem == MONEY_GOOD;
}

void read_price(struct reading *reading, const struct place *place, yyjson_val *value, void *out)
{
    money amount;
    if (!decimal_of(reading, place, value, &amount))
        return;
    if (amount > CATALOG_PRICE_MAX)
        catalog_complain(reading, place,
                         "'%.*s' is above %lld US dollars, more than anything costs",
                         TEXT_ARG(text_first(json_words(value), 40)),
                         (long long)(CATALOG_PRICE_MAX / MONEY_DOLLAR));
    else
        *(int64_t *)out = (int64_t)amount;
}

/* {"input": "0.25", ...} into a price by unit. */
void read_prices(struct reading *reading, const struct place *place, yyjson_val *value, void *out)
{
    int64_t *prices = out;
    size_t index, count;
    yyjson_val *key, *price;
    uint64_t seen = 0;
    if (!catalog_want(reading, place, value, yyjson_is_obj(value), "an object"))
        return;
    yyjson_obj_foreach(value, index, count, key, price)
    {
        struct place at = {.above = place, .key = json_words(key)};
        enum unit unit = unit_find(at.key);
        if (unit == UNIT_NONE)
            catalog_complain(reading, &at, "there is no such class of units");
        else if (seen & unit_bit(unit))
            catalog_complain(reading, &at, "is given twice");
        else
            read_price(reading, &at, price, &prices[unit]);
        if (unit != UNIT_NONE)
            seen |= unit_bit(unit);
    }
}

static int64_t greatest_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

#define FACTOR_STEP 10000 /* four decimals */

void read_factor(struct reading *reading, const struct place *place, yyjson_val *value, void *out)
{
    money factor;
    struct ratio *ratio = out;
    if (!decimal_of(reading, place, value, &factor))
        return;
    if (factor <= 0 || factor > 100 * MONEY_DOLLAR || factor % (MONEY_DOLLAR / FACTOR_STEP) != 0) {
        catalog_complain(reading, place,
                         "must be above 0 and at most 100, with at most 4 decimals");
        return;
    }
    int64_t parts = (int64_t)(factor / (MONEY_DOLLAR / FACTOR_STEP));
    int64_t divisor = greatest_divisor(parts, FACTOR_STEP);
    *ratio = (struct ratio){parts / divisor, FACTOR_STEP / divisor};
}

/* A member that only people read, of any form. */
static void read_anything(struct reading *reading, const struct place *place, yyjson_val *value,
                          void *out)
{
    (void)reading, (void)place, (void)value, (void)out;
}

/* ---- the classes, which are this program's own ---- */

struct class_row {
    int64_t per;
    struct text unit, side, fallback, what;
};

static void read_per(struct reading *reading, const struct place *place, yyjson_val *value,
                     void *out)
{
    read_tokens(reading, place, value, out);
}

static const struct member_row class_members[] = {
    {"per", offsetof(struct class_row, per), read_per, true},
    {"unit", offsetof(struct class_row, unit), read_name, true},
    {"side", offsetof(struct class_row, side), read_name, true},
    {"fallback", offsetof(struct class_row, fallback), read_name, false},
    {"what", offsetof(struct class_row, what), read_note, false},
};
static const struct member_rows class_rows = MEMBER_ROWS(class_members);

static void check_class(struct reading *reading, const struct place *place, yyjson_val *value)
{
    enum unit unit = unit_find(place->key);
    struct class_row row = {0};
    if (unit == UNIT_NONE) {
        catalog_complain(reading, place, "this program knows no such class of units");
        return;
    }
    size_t before = reading->problems->count;
    catalog_read_object(reading, place, value, &class_rows, &row);
    const struct unit_row *own = &unit_rows[unit];
    struct text fallback =
        own->fallback == UNIT_NONE ? text_of(NULL, 0) : unit_rows[own->fallback].name;
    if (reading->problems->count == before &&
        (row.per != own->per || !text_equal(row.unit, own->measure) ||
         !text_equal(row.fallback, fallback)))
        catalog_complain(reading, place,
                         "differs from what this program counts: per %" PRId64 " %.*s%s%.*s",
                         own->per, TEXT_ARG(own->measure), text_empty(fallback) ? "" : ", else as ",
                         TEXT_ARG(fallback));
}

static void read_classes(struct reading *reading, const struct place *place, yyjson_val *value,
                         void *out)
{
    size_t index, count;
    yyjson_val *key, *entry;
    (void)out;
    if (!catalog_want_few(reading, place, value))
        return;
    yyjson_obj_foreach(value, index, count, key, entry)
    {
        struct place at = {.above = place, .key = json_words(key)};
        if (catalog_is_repeated(value, at.key, index))
            catalog_complain(reading, &at, "is given twice");
        else
            check_class(reading, &at, entry);
    }
}

/* ---- the file ---- */

struct file {
    struct text as_of, currency;
    yyjson_val *windows, *providers, *models;
};

static void read_schema(struct reading *reading, const struct place *place, yyjson_val *value,
                        void *out)
{
    (void)out;
    if (!yyjson_is_uint(value) || yyjson_get_uint(value) != 1)
        catalog_complain(reading, place, "must be 1: this program reads no other form");
}

static void read_as_of(struct reading *reading, const struct place *place, yyjson_val *value,
                       void *out)
{
    int64_t instant;
    if (!catalog_want(reading, place, value, yyjson_is_str(value), "a date in a string"))
        return;
    if (yyjson_get_len(value) != 10 || !instant_parse(json_words(value), &instant))
        catalog_complain(reading, place, "'%.*s' is no date: write 2026-11-22",
                         TEXT_ARG(text_first(json_words(value), 40)));
    else
        *(struct text *)out = catalog_keep(reading, json_words(value));
}

static void read_currency(struct reading *reading, const struct place *place, yyjson_val *value,
                          void *out)
{
    if (!catalog_want(reading, place, value, yyjson_is_str(value), "a string"))
        return;
    if (!text_equal(json_words(value), TEXT("USD")))
        catalog_complain(reading, place, "'%.*s' is not USD: prices are in US dollars only",
                         TEXT_ARG(text_first(json_words(value), 40)));
    *(struct text *)out = TEXT("USD");
}

static void read_later(struct reading *reading, const struct place *place, yyjson_val *value,
                       void *out)
{
    (void)reading, (void)place;
    *(yyjson_val **)out = value;
}

static const struct member_row file_members[] = {
    {"schema", 0, read_schema, true},
    {"as_of", offsetof(struct file, as_of), read_as_of, true},
    {"currency", offsetof(struct file, currency), read_currency, true},
    {"unit", 0, read_anything, false},
    {"rounding", 0, read_anything, false},
    {"notes", 0, read_anything, false},
    {"sources", 0, read_anything, false},
    {"classes", 0, read_classes, false},
    {"windows", offsetof(struct file, windows), read_later, false},
    {"providers", offsetof(struct file, providers), read_later, true},
    {"models", offsetof(struct file, models), read_later, true},
};
static const struct member_rows file_rows = MEMBER_ROWS(file_members);

static void read_file(struct reading *reading, yyjson_val *root)
{
    struct file file = {0};
    struct place top = {0};
    catalog_read_object(reading, &top, root, &file_rows, &file);
    reading->catalog->as_of = file.as_of;
    struct place windows = {.above = &top, .key = TEXT("windows")};
    struct place providers = {.above = &top, .key = TEXT("providers")};
    struct place models = {.above = &top, .key = TEXT("models")};
    if (file.windows != NULL)
        catalog_read_windows(reading, &windows, file.windows);
    if (file.providers != NULL)
        catalog_read_providers(reading, &providers, file.providers);
    if (file.providers != NULL && file.models != NULL) {
        catalog_read_models(reading, &models, file.models);
        catalog_read_fees(reading, &providers, file.providers);
    }
}

static bool write_version(struct catalog *catalog, struct text json)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    if (EVP_Digest(json.data, json.length, hash, NULL, EVP_sha256(), NULL) != 1)
        return false;
    (void)snprintf(catalog->version, sizeof catalog->version, "%.*s+%02x%02x%02x%02x",
                   TEXT_ARG(catalog->as_of), hash[0], hash[1], hash[2], hash[3]);
    return true;
}

static void complain_of_syntax(struct text json, const yyjson_read_err *error,
                               struct catalog_problems *problems)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < error->pos && i < json.length; i++) {
        column = json.data[i] == '\n' ? 1 : column + 1;
        line += json.data[i] == '\n';
    }
    problems->count++;
    buffer_append_format(&problems->lines, "line %zu, column %zu: no JSON: %s\n", line, column,
                         error->msg);
}

enum error catalog_read(struct text json, struct catalog **catalog,
                        struct catalog_problems *problems)
{
    yyjson_read_err syntax = {0};
    if (json.length > CATALOG_SIZE_MAX) {
        problems->count++;
        buffer_append_format(&problems->lines, "it is larger than %u MiB\n",
                             CATALOG_SIZE_MAX >> 20);
        return ERROR_SYNTAX;
    }
    yyjson_doc *document =
        yyjson_read_opts((char *)(uintptr_t)json.data, json.length, 0, NULL, &syntax);
    if (document == NULL) {
        if (syntax.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
            return ERROR_MEMORY;
        complain_of_syntax(json, &syntax, problems);
        return ERROR_SYNTAX;
    }
    struct reading reading = {.catalog = catalog_create(), .problems = problems};
    size_t before = problems->count;
    enum error error = ERROR_MEMORY;
    if (reading.catalog != NULL) {
        read_file(&reading, yyjson_doc_get_root(document));
        error = problems->count > before ? ERROR_SYNTAX : ERROR_OK;
        if (reading.out_of_memory || (!error && !write_version(reading.catalog, json)))
            error = ERROR_MEMORY;
    }
    yyjson_doc_free(document);
    if (error)
        catalog_release(reading.catalog);
    else
        *catalog = reading.catalog;
    return error;
}
