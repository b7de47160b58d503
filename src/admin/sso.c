/* A sign-in:  GET /sso        -> (discovery) -> 302 to the provider, with the cookie
 *             GET /sso/callback -> (discovery, code for token, keys) -> 302 to the console, with a
 * session
 *
 * What is in parentheses is asked of the provider by a job's thread. A job lives from the handler
 * until its thread has posted `finish`; `stream` is NULL when the browser has left meanwhile.
 *
 * Whatever goes wrong, people end at the console's sign-in page, which says it by the word behind
 * #sso=; the log has the details. */
#include "admin/sso.h"

#include <openssl/evp.h>
#include <pthread.h>

#include "admin/call.h"
#include "admin/console.h"
#include "admin/cookie.h"
#include "admin/handlers.h"
#include "base/ensure.h"
#include "base/identifier.h"
#include "base/note.h"
#include "control/fetch.h"

#define LOCATION_MAX 8192u
#define HEADERS_MAX  8192u

struct sso_job {
    struct sso_job *next;
    struct office *office;
    struct config *config; /* held: the thread reads config->sso */
    struct loop *loop;
    struct admin_call *call; /* with `stream` */
    struct stream *stream;
    pthread_t thread;
    bool joined;
    bool stop;      /* atomic */
    bool returning; /* from the provider, with `answer` */
    bool discovered;
    struct sso_endpoints endpoints;
    struct sso_answer answer;
    enum sso_verdict verdict;
    struct sso_person person;
    char problem[SSO_PROBLEM_SIZE];
};

struct text sso_mark(const struct config *config)
{
    return config->sso ? text_from(config->sso->mark) : TEXT("");
}

/* ---- words made of the cookie's secret ---- */

/* One way: who sees a word in a URL learns nothing of the others. */
static void derive(const char *purpose, struct text secret, char out[SSO_WORD_LENGTH + 1])
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    char text[32 + SSO_WORD_LENGTH];
    int length = snprintf(text, sizeof(text), "%s:%.*s", purpose, TEXT_ARG(secret));

    ensure(length > 0 && (size_t)length < sizeof(text));
    ensure(EVP_Digest(text, (size_t)length, hash, NULL, EVP_sha256(), NULL) == 1);
    for (size_t i = 0; i < SSO_WORD_LENGTH / 2; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", hash[i]);
    secret_wipe(text, sizeof(text));
}

