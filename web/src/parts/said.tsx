// Texts and figures as they stand in a cell: cut for reading, exact on hover.
import * as format from "../base/format.ts";
import { piecesOf, visible } from "../base/text.ts";

// What a caller or provider wrote: never markup, and nothing hidden in it. Nothing where there is nothing.
export function Said({ text, none = "–", cut = false, mono = false }: { text: string | null | undefined; none?: string; cut?: boolean; mono?: boolean }) {
    if (!text) return <span class="faint">{none}</span>;
    const pieces = piecesOf(text);
    return (
        <bdi class={`${cut ? "cut" : ""}${mono ? " mono" : ""}` || undefined} title={cut ? visible(text) : undefined}>
            {pieces.map((piece) => (piece.hidden ? <span class="hidden-character">{piece.text}</span> : piece.text))}
        </bdi>
    );
}

export function Money({ amount, none }: { amount: string | number | null | undefined; none?: string }) {
    if (none && (amount === null || amount === undefined)) return <span class="faint">{none}</span>;
    return <span class="number" title={format.moneyExact(amount)}>{format.money(amount)}</span>;
}

export function Count({ value, unit }: { value: number | null | undefined; unit?: string }) {
    return <span class="number" title={`${format.countExact(value)}${unit ? ` ${unit}` : ""}`}>{format.count(value)}</span>;
}

export function Duration({ ms }: { ms: number | null | undefined }) {
    return <span class="number" title={ms === null || ms === undefined ? "not known" : `${ms.toLocaleString("en-US", { maximumFractionDigits: 3 })} ms`}>{format.duration(ms)}</span>;
}

// A moment in the viewer's zone; UTC on hover. `ago`: how long ago instead.
export function Moment({ at, ago = false, none }: { at: string | null | undefined; ago?: boolean; none?: string }) {
    if (!at) return <span class="faint">{none ?? "never"}</span>;
    return <time class="number nowrap" dateTime={at} title={format.momentExact(at)}>{ago ? format.relative(at) : format.moment(at)}</time>;
}

export function Tags({ tags, none }: { tags: Record<string, string> | null | undefined; none?: string }) {
    const entries = Object.entries(tags ?? {});
    if (!entries.length) return <span class="faint">{none ?? "–"}</span>;
    return (
        <span class="tags">
            {entries.map(([name, value]) => (
                <span class="tag" key={name}><Said text={`${name}=${value}`} cut /></span>
            ))}
        </span>
    );
}
