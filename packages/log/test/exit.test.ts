import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect, test } from "vitest";

const source = JSON.stringify(path.join(import.meta.dirname, "../src/index.ts"));

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly error: string;
}

/** Runs a program to its end, with `output` as its standard output. */
async function runProgram(
  code: string,
  output: number | "pipe",
  readers?: (stdout: NodeJS.ReadableStream) => void,
): Promise<Ended> {
  const program = `import { createLogger } from ${source};\n${code}`;
  const flags = ["--conditions=@polywire/source", "--input-type=module", "--eval", program];
  const child = spawn(process.execPath, flags, { stdio: ["ignore", output, "pipe"], cwd: import.meta.dirname });
  let error = "";
  child.stderr?.on("data", (chunk) => (error += String(chunk)));
  if (child.stdout !== null) readers?.(child.stdout);
  const [exitCode, signal] = (await once(child, "close")) as [number | null, string | null];
  return { code: exitCode, signal, error };
}

/** What the program wrote to a file, and how it ended. */
async function written(code: string): Promise<Ended & { readonly lines: string[] }> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-log-"));
  const file = path.join(folder, "log");
  const fd = fs.openSync(file, "w");
  try {
    const ended = await runProgram(code, fd);
    const lines = fs.readFileSync(file, "utf8").split("\n").slice(0, -1);
    return { ...ended, lines: lines.map((line) => (JSON.parse(line) as { message: string }).message) };
  } finally {
    fs.closeSync(fd);
    fs.rmSync(folder, { recursive: true });
  }
}

const LINES = Array.from({ length: 500 }, (_, index) => `line ${index}`);
const LOG_ALL = "const logger = createLogger(); for (let i = 0; i < 500; i++) logger.log('info', 'x', `line ${i}`);";

test.concurrent.each([
  ["process.exit", `${LOG_ALL} process.exit(3);`, 3],
  ["a program that just ends", LOG_ALL, 0],
  ["an error that nobody catches", `${LOG_ALL} throw new Error("bug");`, 1],
  ["a rejection that nobody catches", `${LOG_ALL} await Promise.reject(new Error("bug"));`, 1],
])("every line is in the file, in its order, after %s", async (_how, code, exitCode) => {
  const { lines, code: endedWith } = await written(code);
  expect(lines).toEqual(LINES);
  expect(endedWith).toBe(exitCode);
});

test.concurrent("what is logged while the process exits is written too", async () => {
  const { lines } = await written(`
    process.on("exit", () => early.log("info", "x", "in an earlier listener"));
    const early = createLogger();
    early.log("info", "x", "first");
    process.on("exit", () => early.log("info", "x", "in a later listener"));
    process.exit(0);
  `);
  expect(lines).toEqual(["first", "in an earlier listener", "in a later listener"]);
});

test.concurrent("what was left out as repeated is told at the exit", async () => {
  const { lines } = await written(`
    const logger = createLogger({ repeats: { maxPerWindow: 1, windowMs: 60_000 } });
    for (let time = 0; time < 5; time++) logger.log("info", "x", "again");
    process.exit(0);
  `);
  expect(lines).toEqual(["again", "again … repeated 4 times"]);
});

test.concurrent("many loggers add one listener, and signals end the process as ever", async () => {
  const { error, signal } = await written(`
    for (let each = 0; each < 50; each++) createLogger().log("info", "x", "one of many");
    console.error(process.listenerCount("exit") <= 1, process.listenerCount("SIGTERM"), process.listenerCount("beforeExit"));
    process.kill(process.pid, "SIGTERM");
    setInterval(() => {}, 1000);
  `);
  expect(error).toBe("true 0 0\n");
  expect(signal).toBe("SIGTERM");
});

test.concurrent("F17: a reader that goes away neither ends the program nor changes its exit code", async () => {
  const ended = await runProgram(
    `
    const logger = createLogger();
    const next = () => {
      logger.log("info", "x", "to nobody");
      if (logger.stats().dropped < 20) return void setImmediate(next);
      console.error(JSON.stringify(logger.stats().lastError));
      process.exit(7);
    };
    next();
    `,
    "pipe",
    (stdout) => (stdout as unknown as { destroy(): void }).destroy(),
  );
  expect(ended).toEqual({ code: 7, signal: null, error: '"EPIPE"\n' });
});
