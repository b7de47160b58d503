// How much of a budget or limit is used: spent, and what calls under way hold.
interface BarProps {
    spent: number;
    held?: number;
    of: number;
    label: string;
    value: string; // for screen readers: "$431 of $500"
}

const NEAR = 0.8; // from here on one should look

export function Bar({ spent, held = 0, of, label, value }: BarProps) {
    const part = of > 0 ? spent / of : spent > 0 ? 1 : 0;
    const both = of > 0 ? (spent + held) / of : part;
    const tone = part >= 1 ? "bad" : part >= NEAR ? "warn" : "";
    const width = (ratio: number) => ({ width: `${Math.min(100, ratio * 100)}%` });
    return (
        <div class={`bar ${tone}`} role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.min(100, Math.round(part * 100))} aria-valuetext={value}>
            {held > 0 && <span class="held" style={width(both)} />}
            <span class="spent" style={width(part)} />
        </div>
    );
}
