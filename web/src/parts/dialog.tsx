// A question in front of the page. The browser's own <dialog> keeps the focus inside, and Esc closes it.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Button } from "./button.tsx";
import { Problem } from "./feedback.tsx";

interface DialogProps {
    title: string;
    onClose: () => void;
    wide?: boolean;
    // What was shown once would be lost by a click beside it or by Esc.
    holds?: boolean;
    children: ComponentChildren;
}

export function Dialog({ title, onClose, wide = false, holds = false, children }: DialogProps) {
    const element = useRef<HTMLDialogElement>(null);
    const id = useId();
    useEffect(() => {
        const before = document.activeElement;
        element.current?.showModal();
        return () => {
            if (before instanceof HTMLElement && before.isConnected) before.focus();
        };
    }, []);
    return (
        <dialog
            ref={element}
            class={`dialog${wide ? " wide" : ""}`}
            aria-labelledby={id}
            onCancel={(event) => {
                event.preventDefault();
                if (!holds) onClose();
            }}
            onMouseDown={(event) => event.target === element.current && !holds && onClose()}
        >
            <div class="dialog-head">
                <h2 id={id}>{title}</h2>
                {!holds && <Button kind="quiet" icon="close" label="Close" onClick={onClose} />}
            </div>
            <div class="dialog-body">{children}</div>
        </dialog>
    );
}

interface ConfirmProps {
    title: string;
    children: ComponentChildren; // what will happen, and what cannot be undone
    action: string; // the verb: "Revoke the key"
    onConfirm: () => Promise<void>;
    onClose: () => void;
}

export function Confirm({ title, children, action, onConfirm, onClose }: ConfirmProps) {
    const [busy, setBusy] = useState(false);
    const [problem, setProblem] = useState<Error | null>(null);
    const confirm = async () => {
        setBusy(true);
        try {
            await onConfirm();
            onClose();
        } catch (failure) {
            setProblem(failure as Error);
            setBusy(false);
        }
    };
    return (
        <Dialog title={title} onClose={onClose}>
            <div class="form">
                {children}
                {problem && <Problem problem={problem} />}
                <div class="form-end">
                    <Button onClick={onClose}>Cancel</Button>
                    <Button kind="danger primary" onClick={() => void confirm()} disabled={busy}>{action}</Button>
                </div>
            </div>
        </Dialog>
    );
}
