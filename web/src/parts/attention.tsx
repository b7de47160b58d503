// What needs somebody, with its next step: the page where to act, and the line for the shell that does the same.
import { useState } from "preact/hooks";
import { BASE } from "../base/router.ts";
import type { Resource } from "../base/resource.ts";
import type { Attention, AttentionItem } from "../base/types.ts";
import { Badge, type Tone } from "./badge.tsx";
import { Button, CopyButton } from "./button.tsx";
import { Card } from "./card.tsx";
import { Loaded } from "./feedback.tsx";
import { Icon } from "./icon.tsx";
import { Moment, Said } from "./said.tsx";

const TONES: Record<AttentionItem["severity"], Tone> = { urgent: "bad", warning: "warn", notice: "plain" };
const SHOWN_AT_FIRST = 4; // the figures below are what one comes for when nothing is wrong

export function AttentionCard({ of }: { of: Resource<Attention> }) {
    const [all, setAll] = useState(false);
    if (of.value && of.value.data.length === 0) {
        return <p class="calm"><Icon name="check" />Nothing needs attention: budgets last, targets answer, nobody is turned away who used to get through.</p>;
    }
    return (
        <Card title="Needs attention" tools={of.value && <span class="muted small">looked <Moment at={of.value.at} ago /></span>}>
            <Loaded of={of}>
                {({ data, left_out }) => (
                    <>
                        <ul class="attention">{(all ? data : data.slice(0, SHOWN_AT_FIRST)).map((item, place) => <Row key={`${item.kind} ${item.subject ?? place}`} item={item} />)}</ul>
                        {(data.length > SHOWN_AT_FIRST || left_out > 0) && (
                            <div class="list-end">
                                <span class="muted small">{left_out > 0 ? `${left_out} more of the same kinds are left out` : ""}</span>
                                {data.length > SHOWN_AT_FIRST && <Button little kind="quiet" onClick={() => setAll(!all)}>{all ? "Show fewer" : `Show all ${data.length}`}</Button>}
                            </div>
                        )}
                    </>
                )}
            </Loaded>
        </Card>
    );
}

function Row({ item }: { item: AttentionItem }) {
    return (
        <li class="attention-item">
            <Badge tone={TONES[item.severity]}>{item.severity}</Badge>
            <div class="attention-words">
                <p><Said text={item.text} />{item.since && <span class="faint nowrap small"> since <Moment at={item.since} /></span>}</p>
                <p class="muted small"><Said text={item.advice} /></p>
            </div>
            <div class="row attention-steps">
                <a class="button little" href={`${BASE}${item.page}`}>Look<span class="unseen">: {item.text}</span></a>
                <CopyButton text={item.command} label={`Copy the command: ${item.command}`} />
            </div>
        </li>
    );
}
