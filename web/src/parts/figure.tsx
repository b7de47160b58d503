// A figure at the top of a page, with what it was before; pressed, the chart below shows it.
import type { ComponentChildren } from "preact";

interface FigureProps {
    name: string;
    value: string;
    exact?: string;
    beside?: ComponentChildren; // how it compares
    pressed?: boolean;
    onClick?: () => void;
}

export function Figure({ name, value, exact, beside, pressed, onClick }: FigureProps) {
    const inside = [
        <span class="name" key="name">{name}</span>,
        <span class="value" key="value" title={exact}>{value}</span>,
        <span class="beside" key="beside">{beside}</span>,
    ];
    if (!onClick) return <div class="figure-cell">{inside}</div>;
    return <button type="button" class="figure-cell" aria-pressed={pressed} onClick={onClick}>{inside}</button>;
}

export function Figures({ label, children }: { label: string; children: ComponentChildren }) {
    return <div class="figures" role="group" aria-label={label}>{children}</div>;
}
