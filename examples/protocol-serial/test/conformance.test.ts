import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { laws } from "@polywire/conformance";
import { serial } from "../src/index.ts";

const socket = join(tmpdir(), `polywire-serial-${process.pid}`);
const subject = { protocol: () => serial(), url: `serial:${socket}` };

for (const law of laws(subject)) test(law.name, { timeout: law.timeoutMs }, () => law.run());
