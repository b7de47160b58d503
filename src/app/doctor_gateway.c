/* What the gateway says to this caller, and what becomes of it on the way. */
#include "app/doctor_remote.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "codec/json.h"

#define MODELS_PATH  "/v1/models"
#define CALL_PATH    "/v1/chat/completions"
#define MODELS_SHOWN 5u
#define NAME_SHOWN   100u /* bytes of one; as they are used they are shorter */
#define LIST_SIZE    (MODELS_SHOWN * (NAME_SHOWN + 8) + 32)
#define BODY_MAX     1024u
/* Of a streamed answer: shorter ones tell nothing about who held what back. */
#define STREAM_LONG_ENOUGH (150u * NANOSECONDS_PER_MILLISECOND)

/* ------------------------------------------------------------------ headers */

/* Who adds what on the way, and what does not arrive, as far as a gateway without an echo lets one
 * see. */
static void check_headers(struct doctor *doctor)
{
    const struct doctor_call *call = &doctor->call;
    struct text via = doctor_call_field(call, "via"), server = doctor_call_field(call, "server");
    if (text_empty(doctor_call_field(call, "x-request-id")))
        doctor_say(&doctor->report, DOCTOR_WARN, "headers",
                   "let answers' headers pass there: x-request-id, retry-after, x-should-retry and "
                   "x-ratelimit-* are read by SDKs and by whoever helps you",
                   "x-request-id, which the gateway sends, does not arrive: something in between "
                   "removes headers");
    else if (!text_empty(via) || !text_empty(server))
        doctor_say(&doctor->report, DOCTOR_PASS, "headers", NULL,
                   "x-request-id arrives; in between stands %.*s",
                   TEXT_ARG(text_empty(via) ? server : via));
    else
        doctor_say(&doctor->report, DOCTOR_PASS, "headers", NULL, "x-request-id arrives");
}

/* ------------------------------------------------------------------ identity and models */

static bool is_listed(yyjson_val *models, struct text wanted)
{
    size_t index, count;
    yyjson_val *model;
    yyjson_arr_foreach(models, index, count, model)
    {
        struct text id = {NULL, 0};
        (void)json_get_text(model, "id", &id);
        if (text_equal(id, wanted))
            return true;
    }
    return false;
}

/* The first of them; of a very long name its beginning. */
static void list_models(yyjson_val *models, char out[LIST_SIZE])
{
    size_t index, count;
    yyjson_val *model;
    out[0] = '\0';
    yyjson_arr_foreach(models, index, count, model)
    {
        struct text id = {NULL, 0};
        size_t used = strlen(out);
        if (index == MODELS_SHOWN) {
            (void)snprintf(out + used, LIST_SIZE - used, " and %zu more", count - index);
            break;
        }
        (void)json_get_text(model, "id", &id);
        bool whole = id.length <= NAME_SHOWN;
        struct text shown = text_first(id, NAME_SHOWN);
        (void)snprintf(out + used, LIST_SIZE - used, "%s%.*s%s", index ? ", " : "", TEXT_ARG(shown),
                       whole ? "" : "…");
    }
}

/* --model; else `demo` if it is there; else the first that is listed. */
static void choose_model(struct doctor *doctor, yyjson_val *models)
{
    struct text chosen = text_from(doctor->options->model);
    if (chosen.data == NULL && is_listed(models, TEXT("demo")))
        chosen = TEXT("demo");
    if (chosen.data == NULL)
        (void)json_get_text(yyjson_arr_get_first(models), "id", &chosen);
    doctor->model = chosen.data ? arena_copy(&doctor->arena, chosen) : chosen;
}

/* A pattern of the configuration ("gpt-*") is no name and is not listed: what is not listed may be
 * there all the same, and the call tells. */
