// Where a budget will be at its end if it goes on as it went: straight on, from what was spent since it began.
import type { Budget } from "./types.ts";

export interface Projection {
    spentShare: number; // of the cap in force
    endsAt: Date | null; // when it is used up before it begins anew; null: it lasts, or nothing can be said
    atReset: number | null; // USD spent when it begins anew
}

const EARLY = 0.02; // of a period: before that a projection is a guess

export function capOf(budget: Budget, now = new Date()): number {
    const raised = budget.raised_to !== null && budget.raised_until !== null && new Date(budget.raised_until) > now;
    return Number(raised ? budget.raised_to : budget.amount);
}

export function project(budget: Budget, now = new Date()): Projection {
    const cap = capOf(budget, now);
    const spent = Number(budget.spent);
    const spentShare = cap > 0 ? spent / cap : spent > 0 ? 1 : 0;
    const start = budget.period_start ? new Date(budget.period_start).getTime() : NaN;
    const reset = budget.resets_at ? new Date(budget.resets_at).getTime() : NaN;
    const gone = now.getTime() - start;
    // A rolling period gives back bit by bit, and a lifetime has no end: neither goes straight on.
    if (budget.period === "rolling" || !(gone > 0) || spent <= 0) return { spentShare, endsAt: null, atReset: null };
    const whole = reset - start;
    if (whole > 0 && gone / whole < EARLY) return { spentShare, endsAt: null, atReset: null };
    const perMs = spent / gone;
    const end = now.getTime() + (cap - spent) / perMs;
    const atReset = whole > 0 ? perMs * whole : null;
    const lasts = whole > 0 && end >= reset;
    return { spentShare, endsAt: spentShare >= 1 || lasts || !Number.isFinite(end) || end > 8.64e15 ? null : new Date(end), atReset };
}
