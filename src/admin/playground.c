/* A play:   WAITING -> SENT -> ANSWERING -> over
 *
 *   WAITING    its key was made a moment ago: until the workers know it
 *   SENT       the call is on its way through the gateway
 *   ANSWERING  the head of its answer is out, what follows is passed on
 *
 * The stream (admin/stream.h) and the call (http/client.h) end each other: whichever ends first,
 * the other is let go, and the play is freed. */
#include "admin/playground.h"

#include "admin/call.h"
#include "admin/object_change.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/secret.h"
#include "http/client.h"
#include "store/keys.h"

#define KEY_LIFE     (3600 * NANOSECONDS_PER_SECOND)
#define KEY_LEFT     (300 * NANOSECONDS_PER_SECOND) /* less than this, and it is made good anew */
#define KEY_PATIENCE (5 * NANOSECONDS_PER_SECOND)   /* until the workers know it */
#define KEY_LOOK     (50 * NANOSECONDS_PER_MILLISECOND)
#define CALL_TIME    (600 * NANOSECONDS_PER_SECOND) /* as long as models think */
#define NAME_SIZE    128u
#define LINES_MAX    4096u

/* A key of an administrator for a team. */
struct play_key {
    char admin[NAME_SIZE], team[NAME_SIZE];
    struct secret *secret;         /* NULL: a free place */
    uint64_t expires_at, known_at; /* wall; known_at: when every worker knows it */
};

struct playground {
    struct loop *loop;
    playground_open open;
    void *owner;
    struct play_key keys[PLAYGROUND_KEYS_MAX];
    size_t calls;
};

struct play {
    struct playground *playground;
    struct admin_call *call;
    struct secret *secret; /* a copy: its place may be another key's before the call goes out */
    uint64_t known_at;     /* wall: of the key */
    struct address peer;
    struct stream *stream;
    struct http_origin *origin;
    struct http_call *upstream;
    struct loop_timer timer;
    uint64_t waits_until; /* loop_now */
    struct buffer lines;
    struct text target, body;
    bool answering, paused;
};

struct playground *playground_create(struct loop *loop, playground_open open, void *owner)
{
    struct playground *playground = calloc(1, sizeof(*playground));

    if (playground) {
        playground->loop = loop;
        playground->open = open;
        playground->owner = owner;
    }
    return playground;
}

void playground_destroy(struct playground *playground)
{
    if (!playground)
        return;
    ensure(playground->calls == 0);
    for (size_t i = 0; i < PLAYGROUND_KEYS_MAX; i++)
        secret_free(playground->keys[i].secret);
    free(playground);
}

/* ---- the key ---- */

static struct text key_name(struct admin_call *call)
{
    return arena_format(&call->arena, "console %.*s", TEXT_ARG(call->credential->name));
}

/* The change that a body would ask for. */
static bool read_change(struct admin_call *call, struct text json, struct object_change *change)
{
    struct text body = call->body;

    call->body = json;
    bool good = object_change_read(call, change);
    call->body = body;
    return good;
}

/* {"name":…,"team":…,"tags":{"console":ID},"expires_at":"60m"}; of one that is there the last. */
static bool write_change(struct admin_call *call, struct text team, bool creating, struct text *out)
{
    struct buffer body;
    struct json_writer json;

    buffer_open(&body, LINES_MAX);
    json_open(&json, &body);
    json_begin_object(&json);
    if (creating) {
        json_member_text(&json, "name", key_name(call));
        if (!text_empty(team))
            json_member_text(&json, "team", team);
        json_key(&json, TEXT("tags"));
        json_begin_object(&json);
        json_member_text(&json, "console", call->credential->id);
        json_end_object(&json);
    }
    json_member_text(&json, "expires_at", TEXT("60m"));
    json_end_object(&json);
    *out = json_done(&json) ? arena_copy(&call->arena, buffer_text(&body)) : text_of(NULL, 0);
    buffer_close(&body);
    return out->data ||
           call_refuse(call, ADMIN_PROBLEM_STORE, "", "%s", error_meaning(ERROR_MEMORY));
}

struct finding {
    struct admin_call *call;
    struct text team, id;
};

static void take_key(void *context, const struct stored_key *key)
{
    struct finding *finding = context;
    struct text tag = arena_format(&finding->call->arena, "{\"console\":\"%.*s\"}",
                                   TEXT_ARG(finding->call->credential->id));

    if (text_equal(key->team, finding->team) && text_equal(key->tags, tag))
        finding->id = arena_copy(&finding->call->arena, key->id);
}

