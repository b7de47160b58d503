/* RFC 8536, read from the version 2+ data block (64-bit times) or, in a version 1 file, the only
 * one. After the last listed transition the footer's rule holds (section 3.3). */
#include "policy/timezone.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/number.h"
#include "policy/calendar.h"

#define ZONES_FOLDER    "/usr/share/zoneinfo"
#define HEADER_SIZE     44u
#define TRANSITIONS_MAX 4096u       /* the most of the database has 244 */
#define OFFSET_MAX      (26 * 3600) /* seconds; RFC 8536 section 3.2: from -25 to 26 hours */
#define RULE_HOURS_MAX  167         /* section 3.3.1 */

/* When in a year the clock changes: one of the three forms of a POSIX TZ string. */
enum rule_form { RULE_JULIAN, RULE_DAY, RULE_WEEKDAY };

struct rule {
    enum rule_form form;
    int day;  /* JULIAN: 1 to 365 without leap day; DAY: 0 to 365; WEEKDAY: 0 (Sunday) to 6 */
    int week; /* 1 to 5, 5: the last */
    int month;
    int32_t time; /* seconds after local midnight, may be negative */
};

struct footer {
    bool present;
    bool has_summer;
    int32_t offset, summer_offset;
    struct rule summer_begins, summer_ends;
};

struct transition {
    int64_t at;
    int32_t offset; /* from then on */
};

struct time_zone {
    struct footer footer;
    int32_t first_offset; /* before the first transition */
    size_t count;
    struct transition transitions[];
};

/* ------------------------------------------------------------------ the file */

struct header {
    unsigned version;
    uint32_t utc_indicators, standard_indicators, leaps, times, types, characters;
};

