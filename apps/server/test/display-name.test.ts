import { expect, test } from "vitest";
import { admitAnonymous } from "../src/display-name.ts";

function shownFor(data: string | Uint8Array | undefined): string | undefined {
  const { user, connectionInfo } = admitAnonymous({
    client: "c",
    action: "connect",
    origin: { transport: "websocket", encoding: "json" },
    ...(data === undefined ? {} : { data: Buffer.from(data) }),
  });
  expect(user).toBe("");
  return connectionInfo === undefined ? undefined : Buffer.from(connectionInfo).toString();
}

test("the name that a client tells is shown, and nothing else of what it tells", () => {
  expect(shownFor('{"name":" Ada ","role":"admin","user":"root"}')).toBe('{"name":"Ada"}');
  expect(shownFor('{"name":"Ünï \\u0000 🦦"}')).toBe('{"name":"Ünï \\u0000 🦦"}');
});

test("a long name is cut between characters", () => {
  expect(shownFor(JSON.stringify({ name: "🦦".repeat(100) }))).toBe(JSON.stringify({ name: "🦦".repeat(64) }));
});

test.each([
  undefined,
  "",
  "null",
  "[]",
  '"Ada"',
  '{"name":5}',
  '{"name":"  "}',
  '{"name":"Ada"',
  `{"name":"${"a".repeat(2000)}"}`,
  new Uint8Array([0xff, 0xfe]),
])("no name is shown for %j", (data) => {
  expect(shownFor(data)).toBeUndefined();
});
