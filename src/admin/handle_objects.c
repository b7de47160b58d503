/* Organisation, teams, keys, budgets, limits and admin keys: every change goes through
 * admin/operations.h, which checks it, does it and writes the audit row.
 *
 * The entity tag of an object is made of what can be changed of it: figures that change by
 * themselves (what a budget has spent) do not get in the way of an edit with If-Match. */
#include <openssl/evp.h>

#include "admin/call.h"
#include "admin/handlers.h"
#include "admin/key_source.h"
#include "admin/object_change.h"
#include "admin/object_page.h"
#include "base/clock.h"
#include "base/ensure.h"
#include "base/number.h"
#include "store/audit.h"

#define GRACE_DEFAULT "24h"
#define TAG_SIZE      19u /* two quotes, 16 digits and a NUL */

/* ---- writing an object ---- */

/* A member's value goes into the digest as JSON, with its name. */
static void digest_member(EVP_MD_CTX *digest, const char *name, yyjson_val *value)
{
    size_t length = 0;
    char *json = yyjson_val_write(value, 0, &length);

    ensure_memory(json);
    ensure(EVP_DigestUpdate(digest, name, strlen(name) + 1) == 1 &&
           EVP_DigestUpdate(digest, json, length + 1) == 1);
    free(json);
}

static void make_tag(enum object_kind kind, struct text json, char tag[TAG_SIZE])
{
    yyjson_doc *document = yyjson_read(json.data, json.length, 0);
    EVP_MD_CTX *digest = ensure_memory(EVP_MD_CTX_new());
    unsigned char hash[EVP_MAX_MD_SIZE];

    ensure_memory(document);
    ensure(EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1);
    for (size_t i = 0; i < OBJECT_MEMBER_COUNT; i++) {
        const struct object_member_row *row = &object_members[i];
        yyjson_val *value = yyjson_obj_get(yyjson_doc_get_root(document), row->name.data);
        if (row->kind == kind && row->use != OBJECT_USE_READ && value)
            digest_member(digest, row->name.data, value);
    }
    ensure(EVP_DigestFinal_ex(digest, hash, NULL) == 1);
    EVP_MD_CTX_free(digest);
    yyjson_doc_free(document);
    int length = snprintf(tag, TAG_SIZE, "\"%02x%02x%02x%02x%02x%02x%02x%02x\"", hash[0], hash[1],
                          hash[2], hash[3], hash[4], hash[5], hash[6], hash[7]);
    ensure(length == TAG_SIZE - 1);
}

static bool answer_object(struct admin_call *call, struct text json)
{
    char tag[TAG_SIZE];

    make_tag(call->route->kind, json, tag);
    http1_append_header(&call->headers, TEXT("etag"), text_from(tag));
    buffer_append(&call->out, json);
    return true;
}

/* With the secret as its last member, this once. */
static bool answer_secret(struct admin_call *call, struct operation_result *result)
{
    char tag[TAG_SIZE];

    make_tag(call->route->kind, result->after, tag);
    http1_append_header(&call->headers, TEXT("etag"), text_from(tag));
    ensure(text_ends_with(result->after, TEXT("}")));
    buffer_append(&call->out, text_first(result->after, result->after.length - 1));
    buffer_append(&call->out, TEXT(",\"key\":"));
    json_append_text(&call->out, secret_expose(result->secret));
    buffer_append_char(&call->out, '}');
    secret_free(result->secret);
    return true;
}

/* ---- reading ---- */

/* "90d": a key's last use. */
static bool read_unused(struct admin_call *call, uint64_t *out)
{
    struct text value = call_query(call, "unused");
    uint64_t milliseconds;

    if (!value.data)
        return true;
    if (!number_parse_duration(value, &milliseconds) || milliseconds == 0 ||
        milliseconds > INT64_MAX / NANOSECONDS_PER_MILLISECOND)
        return call_refuse(call, ADMIN_PROBLEM_INVALID, "unused",
                           "that is no length of time: 12h, 90d");
    *out = milliseconds * NANOSECONDS_PER_MILLISECOND;
    return true;
}

