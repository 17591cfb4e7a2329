import { describe, expect, test } from "vitest";
import { eachPayload, payload, payloadBytes } from "../src/load/payload.ts";

function found(message: string): [number, number][] {
  const all: [number, number][] = [];
  eachPayload(Buffer.from(message), (dueUs, sequence) => all.push([dueUs, sequence]));
  return all;
}

describe("payload", () => {
  test("is JSON of 128 bytes that keeps its form through a parse", () => {
    const text = payload(1_234_567_890, 42);
    expect(Buffer.byteLength(text)).toBe(payloadBytes);
    expect(JSON.stringify(JSON.parse(text))).toBe(text);
  });

  test("is found wherever it stands, as often as it stands there", () => {
    const push = (dueUs: number, sequence: number): string =>
      `{"push":{"channel":"bench:1","pub":{"data":${payload(dueUs, sequence)}}}}`;
    expect(found(`${push(7, 1)}\n${push(8, 2)}`)).toEqual([
      [7, 1],
      [8, 2],
    ]);
    expect(found(`42["publication","bench:1",${payload(9, 3)}]`)).toEqual([[9, 3]]);
    expect(found('{"id":3,"publish":{}}')).toEqual([]);
  });

  test("throws when it is cut short", () => {
    expect(() => found(payload(1, 1).slice(0, -1))).toThrow("cut short");
  });
});
