import { Writable } from "node:stream";
import type { Clock } from "@polywire/core";
import { createLogger, type LogOptions, type LogWriter } from "../src/index.ts";

/** 2026-06-01T18:18:44.500 UTC, with 952 microseconds on the monotonic clock. */
const fixedClock: Clock = {
  now: () => 0.952,
  wallTime: () => Date.UTC(2026, 5, 1, 18, 18, 44, 500),
  setTimer: () => ({ cancel: () => {} }),
  endOfTurn: () => {},
};

/** A logger and the text it wrote. */
export function collect(options: LogOptions = {}): { logger: LogWriter; text: () => string } {
  let written = "";
  const destination = new Writable({
    decodeStrings: false,
    write(chunk: string, _encoding, done) {
      written += chunk;
      done();
    },
  });
  return { logger: createLogger({ destination, clock: fixedClock, ...options }), text: () => written };
}
