/* metrics: counts and durations, written by each worker into memory of its own, summed when asked.
 *
 * The metrics are the rows of tables/metrics.def. A worker's slot is written by that worker only
 * (relaxed stores, no locked instruction); one more slot, metrics_process, is for the control
 * thread, and one, metrics_admin, for that of the admin API. A labelled metric has series, one for
 * each set of label values that occurred: found by metrics_series (some tens of nanoseconds; keep
 * the pointer where a set comes again), valid as long as the metrics are. A slot has room for
 * METRICS_SERIES_MAX of them: further sets are counted with every label "other", and
 * turnpike_metrics_overflows_total tells.
 *
 * Durations are nanoseconds, times wall-clock nanoseconds, label values UTF-8. */
#ifndef OBSERVE_METRICS_H
#define OBSERVE_METRICS_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/text.h"
#include "ledger/ledger.h"

enum metric {
#define METRIC(name, text, kind, unit, buckets, labels, help) METRIC_##name,
#include "tables/metrics.def"
#undef METRIC
    METRIC_COUNT
};

#define METRICS_LABELS_MAX     3u
#define METRICS_LABEL_SIZE_MAX 128u  /* bytes of a label's value; longer ones are cut */
#define METRICS_SERIES_MAX     2048u /* of one slot: 100 providers times 20 models, and the rest */
#define METRICS_PAGE_MAX       (16u << 20) /* bytes of a page: every slot full of histograms */

struct metrics;
struct metrics_worker;
struct metric_series;

/* NULL when memory is short. */
must_check struct metrics *metrics_create(unsigned workers);
void metrics_destroy(struct metrics *metrics); /* after all writers; NULL is fine */

/* The slot of worker 0 … workers - 1, for that worker's thread. */
struct metrics_worker *metrics_worker(struct metrics *metrics, unsigned worker);
/* The slot of the control thread. */
struct metrics_worker *metrics_process(struct metrics *metrics);
/* The slot of the thread of the admin API. */
struct metrics_worker *metrics_admin(struct metrics *metrics);

/* Never NULL. `values` are as many as the row has labels (NULL for none), copied. The slot's thread
 * only. */
struct metric_series *metrics_series(struct metrics_worker *worker, enum metric metric,
                                     const struct text *values);

/* The slot's thread only; `add` and `subtract` for gauges of what is open now, which are summed
 * over slots like counters. */
void metric_series_add(struct metric_series *series, uint64_t amount);
void metric_series_subtract(struct metric_series *series, uint64_t amount);
void metric_series_set(struct metric_series *series, uint64_t value);
void metric_series_observe(struct metric_series *series, uint64_t nanoseconds);

/* The same for a metric without labels. */
void metrics_add(struct metrics_worker *worker, enum metric metric, uint64_t amount);
void metrics_subtract(struct metrics_worker *worker, enum metric metric, uint64_t amount);
void metrics_set(struct metrics_worker *worker, enum metric metric, uint64_t value);
void metrics_observe(struct metrics_worker *worker, enum metric metric, uint64_t nanoseconds);
/* metrics_series and metric_series_add in one. */
void metrics_add_labelled(struct metrics_worker *worker, enum metric metric,
                          const struct text *values, uint64_t amount);

/* Sets what the ledger counts, in the control thread's slot. */
void metrics_set_ledger(struct metrics_worker *process, const struct ledger_counters *counters);

/* Prometheus text format 0.0.4: Content-Type METRICS_CONTENT_TYPE. Reads the process_* figures from
 * /proc (a few tens of microseconds). False when `out` is too small or memory is short. Any thread.
 * Whole families with no series yet are left out. */
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
must_check bool metrics_write(struct metrics *metrics, struct buffer *out);

#endif
