#include "exchange/networks.h"

struct text networks_owner(const struct exchange *exchange, enum policy_network_list list)
{
    const struct text names[POLICY_NETWORK_LISTS] = {
        [POLICY_NETWORK_LISTENER] = exchange->door->name,
        [POLICY_NETWORK_TEAM] = exchange->team,
        [POLICY_NETWORK_KEY] = exchange->key_id,
    };

    return names[list];
}

/* "listener main", "team search", "key 4f0c2v9qk1tz" */
static struct text describe_list(struct exchange *exchange, enum policy_network_list list)
{
    struct text owner = networks_owner(exchange, list);

    return arena_format(&exchange->arena, "%s %.*s", policy_network_list_name(list),
                        TEXT_ARG(owner));
}

void networks_look(struct exchange *exchange, struct policy_network_question *question,
                   struct policy_network_verdict *verdict)
{
    *question = (struct policy_network_question){.source = &exchange->source};
    policy_find_networks(exchange->worker->policy, exchange->team, exchange->key_id,
                         question->lists);
    question->lists[POLICY_NETWORK_LISTENER] = exchange->door->network_rules;
    policy_judge_networks(question, verdict);
}

/* What a record calls the rule; where no rule has the source, it was the whole list. */
static struct text name_rule(struct exchange *exchange, enum policy_network_list list,
                             const struct network_rule *rule)
{
    if (rule)
        return arena_copy(&exchange->arena, rule->id);
    struct text whose = describe_list(exchange, list);
    return arena_format(&exchange->arena, "networks of %.*s", TEXT_ARG(whose));
}

/* For the record: what observed rules would have refused. Rules go with their snapshot, so all is
 * copied. */
static void note_observed(struct exchange *exchange, const struct policy_network_verdict *verdict)
{
    for (unsigned i = 0; i < POLICY_NETWORK_LISTS; i++) {
        const struct policy_network_answer *answer = &verdict->answers[i];
        if (!answer->would_refuse || answer->refuses)
            continue;
        struct text id = name_rule(exchange, (enum policy_network_list)i, answer->watched);
        struct text before = exchange->observed_networks;
        exchange->observed_networks =
            arena_format(&exchange->arena, "%.*s%s{\"reason\":\"network\",\"id\":\"%.*s\"}",
                         TEXT_ARG(before), before.length > 0 ? "," : "", TEXT_ARG(id));
    }
}

/* "rule net_… of team search denies 10.2.0.0/16", "team search allows other networks only" */
static struct text describe_refusal(struct exchange *exchange, enum policy_network_list list,
                                    const struct policy_network_answer *answer)
{
    struct arena *arena = &exchange->arena;
    struct text whose = describe_list(exchange, list), where = exchange->record.network;
    struct text place =
        where.length > 0 ? arena_format(arena, ", and you come from network %.*s", TEXT_ARG(where))
                         : TEXT("");
    struct text hope = answer->would_refuse || !answer->watched
                           ? TEXT("")
                           : arena_format(arena, "; rule %.*s would allow it, but is only observed",
                                          TEXT_ARG(answer->watched->id));

    if (answer->rule)
        return arena_format(arena, "rule %.*s of %.*s denies %.*s%.*s", TEXT_ARG(answer->rule->id),
                            TEXT_ARG(whose), TEXT_ARG(answer->rule->network), TEXT_ARG(hope));
    return arena_format(arena, "%.*s allows other networks only%.*s%.*s", TEXT_ARG(whose),
                        TEXT_ARG(place), TEXT_ARG(hope));
}

enum step_result networks_judge_listener(struct exchange *exchange, struct text claimed)
{
    const struct policy_network_question question = {
        .source = &exchange->source,
        .lists = {[POLICY_NETWORK_LISTENER] = exchange->door->network_rules}};
    struct policy_network_verdict verdict;

    policy_judge_networks(&question, &verdict);
    if (!verdict.refused) {
        note_observed(exchange, &verdict);
        return STEP_NEXT;
    }
    exchange->record.key_id = arena_copy(&exchange->arena, claimed);
    exchange->record.rule = name_rule(exchange, verdict.by, verdict.answers[verdict.by].rule);
    /* A stranger, for all that is known: he hears of no rule. */
    return exchange_refuse(exchange, REFUSAL_NETWORK_CLOSED,
                           (struct refusal_context){.seen = exchange->record.source});
}

enum step_result networks_judge_principal(struct exchange *exchange)
{
    struct policy_network_question question = {.source = &exchange->source};
    struct policy_network_verdict verdict;

    policy_find_networks(exchange->worker->policy, exchange->team, exchange->key_id,
                         question.lists);
    if (!question.lists[POLICY_NETWORK_TEAM] && !question.lists[POLICY_NETWORK_KEY])
        return STEP_NEXT;
    policy_judge_networks(&question, &verdict);
    if (!verdict.refused) {
        note_observed(exchange, &verdict);
        return STEP_NEXT;
    }
    const struct policy_network_answer *answer = &verdict.answers[verdict.by];
    exchange->record.rule = name_rule(exchange, verdict.by, answer->rule);
    exchange->rule = (struct refusal_rule){
        .kind = TEXT("network"),
        .id = answer->rule ? exchange->record.rule : text_of(NULL, 0),
        .of = describe_list(exchange, verdict.by),
        .mode = TEXT("enforce"),
    };
    return exchange_refuse(
        exchange, REFUSAL_NETWORK_NOT_ALLOWED,
        (struct refusal_context){.seen = exchange->record.source,
                                 .detail = describe_refusal(exchange, verdict.by, answer)});
}
