// What several pages say about a key.
import { current, link } from "../base/router.ts";

// The drawer of a key, over the view that one is at.
export function keyHref(id: string): string {
    return link(current.value.path, { ...Object.fromEntries(current.value.query), key: id });
}