static void check_models(struct doctor *doctor)
{
    yyjson_doc *document = NULL;
    yyjson_val *models = NULL;
    char list[LIST_SIZE];
    ensure(json_parse(buffer_text(&doctor->call.answer), &document) == ERROR_OK);
    ensure(json_get_array(yyjson_doc_get_root(document), "data", &models) == JSON_PRESENT);
    choose_model(doctor, models);
    list_models(models, list);
    const char *wanted = doctor->options->model;
    if (wanted && !is_listed(models, text_from(wanted)))
        doctor_say(&doctor->report, DOCTOR_WARN, "models",
                   "check the name, or have the model allowed for this key",
                   "%s is not in the list of this key (%s)", wanted, list);
    else if (list[0] == '\0')
        doctor_say(&doctor->report, DOCTOR_WARN, "models",
                   "say with --model which is to be tried; if none works, none is allowed for "
                   "this key",
                   "no model has a name of its own that this key may use");
    else
        doctor_say(&doctor->report, DOCTOR_PASS, "models", NULL, "%s", list);
    yyjson_doc_free(document);
}

/* Whether the answer is the list of models: a page that says "ok" to everything proves no key. */
static bool is_list(struct doctor *doctor)
{
    yyjson_doc *document = NULL;
    yyjson_val *models = NULL;
    bool good = json_parse(buffer_text(&doctor->call.answer), &document) == ERROR_OK &&
                json_get_array(yyjson_doc_get_root(document), "data", &models) == JSON_PRESENT;
    yyjson_doc_free(document);
    return good;
}

/* The key is known, or there would be no limit of its own: the rest can be looked at all the same.
 */
static void tell_used_up(struct doctor *doctor)
{
    struct doctor_refusal refusal = doctor_read_refusal(doctor);
    doctor_say(&doctor->report, DOCTOR_WARN, "models",
               "wait until the limit lets calls pass again, or have it raised; the key itself is "
               "in order",
               "the list is not given now: 429 %.*s: %.*s", TEXT_ARG(refusal.code),
               TEXT_ARG(refusal.message));
    doctor->model = text_from(doctor->options->model);
}

bool doctor_check_identity(struct doctor *doctor)
{
    struct doctor_call *call = &doctor->call;
    if (doctor->key == NULL) {
        doctor_say(&doctor->report, DOCTOR_FAIL, "identity",
                   "set TURNPIKE_API_KEY (or OPENAI_API_KEY), or say --key-file FILE",
                   "there is no key to try");
        return false;
    }
    if (!doctor_ask(doctor, "GET", MODELS_PATH, TEXT(""), true)) {
        doctor_say(&doctor->report, DOCTOR_FAIL, "identity", "try again; see above for the way",
                   "%s", call->problem);
        return false;
    }
    bool used_up = call->status == 429 && !text_empty(doctor_read_refusal(doctor).code);
    if (call->status != 200 && !used_up) {
        bool forbidden = doctor->call.status == 403;
        doctor_tell_refused_key(doctor, MODELS_PATH);
        if (forbidden)
            doctor_check_whoami(doctor);
        return false;
    }
    if (!used_up && !is_list(doctor)) {
        doctor_say(
            &doctor->report, DOCTOR_FAIL, "identity",
            "something in between answers in the gateway's place, or changes the body, which "
            "must pass as it is",
            "GET " MODELS_PATH ": 200, and not the gateway's list of models");
        return false;
    }
    doctor_say(&doctor->report, DOCTOR_PASS, "identity", NULL, "%.*s is good",
               TEXT_ARG(doctor_describe_key(doctor)));
    if (used_up)
        tell_used_up(doctor);
    else
        check_models(doctor);
    doctor_check_whoami(doctor);
    doctor->echoes = doctor_check_echo(doctor);
    if (!doctor->echoes && !doctor->answers_rewritten &&
        doctor_ask(doctor, "GET", MODELS_PATH, TEXT(""), true))
        check_headers(doctor);
    return true;
}

/* ------------------------------------------------------------------ one small call */

static void write_question(struct text model, struct buffer *out)
{
    struct json_writer json;
    json_open(&json, out);
    json_begin_object(&json);
    json_member_text(&json, "model", model);
    json_member_bool(&json, "stream", true);
    json_member_unsigned(&json, "max_completion_tokens", 32);
    json_key(&json, TEXT("messages"));
    json_begin_array(&json);
    json_begin_object(&json);
    json_member_text(&json, "role", TEXT("user"));
    json_member_text(&json, "content", TEXT("Count from one to twelve in words."));
    json_end_object(&json);
    json_end_array(&json);
    json_end_object(&json);
}

