// Who is looking, and what that role may do. The API decides; here it only saves people from buttons that
// would be refused.
import { computed, signal } from "@preact/signals";
import { api, ApiError, signedOut } from "./api.ts";
import type { Me } from "./types.ts";

export const me = signal<Me | null>(null);
export const role = computed(() => me.value?.role ?? null);

// Change budgets, limits, rules, teams: owner and operator.
export const mayOperate = computed(() => role.value === "owner" || role.value === "operator");
// Make, rotate and revoke keys: they, and a team lead for its team.
export const mayKeepKeys = computed(() => mayOperate.value || role.value === "team_lead");
// See what is the whole gateway's: all but team leads.
export const seesAll = computed(() => role.value !== null && role.value !== "team_lead");
export const isOwner = computed(() => role.value === "owner");

export async function loadMe(): Promise<void> {
    try {
        me.value = await api.get<Me>("/me");
        signedOut.value = false;
    } catch (problem) {
        if (problem instanceof ApiError && problem.status === 401) return;
        throw problem;
    }
}

// `proof` is {"code": …} of a link that `turnpike console` printed, or {"key": "tpa_…"}.
export async function signIn(proof: { code: string } | { key: string }): Promise<void> {
    await api.post("/sessions", proof);
    await loadMe();
}

export async function signOut(): Promise<void> {
    await api.remove("/sessions/current");
    me.value = null;
    signedOut.value = true;
}

// Why single sign-on led back without a session: the word that the gateway put into the address.
const SSO_PROBLEMS: Record<string, string> = {
    no_role: "You are known to the provider, and no rule of this gateway gives you a role. Ask whoever runs it.",
    refused: "The provider did not sign you in.",
    expired: "This sign-in took too long, or was begun in another window. Try again.",
    busy: "Too many people sign in at this moment. Try again in a few seconds.",
    too_many: "Too many attempts from your address have failed. Try again in a minute.",
    failed: "The provider could not be asked, or its answer could not be believed. The gateway's log says why.",
};

export function takeSsoProblem(): string | null {
    const word = new URLSearchParams(window.location.hash.slice(1)).get("sso");
    if (word === null) return null;
    window.history.replaceState(null, "", window.location.pathname + window.location.search);
    return SSO_PROBLEMS[word] ?? SSO_PROBLEMS.failed ?? null;
}

// The one-time code in the address. It is taken out of the address before anything else: it is good once,
// and belongs neither into the history nor into a screenshot.
export function takeCode(): string | null {
    const code = new URLSearchParams(window.location.hash.slice(1)).get("code");
    if (code === null) return null;
    window.history.replaceState(null, "", window.location.pathname + window.location.search);
    return code;
}
