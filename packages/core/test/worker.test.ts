import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";

test("P44: networks in worker threads work and let their threads end", async () => {
  const ended = [1, 2, 3].map(async () => {
    const worker = new Worker(new URL("./worker-echo.ts", import.meta.url), {
      execArgv: ["--conditions=@polywire/source"],
    });
    const heard: unknown[] = [];
    worker.on("message", (message) => void heard.push(message));
    const exitCode = await new Promise((resolve, reject) => {
      worker.on("error", reject);
      worker.on("exit", resolve);
    });
    return { exitCode, heard };
  });
  for (const each of await Promise.all(ended))
    expect(each).toEqual({ exitCode: 0, heard: [new Uint8Array([1, 2, 3])] });
});
