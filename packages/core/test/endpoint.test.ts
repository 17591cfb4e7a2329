import fc from "fast-check";
import { expect, test } from "vitest";
import { parseEndpoint, withPort } from "../src/index.ts";

test("a URL is taken apart", () => {
  const endpoint = parseEndpoint("WSS://User:pa%20ss@Example.COM:8443/a/./b/../c?x=1&token=hush#part");
  expect(endpoint).toMatchObject({
    scheme: "wss",
    host: "example.com",
    port: 8443,
    path: "/a/c",
    query: "x=1&token=hush",
    href: "wss://User:pa%20ss@example.com:8443/a/c?x=1&token=hush",
    display: "wss://example.com:8443/a/c?x=1&token=***",
  });
});

test.each([
  ["ws://[::1]:80/", { host: "::1", port: 80, path: "/" }],
  ["tcp://localhost:7000", { host: "localhost", port: 7000, path: "" }],
  ["http://example.com", { host: "example.com", port: undefined }],
  ["http://example.com:80/", { port: 80 }],
  ["ws://127.0.0.1:0/x", { port: 0 }],
  ["memory:name", { scheme: "memory", host: "", path: "name" }],
])("%s", (url, expected) => {
  expect(parseEndpoint(url)).toMatchObject(expected);
});

test.each([
  ["", /no scheme/],
  ["//host/", /no scheme/],
  ["1ws://host/", /no scheme/],
  ["ws://host:65536/", /host and port/],
  ["ws://host:80a/", /host and port/],
  ["ws://[::1/", /host and port/],
  [`ws://host/${"x".repeat(10_000)}`, /longer than 8192/],
])("%s is refused", (url, says) => {
  expect(() => parseEndpoint(url)).toThrow(expect.objectContaining({ code: "invalid-argument" }));
  expect(() => parseEndpoint(url)).toThrow(says);
});

test("what is no string is refused", () => {
  for (const value of [undefined, null, 1, {}, new URL("ws://host/")])
    expect(() => parseEndpoint(value as string)).toThrow(expect.objectContaining({ code: "invalid-argument" }));
});

test("no printed form holds a secret", () => {
  const secrets = ["token", "cf_connect", "apiKey", "PASSWORD", "x-signature", "tok%65n", "client_secret"];
  for (const name of secrets) {
    const endpoint = parseEndpoint(`ws://u:hush@host/?a=1&${name}=hush`);
    for (const printed of [String(endpoint), JSON.stringify(endpoint), JSON.stringify({ endpoint }), endpoint.display])
      expect(printed).not.toContain("hush");
    expect(endpoint.href).toContain(`${name}=hush`);
  }
});

test("an error about a URL does not show its secrets", () => {
  for (const url of ["ws://u:hush@host:99999/?token=hush", "ws://u:hush@[::/?token=hush"])
    expect(() => parseEndpoint(url)).toThrow(expect.not.objectContaining({ message: expect.stringContaining("hush") }));
});

test("withPort keeps all but the port", () => {
  const options = { deflate: false };
  const bound = withPort(parseEndpoint("ws://[::1]:0/path?x=1", options), 1234);
  expect(bound.href).toBe("ws://[::1]:1234/path?x=1");
  expect(bound.options).toBe(options);
});

const label = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/);
const segment = fc.stringMatching(/^[a-zA-Z0-9_~-]{0,8}$/);

test("parsing what was parsed changes nothing", () => {
  fc.assert(
    fc.property(
      label,
      label,
      fc.option(fc.integer({ min: 0, max: 65_535 })),
      fc.array(segment, { maxLength: 4 }),
      fc.dictionary(segment, segment, { maxKeys: 3 }),
      (scheme, host, port, segments, query) => {
        const search = Object.entries(query).map(([name, value]) => `${name}=${value}`);
        const url = `${scheme}://${host}${port === null ? "" : `:${port}`}/${segments.join("/")}${search.length > 0 ? `?${search.join("&")}` : ""}`;
        const once = parseEndpoint(url);
        const again = parseEndpoint(once.href);
        const isSame = again.href === once.href && again.display === once.display;
        const isRight = once.scheme === scheme && once.host === host && once.port === (port ?? undefined);
        return isSame && isRight && (port === null || withPort(once, port).href === once.href);
      },
    ),
  );
});

test("any text is parsed or refused with our error", () => {
  const tail = fc.string({ maxLength: 40 });
  fc.assert(
    fc.property(fc.constantFrom("", "ws://", "ws:", "ws://host:", "ws://[", "ws://u:p@"), tail, (head, text) => {
      try {
        return /^[a-z][a-z0-9+.-]*:/.test(parseEndpoint(head + text).href);
      } catch (thrown) {
        return (thrown as { code?: unknown }).code === "invalid-argument";
      }
    }),
  );
});
