/* cast: who is in the sample data (cast.def), as tables to be read. Constant, any thread. */
#ifndef SAMPLE_CAST_H
#define SAMPLE_CAST_H

#include <stdint.h>

#include "base/text.h"

enum cast_place {
#define PLACE(name, ...) CAST_PLACE_##name,
#include "sample/cast.def"
    CAST_PLACE_COUNT
};

enum cast_client {
#define CLIENT(name, ...) CAST_CLIENT_##name,
#include "sample/cast.def"
    CAST_CLIENT_COUNT
};

enum cast_work {
#define WORK(name, ...) CAST_WORK_##name,
#include "sample/cast.def"
    CAST_WORK_COUNT
};

enum cast_shape {
#define SHAPE(name, ...) CAST_SHAPE_##name,
#include "sample/cast.def"
    CAST_SHAPE_COUNT
};

enum {
    CAST_MODELS = 0
#define MODEL(...) +1
#include "sample/cast.def"
};

enum {
    CAST_TEAMS = 0
#define TEAM(...) +1
#include "sample/cast.def"
};

enum {
    CAST_KEYS = 0
#define KEY(...) +1
#include "sample/cast.def"
};

struct cast_place_row {
    struct text network;    /* its name in the configuration; empty: it has none */
    unsigned first, second; /* bytes of its addresses */
};

struct cast_work_row {
    struct text endpoint;
    double input, input_spread, output, output_spread; /* tokens, as dice_lengths takes them */
    double cached, reasoning, streamed;                /* shares, 0 to 1 */
};

struct cast_model {
    struct text name;
    struct text provider, target;
    struct text other_provider, other_target; /* where a call goes then; empty: nowhere */
    double first_token, each_token;           /* nanoseconds */
};

struct cast_shape_row {
    double weekend;    /* of a working day's calls */
    const char *hours; /* a digit for each */
};

struct cast_team {
    struct text name, title, contact;
    double growth; /* 0.45: at the end there are 1.45 times the calls of the beginning */
};

struct cast_key {
    struct text name, team;
    enum cast_work work;
    struct text model, other_model;
    double other_share;
    enum cast_shape shape;
    double calls; /* on a working day at the end */
    enum cast_place place;
    enum cast_client client;
    struct text environment, feature;
    double born; /* days before the end, of 90 */
};

extern const struct cast_place_row cast_places[CAST_PLACE_COUNT];
extern const struct text cast_user_agents[CAST_CLIENT_COUNT];
extern const struct cast_work_row cast_works[CAST_WORK_COUNT];
extern const struct cast_model cast_models[CAST_MODELS];
extern const struct cast_team cast_teams[CAST_TEAMS];
extern const struct cast_key cast_keys[CAST_KEYS];

/* The share of a working day's calls that falls into that hour of a day in Berlin. */
double cast_busy(enum cast_shape shape, unsigned hour, bool weekend);
/* NULL when nobody is called so. */
const struct cast_model *cast_find_model(struct text name);
const struct cast_team *cast_find_team(struct text name);
const struct cast_key *cast_find_key(struct text name);

#endif
