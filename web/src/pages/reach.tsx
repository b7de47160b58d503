// Who gets through and who does not: calls that are turned away, with the story of each; the rules about
// networks; and what the gateway sees of a caller.
import { current } from "../base/router.ts";
import { mayOperate } from "../base/session.ts";
import { useState } from "preact/hooks";
import { Button } from "../parts/button.tsx";
import { Page } from "../parts/page.tsx";
import { Tabs } from "../parts/tabs.tsx";
import { Bounces } from "./bounces.tsx";
import { NewRule } from "./rule_forms.tsx";
import { Rules } from "./rules.tsx";
import { Whoami } from "./whoami.tsx";

export function ReachPage() {
    const tab = current.value.query.get("tab") ?? "bounces";
    const [making, setMaking] = useState(false);
    return (
        <Page title="Reach" tools={mayOperate.value && tab === "rules" && <Button kind="primary" icon="plus" onClick={() => setMaking(true)}>New rule</Button>}>
            <Tabs
                label="Reach"
                chosen={tab}
                tabs={[
                    { name: "bounces", title: "Turned away" },
                    { name: "rules", title: "Network rules" },
                    { name: "whoami", title: "Who am I?" },
                ]}
            />
            {tab === "bounces" && <Bounces />}
            {tab === "rules" && <Rules />}
            {tab === "whoami" && <Whoami />}
            {making && <NewRule onClose={() => setMaking(false)} />}
        </Page>
    );
}