bool handle_list(struct admin_call *call)
{
    struct operations_filter filter = {.team = call_query(call, "team"),
                                       .key = call_query(call, "key")};
    struct text state = call_query(call, "state"), after;
    struct object_page page;
    size_t limit;

    if (state.data && !text_equal(state, TEXT("live")))
        return call_refuse(call, ADMIN_PROBLEM_INVALID, "state",
                           "live is the only state to ask for");
    filter.live = state.data != NULL;
    if (!call_query_flag(call, "exchanged", &filter.exchanged))
        return false;
    if (!read_unused(call, &filter.unused))
        return false;
    if (!call_query_limit(call, &limit) || !call_read_cursor(call, &after) ||
        !call_narrow_team(call, &filter.team))
        return false;
    object_page_open(&page, call->route->kind, after, limit);
    bool good = operations_list(&call->office->operations, call->route->kind, &filter,
                                object_page_offer, &page);
    bool more = page.count > limit;
    call_begin_page(call);
    for (size_t i = 0; good && i < page.count - more; i++)
        json_raw(&call->json, page.rows[i].json);
    call_end_page(call, more ? page.rows[limit - 1].key : TEXT(""));
    object_page_close(&page);
    return good || call_refuse_operation(call);
}

bool handle_show(struct admin_call *call)
{
    struct text json;

    if (!operations_show(&call->office->operations, call->route->kind, call->id, &json))
        return call_refuse_operation(call);
    return answer_object(call, json);
}

static bool write_source(void *context, const struct key_source *source)
{
    struct admin_call *call = context;

    json_begin_object(&call->json);
    key_source_write(&call->json, source);
    json_end_object(&call->json);
    return true;
}

/* All of a key's fit on a page: KEY_SOURCES_MAX and the others. */
bool handle_key_sources(struct admin_call *call)
{
    struct text id, json;

    if (!operations_show(&call->office->operations, OBJECT_KEY, call->id, &json) ||
        !operations_resolve_key(&call->office->operations, "", call->id, &id))
        return call_refuse_operation(call);
    call_begin_page(call);
    if (!call_store_answer(call, key_sources_list(call->office->store, id, write_source, call)))
        return false;
    call_end_page(call, TEXT(""));
    return true;
}

/* ---- changing ---- */

