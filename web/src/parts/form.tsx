// Forms. What the API does not like stands beside the field that it names; anything else above the button.
import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { ApiError } from "../base/api.ts";
import { Icon } from "./icon.tsx";
import { Problem } from "./feedback.tsx";

export type Values = Record<string, string | boolean>;

export interface FormState<V extends Values> {
    values: V;
    set: (change: Partial<V>) => void;
    problem: Error | null; // that no field of the form stands for
    problemOf: (field: string) => string | null;
    busy: boolean;
    submit: (event?: Event) => Promise<void>;
    fail: (problem: unknown) => void; // says what went wrong elsewhere
}

// `save` throws what the API answered. `names`: how the API calls a field where the form says it otherwise.
export function useForm<V extends Values>(initial: V, save: (values: V) => Promise<void>, names: Record<string, string> = {}): FormState<V> {
    const [values, setValues] = useState(initial);
    const [problem, setProblem] = useState<Error | null>(null);
    const [busy, setBusy] = useState(false);
    const fieldOf = (failure: Error | null) => {
        if (!(failure instanceof ApiError) || !failure.field) return null;
        const field = names[failure.field] ?? failure.field;
        return field in values ? field : null;
    };
    return {
        values,
        problem: fieldOf(problem) ? null : problem,
        problemOf: (field) => (fieldOf(problem) === field ? (problem?.message ?? null) : null),
        busy,
        fail: (failure) => setProblem(failure instanceof Error ? failure : new Error(String(failure))),
        set: (change) => {
            setValues((before) => ({ ...before, ...change }));
            const field = fieldOf(problem);
            if (field && field in change) setProblem(null);
        },
        submit: async (event) => {
            event?.preventDefault();
            setBusy(true);
            setProblem(null);
            try {
                await save(values);
            } catch (failure) {
                setProblem(failure instanceof Error ? failure : new Error(String(failure)));
            } finally {
                setBusy(false);
            }
        },
    };
}

export function Form<V extends Values>({ form, children }: { form: FormState<V>; children: ComponentChildren }) {
    return (
        <form class="form" onSubmit={(event) => void form.submit(event)} noValidate>
            {children}
        </form>
    );
}

export function FormProblem<V extends Values>({ form }: { form: FormState<V> }) {
    return form.problem ? <Problem problem={form.problem} /> : null;
}

interface FieldProps<V extends Values> {
    form: FormState<V>;
    name: keyof V & string;
    label: string;
    hint?: ComponentChildren;
}

// The words around an input: what the input's attributes refer to.
function useWords<V extends Values>({ form, name, hint }: FieldProps<V>) {
    const id = useId();
    const problem = form.problemOf(name);
    const described = [hint ? `${id}-hint` : "", problem ? `${id}-problem` : ""].filter(Boolean).join(" ");
    return { id, problem, attributes: { id, "aria-invalid": problem ? (true as const) : undefined, "aria-describedby": described || undefined } };
}

function Around({ id, label, hint, problem, children }: { id: string; label: string; hint?: ComponentChildren; problem: string | null; children: ComponentChildren }) {
    return (
        <div class="field">
            <label for={id}>{label}</label>
            {children}
            {hint && <div class="field-hint" id={`${id}-hint`}>{hint}</div>}
            {problem && <div class="field-problem" id={`${id}-problem`} role="alert"><Icon name="bad" />{problem}</div>}
        </div>
    );
}

interface TextFieldProps<V extends Values> extends FieldProps<V> {
    placeholder?: string;
    prefix?: string; // "$"
    secret?: boolean; // is not shown
    rows?: number; // more than one line
    first?: boolean; // has the focus when the form comes
    disabled?: boolean;
    suggestions?: string[];
    autocomplete?: string;
}

export function TextField<V extends Values>(props: TextFieldProps<V>) {
    const { form, name, label, hint, placeholder, prefix, secret = false, rows, first = false, disabled = false, suggestions, autocomplete = "off" } = props;
    const { id, problem, attributes } = useWords(props);
    const shared = {
        ...attributes,
        class: `input${rows ? " mono" : ""}`,
        value: String(form.values[name] ?? ""),
        placeholder,
        autofocus: first,
        disabled,
        spellcheck: false,
        onInput: (event: { currentTarget: { value: string } }) => form.set({ [name]: event.currentTarget.value } as Partial<V>),
    };
    const input = rows ? <textarea {...shared} rows={rows} /> : secret ? <input {...shared} type="password" autocomplete={autocomplete} /> : <input {...shared} type="text" autocomplete={autocomplete} {...(suggestions ? { list: `${id}-list` } : {})} />;
    return (
        <Around id={id} label={label} hint={hint} problem={problem}>
            {prefix ? <div class="prefixed"><span>{prefix}</span>{input}</div> : input}
            {suggestions && <datalist id={`${id}-list`}>{suggestions.map((each) => <option key={each} value={each} />)}</datalist>}
        </Around>
    );
}

export function SelectField<V extends Values>(props: FieldProps<V> & { options: { value: string; title: string }[] }) {
    const { form, name, label, hint, options } = props;
    const { id, problem, attributes } = useWords(props);
    return (
        <Around id={id} label={label} hint={hint} problem={problem}>
            <select {...attributes} class="input" value={String(form.values[name] ?? "")} onChange={(event) => form.set({ [name]: event.currentTarget.value } as Partial<V>)}>
                {options.map((option) => <option key={option.value} value={option.value}>{option.title}</option>)}
            </select>
        </Around>
    );
}

export function CheckField<V extends Values>(props: FieldProps<V>) {
    const { form, name, label, hint } = props;
    const { problem, attributes } = useWords(props);
    return (
        <div class="check">
            <input {...attributes} type="checkbox" checked={Boolean(form.values[name])} onChange={(event) => form.set({ [name]: event.currentTarget.checked } as Partial<V>)} />
            <div>
                <label for={attributes.id}>{label}</label>
                {hint && <div class="field-hint" id={`${attributes.id}-hint`}>{hint}</div>}
                {problem && <div class="field-problem" id={`${attributes.id}-problem`} role="alert"><Icon name="bad" />{problem}</div>}
            </div>
        </div>
    );
}
