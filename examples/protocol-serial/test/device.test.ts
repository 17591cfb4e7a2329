import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { hasProgram } from "@polywire/conformance/testing";
import { messages, Network } from "@polywire/core";
import { serial } from "../src/index.ts";

const ALL_BYTES = Uint8Array.from({ length: 256 }, (_, index) => index);

const settings = { timeout: 30_000, skip: !hasProgram("python3", "--version") && "python3 is missing" };

test("a device on a terminal answers in SLIP that is not ours", settings, async () => {
  const folder = mkdtempSync(join(tmpdir(), "polywire-serial-"));
  const device = spawn("python3", [join(import.meta.dirname, "device.py"), join(folder, "line")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface(device.stdout)[Symbol.asyncIterator]();
  const network = new Network({ protocols: [serial()] });
  try {
    assert.equal((await lines.next()).value, "ready");
    const connection = await network.connect(`serial:${folder}/line`);
    const sent = [ALL_BYTES, new Uint8Array([0xc0]), new Uint8Array([0xdb, 0xdc, 0xdd]), new Uint8Array(2_000)];
    for (const payload of sent) connection.send(payload);
    let heard = 0;
    for await (const payload of messages(connection)) {
      assert.deepEqual(payload, sent[heard]?.toReversed(), `answer ${heard}`);
      heard++;
      if (heard === sent.length) break;
    }
    await connection.close();
    assert.equal((await lines.next()).value, "the peer has ended");
  } finally {
    await network.close();
    const isRunning = device.exitCode === null && device.signalCode === null;
    if (isRunning && device.kill("SIGKILL")) await once(device, "exit");
    rmSync(folder, { recursive: true });
  }
});
