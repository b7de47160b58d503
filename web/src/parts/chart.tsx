// A chart over time on uPlot: bars or areas that stand on each other, or lines. Pointer and arrow keys show the
// figures of a moment, the legend hides a series, and the same figures can be had as a table.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import * as format from "../base/format.ts";
import { themeTurn } from "../base/theme_choice.ts";
import { visible } from "../base/text.ts";
import { Button } from "./button.tsx";
import { stacked } from "./stack.ts";
import type { Series, SeriesTone } from "./tones.ts";

interface ChartProps {
    label: string; // what it shows, for screen readers and as the table's caption
    times: number[]; // starts of intervals, in seconds
    series: Series[];
    kind: "bars" | "areas" | "lines";
    value: (value: number) => string;
    exact?: (value: number) => string;
    axis?: (value: number) => string; // beside the chart, where shorter than `value`
    increments?: number[]; // between the lines beside the chart, where those of ten do not suit
    height?: number;
    step: number; // of an interval, in seconds
    onRange?: (from: Date, to: Date) => void; // somebody drew over an interval
}

// What a colour variable is now: canvas takes no var() and no light-dark().
function colourOf(variable: string, probe: HTMLElement): string {
    probe.style.color = `var(${variable})`;
    const colour = getComputedStyle(probe).color;
    probe.style.color = "";
    return colour;
}

function toneColour(tone: SeriesTone, probe: HTMLElement): string {
    return colourOf(`--series-${tone.replace(/^s/, "")}`, probe);
}

function faded(colour: string, share: number): string {
    return colour.replace(/^rgb\((.*)\)$/, `rgba($1, ${share})`);
}

// Ticks of the axis in the viewer's calendar: a day's name at its midnight, else the hour.
function tickText(seconds: number, apart: number): string {
    const at = new Date(seconds * 1000);
    if (apart >= 86_400 || (at.getHours() === 0 && at.getMinutes() === 0)) return format.day(at.toISOString());
    return `${String(at.getHours()).padStart(2, "0")}:${String(at.getMinutes()).padStart(2, "0")}`;
}

function intervalText(seconds: number, step: number): string {
    const at = new Date(seconds * 1000).toISOString();
    if (step >= 86_400) return format.day(at);
    const clock = tickText(seconds, 0);
    return `${format.day(at)}${clock.includes(":") ? ` ${clock}` : " 00:00"}`;
}

interface Drawn {
    props: ChartProps;
    shown: Series[];
    frame: HTMLElement;
    onCursor: (place: number | null, left: number) => void;
}

// The interval under the cursor. uPlot gives the nearest beginning; a bar reaches from its beginning to the next.
function placeUnder(plot: uPlot, kind: ChartProps["kind"]): number | null {
    const { idx, left } = plot.cursor;
    if (idx === null || idx === undefined || left === undefined || left < 0) return null;
    const begins = plot.data[0][idx] ?? 0;
    return kind === "bars" && idx > 0 && begins > plot.posToVal(left, "x") ? idx - 1 : idx;
}

function optionsOf({ props, shown, frame, onCursor }: Drawn): uPlot.Options {
    const { kind, value, step } = props;
    const faint = colourOf("--faint", frame);
    const line = colourOf("--line", frame);
    const first = props.times[0] ?? 0;
    const last = props.times.at(-1) ?? first;
    const axis = { stroke: faint, font: `11px ${getComputedStyle(frame).fontFamily}`, ticks: { show: false }, grid: { stroke: line, width: 1 } };
    const bars = uPlot.paths.bars?.({ size: [0.78, 44], align: 1, radius: 0.12 });
    const smooth = uPlot.paths.spline?.();
    return {
        width: frame.clientWidth,
        height: props.height ?? 220,
        padding: [10, 22, 0, 4],
        legend: { show: false },
        cursor: { points: { show: kind === "lines", size: 7 }, drag: { x: Boolean(props.onRange), y: false, setScale: false }, y: false },
        scales: {
            // Bars begin where their interval begins: the last needs its room.
            x: { time: true, range: kind === "bars" ? [first - step * 0.12, last + step] : [first, Math.max(last, first + 1)] },
            y: { range: (_, __, most) => [0, most > 0 ? most * 1.08 : 1] },
        },
        axes: [
            { ...axis, grid: { show: false }, size: 26, space: 64, values: (_, ticks) => ticks.map((tick, place) => tickText(tick, (ticks[place + 1] ?? tick) - tick || step)) },
            { ...axis, size: 58, space: 38, values: (_, ticks) => ticks.map((tick) => (props.axis ?? value)(tick)), ...(props.increments ? { incrs: props.increments } : {}) },
        ],
        series: [
            {},
            ...shown.map((each): uPlot.Series => {
                const colour = toneColour(each.tone, frame);
                const lines = kind === "lines";
                return { label: each.name, stroke: kind === "bars" ? "transparent" : colour, width: lines ? 1.75 : 1, points: { show: lines && props.times.length < 3 }, spanGaps: false, ...(lines ? {} : { fill: kind === "bars" ? colour : faded(colour, 0.85) }), ...(kind === "bars" && bars ? { paths: bars } : lines && smooth ? { paths: smooth } : {}) };
            }),
        ],
        hooks: {
            setCursor: [(plot) => onCursor(placeUnder(plot, kind), (plot.cursor.left ?? 0) + plot.over.offsetLeft)],
            setSelect: [
                (plot) => {
                    if (!props.onRange || plot.select.width < 8) return;
                    const at = (left: number) => new Date(plot.posToVal(left, "x") * 1000);
                    props.onRange(at(plot.select.left), at(plot.select.left + plot.select.width));
                    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
                },
            ],
        },
    };
}