/* One that was made before is made good again: there is one for each administrator and team. */
static bool find_key(struct admin_call *call, struct text team, struct text *id)
{
    struct finding finding = {call, team, text_of(NULL, 0)};
    struct text name = key_name(call);
    enum error error = keys_find_named(call->office->store, name, take_key, &finding);

    *id = finding.id;
    return call_store_answer(call, error == ERROR_NOT_FOUND ? ERROR_OK : error);
}

static bool make_secret(struct admin_call *call, struct text team, struct secret **secret)
{
    struct operations *operations = &call->office->operations;
    struct operation_result result;
    struct object_change change;
    struct text id, json;

    if (!find_key(call, team, &id) || !write_change(call, team, !id.data, &json) ||
        !read_change(call, json, &change))
        return false;
    bool good = id.data ? operations_edit(operations, id, &change, &result) &&
                              operations_rotate_key(operations, id, 0, &result)
                        : operations_create(operations, &change, &result);
    if (!good)
        return call_refuse_operation(call);
    *secret = result.secret;
    return true;
}

static struct play_key *find_place(struct playground *playground, struct text admin,
                                   struct text team)
{
    struct play_key *oldest = &playground->keys[0];

    for (size_t i = 0; i < PLAYGROUND_KEYS_MAX; i++) {
        struct play_key *key = &playground->keys[i];
        if (key->secret && text_equal(text_from(key->admin), admin) &&
            text_equal(text_from(key->team), team))
            return key;
        if (key->expires_at < oldest->expires_at)
            oldest = key;
    }
    return oldest;
}

/* A call under way has its own copy of what it sends, so the secret may change under it. */
static const struct play_key *provide_key(struct playground *playground, struct admin_call *call,
                                          struct text team)
{
    uint64_t now = clock_wall();
    struct text admin = call->credential->id;
    struct play_key *key = find_place(playground, admin, team);
    struct secret *secret = NULL;

    if (key->secret && text_equal(text_from(key->admin), admin) &&
        text_equal(text_from(key->team), team) && key->expires_at > now + KEY_LEFT)
        return key;
    if (admin.length >= NAME_SIZE || team.length >= NAME_SIZE) {
        (void)call_refuse(call, ADMIN_PROBLEM_INVALID, "team", "no team has so long a name");
        return NULL;
    }
    if (!make_secret(call, team, &secret))
        return NULL;
    secret_free(key->secret);
    (void)text_copy_to(admin, key->admin, sizeof(key->admin));
    (void)text_copy_to(team, key->team, sizeof(key->team));
    key->secret = secret;
    key->expires_at = now + KEY_LIFE;
    /* A step of the refresher that is under way may have looked before. */
    key->known_at = clock_wall() + KEY_REFRESHER_INTERVAL;
    return key;
}

static bool is_known(const struct play *play)
{
    struct key_refresher_state state;

    key_refresher_read_state(play->call->office->settings.keys, &state);
    return state.updated_at >= play->known_at;
}

/* ---- the end ---- */

static void free_play(struct play *play)
{
    struct playground *playground = play->playground;

    loop_timer_clear(playground->loop, &play->timer);
    if (play->upstream)
        http_call_cancel(play->upstream);
    if (play->origin)
        http_origin_release(play->origin);
    if (play->lines.data)
        secret_wipe(play->lines.data, play->lines.capacity);
    buffer_close(&play->lines);
    secret_free(play->secret);
    playground->calls--;
    free(play);
}

static void fail(struct play *play, const char *why)
{
    if (play->answering) {
        stream_break(play->stream);
    } else {
        (void)call_refuse(play->call, ADMIN_PROBLEM_UNAVAILABLE, "", "%s", why);
        stream_end(play->stream);
    }
    free_play(play);
}

/* ---- the answer ---- */

/* Those that tell of the call itself. */
static void copy_lines(const struct http1_head *head, struct buffer *lines)
{
    static const struct {
        struct text from, to;
    } rows[] = {
        {TEXT_INIT("x-request-id"), TEXT_INIT("x-turnpike-call-id")},
        {TEXT_INIT("x-turnpike-target"), TEXT_INIT("x-turnpike-target")},
        {TEXT_INIT("x-turnpike-attempts"), TEXT_INIT("x-turnpike-attempts")},
        {TEXT_INIT("retry-after"), TEXT_INIT("retry-after")},
    };

    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct http1_header *header = http1_head_find_name(head, rows[i].from);
        if (header)
            http1_append_header(lines, rows[i].to, header->value);
    }
}

static void on_head(void *owner, const struct http1_head *head)
{
    struct play *play = owner;
    struct buffer lines;

    buffer_open(&lines, LINES_MAX);
    copy_lines(head, &lines);
    play->answering = true;
    bool there =
        stream_begin(play->stream, head->status, http1_head_value(head, HEADER_CONTENT_TYPE),
                     buffer_text(&lines), text_of(NULL, 0));
    buffer_close(&lines);
    if (!there)
        free_play(play);
}

