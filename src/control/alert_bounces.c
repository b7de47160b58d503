/* Who used to get through and bounces now, who is new and only bounces, and keys used from odd
 * places: looked up in the store, by the tables that the importer keeps.
 *
 * A network or team is told of when at least so many of its calls, and such a share of them, were
 * refused in the last hour (by quarters: 45 to 60 minutes). It lasts until the share is half of
 * that. While it lasts it is told once a day; one that is over and comes back is told again, but
 * not within a day. What was told before a restart the outbox knows, by the day in its id. */
#include "base/clock.h"
#include "base/ensure.h"
#include "base/note.h"
#include "control/alerts_parts.h"
#include "store/bounces.h"
#include "store/key_sources.h"
#include "store/usage.h"

#define TURN    (10 * NANOSECONDS_PER_SECOND)
#define MINUTE  (60 * NANOSECONDS_PER_SECOND)
#define DAY     (24ull * 3600 * NANOSECONDS_PER_SECOND)
#define WINDOW  (3 * BOUNCES_QUARTER) /* and the quarter that is under way */
#define MILLION 1000000u
/* Somebody who tries for so long does not try things out. */
#define NEWCOMER_LASTS (10 * MINUTE)
/* How late the store may have a call that a key was first used with: long calls are recorded when
 * they end. Told twice is told once. */
#define KEYS_BACK (2 * 3600 * NANOSECONDS_PER_SECOND)
#define DAY_SIZE  (sizeof("2026-11-22"))

/* ---- once a day, and again only after it was over ---- */

static struct alert_bouncing *find_told(struct alert_bounces *bounces, const char *name)
{
    for (size_t i = 0; i < bounces->count; i++)
        if (strcmp(bounces->told[i].name, name) == 0)
            return &bounces->told[i];
    return NULL;
}

/* Whether it is to be told now. With no room left the one told longest ago is forgotten. */
static bool is_due(struct alert_bounces *bounces, const char *name, uint64_t wall)
{
    struct alert_bouncing *told = find_told(bounces, name);
    if (told == NULL && bounces->count < ALERT_BOUNCES_MAX)
        told = &bounces->told[bounces->count++];
    else if (told == NULL) {
        told = &bounces->told[0];
        for (size_t i = 1; i < bounces->count; i++)
            told = bounces->told[i].told_at < told->told_at ? &bounces->told[i] : told;
        *told = (struct alert_bouncing){0};
    }
    told->lasts = true;
    (void)text_copy_to(text_from(name), told->name, sizeof told->name);
    if (told->told_at != 0 && wall < told->told_at + DAY)
        return false;
    told->told_at = wall;
    return true;
}

/* By its share whether it begins, lasts or is over; true when it is to be told now. */
static bool weigh(struct alerts *alerts, const char *name, uint64_t refused, uint64_t good,
                  uint64_t wall)
{
    const struct config_alert_bounces *limits = &alerts->config->alerts.bounces;
    struct alert_bouncing *told = find_told(&alerts->bounces, name);
    uint64_t share = refused > 0 ? refused * MILLION / (refused + good) : 0;
    bool lasts = told != NULL && told->lasts;
    if (lasts && share < limits->share / 2)
        told->lasts = false;
    bool begins = refused >= limits->calls && share >= limits->share;
    bool goes_on = lasts && told->lasts && refused >= limits->calls;
    return (begins || goes_on) && is_due(&alerts->bounces, name, wall);
}

/* ---- what is known of the bounces ---- */

/* The groups of one network together. */
struct bouncing {
    char network[BOUNCE_NETWORK_SIZE];
    uint64_t refused;           /* in the last hour */
    uint64_t refused_day;       /* in the last day, of calls that want to get through */
    uint64_t first_at, last_at; /* of those */
    uint64_t most;
    struct bounce_group largest; /* of the last hour, else of the last day */
};

struct look {
    struct alerts *alerts;
    uint64_t wall;
    struct bouncing *rows;
    size_t count, capacity;
    struct bounce_network *networks;
    size_t network_count, network_capacity;
};

static int compare_bouncing(const void *a, const void *b)
{
    const struct bouncing *left = a, *right = b;
    return strcmp(left->network, right->network);
}

/* A wrong path or a request that cannot be read is what those do who search the internet for doors;
 * who asks for a model, or shows a key, wants to come in. */
