// Light, dark, or as the system is. Charts are painted, so they ask here when to paint anew.
import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const stored = document.documentElement.dataset["theme"];
export const theme = signal<Theme>(stored === "light" || stored === "dark" ? stored : "system");

// Counts the changes of what is seen, whoever made them.
export const themeTurn = signal(0);

effect(() => {
    const chosen = theme.value;
    if (chosen === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = chosen;
    try {
        if (chosen === "system") localStorage.removeItem("theme");
        else localStorage.setItem("theme", chosen);
    } catch {
        // A browser that keeps nothing for us asks again next time.
    }
    themeTurn.value = themeTurn.peek() + 1;
});

window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    themeTurn.value = themeTurn.peek() + 1;
});
