import { laws } from "@polywire/conformance";
import { hasIpv6 } from "@polywire/conformance/testing";
import { describe, test } from "vitest";
import { type UdpMode, udp } from "../src/index.ts";

const hosts = [["IPv4", "127.0.0.1"], ...(hasIpv6 ? [["IPv6", "[::1]"]] : [])];
const subjects = (["plain", "sequenced", "reliable"] as const satisfies UdpMode[]).flatMap((mode) =>
  hosts.map(([family, host]) => ({ mode, name: `${mode} over ${family}`, url: `udp://${host}:0/conformance` })),
);

for (const { name, url, mode } of subjects) {
  describe(`the laws, ${name}`, () => {
    const offering = (subprotocols: readonly string[]): Readonly<Record<string, unknown>> => ({ subprotocols });
    const subject = { url, protocol: () => udp({ mode }), ...(mode !== "plain" && { offering }) };
    for (const law of laws(subject)) test(law.name, { timeout: law.timeoutMs }, () => law.run());
  });
}
