// Buttons, and the one that copies.
import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { sayFailure } from "../base/toasts.ts";
import { Icon, type IconName } from "./icon.tsx";

interface Looks {
    icon?: IconName;
    kind?: "primary" | "danger" | "danger primary" | "quiet";
    little?: boolean;
    label?: string; // for a button that shows only its icon
    children?: ComponentChildren;
}

function classOf({ kind, little, children }: Looks): string {
    return `button ${kind ?? ""}${little ? " little" : ""}${children ? "" : " square"}`;
}

interface ButtonProps extends Looks {
    onClick?: ((event: MouseEvent) => void) | undefined;
    disabled?: boolean | undefined;
    pressed?: boolean;
    submit?: boolean;
    why?: string; // shown on hover
    expanded?: boolean;
}

export function Button(props: ButtonProps) {
    return (
        <button type={props.submit ? "submit" : "button"} class={classOf(props)} onClick={props.onClick} disabled={props.disabled} aria-label={props.label} title={props.why ?? props.label} aria-pressed={props.pressed} aria-expanded={props.expanded}>
            {props.icon && <Icon name={props.icon} />}
            {props.children}
        </button>
    );
}

// A link that looks like a button. `download`: the browser's, which saves it.
export function LinkButton({ href, download, ...looks }: Looks & { href: string; download?: string }) {
    return (
        <a class={classOf(looks)} href={href} download={download} aria-label={looks.label} title={looks.label}>
            {looks.icon && <Icon name={looks.icon} />}
            {looks.children}
        </a>
    );
}

const COPIED_FOR_MS = 1600;

// The clipboard belongs to https and to this machine; over plain http from elsewhere the old way is left.
async function copy(text: string) {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "unseen";
    (document.querySelector("dialog[open]") ?? document.body).append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    if (!done) throw new Error("The browser did not let the text be copied; select it and copy it by hand.");
}

export function CopyButton({ text, label = "Copy", children, kind = "quiet" }: { text: string; label?: string; children?: ComponentChildren; kind?: "primary" | "quiet" }) {
    const [copied, setCopied] = useState(false);
    const timer = useRef(0);
    const onClick = (event: MouseEvent) => {
        event.stopPropagation();
        copy(text).then(() => {
            setCopied(true);
            window.clearTimeout(timer.current);
            timer.current = window.setTimeout(() => setCopied(false), COPIED_FOR_MS);
        }, sayFailure);
    };
    return (
        <>
            <Button kind={kind} little={kind === "quiet"} icon={copied ? "check" : "copy"} label={copied ? "Copied" : label} onClick={onClick}>
                {children && (copied ? "Copied" : children)}
            </Button>
            <span class="unseen" role="status">{copied ? "Copied" : ""}</span>
        </>
    );
}
