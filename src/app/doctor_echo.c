/* What stands between here and the gateway, and what it changes: the gateway's echo
 * (POST /turnpike/v1/echo) tells what arrived there, which is compared with what was sent; and its
 * answers say what was sent from there, which is compared with what arrived here. */
#include <openssl/evp.h>

#include "app/doctor_remote.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "codec/json.h"

#define PATH        "/turnpike/v1/echo"
#define PROBE       "a%20b%2Fc~d"
#define LIST_SIZE   512u
#define HASH_TEXT   64u
#define LARGE_BYTES (2u << 20) /* a picture; nginx stops at one megabyte unless it is told */

/* What a body has that something which reads and writes it anew would change. */
static const char body_sent[] =
    "{\"b\": 1.0, \"a\": [1e2, 12345678901234567890],  \"text\": \"Gr\xc3\xbc\xc3\x9f"
    "e \\u2603 http://gateway.example/ <b>&amp;</b>\\r\\n\"}";

static const struct sent_field {
    const char *name, *value;
    const char *without; /* what does not work where it does not arrive */
    bool usual;          /* every call of the doctor has it */
} sent_fields[] = {
    {"accept", "application/json, text/event-stream", "answers may come in another form", false},
    {"content-type", "application/json", "calls are refused as of another type", true},
    {"user-agent", "turnpike-doctor/" TURNPIKE_VERSION, "records cannot tell which program calls",
     true},
    {"x-turnpike-tags", "doctor=echo", "costs cannot be told apart by callers' tags", false},
    {"traceparent", "00-74757270696b650000000000646f6374-6f722d6563686f00-00",
     "calls cannot be followed through traces", false},
    {"idempotency-key", "turnpike-doctor", "a call that is sent again may be made twice", false},
    {"openai-organization", "org-doctor", "SDKs that name one are not heard", false},
    {"openai-project", "proj_doctor", "SDKs that name one are not heard", false},
    {"openai-beta", "doctor=v1", "what is in trial at a provider cannot be used", false},
    {"x-stainless-retry-count", "0", "retries of SDKs look like first tries", false},
};

/* Belong to one connection, or are the HTTP library's own. */
static bool is_expected(struct text name)
{
    static const char *const names[] = {"host", "authorization", "content-length", "connection",
                                        "transfer-encoding"};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (text_equal_ignoring_case(name, text_from(names[i])))
            return true;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(sent_fields); i++) {
        if (text_equal_ignoring_case(name, text_from(sent_fields[i].name)))
            return true;
    }
    return false;
}

static struct text member(yyjson_val *object, const char *name)
{
    struct text value = {NULL, 0};
    (void)json_get_text(object, name, &value);
    return value.data ? value : TEXT("");
}

static yyjson_val *find_field(yyjson_val *fields, const char *name)
{
    size_t index, count;
    yyjson_val *field;
    yyjson_arr_foreach(fields, index, count, field)
    {
        if (text_equal_ignoring_case(member(field, "name"), text_from(name)))
            return field;
    }
    return NULL;
}

static size_t count_fields(yyjson_val *fields, const char *name)
{
    size_t index, count, found = 0;
    yyjson_val *field;
    yyjson_arr_foreach(fields, index, count, field)
    {
        found += text_equal_ignoring_case(member(field, "name"), text_from(name));
    }
    return found;
}

/* Whole names; where there is no room for more it says so. */
static void append_to_list(char list[LIST_SIZE], struct text name)
{
    static const char more[] = " and more";
    size_t used = strlen(list);
    if (used + name.length + sizeof ", " + sizeof more <= LIST_SIZE)
        (void)snprintf(list + used, LIST_SIZE - used, "%s%.*s", used ? ", " : "", TEXT_ARG(name));
    else if (used >= sizeof more && !text_ends_with(text_from(list), text_from(more)))
        (void)snprintf(list + used, LIST_SIZE - used, "%s", more);
}

