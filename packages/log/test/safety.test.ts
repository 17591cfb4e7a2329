import * as fc from "fast-check";
import { expect, test } from "vitest";
import { LOG_FORMS, type LogForm } from "../src/index.ts";
import { collect } from "./collector.ts";

test.each(LOG_FORMS)("H42: a forged line and terminal codes in a field stay inside their event (%s)", (form) => {
  const { logger, text } = collect({ form });
  logger.log("info", "http", "request refused", {
    userAgent: '\r\n{"level":"error"}\u001b[31mred\u009b2J\u202egnp.exe\u2028end',
  });
  const lines = text().trimEnd().split("\n");
  expect(lines.filter((line) => line.startsWith("{") || line.startsWith("[") || line.startsWith("time=")).length).toBe(
    1,
  );
  expect(lines.length).toBe(form === "tree" ? 4 : 1);
  // oxlint-disable-next-line no-control-regex
  expect(text()).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202e]/);
});

test.each(LOG_FORMS)("whatever component, message and fields hold, one event is one block (%s)", (form) => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary" }),
      fc.string({ unit: "binary" }),
      fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue()),
      (component, message, fields) => {
        const { logger, text } = collect({ form });
        logger.log("info", component, message, fields);
        expect(text().endsWith("\n")).toBe(true);
        expect(text().slice(0, -1)).toMatch(BLOCKS[form]);
      },
    ),
    { numRuns: 300 },
  );
});

/** All of one event: nothing after the first line begins where a new event would. */
const BLOCKS: Record<LogForm, RegExp> = {
  tree: /^\[2026-06-01T18:18:44\.500000\] INFO \| [^\n]*(\n(│ {3}| {4})*(├── |└── |┊ )[^\n]*)*$/,
  json: /^\{"level":"info","time":[^\n]*\}$/,
  logfmt: /^time=2026-06-01T18:18:44\.500000Z level=info component=[^\n]*$/,
};

const CANARY = "c4n4ry-5ecret";

test.each([
  ["a field by its name", { token: CANARY }],
  ["a field in another spelling", { "X-API-Key": CANARY, api_key: CANARY, hmacSecret: CANARY, clientToken: CANARY }],
  ["a nested field", { request: { headers: { Authorization: `Bearer ${CANARY}`, Cookie: `sid=${CANARY}` } } }],
  ["a list and an object under a secret's name", { passwords: [CANARY], credentials: { user: CANARY } }],
  ["a number under a secret's name", { password: 12345678 }],
  ["a Map", { headers: new Map([["set-cookie", CANARY]]) }],
  ["an error's message", { failure: new Error(`dial redis://user:${CANARY}@host:6379/0 failed`) }],
  ["user info of a URL", { url: `https://user:${CANARY}@example.com/path` }],
  ["user info without a name", { url: `redis://:${CANARY}@host` }],
  ["a URL object", { url: new URL(`wss://example.com/?token=${CANARY}`) }],
  ["query parameters", { url: `/connection/websocket?a=1&access_token=${CANARY}&key=${CANARY}&b=2` }],
  ["credentials in running text", { line: `sent Authorization: Bearer ${CANARY} to peer` }],
  ["JSON text", { body: `{"a":1,"password" : "${CANARY}"}` }],
  ["a token by its look", { line: `got eyJhbGciOiJIUzI1NiJ9.${CANARY}.c2ln` }],
])("a secret is never written: %s", (_where, fields) => {
  for (const form of LOG_FORMS) {
    const { logger, text } = collect({ form });
    logger.log("error", "x", "something failed", fields);
    expect(text()).not.toContain(CANARY);
    expect(text()).not.toContain("12345678");
    expect(text()).toContain("[redacted]");
  }
});

test("a secret is never written: in the message", () => {
  const { logger, text } = collect();
  logger.log("error", "x", `cannot reach redis://:${CANARY}@host?password=${CANARY}`);
  expect(text()).not.toContain(CANARY);
});

test("what is no secret stays readable", () => {
  const { logger, text } = collect();
  const fields = {
    key: "limits.clients",
    hasToken: true,
    token: null,
    url: "ws://127.0.0.1:8000/connection/websocket?format=protobuf",
    at: "mail@example.com",
  };
  logger.log("info", "x", "plain", fields);
  expect(JSON.parse(text())).toMatchObject(fields);
});

test("redaction is linear in hostile text", () => {
  const { logger, text } = collect();
  const started = performance.now();
  for (const unit of ["://", "a=", '"a":"', "bearer ", "eyJ", "aaaaaaaa", "&", "\\", "=", '"', "eyJaaaaaaaa.", "a."]) {
    logger.log("info", "x", unit.repeat(500_000 / unit.length));
  }
  expect(performance.now() - started).toBeLessThan(1_000);
  expect(text()).not.toBe("");
});
