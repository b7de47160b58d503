// What stands where data would: still coming, none there, or why not.
import type { ComponentChildren } from "preact";
import { ApiError } from "../base/api.ts";
import type { Resource } from "../base/resource.ts";
import { Button, CopyButton } from "./button.tsx";
import { Icon, type IconName } from "./icon.tsx";

export function Loading({ what = "Loading" }: { what?: string }) {
    return (
        <div class="loading" role="status">
            <span class="spinner" aria-hidden="true" />
            {what}
        </div>
    );
}

// An error in the API's own words, with the request id that the gateway's log has.
export function Problem({ problem, retry }: { problem: Error; retry?: () => void }) {
    const id = problem instanceof ApiError ? problem.requestId : "";
    return (
        <div class="problem" role="alert">
            <Icon name="bad" />
            <div>
                <p>{problem.message}</p>
                {id && <p class="small muted">Request id <code>{id}</code></p>}
            </div>
            {retry && <span class="push"><Button little onClick={retry}>Try again</Button></span>}
        </div>
    );
}

// A line for the shell that does the same; it teaches, so it can be copied.
export function Command({ line }: { line: string }) {
    return (
        <div class="command">
            <code>{line}</code>
            <CopyButton text={line} label="Copy the command" />
        </div>
    );
}

interface EmptyProps {
    icon?: IconName;
    title: string;
    children?: ComponentChildren; // what it is for, and how the first one comes to be
    command?: string | undefined;
    action?: ComponentChildren;
}

export function Empty({ icon = "info", title, children, command, action }: EmptyProps) {
    return (
        <div class="empty">
            <Icon name={icon} />
            <p class="empty-title">{title}</p>
            {children && <p>{children}</p>}
            {action}
            {command && <Command line={command} />}
        </div>
    );
}

// The three states of what is read, in one place: nothing yet, failed, or the value (dimmed while the next
// is awaited).
export function Loaded<T>({ of, what, children }: { of: Resource<T>; what?: string; children: (value: T) => ComponentChildren }) {
    if (of.value === null) return of.problem ? <Problem problem={of.problem} retry={of.reload} /> : <Loading {...(what ? { what } : {})} />;
    return (
        <>
            {of.problem && <Problem problem={of.problem} retry={of.reload} />}
            {children(of.value)}
        </>
    );
}
