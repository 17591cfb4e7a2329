import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeCertificate } from "@polywire/conformance/testing";
import type { AnyProtocol, Listener } from "@polywire/core";
import { memory } from "@polywire/core/memory";
import type { CentrifugeOptions } from "@polywire/dialect-centrifuge";
import { grpc } from "@polywire/grpc";
import { tcp } from "@polywire/tcp";
import { type UdpListener, udp } from "@polywire/udp";
import { ws } from "@polywire/ws";
import { type Encoding, JSON_ENCODING, PROTOBUF_ENCODING } from "./encodings.ts";

/** How a server listens at one wire for clients of one encoding. */
export interface ServedWire {
  readonly name: string;
  readonly encoding: Encoding;
  readonly protocol: () => AnyProtocol;
  readonly url: string;
  /** Its links are TCP connections, so a proxy can cut them between any two bytes. */
  readonly isTcp?: boolean;
  readonly listen?: object;
  readonly dialect?: CentrifugeOptions;
  /** Dial options by scheme. */
  readonly dial?: Readonly<Record<string, object>>;
  /** Fulfilled when the address is free, where it may stay taken for a while after the network is closed. */
  readonly freed?: (listener: Listener) => Promise<void>;
}

const GRPC = {
  url: "grpc://127.0.0.1:0/polywire.centrifuge.v1.Centrifuge/Connect",
  protocol: () => grpc(),
  listen: { carries: "links" },
  dialect: { format: "protobuf", delimited: false },
  isTcp: true,
} as const;

const LINES = { encoding: JSON_ENCODING, protocol: () => tcp(), listen: { framing: "lines" } } as const;
const VARINTS = {
  encoding: PROTOBUF_ENCODING,
  protocol: () => tcp(),
  listen: { framing: "varint" },
  dialect: { format: "protobuf", delimited: false },
} as const;

const sockets = mkdtempSync(join(tmpdir(), "polywire-client-"));
process.once("exit", () => rmSync(sockets, { recursive: true, force: true }));

const { cert, key } = makeCertificate({ name: "127.0.0.1", hosts: ["127.0.0.1"] });
const TRUST = { tls: { ca: cert } };

const both = [JSON_ENCODING, PROTOBUF_ENCODING];

/** Every wire that the SDK is run over; a new one is a line. */
export const WIRES: readonly ServedWire[] = [
  ...both.map((encoding) => ({ name: "memory", encoding, protocol: () => memory(), url: "memory://hub:0/connect" })),
  ...both.map((encoding) => ({
    name: "ws",
    encoding,
    protocol: () => ws(),
    url: "ws://127.0.0.1:0/connect",
    isTcp: true,
  })),
  {
    name: "wss",
    encoding: JSON_ENCODING,
    protocol: () => ws(),
    url: "wss://127.0.0.1:0/connect",
    isTcp: true,
    listen: { tls: { cert, key } },
    dial: { wss: TRUST },
  },
  { name: "grpc", encoding: PROTOBUF_ENCODING, ...GRPC },
  {
    ...GRPC,
    name: "grpcs",
    encoding: PROTOBUF_ENCODING,
    url: GRPC.url.replace("grpc:", "grpcs:"),
    listen: { ...GRPC.listen, tls: { cert, key } },
    dial: { grpcs: TRUST },
  },
  { name: "tcp", ...LINES, url: "tcp://127.0.0.1:0", isTcp: true },
  { name: "tcp", ...VARINTS, url: "tcp://127.0.0.1:0", isTcp: true },
  {
    ...VARINTS,
    name: "tcps",
    url: "tcps://127.0.0.1:0",
    isTcp: true,
    listen: { ...VARINTS.listen, tls: { cert, key } },
    dial: { tcps: TRUST },
  },
  { name: "unix", ...LINES, url: `unix:${join(sockets, "lines.sock")}` },
  { name: "unix", ...VARINTS, url: `unix:${join(sockets, "varint.sock")}` },
  ...both.map((encoding) => ({
    name: "udp",
    encoding,
    protocol: () => udp(),
    url: "udp://127.0.0.1:0",
    listen: { mode: "reliable" },
    freed: ({ server }: Listener) => (server as UdpListener["server"]).closed,
  })),
];
