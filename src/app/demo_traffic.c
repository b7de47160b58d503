#include "app/demo_traffic.h"

#include <time.h>

#include "base/clock.h"
#include "codec/json.h"
#include "control/fetch.h"
#include "sample/dice.h"
#include "sample/past.h"

#define PAUSE_MEDIAN (350.0 * (double)NANOSECONDS_PER_MILLISECOND)
#define PAUSE_SPREAD 0.8
#define BODY_MAX     65536u
#define ASKING_PAUSE (50 * NANOSECONDS_PER_MILLISECOND)
#define URL_SIZE     256u
#define THEFTS       0.02 /* of the calls: by the key that leaked, which was revoked */
#define SLIPS        0.015

static const char *const questions[] = {
    "How do I return a pair of shoes that I bought abroad?",
    "Summarise this ticket in two sentences: the parcel was left with a neighbour who has moved.",
    "Which of our warehouses had the most late shipments last week, and why?",
    "Rewrite this paragraph for a customer who is not an engineer.",
    "Find the invoice number, the total and the date in the following text.",
    "Is this message a complaint, a question or praise? Answer with one word.",
    "Suggest three titles for an article about mending instead of buying.",
    "Explain why the build failed, and what to change.",
};

static void pause_for(uint64_t nanoseconds)
{
    const struct timespec pause = {.tv_sec = (time_t)(nanoseconds / NANOSECONDS_PER_SECOND),
                                   .tv_nsec = (long)(nanoseconds % NANOSECONDS_PER_SECOND)};
    (void)nanosleep(&pause, NULL);
}

static struct text write_url(const struct demo_traffic *traffic, struct text path,
                             char out[URL_SIZE])
{
    int length =
        snprintf(out, URL_SIZE, "http://%.*s%.*s", TEXT_ARG(traffic->address), TEXT_ARG(path));
    return text_of(out, length > 0 && (unsigned)length < URL_SIZE ? (size_t)length : 0);
}

bool demo_traffic_wait(const struct demo_traffic *traffic, unsigned seconds)
{
    char url[URL_SIZE], problem[FETCH_PROBLEM_SIZE];
    const struct fetch_request request = {.method = "GET",
                                          .url = write_url(traffic, TEXT("/readyz"), url)};
    uint64_t end = clock_monotonic() + seconds * NANOSECONDS_PER_SECOND;
    bool answered = false;
    while (!answered && clock_monotonic() < end) {
        struct fetch_answer answer;
        answered = fetch(&request, &answer, problem) == ERROR_OK;
        fetch_close(&answer);
        if (!answered)
            pause_for(ASKING_PAUSE);
    }
    return answered;
}

/* ------------------------------------------------------------------ one call */

static void write_prompt(struct dice *dice, struct buffer *prompt)
{
    for (uint64_t sentences = 1 + dice_below(dice, 14); sentences > 0; sentences--) {
        buffer_append(prompt, text_from(questions[dice_below(dice, ARRAY_LENGTH(questions))]));
        buffer_append_char(prompt, ' ');
    }
}

static void write_question(struct json_writer *json, const struct cast_work_row *work,
                           struct text prompt)
{
    if (!text_equal(work->endpoint, TEXT("/chat/completions"))) {
        json_member_text(json, "input", prompt);
        return;
    }
    json_key(json, TEXT("messages"));
    json_begin_array(json);
    json_begin_object(json);
    json_member_text(json, "role", TEXT("user"));
    json_member_text(json, "content", prompt);
    json_end_object(json);
    json_end_array(json);
}

static void write_body(struct dice *dice, const struct cast_key *row, struct buffer *body)
{
    const struct cast_work_row *work = &cast_works[row->work];
    bool other = !text_empty(row->other_model) && dice_chance(dice, row->other_share);
    struct text model = other ? row->other_model : row->model;
    struct json_writer json;
    struct buffer prompt;
    buffer_open(&prompt, BODY_MAX);
    write_prompt(dice, &prompt);
    json_open(&json, body);
    json_begin_object(&json);
    json_member_text(&json, "model", dice_chance(dice, SLIPS) ? TEXT("gpt-5-mini-latest") : model);
    write_question(&json, work, buffer_text(&prompt));
    if (work->output > 0)
        json_member_bool(&json, "stream", dice_chance(dice, work->streamed));
    json_end_object(&json);
    buffer_close(&prompt);
}

static const struct cast_key *choose_key(struct dice *dice)
{
    double all = 0, chosen;
    size_t i = 0;
    if (dice_chance(dice, THEFTS))
        return cast_find_key(TEXT(PAST_LEAKED_KEY));
    for (size_t key = 0; key < CAST_KEYS; key++)
        all += cast_keys[key].calls;
    chosen = dice_between(dice, 0, all);
    while (i + 1 < CAST_KEYS && chosen >= cast_keys[i].calls)
        chosen -= cast_keys[i++].calls;
    return &cast_keys[i];
}

/* The documents' cluster has moved, and the leaked key is abroad. */
static void write_source(struct dice *dice, const struct cast_key *row, char out[64])
{
    bool moved = text_equal(row->team, TEXT(PAST_MOVED_TEAM)) && row->place == CAST_PLACE_BATCH;
    const struct cast_place_row *place = &cast_places[moved ? CAST_PLACE_NEW_CLUSTER : row->place];
    if (text_equal(row->name, TEXT(PAST_LEAKED_KEY)))
        (void)snprintf(out, 64, "198.51.100.%u", 20 + (unsigned)dice_below(dice, 6));
    else
        (void)snprintf(out, 64, "%u.%u.4.%u", place->first, place->second,
                       10 + (unsigned)dice_below(dice, 24));
}

static void call(const struct demo_traffic *traffic, struct dice *dice)
{
    const struct cast_key *row = choose_key(dice);
    const struct secret *key = traffic->keys[row - cast_keys];
    char url[URL_SIZE], path[64], source[64], bearer[128], problem[FETCH_PROBLEM_SIZE];
    struct fetch_answer answer;
    struct buffer body;
    if (key == NULL)
        return;
    buffer_open(&body, BODY_MAX);
    write_body(dice, row, &body);
    write_source(dice, row, source);
    (void)snprintf(path, sizeof path, "/v1%.*s", TEXT_ARG(cast_works[row->work].endpoint));
    (void)snprintf(bearer, sizeof bearer, "Bearer %.*s", TEXT_ARG(secret_expose(key)));
    const struct fetch_request request = {
        .method = "POST",
        .url = write_url(traffic, text_from(path), url),
        .fields = {{"Authorization", text_from(bearer)},
                   {"Content-Type", TEXT("application/json")},
                   {"X-Forwarded-For", text_from(source)},
                   {"User-Agent", cast_user_agents[row->client]}},
        .body = buffer_text(&body),
    };
    /* Whatever comes of it is in the gateway's own records; a gateway that is gone ends us too. */
    (void)!fetch(&request, &answer, problem);
    fetch_close(&answer);
    secret_wipe(bearer, sizeof bearer);
    buffer_close(&body);
}

void demo_traffic_run(const struct demo_traffic *traffic)
{
    struct dice dice;
    dice_open(&dice, clock_wall());
    for (;;) {
        call(traffic, &dice);
        pause_for((uint64_t)dice_lengths(&dice, PAUSE_MEDIAN, PAUSE_SPREAD));
    }
}
