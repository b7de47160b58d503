// A dialog that changes one object. It sends only what was changed, with the ETag of what was read; if somebody
// else was quicker, both versions are shown and nothing is lost.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { api, ApiError } from "../base/api.ts";
import { say } from "../base/toasts.ts";
import { Button } from "./button.tsx";
import { Conflict } from "./conflict.tsx";
import { Dialog } from "./dialog.tsx";
import { Loading, Problem } from "./feedback.tsx";
import { Form, FormProblem, type FormState, useForm, type Values } from "./form.tsx";

interface EditProps<T extends object, V extends Values> {
    title: string;
    path: string;
    valuesOf: (object: T) => V; // what stands in the fields
    bodyOf: (values: V) => Record<string, unknown>; // what the API takes
    names?: Record<string, string>;
    done: string; // what is said when it is saved
    onClose: () => void;
    children: (form: FormState<V>) => ComponentChildren;
}

export function EditDialog<T extends object, V extends Values>(props: EditProps<T, V>) {
    const [read, setRead] = useState<{ value: T; tag: string | null } | null>(null);
    const [problem, setProblem] = useState<Error | null>(null);
    useEffect(() => {
        api.read<T>(props.path).then(setRead, setProblem);
    }, [props.path]);
    return (
        <Dialog title={props.title} onClose={props.onClose}>
            {problem ? <Problem problem={problem} /> : read ? <EditForm {...props} read={read} /> : <Loading />}
        </Dialog>
    );
}

function EditForm<T extends object, V extends Values>({ path, valuesOf, bodyOf, names, done, onClose, children, read }: EditProps<T, V> & { read: { value: T; tag: string | null } }) {
    const [conflict, setConflict] = useState(false);
    const changed = (values: V) => {
        const before = bodyOf(valuesOf(read.value));
        return Object.fromEntries(Object.entries(bodyOf(values)).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name])));
    };
    const save = async (values: V, tag: string | null) => {
        const body = changed(values);
        if (Object.keys(body).length > 0) {
            await api.patch(path, body, tag);
            say(done);
        }
        onClose();
    };
    const form = useForm(
        valuesOf(read.value),
        async (values) => {
            try {
                await save(values, read.tag);
            } catch (failure) {
                if (!(failure instanceof ApiError) || !failure.isConflict) throw failure;
                setConflict(true);
            }
        },
        names,
    );
    const overwrite = (tag: string | null) => {
        setConflict(false);
        save(form.values, tag).catch((failure: unknown) => (failure instanceof ApiError && failure.isConflict ? setConflict(true) : form.fail(failure)));
    };
    if (conflict) return <Conflict path={path} before={read.value as Record<string, unknown>} mine={changed(form.values)} onTheirs={onClose} onMine={overwrite} />;
    return (
        <Form form={form}>
            {children(form)}
            <FormProblem form={form} />
            <FormEnd onClose={onClose} action="Save" busy={form.busy} />
        </Form>
    );
}

// The two buttons under a form in a dialog.
export function FormEnd({ onClose, action, busy, danger = false }: { onClose: () => void; action: string; busy: boolean; danger?: boolean }) {
    return (
        <div class="form-end">
            <Button onClick={onClose}>Cancel</Button>
            <Button submit kind={danger ? "danger primary" : "primary"} disabled={busy}>{action}</Button>
        </div>
    );
}
