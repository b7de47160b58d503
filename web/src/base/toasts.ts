// Short notes about what was just done. They are read out by screen readers and go by themselves; a failure
// stays until it is closed.
import { signal } from "@preact/signals";

export interface Toast {
    id: number;
    kind: "done" | "failed";
    text: string;
}

const SHOWN_FOR_MS = 5000; // long enough to read two lines
const TOASTS_MAX = 4; // more would cover the page

export const toasts = signal<Toast[]>([]);
let last = 0;

export function say(text: string, kind: Toast["kind"] = "done") {
    const toast = { id: ++last, kind, text };
    toasts.value = [...toasts.value, toast].slice(-TOASTS_MAX);
    if (kind === "done") setTimeout(() => dismiss(toast.id), SHOWN_FOR_MS);
}

export function dismiss(id: number) {
    toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

export function sayFailure(problem: unknown) {
    say(problem instanceof Error ? problem.message : String(problem), "failed");
}