static void make_secret(char out[SSO_WORD_LENGTH + 1])
{
    uint8_t bytes[SSO_WORD_LENGTH / 2];

    random_bytes(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        (void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    secret_wipe(bytes, sizeof(bytes));
}

/* base64url(SHA-256(verifier)), RFC 7636 section 4.2. */
static void append_challenge(struct buffer *out, const char *verifier)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    char encoded[64];
    unsigned length;

    ensure(EVP_Digest(verifier, strlen(verifier), hash, &length, EVP_sha256(), NULL) == 1);
    int size = EVP_EncodeBlock((unsigned char *)encoded, hash, (int)length);
    while (size > 0 && encoded[size - 1] == '=')
        size--;
    for (int i = 0; i < size; i++) {
        if (encoded[i] == '+')
            encoded[i] = '-';
        else if (encoded[i] == '/')
            encoded[i] = '_';
    }
    fetch_append_form(out, "code_challenge", text_of(encoded, (size_t)size));
}

/* ---- where the browser is led ---- */

static void append_redirect(struct buffer *out, const struct config *config)
{
    origin_append_url(out, config);
    buffer_append(out, TEXT(SSO_CALLBACK_PATH));
}

static bool write_location(const struct config *config, const struct sso_endpoints *endpoints,
                           struct text secret, struct buffer *out)
{
    char state[SSO_WORD_LENGTH + 1], nonce[SSO_WORD_LENGTH + 1], verifier[SSO_WORD_LENGTH + 1];
    struct buffer query, redirect;

    derive("state", secret, state);
    derive("nonce", secret, nonce);
    derive("verifier", secret, verifier);
    buffer_open(&redirect, SSO_URL_MAX);
    append_redirect(&redirect, config);
    buffer_open(&query, LOCATION_MAX);
    fetch_append_form(&query, "response_type", TEXT("code"));
    fetch_append_form(&query, "client_id", config->sso->client_id);
    fetch_append_form(&query, "redirect_uri", buffer_text(&redirect));
    fetch_append_form(&query, "scope", config->sso->scopes);
    fetch_append_form(&query, "state", text_from(state));
    fetch_append_form(&query, "nonce", text_from(nonce));
    append_challenge(&query, verifier);
    fetch_append_form(&query, "code_challenge_method", TEXT("S256"));
    struct text endpoint = text_from(endpoints->authorization);
    buffer_append(out, endpoint);
    buffer_append_char(out, text_find_char(endpoint, '?') < 0 ? '?' : '&');
    buffer_append(out, buffer_text(&query));
    bool good = !out->failed && !query.failed && !redirect.failed;
    buffer_close(&redirect);
    buffer_close(&query);
    secret_wipe(verifier, sizeof(verifier));
    return good;
}

/* The lines of the answer that leads to the provider. */
static bool write_departure(struct admin_call *call, const struct config *config,
                            const struct sso_endpoints *endpoints, struct buffer *lines)
{
    char secret[SSO_WORD_LENGTH + 1];
    struct buffer location;

    make_secret(secret);
    buffer_open(&location, LOCATION_MAX);
    bool good = write_location(config, endpoints, text_from(secret), &location);
    http1_append_header(lines, TEXT("location"), buffer_text(&location));
    cookie_append(lines, COOKIE_SIGN_IN, call->door, call_is_secure(call), text_from(secret),
                  SSO_COOKIE_SECONDS);
    buffer_close(&location);
    secret_wipe(secret, sizeof(secret));
    return good && !lines->failed;
}

/* Back to the console; `word` NULL: signed in. */
static void write_return(struct admin_call *call, const char *word, struct buffer *lines)
{
    char location[64];
    int length = snprintf(location, sizeof(location), CONSOLE_PATH "%s%s", word ? "#sso=" : "",
                          word ? word : "");

    http1_append_header(lines, TEXT("location"), text_of(location, (size_t)length));
    cookie_append(lines, COOKIE_SIGN_IN, call->door, call_is_secure(call), TEXT(""), 0);
}

/* For what is known at once. */
static bool return_now(struct admin_call *call, const char *word)
{
    call->content_type = NULL;
    write_return(call, word, &call->headers);
    return true;
}

/* ---- jobs ---- */

static void free_job(struct sso_job *job)
{
    struct sso *sso = &job->office->sso;

    for (struct sso_job **at = &sso->jobs; *at; at = &(*at)->next) {
        if (*at == job) {
            *at = job->next;
            sso->job_count--;
            break;
        }
    }
    config_release(job->config);
    secret_wipe(job, sizeof(*job));
    free(job);
}

/* The last of the stream. */
static void answer(struct sso_job *job, const struct buffer *lines)
{
    struct stream *stream = job->stream;

    job->stream = NULL;
    if (stream_begin(stream, 302, text_of(NULL, 0), buffer_text(lines), text_of(NULL, 0)))
        stream_end(stream);
}

static void note_failure(const struct sso_job *job)
{
    attempts_note(&job->office->attempts, job->call->peer, clock_monotonic());
    note_warning("admin", "single sign-on from %.*s: %s", TEXT_ARG(job->call->source),
                 job->problem);
}

/* What the rules said is what they say now: a reload may have come meanwhile. */
static bool begin_session(struct sso_job *job, struct buffer *lines)
{
    struct admin_call *call = job->call;
    struct office *office = job->office;
    struct operations *operations = &office->operations;
    struct secret *secret = NULL;
    struct stored_session session;
    const struct admin_actor actor = {
        .who = arena_format(&call->arena, "sso:%s", job->person.who),
        .via = arena_format(&call->arena, "console %.*s", TEXT_ARG(call->source)),
        .role = ADMIN_FINANCE,
        .team = TEXT(""),
    };
    const struct sessions_grant grant = {
        .who = actor.who,
        .name = text_from(job->person.name),
        .role = job->person.role->role,
        .team = text_empty(job->person.role->team) ? TEXT("") : job->person.role->team,
        .method = TEXT("sso"),
        .bound_to = sso_mark(job->config),
        .source = call->source,
        .agent = call->agent,
    };

    if (!actor.who.data || !actor.via.data || !office_enter(office) ||
        !text_equal(sso_mark(office->config), grant.bound_to))
        return false;
    operations_use(operations, &call->arena, &actor);
    if (!sessions_begin(operations, &grant, &secret, &session)) {
        (void)text_copy_to(text_from(operations->problem.message), job->problem,
                           sizeof(job->problem));
        return false;
    }
    cookie_append(lines, COOKIE_SESSION, call->door, call_is_secure(call), secret_expose(secret),
                  0);
    secret_free(secret);
    return true;
}

static void finish_return(struct sso_job *job, struct buffer *lines)
{
    const char *word = job->verdict == SSO_NO_ROLE ? "no_role" : "failed";

    if (job->verdict == SSO_KNOWN && begin_session(job, lines)) {
        write_return(job->call, NULL, lines);
        return;
    }
    if (!job->problem[0])
        (void)text_copy_to(TEXT("the configuration or the store changed meanwhile"), job->problem,
                           sizeof(job->problem));
    note_failure(job);
    buffer_clear(lines);
    write_return(job->call, word, lines);
}

static void finish_departure(struct sso_job *job, struct buffer *lines)
{
    if (job->discovered && write_departure(job->call, job->config, &job->endpoints, lines))
        return;
    note_failure(job);
    buffer_clear(lines);
    write_return(job->call, "failed", lines);
}

static void finish(void *owner)
{
    struct sso_job *job = owner;
    struct sso *sso = &job->office->sso;
    struct buffer lines;

    if (!job->joined)
        pthread_join(job->thread, NULL);
    if (job->discovered) {
        sso->endpoints = job->endpoints;
        (void)text_copy_to(sso_mark(job->config), sso->endpoints_of, sizeof(sso->endpoints_of));
        sso->endpoints_until = clock_monotonic() + SSO_DISCOVERY_KEPT;
    }
    if (job->stream) {
        buffer_open(&lines, HEADERS_MAX);
        if (job->returning)
            finish_return(job, &lines);
        else
            finish_departure(job, &lines);
        answer(job, &lines);
        if (lines.data)
            secret_wipe(lines.data, lines.capacity);
        buffer_close(&lines);
    }
    free_job(job);
}

static void *run(void *owner)
{
    struct sso_job *job = owner;
    const struct config_sso *sso = job->config->sso;

    job->verdict = SSO_FAILED;
    if (!job->discovered)
        job->discovered = sso_discover(sso, &job->stop, &job->endpoints, job->problem);
    if (job->discovered && job->returning)
        job->verdict = sso_identify(sso, &job->endpoints, &job->answer, &job->stop, &job->person,
                                    job->problem);
    loop_post(job->loop, finish, job);
    return NULL;
}

static void on_open(void *owner, struct stream *stream)
{
    struct sso_job *job = owner;

    job->stream = stream;
    job->loop = stream_loop(stream);
    if (pthread_create(&job->thread, NULL, run, job) == 0) {
        (void)pthread_setname_np(job->thread, "sso");
        return;
    }
    job->joined = true; /* there is none */
    (void)text_copy_to(TEXT("no thread could be started"), job->problem, sizeof(job->problem));
    finish(job);
}

static void on_drained(void *owner)
{
    (void)owner; /* a head is sent, and nothing behind it */
}

static void on_gone(void *owner)
{
    struct sso_job *job = owner;

    job->stream = NULL;
    job->call = NULL;
}

static const struct stream_events stream_events = {on_open, on_drained, on_gone};

void sso_stop(struct sso *sso)
{
    for (struct sso_job *job = sso->jobs; job; job = job->next)
        __atomic_store_n(&job->stop, true, __ATOMIC_RELAXED);
    for (struct sso_job *job = sso->jobs; job; job = job->next) {
        if (!job->joined)
            pthread_join(job->thread, NULL);
        job->joined = true;
    }
}

static struct sso_job *create_job(struct admin_call *call)
{
    struct office *office = call->office;
    struct sso_job *job = ensure_memory(calloc(1, sizeof(*job)));

    *job = (struct sso_job){
        .next = office->sso.jobs,
        .office = office,
        .config = config_hold(office->config),
        .call = call,
        .discovered = office->sso.endpoints_until > clock_monotonic() &&
                      text_equal(text_from(office->sso.endpoints_of), sso_mark(office->config)),
    };
    if (job->discovered)
        job->endpoints = office->sso.endpoints;
    office->sso.jobs = job;
    office->sso.job_count++;
    return job;
}

/* False when it has answered. */
static bool may_begin(struct admin_call *call, const char **word)
{
    *word = NULL;
    if (!call->office->config->sso)
        return call_refuse(
            call, ADMIN_PROBLEM_NOT_FOUND, "",
            "there is no single sign-on here: admin.sso of the configuration sets it "
            "up");
    if (attempts_wait(&call->office->attempts, call->peer, clock_monotonic()) > 0)
        *word = "too_many";
    else if (call->office->sso.job_count >= SSO_JOBS_MAX)
        *word = "busy";
    return true;
}

/* ---- the routes ---- */

bool handle_sso(struct admin_call *call)
{
    const char *word;

    if (!may_begin(call, &word))
        return false;
    if (word)
        return return_now(call, word);
    return call_go_on(call, &stream_events, create_job(call));
}

/* What came back must be the answer to what this browser was sent away with. */
static const char *take_answer(struct admin_call *call, struct sso_answer *out)
{
    char state[SSO_WORD_LENGTH + 1];
    struct text secret =
        cookie_read(call->cookies, COOKIE_SIGN_IN, call->door, call_is_secure(call));
    struct text code = call_query(call, "code"), issuer = call_query(call, "iss");
    struct buffer redirect;

    if (secret.length != SSO_WORD_LENGTH)
        return "expired";
    derive("state", secret, state);
    if (!text_equal(call_query(call, "state"), text_from(state)))
        return "expired";
    if (call_query(call, "error").data)
        return "refused";
    /* RFC 9207: another provider's answer, mixed up by somebody. */
    if (issuer.data && !text_equal(issuer, call->office->config->sso->issuer))
        return "failed";
    if (text_empty(code) || !text_copy_to(code, out->code, sizeof(out->code)))
        return "failed";
    derive("nonce", secret, out->nonce);
    derive("verifier", secret, out->verifier);
    buffer_open(&redirect, SSO_URL_MAX - 1);
    append_redirect(&redirect, call->office->config);
    bool good = !redirect.failed &&
                text_copy_to(buffer_text(&redirect), out->redirect, sizeof(out->redirect));
    buffer_close(&redirect);
    return good ? NULL : "failed";
}

bool handle_sso_callback(struct admin_call *call)
{
    struct sso_answer answer = {.code = ""};
    const char *word;

    if (!may_begin(call, &word))
        return false;
    if (!word && (word = take_answer(call, &answer)) != NULL) {
        struct text error = call_query(call, "error");
        attempts_note(&call->office->attempts, call->peer, clock_monotonic());
        note_info("admin", "single sign-on from %.*s: %s %.*s", TEXT_ARG(call->source), word,
                  TEXT_ARG(text_first(error, 60)));
    }
    if (word)
        return return_now(call, word);
    struct sso_job *job = create_job(call);
    job->returning = true;
    job->answer = answer;
    secret_wipe(&answer, sizeof(answer));
    return call_go_on(call, &stream_events, job);
}