static bool wants_in(const struct bounce_group *group)
{
    return group->status == 401 || group->status == 403 || group->status == 429 ||
           strcmp(group->reason, "model_not_found") == 0;
}

static bool take_group(void *context, int64_t slot, const struct bounce_group *group)
{
    struct look *look = context;
    uint64_t hour = bounce_times_count(&group->times, look->wall - WINDOW, look->wall);
    uint64_t day =
        bounce_times_count(&group->times, look->wall - DAY + BOUNCES_QUARTER, look->wall);
    (void)slot;
    if (group->kind == BOUNCE_OTHERS || group->observed || day == 0)
        return true;
    if (look->count == look->capacity) {
        look->capacity = look->capacity ? 2 * look->capacity : 64;
        look->rows = ensure_memory(realloc(look->rows, look->capacity * sizeof *look->rows));
    }
    struct bouncing *row = &look->rows[look->count++];
    *row = (struct bouncing){.refused = hour,
                             .refused_day = wants_in(group) ? day : 0,
                             .first_at = wants_in(group) ? group->first_at : UINT64_MAX,
                             .last_at = wants_in(group) ? group->last_at : 0,
                             .most = hour ? hour : 1,
                             .largest = *group};
    memcpy(row->network, group->network, sizeof row->network);
    return true;
}

static void add_up(struct look *look)
{
    size_t kept = 0;
    if (look->count == 0)
        return;
    qsort(look->rows, look->count, sizeof *look->rows, compare_bouncing);
    for (size_t i = 1; i < look->count; i++) {
        struct bouncing *row = &look->rows[kept], *next = &look->rows[i];
        if (strcmp(row->network, next->network) != 0) {
            look->rows[++kept] = *next;
            continue;
        }
        row->refused += next->refused;
        row->refused_day += next->refused_day;
        row->first_at = next->first_at < row->first_at ? next->first_at : row->first_at;
        row->last_at = next->last_at > row->last_at ? next->last_at : row->last_at;
        if (next->most > row->most) {
            row->most = next->most;
            row->largest = next->largest;
        }
    }
    look->count = kept + 1;
}

static bool take_network(void *context, int64_t slot, const struct bounce_network *network)
{
    struct look *look = context;
    (void)slot;
    if (look->network_count == look->network_capacity) {
        look->network_capacity = look->network_capacity ? 2 * look->network_capacity : 64;
        look->networks =
            ensure_memory(realloc(look->networks, look->network_capacity * sizeof *look->networks));
    }
    look->networks[look->network_count++] = *network;
    return true;
}

static int compare_networks(const void *a, const void *b)
{
    const struct bounce_network *left = a, *right = b;
    return strcmp(left->network, right->network);
}

static const struct bounce_network *find_network(const struct look *look, const char *name)
{
    struct bounce_network wanted;
    if (look->network_count == 0)
        return NULL;
    memcpy(wanted.network, name, sizeof wanted.network);
    return bsearch(&wanted, look->networks, look->network_count, sizeof *look->networks,
                   compare_networks);
}

/* ---- telling of networks ---- */

static void write_day(uint64_t wall, char out[DAY_SIZE])
{
    char moment[CLOCK_RFC3339_SIZE];
    clock_format_rfc3339(wall, moment);
    (void)text_copy_to(text_of(moment, DAY_SIZE - 1), out, DAY_SIZE);
}

/* With which key, whose: "", " (team payments)", " (key 4f0c…)". */
static void write_whose(const struct bounce_group *group, char *out, size_t size)
{
    const char *who = group->team[0] ? group->team : group->key_id;
    (void)snprintf(out, size, "%s%s%s%s", who[0] ? " (" : "",
                   group->team[0] ? "team "
                   : who[0]       ? "key "
                                  : "",
                   who, who[0] ? ")" : "");
}

