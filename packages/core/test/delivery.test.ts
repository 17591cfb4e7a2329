import fc from "fast-check";
import { expect, test } from "vitest";
import { type CloseInfo, Delivery, type PolywireError, type Sink } from "../src/index.ts";

const info: CloseInfo = { by: "remote", clean: true, reason: "", retryable: true, bytesLost: 0 };

/** A sink that writes down what it is told, and may act inside each call. */
class RecordingSink implements Sink {
  readonly log: string[] = [];
  act: (what: string) => void = () => {};

  message(payload: unknown): void {
    this.#note(typeof payload === "string" ? payload : `bytes ${String(payload)}`);
  }

  drain(): void {
    this.#note("drain");
  }

  ended(): void {
    this.#note("ended");
  }

  closed(): void {
    this.#note("closed");
  }

  #note(what: string): void {
    this.log.push(what);
    this.act(what);
  }
}

function opened(): { delivery: Delivery; sink: RecordingSink; failures: PolywireError[] } {
  const failures: PolywireError[] = [];
  const delivery = new Delivery({ sinkFailed: (error) => void failures.push(error) });
  const sink = new RecordingSink();
  delivery.open(sink);
  delivery.start();
  return { delivery, sink, failures };
}

test("nothing is delivered before the link is opened and open has returned", () => {
  const delivery = new Delivery({ sinkFailed: () => {} });
  const sink = new RecordingSink();
  expect(delivery.isPaused).toBe(true);
  delivery.message("early");
  delivery.open(sink);
  delivery.message("during open");
  delivery.drain();
  expect(sink.log).toEqual([]);
  delivery.start();
  expect(delivery.isPaused).toBe(false);
  expect(sink.log).toEqual(["drain", "early", "during open"]);
});

test("a pause right after open holds, although the wire starts afterwards", () => {
  const delivery = new Delivery({ sinkFailed: () => {} });
  const sink = new RecordingSink();
  delivery.open(sink);
  delivery.pause();
  delivery.start();
  delivery.message("held");
  expect(delivery.isPaused).toBe(true);
  expect(delivery.isHolding).toBe(true);
  expect(sink.log).toEqual([]);
  delivery.resume();
  expect(sink.log).toEqual(["held"]);
  expect(delivery.isHolding).toBe(false);
});

test("a resume before open has returned delivers nothing yet", () => {
  const delivery = new Delivery({ sinkFailed: () => {} });
  const sink = new RecordingSink();
  delivery.message("early");
  delivery.open(sink);
  delivery.pause();
  delivery.resume();
  expect(sink.log).toEqual([]);
  delivery.start();
  expect(sink.log).toEqual(["early"]);
});

test("a second open and something that is no sink throw", () => {
  const { delivery } = opened();
  expect(() => delivery.open(new RecordingSink())).toThrow("called twice");
  const other = new Delivery({ sinkFailed: () => {} });
  expect(() => other.open({} as Sink)).toThrow("needs a sink");
  expect(() => other.open(undefined as unknown as Sink)).toThrow("needs a sink");
});

test("pausing inside a message stops before the next one of the same chunk", () => {
  const { delivery, sink } = opened();
  sink.act = (what) => {
    if (what === "two") delivery.pause();
  };
  for (const text of ["one", "two", "three", "four"]) delivery.message(text);
  expect(sink.log).toEqual(["one", "two"]);
  delivery.resume();
  expect(sink.log).toEqual(["one", "two", "three", "four"]);
});

test("pausing inside a held message stops there, too", () => {
  const { delivery, sink } = opened();
  delivery.pause();
  for (const text of ["one", "two", "three"]) delivery.message(text);
  sink.act = () => delivery.pause();
  delivery.resume();
  expect(sink.log).toEqual(["one"]);
  delivery.resume();
  delivery.resume();
  expect(sink.log).toEqual(["one", "two", "three"]);
});

test("held bytes are copies, also of a Node Buffer", () => {
  const { delivery, sink } = opened();
  delivery.pause();
  const lent = Buffer.from([1, 2, 3]);
  delivery.message(lent);
  lent.fill(0xff);
  delivery.resume();
  expect(sink.log).toEqual(["bytes 1,2,3"]);
});

test("messages held by a pause come before closed", () => {
  const { delivery, sink } = opened();
  delivery.pause();
  delivery.message("held");
  delivery.closed(info);
  delivery.message("after closed");
  expect(sink.log).toEqual([]);
  delivery.resume();
  expect(sink.log).toEqual(["held", "closed"]);
  expect(delivery.isClosed).toBe(true);
});

test("a pause without held messages does not hold back closed", () => {
  const { delivery, sink } = opened();
  delivery.pause();
  delivery.closed(info);
  expect(sink.log).toEqual(["closed"]);
});

test("the holder's own end drops what is held and what still arrives", () => {
  const { delivery, sink } = opened();
  delivery.pause();
  delivery.message("held");
  delivery.drop();
  expect(delivery.isPaused).toBe(false);
  delivery.message("still arriving");
  delivery.drain();
  delivery.ended();
  expect(sink.log).toEqual([]);
  delivery.closed(info);
  expect(sink.log).toEqual(["closed"]);
});

test("dropping after the peer's end lets closed through a pause", () => {
  const { delivery, sink } = opened();
  delivery.pause();
  delivery.message("held");
  delivery.closed(info);
  delivery.drop();
  expect(sink.log).toEqual(["closed"]);
});

test("the peer's end of its direction waits for held messages, and closed waits for it", () => {
  const { delivery, sink } = opened();
  delivery.pause();
  delivery.message("held");
  delivery.ended();
  delivery.closed(info);
  expect(sink.log).toEqual([]);
  delivery.resume();
  expect(sink.log).toEqual(["held", "ended", "closed"]);
});

