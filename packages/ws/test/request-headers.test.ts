import { expect, test } from "vitest";
import { RequestHeaders } from "../src/request-headers.ts";

const headers = new RequestHeaders({ host: "example.com", "set-cookie": ["a=1", "b=2"], origin: undefined });

test("one header", () => {
  expect(headers.get("host")).toBe("example.com");
  expect(headers.get("set-cookie")).toBe("a=1, b=2");
  expect(headers.has("host")).toBe(true);
});

test.each(["origin", "missing", "constructor", "__proto__", "toString", "Host"])("no header: %s", (name) => {
  expect(headers.get(name)).toBeUndefined();
  expect(headers.has(name)).toBe(false);
});

test("all of them, as of any map", () => {
  const all = [
    ["host", "example.com"],
    ["set-cookie", "a=1, b=2"],
  ];
  expect([...headers]).toEqual(all);
  expect([...headers.entries()]).toEqual(all);
  expect([...headers.keys()]).toEqual(["host", "set-cookie"]);
  expect([...headers.values()]).toEqual(["example.com", "a=1, b=2"]);
  expect(headers.size).toBe(2);
  const told: unknown[] = [];
  const self = {};
  headers.forEach(function (this: unknown, value, name, whose) {
    told.push([name, value, whose === headers, this === self]);
  }, self);
  expect(told).toEqual(all.map(([name, value]) => [name, value, true, true]));
});
