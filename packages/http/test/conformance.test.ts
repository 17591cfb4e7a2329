import { laws } from "@polywire/conformance";
import { hasIpv6, makeCertificate } from "@polywire/conformance/testing";
import { describe, test } from "vitest";
import { http } from "../src/index.ts";

const { cert, key } = makeCertificate({ name: "conformance", hosts: ["localhost", "127.0.0.1", "::1"] });
/** The laws about bodies without an end send more than requests may hold otherwise. */
const roomy = { dialOptions: { maxResponseBytes: 67_108_864 }, listenOptions: { maxBodyBytes: 67_108_864 } };
const tls = {
  dialOptions: { tls: { ca: cert }, ...roomy.dialOptions },
  listenOptions: { tls: { cert, key }, ...roomy.listenOptions },
};

const subjects = [
  { name: "http over IPv4", url: "http://127.0.0.1:0/", ...roomy },
  ...(hasIpv6 ? [{ name: "http over IPv6", url: "http://[::1]:0/", ...roomy }] : []),
  { name: "https", url: "https://127.0.0.1:0/", ...tls },
  {
    name: "HTTP/2",
    url: "https://127.0.0.1:0/",
    ...tls,
    dialOptions: { ...tls.dialOptions, http2: true },
  },
];

for (const { name, ...subject } of subjects) {
  describe(`the laws, ${name}`, () => {
    for (const law of laws({ ...subject, protocol: () => http() })) {
      test(law.name, { timeout: law.timeoutMs }, () => law.run());
    }
  });
}
