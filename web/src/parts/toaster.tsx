// Shows base/toasts.ts. One live region, there from the start: screen readers only hear what changes in it.
import { dismiss, toasts } from "../base/toasts.ts";
import { Button } from "./button.tsx";
import { Icon } from "./icon.tsx";

export function Toaster() {
    return (
        <div class="toasts" role="status" aria-live="polite" aria-label="Notes">
            {toasts.value.map((toast) => (
                <div class={`toast ${toast.kind}`} key={toast.id}>
                    <Icon name={toast.kind === "done" ? "check" : "bad"} />
                    <p>{toast.text}</p>
                    <Button kind="quiet" little icon="close" label="Dismiss" onClick={() => dismiss(toast.id)} />
                </div>
            ))}
        </div>
    );
}
