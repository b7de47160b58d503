#include "store/adjustments.h"

#include "base/ensure.h"
#include "store/exchanges.h"
#include "store/rollup.h"
#include "store/table.h"

/* A call as the corrections see it. */
struct call {
    int64_t series; /* 0: not counted yet */
    uint64_t started_at;
    int64_t cost; /* now */
};

static void bind_exchange(const void *context, struct store_statement *statement)
{
    const struct identifier *exchange = context;
    store_bind_blob(statement, 1, exchange->bytes, sizeof exchange->bytes);
}

/* What the record says: a call that used nothing has no cost and is not unpriced, it costs nothing.
 */
static int64_t first_cost(const struct record *record)
{
    if (record->cost >= 0)
        return record->cost;
    return text_equal(record->cost_state, TEXT("none")) ? 0 : ADJUSTMENTS_UNPRICED;
}

static enum error find_record(struct store *store, const struct identifier *exchange,
                              struct call *call)
{
    struct exchanges_reader reader;
    struct exchange_row row;
    bool found = false;
    enum error error = exchanges_open(&reader, store, "WHERE id = ?");
    if (error)
        return error;
    bind_exchange(exchange, reader.select);
    error = exchanges_next(&reader, &row, &found);
    if (!error && found) {
        *call = (struct call){.series = row.series,
                              .started_at = row.record.started_at,
                              .cost = first_cost(&row.record)};
    }
    exchanges_close(&reader);
    return !error && !found ? ERROR_NOT_FOUND : error;
}

static bool take_cost(void *context, struct store_statement *statement)
{
    struct call *call = context;
    call->cost = store_column_integer(statement, 0);
    return false;
}

/* The last adjustment says what the call costs; without one, its record does. */
static enum error find_call(struct store *store, struct identifier exchange, struct call *call)
{
    enum error error = find_record(store, &exchange, call);
    if (error)
        return error;
    return table_query(
        store, "SELECT after FROM adjustments WHERE exchange = ? ORDER BY number DESC LIMIT 1",
        bind_exchange, &exchange, take_cost, call, NULL);
}

enum error adjustments_cost(struct store *store, struct identifier exchange, int64_t *cost)
{
    struct call call;
    enum error error = find_call(store, exchange, &call);
    if (!error)
        *cost = call.cost;
    return error;
}

/* Adds the difference to one table's bucket. */
static enum error adjust_bucket(struct store *store, const char *sql, int64_t bucket,
                                int64_t series, const struct adjustment *adjustment)
{
    struct store_statement *statement;
    int64_t dollars, picos;
    bool unpriced = adjustment->before == ADJUSTMENTS_UNPRICED;
    rollup_split_money((__int128)adjustment->after - (unpriced ? 0 : adjustment->before), &dollars,
                       &picos);
    enum error error = store_prepare(store, sql, &statement);
    if (error)
        return error;
    store_bind_integer(statement, 1, bucket);
    store_bind_integer(statement, 2, series);
    store_bind_integer(statement, 3, dollars);
    store_bind_integer(statement, 4, picos);
    store_bind_integer(statement, 5, unpriced);
    error = table_change(store, statement);
    return error == ERROR_NOT_FOUND ? ERROR_CORRUPT : error; /* a call that is not counted */
}

static enum error adjust_rollups(struct store *store, const struct call *call,
                                 const struct adjustment *adjustment)
{
#define ADJUST(table)                                                               \
    "UPDATE " table " SET adjusted_usd = adjusted_usd + ?3 + (adjusted_picos + ?4)" \
    " / 1000000000000, adjusted_picos = (adjusted_picos + ?4) % 1000000000000,"     \
    " unpriced = unpriced - ?5 WHERE bucket = ?1 AND series = ?2"
    enum error error =
        adjust_bucket(store, ADJUST("usage_quarters"), (int64_t)(call->started_at / ROLLUP_QUARTER),
                      call->series, adjustment);
    if (!error)
        error = adjust_bucket(store, ADJUST("usage_totals"),
                              (int64_t)(call->started_at / ROLLUP_QUARTER), ROLLUP_ALL_SERIES,
                              adjustment);
    if (!error)
        error = adjust_bucket(store, ADJUST("usage_days"), (int64_t)(call->started_at / ROLLUP_DAY),
                              call->series, adjustment);
    return error;
}

static enum error insert(struct store *store, struct adjustment *adjustment)
{
    struct store_statement *statement;
    bool row;
    enum error error =
        store_prepare(store,
                      "INSERT INTO adjustments (who, catalog, rule, exchange, time, before, after)"
                      " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING number",
                      &statement);
    if (error)
        return error;
    const struct text texts[] = {adjustment->who, adjustment->catalog, adjustment->rule};
    table_bind_texts(statement, texts, ARRAY_LENGTH(texts));
    store_bind_blob(statement, 4, adjustment->exchange.bytes, sizeof adjustment->exchange.bytes);
    store_bind_integer(statement, 5, (int64_t)adjustment->time);
    store_bind_integer(statement, 6, adjustment->before);
    store_bind_integer(statement, 7, adjustment->after);
    error = store_step(statement, &row);
    if (!error) {
        ensure(row);
        adjustment->number = store_column_integer(statement, 0);
        error = store_run(statement);
    }
    store_finish(statement);
    return error;
}

enum error adjustments_add(struct store *store, struct adjustment *adjustment)
{
    struct call call;
    enum error error = find_call(store, adjustment->exchange, &call);
    if (error)
        return error;
    if (call.cost != adjustment->before || adjustment->after < 0)
        return ERROR_ARGUMENT;
    if (call.series == 0)
        return ERROR_BUSY;
    error = adjust_rollups(store, &call, adjustment);
    return error ? error : insert(store, adjustment);
}

struct reading {
    adjustments_found found;
    void *context;
};

static bool take_row(void *context, struct store_statement *statement)
{
    const struct reading *reading = context;
    struct adjustment adjustment = {
        .number = store_column_integer(statement, 0),
        .time = table_time(statement, 2),
        .who = store_column_text(statement, 3),
        .catalog = store_column_text(statement, 4),
        .rule = store_column_text(statement, 5),
        .before = store_column_integer(statement, 6),
        .after = store_column_integer(statement, 7),
    };
    struct text exchange = store_column_text(statement, 1);
    if (exchange.length == sizeof adjustment.exchange.bytes)
        memcpy(adjustment.exchange.bytes, exchange.data, exchange.length);
    reading->found(reading->context, &adjustment);
    return true;
}

enum error adjustments_of(struct store *store, struct identifier exchange, adjustments_found found,
                          void *context)
{
    struct reading reading = {found, context};
    return table_query(store,
                       "SELECT number, exchange, time, who, catalog, rule, before, after"
                       " FROM adjustments WHERE exchange = ? ORDER BY number",
                       bind_exchange, &exchange, take_row, &reading, NULL);
}
