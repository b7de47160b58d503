// A page that fails is told of, and takes nothing with it: the list of pages stays in use.
import { Component, type ComponentChildren } from "preact";
import { Problem } from "./feedback.tsx";

export class Boundary extends Component<{ children: ComponentChildren }, { problem: Error | null }> {
    override state: { problem: Error | null } = { problem: null };

    override componentDidCatch(problem: unknown) {
        this.setState({ problem: problem instanceof Error ? problem : new Error(String(problem)) });
    }

    render() {
        const { problem } = this.state;
        if (!problem) return this.props.children;
        const said = new Error(`This page failed, and that is a mistake in the console: ${problem.message}`);
        return (
            <div class="page page-failed">
                <Problem problem={said} retry={() => this.setState({ problem: null })} />
            </div>
        );
    }
}
