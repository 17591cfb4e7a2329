import { isIP } from "node:net";
import { readText } from "./values.ts";

/** An address to listen at, checked. */
export interface ListenAddress {
  /** Canonical: `http://127.0.0.1:8000`. */
  readonly url: string;
  readonly scheme: "http";
  /** Without brackets. */
  readonly host: string;
  /** 0 only in programs: any free port. */
  readonly port: number;
}

/** Schemes that are planned; whoever writes one is told that it is not there yet, instead of that it is wrong. */
const LATER_SCHEMES: ReadonlySet<string> = new Set([
  "https",
  "ws",
  "wss",
  "tcp",
  "tcps",
  "udp",
  "grpc",
  "grpcs",
  "unix",
]);

const URL_PARTS = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/i;
const AUTHORITY_PARTS = /^(\[[0-9a-f:.]+\]|[^[\]:]+)(?::(.*))?$/i;
const HOST_NAME = /^(?!-)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*\.?$/i;

/** Reads `http://host:port`. */
export function readListenAddress(raw: unknown): ListenAddress {
  const [, givenScheme = "", rest = ""] = URL_PARTS.exec(readText(raw, 512)) ?? [];
  const scheme = givenScheme.toLowerCase();
  if (scheme === "") throw new Error("must be a URL like http://127.0.0.1:8000");
  if (LATER_SCHEMES.has(scheme)) throw new Error(`${scheme}:// is not supported in this version: use http://`);
  if (scheme !== "http") throw new Error(`has the unknown scheme "${scheme}": use http://`);

  const authority = rest.replace(/\/$/, "");
  if (authority.includes("@")) throw new Error("must not hold a user name or password");
  if (/[/?#]/.test(authority)) throw new Error("must be a host and a port alone, without path or query");
  const [, host = "", port] = AUTHORITY_PARTS.exec(authority) ?? [];
  if (host === "") throw new Error("must be a URL like http://127.0.0.1:8000");
  return listenAddress(checkedHost(host), checkedPort(port));
}

/** The address of a host and port that need no check. */
export function listenAddress(host: string, port: number): ListenAddress {
  return { url: `http://${host.includes(":") ? `[${host}]` : host}:${port}`, scheme: "http", host, port };
}

/** Whether only this machine reaches the host. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

function checkedHost(host: string): string {
  const bare = host.replace(/^\[|\]$/g, "").toLowerCase();
  if (host.startsWith("[") ? isIP(bare) === 6 : isIP(bare) === 4) return bare;
  const looksLikeAddress = /^[\d.]+$/.test(bare);
  if (host.startsWith("[") || looksLikeAddress || !HOST_NAME.test(bare)) {
    throw new Error("has a host that is neither an IP address nor a name (IPv6 goes in brackets)");
  }
  return bare;
}

function checkedPort(port: string | undefined): number {
  if (port === undefined || port === "") throw new Error("has no port: write it like http://127.0.0.1:8000");
  if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535) {
    throw new Error(`has the port ${JSON.stringify(port.slice(0, 16))}: give a number from 1 to 65535`);
  }
  return Number(port);
}

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
