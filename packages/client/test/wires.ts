import { makeCertificate } from "@polywire/conformance/testing";
import type { AnyProtocol } from "@polywire/core";
import { memory } from "@polywire/core/memory";
import type { CentrifugeOptions } from "@polywire/dialect-centrifuge";
import { grpc } from "@polywire/grpc";
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
}

const GRPC = {
  url: "grpc://127.0.0.1:0/polywire.centrifuge.v1.Centrifuge/Connect",
  protocol: () => grpc(),
  listen: { carries: "links" },
  dialect: { format: "protobuf", delimited: false },
  isTcp: true,
} as const;

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
];
