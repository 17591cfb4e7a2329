import { expect, test } from "vitest";
import { type Interceptor, Network } from "../../src/index.ts";
import { retry, timeout } from "../../src/interceptors.ts";
import { memory } from "../../src/memory.ts";
import { ManualClock } from "../../src/testing.ts";
import { echo, turns } from "../opened-network.ts";
import { answering, ended } from "./answering.ts";

test("a request takes no longer, whatever its caller allows; a shorter time stays", async () => {
  await using world = await answering([timeout({ exchangeMs: 1_000 })], () => {});
  const long = ended(world.exchanger.request({ method: "GET" }, { timeoutMs: 9_000 }));
  const short = ended(world.exchanger.request({ method: "GET" }, { timeoutMs: 500 }));
  await world.pass(500);
  expect(await short).toBe("timed-out");
  await world.pass(500);
  expect(await long).toBe("timed-out");
});

test("inside a retry it is for each attempt", async () => {
  await using world = await answering([retry(), timeout({ exchangeMs: 1_000 })], (exchange, count) => {
    if (count === 2) exchange.respond({ status: 200 });
  });
  const end = ended(world.exchanger.request({ method: "GET" }));
  await world.pass(2_000);
  expect(await end).toBe(200);
  expect(world.attempts.map(({ atMs }) => atMs)).toEqual([0, 1_050]);
});

test("a dial takes no longer, and its signal fires; a link that comes too late is closed", async () => {
  const clock = new ManualClock();
  let release: () => void = () => {};
  const aborted: boolean[] = [];
  // A wire that does not care for its signal.
  const slow: Interceptor = {
    dial: (next) => async (call) => {
      const link = await next({ ...call, signal: new AbortController().signal });
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      aborted.push(call.signal.aborted);
      return link;
    },
  };
  const interceptors = [timeout({ dialMs: 2_000 }), slow];
  await using network = new Network({ protocols: [memory()], interceptors, clock });
  const closed: string[] = [];
  await network.listen("memory://echo", (link) => {
    link.open({ message() {}, closed: ({ by }) => void closed.push(by) });
  });
  const outcome = network.connect("memory://echo").catch((error) => error);
  await clock.advanceSettled(2_000, turns);
  expect(await outcome).toMatchObject({
    code: "timed-out",
    message: 'connect to "memory://echo": not done within 2000 ms',
  });
  release();
  await turns();
  expect([aborted, closed]).toEqual([[true], ["network"]]);
});

test("the wire hears of the shorter deadline through its signal", async () => {
  const clock = new ManualClock();
  await using network = new Network({ protocols: [memory()], interceptors: [timeout({ dialMs: 100 })], clock });
  // Admission that takes its time.
  await network.listen("memory://slow", { admit: () => new Promise(() => {}), link: echo });
  const outcome = network.connect("memory://slow").catch((error) => error);
  await clock.advanceSettled(100, turns);
  expect(await outcome).toMatchObject({ code: "timed-out" });
});

test("an option that is wrong is named", () => {
  expect(() => timeout({ dialMs: 0 })).toThrow("dialMs is 0");
  expect(() => timeout({ exchange: 5 } as never)).toThrow('unknown option "exchange": did you mean "exchangeMs"?');
});
