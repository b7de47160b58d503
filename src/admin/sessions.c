/* A session:  sign-in -> live -> ended
 *
 *   live   its row is there, it was used within SESSIONS_IDLE, is younger than SESSIONS_LIFETIME,
 * and what it is bound to is good ended  no row, or one that the next sign-in sweeps away
 *
 * A code:  made -> taken (or past its time). Taking deletes it in the transaction that begins the
 * session, so that of two who show it one gets in. */
#include "admin/sessions.h"

#include <openssl/evp.h>

#include "admin/operations_parts.h"
#include "base/ensure.h"
#include "base/identifier.h"
#include "identity/key.h"
#include "store/audit.h"

#define SECRET_BYTES (SESSIONS_SECRET_LENGTH / 2)
#define METHOD_KEY   "key"
#define METHOD_LINK  "link"
#define METHOD_SSO   "sso"

/* ---- secrets ---- */

/* As random as a key of AES-256, and hashed once: what cannot be guessed needs no slow hash. */
static bool make_secret(struct secret **out)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[SECRET_BYTES];
    char text[SESSIONS_SECRET_LENGTH];

    random_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    *out = secret_make(text_of(text, sizeof text));
    secret_wipe(bytes, sizeof bytes);
    secret_wipe(text, sizeof text);
    return *out != NULL;
}

/* False for what is no secret of ours by its form. */
static bool hash_secret(struct text secret, uint8_t out[SESSIONS_HASH_SIZE])
{
    for (size_t i = 0; i < secret.length; i++) {
        if (!(secret.data[i] >= '0' && secret.data[i] <= '9') &&
            !(secret.data[i] >= 'a' && secret.data[i] <= 'f'))
            return false;
    }
    return secret.length == SESSIONS_SECRET_LENGTH &&
           EVP_Digest(secret.data, secret.length, out, NULL, EVP_sha256(), NULL) == 1;
}

/* ---- rows ---- */

struct keeping {
    struct arena *arena;
    struct stored_session *out;
    bool kept;
};

static bool keep_texts(struct arena *arena, struct text *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        *texts[i] = text_empty(*texts[i]) ? TEXT("") : arena_copy(arena, *texts[i]);
        if (!texts[i]->data)
            return false;
    }
    return true;
}

static void keep_session(void *context, const struct stored_session *session)
{
    struct keeping *keeping = context;
    struct stored_session *out = keeping->out;

    *out = *session;
    struct text *const texts[] = {&out->id,       &out->who,    &out->name,
                                  &out->role,     &out->team,   &out->method,
                                  &out->bound_to, &out->source, &out->agent};
    keeping->kept = keep_texts(keeping->arena, texts, ARRAY_LENGTH(texts));
}

static void write_members(struct json_writer *json, const struct stored_session *session)
{
    json_member_text(json, "id", session->id);
    json_member_text(json, "name", session->name);
    json_member_text(json, "who", session->who);
    json_member_text(json, "role", session->role);
    operations_write_name(json, "team", session->team);
    json_member_text(json, "method", session->method);
    json_member_text(json, "source", session->source);
    operations_write_name(json, "agent", session->agent);
    operations_write_moment(json, "created_at", session->created_at);
    operations_write_moment(json, "used_at", session->used_at);
    operations_write_moment(json, "expires_at", session->expires_at);
}

static bool write(struct operations *operations, const struct stored_session *session,
                  struct text *out)
{
    struct operations_writer writer;

    operations_write_begin(&writer);
    write_members(&writer.json, session);
    return operations_write_end(operations, &writer, out);
}

static bool audit(struct operations *operations, const char *action, const char *kind,
                  struct text id, struct text before, struct text after)
{
    struct audit_entry entry = {
        .time = operations_now(operations),
        .who = operations->actor.who,
        .via = operations->actor.via,
        .action = text_from(action),
        .object_kind = text_from(kind),
        .object_id = id,
        .before = before,
        .after = after,
    };
    return operations_store_answer(operations, audit_append(operations->store, &entry));
}

static bool finish(struct operations *operations, bool good)
{
    if (good)
        return operations_commit(operations);
    operations_roll_back(operations);
    return false;
}

/* ---- beginning ---- */

static bool fill(struct operations *operations, const struct sessions_grant *grant,
                 struct secret **secret, struct stored_session *out)
{
    uint64_t now = operations_now(operations), until = now + SESSIONS_LIFETIME;

    *out = (struct stored_session){
        .who = grant->who,
        .name = text_first(grant->name, SESSIONS_NAME_MAX),
        .role = grant->role,
        .team = grant->team,
        .method = grant->method,
        .bound_to = grant->bound_to,
        .source = grant->source,
        .agent = text_first(grant->agent, SESSIONS_AGENT_MAX),
        .created_at = now,
        .used_at = now,
        .expires_at = grant->until && grant->until < until ? grant->until : until,
    };
    if (!operations_make_id(operations, TEXT("ses_"), &out->id))
        return false;
    if (!make_secret(secret) || !hash_secret(secret_expose(*secret), out->hash))
        return operations_no_memory(operations);
    return true;
}

