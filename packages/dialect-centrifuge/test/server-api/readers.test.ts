import { PolywireError } from "@polywire/core";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { METHODS } from "../../src/server-api/methods.ts";
import { ProtobufMessages, protobufName } from "../../src/server-api/protobuf-messages.ts";
import { JsonRequestReader } from "../../src/server-api/read-json.ts";
import { SAMPLES } from "./samples.ts";

// Properties and schemas take their time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

/** Reads, or says what is wrong in the one way that is answered with 400. */
function isReadOrRefused(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (thrown) {
    return PolywireError.is(thrown) && thrown.code === "protocol-violation";
  }
}

describe("readers of requests", () => {
  const json = new JsonRequestReader();
  const messages = new ProtobufMessages();

  it("read any bytes, or say what is wrong with them", () => {
    for (const { name, request } of METHODS.values()) {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
          const isJson = isReadOrRefused(() => json.read(bytes, request));
          return isJson && isReadOrRefused(() => messages.read(bytes, `${protobufName(name)}Request`, request));
        }),
      );
    }
  });

  it("read any JSON with anything changed in it, or say what is wrong with it", () => {
    for (const { name, request } of METHODS.values()) {
      const text = JSON.stringify(SAMPLES[name]);
      const change = fc.record({
        at: fc.nat({ max: text.length }),
        removed: fc.nat({ max: 5 }),
        put: fc.oneof(
          fc.string({ maxLength: 5 }),
          fc.constantFrom('"', "{", "}", "[", "]", ":", ",", "null", "1e9", "\\u0000"),
        ),
      });
      fc.assert(
        fc.property(change, ({ at, removed, put }) => {
          const changed = text.slice(0, at) + put + text.slice(at + removed);
          const isSound = isReadOrRefused(() => json.readText(changed, request));
          // What is read is JSON: the platform's own parser thinks so too.
          return isSound && (!reads(() => json.readText(changed, request)) || reads(() => JSON.parse(changed)));
        }),
        { numRuns: 300 },
      );
    }
  });

  it("read what one of them has read and the other is told", () => {
    const request = METHODS.get("publish")?.request ?? {};
    const values = json.readText('{"channel":"a","b64data":"AP8=","tags":{"x":""},"version":7,"delta":false}', request);
    expect(values).toEqual({
      channel: "a",
      data: { bytes: Buffer.from([0, 255]), format: undefined },
      tags: new Map([["x", ""]]),
      version: 7,
      delta: false,
    });
  });
});

function reads(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch {
    return false;
  }
}
