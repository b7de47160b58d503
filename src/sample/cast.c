#include "sample/cast.h"

#define PERCENT      0.01
#define MILLISECONDS 1e6 /* in nanoseconds */
#define MICROSECONDS 1e3
#define HOURS        24u

const struct cast_place_row cast_places[CAST_PLACE_COUNT] = {
#define PLACE(name, network, first, second) \
    [CAST_PLACE_##name] = {TEXT_INIT(network), first, second},
#include "sample/cast.def"
};

const struct text cast_user_agents[CAST_CLIENT_COUNT] = {
#define CLIENT(name, user_agent) [CAST_CLIENT_##name] = TEXT_INIT(user_agent),
#include "sample/cast.def"
};

const struct cast_work_row cast_works[CAST_WORK_COUNT] = {
#define WORK(name, endpoint, in, in_spread, out, out_spread, cached, reasoning, streamed) \
    [CAST_WORK_##name] = {TEXT_INIT(endpoint), in,                                        \
                          in_spread,           out,                                       \
                          out_spread,          (cached)*PERCENT,                          \
                          (reasoning)*PERCENT, (streamed)*PERCENT},
#include "sample/cast.def"
};

const struct cast_model cast_models[CAST_MODELS] = {
#define MODEL(name, provider, target, other_provider, other_target, first, each)                   \
    {TEXT_INIT(name),         TEXT_INIT(provider),  TEXT_INIT(target),  TEXT_INIT(other_provider), \
     TEXT_INIT(other_target), (first)*MILLISECONDS, (each)*MICROSECONDS},
#include "sample/cast.def"
};

static const struct cast_shape_row shapes[CAST_SHAPE_COUNT] = {
#define SHAPE(name, weekend, hours) [CAST_SHAPE_##name] = {(weekend)*PERCENT, hours},
#include "sample/cast.def"
};

const struct cast_team cast_teams[CAST_TEAMS] = {
#define TEAM(name, title, contact, growth) \
    {TEXT_INIT(name), TEXT_INIT(title), TEXT_INIT(contact), (growth)*PERCENT},
#include "sample/cast.def"
};

const struct cast_key cast_keys[CAST_KEYS] = {
#define KEY(name, team, work, model, other, share, shape, calls, place, client, env, feature, \
            born)                                                                             \
    {TEXT_INIT(name),                                                                         \
     TEXT_INIT(team),                                                                         \
     CAST_WORK_##work,                                                                        \
     TEXT_INIT(model),                                                                        \
     TEXT_INIT(other),                                                                        \
     (share)*PERCENT,                                                                         \
     CAST_SHAPE_##shape,                                                                      \
     calls,                                                                                   \
     CAST_PLACE_##place,                                                                      \
     CAST_CLIENT_##client,                                                                    \
     TEXT_INIT(env),                                                                          \
     TEXT_INIT(feature),                                                                      \
     born},
#include "sample/cast.def"
};

double cast_busy(enum cast_shape shape, unsigned hour, bool weekend)
{
    const struct cast_shape_row *row = &shapes[shape];
    double all = 0;
    for (unsigned i = 0; i < HOURS; i++)
        all += row->hours[i] - '0';
    return (row->hours[hour % HOURS] - '0') / all * (weekend ? row->weekend : 1);
}

const struct cast_model *cast_find_model(struct text name)
{
    for (size_t i = 0; i < CAST_MODELS; i++)
        if (text_equal(cast_models[i].name, name))
            return &cast_models[i];
    return NULL;
}

const struct cast_team *cast_find_team(struct text name)
{
    for (size_t i = 0; i < CAST_TEAMS; i++)
        if (text_equal(cast_teams[i].name, name))
            return &cast_teams[i];
    return NULL;
}

const struct cast_key *cast_find_key(struct text name)
{
    for (size_t i = 0; i < CAST_KEYS; i++)
        if (text_equal(cast_keys[i].name, name))
            return &cast_keys[i];
    return NULL;
}