bool sessions_begin(struct operations *operations, const struct sessions_grant *grant,
                    struct secret **secret, struct stored_session *out)
{
    struct text after;

    *secret = NULL;
    if (!fill(operations, grant, secret, out) || !operations_begin(operations)) {
        secret_free(*secret);
        *secret = NULL;
        return false;
    }
    bool good =
        operations_store_answer(
            operations, sessions_sweep(operations->store, grant->who, out->created_at,
                                       out->created_at - SESSIONS_IDLE, SESSIONS_OF_ONE_MAX)) &&
        operations_store_answer(operations, sessions_insert(operations->store, out)) &&
        write(operations, out, &after) &&
        audit(operations, "sign_in", "session", out->id, TEXT(""), after);
    if (finish(operations, good))
        return true;
    secret_free(*secret);
    *secret = NULL;
    return false;
}

bool sessions_grant_of_key(struct operations *operations, const struct credential *credential,
                           struct sessions_grant *grant)
{
    *grant = (struct sessions_grant){
        .who = arena_format(operations->arena, "key:%.*s", TEXT_ARG(credential->id)),
        .name = credential->name,
        .role = text_from(admin_role_name(credential->role)),
        .team = credential->team,
        .method = TEXT(METHOD_KEY),
        .bound_to = credential->id,
        .until = credential->expires_at,
    };
    return grant->who.data || operations_no_memory(operations);
}

/* ---- codes ---- */

struct taking {
    struct operations *operations;
    struct stored_sign_in_code code;
    bool kept;
};

static void keep_code(void *context, const struct stored_sign_in_code *code)
{
    struct taking *taking = context;
    struct text *const texts[] = {&taking->code.who, &taking->code.role, &taking->code.team};

    taking->code = *code;
    taking->kept = keep_texts(taking->operations->arena, texts, ARRAY_LENGTH(texts));
}

/* What is wrong with a code is not told apart: all that helps is a new one. */
static bool refuse_code(struct operations *operations)
{
    return operations_refuse(operations, ADMIN_PROBLEM_BAD_CODE, "code",
                             "this link has been used, or is older than five minutes; `turnpike "
                             "console` prints a new one");
}

bool sessions_take_code(struct operations *operations, struct text code,
                        struct sessions_grant *grant)
{
    struct taking taking = {.operations = operations};
    uint8_t hash[SESSIONS_HASH_SIZE];

    if (!hash_secret(code, hash))
        return refuse_code(operations);
    enum error error = sign_in_codes_take(operations->store, hash, keep_code, &taking);
    if (error == ERROR_NOT_FOUND)
        return refuse_code(operations);
    if (!operations_store_answer(operations, error))
        return false;
    if (!taking.kept)
        return operations_no_memory(operations);
    if (taking.code.expires_at <= operations_now(operations))
        return refuse_code(operations);
    struct text name = taking.code.who;
    (void)text_split(&name, ':');
    *grant = (struct sessions_grant){
        .who = taking.code.who,
        .name = name.data ? name : taking.code.who,
        .role = taking.code.role,
        .team = taking.code.team,
        .method = TEXT(METHOD_LINK),
    };
    return true;
}

static bool check_wish(struct operations *operations, struct text role_name, struct text team)
{
    enum admin_role role;

    if (!admin_role_from(role_name, &role))
        return operations_refuse(operations, ADMIN_PROBLEM_INVALID, "role",
                                 "'%.*s' is no role: write owner, operator, finance or team_lead",
                                 TEXT_ARG(text_first(role_name, OPERATIONS_SHOWN_MAX)));
    if ((role == ADMIN_TEAM_LEAD) == text_empty(team))
        return operations_refuse(operations, ADMIN_PROBLEM_INVALID, "team",
                                 role == ADMIN_TEAM_LEAD ? "say which team the team_lead leads"
                                                         : "only a team_lead has a team");
    if (operations->actor.role != ADMIN_OWNER &&
        (operations->actor.role != role || !text_equal(operations->actor.team, team)))
        return operations_refuse(operations, ADMIN_PROBLEM_FORBIDDEN, "role",
                                 "only an owner gives out a role that is not his own");
    return text_empty(team) || operations_require_team(operations, "team", team);
}

static bool write_wish(struct operations *operations, struct text role, struct text team,
                       struct text *out)
{
    struct operations_writer writer;

    operations_write_begin(&writer);
    json_member_text(&writer.json, "role", role);
    operations_write_name(&writer.json, "team", team);
    return operations_write_end(operations, &writer, out);
}

bool sessions_make_code(struct operations *operations, struct text role, struct text team,
                        struct secret **code)
{
    uint64_t now = operations_now(operations);
    struct text after;
    struct stored_sign_in_code stored = {
        .who = operations->actor.who,
        .role = role,
        .team = team,
        .expires_at = now + SESSIONS_CODE_LIFETIME,
    };

