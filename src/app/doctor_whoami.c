/* GET /turnpike/v1/whoami: how the gateway sees this caller. */
#include "app/doctor_remote.h"
#include "codec/json.h"

#define PATH "/turnpike/v1/whoami"

static struct text member(yyjson_val *object, const char *name)
{
    struct text value = {NULL, 0};
    (void)json_get_text(object, name, &value);
    return value.data ? value : TEXT("");
}

static void tell_source(struct doctor *doctor, yyjson_val *root)
{
    yyjson_val *source = yyjson_obj_get(root, "source"),
               *listener = yyjson_obj_get(root, "listener");
    struct text network = member(source, "network"), forwarder = member(source, "forwarder");
    doctor_say(&doctor->report, DOCTOR_PASS, "source", NULL,
               "the gateway sees %.*s%s%.*s%s%.*s at its listener %.*s",
               TEXT_ARG(member(source, "address")), text_empty(network) ? "" : " of the network ",
               TEXT_ARG(network), text_empty(forwarder) ? "" : ", forwarded by ",
               TEXT_ARG(forwarder), TEXT_ARG(member(listener, "name")));
}

/* One list of rules: of a listener, a team or a key. */
static void tell_list(struct doctor *doctor, yyjson_val *list)
{
    bool now = yyjson_get_bool(yyjson_obj_get(list, "allowed"));
    bool then = yyjson_get_bool(yyjson_obj_get(list, "allowed_if_enforced"));
    yyjson_val *rule = yyjson_obj_get(list, now ? "rule_if_enforced" : "rule");
    struct text name = member(list, "list"), of = member(list, "of"), id = member(rule, "id");
    if (now && then)
        doctor_say(&doctor->report, DOCTOR_PASS, "networks", NULL,
                   "the rules of %.*s %.*s allow it", TEXT_ARG(name), TEXT_ARG(of));
    else
        doctor_say(&doctor->report, now ? DOCTOR_WARN : DOCTOR_FAIL, "networks",
                   "have this place's address allowed there, or call from an allowed one",
                   "the rules of %.*s %.*s %s%s%.*s", TEXT_ARG(name), TEXT_ARG(of),
                   now ? "will refuse this place once they are enforced" : "refuse this place",
                   text_empty(id) ? "" : ": rule ", TEXT_ARG(id));
}

static void tell_budget(struct doctor *doctor, yyjson_val *budget)
{
    bool hard = yyjson_get_bool(yyjson_obj_get(budget, "hard")) &&
                text_equal(member(budget, "mode"), TEXT("enforce"));
    struct text left = member(budget, "left_usd");
    for (size_t i = 0; i < left.length; i++) {
        if (left.data[i] != '0' && left.data[i] != '.')
            return; /* something is left */
    }
    doctor_say(&doctor->report, hard ? DOCTOR_FAIL : DOCTOR_WARN, "budget",
               "have it raised, or wait for the next period",
               "nothing is left of the budget %.*s (%.*s USD a %.*s)",
               TEXT_ARG(member(budget, "id")), TEXT_ARG(member(budget, "amount_usd")),
               TEXT_ARG(member(budget, "period")));
}

static void tell_each(struct doctor *doctor, yyjson_val *list,
                      void (*tell)(struct doctor *doctor, yyjson_val *one))
{
    size_t index, count;
    yyjson_val *one;
    yyjson_arr_foreach(list, index, count, one)
    {
        tell(doctor, one);
    }
}

/* A check that was not made must not look like one that passed. */
static void tell_none(struct doctor *doctor)
{
    struct doctor_refusal refusal = doctor_read_refusal(doctor);
    const char *problem = doctor->call.problem;
    if (doctor_tell_rewritten(doctor, "source", "GET", PATH, &refusal))
        return;
    bool old = text_equal(refusal.code, TEXT("unknown_url"));
    doctor_say(
        &doctor->report, DOCTOR_WARN, "source",
        old ? "have the gateway brought up to date: this one does not tell it yet"
        : !text_empty(refusal.code) ? "docs/errors.md says for each code what to do, and who can"
                                    : "let GET " PATH
                                      " pass to the gateway, and its answer as it is",
        "not checked: from where the gateway sees this place, network rules, budgets (GET " PATH
        ": %ld%s%.*s%s%s)",
        doctor->call.status, text_empty(refusal.code) ? "" : " ", TEXT_ARG(refusal.code),
        *problem ? ": " : "", problem);
}

void doctor_check_whoami(struct doctor *doctor)
{
    yyjson_doc *document = NULL;
    bool good = doctor_ask(doctor, "GET", PATH, TEXT(""), true) && doctor->call.status == 200 &&
                json_parse(buffer_text(&doctor->call.answer), &document) == ERROR_OK;
    yyjson_val *root = good ? yyjson_doc_get_root(document) : NULL;
    if (text_equal(member(root, "object"), TEXT("turnpike.whoami"))) {
        tell_source(doctor, root);
        tell_each(doctor, yyjson_obj_get(root, "networks"), tell_list);
        tell_each(doctor, yyjson_obj_get(root, "budgets"), tell_budget);
    } else
        tell_none(doctor);
    yyjson_doc_free(document);
}
