import { isUtf8 } from "node:buffer";

/** How data of channels are written on the command line, in one encoding of the SDK. */
export interface ChannelData {
  /** JSON stays what it is; anything else is taken as a text. `isText`: everything is. */
  read(line: string, isText: boolean): unknown;
  /** One line: JSON as it came, bytes that are no text as a JSON string in Base64. */
  show(data: unknown): string;
  /** For `--json`. */
  describe(data: unknown): { readonly data: unknown } | { readonly base64: string };
}

export const JSON_DATA: ChannelData = {
  read: (line, isText) => (isText ? line : (parsed(line)?.value ?? line)),
  show: (data) => JSON.stringify(data),
  describe: (data) => ({ data }),
};

/** The SDK's Protobuf build takes and gives bytes; in most channels they are JSON all the same. */
export const PROTOBUF_DATA: ChannelData = {
  read: (line, isText) => Buffer.from(!isText && parsed(line) !== undefined ? line : JSON.stringify(line)),
  show(data) {
    const bytes = data as Uint8Array;
    return isUtf8(bytes) ? Buffer.from(bytes).toString("utf8") : JSON.stringify(base64(bytes));
  },
  describe(data) {
    const bytes = data as Uint8Array;
    const json = isUtf8(bytes) ? parsed(Buffer.from(bytes).toString("utf8")) : undefined;
    return json === undefined ? { base64: base64(bytes) } : { data: json.value };
  },
};

/** With `--raw`: the bytes of the line, whatever they are. */
export const RAW_DATA: ChannelData = { ...PROTOBUF_DATA, read: (line) => Buffer.from(line) };

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}
