// Every view: its path, what stands for it in the list at the side, and who has it. A page is a component that
// takes the parameters of its path; web/README.md says how one is made.
import type { ComponentType } from "preact";
import type { Role } from "../base/types.ts";
import type { IconName } from "../parts/icon.tsx";
import { link, matchPattern } from "../base/router.ts";
import { CallsPage } from "./calls.tsx";
import { LivePage } from "./live.tsx";
import { OverviewPage } from "./overview.tsx";
import { AuditPage } from "./audit.tsx";
import { ModelPage } from "./model.tsx";
import { ModelsPage } from "./models.tsx";
import { PlaygroundPage } from "./playground.tsx";
import { ReachPage } from "./reach.tsx";
import { SessionsPage } from "./sessions.tsx";
import { TeamsPage } from "./teams.tsx";
import { TeamPage } from "./team.tsx";
import { UsagePage } from "./usage.tsx";

export interface View {
    pattern: string;
    page: ComponentType<{ parameters: Record<string, string> }>;
}

export interface Entry {
    path: string;
    title: string;
    icon: IconName;
    letter: string; // g and this letter goes there
    group: "Watch" | "Run" | "Look into";
    roles?: Role[]; // all where nothing is said
}

const ALL_BUT_LEADS: Role[] = ["owner", "operator", "finance"];

export const ENTRIES: Entry[] = [
    { path: "/", title: "Overview", icon: "overview", letter: "o", group: "Watch" },
    { path: "/live", title: "Live", icon: "live", letter: "l", group: "Watch" },
    { path: "/calls", title: "Calls", icon: "calls", letter: "c", group: "Watch" },
    { path: "/usage", title: "Usage and cost", icon: "usage", letter: "u", group: "Watch" },
    { path: "/teams", title: "Teams and keys", icon: "teams", letter: "t", group: "Run" },
    { path: "/models", title: "Models", icon: "models", letter: "m", group: "Run", roles: ALL_BUT_LEADS },
    { path: "/reach", title: "Reach", icon: "reach", letter: "r", group: "Run" },
    { path: "/audit", title: "Audit", icon: "audit", letter: "a", group: "Look into", roles: ALL_BUT_LEADS },
    { path: "/playground", title: "Playground", icon: "play", letter: "p", group: "Look into", roles: ["owner", "operator", "team_lead"] },
];

export const VIEWS: View[] = [
    { pattern: "/", page: OverviewPage },
    { pattern: "/live", page: LivePage },
    { pattern: "/calls", page: CallsPage },
    { pattern: "/usage", page: UsagePage },
    { pattern: "/teams", page: TeamsPage },
    { pattern: "/teams/:team", page: TeamPage },
    { pattern: "/models", page: ModelsPage },
    { pattern: "/models/:model", page: ModelPage },
    { pattern: "/reach", page: ReachPage },
    { pattern: "/audit", page: AuditPage },
    { pattern: "/playground", page: PlaygroundPage },
    { pattern: "/sessions", page: SessionsPage },
];

// Addresses by which the admin API names a thing (`page` of GET /attention), and the view that shows it.
const ADDRESSES: { pattern: string; to: (parameters: Record<string, string>) => string }[] = [
    { pattern: "/keys", to: () => link("/teams", { tab: "keys", state: "idle" }) },
    { pattern: "/keys/:key", to: ({ key }) => link("/teams", { tab: "keys", key: key ?? null }) },
    { pattern: "/budgets/:budget", to: ({ budget }) => link("/teams", { tab: "budgets", budget: budget ?? null }) },
    { pattern: "/bounces/:bounce", to: ({ bounce }) => link("/reach", { bounce: bounce ?? null }) },
    { pattern: "/gateway", to: () => link("/audit", { tab: "ledger" }) },
];

// Where an address leads, null where it is a view itself or nothing at all.
export function leadsTo(path: string): string | null {
    for (const address of ADDRESSES) {
        const parameters = matchPattern(address.pattern, path);
        if (parameters) return address.to(parameters);
    }
    return null;
}

export function entriesFor(role: Role): Entry[] {
    return ENTRIES.filter((entry) => !entry.roles || entry.roles.includes(role));
}

// Where one comes in: the first page that the role has.
export function homeOf(role: Role): string {
    return entriesFor(role)[0]?.path ?? "/teams";
}

export function viewOf(path: string): { view: View; parameters: Record<string, string> } | null {
    for (const view of VIEWS) {
        const parameters = matchPattern(view.pattern, path);
        if (parameters) return { view, parameters };
    }
    return null;
}
