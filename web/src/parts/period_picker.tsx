// Which time a page looks at; the choice stands in the URL.
import { useState } from "preact/hooks";
import { dayText, type Period, PRESETS } from "../base/period.ts";
import { setQuery } from "../base/router.ts";
import { Button } from "./button.tsx";
import { Menu, MenuItem } from "./menu.tsx";

export function PeriodPicker({ period, standard }: { period: Period; standard: string }) {
    return (
        <Menu label={period.title} icon="calendar">
            {(close) => (
                <>
                    {PRESETS.map((preset) => (
                        <MenuItem
                            key={preset.name}
                            checked={preset.name === period.name}
                            onClick={() => {
                                setQuery({ period: preset.name === standard ? null : preset.name, since: null, until: null });
                                close();
                            }}
                        >
                            {preset.title}
                        </MenuItem>
                    ))}
                    <hr class="menu-rule" />
                    <Between period={period} done={close} />
                </>
            )}
        </Menu>
    );
}

function Between({ period, done }: { period: Period; done: () => void }) {
    const [since, setSince] = useState(dayText(period.from));
    const [until, setUntil] = useState(dayText(period.to));
    const wrong = !since || (until !== "" && until < since);
    return (
        <form
            class="menu-form"
            onSubmit={(event) => {
                event.preventDefault();
                setQuery({ period: null, since, until });
                done();
            }}
        >
            <label class="field">From<input class="input" type="date" value={since} onInput={(event) => setSince(event.currentTarget.value)} /></label>
            <label class="field">To, that day included<input class="input" type="date" value={until} onInput={(event) => setUntil(event.currentTarget.value)} /></label>
            <Button submit kind="primary" disabled={wrong} {...(wrong ? { why: "The end is before the beginning" } : {})}>Show</Button>
        </form>
    );
}
