// A word about a state, with a colour that only repeats what the word says.
import type { ComponentChildren } from "preact";

export type Tone = "plain" | "good" | "warn" | "bad" | "accent";

export function Badge({ tone = "plain", dot = false, title, children }: { tone?: Tone; dot?: boolean; title?: string; children: ComponentChildren }) {
    return (
        <span class={`badge ${tone}`} title={title}>
            {dot && <span class="dot" aria-hidden="true" />}
            {children}
        </span>
    );
}

export function KeyState({ state }: { state: string }) {
    return <Badge tone={state === "live" ? "good" : state === "revoked" ? "bad" : "plain"} dot>{state}</Badge>;
}

const OUTCOME_TONES: Record<string, Tone> = { served: "good", refused: "warn", failed: "bad", cancelled: "plain", interrupted: "bad" };

export function Outcome({ outcome }: { outcome: string }) {
    return <Badge tone={OUTCOME_TONES[outcome] ?? "plain"}>{outcome}</Badge>;
}

export function Status({ status }: { status: number | null | undefined }) {
    if (!status) return <span class="faint">–</span>;
    const tone: Tone = status < 400 ? "good" : status < 500 ? "warn" : "bad";
    return <Badge tone={tone}><span class="number">{status}</span></Badge>;
}

// Whether a rule bites or only watches.
export function ModeBadge({ mode }: { mode: string }) {
    return mode === "observe" ? <Badge tone="accent" title="What it would refuse is recorded, and passes">observe</Badge> : <Badge title="It refuses">enforce</Badge>;
}
