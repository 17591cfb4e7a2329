import type { LogFields } from "@polywire/core";
import { expect, it } from "vitest";
import { idsFrom } from "../src/identity.ts";
import { Journal } from "../src/journal.ts";
import { FakeClock } from "./fake-clock.ts";
import { TestHub } from "./test-hub.ts";

it("the log has ten lines of one message in a second, and says how many it left out", async () => {
  const clock = new FakeClock();
  const journal = new Journal(clock);
  const lines: [string, LogFields | undefined][] = [];
  journal.logger = { log: (_level, _component, message, fields) => lines.push([message, fields]) };
  for (let count = 0; count < 25; count++) journal.write("info", "one", { count });
  journal.write("info", "other");
  expect(lines).toHaveLength(11);
  await clock.pass(1_000);
  journal.write("info", "one", { count: 25 });
  expect(lines.at(-1)).toEqual(["one", { count: 25, leftOut: 15 }]);
  journal.write("info", "one", { count: 26 });
  expect(lines.at(-1)).toEqual(["one", { count: 26 }]);
});

it("the log names what failed, and never a token", async () => {
  const lines: string[] = [];
  await using test = new TestHub({
    channels: [{ match: "*", kind: "private" }],
    authenticate: ({ token }) => {
      if (token === "hunter2") throw new Error("no");
      return { user: "" };
    },
    authorize: () => Promise.reject(new Error("no")),
    logger: {
      log: (level, component, message, fields) =>
        lines.push([level, component, message, JSON.stringify(fields), String(fields?.error)].join(" ")),
    },
  });
  test.newClient().connect({ token: "hunter2" });
  (await test.client()).subscribe("a", { token: "swordfish" });
  await test.settle();
  expect(lines.filter((line) => line.startsWith("error hub program code failed"))).toHaveLength(2);
  expect(lines.join("\n")).toContain('"hook":"authorize"');
  expect(lines.join("\n")).not.toMatch(/hunter2|swordfish/);
});

it("ids cannot be guessed unless a source of chance is given", () => {
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  const create = idsFrom(undefined);
  const ids = new Set(Array.from({ length: 1_000 }, create));
  expect(ids.size).toBe(1_000);
  for (const id of ids) expect(id).toMatch(uuid);
  const [one, other] = [idsFrom(() => 0.5)(), idsFrom(() => 0.5)()];
  expect(one).toMatch(uuid);
  expect(one).toBe(other);
});
