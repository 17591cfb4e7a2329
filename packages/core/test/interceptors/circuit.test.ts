import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Circuit, type CircuitState, type Verdict } from "../../src/interceptors/circuit.ts";

const OPTIONS = { consecutiveFailures: 3, errorRate: 0.5, minimumVolume: 6, windowMs: 1_000, openMs: 500 };

/** The rules once more, with all there ever was kept and everything computed anew from it. */
class Model {
  readonly #random: () => number;
  #ended: { readonly atMs: number; readonly isFailure: boolean }[] = [];
  #openings = 0;
  #openUntilMs = 0;
  /** Calls that may still decide something. */
  #deciding = new Set<object>();

  constructor(random: () => number) {
    this.#random = random;
  }

  state(nowMs: number): CircuitState {
    if (this.#openings === 0) return "closed";
    return nowMs < this.#openUntilMs ? "open" : "half-open";
  }

  enter(call: object, nowMs: number): boolean {
    const state = this.state(nowMs);
    if (state === "open" || (state === "half-open" && this.#deciding.size > 0)) return false;
    this.#deciding.add(call);
    return true;
  }

  leave(call: object, verdict: Verdict, nowMs: number): void {
    if (!this.#deciding.delete(call) || verdict === "neutral") return;
    if (this.#openings > 0) {
      if (verdict === "failure") this.#open(nowMs);
      else this.#reset();
      return;
    }
    this.#ended.push({ atMs: nowMs, isFailure: verdict === "failure" });
    const latest = this.#ended.slice(-OPTIONS.consecutiveFailures);
    const tenth = (atMs: number): number => Math.floor(atMs / (OPTIONS.windowMs / 10));
    const inWindow = this.#ended.filter(({ atMs }) => tenth(atMs) > tenth(nowMs) - 10);
    const failures = inWindow.filter(({ isFailure }) => isFailure).length;
    const isInARow = latest.length === OPTIONS.consecutiveFailures && latest.every(({ isFailure }) => isFailure);
    const isRateHigh =
      failures > 0 && inWindow.length >= OPTIONS.minimumVolume && failures / inWindow.length >= OPTIONS.errorRate;
    if (isInARow || isRateHigh) this.#open(nowMs);
  }

  #open(nowMs: number): void {
    this.#openings = Math.min(10, this.#openings + 1);
    this.#openUntilMs = nowMs + OPTIONS.openMs * this.#openings * (0.9 + 0.2 * this.#random());
    this.#deciding = new Set();
    this.#ended = [];
  }

  #reset(): void {
    this.#openings = 0;
    this.#deciding = new Set();
    this.#ended = [];
  }
}

type Step =
  | { readonly step: "enter" }
  | { readonly step: "leave"; readonly which: number; readonly verdict: Verdict }
  | { readonly step: "wait"; readonly forMs: number };

const verdicts = fc.constantFrom<Verdict>("success", "failure", "failure", "neutral");
const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    fc.record({ step: fc.constant("enter") }),
    fc.record({ step: fc.constant("leave"), which: fc.nat(), verdict: verdicts }),
    fc.record({ step: fc.constant("wait"), forMs: fc.oneof(fc.nat(120), fc.nat(2_000)) }),
  ),
  { minLength: 100, maxLength: 300 },
);

/** The same numbers for both, each in the same order. */
function sameRandoms(seed: number): () => () => number {
  return () => {
    let state = seed;
    return () => {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
      return state / 2_147_483_648;
    };
  };
}

test("a circuit does what its rules say, whatever happens in whatever order", () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.nat(1_000_000), steps, (seed, walk) => {
      const randoms = sameRandoms(seed);
      const circuit = new Circuit(OPTIONS, randoms(), 0);
      const model = new Model(randoms());
      const underWay: { readonly call: object; readonly passage: number }[] = [];
      let nowMs = 0;
      for (const each of walk) {
        const before = circuit.state(nowMs);
        if (each.step === "wait") nowMs += each.forMs;
        else if (each.step === "enter") {
          const call = {};
          const passage = circuit.enter(nowMs);
          expect(passage !== undefined).toBe(model.enter(call, nowMs));
          if (passage !== undefined) underWay.push({ call, passage });
        } else if (underWay.length > 0) {
          const [{ call, passage } = { call: {}, passage: -1 }] = underWay.splice(each.which % underWay.length, 1);
          circuit.leave(passage, each.verdict, nowMs);
          model.leave(call, each.verdict, nowMs);
        }
        const after = circuit.state(nowMs);
        expect(after).toBe(model.state(nowMs));
        if (before !== after) seen.add(`${before} > ${after}`);
      }
    }),
    { numRuns: 500, seed: 20_260_601 },
  );
  // The walks go everywhere.
  expect([...seen].toSorted()).toEqual(["closed > open", "half-open > closed", "half-open > open", "open > half-open"]);
});

const even = (): number => 0.5;

test("in half-open one call passes at a time, and a neutral end lets the next one try", () => {
  const circuit = new Circuit(OPTIONS, even, 0);
  for (let call = 0; call < 3; call++) circuit.leave(circuit.enter(0) as number, "failure", 0);
  expect(circuit.enter(499)).toBeUndefined();
  const trial = circuit.enter(500) as number;
  expect([circuit.enter(500), circuit.enter(9_000)]).toEqual([undefined, undefined]);
  circuit.leave(trial, "neutral", 9_000);
  expect(circuit.enter(9_000)).toBeDefined();
});

test("a call that began before the circuit opened cannot close it", () => {
  const circuit = new Circuit(OPTIONS, even, 0);
  const slow = circuit.enter(0) as number;
  for (let call = 0; call < 3; call++) circuit.leave(circuit.enter(0) as number, "failure", 0);
  circuit.leave(slow, "success", 600);
  expect(circuit.state(600)).toBe("half-open");
});

test("each trial that fails makes the wait longer, up to ten times", () => {
  const circuit = new Circuit(OPTIONS, even, 0);
  for (let call = 0; call < 3; call++) circuit.leave(circuit.enter(0) as number, "failure", 0);
  const waits: number[] = [];
  for (let trial = 0; trial < 12; trial++) {
    const nowMs = circuit.openUntilMs;
    circuit.leave(circuit.enter(nowMs) as number, "failure", nowMs);
    waits.push(Math.round(circuit.openUntilMs - nowMs));
  }
  expect(waits).toEqual([1_000, 1_500, 2_000, 2_500, 3_000, 3_500, 4_000, 4_500, 5_000, 5_000, 5_000, 5_000]);
});