static size_t count_frames(struct text stream)
{
    size_t count = 0;
    for (ptrdiff_t at; (at = text_find(stream, TEXT("data:"))) >= 0; count++)
        stream = text_from_index(stream, (size_t)at + 5);
    return count;
}

/* Frames that were made one after another and come all at once were held back on the way, or by the
 * model: without the echo that is all there is to see. */
static void check_stream(struct doctor *doctor, struct text model)
{
    const struct doctor_call *call = &doctor->call;
    struct text type = doctor_call_field(call, "content-type");
    size_t frames = count_frames(buffer_text(&call->answer));
    uint64_t spread = call->total - call->first_byte;
    unsigned long long first = call->first_byte / NANOSECONDS_PER_MILLISECOND;
    unsigned long long total = call->total / NANOSECONDS_PER_MILLISECOND;
    if (!text_starts_with(type, TEXT("text/event-stream"))) {
        doctor_say(&doctor->report, DOCTOR_FAIL, "stream",
                   "let the body pass as it is: something in between rewrites it",
                   "a streamed answer came as '%.*s'", TEXT_ARG(type));
        return;
    }
    doctor_say(&doctor->report, DOCTOR_PASS, "call", NULL,
               "%.*s answered: first byte after %llu ms, all %zu frames after %llu ms",
               TEXT_ARG(model), first, frames, total);
    if (doctor->echoes)
        return; /* that has told more about the way */
    if (frames > 3 && call->total > STREAM_LONG_ENOUGH && spread < call->total / 20)
        doctor_say(&doctor->report, DOCTOR_WARN, "stream",
                   "turn buffering off in between (nginx: proxy_buffering off; others: no response "
                   "buffering, no compression of text/event-stream). If nothing is in between, the "
                   "model itself answers in one piece",
                   "%zu frames came all at once, at the end of %llu ms: something holds streams "
                   "back",
                   frames, total);
    else
        doctor_say(&doctor->report, DOCTOR_PASS, "stream", NULL, "frames arrive as they are made");
}

static void tell_refused_call(struct doctor *doctor, struct text model)
{
    struct doctor_refusal refusal = doctor_read_refusal(doctor);
    if (doctor_tell_rewritten(doctor, "call", "POST", CALL_PATH, &refusal))
        return;
    if (text_empty(refusal.code))
        doctor_say(&doctor->report, DOCTOR_FAIL, "call",
                   "something in between answers, or the provider does: look at the gateway's log",
                   "%.*s: %ld", TEXT_ARG(model), doctor->call.status);
    else
        doctor_say(&doctor->report, DOCTOR_FAIL, "call",
                   "docs/errors.md says for each code what to do, and who can",
                   "%.*s: %ld %.*s: %.*s", TEXT_ARG(model), doctor->call.status,
                   TEXT_ARG(refusal.code), TEXT_ARG(refusal.message));
}

void doctor_check_call(struct doctor *doctor)
{
    struct text model = doctor->model;
    struct buffer body;
    if (text_empty(model))
        return; /* the check of models has said so */
    buffer_open(&body, BODY_MAX);
    write_question(model, &body);
    doctor->call.seconds = 60;
    bool good = doctor_ask(doctor, "POST", CALL_PATH, buffer_text(&body), true);
    buffer_close(&body);
    doctor->call.body = TEXT("");
    if (!good)
        doctor_say(&doctor->report, DOCTOR_FAIL, "call",
                   "something in between cuts answers off, or the provider hangs",
                   "%.*s: %s after %llu ms", TEXT_ARG(model), doctor->call.problem,
                   (unsigned long long)(doctor->call.total / NANOSECONDS_PER_MILLISECOND));
    else if (doctor->call.status != 200)
        tell_refused_call(doctor, model);
    else
        check_stream(doctor, model);
}
