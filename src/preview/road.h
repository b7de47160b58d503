/* road: where a recorded call would go by other rules: the model's targets, in order, and their
 * prices. For preview/ only; ownership and threads as in replay.h. */
#ifndef PREVIEW_ROAD_H
#define PREVIEW_ROAD_H

#include "gate/gate.h"
#include "preview/rules.h"
#include "route/random.h"
#include "store/record.h"

/* Targets of a call that its worst case is reckoned from: as many as an exchange has. */
#define ROAD_TARGETS_MAX 16u

struct road_target {
    struct text provider, model; /* as the provider is asked */
    const struct name *name;     /* "provider/model" */
    const struct priced_model *price;
};

/* One call's. */
struct road_way {
    enum refusal refusal; /* REFUSAL_NONE; MODEL_NOT_FOUND, NO_TARGET, OBJECT_NOT_FOUND */
    const char *unknown;  /* where it goes depends on what the record does not tell; NULL: known */
    const struct priced_model *prices[ROAD_TARGETS_MAX];
    size_t count;
    const struct road_target *first; /* where it would go; NULL: not known, or nowhere */
};

struct road;

/* Stops the process when memory is short. `names` and `rules` must outlive it; the owners of names
 * are the road's. */
struct road *road_create(const struct preview_rules *rules, struct names *names);
void road_destroy(struct road *road);

/* `call` has all of the record that is known; `model` is the name of its model. */
void road_find(struct road *road, struct name *model, const struct gate_call *call,
               const struct record *record, struct road_way *way);
/* The name of where a record went; NULL: nowhere. */
const struct name *road_name_of(struct road *road, struct name *model, const struct record *record);

#endif