export function Chart(props: ChartProps) {
    const { label, times, series, kind, value, exact = value, step } = props;
    const frame = useRef<HTMLDivElement>(null);
    const plot = useRef<uPlot | null>(null);
    const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
    const [cursor, setCursor] = useState<{ place: number; left: number } | null>(null);
    const [asTable, setAsTable] = useState(false);
    const shown = useMemo(() => series.filter((each) => !hidden.has(each.name)), [series, hidden]);
    const turn = themeTurn.value;

    useEffect(() => {
        const element = frame.current;
        if (!element || asTable || times.length === 0) return;
        // The last of a stack reaches highest: it is painted first, and the others over it.
        const heights = kind === "lines" ? shown.map((each) => each.values) : stacked(shown.map((each) => each.values)).reverse();
        const order = kind === "lines" ? shown : [...shown].reverse();
        const onCursor = (place: number | null, left: number) => setCursor(place === null || left < 0 ? null : { place, left });
        const made = new uPlot(optionsOf({ props, shown: order, frame: element, onCursor }), [times, ...heights] as uPlot.AlignedData, element);
        plot.current = made;
        const watcher = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: props.height ?? 220 }));
        watcher.observe(element);
        return () => {
            watcher.disconnect();
            made.destroy();
            plot.current = null;
        };
    }, [times, shown, kind, turn, asTable, props.height]);

    const walk = (event: KeyboardEvent) => {
        const made = plot.current;
        const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (!made || !move) return;
        const place = Math.min(times.length - 1, Math.max(0, (cursor?.place ?? (move > 0 ? -1 : times.length)) + move));
        made.setCursor({ left: made.valToPos((times[place] ?? 0) + (kind === "bars" ? step / 2 : 0), "x"), top: 10 });
        setCursor({ place, left: made.valToPos(times[place] ?? 0, "x") + made.over.offsetLeft });
        event.preventDefault();
    };
    const toggle = (name: string) => {
        const next = new Set(hidden);
        if (!next.delete(name)) next.add(name);
        setHidden(next);
    };
    return (
        <div class="chart">
            {asTable ? (
                <ChartTable {...props} exact={exact} />
            ) : (
                <div ref={frame} class="chart-area" role="img" aria-label={`${label}. Arrow keys read the figures; the button below shows them as a table.`} tabIndex={0} onKeyDown={walk} onBlur={() => setCursor(null)}>
                    {cursor && <Tip times={times} shown={shown} cursor={cursor} value={exact} step={step} total={kind !== "lines" && shown.length > 1} width={frame.current?.clientWidth ?? 0} />}
                </div>
            )}
            <div class="chart-legend">
                {series.map((each) => (
                    <button key={each.name} type="button" class="legend-item" aria-pressed={!hidden.has(each.name)} onClick={() => toggle(each.name)}>
                        <span class={`swatch ${each.tone}`} aria-hidden="true" />
                        <span class="cut">{visible(each.name)}</span>
                    </button>
                ))}
                <span class="push"><Button kind="quiet" little icon={asTable ? "usage" : "table"} pressed={asTable} onClick={() => setAsTable(!asTable)} label={asTable ? "Show as chart" : "Show as table"} /></span>
            </div>
        </div>
    );
}

interface TipProps {
    times: number[];
    shown: Series[];
    cursor: { place: number; left: number };
    value: (value: number) => string;
    step: number;
    total: boolean;
    width: number;
}

const TIP_ROWS = 9; // more would not fit a chart's height

function Tip({ times, shown, cursor, value, step, total, width }: TipProps) {
    const rows = shown.map((each) => ({ ...each, now: each.values[cursor.place] ?? null })).filter((row) => row.now !== null);
    // What stands on top in the chart stands on top here; the smallest are left out of a long list.
    const ranked = total ? [...rows].filter((row) => row.now).sort((a, b) => (b.now ?? 0) - (a.now ?? 0)) : rows;
    const toLeft = cursor.left > width / 2;
    return (
        <div class="chart-tip" role="status" style={toLeft ? { left: "auto", right: `${width - cursor.left + 14}px` } : { left: `${cursor.left + 14}px` }}>
            <div class="chart-tip-time">{intervalText(times[cursor.place] ?? 0, step)}</div>
            {ranked.slice(0, TIP_ROWS).map((row) => (
                <div class="chart-tip-row" key={row.name}>
                    <span class={`swatch ${row.tone}`} />
                    <span class="cut">{visible(row.name)}</span>
                    <span class="value">{value(row.now ?? 0)}</span>
                </div>
            ))}
            {total && <div class="chart-tip-row"><span class="muted">Total</span><span class="value">{value(rows.reduce((sum, row) => sum + (row.now ?? 0), 0))}</span></div>}
        </div>
    );
}

function ChartTable({ label, times, series, exact = String, step }: ChartProps) {
    return (
        <div class="table-frame" tabIndex={0} role="region" aria-label={label}>
            <table class="table dense">
                <caption class="unseen">{label}</caption>
                <thead>
                    <tr><th scope="col">Time</th>{series.map((each) => <th key={each.name} scope="col" class="number">{visible(each.name)}</th>)}</tr>
                </thead>
                <tbody>
                    {times.map((time, place) => (
                        <tr key={time}>
                            <th scope="row" class="nowrap">{intervalText(time, step)}</th>
                            {series.map((each) => <td key={each.name} class="number">{each.values[place] === null || each.values[place] === undefined ? "–" : exact(each.values[place] ?? 0)}</td>)}
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}
