import { type Body, type Exchange, PolywireError } from "@polywire/core";
import { describe, expect, it } from "vitest";
import { centrifuge } from "../src/index.ts";
import { BodyReader } from "../src/request-body.ts";
import { ScriptedHub } from "./scripted-hub.ts";

const MEBIBYTE = 1_048_576;

interface Arriving {
  readonly exchange: Exchange;
  readonly answered: unknown[];
  arrive(bytes: Uint8Array): void;
  leave(): void;
}

/** A request whose body comes when a test says so. */
function arriving(headers: Readonly<Record<string, string>> = {}, path = "/http_stream"): Arriving {
  const gone = new AbortController();
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const answered: unknown[] = [];
  const body: Body = { bytes: () => promise, [Symbol.asyncIterator]: () => expect.unreachable() };
  const exchange: Exchange = {
    method: "POST",
    path,
    query: "",
    headers: new Map(Object.entries(headers)),
    peer: { secure: false },
    body,
    signal: gone.signal,
    respond: ({ status }) => void answered.push(status),
    stream: ({ status }) => {
      answered.push(status);
      throw new PolywireError("invalid-state", "answered already");
    },
  };
  return {
    exchange,
    answered,
    arrive: resolve,
    leave() {
      gone.abort();
      reject(new PolywireError("connection-reset", "gone"));
    },
  };
}

async function codeOf(reading: Promise<unknown>): Promise<string | undefined> {
  try {
    await reading;
    return undefined;
  } catch (thrown) {
    return PolywireError.from(thrown).code;
  }
}

describe("bodies that are being read", () => {
  it("are 64 MiB together at most, and make room when they are read or given up", async () => {
    const reader = new BodyReader(32 * MEBIBYTE);
    const known = arriving({ "content-length": String(32 * MEBIBYTE) });
    // Who does not say how much comes may send as much as anybody.
    const unknown = arriving();
    const readings = [reader.read(known.exchange), reader.read(unknown.exchange)];
    expect(await codeOf(reader.read(arriving({ "content-length": "1" }).exchange))).toBe("overflow");
    known.arrive(new Uint8Array(3));
    expect((await readings[0])?.length).toBe(3);
    const next = arriving({ "content-length": String(32 * MEBIBYTE) });
    const reading = reader.read(next.exchange);
    expect(await codeOf(reader.read(arriving({ "content-length": "1" }).exchange))).toBe("overflow");
    unknown.leave();
    expect(await codeOf(readings[1] as Promise<unknown>)).toBe("connection-reset");
    const last = arriving({ "content-length": "1" });
    last.arrive(new Uint8Array(1));
    expect((await reader.read(last.exchange)).length).toBe(1);
    next.arrive(new Uint8Array(0));
    await reading;
  });

  it.each(["-1", "1.5", "x", "1e999", ""])("a length of %j is none", async (length) => {
    const reader = new BodyReader(100);
    const { exchange, arrive } = arriving({ "content-length": length });
    arrive(new Uint8Array(1));
    // Infinity is longer than any limit.
    expect(await codeOf(reader.read(exchange))).toBe(length === "1e999" ? "too-large" : undefined);
  });
});

describe("a request", () => {
  it.each(["/http_stream", "/emulation", "/uni_sse"])(
    "%s whose peer has gone is not answered, and is no session",
    async (path) => {
      const hub = new ScriptedHub();
      const { exchange, answered, leave } = arriving({}, path);
      const served = centrifuge(hub).exchange(exchange);
      leave();
      await served;
      expect([answered, hub.sessions]).toEqual([[], []]);
    },
  );

  it("whose peer goes as its body has come whole is not answered either", async () => {
    const hub = new ScriptedHub();
    const { exchange, answered, arrive, leave } = arriving();
    const served = centrifuge(hub).exchange(exchange);
    arrive(new Uint8Array(0));
    leave();
    await served;
    expect([answered, hub.sessions]).toEqual([[], []]);
  });

  it("that its wire has answered meanwhile, because it took too long, is no session", async () => {
    const hub = new ScriptedHub();
    const { exchange, answered, arrive } = arriving();
    const served = centrifuge(hub).exchange(exchange);
    arrive(new Uint8Array(0));
    await served;
    expect([answered, hub.sessions]).toEqual([[200], []]);
  });
});
