import { render } from "preact";

const root = document.getElementById("console");
if (root) render(<h1>Turnpike</h1>, root);
