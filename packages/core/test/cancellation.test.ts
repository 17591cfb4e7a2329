import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { Cancellation, checkTimeout, PolywireError, unlessAborted } from "../src/index.ts";
import { ManualClock } from "../src/testing.ts";

const purpose = "connect to ws://host/";

test("the deadline fires once it is there, and says what was waited for", () => {
  const clock = new ManualClock();
  const { signal } = new Cancellation({ clock, timeoutMs: 100, purpose });
  clock.advance(99);
  expect(signal.aborted).toBe(false);
  clock.advance(1);
  expect(signal.reason).toMatchObject({ code: "timed-out", message: "connect to ws://host/: not done within 100 ms" });
});

test("the caller's abort fires with its reason as the cause", () => {
  const controller = new AbortController();
  const { signal } = new Cancellation({ clock: new ManualClock(), signal: controller.signal, timeoutMs: 100, purpose });
  controller.abort("changed my mind");
  expect(signal.reason).toMatchObject({ code: "aborted", cause: "changed my mind", retryable: false });
});

test("a reason that is ours already passes through", () => {
  const reason = new PolywireError("closed", "the network is closing");
  const { signal } = new Cancellation({
    clock: new ManualClock(),
    signal: AbortSignal.abort(reason),
    timeoutMs: 100,
    purpose,
  });
  expect(signal.reason).toBe(reason);
});

test("P16: a signal that has fired before fires at once", () => {
  const { signal } = new Cancellation({
    clock: new ManualClock(),
    signal: AbortSignal.abort(),
    timeoutMs: 100,
    purpose,
  });
  expect(signal.reason).toMatchObject({ code: "aborted" });
});

test("released, it leaves neither timer nor listener behind and fires no more", () => {
  const clock = new ManualClock();
  const controller = new AbortController();
  const cancellation = new Cancellation({ clock, signal: controller.signal, timeoutMs: 100, purpose });
  cancellation.release();
  expect(clock.pending).toBe(0);
  expect(getEventListeners(controller.signal, "abort")).toEqual([]);
  controller.abort();
  expect(cancellation.signal.aborted).toBe(false);
});

test.each([0, -1, Number.POSITIVE_INFINITY, 2 ** 31, Number.NaN, "100", null])(
  "P19: a timeout of %s is refused",
  (timeoutMs) => {
    expect(() => checkTimeout(timeoutMs as number)).toThrow(/timeoutMs is .*: give 1 to 2147483647 milliseconds/);
  },
);

test("work that ends first keeps its result and takes its listener away", async () => {
  const { signal } = new AbortController();
  await expect(unlessAborted(Promise.resolve(1), signal)).resolves.toBe(1);
  await expect(unlessAborted(Promise.reject(new Error("no")), signal)).rejects.toThrow("no");
  expect(getEventListeners(signal, "abort")).toEqual([]);
});

test("work that never ends is left alone once the signal fires", async () => {
  const controller = new AbortController();
  const waiting = unlessAborted(new Promise(() => {}), controller.signal);
  controller.abort(new Error("enough"));
  await expect(waiting).rejects.toThrow("enough");
  await expect(unlessAborted(new Promise(() => {}), controller.signal)).rejects.toThrow("enough");
});
