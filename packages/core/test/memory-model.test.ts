import fc from "fast-check";
import { expect, test } from "vitest";
import { type Clock, completeLimits, type Link, parseEndpoint, type Sink, silentLogger, Turn } from "../src/index.ts";
import { memory } from "../src/memory.ts";
import { ManualClock } from "../src/testing.ts";

/** Time and turns both pass when the test says so. */
class ScriptedClock extends ManualClock implements Clock {
  #due: (() => void)[] = [];

  override endOfTurn(callback: () => void): void {
    this.#due.push(callback);
  }

  turn(): void {
    for (const callback of this.#due.splice(0)) callback();
  }
}

/** One end of a link, with what a holder may rely on checked at every call. */
class End implements Sink {
  readonly heard: string[] = [];
  readonly sent: string[] = [];
  link!: Link;
  isPaused = false;
  closes = 0;
  owedDrain = false;
  hasClosed = false;
  wasClean = false;

  message(payload: string | Uint8Array): void {
    if (this.isPaused || this.closes > 0) throw new Error("a message while paused or after closed");
    this.heard.push(String(payload));
  }

  drain(): void {
    this.owedDrain = false;
  }

  closed(info: { readonly clean: boolean }): void {
    this.closes++;
    this.wasClean = info.clean;
  }

  send(text: string): void {
    const result = this.link.send(text);
    if (result !== "refused") this.sent.push(text);
    if (result === "wait") this.owedDrain = true;
    if (this.hasClosed && result !== "refused") throw new Error("sent after close");
  }
}

const which = fc.constantFrom(0, 1);
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ does: fc.constant("send" as const), end: which, bytes: fc.integer({ min: 0, max: 90 }) }),
  },
  { weight: 4, arbitrary: fc.record({ does: fc.constant("turn" as const), end: which }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constantFrom("pause" as const, "resume" as const), end: which }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constantFrom("close" as const, "discard" as const), end: which }) },
);

test("random steps at both ends: in order, nothing lost without a close, closed once, drain always comes", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
      const clock = new ScriptedClock();
      const limits = completeLimits({ maxBufferedBytes: 400, waitAboveBytes: 100, closeTimeoutMs: 1_000 });
      const host = { clock, limits, logger: silentLogger, random: () => 0.5, turn: new Turn(clock) };
      const { links } = memory();
      const ends = [new End(), new End()] as const;
      const endpoint = parseEndpoint("memory://x");
      const accept = (link: Link): void => {
        ends[1].link = link;
      };
      await links?.listen?.(endpoint, accept, { ...host, turnedAway() {}, admit: () => ({ accepted: true }) });
      const { signal } = new AbortController();
      const dialled = await links?.dial(endpoint, { ...host, signal, mark: () => {}, metadata: new Map() });
      ends[0].link = dialled as Link;
      for (const end of ends) end.link.open(end);
      let count = 0;
      for (const { does, end: index, ...rest } of steps) {
        const end = ends[index] as End;
        if (does === "turn") clock.turn();
        else if (does === "send") end.send(`${count++}${"x".repeat((rest as { bytes: number }).bytes)}`);
        else if (does === "pause" || does === "resume") {
          end.isPaused = does === "pause";
          end.link[does]();
        } else {
          end.hasClosed = true;
          end.link.close({ discard: does === "discard" });
        }
      }
      for (const end of ends) {
        end.isPaused = false;
        end.link.resume();
      }
      for (let turn = 0; turn < 200; turn++) clock.turn();
      const hasClosed = ends.some((end) => end.hasClosed);
      for (const [index, end] of ends.entries()) {
        const other = ends[1 - index] as End;
        expect(end.heard).toEqual(other.sent.slice(0, end.heard.length));
        expect(end.closes).toBe(hasClosed ? 1 : 0);
        if (!hasClosed) {
          expect(end.heard).toEqual(other.sent);
          expect(end.owedDrain).toBe(false);
        }
        // A clean close of the other side came after everything it had sent.
        if (other.hasClosed && !end.hasClosed && end.wasClean) expect(end.heard).toEqual(other.sent);
        expect(end.link.bufferedBytes).toBe(0);
      }
      expect(clock.pending).toBe(0);
    }),
    { numRuns: 300 },
  );
}, 20_000);
