// What the keyboard does.
import { entriesFor } from "../pages/pages.ts";
import { me } from "../base/session.ts";
import { Dialog } from "./dialog.tsx";

const KEYS: [string[], string][] = [
    [["Ctrl", "K"], "Find a page, team, key, model or call"],
    [["/"], "Search in this page"],
    [["↑", "↓"], "From row to row of a table; j and k too"],
    [["↵"], "Open the row"],
    [["Esc"], "Close the drawer, the menu, the dialog"],
    [["←", "→"], "In a chart: read its figures"],
    [["?"], "This help"],
];

function Row({ keys, text }: { keys: string[]; text: string }) {
    return <>
        <dt>{keys.map((key) => <kbd key={key}>{key}</kbd>)}</dt>
        <dd>{text}</dd>
    </>;
}

export function Help({ onClose }: { onClose: () => void }) {
    const entries = me.value ? entriesFor(me.value.role) : [];
    return (
        <Dialog title="Keyboard" onClose={onClose}>
            <div class="stack">
                <dl class="facts keys">{KEYS.map(([keys, text]) => <Row key={text} keys={keys} text={text} />)}</dl>
                <h3>Pages</h3>
                <dl class="facts keys">{entries.map((entry) => <Row key={entry.path} keys={["g", entry.letter]} text={entry.title} />)}</dl>
                <p class="muted small">All that the console does can be done with <code>curl</code> and with <code>turnpike</code> too: it uses the admin API, nothing else. <a href="/console/licenses.txt" target="_blank">Licences</a> of what is in it.</p>
            </div>
        </Dialog>
    );
}
