#include "app/scan_gate.h"

#include "admin/leaked_key.h"
#include "codec/json.h"
#include "control/fetch.h"

#define BODY_MAX   1024u
#define REASON_MAX 200u

bool scan_gate_open(struct scan_gate *gate, const struct verb *verb, const char *data,
                    const char *server)
{
    *gate = (struct scan_gate){.server = server};
    if (server == NULL) {
        admin_session_begin(&gate->session, verb, data);
        return admin_session_open(&gate->session, false);
    }
    gate->key = getenv(SCAN_GATE_VARIABLE);
    if (gate->key != NULL && *gate->key != '\0')
        return true;
    (void)verb_fail("--server is asked with an admin key in " SCAN_GATE_VARIABLE
                    " (`turnpike admin key create` makes one)");
    return false;
}

void scan_gate_close(struct scan_gate *gate)
{
    if (gate->server == NULL)
        admin_session_end(&gate->session);
}

/* ------------------------------------------------------------------ over the network */

/* "error": {"message": ...} of the admin API, or the status alone. */
static void tell_refusal(const struct scan_gate *gate, struct fetch_answer *answer)
{
    yyjson_val *error = NULL;
    struct text message = TEXT("");
    if (json_get_object(fetch_parse(answer), "error", &error) == JSON_PRESENT)
        (void)json_get_text(error, "message", &message);
    (void)verb_fail("%s answered %u: %.*s", gate->server, answer->status,
                    TEXT_ARG(text_empty(message)
                                 ? TEXT("is that the address of its admin API (admin.address)?")
                                 : message));
}

/* `answer` is to be closed either way. */
static bool send(struct scan_gate *gate, const char *method, struct text path, struct text body,
                 struct fetch_answer *answer)
{
    char problem[FETCH_PROBLEM_SIZE], bearer[FETCH_URL_MAX], url[FETCH_URL_MAX];
    struct text server = text_from(gate->server);
    while (text_ends_with(server, TEXT("/")))
        server.length--;
    (void)snprintf(url, sizeof url, "%.*s/admin/v1%.*s", TEXT_ARG(server), TEXT_ARG(path));
    (void)snprintf(bearer, sizeof bearer, "Bearer %s", gate->key);
    const struct fetch_request request = {
        .method = method,
        .url = text_from(url),
        .fields = {{"Authorization", text_from(bearer)},
                   {"Content-Type", TEXT("application/json")}},
        .body = body,
    };
    enum error error = fetch(&request, answer, problem);
    secret_wipe(bearer, sizeof bearer);
    if (error)
        (void)verb_fail("%s", problem);
    else if (answer->status != 200)
        tell_refusal(gate, answer);
    return !error && answer->status == 200;
}

static bool look_up_remotely(struct scan_gate *gate, struct leaks *leaks, struct leak *leak)
{
    struct fetch_answer answer;
    struct buffer body;
    struct text state = TEXT("");
    buffer_open(&body, BODY_MAX);
    buffer_append_format(&body, "{\"key\":\"%.*s%s\",\"hash\":\"", (int)KEY_PREFIX_LENGTH,
                         leak->shown, leak->id);
    for (size_t i = 0; i < KEY_HASH_SIZE; i++)
        buffer_append_format(&body, "%02x", leak->hash.bytes[i]);
    buffer_append(&body, TEXT("\"}"));
    bool good = send(gate, "POST", TEXT("/leaked_keys"), buffer_text(&body), &answer);
    buffer_close(&body);
    if (good) {
        yyjson_val *root = fetch_parse(&answer);
        (void)json_get_text(root, "state", &state);
        (void)json_get_text(root, "name", &leak->name);
        (void)json_get_text(root, "team", &leak->team);
        leak->name = leaks_keep(leaks, leak->name);
        leak->team = leaks_keep(leaks, leak->team);
        good = leak_state_from(state, &leak->state);
        if (!good)
            (void)verb_fail("%s answered with something that is no state of a key", gate->server);
    }
    fetch_close(&answer);
    return good;
}

/* ------------------------------------------------------------------ asking */

static bool look_up(struct scan_gate *gate, struct leaks *leaks, struct leak *leak)
{
    struct leaked_key found;
    if (gate->server != NULL)
        return look_up_remotely(gate, leaks, leak);
    if (!leaked_key_look_up(&gate->session.operations, leak->kind == SECRET_TURNPIKE_ADMIN_KEY,
                            text_from(leak->id), &leak->hash, &found))
        return admin_session_fail(&gate->session) == VERB_OK;
    leak->name = leaks_keep(leaks, found.name);
    leak->team = leaks_keep(leaks, found.team);
    return leak_state_from(text_from(leaked_key_state_name(found.state)), &leak->state);
}

bool scan_gate_ask(struct scan_gate *gate, struct leaks *leaks)
{
    const struct leak *before = NULL;
    leaks_sort_by_secret(leaks);
    for (size_t i = 0; i < leaks->count; i++) {
        struct leak *leak = &leaks->rows[i];
        if (!secret_is_ours(leak->kind))
            continue;
        if (before && text_equal(text_from(before->fingerprint), text_from(leak->fingerprint))) {
            leak->state = before->state;
            leak->name = before->name;
            leak->team = before->team;
        } else if (!look_up(gate, leaks, leak)) {
            return false;
        }
        before = leak;
    }
    return true;
}

/* ------------------------------------------------------------------ revoking */

/* Where it was found; kept with the key. */
static void write_reason(const struct leak *leak, char reason[REASON_MAX + 1])
{
    struct text file = leak->file;
    if (file.length > 120)
        file = text_from_index(file, file.length - 120);
    (void)snprintf(reason, REASON_MAX + 1, "found by turnpike scan in %.*s, line %llu",
                   TEXT_ARG(file), (unsigned long long)leak->line);
    for (char *c = reason; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || (unsigned char)*c >= 0x7f)
            *c = '?';
    }
}

static bool revoke_remotely(struct scan_gate *gate, const struct leak *leak, const char *reason)
{
    struct fetch_answer answer;
    struct buffer path;
    bool administrative = leak->kind == SECRET_TURNPIKE_ADMIN_KEY;
    buffer_open(&path, FETCH_URL_MAX);
    buffer_append_format(&path, "/%s/%s", administrative ? "admin_keys" : "keys", leak->id);
    if (!administrative) {
        struct buffer query;
        buffer_open(&query, FETCH_URL_MAX);
        fetch_append_form(&query, "reason", text_from(reason));
        buffer_append_format(&path, "?%.*s", TEXT_ARG(buffer_text(&query)));
        buffer_close(&query);
    }
    bool good = send(gate, "DELETE", buffer_text(&path), TEXT(""), &answer);
    fetch_close(&answer);
    buffer_close(&path);
    return good;
}

bool scan_gate_revoke(struct scan_gate *gate, const struct leak *leak)
{
    char reason[REASON_MAX + 1];
    struct operation_result result = {0};
    write_reason(leak, reason);
    if (gate->server != NULL)
        return revoke_remotely(gate, leak, reason);
    const struct operation_deletion deletion = {.reason = text_from(reason)};
    bool good = leak->kind == SECRET_TURNPIKE_ADMIN_KEY
                    ? operations_delete(&gate->session.operations, OBJECT_ADMIN_KEY,
                                        text_from(leak->id), &deletion, &result)
                    : operations_revoke_key(&gate->session.operations, text_from(leak->id),
                                            text_from(reason), &result);
    return good || admin_session_fail(&gate->session) == VERB_OK;
}
