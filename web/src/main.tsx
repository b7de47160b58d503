// The console from its first line: who is there, and the page that the URL names.
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { signedOut } from "./base/api.ts";
import { listen } from "./base/keyboard.ts";
import { current, followLinks, link, navigate } from "./base/router.ts";
import { loadMe, me, takeCode } from "./base/session.ts";
import { ENTRIES, homeOf, leadsTo, viewOf } from "./pages/pages.ts";
import { NotFound } from "./pages/not_found.tsx";
import { SignIn } from "./pages/sign_in.tsx";
import { Problem } from "./parts/feedback.tsx";
import { Help } from "./parts/help.tsx";
import { Shell } from "./parts/shell.tsx";
import { Toaster } from "./parts/toaster.tsx";

const code = takeCode();

function CurrentPage() {
    const { path } = current.value;
    const home = me.value ? homeOf(me.value.role) : "/";
    const found = viewOf(path);
    const elsewhere = leadsTo(path);
    useEffect(() => {
        if (elsewhere) navigate(elsewhere, "replace");
    }, [elsewhere]);
    if (elsewhere) return null;
    if (!found) return <NotFound home={home} />;
    const View = found.view.page;
    return <View key={path} parameters={found.parameters} />;
}

function Console() {
    const [problem, setProblem] = useState<Error | null>(null);
    const [asked, setAsked] = useState(false);
    const [help, setHelp] = useState(false);
    useEffect(() => {
        followLinks();
        listen({ help: () => setHelp(true), pages: Object.fromEntries(ENTRIES.map((entry) => [entry.letter, () => navigate(link(entry.path))])) });
        // A link with a code is for signing in anew, whoever was there.
        (code === null ? loadMe() : Promise.resolve()).catch(setProblem).finally(() => setAsked(true));
    }, []);
    if (problem) return <div class="door"><div class="door-card"><Problem problem={problem} retry={() => window.location.reload()} /></div></div>;
    if (!asked) return null;
    if (!me.value || signedOut.value) return <SignIn code={me.value ? null : code} />;
    return (
        <>
            <Shell onHelp={() => setHelp(true)}><CurrentPage /></Shell>
            {help && <Help onClose={() => setHelp(false)} />}
            <Toaster />
        </>
    );
}

const root = document.getElementById("console");
if (root) render(<Console />, root);
