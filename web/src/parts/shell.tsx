// The frame: the list of pages, who is signed in, light or dark, help. The page itself is its child.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { api } from "../base/api.ts";
import { onEscape } from "../base/keyboard.ts";
import { useResource } from "../base/resource.ts";
import { current, link } from "../base/router.ts";
import { me, signOut } from "../base/session.ts";
import { type Theme, theme } from "../base/theme_choice.ts";
import { sayFailure } from "../base/toasts.ts";
import type { Attention, Me } from "../base/types.ts";
import { visible } from "../base/text.ts";
import { type Entry, entriesFor } from "../pages/pages.ts";
import { Button } from "./button.tsx";
import { Icon, type IconName, Mark } from "./icon.tsx";

const isApple = /Mac|iPhone|iPad/.test(navigator.userAgent);

const ROLE_WORDS = { owner: "Owner", operator: "Operator", finance: "Finance", team_lead: "Team lead" };

function isCurrent(entry: Entry): boolean {
    const { path } = current.value;
    return entry.path === "/" ? path === "/" : path === entry.path || path.startsWith(`${entry.path}/`);
}

const THEMES: { theme: Theme; icon: IconName; title: string; next: Theme }[] = [
    { theme: "system", icon: "system", title: "Colours: as the system", next: "light" },
    { theme: "light", icon: "sun", title: "Colours: light", next: "dark" },
    { theme: "dark", icon: "moon", title: "Colours: dark", next: "system" },
];

function ThemeButton() {
    const now = THEMES.find((each) => each.theme === theme.value) ?? THEMES[0]!;
    return <Button kind="quiet" icon={now.icon} label={`${now.title}. Change`} onClick={() => (theme.value = now.next)} />;
}

function Who({ who }: { who: Me }) {
    return (
        <div class="who">
            <span class="who-mark" aria-hidden="true">{[...visible(who.name)].slice(0, 2).join("")}</span>
            <div class="cut">
                <div class="who-name cut">{visible(who.name)}</div>
                <div class="small muted cut">{ROLE_WORDS[who.role] ?? who.role}{who.team ? ` of ${visible(who.team)}` : ""}</div>
            </div>
        </div>
    );
}

const AGAIN_MS = 60_000;

// How much needs somebody, beside the page that has it; on that page itself it is seen anyway.
function AttentionCount() {
    const attention = useResource("attention", (signal) => api.get<Attention>("/attention", {}, signal), AGAIN_MS);
    const count = attention.value?.data.filter((item) => item.severity !== "notice").length ?? 0;
    return count > 0 ? <span class="nav-count" title={`${count} need attention`}>{count}<span class="unseen"> need attention</span></span> : null;
}

function Navigation({ who }: { who: Me }) {
    const entries = entriesFor(who.role);
    const groups = [...new Set(entries.map((entry) => entry.group))];
    return (
        <div>
            {groups.map((group) => (
                <div key={group} role="group" aria-label={group}>
                    <div class="nav-group" aria-hidden="true">{group}</div>
                    <ul>
                        {entries.filter((entry) => entry.group === group).map((entry) => (
                            <li key={entry.path}>
                                <a class="nav-link" href={link(entry.path)} aria-current={isCurrent(entry) ? "page" : undefined} title={`g ${entry.letter}`}>
                                    <Icon name={entry.icon} />
                                    {entry.title}
                                    {entry.path === "/" && !isCurrent(entry) && <AttentionCount />}
                                </a>
                            </li>
                        ))}
                    </ul>
                </div>
            ))}
        </div>
    );
}

export function Shell({ onHelp, onFind, children }: { onHelp: () => void; onFind: () => void; children: ComponentChildren }) {
    const [open, setOpen] = useState(false); // on narrow screens
    const { path } = current.value;
    useEffect(() => setOpen(false), [path]);
    useEffect(() => (open ? onEscape(() => setOpen(false)) : undefined), [open]);
    const who = me.value;
    if (!who) return null;
    const leave = () => signOut().catch(sayFailure);
    return (
        <>
            <a class="skip" href="#content" onClick={(event) => { event.preventDefault(); document.getElementById("content")?.focus(); }}>To the content</a>
            <header class="topbar">
                <Button kind="quiet" icon="menu" label="Pages" expanded={open} onClick={() => setOpen(!open)} />
                <a class="brand" href={link("/")}><Mark />Turnpike</a>
                <Button kind="quiet" icon="search" label="Find" onClick={onFind} />
            </header>
            <div class="shell">
                {open && <button type="button" class="sidebar-veil" aria-label="Close the list of pages" onClick={() => setOpen(false)} />}
                <nav class={`sidebar${open ? " open" : ""}`} aria-label="Console">
                    <a class="brand" href={link("/")}><Mark />Turnpike</a>
                    <button type="button" class="find-button" onClick={onFind}><Icon name="search" />Find<kbd>{isApple ? "⌘" : "Ctrl"} K</kbd></button>
                    <Navigation who={who} />
                    <div class="sidebar-foot">
                        <Who who={who} />
                        <div class="foot-tools">
                            <ThemeButton />
                            <Button kind="quiet" icon="help" label="Keyboard shortcuts (?)" onClick={onHelp} />
                            <a class="button quiet square" href={link("/sessions")} aria-label="Sessions" title="Sessions"><Icon name="session" /></a>
                            <Button kind="quiet" icon="out" label="Sign out" onClick={() => void leave()} />
                        </div>
                    </div>
                </nav>
                <main id="content" tabIndex={-1}>{children}</main>
            </div>
        </>
    );
}
