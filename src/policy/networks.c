#include "policy/networks.h"

static struct policy_network_answer ask(const struct network_rules *rules,
                                        const struct network *source)
{
    struct network_findings findings;
    network_rules_judge(rules, source, &findings);
    return (struct policy_network_answer){findings.enforced.refused, findings.all.refused,
                                          findings.enforced.rule, findings.all.rule};
}

void policy_judge_networks(const struct policy_network_question *question,
                           struct policy_network_verdict *verdict)
{
    *verdict = (struct policy_network_verdict){0};
    for (unsigned i = 0; i < POLICY_NETWORK_LISTS; i++) {
        verdict->answers[i] = ask(question->lists[i], question->source);
        if (!verdict->answers[i].refuses || verdict->refused)
            continue;
        verdict->refused = true;
        verdict->by = (enum policy_network_list)i;
    }
}

const char *policy_network_list_name(enum policy_network_list list)
{
    static const char *const names[] = {"listener", "team", "key"};
    return names[list];
}

const char *policy_missing_network(bool denies, bool observed, bool alone)
{
    if (denies)
        return observed ? "would deny nobody" : "denies nobody";
    if (observed)
        return "is observed and would let nobody in";
    return alone ? "lets nobody in, and as the only allowance in force it refuses every call"
                 : "lets nobody in";
}
