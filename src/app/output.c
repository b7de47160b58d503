#include "app/output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/ensure.h"

#define WIDTH_DEFAULT 80u  /* of a terminal that does not say */
#define PARAGRAPH_MAX 100u /* characters a line that eyes still follow */
#define PARAGRAPH_MIN 20u
#define SHRUNK_USUAL  16u /* a column that may shrink is not cut below this at first */
#define SHRUNK_MIN    8u  /* and no column ever below this */
#define GAP           2u  /* between columns */

bool output_is_terminal(void)
{
    return isatty(STDOUT_FILENO) == 1;
}

unsigned output_width(void)
{
    struct winsize size;
    if (!output_is_terminal())
        return 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return WIDTH_DEFAULT;
}

static bool has_colour(void)
{
    const char *refused = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    if (refused != NULL && *refused != '\0')
        return false;
    if (terminal == NULL || text_equal(text_from(terminal), TEXT("dumb")))
        return false;
    return output_is_terminal();
}

const char *output_style_begin(enum output_style style)
{
    static const char *const codes[] = {
        [STYLE_PLAIN] = "",        [STYLE_BOLD] = "\033[1m",     [STYLE_DIM] = "\033[2m",
        [STYLE_GOOD] = "\033[32m", [STYLE_WARNING] = "\033[33m", [STYLE_BAD] = "\033[31m"};
    return has_colour() ? codes[style] : "";
}

const char *output_style_end(enum output_style style)
{
    return style != STYLE_PLAIN && has_colour() ? "\033[0m" : "";
}

/* ------------------------------------------------------------------ paragraphs */

struct paragraph {
    size_t room; /* characters a line, after the indent */
    size_t used; /* of this line */
    unsigned indent;
};

static void end_line(struct paragraph *paragraph)
{
    printf("\n%*s", (int)paragraph->indent, "");
    paragraph->used = 0;
}

static void print_words(struct paragraph *paragraph, struct text line)
{
    while (!text_empty(line)) {
        struct text word = text_split(&line, ' ');
        if (paragraph->used > 0 && paragraph->used + 1 + word.length > paragraph->room)
            end_line(paragraph);
        printf("%s%.*s", paragraph->used > 0 ? " " : "", TEXT_ARG(word));
        paragraph->used += word.length + (paragraph->used > 0);
    }
}

void output_paragraphs(struct text text, unsigned indent)
{
    size_t width = output_width() ? output_width() : WIDTH_DEFAULT;
    if (width > PARAGRAPH_MAX)
        width = PARAGRAPH_MAX;
    struct paragraph paragraph = {
        .room = width > indent + PARAGRAPH_MIN ? width - indent : PARAGRAPH_MIN, .indent = indent};
    bool after_verbatim = false;
    while (!text_empty(text)) {
        struct text line = text_split(&text, '\n');
        bool verbatim = text_starts_with(line, TEXT(" "));
        if (verbatim || after_verbatim || text_empty(line))
            end_line(&paragraph);
        after_verbatim = verbatim;
        if (text_empty(line))
            end_line(&paragraph);
        else if (verbatim)
            printf("%.*s", TEXT_ARG(line));
        else
            print_words(&paragraph, line);
    }
    putchar('\n');
}

/* ------------------------------------------------------------------ tables */

struct cell {
    char *text;
    size_t length; /* bytes */
    size_t width;  /* characters */
    enum output_style style;
};

struct output_table {
    struct output_column columns[OUTPUT_COLUMNS_MAX];
    size_t column_count;
    struct cell *cells;
    size_t cell_count, cell_room;
};

/* One column for each character: true of the names that people give, if not of every script. */
static size_t count_characters(struct text text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.length; i++)
        count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return count;
}

struct output_table *output_table_create(const struct output_column *columns, size_t count)
{
    ensure(count > 0 && count <= OUTPUT_COLUMNS_MAX);
    struct output_table *table = ensure_memory(calloc(1, sizeof *table));
    memcpy(table->columns, columns, count * sizeof *columns);
    table->column_count = count;
    for (size_t i = 0; i < count; i++)
        output_table_cell(table, STYLE_BOLD, text_from(columns[i].title));
    return table;
}

size_t output_unshown(struct text text)
{
    const unsigned char *c = (const unsigned char *)text.data;

    if (c[0] < 0x20 || c[0] == 0x7f)
        return 1;
    if (text.length >= 2 && c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f)
        return 2;
    if (text.length >= 2 && c[0] == 0xd8 && c[1] == 0x9c)
        return 2;
    if (text.length < 3 || c[0] != 0xe2)
        return 0;
    bool turns = c[1] == 0x80 && (c[2] == 0x8e || c[2] == 0x8f || (c[2] >= 0xa8 && c[2] <= 0xae));
    bool isolates = c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9;
    return turns || isolates ? 3 : 0;
}

void output_print(FILE *out, struct text text)
{
    for (size_t i = 0, unshown; i < text.length; i += unshown ? unshown : 1) {
        unshown = output_unshown(text_from_index(text, i));
        putc(unshown ? ' ' : text.data[i], out);
    }
}

