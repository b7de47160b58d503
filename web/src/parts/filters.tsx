// The filters of a list. Each stands in the URL under its name; what is set is shown as a chip, which takes it
// away again.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { current, setQuery } from "../base/router.ts";
import { visible } from "../base/text.ts";
import { Icon } from "./icon.tsx";

export function FilterBar({ children }: { children: ComponentChildren }) {
    return <div class="filters" role="search">{children}</div>;
}

const TYPED_AFTER_MS = 180; // a pause in typing

// The page's search, which / goes to.
export function SearchFilter({ name = "search", label }: { name?: string; label: string }) {
    const given = current.value.query.get(name) ?? "";
    const [text, setText] = useState(given);
    const timer = useRef(0);
    useEffect(() => setText(given), [given]);
    const set = (value: string) => {
        setText(value);
        window.clearTimeout(timer.current);
        timer.current = window.setTimeout(() => setQuery({ [name]: value }, "replace"), TYPED_AFTER_MS);
    };
    return (
        <div class="input-with">
            <Icon name="search" />
            <input class="input little" type="search" data-search aria-label={label} placeholder={label} value={text} onInput={(event) => set(event.currentTarget.value)} />
            {!text && <kbd aria-hidden="true">/</kbd>}
        </div>
    );
}

export function SelectFilter({ name, label, options }: { name: string; label: string; options: (string | { value: string; title: string })[] }) {
    const chosen = current.value.query.get(name) ?? "";
    const rows = options.map((option) => (typeof option === "string" ? { value: option, title: option } : option));
    // What the URL says is shown, also where the list does not have it (any more).
    if (chosen && !rows.some((row) => row.value === chosen)) rows.push({ value: chosen, title: chosen });
    return (
        <select class="input little" aria-label={label} value={chosen} onChange={(event) => setQuery({ [name]: event.currentTarget.value })}>
            <option value="">{label}: all</option>
            {rows.map((row) => <option key={row.value} value={row.value}>{visible(row.title)}</option>)}
        </select>
    );
}

// "model gpt-5 ×" for each of `names` that is set.
export function FilterChips({ names }: { names: Record<string, string> }) {
    const set = Object.entries(names).filter(([name]) => current.value.query.get(name));
    return (
        <>
            {set.map(([name, title]) => (
                <span class="chip" key={name}>
                    <span class="cut">{title} <bdi>{visible(current.value.query.get(name) ?? "")}</bdi></span>
                    <button type="button" aria-label={`Take the filter ${title} away`} onClick={() => setQuery({ [name]: null })}><Icon name="close" /></button>
                </span>
            ))}
        </>
    );
}
