// Text to copy.
import { CopyButton } from "./button.tsx";

export function Code({ text, label }: { text: string; label: string }) {
    return (
        <div class="code">
            <pre tabIndex={0} role="region" aria-label={label}><code>{text}</code></pre>
            <CopyButton text={text} label={`Copy: ${label}`} />
        </div>
    );
}
