/* Budgets and limits as the gateway counts them at this moment, calls under way included: what the
 * next call is measured against. (An object's own `spent` is what is recorded.)
 *
 * The thread is a reader of the rules for as long as it walks through them and no longer: it may
 * wait for the store at other times, and nobody may have to wait for it. */
#include "admin/call.h"
#include "admin/handlers.h"
#include "base/clock.h"
#include "identity/reader.h"

static void write_amount(struct json_writer *json, const char *name, money amount)
{
    char text[MONEY_TEXT_SIZE];

    json_member_text(json, name, text_of(text, money_format_price(amount, text)));
}

static void write_budget(void *context, const struct policy_budget_state *state)
{
    struct admin_call *call = context;
    struct json_writer *json = &call->json;

    json_begin_object(json);
    json_member_text(json, "id", state->budget->id);
    call_write_text(call, "name", state->budget->name);
    write_amount(json, "cap", state->cap);
    write_amount(json, "spent", state->spent);
    write_amount(json, "held", state->held);
    write_amount(json, "left", state->cap > state->used ? state->cap - state->used : 0);
    call_write_moment(call, "period_start", state->start);
    call_write_moment(call, "resets_at", state->end == POLICY_FOREVER ? 0 : state->end);
    json_member_bool(json, "complete", state->complete);
    json_end_object(json);
}

static void write_limit(void *context, const struct policy_limit_state *state)
{
    struct admin_call *call = context;
    struct json_writer *json = &call->json;

    json_begin_object(json);
    json_member_text(json, "id", state->limit->id);
    call_write_text(call, "name", state->limit->name);
    json_member_signed(json, "amount", state->limit->amount);
    json_member_signed(json, "used", state->used);
    json_member_signed(json, "left", state->remaining);
    json_member_unsigned(json, "resets_in_ms", state->reset / NANOSECONDS_PER_MILLISECOND);
    json_end_object(json);
}

static void write_all(struct admin_call *call)
{
    const struct policy_visitor budgets = {.budget = write_budget, .context = call};
    const struct policy_visitor limits = {.limit = write_limit, .context = call};
    struct policy *policy = call->office->settings.policy;
    uint64_t wall = clock_wall(), now = clock_monotonic();

    json_key(&call->json, TEXT("budgets"));
    json_begin_array(&call->json);
    policy_walk(policy, wall, now, &budgets);
    json_end_array(&call->json);
    json_key(&call->json, TEXT("limits"));
    json_begin_array(&call->json);
    policy_walk(policy, wall, now, &limits);
    json_end_array(&call->json);
}

bool handle_live(struct admin_call *call)
{
    json_begin_object(&call->json);
    reader_register();
    write_all(call);
    reader_unregister();
    json_end_object(&call->json);
    return true;
}