static bool append_location(struct admin_call *call, struct text id)
{
    struct buffer location;

    buffer_open(&location, 1024);
    buffer_append_format(&location, ROUTES_PREFIX "%.*s/", TEXT_ARG(call->route->path));
    for (size_t i = 0; i < id.length; i++) {
        unsigned char c = (unsigned char)id.data[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     c == '-' || c == '.' || c == '_' || c == '~';
        buffer_append_format(&location, plain ? "%c" : "%%%02X", c);
    }
    bool good = http1_append_header(&call->headers, TEXT("location"), buffer_text(&location));
    buffer_close(&location);
    return good;
}

bool handle_create(struct admin_call *call)
{
    struct object_change wanted;
    struct operation_result result;

    if (!object_change_read(call, &wanted))
        return false;
    if (!operations_create(&call->office->operations, &wanted, &result))
        return object_change_refuse(call, &wanted);
    (void)append_location(call, result.id);
    return result.secret ? answer_secret(call, &result) : answer_object(call, result.after);
}

/* One of the tags in the header, or any with "*" (RFC 9110 section 13.1.1). */
static bool matches(struct text if_match, const char *tag)
{
    struct text member;

    while (http1_list_next(&if_match, &member)) {
        if (text_equal(member, TEXT("*")) || text_equal(member, text_from(tag)))
            return true;
    }
    return false;
}

#define CHANGE_SIZE 160u /* of who: key:ID, cli:USER */

/* Its id; a team's is its name, the organisation has none. */
static struct text object_id(enum object_kind kind, struct text json, struct arena *arena)
{
    yyjson_doc *document;
    struct text id = {NULL, 0}, copy = {"", 0};

    if (json_parse(json, &document) != ERROR_OK)
        return copy;
    if (json_get_text(yyjson_doc_get_root(document), kind == OBJECT_TEAM ? "name" : "id", &id) ==
            JSON_PRESENT &&
        kind != OBJECT_ORGANISATION)
        copy = arena_copy(arena, id);
    yyjson_doc_free(document);
    return copy;
}

struct change_told {
    bool found;
    char who[CHANGE_SIZE], time[CLOCK_RFC3339_SIZE];
};

static bool take_change(void *context, const struct audit_entry *entry)
{
    struct change_told *told = context;

    told->found = true;
    (void)text_copy_to(entry->who, told->who, sizeof(told->who));
    (void)clock_format_rfc3339(entry->time, told->time);
    return false;
}

/* Who was faster, and when: what the audit has of it last. */
static bool refuse_changed(struct admin_call *call, struct text json, const char *tag)
{
    struct change_told told = {0};
    struct text id = object_id(call->route->kind, json, &call->arena);
    const struct audit_filter filter = {
        .object_kind = operations_audit_name(call->route->kind), .object_id = id, .limit = 1};
    enum error error = audit_list(call->office->store, &filter, take_change, &told);

    if (error != ERROR_OK || !told.found)
        return call_refuse(call, ADMIN_PROBLEM_CHANGED, "",
                           "somebody changed it meanwhile: it is %s now; read it again and decide "
                           "anew",
                           tag);
    return call_refuse(call, ADMIN_PROBLEM_CHANGED, "",
                       "%s changed it meanwhile, at %.19sZ: it is %s now; read it again and decide "
                       "anew",
                       told.who, told.time, tag);
}

/* Whether the object is still what the caller saw, who said it with If-Match. */
static bool check_match(struct admin_call *call)
{
    struct text json;
    char tag[TAG_SIZE];

    if (!operations_show(&call->office->operations, call->route->kind, call->id, &json))
        return call_refuse_operation(call);
    make_tag(call->route->kind, json, tag);
    return matches(call->if_match, tag) || refuse_changed(call, json, tag);
}

/* Looking and changing are one transaction, so that nobody comes between: every change of what is
 * there is between these two. Without the header there is nothing to look at, and a key can be
 * revoked though the store cannot be written. */
static bool begin_if_match(struct admin_call *call)
{
    struct operations *operations = &call->office->operations;

    if (!call->if_match.data)
        return true;
    if (!call->office->store)
        return call_store_answer(call, ERROR_STORE);
    if (!operations_begin(operations))
        return call_refuse_operation(call);
    if (check_match(call))
        return true;
    operations_roll_back(operations);
    return false;
}

/* `good`: it was changed, else the call has its problem already. */
static bool end_if_match(struct admin_call *call, bool good, struct operation_result *result)
{
    struct operations *operations = &call->office->operations;

    if (!call->if_match.data)
        return good;
    if (!good)
        operations_roll_back(operations);
    else if (!operations_commit(operations)) {
        secret_free(result->secret);
        good = call_refuse_operation(call);
    }
    return good;
}

bool handle_edit(struct admin_call *call)
{
    struct object_change changes;
    struct operation_result result;

    if (!object_change_read(call, &changes) || !begin_if_match(call))
        return false;
    bool good = operations_edit(&call->office->operations, call->id, &changes, &result) ||
                object_change_refuse(call, &changes);
    return end_if_match(call, good, &result) && answer_object(call, result.after);
}

static bool answer_nothing(struct admin_call *call)
{
    call->status = 204;
    call->content_type = NULL;
    return true;
}

/* What is revoked stays to be looked at and is shown, if the store can be asked; what is deleted is
 * gone. */
bool handle_delete(struct admin_call *call)
{
    struct operation_deletion deletion = {.reason = call_query(call, "reason")};
    struct operation_result result;

    if (!call_query_flag(call, "revoke_keys", &deletion.revoke_keys) || !begin_if_match(call))
        return false;
    bool good = operations_delete(&call->office->operations, call->route->kind, call->id, &deletion,
                                  &result) ||
                call_refuse_operation(call);
    if (!end_if_match(call, good, &result))
        return false;
    if (call->route->status == 204)
        return answer_nothing(call);
    if (!result.after.data &&
        (!call->office->store ||
         !operations_show(&call->office->operations, call->route->kind, call->id, &result.after)))
        return answer_nothing(call);
    return answer_object(call, result.after);
}

bool handle_rotate(struct admin_call *call)
{
    const struct document_node *body = call_read_shape(call, SHAPE_Rotation);
    struct operation_result result;
    uint64_t milliseconds;

    if (!body)
        return false;
    struct text grace = call_member(body, "grace");
    if (!number_parse_duration(grace.data ? grace : TEXT(GRACE_DEFAULT), &milliseconds) ||
        milliseconds > INT64_MAX / NANOSECONDS_PER_MILLISECOND)
        return call_refuse(call, ADMIN_PROBLEM_INVALID, "grace", "that is no duration: 0, 1h, 7d");
    if (!begin_if_match(call))
        return false;
    bool good = operations_rotate_key(&call->office->operations, call->id,
                                      milliseconds * NANOSECONDS_PER_MILLISECOND, &result) ||
                call_refuse_operation(call);
    return end_if_match(call, good, &result) && answer_secret(call, &result);
}

static bool raise_budget(struct admin_call *call, struct text amount, struct text until)
{
    struct operation_result result;

    if (!begin_if_match(call))
        return false;
    bool good =
        operations_raise_budget(&call->office->operations, call->id, amount, until, &result) ||
        call_refuse_operation(call);
    return end_if_match(call, good, &result) && answer_object(call, result.after);
}

bool handle_raise(struct admin_call *call)
{
    const struct document_node *body = call_read_shape(call, SHAPE_Raise);

    return body && raise_budget(call, call_member(body, "amount"), call_member(body, "until"));
}

bool handle_end_raise(struct admin_call *call)
{
    return raise_budget(call, text_of(NULL, 0), text_of(NULL, 0));
}
