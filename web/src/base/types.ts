// What the admin API gives, as far as the console shows it (docs/reference/admin-api.md). Money is decimal
// text in USD, moments are RFC 3339 text.

export interface Page<T> {
    data: T[];
    next_cursor: string | null;
}

export type Role = "owner" | "operator" | "finance" | "team_lead";

export interface Me {
    id: string;
    name: string;
    role: Role;
    team: string | null;
    expires_at: string | null;
}

export interface Organisation {
    name: string | null;
    contact: string | null;
    models: string[] | null;
    deny_models: string[];
}

export interface Team {
    name: string;
    title: string | null;
    contact: string | null;
    models: string[] | null;
    deny_models: string[];
    keys: number;
    created_at: string;
}

export interface Key {
    id: string;
    name: string;
    team: string | null;
    state: "live" | "expired" | "revoked";
    models: string[] | null;
    deny_models: string[];
    tags: Record<string, string>;
    created_at: string;
    last_used_at: string | null;
    expires_at: string | null;
    rotated_at: string | null;
    previous_secret_until: string | null;
    revoked_at: string | null;
    revoked_reason: string | null;
}

export interface KeyWithSecret extends Key {
    key: string;
}

export interface KeySource {
    network: string;
    calls: number;
    first_seen_at: string;
    last_seen_at: string;
    last_good_at: string | null;
}

// Whom a budget or limit is for: one of these is set.
export interface Scope {
    organisation?: boolean;
    team?: string | null;
    key?: string | null;
    key_name?: string | null;
    tag?: string | null;
    model?: string | null;
}

export interface Budget extends Scope {
    id: string;
    name: string | null;
    amount: string;
    currency: string;
    period: "day" | "week" | "month" | "lifetime" | "rolling";
    rolling: string | null;
    timezone: string;
    soft: boolean;
    mode: Mode;
    alerts: number[];
    webhook: string | null;
    raised_to: string | null;
    raised_until: string | null;
    period_start: string | null;
    resets_at: string | null;
    spent: string;
    left: string;
    created_at: string;
}

export type Mode = "enforce" | "observe";

export interface Limit extends Scope {
    id: string;
    name: string | null;
    requests: number | null;
    tokens: number | null;
    input_tokens: number | null;
    output_tokens: number | null;
    concurrent: number | null;
    per: string | null;
    mode: Mode;
    created_at: string;
}

export interface LiveBudget {
    id: string;
    name: string | null;
    cap: string;
    spent: string;
    held: string;
    left: string;
    period_start: string | null;
    resets_at: string | null;
    complete: boolean;
}

export interface LiveLimit {
    id: string;
    name: string | null;
    amount: number;
    used: number;
    left: number;
    resets_in_ms: number;
}

export interface Live {
    budgets: LiveBudget[];
    limits: LiveLimit[];
}

export interface UsageSums {
    calls: number;
    served: number;
    refused: number;
    failed: number;
    cancelled: number;
    interrupted: number;
    estimated: number;
    unpriced: number;
    input_tokens: number;
    cached_input_tokens: number;
    cache_write_tokens: number;
    output_tokens: number;
    reasoning_tokens: number;
    bytes_received: number;
    bytes_sent: number;
    duration_us: number;
    cost_usd: string | null;
    adjusted_usd: string | null;
}

// The sums, and a member for each thing it is added up by ("team", "tag:env", "day").
export type UsageRow = UsageSums & { start?: string; end?: string; key_name?: string | null } & Record<string, unknown>;

export interface Usage {
    since: string | null;
    until: string | null;
    timezone: string;
    total: UsageSums;
    rows: UsageRow[];
}

