import { ManualClock } from "@polywire/core/testing";
import { expect, test } from "vitest";
import { ConnectRates } from "../src/connect-rates.ts";

interface Limits {
  readonly perSecond?: number;
  readonly perSecondPerAddress?: number;
}

function rates({ perSecond, perSecondPerAddress }: Limits) {
  const clock = new ManualClock();
  const lines: string[] = [];
  const logger = {
    log: (level: string, _component: string, message: string) => void lines.push(`${level} ${message}`),
  };
  const made = new ConnectRates({ perSecond, perSecondPerAddress, logger, clock });
  const come = (address?: string): number => made.judge({ secure: false, address })?.status ?? 200;
  return { clock, lines, made, come };
}

test("a second's worth may come at once, then one after the other", () => {
  const { come, clock } = rates({ perSecond: 4 });
  expect(Array.from({ length: 5 }, () => come("192.0.2.1"))).toEqual([200, 200, 200, 200, 503]);
  clock.advance(249);
  expect(come()).toBe(503);
  clock.advance(1);
  expect([come(), come()]).toEqual([200, 503]);
  clock.advance(60_000);
  expect(Array.from({ length: 5 }, () => come())).toEqual([200, 200, 200, 200, 503]);
});

test("an address that floods takes no room from the others", () => {
  const { come } = rates({ perSecond: 4, perSecondPerAddress: 1 });
  expect(Array.from({ length: 100 }, () => come("192.0.2.1")).filter((status) => status === 200)).toHaveLength(1);
  expect([come("192.0.2.2"), come("192.0.2.3"), come("192.0.2.4"), come("192.0.2.5")]).toEqual([200, 200, 200, 503]);
});

test("an IPv6 network is one address, a mapped address that of IPv4; who has none is counted with all alone", () => {
  const { come } = rates({ perSecondPerAddress: 1 });
  expect([come("2001:db8::1"), come("2001:db8::2"), come("2001:db8:0:1::1")]).toEqual([200, 503, 200]);
  expect([come("::ffff:192.0.2.1"), come("192.0.2.1")]).toEqual([200, 503]);
  expect([come(), come(), come()]).toEqual([200, 200, 200]);
});

test("10,000 addresses are remembered, those heard of last", () => {
  const { come } = rates({ perSecondPerAddress: 1 });
  const address = (index: number): string => `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`;
  for (let index = 0; index < 10_000; index++) come(address(index));
  expect(come(address(0))).toBe(503);
  // One more, and what was not heard of for the longest time is forgotten: not the first, which has just come.
  come(address(10_000));
  expect([come(address(0)), come(address(2)), come(address(1))]).toEqual([503, 503, 200]);
});

test("refusing is counted, and told in the log once in ten seconds", () => {
  const { come, clock, lines, made } = rates({ perSecond: 1 });
  for (let count = 0; count < 50; count++) come();
  expect([made.refused, lines]).toEqual([49, ["warn clients refused: too many come at once"]]);
  clock.advance(10_000);
  come();
  come();
  expect(lines).toHaveLength(2);
});

test("without limits everybody may come", () => {
  const { come } = rates({});
  expect(Array.from({ length: 1_000 }, () => come("192.0.2.1")).every((status) => status === 200)).toBe(true);
});
