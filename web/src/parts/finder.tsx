// Ctrl K: any page, team, key, model or call by a few letters.
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import { api } from "../base/api.ts";
import { find, type Found } from "../base/finding.ts";
import { useResource } from "../base/resource.ts";
import { link, navigate, pathOf } from "../base/router.ts";
import { me, seesAll } from "../base/session.ts";
import { visible } from "../base/text.ts";
import type { Key, Team } from "../base/types.ts";
import { entriesFor } from "../pages/pages.ts";
import { Badge } from "./badge.tsx";
import { Icon } from "./icon.tsx";

const ROWS_MAX = 9; // what fits without scrolling

function pages(): Found[] {
    if (!me.value) return [];
    const sessions: Found = { kind: "page", title: "Sessions", beside: "admin keys sign out", href: link("/sessions") };
    return [...entriesFor(me.value.role).map((entry): Found => ({ kind: "page", title: entry.title, beside: `g ${entry.letter}`, href: link(entry.path) })), sessions];
}

async function readThings(signal: AbortSignal): Promise<Found[]> {
    const [teams, keys, targets] = await Promise.all([
        api.all<Team>("/teams", {}, signal),
        api.all<Key>("/keys", {}, signal),
        seesAll.value ? api.get<{ items: { model: string; provider: string }[] }>("/targets", {}, signal) : { items: [] },
    ]);
    const models = new Map(targets.items.map((target) => [target.model, targets.items.filter((each) => each.model === target.model).map((each) => each.provider).join(", ")]));
    return [
        ...teams.map((team): Found => ({ kind: "team", title: team.title || team.name, beside: team.title ? team.name : "", href: link(pathOf("teams", team.name)) })),
        ...keys.map((key): Found => ({ kind: "key", title: key.name, beside: `${key.id} ${key.team ?? ""}${key.state === "live" ? "" : ` ${key.state}`}`, href: link("/teams", { tab: "keys", state: "all", key: key.id }) })),
        ...[...models].map(([model, providers]): Found => ({ kind: "model", title: model, beside: providers, href: link(pathOf("models", model)) })),
    ];
}

// A request id is a call, wherever it was found.
function callOf(typed: string): Found[] {
    const id = /\breq_[0-9a-f]{32}\b/.exec(typed)?.[0];
    return id ? [{ kind: "call", title: id, beside: "its story", href: link("/calls", { call: id }) }] : [];
}

export function Finder({ onClose }: { onClose: () => void }) {
    const [typed, setTyped] = useState("");
    const [chosen, setChosen] = useState(0);
    const dialog = useRef<HTMLDialogElement>(null);
    const id = useId();
    const things = useResource("things to find", readThings);
    const all = useMemo(() => [...pages(), ...(things.value ?? [])], [things.value]);
    const rows = useMemo(() => [...callOf(typed), ...find(all, typed, ROWS_MAX)], [all, typed]);
    const place = Math.min(chosen, rows.length - 1);
    useEffect(() => dialog.current?.showModal(), []);
    const open = (found: Found | undefined) => {
        if (!found) return;
        onClose();
        navigate(found.href);
    };
    const press = (event: KeyboardEvent) => {
        if (event.key === "Enter") open(rows[place]);
        else if (event.key === "ArrowDown") setChosen((place + 1) % Math.max(1, rows.length));
        else if (event.key === "ArrowUp") setChosen((place - 1 + rows.length) % Math.max(1, rows.length));
        else return;
        event.preventDefault();
    };
    return (
        <dialog ref={dialog} class="dialog finder" aria-label="Find" onCancel={(event) => { event.preventDefault(); onClose(); }} onMouseDown={(event) => event.target === dialog.current && onClose()}>
            <div class="finder-head">
                <Icon name="search" />
                <input
                    autofocus
                    role="combobox"
                    aria-expanded="true"
                    aria-controls={`${id}-list`}
                    aria-activedescendant={rows.length ? `${id}-${place}` : undefined}
                    aria-label="A page, team, key, model or request id"
                    placeholder="A page, team, key, model or request id"
                    value={typed}
                    spellcheck={false}
                    autocomplete="off"
                    onInput={(event) => { setTyped(event.currentTarget.value); setChosen(0); }}
                    onKeyDown={press}
                />
                <kbd>Esc</kbd>
            </div>
            <ul class="finder-list" role="listbox" id={`${id}-list`} aria-label="What was found">
                {rows.map((row, number) => (
                    <li key={row.href} id={`${id}-${number}`} role="option" aria-selected={number === place} onMouseMove={() => setChosen(number)} onClick={() => open(row)}>
                        <span class="cut">{visible(row.title)}</span>
                        <span class="faint small cut push">{visible(row.beside)}</span>
                        <Badge>{row.kind}</Badge>
                    </li>
                ))}
            </ul>
            {rows.length === 0 && <p class="muted finder-none" role="status">{things.loading ? "Looking" : "Nothing of that name"}</p>}
        </dialog>
    );
}
