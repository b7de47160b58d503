// How an application uses a key, ready to paste. The secret is in a place of its own where that is the way of
// the language or the platform.

export interface Snippet {
    name: string;
    title: string;
    text: string;
}

// A text as a shell's word.
function quoted(text: string): string {
    return `'${text.replaceAll("'", "'\\''")}'`;
}

// The same where it needs it, for lines that people read.
export function shellWord(text: string): string {
    return /^[\w@%+=:,./-]+$/.test(text) ? text : quoted(text);
}

// A text as JSON, Python and JavaScript read it.
const literal = (text: string) => JSON.stringify(text);

// A name that Kubernetes takes: lower case, digits, hyphens, at most 63.
export function kubernetesName(text: string): string {
    const name = text.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 50).replace(/^-+|-+$/g, "");
    return `turnpike-${name || "key"}`;
}

export function snippetsOf({ key, name, baseUrl, model }: { key: string; name: string; baseUrl: string; model: string }): Snippet[] {
    const secret = kubernetesName(name);
    return [
        {
            name: "python",
            title: "Python",
            text: `from openai import OpenAI

client = OpenAI(base_url=${literal(baseUrl)}, api_key=${literal(key)})
answer = client.chat.completions.create(
    model=${literal(model)},
    messages=[{"role": "user", "content": "Hello!"}],
)
print(answer.choices[0].message.content)`,
        },
        {
            name: "node",
            title: "Node",
            text: `import OpenAI from "openai";

const client = new OpenAI({ baseURL: ${literal(baseUrl)}, apiKey: ${literal(key)} });
const answer = await client.chat.completions.create({
    model: ${literal(model)},
    messages: [{ role: "user", content: "Hello!" }],
});
console.log(answer.choices[0].message.content);`,
        },
        {
            name: "curl",
            title: "curl",
            text: `curl ${quoted(`${baseUrl}/chat/completions`)} \\
  -H ${quoted(`Authorization: Bearer ${key}`)} \\
  -H 'Content-Type: application/json' \\
  -d ${quoted(JSON.stringify({ model, messages: [{ role: "user", content: "Hello!" }] }))}`,
        },
        {
            name: "environment",
            title: "Environment",
            text: `export OPENAI_BASE_URL=${quoted(baseUrl)}
export OPENAI_API_KEY=${quoted(key)}`,
        },
        {
            name: "kubernetes",
            title: "Kubernetes",
            text: `apiVersion: v1
kind: Secret
metadata:
  name: ${secret}
type: Opaque
stringData:
  OPENAI_BASE_URL: ${literal(baseUrl)}
  OPENAI_API_KEY: ${literal(key)}
---
# in the container of the deployment:
#   envFrom:
#     - secretRef: {name: ${secret}}`,
        },
    ];
}
