import { type DataFormat, PolywireError } from "@polywire/core";
import type { ChannelSettings } from "./channel-rules.ts";
import { isJsonText } from "./json-text.ts";
import type { HubLimits } from "./options.ts";
import { conforming } from "./standard-schema.ts";

/** Most bytes of a publication's tags, names and values together. */
const MAX_TAG_BYTES = 4_096;

export interface EncodedData {
  readonly data: Uint8Array;
  readonly format: DataFormat;
}

export interface EncodeOptions {
  /** For the error's message. */
  readonly channel: string;
  readonly rule: Pick<ChannelSettings, "data"> & Partial<Pick<ChannelSettings, "schema">>;
  readonly limits: Pick<HubLimits, "publicationBytes" | "jsonDepth">;
  readonly format: DataFormat | undefined;
}

/**
 * What a program publishes, as bytes of its own: a `Uint8Array` as it is, a string for the format `text`, anything else as
 * JSON.
 *
 * @throws PolywireError `invalid-argument` for what the channel does not take, `too-large`.
 */
export function encodeData(given: unknown, { channel, rule, limits, format }: EncodeOptions): EncodedData {
  const encoded = given instanceof Uint8Array ? fromBytes(given, rule, format) : fromValue(given, rule, format);
  const { data } = encoded;
  const refuse = (message: string): PolywireError =>
    new PolywireError("invalid-argument", `cannot publish to "${channel}": ${message}`);
  if (data.length > limits.publicationBytes) {
    const message = `cannot publish to "${channel}": ${data.length} bytes, the limit is ${limits.publicationBytes}`;
    throw new PolywireError("too-large", message);
  }
  if (rule.data === "json" && encoded.format === "binary") throw refuse('the channel takes JSON, not "binary"');
  if (encoded.format === "json" && !isJsonText(data, limits.jsonDepth)) {
    throw refuse(`the data are not JSON text, or nested deeper than ${limits.jsonDepth}`);
  }
  if (encoded.format === "text" && !fitsAsJsonString(data, limits.publicationBytes)) {
    throw refuse("the text is not UTF-8, or too large as a JSON string");
  }
  if (rule.schema === undefined) return encoded;
  const text = new TextDecoder().decode(data);
  const checked = conforming(rule.schema, encoded.format === "json" ? (JSON.parse(text) as unknown) : text);
  if ("problem" in checked) throw refuse(checked.problem);
  return { data: checked.data, format: "json" };
}

/** @throws PolywireError `too-large`. */
export function checkTags(tags: Readonly<Record<string, string>>, channel: string): ReadonlyMap<string, string> {
  const checked = new Map(Object.entries(tags));
  let bytes = 0;
  const encoder = new TextEncoder();
  for (const [name, value] of checked) {
    if (typeof value !== "string") {
      throw new PolywireError("invalid-argument", `cannot publish to "${channel}": tag "${name}" is not a string`);
    }
    bytes += encoder.encode(name).length + encoder.encode(value).length;
  }
  if (bytes <= MAX_TAG_BYTES) return checked;
  throw new PolywireError("too-large", `cannot publish to "${channel}": tags take ${bytes} of ${MAX_TAG_BYTES} bytes`);
}

/** A copy: the caller may use its array again. */
function fromBytes(given: Uint8Array, rule: EncodeOptions["rule"], format: DataFormat | undefined): EncodedData {
  return { data: given.slice(), format: format ?? (rule.data === "binary" ? "binary" : "json") };
}

function fromValue(given: unknown, rule: EncodeOptions["rule"], format: DataFormat | undefined): EncodedData {
  const wanted = format ?? (rule.data === "binary" && typeof given === "string" ? "text" : "json");
  if (wanted === "json") {
    const text = stringify(given);
    if (text === undefined) throw new PolywireError("invalid-argument", `${typeof given} data have no JSON form`);
    return { data: new TextEncoder().encode(text), format: wanted };
  }
  if (wanted === "text" && typeof given === "string") return { data: new TextEncoder().encode(given), format: wanted };
  const takes = wanted === "text" ? "a string or a Uint8Array" : "a Uint8Array";
  throw new PolywireError("invalid-argument", `data of the format "${wanted}" must be ${takes}, not ${typeof given}`);
}

function stringify(given: unknown): string | undefined {
  try {
    return JSON.stringify(given) as string | undefined;
  } catch (thrown) {
    throw PolywireError.from(thrown, "invalid-argument", "data have no JSON form");
  }
}

/** JSON wires carry text as a string, in which some characters take six bytes. */
function fitsAsJsonString(data: Uint8Array, maxBytes: number): boolean {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
    return new TextEncoder().encode(JSON.stringify(text)).length <= maxBytes;
  } catch {
    return false;
  }
}
