// Tables of any length: from VIRTUAL_FROM rows on only those in sight are in the document. A row that opens
// something has a real link in its first column, so that keyboard and screen reader have it too; arrows walk
// from row to row.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { current, navigate, setQuery } from "../base/router.ts";
import { Icon } from "./icon.tsx";

export interface Column<Row> {
    key: string;
    title: string;
    render: (row: Row) => ComponentChildren;
    number?: boolean; // stands to the right, digits under digits
    wide?: boolean; // left out on a narrow screen
    width?: string; // of long tables
    sort?: (row: Row) => number | string; // the column can be sorted by
}

interface TableProps<Row> {
    caption: string; // for screen readers
    rows: readonly Row[];
    columns: Column<Row>[];
    keyOf: (row: Row) => string;
    href?: (row: Row) => string | null; // what a row opens
    opened?: string | null; // key of the row that is open
    sortName?: string; // of the sorting in the URL
    dense?: boolean;
    foot?: ComponentChildren;
}

const VIRTUAL_FROM = 120;
const ROW_PX = 40;
const DENSE_ROW_PX = 34;
const BEYOND = 12; // rows kept above and below what is in sight

function sorted<Row>(rows: readonly Row[], columns: Column<Row>[], order: string | null): readonly Row[] {
    if (!order) return rows;
    const down = order.startsWith("-");
    const column = columns.find((each) => each.key === order.replace(/^-/, ""));
    if (!column?.sort) return rows;
    const value = column.sort;
    return [...rows].sort((a, b) => {
        const [left, right] = [value(a), value(b)];
        const order = typeof left === "string" || typeof right === "string" ? String(left).localeCompare(String(right)) : left - right;
        return down ? -order : order;
    });
}

function Head<Row>({ column, order, sortName }: { column: Column<Row>; order: string | null; sortName: string }) {
    const looks = `${column.number ? "number" : ""}${column.wide ? " wide-only" : ""}`;
    const style = column.width ? { width: column.width } : undefined;
    if (!column.sort) return <th scope="col" class={looks} style={style}>{column.title || <span class="unseen">Actions</span>}</th>;
    const direction = order === column.key ? "ascending" : order === `-${column.key}` ? "descending" : undefined;
    // Figures are wanted from the largest down, names from A on.
    const next = direction === undefined ? (column.number ? `-${column.key}` : column.key) : direction === "descending" ? column.key : `-${column.key}`;
    return (
        <th scope="col" class={looks} style={style} aria-sort={direction}>
            <button type="button" class="sort" onClick={() => setQuery({ [sortName]: next }, "replace")}>
                {!column.number && column.title}
                <span class={direction ? "" : "away"}><Icon name={direction === "ascending" ? "up" : "down"} /></span>
                {column.number && column.title}
            </button>
        </th>
    );
}

// Which rows of a long table are in sight.
function useSight(count: number, height: number, active: boolean) {
    const frame = useRef<HTMLDivElement>(null);
    const [sight, setSight] = useState({ from: 0, to: VIRTUAL_FROM });
    useEffect(() => {
        const element = frame.current;
        if (!active || !element) return;
        const look = () => {
            const from = Math.max(0, Math.floor(element.scrollTop / height) - BEYOND);
            const to = Math.min(count, Math.ceil((element.scrollTop + element.clientHeight) / height) + BEYOND);
            setSight((before) => (before.from === from && before.to === to ? before : { from, to }));
        };
        look();
        element.addEventListener("scroll", look, { passive: true });
        window.addEventListener("resize", look);
        return () => {
            element.removeEventListener("scroll", look);
            window.removeEventListener("resize", look);
        };
    }, [count, height, active]);
    return { frame, ...(active ? { from: Math.min(sight.from, count), to: Math.min(sight.to, count) } : { from: 0, to: count }) };
}

// Arrows, and j and k, from one row's link to the next.
export function walk(event: KeyboardEvent) {
    const step = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1 }[event.key];
    if (!step || !(event.target instanceof HTMLElement) || !event.target.matches(".cell-link")) return;
    const links = [...(event.target.closest("tbody")?.querySelectorAll<HTMLElement>(".cell-link") ?? [])];
    const next = links[links.indexOf(event.target) + step];
    if (!next) return;
    next.focus();
    event.preventDefault();
}

export function Table<Row>({ caption, rows, columns, keyOf, href, opened, sortName = "sort", dense = false, foot }: TableProps<Row>) {
    const order = current.value.query.get(sortName);
    const all = sorted(rows, columns, order);
    const virtual = all.length >= VIRTUAL_FROM;
    const height = dense ? DENSE_ROW_PX : ROW_PX;
    const { frame, from, to } = useSight(all.length, height, virtual);
    const open = (event: MouseEvent, url: string) => {
        if (event.target instanceof Element && event.target.closest("a, button, input, label")) return;
        if (window.getSelection()?.toString()) return; // somebody is copying a cell
        navigate(url);
    };
    return (
        <div ref={frame} class={`table-frame${virtual ? " virtual" : ""}`} role="region" aria-label={caption} tabIndex={0}>
            <table class={`table${dense ? " dense" : ""}`} aria-rowcount={all.length + 1} onKeyDown={walk}>
                <caption class="unseen">{caption}</caption>
                <thead>
                    <tr>{columns.map((column) => <Head key={column.key} column={column} order={order} sortName={sortName} />)}</tr>
                </thead>
                <tbody>
                    {from > 0 && <tr class="spacer" aria-hidden="true"><td colSpan={columns.length} style={{ height: `${from * height}px` }} /></tr>}
                    {all.slice(from, to).map((row, place) => {
                        const key = keyOf(row);
                        const url = href?.(row) ?? null;
                        return (
                            <tr key={key} class={url ? "opens" : undefined} aria-selected={opened === undefined ? undefined : key === opened} aria-rowindex={from + place + 2} onClick={url ? (event) => open(event, url) : undefined}>
                                {columns.map((column, number) => {
                                    const inside = column.render(row);
                                    return (
                                        <td key={column.key} class={`${column.number ? "number" : ""}${column.wide ? " wide-only" : ""}`}>
                                            {url && number === 0 ? <a class="cell-link" href={url}>{inside}</a> : inside}
                                        </td>
                                    );
                                })}
                            </tr>
                        );
                    })}
                    {to < all.length && <tr class="spacer" aria-hidden="true"><td colSpan={columns.length} style={{ height: `${(all.length - to) * height}px` }} /></tr>}
                </tbody>
                {foot && <tfoot>{foot}</tfoot>}
            </table>
        </div>
    );
}
