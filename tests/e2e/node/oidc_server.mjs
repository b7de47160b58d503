// Runs oauth2-mock-server, an OpenID provider that is not ours, until its input closes: prints its URL,
// then for each line {"claims", "kid", "seconds"} a token. {"rotate": true} gives it another key.
import readline from "node:readline";
import { OAuth2Server } from "oauth2-mock-server";

const server = new OAuth2Server();
await server.issuer.keys.generate("RS256", { kid: "rsa" });
await server.issuer.keys.generate("ES256", { kid: "curve" });
await server.issuer.keys.generate("EdDSA", { kid: "edwards", crv: "Ed25519" });
await server.start(0, "127.0.0.1");
const { port } = server.address();
server.issuer.url = `http://127.0.0.1:${port}`;
console.log(server.issuer.url);

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { claims, kid, seconds, rotate } = JSON.parse(line);
  if (rotate) await server.issuer.keys.generate("ES256", { kid: rotate });
  console.log(rotate ? "rotated" : await server.issuer.buildToken({
    kid,
    expiresIn: seconds ?? 600,
    scopesOrTransform: (header, payload) => Object.assign(payload, claims),
  }));
}
process.exit(0);
