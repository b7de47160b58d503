// What holds for everybody: models that anybody may use, whom to ask.
import { listOf } from "../base/lists.ts";
import type { Organisation } from "../base/types.ts";
import { EditDialog } from "../parts/edit.tsx";
import { TextField } from "../parts/form.tsx";
import { MODELS_HINT, modelsOf, modelsText } from "./model_lists.ts";

type Values = { name: string; contact: string; models: string; deny_models: string };

export function EditOrganisation({ onClose }: { onClose: () => void }) {
    return (
        <EditDialog<Organisation, Values>
            title="Everybody"
            path="/organisation"
            valuesOf={(all) => ({ name: all.name ?? "", contact: all.contact ?? "", models: modelsText(all.models), deny_models: all.deny_models.join(", ") })}
            bodyOf={(values) => ({ name: values.name.trim() || null, contact: values.contact.trim() || null, models: modelsOf(values.models), deny_models: listOf(values.deny_models) })}
            done="It holds for everybody within a second."
            onClose={onClose}
        >
            {(form) => (
                <>
                    <TextField form={form} name="name" label="Name of the organisation" first />
                    <TextField form={form} name="contact" label="Whom to ask" placeholder="platform@example.com" hint="Stands in refusals where the team has nobody." />
                    <div class="form-row">
                        <TextField form={form} name="models" label="Models" placeholder="all" hint={MODELS_HINT} />
                        <TextField form={form} name="deny_models" label="But never" placeholder="none" hint="For nobody, whatever a team or key may." />
                    </div>
                </>
            )}
        </EditDialog>
    );
}
