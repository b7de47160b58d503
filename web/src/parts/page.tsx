// The head that every page has: its name (to which the focus goes when one comes), and its tools.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { visible } from "../base/text.ts";

export function Page({ title, above, tools, children }: { title: string; above?: { title: string; href: string }; tools?: ComponentChildren; children: ComponentChildren }) {
    const heading = useRef<HTMLHeadingElement>(null);
    useEffect(() => {
        document.title = `${visible(title)} · Turnpike`;
    }, [title]);
    useEffect(() => heading.current?.focus({ preventScroll: true }), [title]);
    return (
        <div class="page">
            <header class="page-head">
                <h1 ref={heading} tabIndex={-1}>
                    {above && <a class="crumb" href={above.href}>{above.title}</a>}
                    <bdi>{visible(title)}</bdi>
                </h1>
                {tools && <div class="page-tools">{tools}</div>}
            </header>
            <div class="stack">{children}</div>
        </div>
    );
}
