// What the gateway tells of targets: where a model's calls go, and how those places are doing.
import type { Tone } from "../parts/badge.tsx";
import * as format from "../base/format.ts";

export interface Target {
    model: string;
    provider: string;
    target_model: string;
    breaker: "closed" | "open" | "half_open";
    ready_in_ms: number;
    rests_for_ms: number;
    down: boolean;
    in_flight: number;
    latency_ms: number;
    latency_p95_ms: number;
    calls: number;
    failures: number;
}

export interface Price {
    provider: string;
    model: string;
    aliases: string[];
    mode: string | null;
    context_window: number | null;
    max_output: number | null;
    prices: Record<string, string>;
}

export interface Health {
    tone: Tone;
    word: string;
    why: string;
}

// How one target is, in a word: what is worst first.
export function healthOf(target: Target): Health {
    if (target.down) return { tone: "bad", word: "down", why: "Its provider does not answer the question about its health" };
    if (target.breaker === "open") return { tone: "bad", word: "left alone", why: `Its breaker is open after failures; it is tried again in ${format.duration(target.ready_in_ms)}` };
    if (target.breaker === "half_open") return { tone: "warn", word: "on trial", why: "One call at a time tries whether it is back" };
    if (target.rests_for_ms > 0) return { tone: "warn", word: "resting", why: `It asked to be left alone for ${format.duration(target.rests_for_ms)}` };
    if (target.calls === 0) return { tone: "plain", word: "not used", why: "No call since the gateway started" };
    return { tone: "good", word: "well", why: "It takes calls" };
}

const ORDER: Record<string, number> = { bad: 0, warn: 1, good: 2, plain: 3 };

// Of several targets: what of them is worst; nothing is wrong with one that is not used.
export function worst(targets: Target[]): Health {
    return targets.map(healthOf).sort((a, b) => (ORDER[a.tone] ?? 9) - (ORDER[b.tone] ?? 9))[0] ?? { tone: "plain", word: "no target", why: "" };
}

export function grouped<T>(rows: T[], by: (row: T) => string): [string, T[]][] {
    const groups = new Map<string, T[]>();
    for (const row of rows) groups.set(by(row), [...(groups.get(by(row)) ?? []), row]);
    return [...groups];
}

// The list price of a target; null: the list does not have it (an own price may stand in the configuration).
export function priceOf(prices: Price[], target: Pick<Target, "provider" | "target_model">): Price | null {
    return prices.find((price) => price.provider === target.provider && (price.model === target.target_model || price.aliases.includes(target.target_model))) ?? null;
}
