import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type Link, Network } from "@polywire/core";
import { ManualClock } from "@polywire/core/testing";
import { tcp } from "@polywire/tcp";
import { udp } from "@polywire/udp";
import { expect, test } from "vitest";

const DATAGRAMS = 50_000;
const BATCH = 500;
const ALLOWED = 1_000;

test("U27: of 50,000 datagrams of one source no more than its rate pass, and a client on TCP loses nothing", async () => {
  // It stands still, so what passes is one second's worth, however long the flood takes.
  const clock = new ManualClock();
  await using network = new Network({ protocols: [tcp({ framing: "lines" }), udp()], clock });
  let passed = 0;
  const count = (link: Link): void => link.open({ message: () => void passed++, closed() {} });
  const flooded = await network.listen("udp://127.0.0.1:0", count, { maxDatagramsPerSecond: ALLOWED });
  const echo = (link: Link): void => link.open({ message: (line) => void link.send(line), closed() {} });
  const served = await network.listen("tcp://127.0.0.1:0", echo);
  const control = await network.connect(`tcp://127.0.0.1:${served.endpoint.port}`);
  const answers: unknown[] = [];
  const all = new Promise<void>((resolve) => {
    control.on("data", (line) => {
      if (answers.push(line) === (DATAGRAMS / BATCH) * 10) resolve();
    });
  });

  const source = createSocket("udp4");
  source.connect(flooded.endpoint.port ?? 0, "127.0.0.1");
  await once(source, "connect");
  const sent: string[] = [];
  for (let batch = 0; batch < DATAGRAMS / BATCH; batch++) {
    for (let index = 1; index < BATCH; index++) source.send("flood");
    await new Promise<void>((resolve) => void source.send("flood", () => resolve()));
    for (let index = 0; index < 10; index++) {
      const line = `${batch}.${index}`;
      expect(control.send(line)).toBe("sent");
      sent.push(line);
    }
    await new Promise((resolve) => void setImmediate(resolve));
  }
  await all;
  source.close();
  expect(answers).toEqual(sent);
  expect(passed).toBe(ALLOWED);
  expect(flooded.server.drops.rateLimited).toBeGreaterThan(0);
});