// One call, as the ledger has it.
export interface Exchange {
    id: string;
    started_at: string;
    finished_at: string;
    duration_ms: number;
    worker: number;
    listener: string | null;
    source: string | null;
    key_id: string | null;
    key_name: string | null;
    team: string | null;
    method: string | null;
    endpoint: string | null;
    path: string | null;
    model: string | null;
    target_model: string | null;
    provider: string | null;
    attempts: number;
    attempts_detail: unknown;
    status: number;
    outcome: "served" | "refused" | "failed" | "cancelled" | "interrupted";
    refusal: string | null;
    error: string | null;
    upstream_status: number | null;
    upstream_request_id: string | null;
    streamed: boolean;
    bytes_received: number | null;
    bytes_sent: number | null;
    first_byte_ms: number | null;
    connect_ms: number | null;
    admitted_ms: number | null;
    input_tokens: number | null;
    cached_input_tokens: number | null;
    cache_write_tokens: number | null;
    output_tokens: number | null;
    reasoning_tokens: number | null;
    usage_source: string;
    service_tier: string | null;
    user_agent: string | null;
    caller_user: string | null;
    trace_id: string | null;
    tags: Record<string, string> | null;
    request_tags: Record<string, string> | null;
    calls: number;
    cost_usd: string | null;
    cost_state: string;
    cost_reserved_usd: string | null;
    catalog: string | null;
    price_rule: string | null;
    units: Record<string, number> | null;
    output_clamp: number | null;
    observed: unknown;
    network: string | null;
    forwarder: string | null;
    rule: string | null;
    identified_by: string | null;
    [field: string]: unknown;
}

export interface Percentiles {
    calls: number;
    p50_ms: number | null;
    p95_ms: number | null;
    p99_ms: number | null;
}

export interface OverviewPoint {
    since: string;
    until: string;
    sums: UsageSums;
    cache_share: number | null;
    duration: Percentiles;
    first_token: Percentiles;
}

export interface Overview {
    timezone: string;
    step: string;
    percentile_error: number;
    period: OverviewPoint;
    before: OverviewPoint;
    series: OverviewPoint[];
}

// The story of one call: GET /exchanges/{id}/detail.
export interface ExchangeStep {
    name: string; // decide, send, wait, relay or refuse
    text: string;
    from_ms: number;
    until_ms: number;
}

export interface ExchangeAttempt {
    provider: string | null;
    model: string | null;
    status: number | null;
    error: string | null;
    left: string | null;
    ms: number | null;
    reused: boolean | null;
    resent: boolean | null;
    cost_usd: string | null;
}

export interface ObservedVerdict {
    reason: string;
    id: string | null;
    output_limit: number | null;
}

export interface ExchangeError {
    from: string; // turnpike or provider
    status: number | null;
    code: string | null;
    type: string | null;
    message: string | null;
    rule: string | null;
}

export interface CostLine {
    class: string;
    quantity: number;
    price: string;
    per: number;
    factor: string;
    cost: string;
}

export interface CostAdjustment {
    time: string;
    [member: string]: unknown;
}

export interface ExchangeCost {
    state: string | null;
    recorded_usd: string | null;
    recorded_rule: string | null;
    recorded_catalog: string | null;
    not_priced_again: string | null;
    cost_usd: string | null;
    catalog: string | null;
    basis: string | null;
    reason: string | null;
    lines: CostLine[];
    adjustments: CostAdjustment[];
}

export interface ExchangeDetail {
    call: Exchange;
    steps: ExchangeStep[];
    attempts: ExchangeAttempt[];
    parts: Exchange[];
    observed: ObservedVerdict[];
    error: ExchangeError | null;
    cost: ExchangeCost;
}

export interface Session {
    id: string;
    name: string;
    who: string; // key:ID, cli:USER, sso:NAME
    role: Role;
    team: string | null;
    method: string; // key, link or sso
    source: string;
    agent: string | null;
    created_at: string;
    used_at: string;
    expires_at: string;
}

export interface AdminKey {
    id: string;
    name: string;
    role: Role;
    team: string | null;
    created_at: string;
    expires_at: string | null;
    used_at: string | null;
    revoked_at: string | null;
}

export interface AttentionItem {
    kind: string;
    severity: "urgent" | "warning" | "notice";
    text: string;
    subject_kind: string;
    subject: string | null;
    team: string | null;
    since: string | null;
    advice: string;
    page: string; // behind /console
    command: string;
}

export interface Attention {
    at: string;
    data: AttentionItem[];
    left_out: number;
}
