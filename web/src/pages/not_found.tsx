// A URL that no view has.
import { link } from "../base/router.ts";
import { LinkButton } from "../parts/button.tsx";
import { Empty } from "../parts/feedback.tsx";
import { Page } from "../parts/page.tsx";

export function NotFound({ home }: { home: string }) {
    return (
        <Page title="Not here">
            <Empty icon="search" title="There is no page at this address" action={<LinkButton href={link(home)}>To the first page</LinkButton>}>
                It may have been typed wrong, or be of another version of the console.
            </Empty>
        </Page>
    );
}
