import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TYPE, typeOf } from "../src/packet.ts";
import { record } from "../src/reliable-records.ts";
import { dataPacket, lossyPair, type Side, waitUntil } from "./lossy-wire.ts";

const STORM = { loss: 0.2, duplicates: 0.05, delayMs: [2, 40] } as const;

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `message ${index}`);
}

describe("a stream over a bad network", () => {
  test.each([1, 2, 3])("U30: 10,000 messages, none lost, none doubled, in order (seed %i)", (seed) => {
    const { clock, left, right } = lossyPair(seed, STORM);
    const sent = numbered(10_000);
    const answers = numbered(1_000);
    for (let from = 0; from < sent.length; from += 500) left.send(...sent.slice(from, from + 500));
    right.send(...answers);
    waitUntil(clock, () => right.messages.length >= sent.length && left.messages.length >= answers.length, 120_000);
    clock.advance(5_000);
    expect(right.messages).toEqual(sent);
    expect(left.messages).toEqual(answers);
    expect(left.state.isIdle && right.state.isIdle).toBe(true);
  });

  test("U30: whatever the messages and the weather, both sides hear everything once and in order", () => {
    const payload = fc.oneof(fc.string(), fc.uint8Array({ maxLength: 6_000 }));
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.nat(),
          loss: fc.double({ min: 0, max: 0.4, noNaN: true }),
          duplicates: fc.double({ min: 0, max: 0.3, noNaN: true }),
          spreadMs: fc.nat(80),
          there: fc.array(payload, { maxLength: 60 }),
          back: fc.array(payload, { maxLength: 60 }),
        }),
        ({ seed, loss, duplicates, spreadMs, there, back }) => {
          const { clock, left, right } = lossyPair(seed, { loss, duplicates, delayMs: [1, 1 + spreadMs] });
          for (const each of there) left.send(each);
          for (const each of back) right.send(each);
          left.finish(3_000, "bye");
          right.finish(3_001, "so long");
          waitUntil(clock, () => left.state.isIdle && right.state.isIdle, 300_000);
          const [heardThere, heardBack] = [right.messages, left.messages];
          expect(heardThere).toEqual(there.map(asSent));
          expect(heardBack).toEqual(back.map(asSent));
          expect(right.finished).toEqual({ code: 3_000, reason: "bye" });
          expect(left.finished).toEqual({ code: 3_001, reason: "so long" });
        },
      ),
      { numRuns: 60 },
    );
  });

  test("U33: half of everything lost for 10 s, then it heals within 5 s, whatever the seed", () => {
    const tookMs = Array.from({ length: 100 }, (_, seed) => heal(seed));
    expect(Math.max(...tookMs)).toBeLessThan(5_000);
  });

  /** Milliseconds from the moment when nothing is lost any more until everything has arrived. */
  function heal(seed: number): number {
    const { clock, left, right } = lossyPair(seed, { loss: 0.5, duplicates: 0, delayMs: [10, 30] });
    const sent: string[] = [];
    for (let second = 0; second < 100; second++) {
      const batch = numbered(20).map((text) => `${second} ${text}`);
      sent.push(...batch);
      left.send(...batch);
      clock.advance(100);
    }
    left.weather.loss = 0;
    right.weather.loss = 0;
    const tookMs = waitUntil(clock, () => right.messages.length === sent.length, 60_000);
    expect(right.messages, `seed ${seed}`).toEqual(sent);
    return tookMs;
  }

  test("U34: acknowledgements alone get lost, and everything arrives", () => {
    const { clock, left, right } = lossyPair(8, { loss: 0, duplicates: 0, delayMs: [5, 15] });
    right.weather.loss = 0.7;
    const sent = numbered(5_000);
    left.send(...sent);
    waitUntil(clock, () => right.messages.length === sent.length && left.state.isIdle, 120_000);
    expect(right.messages).toEqual(sent);
  });

  test("a dead way is noticed by what is not acknowledged", () => {
    const { clock, left } = lossyPair(9, { loss: 1, duplicates: 0, delayMs: [5, 5] });
    left.send("anybody?");
    clock.advance(29_000);
    expect(left.state.stalledForMs(clock.now())).toBe(29_000);
    // After 1 s, 2 s more, and every 3 s from then on.
    expect(left.sent).toBe(11);
  });
});

