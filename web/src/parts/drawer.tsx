// Details of one thing at the side, with the list still in use behind it: so it is no modal dialog. Esc closes
// it, and the focus goes back to where it came from. Which thing is open stands in the URL.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { onEscape } from "../base/keyboard.ts";
import { Button } from "./button.tsx";

export function Drawer({ title, subtitle, tools, onClose, children }: { title: ComponentChildren; subtitle?: ComponentChildren; tools?: ComponentChildren; onClose: () => void; children: ComponentChildren }) {
    const id = useId();
    const heading = useRef<HTMLHeadingElement>(null);
    const close = useRef(onClose);
    close.current = onClose;
    useEffect(() => {
        const before = document.activeElement;
        heading.current?.focus({ preventScroll: true });
        const forget = onEscape(() => close.current());
        return () => {
            forget();
            if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
        };
    }, []);
    return (
        <div class="drawer" role="dialog" aria-labelledby={id}>
            <div class="drawer-head">
                <div class="drawer-title">
                    <h2 id={id} ref={heading} tabIndex={-1}>{title}</h2>
                    {subtitle && <div class="muted small">{subtitle}</div>}
                </div>
                {tools}
                <Button kind="quiet" icon="close" label="Close (Esc)" onClick={onClose} />
            </div>
            <div class="drawer-body">{children}</div>
        </div>
    );
}
