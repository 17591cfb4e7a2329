import { expect, it } from "vitest";
import { sourceOf } from "../src/index.ts";
import { TestClient } from "./test-client.ts";
import { TestHub } from "./test-hub.ts";

it.each([
  ["192.0.2.7", "192.0.2.7"],
  ["::ffff:192.0.2.7", "192.0.2.7"],
  ["::FFFF:192.0.2.7", "192.0.2.7"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"],
  ["2001:DB8:1:2::6", "2001:db8:1:2::"],
  ["2001:0db8:0001:0002::", "2001:db8:1:2::"],
  ["2001:db8::1", "2001:db8:0:0::"],
  ["::1", "0:0:0:0::"],
  ["/run/polywire.sock", "/run/polywire.sock"],
])("%s stands for %s", (address, source) => {
  expect(sourceOf(address)).toBe(source);
});

it("sessionsPerAddress, alone: the one too many ends with 3013, and there is room when another has gone", async () => {
  await using test = new TestHub({ limits: { sessionsPerAddress: 2 } });
  const from = (address?: string): TestClient => {
    const hub: Pick<typeof test.hub, "openSession" | "linkLimits"> = {
      linkLimits: test.hub.linkLimits,
      openSession: (outlet, origin) => test.hub.openSession(outlet, { ...origin, address }),
    };
    return new TestClient(hub).connect();
  };
  const clients = [from("192.0.2.7"), from("::ffff:192.0.2.7"), from("192.0.2.7"), from("192.0.2.8")];
  const nowhere = [from(undefined), from(undefined), from(undefined)];
  await test.settle();
  expect(clients.map(({ disconnectCode }) => disconnectCode)).toEqual([undefined, undefined, 3013, undefined]);
  expect(nowhere.map(({ disconnectCode }) => disconnectCode)).toEqual([undefined, undefined, undefined]);
  expect(test.hub.stats()).toMatchObject({ sessions: 6, sessionsRefused: 1 });
  clients[0]?.session.closed();
  expect(from("192.0.2.7").disconnectCode).toBe(undefined);
  expect(from("192.0.2.7").disconnectCode).toBe(3013);
});
