// What happened to calls that are turned away, told in sentences: who, from where, since when, and whether it
// ever worked.
import * as format from "../base/format.ts";
import { counted, visible } from "../base/text.ts";

export interface Bounce {
    id: string | null;
    network: string | null;
    reason: string | null;
    observed: boolean;
    rule: string | null;
    listener: string | null;
    key: string | null;
    team: string | null;
    claimed_key: string | null;
    others: boolean;
    groups: number;
    calls: number;
    calls_error: number;
    first_seen_at: string;
    last_seen_at: string;
    last_good_at: string | null;
    last_status: number;
    last_source: string | null;
    last_model: string | null;
    last_user_agent: string | null;
    first_request_id: string;
    last_request_id: string;
    advice: string | null;
}

// Codes of refusals, and what an observed rule is about, in words that follow "were refused:".
const REASONS: Record<string, string> = {
    network_not_allowed: "the rules of their team or key do not allow that network",
    listener_network_not_allowed: "the listener takes no calls from that network",
    missing_api_key: "no key was sent",
    invalid_api_key: "what was sent as key is none",
    mistyped_api_key: "the key has a wrong character",
    revoked_api_key: "the key was revoked",
    expired_api_key: "the key has expired",
    admin_api_key: "an administrator's key was sent in place of a caller's",
    model_not_found: "there is no such model",
    model_not_allowed: "the model is not on their list",
    model_unpriced: "the model has no price, so no budget could be kept",
    rate_limit_exceeded: "a limit was reached",
    call_exceeds_limit: "a call alone was larger than a limit",
    insufficient_quota: "a budget did not cover the call",
    invalid_json: "the request was no valid JSON",
    request_too_large: "the request was too large",
    network: "a network rule",
    limit: "a limit",
    budget: "a budget",
    model: "a list of models",
};

export function reasonWords(bounce: Bounce): string {
    const reason = bounce.reason ?? "";
    return REASONS[reason] ?? visible(reason || "different reasons");
}

// "the key ci-fixer of the team coding", "callers with the key tpk_x9…".
export function whoWords(bounce: Bounce, keyName: string | null): string {
    const team = bounce.team ? ` of the team ${visible(bounce.team)}` : "";
    if (keyName) return `the key ${visible(keyName)}${team}`;
    if (bounce.key) return `the key ${bounce.key}${team}`;
    if (bounce.team) return `the team ${visible(bounce.team)}`;
    if (bounce.claimed_key) return `callers who sent “${visible(bounce.claimed_key)}…” as key`;
    return "callers who said nothing about who they are";
}

export function story(bounce: Bounce, keyName: string | null): string[] {
    const calls = counted(bounce.calls, "call");
    const from = bounce.network ? ` from ${visible(bounce.network)}` : "";
    const first = bounce.observed
        ? `${calls}${from} by ${whoWords(bounce, keyName)} passed, and would have been refused by ${reasonWords(bounce)} that only watches.`
        : `${calls}${from} by ${whoWords(bounce, keyName)} were refused: ${reasonWords(bounce)}.`;
    const since = `It began ${format.relative(bounce.first_seen_at)} and was last seen ${format.relative(bounce.last_seen_at)}.`;
    const good = bounce.observed
        ? []
        : bounce.last_good_at
          ? [`From that network calls were served until ${format.relative(bounce.last_good_at)}: somebody who used to get through does not any more, or only with some calls.`]
          : ["No call from that network was ever served."];
    return [first, since, ...good];
}

// Where the rule that did it can be changed; null: it has no page.
export function ruleHref(bounce: Bounce, link: (path: string, query?: Record<string, string | null>) => string): string | null {
    const rule = bounce.rule ?? "";
    if (rule.startsWith("lim_")) return link("/teams", { tab: "limits" });
    if (rule.startsWith("bud_")) return link("/teams", { tab: "budgets" });
    const networks = /^networks of team (.+)$/.exec(rule);
    if (networks) return link("/reach", { tab: "rules", team: networks[1] ?? null });
    if (rule.startsWith("net_") || rule.startsWith("networks of")) return link("/reach", { tab: "rules" });
    const models = /^models of team (.+)$/.exec(rule);
    return models ? link(`/teams/${encodeURIComponent(models[1] ?? "")}`) : null;
}
