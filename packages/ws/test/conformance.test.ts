import { laws } from "@polywire/conformance";
import { hasIpv6, makeCertificate } from "@polywire/conformance/testing";
import { describe, test } from "vitest";
import { ws } from "../src/index.ts";

const { cert, key } = makeCertificate({ name: "conformance", hosts: ["localhost", "127.0.0.1", "::1"] });
const secure = {
  dialOptions: { tls: { ca: cert } },
  listenOptions: { tls: { cert, key } },
  untrusting: { tls: {} },
};

const subjects = [
  { name: "ws over IPv4", url: "ws://127.0.0.1:0/conformance" },
  ...(hasIpv6 ? [{ name: "ws over IPv6", url: "ws://[::1]:0/conformance" }] : []),
  { name: "wss", url: "wss://127.0.0.1:0/conformance", ...secure },
];

for (const { name, ...subject } of subjects) {
  describe(`the laws, ${name}`, () => {
    for (const law of laws({ ...subject, protocol: () => ws(), offering: (subprotocols) => ({ subprotocols }) })) {
      test(law.name, { timeout: law.timeoutMs }, () => law.run());
    }
  });
}
