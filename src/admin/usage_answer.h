/* usage_answer: a question of who used what, its answer from the rollups of the store
 * (store/usage.h), and that as CSV, JSON or FOCUS: for `turnpike usage` and GET /admin/v1/usage.
 * One thread; it may wait for the store. */
#ifndef ADMIN_USAGE_ANSWER_H
#define ADMIN_USAGE_ANSWER_H

#include <stdio.h>

#include "policy/timezone.h"
#include "store/usage.h"

struct json_writer;

enum usage_step {
    USAGE_STEP_NONE,
    USAGE_STEP_QUARTER, /* of an hour */
    USAGE_STEP_HOUR,
    USAGE_STEP_DAY,
    USAGE_STEP_WEEK,
    USAGE_STEP_MONTH
};

/* When the step begins that comes after the one in which `wall` lies; NULL is UTC. */
uint64_t usage_step_next(enum usage_step step, const struct time_zone *zone, uint64_t wall);

#define USAGE_TIME SIZE_MAX /* a column that shows the interval */

/* A column in front: a group of the request, or the time. */
struct usage_column {
    struct text name;  /* in JSON and CSV: "team", "tag:env" */
    const char *title; /* in the table */
    size_t group;      /* of the request, or USAGE_TIME */
    bool is_key;       /* its name is shown too */
};

struct answer_row {
    size_t interval;
    size_t order;        /* in which the store gave it */
    struct text *values; /* one for each group */
    struct usage_sums sums;
};

#define USAGE_COLUMNS_MAX (USAGE_GROUPS_MAX + 1)

struct usage_answer {
    struct usage_column columns[USAGE_COLUMNS_MAX];
    size_t column_count;
    struct usage_group groups[USAGE_GROUPS_MAX];
    size_t group_count;
    enum usage_step step;
    struct text timezone;
    struct time_zone *zone; /* NULL: UTC */
    uint64_t now, since, until;
    uint64_t *edges;
    size_t edge_count;
    struct answer_row *rows;
    size_t row_count;
    struct usage_sums total;
    struct text organisation;
    void *key_names;   /* tsearch's tree: see usage_answer_key_name */
    void *team_titles; /* the same */
};

/* Adds what "team", "tag:env" or "day" asks for; `name` ends with a NUL and stays valid. False: no
 * such thing, twice the same, two steps of time, or too many. */
bool usage_answer_add_column(struct usage_answer *answer, struct text name);
/* The words for the help and for mistakes: "team, key, …". */
extern const char usage_answer_words[];

/* Makes the edges from since to until (0 and UINT64_MAX: no bound), as far as there are calls. */
must_handle enum error usage_answer_make_edges(struct usage_answer *answer, struct store *store);
/* Asks, sorts (by time, then the most expensive first) and reads the names. `request` brings the
 * filter. */
must_handle enum error usage_answer_ask(struct usage_answer *answer, struct store *store,
                                        struct usage_request *request);
void usage_answer_close(struct usage_answer *answer);

/* "payments-prod"; empty when the key is not in the store or has no name. */
struct text usage_answer_key_name(const struct usage_answer *answer, struct text id);
struct text usage_answer_team_title(const struct usage_answer *answer, struct text name);
/* The start of an interval as its step shows it: "2026-11-22", "2026-11", "2026-11-22 13:00". */
#define USAGE_LABEL_SIZE 40u
size_t usage_answer_label(const struct usage_answer *answer, size_t interval,
                          char out[USAGE_LABEL_SIZE]);

void usage_add_sums(struct usage_sums *to, const struct usage_sums *from);
/* What is known of the cost: nothing, when no call of the row has a price and some should. */
bool usage_answer_has_cost(const struct usage_sums *sums);

/* What stands in a column of a row; `label` has the text of a time. */
struct text usage_answer_value(const struct usage_answer *answer, const struct answer_row *row,
                               const struct usage_column *column, char label[USAGE_LABEL_SIZE]);

/* The members of sums, within an object; `cost_usd` has the adjustments in it. */
void usage_write_sums(struct json_writer *json, const struct usage_sums *sums);

void usage_write_csv(const struct usage_answer *answer, FILE *out);
void usage_write_json(const struct usage_answer *answer, FILE *out);
/* One row for each charge of a day, in the columns of FOCUS 1.2 (focus.finops.org); of an answer
 * that usage_focus_prepare has given its columns. */
void usage_focus_prepare(struct usage_answer *answer);
void usage_write_focus(const struct usage_answer *answer, FILE *out);

/* A cell of a CSV file (RFC 4180). A text that a spreadsheet would take for a formula gets an
 * apostrophe in front: models are callers' words. */
void usage_write_csv_cell(struct text text, FILE *out);

#endif