describe("a good network", () => {
  test("what one turn sends is packed into as few datagrams as fit", () => {
    const { clock, left, right } = lossyPair(1, { loss: 0, duplicates: 0, delayMs: [5, 5] });
    left.send(...numbered(80));
    expect(left.sent).toBe(1);
    clock.advance(100);
    expect(right.messages).toHaveLength(80);
  });

  test("one packet is acknowledged after 25 ms, a second at once", () => {
    const { clock, left, right } = lossyPair(1, { loss: 0, duplicates: 0, delayMs: [5, 5] });
    left.send("one");
    clock.advance(29);
    expect(right.sent).toBe(0);
    clock.advance(1);
    expect(right.sent).toBe(1);
    left.send("two");
    left.send("three");
    clock.advance(5);
    expect(right.sent).toBe(2);
  });

  test("an answer carries the acknowledgement", () => {
    const { clock, left, right } = lossyPair(1, { loss: 0, duplicates: 0, delayMs: [5, 5] });
    left.send("question");
    clock.advance(5);
    right.send("answer");
    clock.advance(5);
    expect(left.state.isIdle).toBe(true);
    expect(right.sent).toBe(1);
  });

  test("a lost packet is sent again after three later ones arrived, without a timeout", () => {
    const { clock, left, right } = lossyPair(1, { loss: 0, duplicates: 0, delayMs: [5, 5] });
    left.send("first");
    clock.advance(100);
    left.weather.loss = 1;
    left.send("lost");
    left.weather.loss = 0;
    for (const text of ["a", "b", "c"]) left.send(text);
    clock.advance(30);
    expect(right.messages).toEqual(["first", "lost", "a", "b", "c"]);
  });

  test("a paused reader stops the sender at its window, and gets everything once it reads", () => {
    const { clock, left, right } = lossyPair(1, { loss: 0, duplicates: 0, delayMs: [1, 1] });
    right.isPaused = true;
    const payloads = Array.from({ length: 100 }, (_, index) => new Uint8Array(10_000).fill(index));
    left.send(...payloads);
    clock.advance(20_000);
    expect(left.state.pendingBytes).toBeGreaterThan(700_000);
    expect(right.messages).toEqual([]);
    right.resume();
    waitUntil(clock, () => right.messages.length === 100, 10_000);
    expect(right.messages).toEqual(payloads);
  });

  test("a window that opened without a word is asked for", () => {
    const { clock, left, right } = lossyPair(1, { loss: 0, duplicates: 0, delayMs: [1, 1] });
    right.isPaused = true;
    left.send(new Uint8Array(500_000));
    clock.advance(5_000);
    right.weather.loss = 1;
    right.resume();
    clock.advance(1_000);
    right.weather.loss = 0;
    waitUntil(clock, () => right.messages.length === 1, 60_000);
    expect(right.messages[0]).toHaveLength(500_000);
  });
});

describe("a hostile peer", () => {
  test("U22: a segment far ahead is not kept", () => {
    const { right } = lossyPair(1, STORM);
    const payload = record("x");
    expect(right.state.dataArrived(dataPacket({ packetNumber: 0, number: 5_000, payload }), 0)).toBe("tooFarAhead");
  });

  test("U16: a doubled segment with other content is dropped", () => {
    const { right } = lossyPair(1, STORM);
    right.state.dataArrived(dataPacket({ packetNumber: 0, number: 0, payload: record("true") }), 0);
    const other = dataPacket({ packetNumber: 1, number: 0, payload: record("false") });
    expect(right.state.dataArrived(other, 0)).toBe("duplicate");
    expect(right.messages).toEqual(["true"]);
  });

  test("U15: more ranges than the datagram holds are malformed", () => {
    const { right } = lossyPair(1, STORM);
    const hostile = dataPacket({ packetNumber: 0, number: 0, payload: record("x"), ranges: 255 });
    expect(right.state.dataArrived(hostile, 0)).toBe("malformed");
    expect(right.messages).toEqual([]);
  });

  test("acknowledging what was never sent is refused", () => {
    const { left } = lossyPair(1, STORM);
    const hostile = dataPacket({ packetNumber: 0, number: 0, payload: record("x"), next: 7 });
    expect(left.state.dataArrived(hostile, 0)).toBe("badAcknowledgement");
  });

  test("what was refused is not acknowledged", () => {
    const { clock, left } = lossyPair(1, { loss: 0, duplicates: 0, delayMs: [1, 1] });
    left.state.dataArrived(dataPacket({ packetNumber: 0, number: 9_000, payload: record("x") }), 0);
    clock.advance(1_000);
    expect(left.sent).toBe(0);
  });

  test("a message over the limit is refused by its length alone", () => {
    const { right } = lossyPair(1, STORM);
    right.state.dataArrived(dataPacket({ packetNumber: 0, number: 0, payload: lengthOf(2_000_000) }), 0);
    expect(right.faults).toEqual([{ fault: "too-large", byteLength: 2_000_000 }]);
  });

  test("U24: text that is no UTF-8 and lengths without end are faults", () => {
    for (const payload of [new Uint8Array([3, 0xff]), new Uint8Array(10).fill(0xff)]) {
      const { right } = lossyPair(1, STORM);
      right.state.dataArrived(dataPacket({ packetNumber: 0, number: 0, payload }), 0);
      expect(right.faults[0]?.fault).toBe("malformed");
    }
  });

  test("a sender that ignores the window of a paused reader is not heard beyond it", () => {
    const { right } = lossyPair(1, STORM);
    right.isPaused = true;
    const payload = new Uint8Array(1_100);
    const answers = Array.from({ length: 400 }, (_, number) =>
      right.state.dataArrived(dataPacket({ packetNumber: number, number, payload }), 0),
    );
    expect(answers.filter((answer) => answer === "tooFarAhead").length).toBeGreaterThan(150);
  });
});

