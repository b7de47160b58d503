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
import { Boundary } from "./parts/boundary.tsx";
import { Problem } from "./parts/feedback.tsx";
import { Finder } from "./parts/finder.tsx";
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
    return <Boundary key={path}><View parameters={found.parameters} /></Boundary>;
}

function Console() {
    const [problem, setProblem] = useState<Error | null>(null);
    const [asked, setAsked] = useState(false);
    const [front, setFront] = useState<"help" | "finder" | null>(null); // what stands in front of the page
    useEffect(() => {
        followLinks();
        listen({ help: () => setFront("help"), find: () => me.value && setFront("finder"), pages: Object.fromEntries(ENTRIES.map((entry) => [entry.letter, () => navigate(link(entry.path))])) });
        // A link with a code is for signing in anew, whoever was there.
        (code === null ? loadMe() : Promise.resolve()).catch(setProblem).finally(() => setAsked(true));
    }, []);
    if (problem) return <div class="door"><div class="door-card"><Problem problem={problem} retry={() => window.location.reload()} /></div></div>;
    if (!asked) return null;
    if (!me.value || signedOut.value) return <SignIn code={me.value ? null : code} />;
    return (
        <>
            <Shell onHelp={() => setFront("help")} onFind={() => setFront("finder")}><CurrentPage /></Shell>
            {front === "help" && <Help onClose={() => setFront(null)} />}
            {front === "finder" && <Finder onClose={() => setFront(null)} />}
            <Toaster />
        </>
    );
}

const root = document.getElementById("console");
if (root) render(<Console />, root);
