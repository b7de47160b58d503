// Two people changed the same thing: the second sees what the first made of it, beside what is being saved,
// and decides.
import { useEffect, useState } from "preact/hooks";
import { api } from "../base/api.ts";
import { visible } from "../base/text.ts";
import { Button } from "./button.tsx";
import { Loading, Problem } from "./feedback.tsx";

interface ConflictProps {
    path: string; // of the object
    before: Record<string, unknown>; // as it was when the form was opened
    mine: Record<string, unknown>; // what is to be saved
    onTheirs: () => void;
    onMine: (tag: string | null) => void; // save it all the same, over what they made
}

function shown(value: unknown): string {
    if (value === null || value === undefined || value === "") return "–";
    return visible(typeof value === "string" ? value : Array.isArray(value) ? value.join(", ") || "none" : JSON.stringify(value));
}

const same = (a: unknown, b: unknown) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);

export function Conflict({ path, before, mine, onTheirs, onMine }: ConflictProps) {
    const [theirs, setTheirs] = useState<{ value: Record<string, unknown>; tag: string | null } | null>(null);
    const [problem, setProblem] = useState<Error | null>(null);
    useEffect(() => {
        api.read<Record<string, unknown>>(path).then(setTheirs, setProblem);
    }, [path]);
    if (problem) return <Problem problem={problem} />;
    if (!theirs) return <Loading what="Looking at what they changed" />;
    const names = [...new Set([...Object.keys(mine), ...Object.keys(before)])].filter((name) => !same(before[name], theirs.value[name]) || (name in mine && !same(mine[name], theirs.value[name])));
    return (
        <div class="form">
            <div class="note warn" role="alert">Somebody else changed this while you had it open. Nothing of yours is saved yet.</div>
            <div class="table-frame">
                <table class="table dense">
                    <caption class="unseen">What they made of it, and what you are about to save</caption>
                    <thead><tr><th scope="col">Member</th><th scope="col" class="wide-only">When you opened it</th><th scope="col">Theirs, now</th><th scope="col">Yours</th></tr></thead>
                    <tbody>
                        {names.map((name) => (
                            <tr key={name}>
                                <th scope="row">{name}</th>
                                <td class="muted wide-only">{shown(before[name])}</td>
                                <td class={same(before[name], theirs.value[name]) ? "" : "warn"}>{shown(theirs.value[name])}</td>
                                <td>{name in mine ? shown(mine[name]) : <span class="faint">as theirs</span>}</td>
                            </tr>
                        ))}
                    </tbody>
                </table>
            </div>
            <div class="form-end">
                <Button onClick={onTheirs}>Keep theirs</Button>
                <Button kind="primary" onClick={() => onMine(theirs.tag)}>Save mine over it</Button>
            </div>
        </div>
    );
}
