import { type Endpoint, PolywireError, parseEndpoint } from "@polywire/core";

export type Encoding = "json" | "protobuf";

/**
 * How what the SDK sends and reads becomes messages of a link. `joined`: as on a WebSocket, several commands may share
 * one message; in Protobuf each has its length in front. `single`: one command or reply for each message, in Protobuf
 * without the length.
 */
export type Frames = "joined" | "single";

/** How one wire is dialled for one encoding. */
export interface Wire {
  readonly frames: Frames;
  /** Dial options, under those of the program. */
  readonly dial: Readonly<Record<string, unknown>>;
  /** For URLs that have no path. */
  readonly path?: string;
}

/** Absent: the wire does not carry this encoding. */
type WireRow = Readonly<Partial<Record<Encoding, Wire>>>;

const MESSAGES: WireRow = {
  json: { frames: "joined", dial: {} },
  protobuf: { frames: "joined", dial: { subprotocols: ["centrifuge-protobuf"] } },
};
const BYTES: WireRow = {
  json: { frames: "single", dial: { framing: "lines" } },
  protobuf: { frames: "single", dial: { framing: "varint" } },
};
const DATAGRAMS: WireRow = {
  json: { frames: "joined", dial: { mode: "reliable" } },
  protobuf: { frames: "joined", dial: { mode: "reliable", subprotocols: ["centrifuge-protobuf"] } },
};
const CALLS: WireRow = {
  protobuf: { frames: "single", dial: {}, path: "/polywire.centrifuge.v1.Centrifuge/Connect" },
};

/** What is known of a wire is here and nowhere else; servers of Polywire keep the same. */
const WIRES: ReadonlyMap<string, WireRow> = new Map([
  ["memory", MESSAGES],
  ["ws", MESSAGES],
  ["wss", MESSAGES],
  ["tcp", BYTES],
  ["tcps", BYTES],
  ["unix", BYTES],
  ["udp", DATAGRAMS],
  ["grpc", CALLS],
  ["grpcs", CALLS],
]);

/** A stranger's protocol, unless the program says otherwise. */
const UNKNOWN: WireRow = { json: { frames: "joined", dial: {} }, protobuf: { frames: "joined", dial: {} } };

/** @throws PolywireError `unsupported` if the wire does not carry the encoding. */
export function wireFor(endpoint: Endpoint, encoding: Encoding): Wire {
  const wire = (WIRES.get(endpoint.scheme) ?? UNKNOWN)[encoding];
  if (wire !== undefined) return wire;
  throw new PolywireError(
    "unsupported",
    `"${endpoint}" carries Protobuf only: import { Centrifuge } from "centrifuge/build/protobuf"`,
  );
}

/** The URL with the wire's own path if it has none. */
export function dialledUrl(endpoint: Endpoint, { path }: Wire): string {
  if (path === undefined || (endpoint.path !== "" && endpoint.path !== "/")) return endpoint.href;
  const url = new URL(endpoint.href);
  url.pathname = path;
  return parseEndpoint(url.href).href;
}