static void on_body(void *owner, struct text bytes, bool last)
{
    struct play *play = owner;

    if (last)
        play->upstream = NULL;
    if (bytes.length > 0 && !stream_send(play->stream, bytes)) {
        free_play(play);
        return;
    }
    if (last) {
        stream_end(play->stream);
        free_play(play);
    } else if (!play->paused && stream_is_congested(play->stream)) {
        play->paused = true;
        http_call_pause(play->upstream);
    }
}

static void on_flush(void *owner)
{
}

static void on_sendable(void *owner)
{
}

static void on_failed(void *owner, enum error error, struct text detail)
{
    struct play *play = owner;
    char why[256];

    play->upstream = NULL;
    (void)snprintf(why, sizeof(why), "the gateway's own door did not answer: %s",
                   error_meaning(error));
    fail(play, why);
}

static const struct http_call_events upstream_events = {on_head, on_body, on_flush, on_sendable,
                                                        on_failed};

/* ---- sending ---- */

static int open_door(void *owner)
{
    struct play *play = owner;

    return play->playground->open(play->playground->owner, &play->peer);
}

static struct http_origin *make_origin(struct play *play)
{
    const struct http_origin_settings settings = {
        .host = TEXT("console"),
        .authority = TEXT("console"),
        .connections = 1,
        .limits = http1_limits_default,
        .open_internal = open_door,
        .open_owner = play,
    };

    return http_origin_create(play->playground->loop, NULL, &settings);
}

static void send_call(struct play *play)
{
    struct text secret = secret_expose(play->secret);
    struct http_call_request request = {
        .method = HTTP1_POST,
        .target = play->target,
        .body = &play->body,
        .body_count = 1,
        .held = true,
        .timeouts = {KEY_PATIENCE, KEY_PATIENCE, CALL_TIME, CALL_TIME, CALL_TIME},
    };

    buffer_append_format(&play->lines, "authorization: Bearer %.*s\r\n", TEXT_ARG(secret));
    http1_append_header(&play->lines, TEXT("content-type"), TEXT("application/json"));
    http1_append_header(&play->lines, TEXT("user-agent"), TEXT("turnpike-console"));
    request.headers = buffer_text(&play->lines);
    play->origin = make_origin(play);
    play->upstream = play->origin && !play->lines.failed
                         ? http_call_start(play->origin, &request, &upstream_events, play)
                         : NULL;
    if (!play->upstream)
        fail(play, error_meaning(ERROR_MEMORY));
}

static void look(void *owner)
{
    struct play *play = owner;
    struct playground *playground = play->playground;

    if (is_known(play))
        send_call(play);
    else if (loop_now(playground->loop) >= play->waits_until)
        fail(play, "the key for this call did not reach the workers in time; try again");
    else
        loop_timer_set(playground->loop, &play->timer, KEY_LOOK);
}

/* ---- the stream ---- */

static void on_open(void *owner, struct stream *stream)
{
    struct play *play = owner;

    play->stream = stream;
    play->waits_until = loop_now(play->playground->loop) + KEY_PATIENCE;
    look(play);
}

static void on_drained(void *owner)
{
    struct play *play = owner;

    if (!play->paused)
        return;
    play->paused = false;
    http_call_resume(play->upstream);
}

static void on_gone(void *owner)
{
    free_play(owner);
}

static const struct stream_events stream_events = {on_open, on_drained, on_gone};

bool playground_call(struct playground *playground, struct admin_call *call, struct text team,
                     const struct endpoint *endpoint)
{
    if (playground->calls >= PLAYGROUND_CALLS_MAX)
        return call_refuse(call, ADMIN_PROBLEM_LIMIT, "",
                           "%u calls are under way already: wait for one to end",
                           PLAYGROUND_CALLS_MAX);
    const struct play_key *key = provide_key(playground, call, team);
    struct play *play = key ? calloc(1, sizeof(*play)) : NULL;
    if (!key)
        return false;
    struct text target = arena_format(&call->arena, "/v1%.*s", TEXT_ARG(endpoint->pattern));
    struct secret *secret = secret_make(secret_expose(key->secret));
    if (!play || !target.data || !secret) {
        free(play);
        secret_free(secret);
        return call_refuse(call, ADMIN_PROBLEM_STORE, "", "%s", error_meaning(ERROR_MEMORY));
    }
    *play = (struct play){.playground = playground,
                          .call = call,
                          .secret = secret,
                          .known_at = key->known_at,
                          .peer = *call->peer,
                          .target = target,
                          .body = call->body};
    buffer_open(&play->lines, LINES_MAX);
    loop_timer_open(&play->timer, look, play);
    playground->calls++;
    return call_go_on(call, &stream_events, play);
}
