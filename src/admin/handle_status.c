/* Who asks, and what the gateway is doing. */
#include "admin/call.h"
#include "admin/handlers.h"
#include "base/clock.h"
#include "control/credential_refresher.h"
#include "control/issuer_refresher.h"

bool handle_me(struct admin_call *call)
{
    const struct credential *credential = call->credential;
    struct json_writer *json = &call->json;

    json_begin_object(json);
    json_member_text(json, "id", credential->id);
    json_member_text(json, "name", credential->name);
    json_member_text(json, "method", call->session ? call->session->method : TEXT("bearer"));
    json_member_text(json, "role", text_from(admin_role_name(credential->role)));
    call_write_text(call, "team", credential->team);
    call_write_moment(call, "expires_at", credential->expires_at);
    json_end_object(json);
    return true;
}

/* A sentence a line. */
static void write_sentences(struct admin_call *call, struct text name, struct text rest)
{
    struct json_writer *json = &call->json;

    json_key(json, name);
    json_begin_array(json);
    while (rest.length > 0) {
        json_begin_object(json);
        json_member_text(json, "text", text_split(&rest, '\n'));
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_config(struct admin_call *call)
{
    struct buffer taken_back;
    const struct config *config = call->office->config;
    struct json_writer *json = &call->json;

    json_key(json, TEXT("config"));
    json_begin_object(json);
    json_member_unsigned(json, "generation", config->generation);
    call_write_moment(call, "loaded_at", call->office->config_loaded_at);
    json_member_text(json, "source", config->source);
    write_sentences(call, TEXT("changes"), buffer_text(&call->office->config_changes));
    buffer_open(&taken_back, OFFICE_CHANGES_SIZE);
    config_describe_taken_back(config, &taken_back);
    write_sentences(call, TEXT("taken_back"), buffer_text(&taken_back));
    buffer_close(&taken_back);
    json_end_object(json);
}

/* How far the store is behind: no call that waits for it is older. */
static uint64_t import_lag(const struct ledger_counters *counters)
{
    uint64_t now = clock_wall();

    if (counters->records_waiting == 0 || now < counters->caught_up_at)
        return 0;
    return (now - counters->caught_up_at) / NANOSECONDS_PER_MILLISECOND;
}

static void write_ledger(struct admin_call *call)
{
    struct ledger_counters counters;
    struct json_writer *json = &call->json;

    ledger_read_counters(call->office->settings.ledger, &counters);
    json_key(json, TEXT("ledger"));
    json_begin_object(json);
    json_member_bool(json, "accepting", counters.accepting);
    json_member_unsigned(json, "records_written", counters.records_written);
    json_member_unsigned(json, "records_imported", counters.records_imported);
    json_member_unsigned(json, "records_waiting", counters.records_waiting);
    json_member_unsigned(json, "import_lag_ms", import_lag(&counters));
    call_write_moment(call, "caught_up_at", counters.caught_up_at);
    json_member_unsigned(json, "calls_refused", counters.calls_refused);
    json_member_unsigned(json, "journal_bytes", counters.journal_bytes);
    json_member_unsigned(json, "journal_limit", counters.journal_limit);
    json_end_object(json);
    json_key(json, TEXT("store"));
    json_begin_object(json);
    json_member_bool(json, "working", counters.store_working);
    json_member_unsigned(json, "failures", counters.store_failures);
    json_end_object(json);
}

static void write_prices(struct admin_call *call)
{
    json_key(&call->json, TEXT("prices"));
    json_begin_object(&call->json);
    json_member_text(&call->json, "catalog",
                     catalog_version(price_book_catalog(call->office->book)));
    json_end_object(&call->json);
}

static void write_keys(struct admin_call *call)
{
    struct key_refresher_state state;
    struct json_writer *json = &call->json;

    key_refresher_read_state(call->office->settings.keys, &state);
    json_key(json, TEXT("keys"));
    json_begin_object(json);
    json_member_unsigned(json, "known", state.keys);
    json_member_bool(json, "working", state.store_working && state.file_working);
    call_write_moment(call, "updated_at", state.updated_at);
    json_end_object(json);
}

static void write_credential(void *owner, const struct pool_member_state *state)
{
    struct admin_call *call = owner;
    struct json_writer *json = &call->json;

    json_begin_object(json);
    json_member_text(json, "provider", state->provider);
    json_member_text(json, "name", state->name);
    json_member_bool(json, "working", state->has_token && !state->problem[0]);
    call_write_moment(call, "expires_at", state->expires);
    call_write_moment(call, "refreshed_at", state->refreshed_at);
    call_write_moment(call, "failed_at", state->failed_at);
    call_write_text(call, "problem", text_from(state->problem));
    json_member_unsigned(json, "calls", state->in_flight);
    json_end_object(json);
}

static void write_credentials(struct admin_call *call)
{
    json_key(&call->json, TEXT("credentials"));
    json_begin_array(&call->json);
    credential_refresher_visit(call->office->settings.provider_credentials, write_credential, call);
    json_end_array(&call->json);
}

static void write_issuer(void *owner, const struct issuer_state *state)
{
    struct admin_call *call = owner;
    struct json_writer *json = &call->json;

    json_begin_object(json);
    json_member_text(json, "name", state->name);
    json_member_bool(json, "working", state->up);
    json_member_unsigned(json, "keys", state->keys);
    json_member_bool(json, "kept", state->kept);
    call_write_moment(call, "fetched_at", state->fetched_at);
    call_write_moment(call, "good_until", state->good_until);
    call_write_text(call, "problem", state->problem);
    json_end_object(json);
}

static void write_issuers(struct admin_call *call)
{
    json_key(&call->json, TEXT("issuers"));
    json_begin_array(&call->json);
    if (call->office->settings.issuers)
        issuer_refresher_visit(call->office->settings.issuers, write_issuer, call);
    json_end_array(&call->json);
}

bool handle_status(struct admin_call *call)
{
    struct json_writer *json = &call->json;

    json_begin_object(json);
    json_member_text(json, "version", TEXT(TURNPIKE_VERSION));
    call_write_moment(call, "started_at", call->office->started_at);
    json_member_unsigned(json, "workers", call->office->config->workers);
    write_config(call);
    write_ledger(call);
    write_prices(call);
    write_keys(call);
    write_credentials(call);
    write_issuers(call);
    json_end_object(json);
    return true;
}
