import { tmpdir } from "node:os";
import { join } from "node:path";
import { laws } from "@polywire/conformance";
import { hasIpv6, makeCertificate } from "@polywire/conformance/testing";
import { describe, test } from "vitest";
import { tcp } from "../src/index.ts";

const { cert, key } = makeCertificate({ name: "conformance", hosts: ["localhost", "127.0.0.1", "::1"] });
const secure = {
  dialOptions: { tls: { ca: cert } },
  listenOptions: { tls: { cert, key } },
  untrusting: { tls: {} },
};
const socket = join(tmpdir(), `polywire-conformance-${process.pid}.sock`);

const subjects = [
  { name: "bytes over IPv4", url: "tcp://127.0.0.1:0", framing: "none" },
  { name: "lines over IPv4", url: "tcp://127.0.0.1:0", framing: "lines" },
  { name: "u32 lengths over IPv4", url: "tcp://127.0.0.1:0", framing: "u32" },
  { name: "varint lengths over IPv4", url: "tcp://127.0.0.1:0", framing: "varint" },
  ...(hasIpv6 ? ([{ name: "varint lengths over IPv6", url: "tcp://[::1]:0", framing: "varint" }] as const) : []),
  { name: "bytes over TLS", url: "tcps://127.0.0.1:0", framing: "none", ...secure },
  { name: "u32 lengths over TLS", url: "tcps://127.0.0.1:0", framing: "u32", ...secure },
  { name: "u32 lengths over a Unix socket", url: `unix:${socket}`, framing: "u32" },
] as const;

for (const { name, framing, ...subject } of subjects) {
  describe(`the laws, ${name}`, () => {
    for (const law of laws({ ...subject, protocol: () => tcp({ framing }) })) {
      test(law.name, { timeout: law.timeoutMs }, () => law.run());
    }
  });
}
