import { PolywireError } from "@polywire/core";

/** Where a trace goes on: the `traceparent` header of the W3C's Trace Context. */
export interface Traceparent {
  /** 32 hexadecimal digits in lower case, not all of them 0. */
  readonly traceId: string;
  /** 16 hexadecimal digits in lower case, not all of them 0: the span that is the parent. */
  readonly parentId: string;
  /** Whether the caller may have recorded the trace. */
  readonly isSampled: boolean;
}

const FIELDS = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const SAMPLED = 1;

/** Longest header of a later version that is looked at. */
const MAX_CHARACTERS = 512;

/** Reads a `traceparent`, also of a later version; `undefined` for anything else, and then a new trace begins. */
export function parseTraceparent(text: string): Traceparent | undefined {
  const [, version, traceId = "", parentId = "", flags = "", more] =
    (text.length <= MAX_CHARACTERS && FIELDS.exec(text)) || [];
  if (version === undefined || version === "ff" || (version === "00" && more !== undefined)) return undefined;
  if (!isId(traceId, 32) || !isId(parentId, 16)) return undefined;
  return { traceId, parentId, isSampled: (Number.parseInt(flags, 16) & SAMPLED) === SAMPLED };
}

/**
 * Writes it in version 00.
 *
 * @throws PolywireError `invalid-argument` for ids that are none.
 */
export function formatTraceparent({ traceId, parentId, isSampled }: Traceparent): string {
  checkId("traceId", traceId, 32);
  checkId("parentId", parentId, 16);
  return `00-${traceId}-${parentId}-${isSampled ? "01" : "00"}`;
}

function checkId(name: string, value: string, digits: number): void {
  if (isId(value, digits)) return;
  const advice = `give ${digits} hexadecimal digits in lower case, not all of them 0`;
  throw new PolywireError("invalid-argument", `${name} is "${value}": ${advice}`);
}

function isId(text: string, digits: number): boolean {
  return text.length === digits && /^[0-9a-f]+$/.test(text) && !/^0+$/.test(text);
}
