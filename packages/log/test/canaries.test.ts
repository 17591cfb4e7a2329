import { expect, test } from "vitest";
import { LOG_FORMS } from "../src/index.ts";
import { collect } from "./collector.ts";

/** No two are alike in their shape, so that no rule hides all of them by its look. */
const CANARIES = ["c4n4ry-5ecret", "Zx9.Qw~7_", "hunter2", "p%40ss-w0rd"] as const;

const places: [string, (canary: string) => Record<string, unknown>][] = [
  ["a field by its name", (canary) => ({ token: canary })],
  ["other spellings", (canary) => ({ "X-API-Key": canary, api_key: canary, HMACSecret: canary, "set-cookie": canary })],
  ["short names", (canary) => ({ pwd: canary, pass: canary, auth: canary })],
  ["keys by what they are for", (canary) => ({ privateKey: canary, signing_key: canary, secretAccessKey: canary })],
  ["nested objects", (canary) => ({ a: { b: { c: { password: canary } } } })],
  ["anything below a secret's name", (canary) => ({ credentials: { list: [{ user: canary }] }, tokens: [canary] })],
  ["a Map in a Map", (canary) => ({ outer: new Map([["inner", new Map([["authorization", canary]])]]) })],
  ["a Set of objects", (canary) => ({ all: new Set([{ cookie: canary }]) })],
  ["the name of an entry", (canary) => ({ byUrl: new Map([[`https://u:${canary}@host/`, 1]]) })],
  ["fetch's headers", (canary) => ({ headers: new Headers({ authorization: `Bearer ${canary}` }) })],
  ["raw headers", (canary) => ({ rawHeaders: ["Host", "a", "Cookie", canary] })],
  ["pairs of headers", (canary) => ({ headers: [["cookie", canary]] })],
  ["named headers", (canary) => ({ headers: [{ name: "cookie", value: canary }] })],
  ["search parameters", (canary) => ({ query: new URLSearchParams({ access_token: canary }) })],
  ["a header's line", (canary) => ({ text: `GET / HTTP/1.1\r\nCookie: a=${canary}; b=${canary}\r\nHost: x` })],
  ["an error's message", () => ({ error: new Error("see below") })],
  ["an error's field", (canary) => ({ error: Object.assign(new Error("no"), { options: { password: canary } }) })],
  ["a cause", (canary) => ({ error: new Error("no", { cause: new Error(`dial redis://:${canary}@host`) }) })],
  ["a cause that is no error", (canary) => ({ error: new Error("no", { cause: { apiKey: canary } }) })],
  ["one error of many", (canary) => ({ error: new AggregateError([new Error(`?token=${canary}`)], "all failed") })],
  ["user info", (canary) => ({ url: `wss://user:${canary}@example.com:8000/path` })],
  ["user info that is all of it", (canary) => ({ url: `https://${canary}@example.com` })],
  ["user info with a slash", (canary) => ({ url: `redis://user:a/${canary}@host:6379/0` })],
  ["a URL within text", (canary) => ({ line: `dial "https://x.example/?api_key=${canary}" failed` })],
  ["a URL object", (canary) => ({ url: new URL(`https://example.com/?sig=${encodeURIComponent(canary)}`) })],
  ["a parameter in percent-encoding", (canary) => ({ url: `https://example.com/?%74oken=${canary}` })],
  ["a parameter in brackets", (canary) => ({ url: `https://example.com/?user[password]=${canary}&a=1` })],
  ["a parameter with commas", (canary) => ({ url: `https://example.com/?token=a,b;'${canary}&a=1` })],
  ["a fragment", (canary) => ({ url: `https://example.com/#access_token=${canary}&state=1` })],
  ["a path without a host", (canary) => ({ path: `/connection/websocket?cf_token=${canary}` })],
  [
    "a URL in a URL",
    (canary) => ({ url: `https://a.example/?next=${encodeURIComponent(`https://b/?token=${canary}`)}` }),
  ],
  ["JSON", (canary) => ({ body: JSON.stringify({ connect: { token: canary }, id: 1 }) })],
  ["JSON in JSON", (canary) => ({ body: JSON.stringify({ data: JSON.stringify({ password: canary }) }) })],
  ["a printed object", (canary) => ({ text: `{ user: 'ada', password: '${canary}', 'api-key': "${canary}" }` })],
  ["an assignment", (canary) => ({ text: `started with API_TOKEN=${canary} and more` })],
  ["what toJSON answers", (canary) => ({ value: { toJSON: () => ({ secret: canary }) } })],
  [
    "a private key",
    (canary) => ({ pem: `-----BEGIN RSA PRIVATE KEY-----\n${canary.replace("-", "")}\n-----END RSA PRIVATE KEY-----` }),
  ],
];

for (const form of LOG_FORMS) {
  test.each(places)(`zero canaries in the ${form} form: %s`, (_place, plant) => {
    for (const canary of CANARIES) {
      const { logger, text } = collect({ form });
      logger.log("error", "x", "something failed", plant(canary));
      expect(text()).not.toMatch(shapesOf(canary));
      logger.log("error", "x", `something failed: ?token=${canary}`);
      expect(text()).not.toMatch(shapesOf(canary));
    }
  });
}

/** The canary as it is, in percent-encoding, and without what a line break or a key cannot have. */
function shapesOf(canary: string): RegExp {
  const shapes = [canary, encodeURIComponent(canary), decodeURIComponent(canary), canary.replace("-", "")];
  return new RegExp(shapes.map((shape) => shape.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"));
}

test("what is beside a secret stays", () => {
  const { logger, text } = collect();
  const kept = {
    body: '{"cookie":"x","kept":1}',
    url: "wss://u:p@example.com:8000/a/b?x=1&token=t&y=2#end",
    text: "the token is not valid: unexpected token } at 5",
    mail: "ada@example.com",
    time: "12:30:00",
    ipv6: "ws://[::1]:8000/@room",
    channels: ["chat:a", "chat:b"],
  };
  logger.log("info", "x", "y", kept);
  expect(JSON.parse(text())).toMatchObject({
    body: '{"cookie":"[redacted]","kept":1}',
    url: "wss://[redacted]@example.com:8000/a/b?x=1&token=[redacted]&y=2#end",
    text: kept.text,
    mail: kept.mail,
    time_: kept.time,
    ipv6: kept.ipv6,
    channels: kept.channels,
  });
});
