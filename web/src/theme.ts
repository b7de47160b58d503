// Light or dark as the viewer chose it, before anything is painted: else the page would flash.
// "" follows the system. The switch is in parts/shell.tsx.
try {
    const chosen = localStorage.getItem("theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset["theme"] = chosen;
} catch {
    // A browser that keeps nothing for us follows the system.
}
