// All limits, with what of each is used at this moment.
import { useState } from "preact/hooks";
import { api } from "../base/api.ts";
import * as format from "../base/format.ts";
import { pathOf } from "../base/router.ts";
import { mayOperate } from "../base/session.ts";
import { say } from "../base/toasts.ts";
import type { Limit, Live } from "../base/types.ts";
import { ModeBadge } from "../parts/badge.tsx";
import { Bar } from "../parts/bar.tsx";
import { Confirm } from "../parts/dialog.tsx";
import { Empty } from "../parts/feedback.tsx";
import { Menu, MenuItem } from "../parts/menu.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { ruleTitle, scopeHref, scopeText } from "./budget_parts.tsx";
import { EditLimit } from "./limit_forms.tsx";

export const KINDS = [
    { name: "requests", title: "calls" },
    { name: "tokens", title: "tokens" },
    { name: "input_tokens", title: "tokens in" },
    { name: "output_tokens", title: "tokens out" },
    { name: "concurrent", title: "calls at the same time" },
] as const;

export type LimitKind = (typeof KINDS)[number]["name"];

export function kindOf(limit: Limit): { name: LimitKind; title: string; amount: number } {
    const kind = KINDS.find((each) => limit[each.name] !== null && limit[each.name] !== undefined) ?? KINDS[0];
    return { ...kind, amount: limit[kind.name] ?? 0 };
}

const WINDOWS: Record<string, string> = { "1s": "second", "1m": "minute", "1h": "hour", "1d": "day" };

// "600 calls in any minute".
export function limitWords(limit: Limit): string {
    const { name, title, amount } = kindOf(limit);
    const figure = format.countExact(amount);
    if (name === "concurrent") return `${figure} ${title}`;
    return `${figure} ${title} in any ${WINDOWS[limit.per ?? ""] ?? limit.per ?? ""}`;
}

function Used({ limit, live }: { limit: Limit; live: Live | null }) {
    const now = live?.limits.find((each) => each.id === limit.id);
    if (!now) return <span class="faint">–</span>;
    const words = `${format.countExact(now.used)} of ${format.countExact(now.amount)} used`;
    return (
        <div class="used" title={words}>
            <Bar spent={now.used} of={now.amount} label={`Limit of ${scopeText(limit)}`} value={words} />
            <span class="number small">{format.percent(now.used, now.amount)}</span>
        </div>
    );
}

type Opened = { what: "edit" | "delete"; limit: Limit } | null;

function columnsOf(live: Live | null, open: (opened: Opened) => void): Column<Limit>[] {
    const columns: Column<Limit>[] = [
        { key: "for", title: "For", render: (limit) => <a class="cell-link" href={scopeHref(limit)}>{ruleTitle(limit)}</a>, sort: scopeText },
        { key: "allows", title: "Allows", render: limitWords },
        { key: "used", title: "Used now", render: (limit) => <Used limit={limit} live={live} /> },
        { key: "mode", title: "Mode", wide: true, render: (limit) => <ModeBadge mode={limit.mode} />, sort: (limit) => limit.mode },
    ];
    if (!mayOperate.value) return columns;
    const choose = (what: "edit" | "delete", limit: Limit, close: () => void) => () => {
        close();
        open({ what, limit });
    };
    columns.push({
        key: "more",
        title: "",
        number: true,
        render: (limit) => (
            <Menu label={null} name={`Actions for the limit of ${scopeText(limit)}`} icon="more" kind="quiet">
                {(close) => (
                    <>
                        <MenuItem icon="edit" onClick={choose("edit", limit, close)}>Change</MenuItem>
                        <MenuItem icon="bin" danger onClick={choose("delete", limit, close)}>Delete</MenuItem>
                    </>
                )}
            </Menu>
        ),
    });
    return columns;
}

export function LimitTable({ limits, live }: { limits: Limit[]; live: Live | null }) {
    const [opened, setOpened] = useState<Opened>(null);
    const close = () => setOpened(null);
    if (limits.length === 0) {
        return (
            <div class="card">
                <Empty icon="limit" title="There are no limits" command="turnpike limit create --team search --requests 600 --per 1m --observe">
                    A limit says how many calls or tokens pass in any second, minute, hour or day, or how many calls run at once.
                </Empty>
            </div>
        );
    }
    return (
        <>
            <div class="card"><Table caption="Limits" rows={limits} columns={columnsOf(live, setOpened)} keyOf={(limit) => limit.id} /></div>
            {opened?.what === "edit" && <EditLimit of={opened.limit} onClose={close} />}
            {opened?.what === "delete" && (
                <Confirm title="Delete the limit" action="Delete" onClose={close} onConfirm={async () => { await api.remove(pathOf("limits", opened.limit.id)); say("The limit is deleted."); }}>
                    <p>{limitWords(opened.limit)} is no longer the most for {scopeText(opened.limit)}.</p>
                </Confirm>
            )}
        </>
    );
}
