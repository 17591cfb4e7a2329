import type * as dns from "node:dns";
import { lookup } from "node:dns";
import { Network } from "@polywire/core";
import { ManualClock } from "@polywire/core/testing";
import { expect, test, vi } from "vitest";
import { grpc } from "../src/index.ts";

vi.mock("node:dns", async (importOriginal) => {
  const original = await importOriginal<typeof dns>();
  const failing = (host: string, _options: object, answer: (error: Error) => void): void => {
    setImmediate(() => answer(Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: "ENOTFOUND" })));
  };
  return { ...original, lookup: vi.fn<typeof failing>(failing) };
});

test("F21: a resolver that is gone is asked for a name once a second, however many dials want it", async () => {
  const clock = new ManualClock();
  await using network = new Network({ protocols: [grpc()], clock });
  const dial = (): Promise<unknown> => network.connect("grpc://broker.example:1/test.Service/Talk");
  for (let second = 1; second <= 3; second++) {
    for (let round = 0; round < 2; round++) {
      for (const outcome of await Promise.allSettled(Array.from({ length: 5 }, dial)))
        expect(outcome).toMatchObject({ status: "rejected", reason: { code: "host-not-found" } });
    }
    expect(vi.mocked(lookup)).toHaveBeenCalledTimes(second);
    clock.advance(1_000);
  }
});
