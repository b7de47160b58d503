// Lists of models as people type them: names and patterns between commas; empty for all, "none" for an empty list.
import { listOf } from "../base/lists.ts";

export const MODELS_HINT = "Names between commas, * for any run: gpt-*, o4-mini. Empty: all. none: no model.";

export function modelsOf(text: string): string[] | null {
    const names = listOf(text);
    if (names.length === 0) return null;
    return names.length === 1 && names[0] === "none" ? [] : names;
}

export function modelsText(models: string[] | null): string {
    if (models === null) return "";
    return models.length ? models.join(", ") : "none";
}

// For reading.
export function modelsWords(models: string[] | null): string {
    return models === null ? "all" : models.length ? models.join(", ") : "none";
}
