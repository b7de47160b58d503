// What a page reads from the API: asked for when the page appears or its question changes, kept on the screen
// while it is asked for again (as it is after each change that is made here), given up when the page goes.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { changes } from "./api.ts";

export interface Resource<T> {
    value: T | null; // the last that came, also while the next is awaited
    problem: Error | null;
    loading: boolean;
    reload: () => void;
}

// `question` says by its text when to ask again; null: not now. `every`: milliseconds after which to ask
// again by itself, while the page can be seen.
export function useResource<T>(question: string | null, ask: (signal: AbortSignal) => Promise<T>, every?: number): Resource<T> {
    const [state, setState] = useState<{ value: T | null; problem: Error | null; loading: boolean }>({ value: null, problem: null, loading: question !== null });
    const [turn, setTurn] = useState(0);
    const latest = useRef(ask);
    latest.current = ask;
    const changed = changes.value;
    const reload = useCallback(() => setTurn((before) => before + 1), []);

    useEffect(() => {
        if (question === null) return;
        const control = new AbortController();
        setState((before) => ({ ...before, loading: true }));
        latest.current(control.signal).then(
            (value) => control.signal.aborted || setState({ value, problem: null, loading: false }),
            (problem: unknown) => {
                if (control.signal.aborted) return;
                setState((before) => ({ value: before.value, problem: problem instanceof Error ? problem : new Error(String(problem)), loading: false }));
            },
        );
        return () => control.abort();
    }, [question, turn, changed]);

    useEffect(() => {
        if (!every || question === null) return;
        const timer = setInterval(() => document.hidden || reload(), every);
        return () => clearInterval(timer);
    }, [every, question, reload]);

    return { ...state, reload };
}
