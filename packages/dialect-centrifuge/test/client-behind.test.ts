import { describe, expect, it } from "vitest";
import { centrifuge } from "../src/index.ts";
import { PLACE, RecordingLink } from "./recording-link.ts";
import { ScriptedHub } from "./scripted-hub.ts";
import { ENCODINGS, frame, type Message } from "./wire-client.ts";

const endOfTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const unsubscribe = (id: number): Message => ({ id, unsubscribe: { channel: String(id) } });

describe.each(ENCODINGS)("a client that does not take its replies, in %s", (encoding) => {
  /** A connected client whose unsubscribes are answered at once. */
  function connected() {
    const hub = new ScriptedHub();
    const link = new RecordingLink(encoding === "protobuf" ? { subprotocol: "centrifuge-protobuf" } : {});
    centrifuge(hub).link(link, PLACE);
    const { session } = hub;
    const taken: number[] = [];
    session.unsubscribe = (channel, answer) => {
      taken.push(Number(channel));
      answer(undefined, undefined);
    };
    const say = (...commands: readonly Message[]): void => link.receive(frame(encoding, ...commands));
    say({ id: 1, connect: {} });
    link.take();
    return { link, session, taken, say };
  }

  it("is not read, and what its frame still had waits: one command for each time it caught up, none lost, none twice", () => {
    const { link, taken, say } = connected();
    link.isBehind = true;
    say(...[2, 3, 4, 5].map(unsubscribe));
    expect([taken, link.isPaused]).toEqual([[2], true]);
    for (const upTo of [3, 4, 5]) {
      link.drain();
      expect([taken.at(-1), link.isPaused]).toEqual([upTo, true]);
    }
    link.drain();
    expect(link.isPaused).toBe(false);
    link.isBehind = false;
    say(unsubscribe(6));
    expect(taken).toEqual([2, 3, 4, 5, 6]);
    expect(link.take().map(({ id }) => id)).toEqual([2, 3, 4, 5, 6]);
  });

  it("is still told of its channels, which hold nothing up", () => {
    const { link, session } = connected();
    link.isBehind = true;
    session.outlet.message(new TextEncoder().encode("1"), "json");
    session.outlet.unsubscribed("news", { code: 2000, reason: "server unsubscribe" });
    session.outlet.ping();
    expect([link.take().length, link.isPaused]).toEqual([3, false]);
    expect(session.drains).toBe(0);
    link.drain();
    expect(session.drains).toBe(1);
  });

  it("and is behind while its connect is waited for is read when both are over", () => {
    const hub = new ScriptedHub();
    const link = new RecordingLink(encoding === "protobuf" ? { subprotocol: "centrifuge-protobuf" } : {});
    centrifuge(hub).link(link, PLACE);
    hub.session.answersConnects = false;
    link.isBehind = true;
    link.receive(frame(encoding, { id: 1, connect: {} }, unsubscribe(2)));
    link.drain();
    expect(hub.session.take().map(([name]) => name)).toEqual(["connect"]);
    hub.session.answer(undefined, {
      client: "c1",
      version: "",
      subscriptions: new Map(),
      pingIntervalMs: 0,
      isPongExpected: false,
    } as never);
    expect([hub.session.take(), link.isPaused]).toEqual([[], true]);
    link.drain();
    expect([hub.session.take(), link.isPaused]).toEqual([[["unsubscribe", "2"]], false]);
  });

  it("and has gone is done with", () => {
    const { link, session, taken, say } = connected();
    link.isBehind = true;
    say(...[2, 3].map(unsubscribe));
    link.drop();
    link.drain();
    expect([taken, session.isClosed]).toEqual([[2], true]);
  });

  it("1,000 unanswered commands end the turn; with their answers all others are taken, without these one in each turn", async () => {
    const { link, session, taken, say } = connected();
    const answers: (() => void)[] = [];
    session.unsubscribe = (channel, answer) => {
      taken.push(Number(channel));
      answers.push(() => answer(undefined, undefined));
    };
    for (let first = 2; first < 1_202; first += 200) {
      say(...Array.from({ length: 200 }, (_, index) => unsubscribe(first + index)));
    }
    // Nor does catching up end the turn.
    link.drain();
    expect([taken.length, link.isPaused]).toEqual([1_000, true]);
    await endOfTurn();
    expect([taken.length, link.isPaused]).toEqual([1_001, true]);
    for (const answer of answers.splice(0)) answer();
    await endOfTurn();
    await endOfTurn();
    expect([taken.length, link.isPaused]).toEqual([1_200, false]);
    expect(taken).toEqual(Array.from({ length: 1_200 }, (_, index) => 2 + index));
  });
});