    *code = NULL;
    if (!operations_begin(operations))
        return false;
    bool good = check_wish(operations, role, team);
    if (good && (!make_secret(code) || !hash_secret(secret_expose(*code), stored.hash)))
        good = operations_no_memory(operations);
    good = good &&
           operations_store_answer(operations,
                                   sign_in_codes_insert(operations->store, &stored, now)) &&
           write_wish(operations, role, team, &after) &&
           audit(operations, "create", "sign_in_code", TEXT(""), TEXT(""), after);
    if (finish(operations, good))
        return true;
    secret_free(*code);
    *code = NULL;
    return false;
}

/* ---- checking ---- */

/* A key or configuration that is no more takes its sessions along. */
static bool is_bound(const struct stored_session *session, const struct credentials *credentials,
                     struct text mark, uint64_t now)
{
    if (text_equal(session->method, TEXT(METHOD_KEY))) {
        const struct credential *key = credentials_find(credentials, session->bound_to);
        return key && !key->revoked_at && (!key->expires_at || key->expires_at > now);
    }
    if (text_equal(session->method, TEXT(METHOD_SSO)))
        return !text_empty(mark) && text_equal(session->bound_to, mark);
    return text_equal(session->method, TEXT(METHOD_LINK));
}

enum sessions_verdict sessions_look(struct store *store, struct arena *arena,
                                    const struct credentials *credentials, struct text mark,
                                    struct text secret, uint64_t now, struct stored_session *out)
{
    struct keeping keeping = {.arena = arena, .out = out};
    uint8_t hash[SESSIONS_HASH_SIZE];

    if (!hash_secret(secret, hash))
        return SESSIONS_UNKNOWN;
    enum error error = sessions_find(store, hash, keep_session, &keeping);
    if (error == ERROR_NOT_FOUND)
        return SESSIONS_UNKNOWN;
    if (error != ERROR_OK || !keeping.kept)
        return SESSIONS_AWAY;
    if (out->expires_at <= now || out->used_at + SESSIONS_IDLE <= now)
        return SESSIONS_UNKNOWN;
    if (!is_bound(out, credentials, mark, now))
        return SESSIONS_UNBOUND;
    return SESSIONS_GOOD;
}

enum sessions_verdict sessions_check(struct store *store, struct arena *arena,
                                     const struct credentials *credentials, struct text mark,
                                     struct text secret, uint64_t now, struct stored_session *out)
{
    enum sessions_verdict verdict =
        sessions_look(store, arena, credentials, mark, secret, now, out);

    if (verdict != SESSIONS_GOOD)
        return verdict;
    /* A use that cannot be written now is written with a later one. */
    if (now >= out->used_at + SESSIONS_USE_INTERVAL &&
        sessions_note_use(store, out->id, now) == ERROR_OK)
        out->used_at = now;
    return SESSIONS_GOOD;
}

/* ---- showing and ending ---- */

static bool sees(const struct operations *operations, const struct stored_session *session)
{
    return operations->actor.role == ADMIN_OWNER || text_equal(session->who, operations->actor.who);
}

struct showing {
    struct operations *operations;
    uint64_t now;
    void (*found)(void *context, struct text json);
    void *context;
};

static void show(void *context, const struct stored_session *session)
{
    struct showing *showing = context;
    struct operations_writer writer;

    if (!sees(showing->operations, session) || session->expires_at <= showing->now ||
        session->used_at + SESSIONS_IDLE <= showing->now)
        return;
    operations_write_begin(&writer);
    write_members(&writer.json, session);
    operations_write_hand(&writer, showing->found, showing->context);
}

bool sessions_show(struct operations *operations, void (*found)(void *context, struct text json),
                   void *context)
{
    struct showing showing = {operations, operations_now(operations), found, context};

    return operations_store_answer(operations, sessions_list(operations->store, show, &showing));
}

struct seeking {
    struct operations *operations;
    struct text id;
    struct stored_session session;
    bool found, kept;
};

static void seek(void *context, const struct stored_session *session)
{
    struct seeking *seeking = context;

    if (!text_equal(session->id, seeking->id) || !sees(seeking->operations, session))
        return;
    struct keeping keeping = {.arena = seeking->operations->arena, .out = &seeking->session};
    keep_session(&keeping, session);
    seeking->found = true;
    seeking->kept = keeping.kept;
}

static bool end(struct operations *operations, struct text id, struct text *before)
{
    struct seeking seeking = {.operations = operations, .id = id};

    if (!operations_store_answer(operations, sessions_list(operations->store, seek, &seeking)))
        return false;
    if (!seeking.found)
        return operations_refuse(operations, ADMIN_PROBLEM_NOT_FOUND, "",
                                 "there is no session '%.*s'; `turnpike admin session list` shows "
                                 "them",
                                 TEXT_ARG(text_first(id, OPERATIONS_SHOWN_MAX)));
    if (!seeking.kept)
        return operations_no_memory(operations);
    bool own = text_equal(seeking.session.who, operations->actor.who);
    return write(operations, &seeking.session, before) &&
           operations_store_answer(operations, sessions_end(operations->store, id)) &&
           audit(operations, own ? "sign_out" : "revoke", "session", id, *before, TEXT(""));
}

bool sessions_end_one(struct operations *operations, struct text id, struct text *before)
{
    struct text shown;

    return operations_begin(operations) &&
           finish(operations, end(operations, id, before ? before : &shown));
}
