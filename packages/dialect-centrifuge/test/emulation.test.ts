import { readFileSync } from "node:fs";
import fc from "fast-check";
import protobuf from "protobufjs";
import { describe, expect, it } from "vitest";
import { CLIENT_SCHEMA } from "../scripts/protobuf-schema.ts";
import { EmulatedLink } from "../src/emulated-link.ts";
import type { FrameSink } from "../src/frame-sinks.ts";
import { Exchanging, type Stream } from "./exchanging.ts";
import { RecordingLink } from "./recording-link.ts";
import { ENCODINGS, type Encoding, frame, type Message, replies } from "./wire-client.ts";

const emulationType = protobuf
  .parse(readFileSync(CLIENT_SCHEMA.proto, "utf8"), { keepCase: true })
  .root.lookupType("centrifugal.centrifuge.protocol.EmulationRequest");

const OCTETS = { "content-type": "application/octet-stream" };
const OPTIONS = { channels: [{ match: "*", publish: "clients", presence: true, joinLeave: true }] } as const;

/** A client that is told over an HTTP stream and sends its commands in requests. */
class EmulatedClient {
  readonly session: string;
  readonly node: string;
  readonly id: string;
  readonly #world: Exchanging;
  readonly #encoding: Encoding;
  readonly #stream: Stream;
  readonly #heard: Message[] = [];

  private constructor(
    world: Exchanging,
    { encoding, stream }: { encoding: Encoding; stream: Stream },
    connect: Message,
  ) {
    const { session, node, client } = connect as { session: string; node: string; client: string };
    this.#world = world;
    this.#encoding = encoding;
    this.#stream = stream;
    this.session = session;
    this.node = node;
    this.id = client;
  }

  static async connect(world: Exchanging, encoding: Encoding = "json"): Promise<EmulatedClient> {
    const body = frame(encoding, { id: 1, connect: {} });
    const stream = await world.stream("http_stream", encoding === "json" ? { body } : { body, headers: OCTETS });
    const [reply] = wholeReplies((await stream.next()) as Uint8Array, encoding);
    return new EmulatedClient(world, { encoding, stream }, reply?.["connect"] as Message);
  }