static uint32_t read_32(const char *bytes)
{
    const unsigned char *b = (const unsigned char *)bytes;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static int64_t read_time(const char *bytes, size_t size)
{
    if (size == 4)
        return (int32_t)read_32(bytes);
    return (int64_t)((uint64_t)read_32(bytes) << 32 | read_32(bytes + 4));
}

/* Takes the header off `rest`. */
static bool read_header(struct text *rest, struct header *header)
{
    if (rest->length < HEADER_SIZE || !text_starts_with(*rest, TEXT("TZif")))
        return false;
    const char *bytes = rest->data;
    header->version = bytes[4] == '\0' ? 1 : (unsigned)(bytes[4] - '0');
    header->utc_indicators = read_32(bytes + 20);
    header->standard_indicators = read_32(bytes + 24);
    header->leaps = read_32(bytes + 28);
    header->times = read_32(bytes + 32);
    header->types = read_32(bytes + 36);
    header->characters = read_32(bytes + 40);
    *rest = text_from_index(*rest, HEADER_SIZE);
    return header->version >= 1 && header->version <= 9 && header->times <= TRANSITIONS_MAX &&
           header->types >= 1 && header->types <= 256 && header->characters <= TIMEZONE_FILE_MAX &&
           header->leaps <= TRANSITIONS_MAX && header->utc_indicators <= 256 &&
           header->standard_indicators <= 256;
}

static size_t block_size(const struct header *header, size_t time_size)
{
    return header->times * (time_size + 1) + header->types * 6u + header->characters +
           header->leaps * (time_size + 4) + header->standard_indicators + header->utc_indicators;
}

static bool fill_transitions(struct time_zone *zone, const struct header *header, const char *block,
                             size_t time_size)
{
    const char *indexes = block + header->times * time_size;
    const char *types = indexes + header->times;
    int64_t before = INT64_MIN;
    for (size_t i = 0; i < header->types; i++) {
        int32_t offset = (int32_t)read_32(types + i * 6);
        if (offset < -OFFSET_MAX || offset > OFFSET_MAX)
            return false;
    }
    zone->first_offset = (int32_t)read_32(types);
    for (size_t i = 0; i < header->times; i++) {
        unsigned type = (unsigned char)indexes[i];
        int64_t at = read_time(block + i * time_size, time_size);
        if (type >= header->types || (i > 0 && at <= before))
            return false;
        before = at;
        zone->transitions[i] = (struct transition){at, (int32_t)read_32(types + type * 6)};
    }
    zone->count = header->times;
    return true;
}

/* ------------------------------------------------------------------ the footer (POSIX TZ) */

static bool take_char(struct text *rest, char c)
{
    if (text_empty(*rest) || rest->data[0] != c)
        return false;
    *rest = text_from_index(*rest, 1);
    return true;
}

static bool take_number(struct text *rest, int maximum, int *out)
{
    size_t digits = 0;
    while (digits < rest->length && digits < 4 && rest->data[digits] >= '0' &&
           rest->data[digits] <= '9')
        digits++;
    uint64_t number;
    if (!number_parse_unsigned(text_first(*rest, digits), &number) || number > (uint64_t)maximum)
        return false;
    *rest = text_from_index(*rest, digits);
    *out = (int)number;
    return true;
}

/* "[+-]hh[:mm[:ss]]" in seconds. */
static bool take_time(struct text *rest, int hours_max, int32_t *out)
{
    bool negative = take_char(rest, '-');
    if (!negative)
        take_char(rest, '+');
    int hours, minutes = 0, seconds = 0;
    if (!take_number(rest, hours_max, &hours))
        return false;
    if (take_char(rest, ':')) {
        if (!take_number(rest, 59, &minutes))
            return false;
        if (take_char(rest, ':') && !take_number(rest, 59, &seconds))
            return false;
    }
    *out = (negative ? -1 : 1) * (hours * 3600 + minutes * 60 + seconds);
    return true;
}

/* "CET" or "<+03>". */
static bool take_designation(struct text *rest)
{
    size_t length = 0;
    if (take_char(rest, '<')) {
        ptrdiff_t end = text_find_char(*rest, '>');
        if (end < 0)
            return false;
        *rest = text_from_index(*rest, (size_t)end + 1);
        return true;
    }
    while (length < rest->length && ((rest->data[length] | 0x20) >= 'a') &&
           ((rest->data[length] | 0x20) <= 'z'))
        length++;
    *rest = text_from_index(*rest, length);
    return length >= 3;
}

/* "M3.2.0/2", "J60", "0/0". */
static bool take_rule(struct text *rest, struct rule *rule)
{
    *rule = (struct rule){.form = RULE_DAY, .time = 2 * 3600};
    if (!take_char(rest, ','))
        return false;
    bool good;
    if (take_char(rest, 'M')) {
        rule->form = RULE_WEEKDAY;
        good = take_number(rest, 12, &rule->month) && take_char(rest, '.') &&
               take_number(rest, 5, &rule->week) && take_char(rest, '.') &&
               take_number(rest, 6, &rule->day) && rule->month >= 1 && rule->week >= 1;
    } else if (take_char(rest, 'J')) {
        rule->form = RULE_JULIAN;
        good = take_number(rest, 365, &rule->day) && rule->day >= 1;
    } else {
        good = take_number(rest, 365, &rule->day);
    }
    if (!good)
        return false;
    return !take_char(rest, '/') || take_time(rest, RULE_HOURS_MAX, &rule->time);
}

/* "CET-1CEST,M3.5.0,M10.5.0/3": offsets are west of UTC there. */
static bool parse_footer(struct text text, struct footer *footer)
{
    if (text_empty(text))
        return true;
    if (!take_designation(&text) || !take_time(&text, 24, &footer->offset))
        return false;
    footer->present = true;
    footer->offset = -footer->offset;
    if (text_empty(text))
        return true;
    footer->has_summer = true;
    footer->summer_offset = footer->offset + 3600;
    if (!take_designation(&text))
        return false;
    if (!text_empty(text) && text.data[0] != ',') {
        if (!take_time(&text, 24, &footer->summer_offset))
            return false;
        footer->summer_offset = -footer->summer_offset;
    }
    return take_rule(&text, &footer->summer_begins) && take_rule(&text, &footer->summer_ends) &&
           text_empty(text);
}

/* ------------------------------------------------------------------ loading */

static bool find_footer(struct text rest, struct text *footer)
{
    if (!take_char(&rest, '\n'))
        return false;
    ptrdiff_t end = text_find_char(rest, '\n');
    if (end < 0)
        return false;
    *footer = text_first(rest, (size_t)end);
    return true;
}

enum error timezone_parse(struct text contents, struct time_zone **out)
{
    struct header header;
    size_t time_size = 4;
    struct text footer = {0};
    *out = NULL;
    if (!read_header(&contents, &header) || contents.length < block_size(&header, 4))
        return ERROR_CORRUPT;
    if (header.version >= 2) {
        time_size = 8;
        contents = text_from_index(contents, block_size(&header, 4));
        if (!read_header(&contents, &header) || contents.length < block_size(&header, 8) ||
            !find_footer(text_from_index(contents, block_size(&header, 8)), &footer))
            return ERROR_CORRUPT;
    }
    struct time_zone *zone = calloc(1, sizeof *zone + header.times * sizeof(struct transition));
    if (zone == NULL)
        return ERROR_MEMORY;
    if (!fill_transitions(zone, &header, contents.data, time_size) ||
        !parse_footer(footer, &zone->footer)) {
        free(zone);
        return ERROR_CORRUPT;
    }
    *out = zone;
    return ERROR_OK;
}

/* Names with ".." or an absolute path would read other files than zones. */
static bool name_is_good(struct text name)
{
    if (name.length > TIMEZONE_NAME_MAX || name.data[0] == '/' || name.data[0] == '.' ||
        text_find(name, TEXT("..")) >= 0)
        return false;
    for (size_t i = 0; i < name.length; i++) {
        char c = name.data[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (!letter && !(c >= '0' && c <= '9') && text_find_char(TEXT("/_+-."), c) < 0)
            return false;
    }
    return true;
}

static enum error read_whole(const char *path, char *bytes, size_t *length)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return errno == ENOENT || errno == ENOTDIR ? ERROR_NOT_FOUND : ERROR_SYSTEM;
    *length = 0;
    ssize_t got;
    while ((got = read(file, bytes + *length, TIMEZONE_FILE_MAX - *length)) > 0)
        *length += (size_t)got;
    enum error error = ERROR_OK;
    if (got < 0)
        error = errno == EISDIR ? ERROR_NOT_FOUND : ERROR_SYSTEM;
    close(file);
    return error;
}

static struct time_zone *make_utc(void)
{
    return calloc(1, sizeof(struct time_zone));
}

enum error timezone_load_from(const char *folder, struct text name, struct time_zone **out)
{
    *out = NULL;
    if (text_empty(name) || text_equal(name, TEXT("UTC")) || text_equal(name, TEXT("Etc/UTC"))) {
        *out = make_utc();
        return *out == NULL ? ERROR_MEMORY : ERROR_OK;
    }
    if (!name_is_good(name))
        return ERROR_ARGUMENT;
    char path[4096];
    int written = snprintf(path, sizeof path, "%s/%.*s", folder == NULL ? ZONES_FOLDER : folder,
                           TEXT_ARG(name));
    if (written < 0 || (size_t)written >= sizeof path)
        return ERROR_ARGUMENT;
    char *bytes = malloc(TIMEZONE_FILE_MAX);
    if (bytes == NULL)
        return ERROR_MEMORY;
    size_t length;
    enum error error = read_whole(path, bytes, &length);
    if (error == ERROR_OK)
        error = timezone_parse(text_of(bytes, length), out);
    free(bytes);
    return error;
}

enum error timezone_load(struct text name, struct time_zone **out)
{
    return timezone_load_from(NULL, name, out);
}

void timezone_free(struct time_zone *zone)
{
    free(zone);
}

/* ------------------------------------------------------------------ asking */

/* Days since 1970 on which the rule falls in that year. */
static int64_t rule_day(const struct rule *rule, int64_t year)
{
    int64_t first = calendar_days(year, 1, 1);
    if (rule->form == RULE_DAY)
        return first + rule->day;
    if (rule->form == RULE_JULIAN)
        return first + rule->day - (rule->day < 60 || !calendar_is_leap(year) ? 1 : 0);
    int64_t month = calendar_days(year, rule->month, 1);
    int64_t next =
        rule->month == 12 ? calendar_days(year + 1, 1, 1) : calendar_days(year, rule->month + 1, 1);
    int64_t day = month + (rule->day - calendar_weekday(month) + 7) % 7 + (rule->week - 1) * 7;
    return day >= next ? day - 7 : day;
}

enum { RULE_YEARS = 3 };

/* The footer's transitions of the years around `instant`, in order. At one instant the later year's
 * comes last and counts: a summer that ends when the next begins lasts for ever. */
static size_t footer_transitions(const struct footer *footer, int64_t instant,
                                 struct transition out[2 * RULE_YEARS])
{
    int64_t year = calendar_date(calendar_day_of(instant + footer->offset)).year - 1;
    size_t count = 0;
    for (int i = 0; i < RULE_YEARS; i++, year++) {
        struct transition pair[2] = {
            {rule_day(&footer->summer_begins, year) * 86400 + footer->summer_begins.time -
                 footer->offset,
             footer->summer_offset},
            {rule_day(&footer->summer_ends, year) * 86400 + footer->summer_ends.time -
                 footer->summer_offset,
             footer->offset},
        };
        for (int j = 0; j < 2; j++) {
            size_t at = count++;
            for (; at > 0 && out[at - 1].at > pair[j].at; at--)
                out[at] = out[at - 1];
            out[at] = pair[j];
        }
    }
    return count;
}

static struct time_span footer_span(const struct footer *footer, int64_t instant)
{
    struct time_span span = {footer->offset, INT64_MAX};
    if (!footer->has_summer)
        return span;
    struct transition transitions[2 * RULE_YEARS];
    size_t count = footer_transitions(footer, instant, transitions);
    for (size_t i = 0; i < count; i++) {
        if (transitions[i].at > instant) {
            span.until = transitions[i].at;
            break;
        }
        span.offset = transitions[i].offset;
    }
    return span;
}

struct time_span timezone_span(const struct time_zone *zone, int64_t instant)
{
    if (zone == NULL)
        return (struct time_span){0, INT64_MAX};
    size_t low = 0, high = zone->count; /* how many transitions are not after the instant */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->transitions[middle].at <= instant)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < zone->count)
        return (struct time_span){low == 0 ? zone->first_offset : zone->transitions[low - 1].offset,
                                  zone->transitions[low].at};
    if (zone->footer.present)
        return footer_span(&zone->footer, instant);
    int32_t last =
        zone->count == 0 ? zone->first_offset : zone->transitions[zone->count - 1].offset;
    return (struct time_span){last, INT64_MAX};
}
