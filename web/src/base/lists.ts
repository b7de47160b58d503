// Texts of fields that are lists.

// "gpt-*, o4-mini": what is between commas or lines.
export function listOf(text: string): string[] {
    return text.split(/[,\n]/).map((each) => each.trim()).filter(Boolean);
}

// "env=prod, feature=index" as an object; what has no = is given on as it is, for the API to say what is wrong.
export function tagsOf(text: string): Record<string, string> {
    return Object.fromEntries(listOf(text).map((each) => {
        const place = each.indexOf("=");
        return place < 0 ? [each, ""] : [each.slice(0, place).trim(), each.slice(place + 1).trim()];
    }));
}

export function tagsText(tags: Record<string, string>): string {
    return Object.entries(tags).map(([name, value]) => `${name}=${value}`).join(", ");
}
