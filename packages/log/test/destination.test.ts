import { execFileSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { Writable } from "node:stream";
import { expect, test } from "vitest";
import { createLogger } from "../src/index.ts";

test("F17: a full disk is counted, crashes nothing, and writing goes on", async () => {
  const fd = fs.openSync("/dev/full", "w");
  const logger = createLogger({ destination: fd });
  for (let index = 0; index < 10; index += 1) logger.log("info", "x", "lost");
  await logger.flush();
  expect(logger.stats()).toEqual({ written: 0, dropped: 10, lastError: "ENOSPC", repeated: 0 });
  fs.closeSync(fd);
});

test("F17: a reader that went away is counted and crashes nothing", async () => {
  const uncaught: unknown[] = [];
  const note = (error: unknown): void => void uncaught.push(error);
  process.on("uncaughtException", note);
  const reader = net.createServer((socket) => socket.resetAndDestroy()).listen(0, "127.0.0.1");
  await once(reader, "listening");
  const pipe = net.connect((reader.address() as net.AddressInfo).port, "127.0.0.1");
  const logger = createLogger({ destination: pipe });
  while (logger.stats().dropped < 2) {
    logger.log("info", "x", "lost");
    await logger.flush();
  }
  expect(logger.stats().lastError).toMatch(/^(EPIPE|ECONNRESET|ERR_STREAM_DESTROYED)$/);
  expect(uncaught).toEqual([]);
  process.off("uncaughtException", note);
  reader.close();
});

test("a reader that stalls holds up to the limit; the rest is dropped and counted, and what was held arrives", async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-log-"));
  const pipe = path.join(directory, "pipe");
  execFileSync("mkfifo", [pipe]);
  const fd = fs.openSync(pipe, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
  const logger = createLogger({ destination: fd, maxBufferedBytes: 256 * 1024, repeats: false });
  const line = "x".repeat(1_000);
  for (let index = 0; index < 1_000; index += 1) logger.log("info", "x", line);
  expect(logger.stats().dropped).toBeGreaterThan(500);

  const kept = 1_000 - logger.stats().dropped;
  const reader = fs.createReadStream(pipe);
  let received = 0;
  reader.on("data", (chunk) => (received += chunk.toString().split("\n").length - 1));
  await logger.flush(10_000);
  expect(logger.stats().written).toBe(kept);
  reader.destroy();
  fs.closeSync(fd);
  fs.rmSync(directory, { recursive: true });
  expect(received).toBeGreaterThan(0);
});

test("flush gives up after its time when nobody reads", async () => {
  const logger = createLogger({ destination: new Writable({ write() {} }) });
  logger.log("info", "x", "waiting");
  await logger.flush(1);
  expect(logger.stats()).toEqual({ written: 0, dropped: 0, lastError: undefined, repeated: 0 });
});

test("a destination that throws is counted", () => {
  const destination = {
    write(): void {
      throw new Error("broken");
    },
    on(): void {},
  };
  const logger = createLogger({ destination });
  logger.log("info", "x", "lost");
  expect(logger.stats()).toEqual({ written: 0, dropped: 1, lastError: "broken", repeated: 0 });
});

test("lines reach a file in their order", async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-log-"));
  const file = path.join(directory, "log");
  const fd = fs.openSync(file, "w");
  const logger = createLogger({ destination: fd, form: "logfmt" });
  for (let index = 0; index < 1_000; index += 1) logger.log("info", "x", `line-${index}`);
  await logger.flush();
  const lines = fs.readFileSync(file, "utf8").trimEnd().split("\n");
  expect(lines.map((text) => text.split("message=")[1])).toEqual(Array.from({ length: 1_000 }, (_, i) => `line-${i}`));
  fs.closeSync(fd);
  fs.rmSync(directory, { recursive: true });
});
