// Making a network rule, and switching one between observe and enforce: each with a look at what it would have
// done to the calls of the last week.
import { useState } from "preact/hooks";
import { api, ApiError } from "../base/api.ts";
import { useResource } from "../base/resource.ts";
import { pathOf } from "../base/router.ts";
import { say } from "../base/toasts.ts";
import type { Mode, Team } from "../base/types.ts";
import { Button } from "../parts/button.tsx";
import { Conflict } from "../parts/conflict.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { FormEnd } from "../parts/edit.tsx";
import { Loaded, Loading, Problem } from "../parts/feedback.tsx";
import { Form, FormProblem, SelectField, TextField, useForm } from "../parts/form.tsx";
import { type Proposal, RulePreview } from "./rule_preview.tsx";
import { type NetworkRule, ruleWords } from "./rules.tsx";

type RuleValues = { scope: string; team: string; key: string; what: string; network: string; mode: string };

const SCOPES = [
    { value: "team", title: "A team" },
    { value: "key", title: "A key" },
];
const WHATS = [
    { value: "allow", title: "may call from" },
    { value: "deny", title: "may not call from" },
];
const MODES = [
    { value: "observe", title: "Observe: record what it would refuse" },
    { value: "enforce", title: "Enforce: refuse" },
];

function bodyOf(values: RuleValues): Proposal {
    return {
        ...(values.scope === "team" ? { team: values.team.trim() } : { key: values.key.trim() }),
        ...(values.what === "allow" ? { allow: values.network.trim() } : { deny: values.network.trim() }),
        mode: values.mode as Mode,
    };
}

export function NewRule({ onClose }: { onClose: () => void }) {
    const [looked, setLooked] = useState<Proposal | null>(null);
    const teams = useResource("teams", (signal) => api.all<Team>("/teams", {}, signal));
    const form = useForm<RuleValues>(
        { scope: "team", team: "", key: "", what: "allow", network: "", mode: "observe" },
        async (values) => {
            await api.post("/network_rules", bodyOf(values));
            say(values.mode === "enforce" ? "The rule holds within a second." : "The rule watches from now on.");
            onClose();
        },
        { allow: "network", deny: "network" },
    );
    const { scope } = form.values;
    return (
        <Dialog title="New network rule" wide onClose={onClose}>
            <Form form={form}>
                <div class="form-row">
                    <SelectField form={form} name="scope" label="For" options={SCOPES} />
                    {scope === "team" ? <TextField form={form} name="team" label="Team" suggestions={teams.value?.map((team) => team.name) ?? []} first /> : <TextField form={form} name="key" label="Key" hint="Its id, or its name" />}
                </div>
                <div class="form-row">
                    <SelectField form={form} name="what" label="It" options={WHATS} />
                    <TextField form={form} name="network" label="Network" placeholder="berlin-office, 10.0.0.0/8" hint="A name of the configuration, a range, or one address" />
                </div>
                <SelectField form={form} name="mode" label="Mode" options={MODES} />
                {looked ? <RulePreview proposal={looked} /> : <Button icon="search" onClick={() => setLooked(bodyOf(form.values))}>Whom would it have stopped?</Button>}
                {looked && JSON.stringify(looked) !== JSON.stringify(bodyOf(form.values)) && <Button little icon="rotate" onClick={() => setLooked(bodyOf(form.values))}>Look again</Button>}
                <FormProblem form={form} />
                <FormEnd onClose={onClose} action="Make the rule" busy={form.busy} />
            </Form>
        </Dialog>
    );
}

interface Read {
    value: NetworkRule;
    tag: string | null;
}

export function SwitchRule({ rule, onClose }: { rule: NetworkRule; onClose: () => void }) {
    const read = useResource<Read>(rule.id, () => api.read<NetworkRule>(pathOf("network_rules", rule.id)));
    const to: Mode = rule.mode === "observe" ? "enforce" : "observe";
    return (
        <Dialog title={to === "enforce" ? "Enforce the rule" : "Only observe the rule"} wide onClose={onClose}>
            <Loaded of={read}>{(value) => <Switching read={value} to={to} onClose={onClose} />}</Loaded>
        </Dialog>
    );
}

function Switching({ read: { value: rule, tag }, to, onClose }: { read: Read; to: Mode; onClose: () => void }) {
    // The rule as it was when the dialog came: another's change must be noticed, not taken over.
    const [opened] = useState({ rule, tag });
    const [busy, setBusy] = useState(false);
    const [conflict, setConflict] = useState(false);
    const [problem, setProblem] = useState<Error | null>(null);
    const path = pathOf("network_rules", rule.id);
    const save = async (expected: string | null) => {
        setBusy(true);
        setConflict(false);
        try {
            await api.patch(path, { mode: to }, expected);
            say(to === "enforce" ? "The rule holds within a second." : "The rule only watches from now on.");
            onClose();
        } catch (failure) {
            if (failure instanceof ApiError && failure.isConflict) setConflict(true);
            else setProblem(failure instanceof Error ? failure : new Error(String(failure)));
            setBusy(false);
        }
    };
    if (conflict) return <Conflict path={path} before={{ ...opened.rule }} mine={{ mode: to }} onTheirs={onClose} onMine={(latest) => void save(latest)} />;
    return (
        <div class="form">
            <p>
                {to === "enforce" ? "From now on it holds: " : "It will refuse nothing any more, and record what it would have refused: "}
                {ruleWords(opened.rule)}{opened.rule.allow ? ", and from nowhere else but what other rules allow" : ""}.
            </p>
            <RulePreview proposal={{ ...proposalOf(opened.rule), mode: to }} />
            {problem && <Problem problem={problem} />}
            <div class="form-end">
                <Button onClick={onClose}>Cancel</Button>
                <Button kind="primary" disabled={busy} onClick={() => void save(opened.tag)}>{to === "enforce" ? "Enforce it" : "Only observe"}</Button>
            </div>
            {busy && <Loading what="Saving" />}
        </div>
    );
}

function proposalOf(rule: NetworkRule): Proposal {
    return {
        id: rule.id,
        ...(rule.team ? { team: rule.team } : { key: rule.key ?? "" }),
        ...(rule.allow ? { allow: rule.allow } : { deny: rule.deny ?? "" }),
        mode: rule.mode,
    };
}
