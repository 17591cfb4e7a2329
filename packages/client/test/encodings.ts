import { Centrifuge } from "centrifuge";
import { Centrifuge as ProtobufCentrifuge } from "centrifuge/build/protobuf";

/** What the SDK speaks. Its Protobuf build takes and gives bytes, the other one values. */
export interface Encoding {
  readonly name: "json" | "protobuf";
  readonly Sdk: typeof Centrifuge;
  encode(value: unknown): unknown;
  decode(data: unknown): unknown;
}

export const JSON_ENCODING: Encoding = {
  name: "json",
  Sdk: Centrifuge,
  encode: (value) => value,
  decode: (data) => data,
};

export const PROTOBUF_ENCODING: Encoding = {
  name: "protobuf",
  // Two builds of one class: their types differ in private fields only.
  Sdk: ProtobufCentrifuge as unknown as typeof Centrifuge,
  encode: (value) => new TextEncoder().encode(JSON.stringify(value)),
  decode: (data) => JSON.parse(new TextDecoder().decode(data as Uint8Array)) as unknown,
};