  /** Sends commands in one request; its status. */
  post(...commands: readonly Message[]): Promise<number> {
    return this.postRaw(frame(this.#encoding, ...commands));
  }

  postRaw(data: string | Uint8Array, changes: Partial<{ session: string; node: string }> = {}): Promise<number> {
    const request = { session: this.session, node: this.node, ...changes, data };
    if (typeof data === "string") return this.#world.statusOf("emulation", { body: JSON.stringify(request) });
    const body = new Uint8Array(emulationType.encode(request).finish());
    return this.#world.statusOf("emulation", { body, headers: OCTETS });
  }

  /** The next reply or push; `undefined` at the end. */
  async next(): Promise<Message | undefined> {
    while (this.#heard.length === 0) {
      const chunk = await this.#stream.next();
      if (chunk === undefined) return undefined;
      this.#heard.push(...wholeReplies(chunk, this.#encoding));
    }
    return this.#heard.shift();
  }

  async expectEnd(code: number): Promise<void> {
    expect(await this.next()).toMatchObject({ push: { disconnect: { code } } });
    expect(await this.next()).toBeUndefined();
  }

  cut(): void {
    this.#stream.cut();
  }
}

function wholeReplies(chunk: Uint8Array, encoding: Encoding): Message[] {
  return replies(encoding === "json" ? Buffer.from(chunk).toString().trimEnd() : chunk);
}

describe.each(ENCODINGS)("commands in requests of their own, in %s", (encoding) => {
  it("are accepted with 204 and answered on the stream", async () => {
    await using world = await Exchanging.start(OPTIONS);
    const client = await EmulatedClient.connect(world, encoding);
    expect(await client.post({ id: 2, subscribe: { channel: "news" } })).toBe(204);
    expect(await client.next()).toMatchObject({ id: 2, subscribe: {} });
    expect(await client.next()).toMatchObject({ push: { channel: "news", join: { info: { client: client.id } } } });
    await world.hub.publish("news", { x: 1 });
    expect(await client.next()).toMatchObject({ push: { channel: "news", pub: { data: { x: 1 } } } });
  });

  it("several in one request are taken in their order", async () => {
    await using world = await Exchanging.start(OPTIONS);
    const client = await EmulatedClient.connect(world, encoding);
    const ids = [2, 3, 4, 5, 6];
    await client.post(...ids.map((id) => ({ id, unsubscribe: { channel: "none" } })));
    for (const id of ids) expect(await client.next()).toEqual({ id, unsubscribe: {} });
  });

  it("answers pings with pongs, once each", async () => {
    await using world = await Exchanging.start({ pings: { intervalMs: 10_000, timeoutMs: 4_000 }, random: () => 0 });
    const client = await EmulatedClient.connect(world, encoding);
    world.clock.advance(5_500);
    expect(await client.next()).toEqual({});
    expect(await client.post({})).toBe(204);
    world.clock.advance(10_500);
    expect(await client.next()).toEqual({});
    expect(await client.post({})).toBe(204);
    expect(await client.post({})).toBe(204);
    await client.expectEnd(3501);
  });

  it("a ping that no request answers ends the stream with 3012", async () => {
    await using world = await Exchanging.start({ pings: { intervalMs: 10_000, timeoutMs: 4_000 }, random: () => 0 });
    const client = await EmulatedClient.connect(world, encoding);
    world.clock.advance(5_500);
    expect(await client.next()).toEqual({});
    world.clock.advance(5_500);
    await client.expectEnd(3012);
  });

  it.each<[string, string | Uint8Array]>([
    ["nothing", ""],
    ["garbage", "garbage"],
    ["bytes that are no command", new Uint8Array([255, 255])],
    ["half a command", encoding === "json" ? '{"id":2,"rpc"' : new Uint8Array([9, 8, 2])],
  ])("%s ends that stream with 3501, and no other", async (_what, data) => {
    await using world = await Exchanging.start(OPTIONS);
    const client = await EmulatedClient.connect(world, encoding);
    const other = await EmulatedClient.connect(world, encoding);
    expect(await client.postRaw(data)).toBe(204);
    await client.expectEnd(3501);
    expect(await client.post({ id: 3, unsubscribe: { channel: "none" } })).toBe(204);
    expect(await other.post({ id: 3, unsubscribe: { channel: "none" } })).toBe(204);
    expect(await other.next()).toEqual({ id: 3, unsubscribe: {} });
  });

  it("requests that come twice or in another order harm nobody else", async () => {
    await using world = await Exchanging.start(OPTIONS);
    const client = await EmulatedClient.connect(world, encoding);
    const witness = await EmulatedClient.connect(world, encoding);
    const subscribe = { id: 3, subscribe: { channel: "news" } };
    const unsubscribe = { id: 4, unsubscribe: { channel: "news" } };
    for (const command of [unsubscribe, subscribe, subscribe]) expect(await client.post(command)).toBe(204);
    expect(await client.next()).toMatchObject({ id: 4, unsubscribe: {} });
    expect(await client.next()).toMatchObject({ id: 3, subscribe: {} });
    expect(await client.next()).toMatchObject({ push: { join: {} } });
    expect(await client.next()).toMatchObject({ id: 3, error: { code: 105 } });
    expect(await witness.post({ id: 5, unsubscribe: { channel: "none" } })).toBe(204);
    expect(await witness.next()).toEqual({ id: 5, unsubscribe: {} });
  });
});

describe("whose commands they are", () => {
  it("says the session alone: the id that everybody sees, a wrong one and one that has gone reach nobody", async () => {
    await using world = await Exchanging.start(OPTIONS);
    const client = await EmulatedClient.connect(world);
    const gone = await EmulatedClient.connect(world);
    gone.cut();
    while (world.hub.stats().sessions > 1) await new Promise<void>((resolve) => setImmediate(resolve));
    const publish = frame("json", { id: 2, publish: { channel: "news", data: "forged" } }) as string;
    for (const session of [client.id, gone.session, "", "__proto__", client.session.toUpperCase()]) {
      expect(await client.postRaw(publish, { session })).toBe(204);
    }
    expect(world.hub.stats().publications).toBe(0);
    expect(await client.postRaw(publish)).toBe(204);
    expect(await client.next()).toEqual({ id: 2, publish: {} });
  });

  it("a request for another node is answered with 404, and not taken", async () => {
    await using world = await Exchanging.start(OPTIONS);
    const client = await EmulatedClient.connect(world);
    const publish = frame("json", { id: 2, publish: { channel: "news", data: 1 } }) as string;
    for (const node of ["", "another", client.session]) expect(await client.postRaw(publish, { node })).toBe(404);
    expect(world.hub.stats().publications).toBe(0);
  });

  it("the session is a secret: nothing that others are told has it", async () => {
    await using world = await Exchanging.start(OPTIONS);
    const watcher = await EmulatedClient.connect(world);
    await watcher.post({ id: 2, subscribe: { channel: "room" } });
    const client = await EmulatedClient.connect(world);
    await client.post({ id: 2, subscribe: { channel: "room" } }, { id: 3, publish: { channel: "room", data: 1 } });
    await watcher.post({ id: 3, presence: { channel: "room" } });
    let told = "";
    for (let reply = await watcher.next(); reply !== undefined; reply = await watcher.next()) {
      told += JSON.stringify(reply);
      if ("presence" in reply) break;
    }
    expect(told).toContain(client.id);
    expect(told).not.toContain(client.session);
    expect(client.session).not.toBe(client.id);
  });

  it("never mixes what two clients say, however their requests meet", async () => {
    await using world = await Exchanging.start(OPTIONS);
    const even = await EmulatedClient.connect(world);
    const odd = await EmulatedClient.connect(world);
    const posts = Array.from({ length: 40 }, (_, index) =>
      (index % 2 === 0 ? even : odd).post({ id: 10 + index, unsubscribe: { channel: "none" } }),
    );
    expect(new Set(await Promise.all(posts))).toEqual(new Set([204]));
    for (const [who, client] of [even, odd].entries()) {
      const ids: unknown[] = [];
      while (ids.length < 20) ids.push((await client.next())?.["id"]);
      expect(ids).toEqual(Array.from({ length: 20 }, (_, index) => 10 + 2 * index + who));
    }
  });
});

describe("requests of a client that does not take its replies", () => {
  class Frames implements FrameSink {
    readonly taken: string[] = [];
    flooded_ = 0;
    message(payload: string | Uint8Array): void {
      this.taken.push(String(payload));
    }
    malformed(): void {}
    flooded(): void {
      this.flooded_++;
    }
    closed(): void {}
  }

  function emulated(maxWaitingBytes: number) {
    const stream = new RecordingLink();
    const frames = new Frames();
    let ended = 0;
    const link = new EmulatedLink(stream, { maxWaitingBytes, preamble: undefined, ended: () => ended++ });
    link.open(frames);
    return { stream, frames, link, ended: () => ended };
  }

  it("wait in their order, within a number and within bytes", () => {
    const { frames, link } = emulated(100);
    link.pause();
    for (let count = 0; count < 64; count++) link.receive(String(count % 10));
    expect([frames.taken, frames.flooded_]).toEqual([[], 0]);
    link.receive("x");
    expect(frames.flooded_).toBe(1);
    link.resume();
    expect(frames.taken.join("")).toBe(Array.from({ length: 64 }, (_, index) => index % 10).join(""));

    const { frames: large, link: other } = emulated(100);
    other.pause();
    other.receive("x".repeat(101));
    other.receive("y");
    expect(large.flooded_).toBe(1);
    other.resume();
    expect(large.taken).toEqual(["x".repeat(101)]);
  });

  it("are forgotten with the stream, once", () => {
    const { frames, link, stream, ended } = emulated(100);
    link.pause();
    link.receive("a");
    stream.drop();
    link.resume();
    link.receive("b");
    expect([frames.taken, ended()]).toEqual([[], 1]);
  });

  it("come in their order whatever pauses there are, and none twice", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("frame", "pause", "resume"), { maxLength: 60 }), (steps) => {
        const { frames, link } = emulated(1_000);
        let sent = 0;
        let isPaused = false;
        for (const step of steps) {
          if (step === "frame") link.receive(`${sent++},`);
          else link[step]();
          if (step !== "frame") isPaused = step === "pause";
          if (!isPaused) expect(frames.taken).toHaveLength(sent);
        }
        link.resume();
        expect(frames.taken).toEqual(Array.from({ length: sent }, (_, index) => `${index},`));
      }),
    );
  });

  it("a client's pause in the middle of a frame holds the next one", () => {
    const { frames, link } = emulated(100);
    frames.message = (payload) => {
      frames.taken.push(String(payload));
      link.pause();
      link.receive("within");
    };
    link.receive("first");
    expect(frames.taken).toEqual(["first"]);
    link.resume();
    expect(frames.taken).toEqual(["first", "within"]);
  });
});
