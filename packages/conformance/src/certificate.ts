import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { isIP } from "node:net";

export interface Certificate {
  readonly cert: string;
  readonly key: string;
  readonly name: string;
  readonly privateKey: KeyObject;
}

export interface CertificateRequest {
  /** Common name of the subject. */
  readonly name: string;
  /** DNS names and addresses it is good for. */
  readonly hosts?: readonly string[];
  /** Who signs; itself by default. */
  readonly issuer?: Certificate;
  readonly isAuthority?: boolean;
  readonly notAfter?: Date;
}

// Object identifiers, already in DER.
const COMMON_NAME = Buffer.from("0603550403", "hex");
const SUBJECT_ALT_NAME = Buffer.from("0603551d11", "hex");
const BASIC_CONSTRAINTS = Buffer.from("0603551d13", "hex");
const ECDSA_WITH_SHA256 = Buffer.from("06082a8648ce3d040302", "hex");

/** A certificate for tests, made on the spot (RFC 5280), so that none is kept that could expire or leak. */
export function makeCertificate(request: CertificateRequest): Certificate {
  const { name, hosts = [], issuer, isAuthority = false, notAfter = new Date("2049-01-01T00:00:00Z") } = request;
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = sequence(ECDSA_WITH_SHA256);
  const extensions = [
    ...(isAuthority ? [sequence(BASIC_CONSTRAINTS, der(0x04, sequence(Buffer.from("0101ff", "hex"))))] : []),
    ...(hosts.length > 0 ? [sequence(SUBJECT_ALT_NAME, der(0x04, sequence(...hosts.map(generalName))))] : []),
  ];
  const content = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    distinguishedName(issuer?.name ?? name),
    sequence(time(new Date("2020-01-01T00:00:00Z")), time(notAfter)),
    distinguishedName(name),
    publicKey.export({ type: "spki", format: "der" }),
    ...(extensions.length > 0 ? [der(0xa3, sequence(...extensions))] : []),
  );
  const signature = sign("sha256", content, issuer?.privateKey ?? privateKey);
  const certificate = sequence(content, algorithm, der(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const cert = `-----BEGIN CERTIFICATE-----\n${certificate.toString("base64")}\n-----END CERTIFICATE-----\n`;
  return { cert, key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(), name, privateKey };
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function distinguishedName(name: string): Buffer {
  return sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(name)))));
}

function generalName(host: string): Buffer {
  if (isIP(host) === 0) return der(0x82, Buffer.from(host));
  if (isIP(host) === 4) return der(0x87, Buffer.from(host.split(".").map(Number)));
  if (host !== "::1") throw new Error("only ::1 is written out here");
  return der(0x87, Buffer.concat([Buffer.alloc(15), Buffer.from([1])]));
}

function time(date: Date): Buffer {
  return der(0x18, Buffer.from(`${date.toISOString().replace(/[-:T]/g, "").slice(0, 14)}Z`));
}
