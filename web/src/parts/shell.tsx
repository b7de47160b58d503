// The frame: the list of pages, who is signed in, light or dark, help. The page itself is its child.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { onEscape } from "../base/keyboard.ts";
import { current, link } from "../base/router.ts";
import { me, signOut } from "../base/session.ts";
import { type Theme, theme } from "../base/theme_choice.ts";
import { sayFailure } from "../base/toasts.ts";
import type { Me } from "../base/types.ts";
import { visible } from "../base/text.ts";
import { type Entry, entriesFor } from "../pages/pages.ts";
import { Button } from "./button.tsx";
import { Icon, type IconName, Mark } from "./icon.tsx";

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

function Navigation({ who }: { who: Me }) {
    const entries = entriesFor(who.role);
    const groups = [...new Set(entries.map((entry) => entry.group))];
    return (
        <nav aria-label="Pages">
            {groups.map((group) => (
                <div key={group} role="group" aria-label={group}>
                    <div class="nav-group" aria-hidden="true">{group}</div>
                    <ul>
                        {entries.filter((entry) => entry.group === group).map((entry) => (
                            <li key={entry.path}>
                                <a class="nav-link" href={link(entry.path)} aria-current={isCurrent(entry) ? "page" : undefined} title={`g ${entry.letter}`}>
                                    <Icon name={entry.icon} />
                                    {entry.title}
                                </a>
                            </li>
                        ))}
                    </ul>
                </div>
            ))}
        </nav>
    );
}

export function Shell({ onHelp, children }: { onHelp: () => void; children: ComponentChildren }) {
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
            <div class="topbar">
                <Button kind="quiet" icon="menu" label="Pages" expanded={open} onClick={() => setOpen(!open)} />
                <a class="brand" href={link("/")}><Mark />Turnpike</a>
            </div>
            <div class="shell">
                {open && <button type="button" class="sidebar-veil" aria-label="Close the list of pages" onClick={() => setOpen(false)} />}
                <div class={`sidebar${open ? " open" : ""}`}>
                    <a class="brand" href={link("/")}><Mark />Turnpike</a>
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
                </div>
                <main id="content" tabIndex={-1}>{children}</main>
            </div>
        </>
    );
}