static void raise_network(struct alerts *alerts, enum alert_kind kind, const struct bouncing *row,
                          const struct bounce_network *network, const char *message, uint64_t wall)
{
    const struct bounce_group *group = &row->largest;
    char subject[ALERT_SUBJECT_MAX], refused[24], good[24], day[DAY_SIZE];
    char last_good[CLOCK_RFC3339_SIZE] = "", id[BOUNCE_ID_SIZE];
    bool hour = kind == ALERT_BOUNCES_NETWORK;
    write_day(wall, day);
    bounce_group_id(group, id);
    (void)snprintf(subject, sizeof subject, "%s %s", day, row->network);
    (void)snprintf(refused, sizeof refused, "%llu",
                   (unsigned long long)(hour ? row->refused : row->refused_day));
    (void)snprintf(
        good, sizeof good, "%llu",
        (unsigned long long)(network ? bounce_times_count(&network->times, wall - WINDOW, wall)
                                     : 0));
    if (network)
        clock_format_rfc3339(network->last_at, last_good);
    const struct text nothing = {0};
    const struct alert_fact facts[] = {
        {"network", text_from(row->network), false},
        {"refused_calls", text_from(refused), true},
        {"served_calls", text_from(good), true},
        {"within", hour ? TEXT("1h") : TEXT("24h"), false},
        {"reason", text_from(group->reason), false},
        {"group", text_from(id), false},
        {"listener", text_from(group->listener), false},
        {"team", group->team[0] ? text_from(group->team) : nothing, false},
        {"key", group->key_id[0] ? text_from(group->key_id) : nothing, false},
        {"last_source", text_from(group->source), false},
        {"last_good_at", network ? text_from(last_good) : nothing, false},
    };
    const struct alert alert = {.kind = kind,
                                .subject = text_from(subject),
                                .message = text_from(message),
                                .facts = facts,
                                .fact_count = ARRAY_LENGTH(facts)};
    alerts_raise(alerts, &alert);
}

static void look_at_regular(struct look *look, const struct bouncing *row,
                            const struct bounce_network *network)
{
    char name[ALERT_NAME_SIZE], whose[192], message[1024];
    uint64_t good = bounce_times_count(&network->times, look->wall - WINDOW, look->wall);
    uint64_t all = row->refused + good;
    if (network->last_at + look->alerts->config->alerts.bounces.good_within < look->wall)
        return;
    (void)snprintf(name, sizeof name, "network %s", row->network);
    if (!weigh(look->alerts, name, row->refused, good, look->wall))
        return;
    write_whose(&row->largest, whose, sizeof whose);
    (void)snprintf(message, sizeof message,
                   "network %s used to get through and is now turned away: %llu of %llu calls of "
                   "the last hour were refused, most with %s%s; these people will drive round you, "
                   "see turnpike bounces --network %s",
                   row->network, (unsigned long long)row->refused, (unsigned long long)all,
                   row->largest.reason, whose, row->network);
    raise_network(look->alerts, ALERT_BOUNCES_NETWORK, row, network, message, look->wall);
}

static void look_at_newcomer(struct look *look, const struct bouncing *row)
{
    const struct config_alert_bounces *limits = &look->alerts->config->alerts.bounces;
    struct alert_bounces *bounces = &look->alerts->bounces;
    char name[ALERT_NAME_SIZE], whose[192], message[1024];
    if (row->refused_day < limits->calls || row->last_at < row->first_at + NEWCOMER_LASTS)
        return;
    if (bounces->day != look->wall / DAY)
        bounces->newcomers = 0;
    bounces->day = look->wall / DAY;
    (void)snprintf(name, sizeof name, "newcomer %s", row->network);
    if (bounces->newcomers >= limits->newcomers || !is_due(bounces, name, look->wall))
        return;
    bounces->newcomers++;
    write_whose(&row->largest, whose, sizeof whose);
    (void)snprintf(message, sizeof message,
                   "network %s is new and was only ever turned away: %llu calls of the last day, "
                   "most with %s%s; where these are your people they will drive round you, see "
                   "turnpike bounces --network %s",
                   row->network, (unsigned long long)row->refused_day, row->largest.reason, whose,
                   row->network);
    raise_network(look->alerts, ALERT_BOUNCES_NEWCOMER, row, NULL, message, look->wall);
}

static bool look_at_networks(struct look *look)
{
    struct alerts *alerts = look->alerts;
    bool good = bounces_read_networks(alerts->store, take_network, look) == ERROR_OK &&
                bounces_read_groups(alerts->store, take_group, look) == ERROR_OK;
    if (look->network_count > 0)
        qsort(look->networks, look->network_count, sizeof *look->networks, compare_networks);
    add_up(look);
    for (size_t i = 0; good && i < look->count; i++) {
        const struct bounce_network *network = find_network(look, look->rows[i].network);
        if (network)
            look_at_regular(look, &look->rows[i], network);
        else
            look_at_newcomer(look, &look->rows[i]);
    }
    free(look->rows);
    free(look->networks);
    return good;
}

/* ---- teams ---- */

