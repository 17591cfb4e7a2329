import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { freePort, root, scratchFolder } from "./workspace.ts";

test("npm start serves, and a SIGTERM to npm ends it in order", async () => {
  await using scratch = await scratchFolder();
  const port = await freePort();
  const npm = startNpm("--config", writeConfig(scratch.path, port));
  await npm.printed(String(port));

  const health = await fetch(`http://127.0.0.1:${port}/health`);
  npm.kill("SIGTERM");

  expect(health.status).toBe(200);
  expect(await npm.exitCode).toBe(0);
  await expect(fetch(`http://127.0.0.1:${port}/health`)).rejects.toThrow("fetch failed");
});

test("one Ctrl-C, which the terminal sends to every process and npm once more, ends it in order", async () => {
  await using scratch = await scratchFolder();
  const port = await freePort();
  const npm = startNpm("--config", writeConfig(scratch.path, port));
  await npm.printed(String(port));

  npm.killGroup("SIGINT");

  expect(await npm.exitCode).toBe(0);
});

test("the exit code of polywire serve is that of npm start", async () => {
  const npm = startNpm("--config", "nowhere.yaml");
  await npm.printed("nowhere.yaml");
  expect(await npm.exitCode).toBe(2);
});

function writeConfig(folder: string, port: number): string {
  const file = join(folder, "polywire.json");
  const address = `http://127.0.0.1:${port}`;
  writeFileSync(file, JSON.stringify({ listen: [address], internal: [address] }));
  return file;
}

/** `npm start` as the leader of a process group of its own, as a terminal starts it. */
function startNpm(...args: string[]): {
  printed(text: string): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  killGroup(signal: NodeJS.Signals): void;
  exitCode: Promise<number | null>;
} {
  const child = spawn("npm", ["start", "--", ...args], {
    cwd: root,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exitCode = once(child, "close").then(([code]) => code as number | null);
  let output = "";
  const chunks = new EventTarget();
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      // npm repeats the command line, arguments and all.
      output += chunk.replace(/^> .*$/gm, "");
      chunks.dispatchEvent(new Event("chunk"));
    });
  }
  return {
    exitCode,
    async printed(text) {
      const ended = exitCode.then((code) => {
        throw new Error(`npm start ended with ${code} before it printed ${text}:\n${output}`);
      });
      ended.catch(() => {});
      while (!output.includes(text)) await Promise.race([once(chunks, "chunk"), ended]);
    },
    kill: (signal) => void child.kill(signal),
    killGroup: (signal) => void process.kill(-(child.pid ?? 0), signal),
  };
}
