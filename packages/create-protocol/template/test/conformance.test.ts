import { test } from "node:test";
import { laws } from "@polywire/conformance";
import { mywire } from "../src/index.ts";

const subject = { protocol: () => mywire(), url: "mywire://127.0.0.1:0" };

for (const law of laws(subject)) test(law.name, { timeout: law.timeoutMs }, () => law.run());
