import { laws } from "@polywire/conformance";
import { hasIpv6, makeCertificate } from "@polywire/conformance/testing";
import { describe, test } from "vitest";
import { grpc } from "../src/index.ts";

const { cert, key } = makeCertificate({ name: "conformance", hosts: ["localhost", "127.0.0.1", "::1"] });
const secure = { dialOptions: { tls: { ca: cert } }, listenOptions: { tls: { cert, key } } };

const addresses = [
  { name: "grpc over IPv4", address: "grpc://127.0.0.1:0" },
  ...(hasIpv6 ? [{ name: "grpc over IPv6", address: "grpc://[::1]:0" }] : []),
  { name: "grpcs", address: "grpcs://127.0.0.1:0", ...secure },
];
/** Links are at one path, requests below all of them. */
const paths = { links: "/conformance.Laws/Link", exchanges: "/" } as const;

for (const { name, address, ...options } of addresses) {
  for (const about of ["links", "exchanges"] as const) {
    describe(`the laws of ${about}, ${name}`, () => {
      const subject = {
        ...options,
        protocol: () => grpc(),
        url: `${address}${paths[about]}`,
        naming: (_method: string, path: string) => ({ method: path }),
      };
      for (const law of laws(subject).filter((each) => each.about === about)) {
        test(law.name, { timeout: law.timeoutMs }, () => law.run());
      }
    });
  }
}
