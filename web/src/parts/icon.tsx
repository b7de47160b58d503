// Own icons on a grid of 16, drawn with strokes so that they take the colour of the text beside them.
const PATHS = {
    overview: "M2.5 2.5h4.5v5.5h-4.5zM9 2.5h4.5v3h-4.5zM9 8h4.5v5.5H9zM2.5 10.5H7v3H2.5z",
    live: "M1.5 8h3l2-5 3 10 2-5h3",
    calls: "M5.5 4h8M5.5 8h8M5.5 12h8M2.5 4h.01M2.5 8h.01M2.5 12h.01",
    usage: "M2.5 13.5v-5M6.2 13.5v-8M9.8 13.5V7M13.5 13.5v-11",
    teams: "M5.8 7.3a2.4 2.4 0 1 0 0-4.8 2.4 2.4 0 0 0 0 4.8zM1.5 13.5c0-2.4 1.9-4 4.3-4s4.3 1.6 4.3 4M10.5 2.8a2.3 2.3 0 0 1 0 4.2M12 9.8c1.5.5 2.5 1.9 2.5 3.7",
    models: "M8 1.8l5.5 3v6.4l-5.5 3-5.5-3V4.8zM2.7 5 8 8l5.3-3M8 8v6",
    reach: "M8 14.3a6.3 6.3 0 1 0 0-12.6 6.3 6.3 0 0 0 0 12.6zM1.8 8h12.4M8 1.7c1.8 1.8 2.6 3.9 2.6 6.3s-.8 4.5-2.6 6.3C6.2 12.5 5.4 10.4 5.4 8s.8-4.5 2.6-6.3z",
    audit: "M3.5 1.8h6l3 3v9.4h-9zM9.3 2v3h3M5.7 8h4.6M5.7 10.8h4.6",
    play: "M4.5 2.8v10.4l8.5-5.2z",
    pause: "M5 3v10M11 3v10",
    key: "M10 9.5a3.75 3.75 0 1 0-3.6-2.7L2 11.2V14h2.8v-1.8h1.7v-1.7l1.2-1.2c.7.2 1.5.2 2.3.2zM11 5v.01",
    search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.7 10.7 14 14",
    close: "M3.8 3.8l8.4 8.4M12.2 3.8l-8.4 8.4",
    copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
    check: "M3 8.5l3.3 3.3L13 4.8",
    plus: "M8 3v10M3 8h10",
    warn: "M8 2.2 14.5 13.5h-13zM8 6.5v3M8 11.5v.01",
    bad: "M8 14.3a6.3 6.3 0 1 0 0-12.6 6.3 6.3 0 0 0 0 12.6zM8 5v3.5M8 11v.01",
    info: "M8 14.3a6.3 6.3 0 1 0 0-12.6 6.3 6.3 0 0 0 0 12.6zM8 7.5V11M8 5v.01",
    down: "M4 6.3l4 4 4-4",
    up: "M4 9.7l4-4 4 4",
    right: "M6.3 4l4 4-4 4",
    left: "M9.7 4l-4 4 4 4",
    menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
    more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
    sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.8.8M11.8 11.8l.8.8M3.4 12.6l.8-.8M11.8 4.2l.8-.8",
    moon: "M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7z",
    system: "M8 14a6 6 0 1 0 0-12 6 6 0 0 0 0 12zM8 2v12M8 5.5l3.6-1.8M8 9l5.8-2.9M8 12.5l5-2.5",
    help: "M8 14.3a6.3 6.3 0 1 0 0-12.6 6.3 6.3 0 0 0 0 12.6zM6.2 6.3a1.85 1.85 0 1 1 2.7 1.7c-.6.3-.9.7-.9 1.3M8 11.5v.01",
    out: "M6.5 2.5h-4v11h4M6 8h8M11 5l3 3-3 3",
    export: "M8 2v8M4.8 7 8 10.2 11.2 7M2.5 13.5h11",
    rotate: "M13.5 8a5.5 5.5 0 1 1-1.7-4M13.5 2v3h-3",
    calendar: "M2.5 3.5h11v10h-11zM2.5 6.5h11M5.5 2v3M10.5 2v3",
    budget: "M8 14.3a6.3 6.3 0 1 0 0-12.6 6.3 6.3 0 0 0 0 12.6zM10 5.8c-.4-.6-1.1-.9-2-.9-1.2 0-2 .6-2 1.5 0 2.1 4.2 1 4.2 3.2 0 .9-.9 1.6-2.2 1.6-1 0-1.8-.4-2.2-1M8 3.7v1.2M8 11.2v1.2",
    limit: "M2.5 11.5a6 6 0 1 1 11 0M8 9.5l2.8-3.3",
    edit: "M10.5 2.8l2.7 2.7-7.7 7.7-3.2.5.5-3.2z",
    bin: "M2.5 4.5h11M6 4.5v-2h4v2M4 4.5l.6 9h6.8l.6-9",
    table: "M2.5 3h11v10h-11zM2.5 6.3h11M2.5 9.7h11M6.3 6.3V13",
    filter: "M2 3.5h12M4.5 8h7M6.5 12.5h3",
    session: "M2 3h12v8H2zM5 13.5h6M8 11v2.5",
    outward: "M6 3H3v10h10v-3M9 2.5h4.5V7M13.2 2.8 7.5 8.5",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, label }: { name: IconName; label?: string }) {
    return (
        <svg viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width={name === "more" ? 2.2 : 1.4} stroke-linecap="round" stroke-linejoin="round" width="16" height="16" {...(label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" })}>
            <path d={PATHS[name]} />
        </svg>
    );
}

// A turnpike: a post, and the bar that goes up.
export function Mark() {
    return (
        <svg viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="7" fill="#4f46e5" />
            <path d="M9 24V10.5M9 12.5l15-4.5" stroke="#fff" stroke-width="3.2" stroke-linecap="round" fill="none" />
            <circle cx="9" cy="11" r="2.7" fill="#fff" />
        </svg>
    );
}
