import assert from "node:assert/strict";
import type { Payload, Traits } from "@polywire/core";
import { concatenate, type Probe, toBytes } from "../probe.ts";

/** Everything arrives, in order. */
export function isDependable({ ordered, reliable }: Traits): boolean {
  return ordered && reliable;
}

/** Everything arrives, in order, one message for each that was sent. */
export function isMessages(traits: Traits): boolean {
  return isDependable(traits) && traits.kind === "message";
}

/** Bytes that tell of every shift and swap; another seed gives others. */
export function bytesOf(seed: number, byteLength: number): Uint8Array {
  const bytes = new Uint8Array(byteLength);
  let state = (seed * 2_654_435_761 + 1) >>> 0;
  for (let index = 0; index < byteLength; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

/** Waits for exactly these payloads, as far as the wire promises to keep them apart. */
export async function expectArrival(probe: Probe, payloads: readonly Payload[]): Promise<void> {
  if (probe.link.traits.kind === "stream") {
    const expected = concatenate(payloads);
    const arrived = await probe.bytes(expected.byteLength);
    assert.ok(isEqual(arrived, expected), `${probe.name}: the bytes that arrived differ from those sent`);
    return;
  }
  const arrived = await probe.messages(payloads.length);
  for (const [index, payload] of payloads.entries()) {
    const isSame = isEqual(toBytes(arrived[index] as Payload), toBytes(payload));
    assert.ok(isSame, `${probe.name}: message ${index} of ${payloads.length} differs from what was sent`);
  }
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.byteLength === other.byteLength && one.every((byte, index) => byte === other[index]);
}
