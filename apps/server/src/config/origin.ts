import { readText } from "./values.ts";

/** Reads an origin such as `https://example.com` or `https://*.example.com`, or `*` for any. */
export function readOrigin(raw: unknown): string {
  const text = readText(raw, 512);
  if (text === "*") return text;
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    throw new Error("must begin with its scheme, like https://example.com");
  }
  let parsed: URL;
  try {
    parsed = new URL(text);
  } catch {
    throw new Error("must be an origin like https://example.com");
  }
  if (parsed.username !== "" || parsed.password !== "") throw new Error("must not hold a user name or password");
  if (parsed.search !== "" || parsed.hash !== "" || !["", "/"].includes(parsed.pathname)) {
    throw new Error("must be scheme, host and port alone, like https://example.com:8443");
  }
  return `${parsed.protocol}//${parsed.host}`;
}
