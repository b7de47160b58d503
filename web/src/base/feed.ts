// Calls as they finish: GET /admin/v1/events. Kept is what a screen can show; counted is everything, also what
// was too much to be sent (docs/admin-api.md).
import { signal } from "@preact/signals";
import { apiUrl, type Query, signedOut } from "./api.ts";
import type { Exchange } from "./types.ts";

const KEPT_MAX = 500; // rows: more are scrolled past, and a page may be open for days
const SECONDS_SHOWN = 60; // of the pulse
const DRAWN_EVERY_MS = 250; // a row that stands for less is not read

export interface Second {
    at: number; // whole seconds of the clock
    served: number;
    refused: number;
    failed: number;
    other: number;
}

export interface Unsent {
    calls: number;
    served: number;
    refused: number;
    failed: number;
    cancelled: number;
    interrupted: number;
    too_slow: boolean;
}

export type FeedState = "connecting" | "open" | "lost" | "ended";

export class Feed {
    readonly rows = signal<Exchange[]>([]); // the newest first
    readonly seconds = signal<Second[]>([]);
    readonly unsent = signal(0); // calls that were counted and not shown, since the page was opened
    readonly waiting = signal(0); // calls that came while paused
    readonly state = signal<FeedState>("connecting");
    readonly paused = signal(false);

    private source: EventSource | null = null;
    private fresh: Exchange[] = []; // came since the last drawing
    private counts = new Map<number, Second>();
    private timer: ReturnType<typeof setInterval> | null = null;
    private known = new Set<string>(); // ids in `rows` and `fresh`: after a reconnection a call may come twice

    open(query: Query) {
        this.close();
        this.rows.value = [];
        this.fresh = [];
        this.known.clear();
        this.unsent.value = this.waiting.value = 0;
        this.state.value = "connecting";
        const source = new EventSource(apiUrl("/events", query));
        this.source = source;
        source.addEventListener("open", () => (this.state.value = "open"));
        source.addEventListener("call", (event) => this.take(JSON.parse(event.data as string) as Exchange));
        source.addEventListener("unsent", (event) => this.count(JSON.parse(event.data as string) as Unsent));
        source.addEventListener("error", () => this.fail(source));
        this.timer = setInterval(() => this.draw(), DRAWN_EVERY_MS);
    }

    close() {
        this.source?.close();
        this.source = null;
        if (this.timer !== null) clearInterval(this.timer);
        this.timer = null;
    }

    // A browser connects again by itself, unless the answer was an error: an EventSource does not say which.
    private fail(source: EventSource) {
        this.state.value = source.readyState === EventSource.CLOSED ? "ended" : "lost";
        if (this.state.value === "ended") void this.askWhy();
    }

    private async askWhy() {
        const response = await fetch(apiUrl("/me"), { credentials: "same-origin" }).catch(() => null);
        if (response?.status === 401) signedOut.value = true;
    }

    private take(call: Exchange) {
        if (this.known.has(call.id)) return;
        this.known.add(call.id);
        this.add(call.outcome, 1);
        this.fresh.push(call);
        if (this.fresh.length > KEPT_MAX) this.forget(this.fresh.shift());
    }

    private count(unsent: Unsent) {
        this.unsent.value += unsent.calls;
        this.add("served", unsent.served);
        this.add("refused", unsent.refused);
        this.add("failed", unsent.failed + unsent.interrupted);
        this.add("cancelled", unsent.cancelled);
    }

    private add(outcome: string, calls: number) {
        const second = this.second();
        if (outcome === "served") second.served += calls;
        else if (outcome === "refused") second.refused += calls;
        else if (outcome === "failed" || outcome === "interrupted") second.failed += calls;
        else second.other += calls;
    }

    private second(): Second {
        const at = Math.floor(Date.now() / 1000);
        const known = this.counts.get(at);
        if (known) return known;
        const made = { at, served: 0, refused: 0, failed: 0, other: 0 };
        this.counts.set(at, made);
        for (const old of this.counts.keys()) if (old <= at - SECONDS_SHOWN) this.counts.delete(old);
        return made;
    }

    private forget(call: Exchange | undefined) {
        if (call) this.known.delete(call.id);
    }

    private draw() {
        const now = Math.floor(Date.now() / 1000);
        const shown = this.seconds.value;
        if (this.fresh.length > 0 || shown.at(-1)?.at !== now) {
            this.seconds.value = Array.from({ length: SECONDS_SHOWN }, (_, place) => {
                const at = now - SECONDS_SHOWN + 1 + place;
                return this.counts.get(at) ?? { at, served: 0, refused: 0, failed: 0, other: 0 };
            });
        }
        if (this.paused.value) {
            this.waiting.value = this.fresh.length;
            return;
        }
        if (this.waiting.value > 0) this.waiting.value = 0;
        if (this.fresh.length === 0) return;
        const rows = [...this.fresh.reverse(), ...this.rows.value];
        this.fresh = [];
        for (const old of rows.slice(KEPT_MAX)) this.forget(old);
        this.rows.value = rows.slice(0, KEPT_MAX);
    }
}