test("an end during a pause waits for the resume, and closed with it", () => {
  const { delivery, sink } = opened();
  delivery.pause();
  delivery.ended();
  delivery.closed(info);
  expect(sink.log).toEqual([]);
  delivery.resume();
  expect(sink.log).toEqual(["ended", "closed"]);
});

test("what a sink causes inside a call is told after it, never inside", () => {
  const { delivery, sink } = opened();
  let depth = 0;
  sink.act = (what) => {
    expect(++depth).toBe(1);
    if (what === "first") {
      delivery.message("second");
      delivery.drain();
      delivery.closed(info);
      delivery.resume();
    }
    depth--;
  };
  delivery.message("first");
  expect(sink.log).toEqual(["first", "second", "closed"]);
});

test("what a sink throws reaches the owner, and delivery goes on", () => {
  const { delivery, sink, failures } = opened();
  sink.act = (what) => {
    throw new Error(`cannot take ${what}`);
  };
  delivery.message("one");
  delivery.drain();
  delivery.ended();
  delivery.closed(info);
  delivery.closed(info);
  expect(sink.log).toEqual(["one", "drain", "ended", "closed"]);
  expect(failures.map(({ code, message }) => `${code}: ${message}`)).toEqual([
    "internal: the link's sink threw in message: cannot take one",
    "internal: the link's sink threw in drain: cannot take drain",
    "internal: the link's sink threw in ended: cannot take ended",
    "internal: the link's sink threw in closed: cannot take closed",
  ]);
});

test("a sink whose promise rejects is told to the owner, and the process lives on", async () => {
  const failed = Promise.withResolvers<PolywireError>();
  const delivery = new Delivery({ sinkFailed: failed.resolve });
  delivery.open({
    async message() {
      throw new Error("later");
    },
    closed() {},
  });
  delivery.start();
  delivery.message("x");
  expect((await failed.promise).message).toBe("the link's sink threw in message: later");
});

test("a sink with the two required functions alone is enough", () => {
  const failures: PolywireError[] = [];
  const log: unknown[] = [];
  const delivery = new Delivery({ sinkFailed: (error) => void failures.push(error) });
  delivery.open({ message: (payload) => void log.push(payload), closed: () => void log.push("closed") });
  delivery.start();
  delivery.drain();
  delivery.ended();
  delivery.message("x");
  delivery.closed(info);
  expect(log).toEqual(["x", "closed"]);
  expect(failures).toEqual([]);
});

type Step = "message" | "pause" | "resume" | "drain" | "start" | "close" | "drop";
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.constant<Step>("message") },
  { weight: 2, arbitrary: fc.constantFrom<Step>("pause", "resume", "drain") },
  { weight: 1, arbitrary: fc.constantFrom<Step>("start", "close", "drop") },
);

test("random steps from outside and inside calls: order, no message while paused, closed once and last", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.array(fc.option(step), { maxLength: 40 }), (outside, inside) => {
      const delivery = new Delivery({ sinkFailed: () => {} });
      const sink = new RecordingSink();
      let sent = 0;
      let sentBeforeEnd = 0;
      let isEnded = false;
      let mayDeliver = false;
      let isPaused = false;
      let isDropped = false;
      let depth = 0;
      const run = (what: Step): void => {
        if (what === "message") {
          if (!isEnded) sentBeforeEnd++;
          delivery.message(String(sent++));
        } else if (what === "close") {
          isEnded = true;
          delivery.closed(info);
        } else if (what === "start") {
          mayDeliver = true;
          delivery.start();
        } else if (what === "pause") {
          isPaused = true;
          delivery.pause();
        } else if (what === "resume") {
          isPaused = false;
          delivery.resume();
        } else if (what === "drop") {
          isDropped = true;
          delivery.drop();
        } else delivery.drain();
      };
      const later = [...inside];
      sink.act = (what) => {
        expect(++depth).toBe(1);
        expect(mayDeliver).toBe(true);
        if (what !== "drain" && what !== "closed") {
          expect(isPaused).toBe(false);
          expect(isDropped).toBe(false);
        }
        const next = later.shift();
        if (next !== undefined && next !== null) run(next);
        depth--;
      };
      delivery.open(sink);
      for (const what of outside) run(what);
      run("start");
      // A sink that pauses inside every call needs as many resumes.
      for (let times = 0; times < 100; times++) run("resume");
      const wasDropped = isDropped;
      run("close");
      run("drop");
      expect(sink.log.filter((what) => what === "closed")).toEqual(["closed"]);
      expect(sink.log.at(-1)).toBe("closed");
      const numbers = sink.log.filter((what) => /^\d+$/.test(what)).map(Number);
      // Nothing overtakes, nothing comes twice, and only the holder's own end loses anything.
      expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => index));
      if (!wasDropped) expect(numbers.length).toBe(sentBeforeEnd);
    }),
    { numRuns: 1_000 },
  );
});

test("a resume inside drain lets the wire read on, although messages wait for drain to return", () => {
  const delivery = new Delivery({ sinkFailed: () => {} });
  const sink = new RecordingSink();
  const holding: boolean[] = [];
  sink.act = (what) => {
    if (what !== "drain") return;
    holding.push(delivery.isHolding);
    delivery.resume();
    holding.push(delivery.isHolding);
  };
  delivery.open(sink);
  delivery.start();
  delivery.pause();
  delivery.message("held");
  delivery.drain();
  expect(holding).toEqual([true, false]);
  expect(sink.log).toEqual(["drain", "held"]);
  expect(delivery.isHolding).toBe(false);
});