static void hash(struct text bytes, char out[HASH_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];

    ensure(EVP_Digest(bytes.data, bytes.length, digest, NULL, EVP_sha256(), NULL) == 1);
    for (size_t i = 0; i < HASH_TEXT / 2; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
}

/* ------------------------------------------------------------------ asking */

bool doctor_ask_echo(struct doctor *doctor, const char *query, struct text body, long seconds)
{
    const char *lines[ARRAY_LENGTH(sent_fields)];
    struct doctor_call *call = &doctor->call;
    long usual = call->seconds;

    for (size_t i = 0; i < ARRAY_LENGTH(sent_fields); i++) {
        if (sent_fields[i].usual)
            continue;
        struct text line =
            arena_format(&doctor->arena, "%s: %s", sent_fields[i].name, sent_fields[i].value);
        lines[call->field_count++] = ensure_memory((void *)(uintptr_t)line.data);
    }
    call->fields = lines;
    call->seconds = seconds;
    struct text path = arena_format(&doctor->arena, PATH "?%s", query);
    bool good = doctor_ask(doctor, "POST", ensure_memory((void *)(uintptr_t)path.data), body, true);
    call->fields = NULL;
    call->field_count = 0;
    call->body = TEXT("");
    call->seconds = usual;
    return good;
}

/* Says why there is no echo. */
static void tell_refused(struct doctor *doctor, const char *check)
{
    struct doctor_refusal refusal = doctor_read_refusal(doctor);
    struct text code = refusal.code, message = refusal.message;
    if (doctor_tell_rewritten(doctor, check, "POST", PATH, &refusal))
        return;
    if (text_equal(code, TEXT("unknown_url")))
        doctor_say(&doctor->report, DOCTOR_WARN, check,
                   "have the gateway brought up to date: this one has no echo yet",
                   "POST " PATH " is not known there");
    else if (text_equal(code, TEXT("method_not_allowed")))
        doctor_say(&doctor->report, DOCTOR_FAIL, check,
                   "let the method pass: a redirect (http to https, a slash at the end) makes a "
                   "GET of a POST; use the URL that it leads to",
                   "a POST was sent, and something else arrived: %.*s", TEXT_ARG(message));
    else if (text_empty(code))
        doctor_say(&doctor->report, DOCTOR_FAIL, check,
                   "something between here and the gateway refuses: a balancer or a proxy with "
                   "rules of its own",
                   "POST " PATH ": %ld, and not in the gateway's words", doctor->call.status);
    else
        doctor_say(&doctor->report, DOCTOR_FAIL, check,
                   "docs/errors.md says for each code what to do, and who can",
                   "POST " PATH ": %ld %.*s: %.*s", doctor->call.status, TEXT_ARG(code),
                   TEXT_ARG(message));
}

/* ------------------------------------------------------------------ the way there */

static size_t compare_target(struct doctor *doctor, yyjson_val *echo)
{
    yyjson_val *query = yyjson_obj_get(echo, "query"), *probe = find_field(query, "probe");
    struct text path = member(echo, "path"), value = member(probe, "value");

    if (!text_equal(path, TEXT(PATH))) {
        doctor_say(&doctor->report, DOCTOR_FAIL, "request",
                   "let paths pass as they are (nginx: proxy_pass without a path)",
                   "the path " PATH " arrives as %.*s", TEXT_ARG(path));
        return 1;
    }
    if (text_equal(value, TEXT(PROBE)) && yyjson_arr_size(query) == 1)
        return 0;
    doctor_say(&doctor->report, DOCTOR_WARN, "request",
               "let the part behind \"?\" pass as it is, undecoded", "the query %s %s%.*s",
               "probe=" PROBE, probe ? "arrives as probe=" : "does not arrive", TEXT_ARG(value));
    return 1;
}

static size_t compare_field(struct doctor *doctor, yyjson_val *arrived, size_t place)
{
    const struct sent_field *sent = &sent_fields[place];
    yyjson_val *field = find_field(arrived, sent->name);
    struct text value = member(field, "value");
    char fix[LIST_SIZE];

    size_t times = count_fields(arrived, sent->name);
    if (times == 1 && text_equal(value, text_from(sent->value)))
        return 0;
    (void)snprintf(fix, sizeof fix,
                   "let it pass there (nginx: no proxy_set_header %s; HAProxy: no http-request "
                   "del-header or set-header %s); until then %s",
                   sent->name, sent->name, sent->without);
    if (!field)
        doctor_say(&doctor->report, DOCTOR_WARN, "request", fix,
                   "the header %s was stripped on the way: the gateway did not get it", sent->name);
    else if (times > 1)
        doctor_say(&doctor->report, DOCTOR_WARN, "request", fix,
                   "the header %s was sent once and arrives %zu times: something on the way adds "
                   "its own",
                   sent->name, times);
    else
        doctor_say(&doctor->report, DOCTOR_WARN, "request", fix,
                   "the header %s was changed on the way: sent as %s, it arrives as %.*s",
                   sent->name, sent->value, TEXT_ARG(value));
    return 1;
}

static size_t compare_body(struct doctor *doctor, yyjson_val *echo, struct text sent)
{
    yyjson_val *body = yyjson_obj_get(echo, "body");
    struct text seen = member(body, "sha256");
    uint64_t bytes = 0;
    char wanted[HASH_TEXT];

    hash(sent, wanted);
    (void)json_get_unsigned(body, "bytes", &bytes);
    if (text_equal(seen, text_of(wanted, HASH_TEXT)))
        return 0;
    doctor_say(&doctor->report, DOCTOR_FAIL, "request",
               "something in between reads bodies and writes them anew (a filter, data loss "
               "prevention, an API gateway with a transformation): exempt the gateway from it",
               "the body was rewritten on the way: %zu bytes were sent, %llu arrived, with another "
               "hash",
               sent.length, (unsigned long long)bytes);
    return 1;
}

/* Additions are as it should be; who has put what into it says what stands there. */
static void tell_additions(struct doctor *doctor, yyjson_val *arrived, bool as_sent)
{
    size_t index, count;
    yyjson_val *field;
    char list[LIST_SIZE] = "";
    struct text host = member(find_field(arrived, "host"), "value"), rest = host;
    struct text name = text_split(&rest, ':');

    yyjson_arr_foreach(arrived, index, count, field)
    {
        if (!is_expected(member(field, "name")))
            append_to_list(list, member(field, "name"));
    }
    bool renamed = !text_empty(name) && text_find_char(host, '[') < 0 &&
                   !text_equal_ignoring_case(name, doctor->endpoint.host);
    if (!as_sent && list[0] == '\0' && !renamed)
        return;
    doctor_say(&doctor->report, DOCTOR_PASS, "request", NULL, "%s%s%s%s%.*s",
               as_sent ? "it arrives as it was sent" : "otherwise it arrives as it was sent",
               list[0] ? "; added on the way: " : "", list, renamed ? "; Host arrives as " : "",
               TEXT_ARG(renamed ? host : TEXT("")));
}

static void compare_request(struct doctor *doctor, yyjson_val *echo)
{
    yyjson_val *arrived = yyjson_obj_get(echo, "headers");
    size_t differences = compare_target(doctor, echo);

    for (size_t i = 0; i < ARRAY_LENGTH(sent_fields); i++)
        differences += compare_field(doctor, arrived, i);
    differences += compare_body(doctor, echo, text_of(body_sent, sizeof body_sent - 1));
    tell_additions(doctor, arrived, differences == 0);
}

/* ------------------------------------------------------------------ the way back */

static void tell_between(struct doctor *doctor)
{
    const struct doctor_call *call = &doctor->call;
    struct text via = doctor_call_field(call, "via"), server = doctor_call_field(call, "server");

    if (text_empty(via) && text_empty(server))
        doctor_say(&doctor->report, DOCTOR_PASS, "headers", NULL, "they arrive as they were sent");
    else
        doctor_say(&doctor->report, DOCTOR_PASS, "headers", NULL,
                   "they arrive; in between stands %.*s", TEXT_ARG(text_empty(via) ? server : via));
}

static void compare_answer(struct doctor *doctor, yyjson_val *echo)
{
    size_t index, count;
    yyjson_val *sent;
    char stripped[LIST_SIZE] = "", changed[LIST_SIZE] = "";

    yyjson_val *all = yyjson_obj_get(echo, "answer_headers");

    yyjson_arr_foreach(all, index, count, sent)
    {
        struct text name = member(sent, "name");
        struct text copy = arena_copy(&doctor->arena, name); /* ends in a NUL */
        struct text value =
            doctor_call_field(&doctor->call, ensure_memory((void *)(uintptr_t)copy.data));
        if (value.data == NULL)
            append_to_list(stripped, name);
        else if (!text_equal(value, member(sent, "value")))
            append_to_list(changed, name);
    }
    if (stripped[0])
        doctor_say(&doctor->report, DOCTOR_WARN, "headers",
                   "let answers' headers pass there (nginx: no proxy_hide_header; HAProxy: no "
                   "http-response del-header): SDKs and whoever helps you read them",
                   "headers of answers are stripped on the way: %s", stripped);
    if (changed[0])
        doctor_say(&doctor->report, DOCTOR_WARN, "headers",
                   "let answers' headers pass there as they are: an id that something in between "
                   "makes is not the one in the gateway's records",
                   "headers of answers are changed on the way: %s", changed);
    if (count == 0)
        doctor_say(&doctor->report, DOCTOR_WARN, "headers", "let answers' bodies pass as they are",
                   "which headers the gateway has sent did not arrive in its answer: not checked");
    else if (!stripped[0] && !changed[0])
        tell_between(doctor);
}

/* Whether it is what the gateway sent, or it cannot be told. */
static bool compare_answer_body(struct doctor *doctor)
{
    struct text said = doctor_call_field(&doctor->call, "x-turnpike-echo-sha256");
    struct text encoding = doctor_call_field(&doctor->call, "content-encoding");
    struct text body = buffer_text(&doctor->call.answer);
    char seen[HASH_TEXT];

    if (said.data == NULL) {
        doctor_say(
            &doctor->report, DOCTOR_WARN, "headers",
            "let answers' headers pass there (nginx: no proxy_hide_header; HAProxy: no "
            "http-response del-header)",
            "x-turnpike-echo-sha256 does not arrive: whether bodies of answers are rewritten "
            "could not be checked");
        return true;
    }
    hash(body, seen);
    if (text_equal(said, text_of(seen, HASH_TEXT)))
        return true;
    doctor->answers_rewritten = true;
    doctor_say(&doctor->report, DOCTOR_FAIL, "headers",
               "let answers' bodies pass as they are: no compression that was not asked for, no "
               "rewriting of links, no filter",
               "the body of an answer was rewritten on the way%s%.*s",
               text_empty(encoding) ? "" : ": it is encoded as ", TEXT_ARG(encoding));
    return false;
}

/* ------------------------------------------------------------------ a large body */

static void check_large(struct doctor *doctor)
{
    struct doctor_call *call = &doctor->call;
    char *bytes = ensure_memory(malloc(LARGE_BYTES));

    memset(bytes, ' ', LARGE_BYTES); /* white space is JSON, too */
    memcpy(bytes, "{}", 2);
    bool good = doctor_ask_echo(doctor, "probe=" PROBE, text_of(bytes, LARGE_BYTES), 60);
    free(bytes);
    struct doctor_refusal refusal = doctor_read_refusal(doctor);
    if (good && call->status == 200)
        doctor_say(&doctor->report, DOCTOR_PASS, "large body", NULL, "2 MiB arrive, after %llu ms",
                   (unsigned long long)(call->total / NANOSECONDS_PER_MILLISECOND));
    else if (good && !text_empty(refusal.code))
        doctor_say(&doctor->report, DOCTOR_WARN, "large body",
                   "docs/errors.md says for each code what to do, and who can",
                   "2 MiB: %ld %.*s: %.*s", call->status, TEXT_ARG(refusal.code),
                   TEXT_ARG(refusal.message));
    else if (good && call->status == 429)
        doctor_say(&doctor->report, DOCTOR_WARN, "large body",
                   "something in between limits how often calls may be made: raise that there, or "
                   "run this again later",
                   "2 MiB were not looked at: 429, and not in the gateway's words");
    else {
        struct text answered = arena_format(&doctor->arena, "it answers %ld", call->status);
        doctor_say(&doctor->report, DOCTOR_WARN, "large body",
                   "raise the limit on bodies there (nginx: client_max_body_size 64m): pictures, "
                   "files and long conversations are larger",
                   "something in between does not let 2 MiB pass: %.*s",
                   TEXT_ARG(good ? answered : text_from(call->problem)));
    }
}

/* ------------------------------------------------------------------ all of it */

/* A check that was not made must not look like one that passed. */
static void tell_unseen(struct doctor *doctor, const char *which)
{
    doctor_say(&doctor->report, DOCTOR_WARN, "echo",
               "see above for why, and run this again when that is mended",
               "what is changed on the way could not be looked at by the gateway's echo; not "
               "checked: %s",
               which);
}

static bool is_echo(yyjson_val *root)
{
    return text_equal(member(root, "object"), TEXT("turnpike.echo"));
}

/* What a rewritten answer says proves nothing. */
static bool check_answer(struct doctor *doctor)
{
    yyjson_doc *document = NULL;
    bool whole = compare_answer_body(doctor);
    bool good = whole && json_parse(buffer_text(&doctor->call.answer), &document) == ERROR_OK &&
                is_echo(yyjson_doc_get_root(document));

    if (good) {
        compare_request(doctor, yyjson_doc_get_root(document));
        compare_answer(doctor, yyjson_doc_get_root(document));
    } else if (whole)
        doctor_say(&doctor->report, DOCTOR_FAIL, "request",
                   "something in between answers in the gateway's place: let calls pass to it",
                   "POST " PATH ": 200, and the answer is not the gateway's");
    yyjson_doc_free(document);
    return good;
}

bool doctor_check_echo(struct doctor *doctor)
{
    struct doctor_call *call = &doctor->call;
    bool good = doctor_ask_echo(doctor, "probe=" PROBE, text_of(body_sent, sizeof body_sent - 1),
                                call->seconds);

    if (good && call->status == 200)
        good = check_answer(doctor);
    else if (good) {
        tell_refused(doctor, "request");
        good = false;
    } else
        doctor_say(&doctor->report, DOCTOR_FAIL, "request",
                   "something in between cuts calls off that have a body", "%s", call->problem);
    if (!good) {
        tell_unseen(doctor, "headers, query and body of requests; headers of answers but for "
                            "x-request-id; large bodies; streams");
        return false;
    }
    check_large(doctor);
    doctor_check_echo_stream(doctor);
    return true;
}
