// Runs oauth2-mock-server, an OpenID provider that is not ours, until its input closes: prints its URL,
// then for each line {"claims", "kid", "seconds"} a token. {"rotate": true} gives it another key.
// {"person": claims} is who signs in at it from then on, {"refuse": word} lets nobody in, {"broken": status} answers
// no code, and {"last": true} shows the last request for a token.
import readline from "node:readline";
import { OAuth2Server } from "oauth2-mock-server";

const server = new OAuth2Server();
await server.issuer.keys.generate("RS256", { kid: "rsa" });
await server.issuer.keys.generate("ES256", { kid: "curve" });
await server.issuer.keys.generate("EdDSA", { kid: "edwards", crv: "Ed25519" });
await server.start(0, "127.0.0.1");
const { port } = server.address();
server.issuer.url = `http://127.0.0.1:${port}`;
let person = {}, refuse, broken, last = {};
server.service.on("beforeTokenSigning", (token) => Object.assign(token.payload, person));
server.service.on("beforeAuthorizeRedirect", (redirect) => {
  if (!refuse) return;
  redirect.url.searchParams.delete("code");
  redirect.url.searchParams.set("error", refuse);
});
server.service.on("beforeResponse", (response, request) => {
  last = { authorization: request.headers.authorization, body: request.body };
  if (broken) Object.assign(response, { statusCode: broken, body: { error: "invalid_grant" } });
});
console.log(server.issuer.url);

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { claims, kid, seconds, rotate, ...order } = JSON.parse(line);
  if ("person" in order) {
    ({ person, refuse, broken } = order);
    console.log("set");
    continue;
  }
  if (order.last) {
    console.log(JSON.stringify(last));
    continue;
  }
  if (rotate) await server.issuer.keys.generate("ES256", { kid: rotate });
  console.log(rotate ? "rotated" : await server.issuer.buildToken({
    kid,
    expiresIn: seconds ?? 600,
    scopesOrTransform: (header, payload) => Object.assign(payload, claims),
  }));
}
process.exit(0);
