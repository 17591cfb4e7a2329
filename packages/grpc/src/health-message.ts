import { PolywireError } from "@polywire/core";

/** `grpc.health.v1.HealthCheckResponse.ServingStatus`. */
export const SERVING_STATUSES = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"] as const;

export type ServingStatus = (typeof SERVING_STATUSES)[number];

/** Field 1, length-delimited: `service`. */
const SERVICE_TAG = 0x0a;
/** Field 1, varint: `status`. */
const STATUS_TAG = 0x08;
const MAX_VARINT_BYTES = 10;

/** `HealthCheckRequest`. */
export function encodeRequest(service: string): Uint8Array {
  if (service === "") return new Uint8Array();
  const name = Buffer.from(service);
  return Buffer.concat([Uint8Array.of(SERVICE_TAG), varint(name.byteLength), name]);
}

/** @throws PolywireError `protocol-violation`. */
export function decodeRequest(bytes: Uint8Array): string {
  let service = "";
  readFields(bytes, (field, value) => {
    if (field === 1 && value instanceof Uint8Array) service = Buffer.from(value).toString("utf8");
  });
  return service;
}

/** `HealthCheckResponse`. */
export function encodeResponse(status: ServingStatus): Uint8Array {
  const value = SERVING_STATUSES.indexOf(status);
  return value === 0 ? new Uint8Array() : Uint8Array.of(STATUS_TAG, value);
}

/** A status that is not known is UNKNOWN. @throws PolywireError `protocol-violation`. */
export function decodeResponse(bytes: Uint8Array): ServingStatus {
  let status: ServingStatus = "UNKNOWN";
  readFields(bytes, (field, value) => {
    if (field === 1 && typeof value === "number") status = SERVING_STATUSES[value] ?? "UNKNOWN";
  });
  return status;
}

/** `HealthListResponse`: a map of service names to responses. */
export function encodeList(statuses: Iterable<readonly [string, ServingStatus]>): Uint8Array {
  const entries: Uint8Array[] = [];
  for (const [service, status] of statuses) {
    const response = encodeResponse(status);
    const value = Buffer.concat([Uint8Array.of(0x12), varint(response.byteLength), response]);
    const entry = Buffer.concat([encodeRequest(service), value]);
    entries.push(Uint8Array.of(0x0a), varint(entry.byteLength), entry);
  }
  return Buffer.concat(entries);
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

type Field = (field: number, value: number | Uint8Array | undefined) => void;

/** Protocol Buffers, wire format: fields that are not known are skipped. */
function readFields(bytes: Uint8Array, tell: Field): void {
  let offset = 0;
  while (offset < bytes.byteLength) {
    const tag = readVarint(bytes, offset);
    offset = tag.next;
    const field = Math.floor(tag.value / 8);
    const type = tag.value % 8;
    if (field === 0) throw malformed();
    if (type === 0) {
      const varint = readVarint(bytes, offset);
      offset = varint.next;
      tell(field, varint.value);
    } else if (type === 2) {
      const length = readVarint(bytes, offset);
      offset = length.next + length.value;
      if (offset > bytes.byteLength) throw malformed();
      tell(field, bytes.subarray(length.next, offset));
    } else if (type === 1 || type === 5) {
      offset += type === 1 ? 8 : 4;
      if (offset > bytes.byteLength) throw malformed();
      tell(field, undefined);
    } else {
      throw malformed();
    }
  }
}

function readVarint(bytes: Uint8Array, from: number): { readonly value: number; readonly next: number } {
  let value = 0;
  for (let index = 0; index < MAX_VARINT_BYTES; index++) {
    const byte = bytes[from + index];
    if (byte === undefined) throw malformed();
    value += (byte & 0x7f) * 128 ** index;
    if (byte < 0x80) return { value, next: from + index + 1 };
  }
  throw malformed();
}

function malformed(): PolywireError {
  return new PolywireError("protocol-violation", "a message of grpc.health.v1 cannot be decoded");
}
