// A framed piece of a page, with a heading that screen readers can jump to.
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

export function Card({ title, tools, note, children, padded = false }: { title?: string; tools?: ComponentChildren; note?: ComponentChildren; children?: ComponentChildren; padded?: boolean }) {
    const id = useId();
    return (
        <section class="card" aria-labelledby={title ? id : undefined}>
            {title && (
                <div class="card-head">
                    <h2 id={id}>{title}</h2>
                    {tools}
                </div>
            )}
            {padded ? <div class="card-body">{children}</div> : children}
            {note && <p class="card-note">{note}</p>}
        </section>
    );
}

export function Facts({ rows }: { rows: (readonly [string, ComponentChildren] | null | false | "" | undefined)[] }) {
    return (
        <dl class="facts">
            {rows.map((row) => row && [<dt key={row[0]}>{row[0]}</dt>, <dd key={`${row[0]} value`}>{row[1]}</dd>])}
        </dl>
    );
}
