// Where applications reach the gateway. The administrators' door is another than the callers': what is guessed
// here can be set right once, and stays.
const PORT_OF_CALLERS = 8080; // where callers are, when nothing is said (docs/reference/config.md)

export function rememberedBaseUrl(): string {
    const guess = `${window.location.protocol}//${window.location.hostname}:${PORT_OF_CALLERS}/v1`;
    try {
        return localStorage.getItem("base-url") || guess;
    } catch {
        return guess;
    }
}

export function rememberBaseUrl(url: string) {
    try {
        localStorage.setItem("base-url", url);
    } catch {
        // A browser that keeps nothing for us is told again next time.
    }
}
