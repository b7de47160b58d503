// The door: with the link that `turnpike console` prints, with an admin key, or with single sign-on where the
// gateway has it.
import { useEffect, useState } from "preact/hooks";
import { api, apiUrl } from "../base/api.ts";
import { signIn, takeSsoProblem } from "../base/session.ts";
import { visible } from "../base/text.ts";
import { Button, LinkButton } from "../parts/button.tsx";
import { Command, Loading, Problem } from "../parts/feedback.tsx";
import { Form, FormProblem, TextField, useForm } from "../parts/form.tsx";
import { Mark } from "../parts/icon.tsx";

// The name of single sign-on, where the gateway has it.
function useSingleSignOn(): string | null {
    const [name, setName] = useState<string | null>(null);
    useEffect(() => {
        api.get<{ sso: string | null }>("/sign_in").then((ways) => setName(ways.sso), () => undefined);
    }, []);
    return name;
}

export function SignIn({ code }: { code: string | null }) {
    const [problem, setProblem] = useState<Error | null>(null);
    const [trying, setTrying] = useState(code !== null);
    const sso = useSingleSignOn();
    const form = useForm({ key: "" }, (values) => {
        setProblem(null); // that of the link
        return signIn({ key: values.key.trim() });
    });
    useEffect(() => {
        document.title = "Sign in · Turnpike";
        const led = takeSsoProblem();
        if (led !== null) setProblem(new Error(led));
        if (code === null) return;
        signIn({ code }).catch(setProblem).finally(() => setTrying(false));
    }, []);
    if (trying) return <div class="door"><Loading what="Signing in" /></div>;
    return (
        <main class="door">
            <div class="door-card">
                <h1 class="brand"><Mark />Turnpike</h1>
                {problem && <Problem problem={problem} />}
                <div class="card">
                    {sso && <LinkButton href={apiUrl("/sso")} kind="primary">Sign in with {visible(sso)}</LinkButton>}
                    {sso && <div class="or">or</div>}
                    <Form form={form}>
                        <TextField form={form} name="key" label="Admin key" secret placeholder="tpa_…" first autocomplete="current-password" />
                        <FormProblem form={form} />
                        <Button submit {...(sso ? {} : { kind: "primary" as const })} disabled={form.busy || !form.values.key.trim()}>Sign in</Button>
                    </Form>
                </div>
                <div class="stack-tight muted">
                    <p>On the gateway's machine, this prints a link that signs you in once:</p>
                    <Command line="turnpike console" />
                    <p class="small">An admin key for somebody else: <code>turnpike admin key create --name NAME --role finance</code></p>
                </div>
            </div>
        </main>
    );
}
