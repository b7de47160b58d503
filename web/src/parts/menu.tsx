// A button with a short list under it. Arrows walk, Esc and a click elsewhere close.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { onEscape } from "../base/keyboard.ts";
import { Icon, type IconName } from "./icon.tsx";

interface MenuProps {
    label: ComponentChildren;
    name?: string; // for screen readers, where the label is an icon
    icon?: IconName;
    kind?: "quiet";
    start?: boolean; // the list begins where the button begins
    children: (close: () => void) => ComponentChildren;
}

export function Menu({ label, name, icon, kind, start = false, children }: MenuProps) {
    const [open, setOpen] = useState(false);
    const frame = useRef<HTMLDivElement>(null);
    const button = useRef<HTMLButtonElement>(null);
    const close = () => {
        setOpen(false);
        button.current?.focus();
    };
    useEffect(() => {
        if (!open) return;
        const list = frame.current;
        (list?.querySelector<HTMLElement>("[aria-current]") ?? list?.querySelector<HTMLElement>(".menu-item, .menu-list input"))?.focus();
        const outside = (event: Event) => event.target instanceof Node && !frame.current?.contains(event.target) && setOpen(false);
        document.addEventListener("pointerdown", outside);
        const forget = onEscape(close);
        return () => {
            document.removeEventListener("pointerdown", outside);
            forget();
        };
    }, [open]);
    const walk = (event: KeyboardEvent) => {
        const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
        if (!step || !(event.target instanceof HTMLElement) || !event.target.matches(".menu-item")) return;
        const items = [...(frame.current?.querySelectorAll<HTMLElement>(".menu-item") ?? [])];
        items[(items.indexOf(event.target) + step + items.length) % items.length]?.focus();
        event.preventDefault();
    };
    return (
        <div class="menu" ref={frame} onKeyDown={walk}>
            <button ref={button} type="button" class={`button ${kind ?? ""}${name ? " square" : ""}`} aria-expanded={open} aria-label={name} title={name} onClick={() => setOpen(!open)}>
                {icon && <Icon name={icon} />}
                {label}
                {!name && <Icon name="down" />}
            </button>
            {open && <div class={`menu-list${start ? " start" : ""}`}>{children(close)}</div>}
        </div>
    );
}

export function MenuItem({ icon, onClick, href, download, checked, danger = false, children }: { icon?: IconName; onClick?: () => void; href?: string; download?: string; checked?: boolean; danger?: boolean; children: ComponentChildren }) {
    const inside = [icon && <Icon name={icon} key="icon" />, children];
    const looks = `menu-item${danger ? " danger" : ""}`;
    if (href) return <a class={looks} href={href} download={download} onClick={onClick}>{inside}</a>;
    return <button type="button" class={looks} onClick={onClick} aria-current={checked || undefined}>{inside}</button>;
}
