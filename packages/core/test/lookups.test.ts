import { expect, test } from "vitest";
import { Lookups, Turn } from "../src/index.ts";
import { ManualClock } from "../src/testing.ts";

type Answer = (error: Error | null, address?: string) => void;

/** A resolver whose answers the test gives, and the lookups of one network through it. */
function world() {
  const clock = new ManualClock();
  const turn = new Turn(clock);
  const asked: { readonly host: string; readonly answer: Answer }[] = [];
  const resolver = (host: string, _options: object, answer: Answer): void => void asked.push({ host, answer });
  const lookups = new Lookups();
  const look = (host: string, options: object = {}): Promise<string | undefined> =>
    new Promise((resolve, reject) => {
      lookups.paced(resolver, { turn, clock })(host, options, (error, address) => {
        if (error === null) resolve(address);
        else reject(error);
      });
    });
  return { clock, asked, look, lookups, resolver };
}

const NOWHERE = new Error("no such name");

test("whoever asks while a name is being looked up hears the same answer; the next one asks anew", async () => {
  const { asked, look } = world();
  const both = [look("a.example"), look("a.example")];
  expect(asked).toHaveLength(1);
  asked[0]?.answer(null, "192.0.2.1");
  expect(await Promise.all(both)).toEqual(["192.0.2.1", "192.0.2.1"]);
  const next = look("a.example");
  expect(asked).toHaveLength(2);
  asked[1]?.answer(null, "192.0.2.2");
  expect(await next).toBe("192.0.2.2");
});

test("names, and what is asked about them, are kept apart", () => {
  const { asked, look } = world();
  for (const [host, options] of [
    ["a.example", {}],
    ["b.example", {}],
    ["a.example", { family: 6 }],
  ] as const)
    void look(host, options);
  expect(asked).toHaveLength(3);
});

test("F21: a failure holds for a second, and no longer", async () => {
  const { clock, asked, look } = world();
  const first = look("a.example");
  asked[0]?.answer(NOWHERE);
  await expect(first).rejects.toBe(NOWHERE);
  clock.advance(999);
  await expect(look("a.example")).rejects.toBe(NOWHERE);
  expect(asked).toHaveLength(1);
  clock.advance(1);
  const later = look("a.example");
  expect(asked).toHaveLength(2);
  asked[1]?.answer(null, "192.0.2.1");
  expect(await later).toBe("192.0.2.1");
});

test("an answer that is held is not given inside the call", async () => {
  const { asked, look, lookups, resolver, clock } = world();
  const turn = new Turn(clock);
  void look("a.example").catch(() => {});
  asked[0]?.answer(NOWHERE);
  let isAnswered = false;
  const paced = lookups.paced(resolver, { turn, clock });
  // Another network does not know of the failure.
  paced("a.example", {}, () => {});
  expect(asked).toHaveLength(2);
  asked[1]?.answer(NOWHERE);
  paced("a.example", {}, () => {
    isAnswered = true;
  });
  expect(isAnswered).toBe(false);
  await Promise.resolve();
  expect(isAnswered).toBe(true);
});

test("no more than 1,000 failures are held", async () => {
  const { asked, look } = world();
  for (let number = 0; number <= 1_000; number++) {
    const failed = look(`${number}.example`);
    asked.at(-1)?.answer(NOWHERE);
    await expect(failed).rejects.toBe(NOWHERE);
  }
  await expect(look("1.example")).rejects.toBe(NOWHERE);
  expect(asked).toHaveLength(1_001);
  // The first was forgotten, so it is asked for again.
  void look("0.example").catch(() => {});
  expect(asked).toHaveLength(1_002);
});