static void raise_team(struct alerts *alerts, struct text team, uint64_t refused, uint64_t served,
                       uint64_t wall)
{
    char subject[ALERT_SUBJECT_MAX], message[1024], day[DAY_SIZE], numbers[2][24];
    write_day(wall, day);
    (void)snprintf(subject, sizeof subject, "%s %.*s", day, TEXT_ARG(team));
    (void)snprintf(numbers[0], sizeof numbers[0], "%llu", (unsigned long long)refused);
    (void)snprintf(numbers[1], sizeof numbers[1], "%llu", (unsigned long long)served);
    (void)snprintf(message, sizeof message,
                   "team %.*s used to get through and is now turned away: %s calls of the last "
                   "hour were refused and %s served; these people will drive round you, see "
                   "turnpike bounces --team '%.*s'",
                   TEXT_ARG(team), numbers[0], numbers[1], TEXT_ARG(team));
    const struct alert_fact facts[] = {
        {"team", team, false},
        {"refused_calls", text_from(numbers[0]), true},
        {"served_calls", text_from(numbers[1]), true},
        {"within", TEXT("1h"), false},
    };
    const struct alert alert = {.kind = ALERT_BOUNCES_TEAM,
                                .subject = text_from(subject),
                                .message = text_from(message),
                                .facts = facts,
                                .fact_count = ARRAY_LENGTH(facts)};
    alerts_raise(alerts, &alert);
}

/* The rows of a team come before and within the hour; what was served before is remembered from one
 * to the other. */
struct team_look {
    struct look *look;
    struct team_served {
        char team[ALERT_NAME_SIZE];
    } * before;
    size_t count, capacity;
};

static bool served_before(const struct team_look *teams, struct text team)
{
    for (size_t i = 0; i < teams->count; i++)
        if (text_equal(text_from(teams->before[i].team), team))
            return true;
    return false;
}

static bool take_team(void *context, const struct usage_row *row)
{
    struct team_look *teams = context;
    const struct usage_counters *counters = &row->sums->counters;
    struct text team = row->values[0];
    char name[ALERT_NAME_SIZE];
    if (text_empty(team))
        return true;
    if (row->interval == 0) {
        if (counters->served <= 0)
            return true;
        if (teams->count == teams->capacity) {
            teams->capacity = teams->capacity ? 2 * teams->capacity : 64;
            teams->before =
                ensure_memory(realloc(teams->before, teams->capacity * sizeof *teams->before));
        }
        (void)text_copy_to(team, teams->before[teams->count++].team, sizeof teams->before[0].team);
        return true;
    }
    (void)snprintf(name, sizeof name, "team %.*s", TEXT_ARG(text_first(team, 140)));
    if (counters->refused > 0 && (counters->served > 0 || served_before(teams, team)) &&
        weigh(teams->look->alerts, name, (uint64_t)counters->refused, (uint64_t)counters->served,
              teams->look->wall))
        raise_team(teams->look->alerts, team, (uint64_t)counters->refused,
                   (uint64_t)counters->served, teams->look->wall);
    return true;
}

static bool look_at_teams(struct look *look)
{
    static const struct usage_group groups[] = {{.dimension = USAGE_BY_TEAM}};
    struct team_look teams = {.look = look};
    uint64_t good_within = look->alerts->config->alerts.bounces.good_within;
    uint64_t quarter = look->wall - look->wall % ROLLUP_QUARTER;
    uint64_t from = quarter - good_within - good_within % ROLLUP_QUARTER;
    const uint64_t edges[] = {from, quarter - WINDOW, quarter + ROLLUP_QUARTER};
    const struct usage_request request = {.edges = edges,
                                          .edge_count = ARRAY_LENGTH(edges),
                                          .groups = groups,
                                          .group_count = ARRAY_LENGTH(groups)};
    enum error error = usage_query(look->alerts->store, &request, take_team, &teams);
    free(teams.before);
    return !error;
}

/* ---- keys ---- */

static void raise_key(struct alerts *alerts, enum alert_kind kind, const struct key_source *source,
                      struct text subject, const char *message, const struct alert_fact *more)
{
    char first[CLOCK_RFC3339_SIZE];
    clock_format_rfc3339(source->first_at, first);
    const struct alert_fact facts[] = {
        {"key", source->key_id, false},
        {"network", source->network, false},
        {"first_seen_at", text_from(first), false},
        *more,
    };
    const struct alert alert = {.kind = kind,
                                .subject = subject,
                                .message = text_from(message),
                                .facts = facts,
                                .fact_count = ARRAY_LENGTH(facts)};
    alerts_raise(alerts, &alert);
}

