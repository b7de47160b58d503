// Parts of one page, each with its URL.
import type { ComponentChildren } from "preact";
import { current, link } from "../base/router.ts";

export interface Tab {
    name: string; // in the URL; the first tab's is left out
    title: string;
    count?: number | undefined;
}

export function Tabs({ tabs, label, chosen }: { tabs: Tab[]; label: string; chosen: string }) {
    return (
        <nav class="tabs" aria-label={label}>
            {tabs.map((tab, place) => (
                <a key={tab.name} href={link(current.value.path, { tab: place ? tab.name : null })} aria-current={tab.name === chosen ? "page" : undefined}>
                    {tab.title}
                    {tab.count !== undefined && <span class="tab-count">{tab.count}</span>}
                </a>
            ))}
        </nav>
    );
}

// The same without a URL: pieces of a dialog.
export function Choice({ options, chosen, onChoose, label, children }: { options: { name: string; title: string }[]; chosen: string; onChoose: (name: string) => void; label: string; children?: ComponentChildren }) {
    return (
        <div class="tabs" role="tablist" aria-label={label}>
            {options.map((option) => (
                <button key={option.name} type="button" role="tab" aria-selected={option.name === chosen} onClick={() => onChoose(option.name)}>
                    {option.title}
                </button>
            ))}
            {children}
        </div>
    );
}