test("every datagram that a state sends has a type of its own and fits", () => {
  const { clock, left, right } = lossyPair(3, STORM);
  const types = new Set<number>();
  const watch = (side: Side): void => {
    const transmit = side.transmit.bind(side);
    side.transmit = (datagram) => {
      types.add(typeOf(datagram));
      expect(datagram.length).toBeLessThanOrEqual(1_200);
      transmit(datagram);
    };
  };
  watch(left);
  watch(right);
  left.send(new Uint8Array(100_000));
  right.send(new Uint8Array(100_000));
  waitUntil(clock, () => left.state.isIdle && right.state.isIdle, 60_000);
  expect([...types].sort((one, other) => one - other)).toEqual([TYPE.data, TYPE.ack]);
});

function asSent(payload: string | Uint8Array): string | Uint8Array {
  return typeof payload === "string" ? payload.toWellFormed() : payload;
}

function lengthOf(byteLength: number): Uint8Array {
  const value = byteLength * 2;
  return new Uint8Array([
    (value & 0x7f) | 0x80,
    ((value >> 7) & 0x7f) | 0x80,
    ((value >> 14) & 0x7f) | 0x80,
    value >> 21,
  ]);
}

test("a link that comes near the last packet number says so before it, and what is under way still arrives", () => {
  const { clock, left, right } = lossyPair(1, { loss: 0, duplicates: 0, delayMs: [1, 1] }, 20);
  left.send("first");
  expect(left.state.isSpent).toBe(false);
  const sent = Array.from({ length: 100 }, (_, index) => `${index} ${"x".repeat(1_000)}`);
  left.send(...sent);
  waitUntil(clock, () => right.messages.length === 101, 10_000);
  expect(left.state.isSpent).toBe(true);
  left.finish(3_000, "dial again");
  waitUntil(clock, () => left.state.isIdle, 10_000);
  expect(right.finished).toEqual({ code: 3_000, reason: "dial again" });
});

test("U35: what a link held is given back when it is over, and nothing more is kept", () => {
  const { right } = lossyPair(1, { loss: 0, duplicates: 0, delayMs: [5, 5] });
  // 1,000,000 bytes are announced, a thousand come; so does what belongs behind a gap.
  const half = Buffer.concat([Buffer.from([0x80, 0x89, 0x7a]), Buffer.alloc(1_000)]);
  const arrive = (number: number): void => {
    right.state.dataArrived(dataPacket({ packetNumber: number, number, payload: half }), 0);
  };
  arrive(0);
  arrive(2);
  right.send("never acknowledged");
  expect(right.state.retainedBytes).toBe(1_000 + 1_003);
  expect(right.state.unacknowledgedBytes).toBeGreaterThan(0);
  right.state.release();
  arrive(1);
  arrive(3);
  arrive(5);
  expect(right.state.retainedBytes).toBe(0);
  expect(right.state.unacknowledgedBytes + right.state.pendingBytes).toBe(0);
});
