import assert from "node:assert/strict";
import type { CloseInfo, HalfClosable, Link, Payload, Pingable, Prepared, SendResult } from "@polywire/core";
import type { Patience } from "./patience.ts";
import type { Recorder } from "./recorder.ts";

/** A link under test with the recorder that is its sink. */
export class Probe {
  readonly link: Link;
  readonly recorder: Recorder;
  readonly #patience: Patience;

  constructor(link: Link, recorder: Recorder, patience: Patience) {
    this.link = link;
    this.recorder = recorder;
    this.#patience = patience;
  }

  get name(): string {
    return this.recorder.name;
  }

  get halfClosable(): HalfClosable {
    return this.link as Link & HalfClosable;
  }

  get pingable(): Pingable {
    return this.link as Link & Pingable;
  }

  open(): void {
    this.recorder.openOn(this.link);
  }

  pause(): void {
    this.link.pause();
    this.recorder.isPaused = true;
  }

  resume(): void {
    this.recorder.isPaused = false;
    this.link.resume();
  }

  /** Sends, and asserts that it was accepted. */
  send(payload: Payload | Prepared): SendResult {
    const result = this.link.send(payload);
    assert.notEqual(result, "refused", `${this.name}: send was refused (${this.link.refusal})`);
    return result;
  }

  /** Sends all, waiting for `drain` whenever the link says so. */
  async sendAll(payloads: Iterable<Payload>): Promise<void> {
    for (const payload of payloads) {
      const { drains } = this.recorder;
      if (this.send(payload) === "wait") {
        await this.#patience.until(() => this.recorder.drains > drains, `${this.name}: drain after "wait"`);
      }
    }
  }

  /** Waits until this many messages have come, and asserts that no more have. */
  async messages(count: number): Promise<readonly Payload[]> {
    const { messages } = this.recorder;
    await this.#patience.until(
      () => messages.length >= count || this.recorder.closeInfos.length > 0,
      () => `${this.name}: ${count} messages (${messages.length} came)`,
    );
    assert.equal(messages.length, count, `${this.name}: number of messages`);
    return messages;
  }

  /** Waits until this many bytes have come, whatever the messages. */
  async bytes(count: number): Promise<Uint8Array> {
    const { messages } = this.recorder;
    const arrived = (): number => messages.reduce((sum, payload) => sum + toBytes(payload).byteLength, 0);
    await this.#patience.until(
      () => arrived() >= count || this.recorder.closeInfos.length > 0,
      () => `${this.name}: ${count} bytes (${arrived()} came)`,
    );
    return concatenate(messages);
  }

  async closed(): Promise<CloseInfo> {
    await this.#patience.until(() => this.recorder.closeInfos.length > 0, `${this.name}: closed`);
    return this.recorder.closeInfos[0] as CloseInfo;
  }

  async ended(): Promise<void> {
    await this.#patience.until(() => this.recorder.ends > 0, `${this.name}: ended`);
  }
}

const encoder = new TextEncoder();

export function toBytes(payload: Payload): Uint8Array {
  return typeof payload === "string" ? encoder.encode(payload) : payload;
}

export function concatenate(payloads: readonly Payload[]): Uint8Array {
  const parts = payloads.map(toBytes);
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.byteLength;
  }
  return whole;
}
