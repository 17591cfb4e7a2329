import { isIP } from "node:net";
import { readText } from "./values.ts";

export type ListenScheme = "http" | "https" | "tcp" | "tcps" | "unix" | "udp" | "grpc" | "grpcs";

/** How clients of a wire that cannot say it themselves are spoken to. */
type ClientFormat = "json" | "protobuf";

/** An address to listen at, checked. */
export interface ListenAddress {
  /** Canonical: `http://127.0.0.1:8000`, `unix:/run/polywire.sock`. */
  readonly url: string;
  readonly scheme: ListenScheme;
  /** Without brackets; empty for a Unix socket. */
  readonly host: string;
  /** 0 in programs: any free port; 0 for a Unix socket, which has none. */
  readonly port: number;
  readonly format: ClientFormat;
}

interface SchemeInfo {
  /** Whose ports its own are: two listeners on one of them collide. */
  readonly transport: "tcp" | "udp" | "unix";
  readonly isSecure: boolean;
  /** The form in which its clients are spoken to, if the address may say it. */
  readonly takesFormat: boolean;
  readonly example: string;
}

const SCHEMES: Readonly<Record<ListenScheme, SchemeInfo>> = {
  http: { transport: "tcp", isSecure: false, takesFormat: false, example: "http://127.0.0.1:8000" },
  https: { transport: "tcp", isSecure: true, takesFormat: false, example: "https://127.0.0.1:8443" },
  tcp: { transport: "tcp", isSecure: false, takesFormat: true, example: "tcp://127.0.0.1:7000" },
  tcps: { transport: "tcp", isSecure: true, takesFormat: true, example: "tcps://127.0.0.1:7443" },
  unix: { transport: "unix", isSecure: false, takesFormat: true, example: "unix:/run/polywire.sock" },
  udp: { transport: "udp", isSecure: false, takesFormat: false, example: "udp://127.0.0.1:7000" },
  grpc: { transport: "tcp", isSecure: false, takesFormat: false, example: "grpc://127.0.0.1:11000" },
  grpcs: { transport: "tcp", isSecure: true, takesFormat: false, example: "grpcs://127.0.0.1:11443" },
};

const SCHEME_NAMES = Object.keys(SCHEMES) as ListenScheme[];
const INTERNAL_SCHEMES: ReadonlySet<ListenScheme> = new Set(["http", "https", "grpc", "grpcs"]);
const WEBSOCKET_SCHEMES: ReadonlySet<string> = new Set(["ws", "wss"]);

const URL_PARTS = /^([a-z][a-z0-9+.-]*):(.*)$/i;
const AUTHORITY_PARTS = /^(\[[0-9a-f:.]+\]|[^[\]:]+)(?::(.*))?$/i;
const HOST_NAME = /^(?!-)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*\.?$/i;
/** Longest path of a Unix socket, on every system. */
const MAX_SOCKET_PATH_BYTES = 103;

export function isSecureScheme(name: string): boolean {
  return SCHEME_NAMES.some((scheme) => scheme === name && SCHEMES[scheme].isSecure);
}

export function schemeInfo(scheme: ListenScheme): SchemeInfo {
  return SCHEMES[scheme];
}

/** Reads the address of a public listener: `http://host:port`, `tcp://host:port?format=protobuf`, `unix:/path`. */
export function readListenAddress(raw: unknown): ListenAddress {
  const { scheme, rest } = splitScheme(raw);
  const [authority, query] = splitQuery(rest);
  const format = readFormat(scheme, query);
  if (scheme === "unix") return unixAddress(authority, format);
  return { ...readAuthority(scheme, authority), format };
}

/** Reads the address of an internal listener. */
export function readInternalAddress(raw: unknown): ListenAddress {
  const address = readListenAddress(raw);
  if (INTERNAL_SCHEMES.has(address.scheme)) return address;
  throw new Error(`has the scheme "${address.scheme}": an internal address is http://, https://, grpc:// or grpcs://`);
}

/** The address of a host and port that need no check. */
export function listenAddress(host: string, port: number, scheme: ListenScheme = "http"): ListenAddress {
  const url = `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`;
  return { url, scheme, host, port, format: "json" };
}

/** Whether only this machine reaches the host. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

function splitScheme(raw: unknown): { readonly scheme: ListenScheme; readonly rest: string } {
  const [, givenScheme = "", rest = ""] = URL_PARTS.exec(readText(raw, 512)) ?? [];
  const scheme = givenScheme.toLowerCase();
  // `host:port` alone looks like a scheme.
  const isNamed = rest.startsWith("//") || scheme === "unix";
  if (scheme === "" || !isNamed) throw notUrl("http");
  if (WEBSOCKET_SCHEMES.has(scheme)) {
    const base = scheme === "ws" ? "http" : "https";
    throw new Error(`has the scheme "${scheme}": use ${base}://, which serves WebSocket at /connection/websocket`);
  }
  const known = SCHEME_NAMES.find((name) => name === scheme);
  if (known === undefined) {
    throw new Error(`has the unknown scheme "${scheme}": use ${SCHEME_NAMES.map((name) => `${name}:`).join(", ")}`);
  }
  return { scheme: known, rest };
}

function splitQuery(rest: string): [string, string | undefined] {
  const mark = rest.indexOf("?");
  return mark === -1 ? [rest, undefined] : [rest.slice(0, mark), rest.slice(mark + 1)];
}

function readFormat(scheme: ListenScheme, query: string | undefined): ClientFormat {
  if (query === undefined) return "json";
  if (!SCHEMES[scheme].takesFormat) throw new Error("must be a host and a port alone, without path or query");
  const [, format] = /^format=(json|protobuf)$/.exec(query) ?? [];
  if (format === undefined) throw new Error("has a query that is not ?format=json or ?format=protobuf");
  return format as ClientFormat;
}

function unixAddress(path: string, format: ClientFormat): ListenAddress {
  const file = path.replace(/^\/\/(?=\/)/, "");
  if (!/^\/[^\0]*[^/\0]$/.test(file)) throw notUrl("unix");
  if (Buffer.byteLength(file) > MAX_SOCKET_PATH_BYTES) {
    throw new Error(`has a path over ${MAX_SOCKET_PATH_BYTES} bytes: systems take no longer one for a socket`);
  }
  return { url: `unix:${file}`, scheme: "unix", host: "", port: 0, format };
}

function readAuthority(scheme: ListenScheme, rest: string): ListenAddress {
  const authority = rest.replace(/^\/\//, "").replace(/\/$/, "");
  if (authority.includes("@")) throw new Error("must not hold a user name or password");
  if (/[/?#]/.test(authority)) throw new Error("must be a host and a port alone, without path or query");
  const [, host = "", port] = AUTHORITY_PARTS.exec(authority) ?? [];
  if (host === "") throw notUrl(scheme);
  return listenAddress(checkedHost(host), checkedPort(port, scheme), scheme);
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

function checkedPort(port: string | undefined, scheme: ListenScheme): number {
  if (port === undefined || port === "") throw new Error(`has no port: write it like ${SCHEMES[scheme].example}`);
  if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65_535) {
    throw new Error(`has the port ${JSON.stringify(port.slice(0, 16))}: give a number from 1 to 65535`);
  }
  return Number(port);
}

function notUrl(scheme: ListenScheme): Error {
  return new Error(`must be a URL like ${SCHEMES[scheme].example}`);
}