static void raise_many(struct look *look, const struct key_source *source, uint64_t count)
{
    char subject[ALERT_SUBJECT_MAX], message[1024], number[24], day[DAY_SIZE];
    write_day(look->wall, day);
    (void)snprintf(subject, sizeof subject, "%s %.*s", day, TEXT_ARG(source->key_id));
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)count);
    (void)snprintf(message, sizeof message,
                   "key %.*s was used from %s networks within a day, last from the new one %.*s: "
                   "it may have got around; turnpike key show %.*s says from where",
                   TEXT_ARG(source->key_id), number, TEXT_ARG(source->network),
                   TEXT_ARG(source->key_id));
    const struct alert_fact networks = {"networks", text_from(number), true};
    raise_key(look->alerts, ALERT_KEY_NETWORKS, source, text_from(subject), message, &networks);
}

static void raise_awake(struct look *look, const struct key_source *source)
{
    char subject[ALERT_SUBJECT_MAX], message[1024], number[24], first[CLOCK_RFC3339_SIZE];
    clock_format_rfc3339(source->first_at, first);
    (void)snprintf(subject, sizeof subject, "%.*s %.*s %s", TEXT_ARG(source->key_id),
                   TEXT_ARG(source->network), first);
    (void)snprintf(number, sizeof number, "%llu", (unsigned long long)(source->quiet / DAY));
    (void)snprintf(message, sizeof message,
                   "key %.*s, which was not used for %s days, is used again, and from a network "
                   "where it never was: %.*s; if nobody knows of it, turnpike key revoke %.*s",
                   TEXT_ARG(source->key_id), number, TEXT_ARG(source->network),
                   TEXT_ARG(source->key_id));
    const struct alert_fact quiet = {"quiet_days", text_from(number), true};
    raise_key(look->alerts, ALERT_KEY_AWAKE, source, text_from(subject), message, &quiet);
}

/* Keys are few at a time: of those with a new network. */
static bool take_source(void *context, const struct key_source *source)
{
    struct look *look = context;
    const struct config_alert_keys *limits = &look->alerts->config->alerts.keys;
    struct alert_bounces *bounces = &look->alerts->bounces;
    char name[ALERT_NAME_SIZE];
    uint64_t count = 0;
    (void)snprintf(name, sizeof name, "awake %.*s %.*s", TEXT_ARG(source->key_id),
                   TEXT_ARG(source->network));
    if (source->quiet >= limits->quiet && is_due(bounces, name, look->wall))
        raise_awake(look, source);
    (void)snprintf(name, sizeof name, "key %.*s", TEXT_ARG(source->key_id));
    if (key_sources_count(look->alerts->store, source->key_id, look->wall - DAY, &count) ==
            ERROR_OK &&
        count > limits->networks && is_due(bounces, name, look->wall))
        raise_many(look, source, count);
    return true;
}

static bool look_at_keys(struct look *look)
{
    struct alert_bounces *bounces = &look->alerts->bounces;
    if (bounces->keys_since == 0)
        bounces->keys_since = look->wall - DAY;
    bool good =
        key_sources_new(look->alerts->store, bounces->keys_since, take_source, look) == ERROR_OK;
    if (good)
        bounces->keys_since = look->wall - KEYS_BACK;
    return good;
}

/* ---- looking ---- */

void alert_bounces_look(struct alerts *alerts, uint64_t wall)
{
    struct look look = {.alerts = alerts, .wall = wall};
    bool good = look_at_networks(&look);
    good = look_at_teams(&look) && good;
    good = look_at_keys(&look) && good;
    if (!good)
        note_debug("alerts", "who is turned away cannot be read: %s", store_problem(alerts->store));
}

void alert_bounces_step(struct alerts *alerts)
{
    struct alert_bounces *bounces = &alerts->bounces;
    struct ledger_counters counters = {0};
    uint64_t now = clock_monotonic();
    if (!alerts->config || now < bounces->at || !alert_outbox_open(alerts))
        return;
    bounces->at = now + TURN;
    if (alerts->ledger) {
        ledger_read_counters(alerts->ledger, &counters);
        if (counters.records_imported == bounces->imported)
            return;
        bounces->imported = counters.records_imported;
    }
    alert_bounces_look(alerts, clock_wall());
}
