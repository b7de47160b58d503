/* output: tables and words for people on stdout. Main thread.
 *
 * Colour only where stdout is a terminal, NO_COLOR is unset or empty (no-color.org) and TERM is not
 * "dumb". */
#ifndef APP_OUTPUT_H
#define APP_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/text.h"

enum output_style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_GOOD, STYLE_WARNING, STYLE_BAD };

bool output_is_terminal(void);
/* Columns of the terminal; 0 when stdout is none (then nothing is cut). */
unsigned output_width(void);
/* What starts and what ends a style; "" where there is no colour. */
const char *output_style_begin(enum output_style style);
const char *output_style_end(enum output_style style);

/* Prints `text`, which starts at column `indent`, in lines of the terminal's width (80 where there
 * is none), the further ones indented; ends the line. Lines of `text` are joined; an empty one
 * separates paragraphs, one that starts with a space stands as it is. */
void output_paragraphs(struct text text, unsigned indent);

/* Bytes at the start of `text` that a terminal would obey and not show: control characters, those
 * of two bytes (C1, where U+009B begins commands as ESC [ does), and the marks that turn the
 * direction of what follows. 0: none. Names are whatever somebody typed. `text` is not empty. */
size_t output_unshown(struct text text);
/* Prints it with a space for each of those, ends of lines among them. */
void output_print(FILE *out, struct text text);

/* A table: columns as wide as their widest cell. On a terminal it fits: columns marked `shrinks`
 * are cut with "…", then other words but those of the first column; where that is not enough,
 * columns at the right are left out, with "…" in their place. Numbers are never cut. In pipes, and
 * with
 * --wide, it is whole. */
#define OUTPUT_COLUMNS_MAX 16u

/* From now on nothing is cut: OPTION_WIDE_ROW. */
void output_set_wide(void);

struct output_column {
    const char *title;
    bool right;   /* numbers */
    bool shrinks; /* names: may be cut to fit */
};

struct output_table;

/* Stops the process when memory is short, as do all of these. */
struct output_table *output_table_create(const struct output_column *columns, size_t count);
/* The next cell, row by row; copied, a space for what a terminal would obey. */
void output_table_cell(struct output_table *table, enum output_style style, struct text text);
/* Prints on stdout and frees. */
void output_table_print(struct output_table *table);

/* "3 days ago", "in 2 hours", "now"; 24 bytes hold any. Times are wall-clock nanoseconds. */
#define OUTPUT_AGE_SIZE 32u
const char *output_age(uint64_t time, uint64_t now, char out[OUTPUT_AGE_SIZE]);

#endif
