import { PolywireError } from "@polywire/core";
import { expect, it } from "vitest";
import type { HubOptions } from "../src/index.ts";
import { TestHub } from "./test-hub.ts";

function personal(options: HubOptions = {}): TestHub {
  return new TestHub({
    channels: [{ match: "personal#*", kind: "private" }, { match: "*" }],
    authenticate: ({ token = "" }) => ({ user: token }),
    personalChannels: "personal",
    ...options,
  });
}

it("are where each user is from the beginning, and nobody else", async () => {
  await using test = personal();
  const ada = test.newClient().connect({ token: "ada" });
  const again = test.newClient().connect({ token: "ada" });
  const eve = test.newClient().connect({ token: "eve" });
  await test.settle();
  const { subscriptions } = ada.answerTo("connect").result as { subscriptions: ReadonlyMap<string, unknown> };
  expect([...subscriptions.keys()]).toEqual(["personal#ada"]);
  for (const client of [ada, again, eve]) client.take();
  await test.hub.publish("personal#ada", "for your eyes only");
  await test.settle();
  const heard = [ada, again, eve].map((client) => client.take().map((told) => told.kind));
  expect(heard).toEqual([["publication"], ["publication"], []]);
  eve.subscribe("personal#ada");
  await test.settle();
  expect(eve.answerTo("subscribe personal#ada").error).toBe(103);
});

it("are not for anonymous users", async () => {
  await using test = personal();
  const client = test.newClient().connect();
  await test.settle();
  const { subscriptions } = client.answerTo("connect").result as { subscriptions: ReadonlyMap<string, unknown> };
  expect(subscriptions.size).toBe(0);
});

it.each([["", "personal#", 7]].flat())("have a name before the #: not %j", (personalChannels) => {
  expect(() => personal({ personalChannels: personalChannels as string })).toThrow(PolywireError);
});
