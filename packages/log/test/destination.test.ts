import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
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
  expect(logger.stats()).toEqual({ written: 0, dropped: 10, lastError: "ENOSPC" });
  fs.closeSync(fd);
});

test("F17: a reader that went away is counted and crashes nothing", async () => {
  const reader = spawn("true", { stdio: ["pipe", "ignore", "ignore"] });
  await once(reader, "exit");
  const logger = createLogger({ destination: reader.stdin });
  logger.log("info", "x", "lost");
  await logger.flush();
  logger.log("info", "x", "lost too");
  await logger.flush();
  expect(logger.stats().written).toBe(0);
  expect(logger.stats().dropped).toBe(2);
});

test("a reader that stalls holds up to the limit; the rest is dropped and counted, and what was held arrives", async () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-log-"));
  const pipe = path.join(directory, "pipe");
  execFileSync("mkfifo", [pipe]);
  const fd = fs.openSync(pipe, fs.constants.O_RDWR | fs.constants.O_NONBLOCK);
  const logger = createLogger({ destination: fd, maxBufferedBytes: 256 * 1024 });
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
  expect(logger.stats()).toEqual({ written: 0, dropped: 0, lastError: undefined });
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
  expect(logger.stats()).toEqual({ written: 0, dropped: 1, lastError: "broken" });
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
