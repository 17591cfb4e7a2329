import { PolywireError } from "./error.ts";

const SECRET_PARAMETER = /token|password|passwd|secret|key|auth|credential|signature|cf_connect/i;
const SCHEME = /^[a-z][a-z0-9+.-]*$/;
const MAX_URL_LENGTH = 8_192;

/**
 * A parsed, canonical URL with the options that go with it.
 *
 * `String(endpoint)`, `JSON.stringify(endpoint)` and the logs get {@link Endpoint.display}, which never holds a secret:
 * user info is left out and the values of query parameters that look like credentials are masked.
 */
export interface Endpoint {
  /** The URL's scheme without the colon, lower case. */
  readonly scheme: string;
  /** Host name or address, without brackets; empty for wires that need none. */
  readonly host: string;
  /** The port, if the URL names one. 0 means: any free port (listeners only). */
  readonly port: number | undefined;
  /** Percent-encoded path, dot segments resolved; empty if the URL has none. */
  readonly path: string;
  /** Query without the question mark. */
  readonly query: string;
  /** The full URL, secrets included: for the wire alone, never for a log. */
  readonly href: string;
  /** The URL for people and logs. */
  readonly display: string;
  /** Options of the protocol given along with the URL, checked by the protocol. */
  readonly options: Readonly<Record<string, unknown>>;
  toString(): string;
  toJSON(): string;
}

/**
 * Parses a URL of any scheme.
 *
 * @throws PolywireError `invalid-argument` that shows the URL without its secrets.
 */
export function parseEndpoint(url: string, options: Readonly<Record<string, unknown>> = {}): Endpoint {
  if (typeof url !== "string") throw invalidUrl(typeof url, "expected a URL as a string");
  if (url.length > MAX_URL_LENGTH) throw invalidUrl(`${url.slice(0, 32)}…`, `longer than ${MAX_URL_LENGTH} characters`);
  const scheme = url.slice(0, Math.max(url.indexOf(":"), 0)).toLowerCase();
  if (!SCHEME.test(scheme)) throw invalidUrl(scheme, "no scheme: write it like ws://host:port/path");
  let parsed: URL;
  try {
    // The URL standard knows authorities only of its own schemes, and drops their default ports: parse as one that has
    // neither surprise, then put the scheme back.
    parsed = new URL(`x-endpoint${url.slice(scheme.length)}`);
  } catch (cause) {
    throw invalidUrl(`${scheme}:…`, "not a valid URL: check host and port (0 to 65535)", cause);
  }
  const host = parsed.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const port = parsed.port === "" ? undefined : Number(parsed.port);
  const path = parsed.pathname;
  const query = parsed.search.slice(1);
  const authority = parsed.host.toLowerCase();
  const slashes = url.slice(scheme.length + 1).startsWith("//") ? "//" : "";
  const display = `${scheme}:${slashes}${authority}${path}${displayQuery(query)}`;
  const userInfo =
    parsed.username === "" ? "" : `${parsed.username}${parsed.password === "" ? "" : ":"}${parsed.password}@`;
  const href = `${scheme}:${slashes}${userInfo}${authority}${path}${query === "" ? "" : `?${query}`}`;
  return new ParsedEndpoint(href, { scheme, host, port, path, query, display, options });
}

/** Many connections have one each: it holds its fields and nothing more. */
class ParsedEndpoint implements Endpoint {
  readonly scheme: string;
  readonly host: string;
  readonly port: number | undefined;
  readonly path: string;
  readonly query: string;
  readonly display: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly #href: string;

  constructor(href: string, parts: Omit<Endpoint, "href" | "toString" | "toJSON">) {
    this.scheme = parts.scheme;
    this.host = parts.host;
    this.port = parts.port;
    this.path = parts.path;
    this.query = parts.query;
    this.display = parts.display;
    this.options = parts.options;
    this.#href = href;
  }

  get href(): string {
    return this.#href;
  }

  toString(): string {
    return this.display;
  }

  toJSON(): string {
    return this.display;
  }
}

/** The same endpoint with another port: what a listener on port 0 was given. */
export function withPort(endpoint: Endpoint, port: number): Endpoint {
  const host = endpoint.host.includes(":") ? `[${endpoint.host}]` : endpoint.host;
  const query = endpoint.query === "" ? "" : `?${endpoint.query}`;
  return parseEndpoint(`${endpoint.scheme}://${host}:${port}${endpoint.path}${query}`, endpoint.options);
}

function displayQuery(query: string): string {
  if (query === "") return "";
  const shown = query.split("&").map((pair) => {
    const name = pair.split("=", 1)[0] ?? "";
    return SECRET_PARAMETER.test(decodeLeniently(name)) ? `${name}=***` : pair;
  });
  return `?${shown.join("&")}`;
}

function decodeLeniently(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function invalidUrl(shown: string, problem: string, cause?: unknown): PolywireError {
  return new PolywireError("invalid-argument", `invalid URL "${shown}": ${problem}`, { cause });
}
