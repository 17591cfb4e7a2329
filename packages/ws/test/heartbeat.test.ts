import { ManualClock } from "@polywire/core/testing";
import { expect, test } from "vitest";
import { type Beating, Heartbeat } from "../src/heartbeat.ts";
import { clientFrame, RawClient } from "./raw-client.ts";
import { Serving } from "./serving.ts";

class FakeLink implements Beating {
  heardAtTick = 0;
  pingedAtTick = 0;
  bytesReadAtPing = 0;
  bytesRead = 0;
  isPaused = false;
  pings = 0;
  misses = 0;

  heartbeatPing(): void {
    this.pings++;
  }

  heartbeatMissed(): void {
    this.misses++;
  }
}

const times = { intervalMs: 25_000, timeoutMs: 8_000 };

test("a silent link is pinged after the interval and missed after the timeout", () => {
  const clock = new ManualClock();
  const heartbeat = new Heartbeat(clock, times);
  const link = new FakeLink();
  heartbeat.add(link);
  clock.advance(24_000);
  expect(link.pings).toBe(0);
  clock.advance(2_000);
  expect(link.pings).toBe(1);
  clock.advance(6_500);
  expect(link.misses).toBe(0);
  clock.advance(2_000);
  expect(link.misses).toBe(1);
});

test("whatever arrives counts as life, and a busy link is never pinged", () => {
  const clock = new ManualClock();
  const heartbeat = new Heartbeat(clock, times);
  const link = new FakeLink();
  heartbeat.add(link);
  for (let round = 0; round < 20; round++) {
    clock.advance(20_000);
    heartbeat.heard(link);
  }
  expect(link.pings).toBe(0);
  clock.advance(26_000);
  expect(link.pings).toBe(1);
  heartbeat.heard(link);
  clock.advance(24_000);
  expect(link.misses).toBe(0);
});

test("a large message that is still arriving is life", () => {
  const clock = new ManualClock();
  const heartbeat = new Heartbeat(clock, times);
  const link = new FakeLink();
  heartbeat.add(link);
  for (let second = 0; second < 200; second++) {
    clock.advance(1_000);
    link.bytesRead += 100;
  }
  expect(link.misses).toBe(0);
  expect(link.pings).toBeGreaterThan(0);
});

test("a link that its holder has paused is left alone", () => {
  const clock = new ManualClock();
  const heartbeat = new Heartbeat(clock, times);
  const link = new FakeLink();
  heartbeat.add(link);
  link.isPaused = true;
  clock.advance(200_000);
  expect([link.pings, link.misses]).toEqual([0, 0]);
  link.isPaused = false;
  clock.advance(35_000);
  expect([link.pings, link.misses]).toEqual([1, 1]);
});

test("a process that stood still blames nobody", () => {
  let now = 0;
  let beat: () => void = () => {};
  const stalling = new ManualClock();
  const clock = {
    now: () => now,
    wallTime: () => now,
    endOfTurn: () => {},
    setTimer(callback: () => void) {
      beat = callback;
      return stalling.setTimer(callback, 1e9);
    },
  };
  const heartbeat = new Heartbeat(clock, times);
  const link = new FakeLink();
  heartbeat.add(link);
  now += 600_000;
  beat();
  expect([link.pings, link.misses]).toEqual([0, 0]);
});

test("one timer serves all links, and none is left behind", () => {
  const clock = new ManualClock();
  const heartbeat = new Heartbeat(clock, times);
  const links = Array.from({ length: 100 }, () => new FakeLink());
  for (const link of links) heartbeat.add(link);
  expect(clock.pending).toBe(1);
  clock.advance(10_000);
  expect(clock.pending).toBe(1);
  for (const link of links) heartbeat.remove(link);
  expect(clock.pending).toBe(0);
  heartbeat.add(links[0] as FakeLink);
  expect(clock.pending).toBe(1);
});

test("links that go away inside a beat leave one timer at the most", () => {
  const clock = new ManualClock();
  const heartbeat = new Heartbeat(clock, times);
  const link = new FakeLink();
  const late = new FakeLink();
  link.heartbeatPing = () => {
    heartbeat.remove(link);
    heartbeat.add(late);
  };
  heartbeat.add(link);
  clock.advance(26_000);
  expect(clock.pending).toBe(1);
  heartbeat.remove(late);
  expect(clock.pending).toBe(0);
});

test("a peer that answers no ping is cut, one that does lives on", async () => {
  const clock = new ManualClock();
  await using serving = await Serving.start({ network: { clock } });
  await using dead = await RawClient.upgraded(serving.port);
  const servedDead = await serving.next();
  await using alive = await RawClient.upgraded(serving.port);
  const servedAlive = await serving.next();
  clock.advance(26_000);
  expect(await dead.frame()).toMatchObject({ opcode: 9 });
  expect(await alive.frame()).toMatchObject({ opcode: 9 });
  alive.write(Buffer.concat([clientFrame(10), clientFrame(1, "alive")]));
  await servedAlive.until(() => servedAlive.messages.length === 1);
  clock.advance(9_000);
  const info = await servedDead.closed;
  expect(info).toMatchObject({ by: "network", clean: false, code: 1006, retryable: true });
  expect(info.error?.code).toBe("timed-out");
  await dead.closed();
  expect(servedAlive.closeInfo).toBe(undefined);
});

test("a link that its program keeps busy is never pinged", async () => {
  const clock = new ManualClock();
  await using serving = await Serving.start({ network: { clock } });
  await using client = await RawClient.upgraded(serving.port);
  const served = await serving.next();
  for (let round = 1; round <= 5; round++) {
    clock.advance(20_000);
    client.write(clientFrame(1, "busy"));
    await served.until(() => served.messages.length === round);
  }
  served.link.send("first frame");
  expect(await client.frame()).toMatchObject({ opcode: 1 });
});

test("heartbeat: false pings nobody", async () => {
  const clock = new ManualClock();
  await using serving = await Serving.start({ network: { clock }, listen: { heartbeat: false } });
  await using client = await RawClient.upgraded(serving.port);
  const served = await serving.next();
  expect(clock.pending).toBe(0);
  clock.advance(200_000);
  served.link.send("first frame");
  expect(await client.frame()).toMatchObject({ opcode: 1 });
});