void output_table_cell(struct output_table *table, enum output_style style, struct text text)
{
    if (table->cell_count == table->cell_room) {
        table->cell_room = table->cell_room ? table->cell_room * 2 : 64;
        table->cells =
            ensure_memory(reallocarray(table->cells, table->cell_room, sizeof *table->cells));
    }
    struct cell *cell = &table->cells[table->cell_count++];
    cell->text = ensure_memory(malloc(text.length + 1));
    cell->length = 0;
    for (size_t i = 0, unshown; i < text.length; i += unshown ? unshown : 1) {
        unshown = output_unshown(text_from_index(text, i));
        cell->text[cell->length++] = unshown ? ' ' : text.data[i];
    }
    cell->text[cell->length] = '\0';
    cell->width = count_characters(text_of(cell->text, cell->length));
    cell->style = style;
}

static bool is_wide;

void output_set_wide(void)
{
    is_wide = true;
}

/* Takes from the widest of the columns that are wider than `least`, the named ones or all words but
 * the first column's, until all fit. */
static void shrink(const struct output_table *table, size_t widths[OUTPUT_COLUMNS_MAX],
                   size_t *total, size_t room, size_t least, bool all)
{
    while (*total > room) {
        size_t widest = OUTPUT_COLUMNS_MAX;
        for (size_t i = 0; i < table->column_count; i++) {
            const struct output_column *column = &table->columns[i];
            bool may = column->shrinks || (all && i > 0 && !column->right);
            if (may && widths[i] > least &&
                (widest == OUTPUT_COLUMNS_MAX || widths[i] > widths[widest]))
                widest = i;
        }
        if (widest == OUTPUT_COLUMNS_MAX)
            return;
        widths[widest]--;
        --*total;
    }
}

/* Widths of the columns, and how many of them are shown. */
static size_t fit_columns(const struct output_table *table, size_t widths[OUTPUT_COLUMNS_MAX])
{
    size_t total = 0, shown = table->column_count, room = is_wide ? 0 : output_width();
    memset(widths, 0, OUTPUT_COLUMNS_MAX * sizeof *widths);
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t column = i % table->column_count;
        if (table->cells[i].width > widths[column])
            widths[column] = table->cells[i].width;
    }
    for (size_t i = 0; i < table->column_count; i++)
        total += widths[i] + (i > 0 ? GAP : 0);
    if (room == 0 || total <= room)
        return shown;
    shrink(table, widths, &total, room, SHRUNK_USUAL, false);
    shrink(table, widths, &total, room, SHRUNK_MIN, true);
    if (total <= room)
        return shown;
    total += GAP + 1; /* "…" in the place of what is left out */
    while (shown > 1 && total > room)
        total -= widths[--shown] + GAP;
    return shown;
}

/* Bytes of the first `width` characters. */
static size_t bytes_of(const struct cell *cell, size_t width)
{
    size_t at = 0, seen = 0;
    for (; at < cell->length; at++) {
        bool starts = ((unsigned char)cell->text[at] & 0xc0) != 0x80;
        if (starts && seen++ == width)
            break;
    }
    return at;
}

static void print_cell(const struct cell *cell, const struct output_column *column, size_t width,
                       bool last)
{
    bool cut = cell->width > width;
    size_t shown = cut ? width : cell->width;
    size_t padding = width - shown;
    if (column->right)
        printf("%*s", (int)padding, "");
    printf("%s%.*s%s%s", output_style_begin(cell->style),
           (int)bytes_of(cell, cut ? width - 1 : width), cell->text, cut ? "…" : "",
           output_style_end(cell->style));
    if (!last)
        printf("%*s", (int)(GAP + (column->right ? 0 : padding)), "");
}

void output_table_print(struct output_table *table)
{
    size_t widths[OUTPUT_COLUMNS_MAX], shown = fit_columns(table, widths);
    bool whole = shown == table->column_count;
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t column = i % table->column_count;
        bool last = column + 1 == shown;
        if (column < shown)
            print_cell(&table->cells[i], &table->columns[column], widths[column], last && whole);
        if (last)
            puts(whole ? "" : "…");
    }
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i].text);
    free(table->cells);
    free(table);
}

/* ------------------------------------------------------------------ ages */

const char *output_age(uint64_t time, uint64_t now, char out[OUTPUT_AGE_SIZE])
{
    static const struct {
        uint64_t seconds;
        const char *name;
    } units[] = {
        {86400 * 365, "year"}, {86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
    uint64_t difference = (time > now ? time - now : now - time) / NANOSECONDS_PER_SECOND;
    for (size_t i = 0; i < ARRAY_LENGTH(units); i++) {
        uint64_t count = difference / units[i].seconds;
        if (count == 0)
            continue;
        (void)snprintf(out, OUTPUT_AGE_SIZE, "%s%llu %s%s%s", time > now ? "in " : "",
                       (unsigned long long)count, units[i].name, count == 1 ? "" : "s",
                       time > now ? "" : " ago");
        return out;
    }
    text_copy_to(TEXT("now"), out, OUTPUT_AGE_SIZE);
    return out;
}
