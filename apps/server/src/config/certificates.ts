import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";

/** Where the certificate of a listener lies. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  /** Authorities of clients: with it every client has to show a certificate of theirs. */
  readonly clientCaFile?: string | undefined;
}

/** What a listener needs for TLS. */
export interface TlsMaterial {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca?: Buffer;
  readonly requestCert?: true;
  readonly rejectUnauthorized?: true;
}

/** When a certificate ends, in milliseconds since 1970. */
export function endOf({ cert }: Pick<TlsMaterial, "cert">): number {
  return Date.parse(new X509Certificate(cert).validTo);
}

/** Something wrong with one of the files. */
export class CertificateProblem extends Error {
  readonly file: keyof TlsFiles;

  constructor(file: keyof TlsFiles, message: string) {
    super(message);
    this.file = file;
  }
}

/**
 * Reads the files, and checks that they belong together.
 *
 * @throws CertificateProblem that shows nothing of what the files hold.
 */
export function readCertificates({ certFile, keyFile, clientCaFile }: TlsFiles): TlsMaterial {
  const cert = read("certFile", certFile);
  const key = read("keyFile", keyFile);
  const certificate = parse("certFile", "is no certificate in PEM", () => new X509Certificate(cert));
  const privateKey = parse("keyFile", "is no private key in PEM without a passphrase", () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new CertificateProblem("keyFile", "is not the key of the certificate in certFile");
  }
  if (clientCaFile === undefined) return { cert, key };
  const ca = read("clientCaFile", clientCaFile);
  parse("clientCaFile", "is no certificate in PEM", () => new X509Certificate(ca));
  return { cert, key, ca, requestCert: true, rejectUnauthorized: true };
}

/** Whether others on this machine may read the key. */
export function isWorldReadable(file: string): boolean {
  return (statSync(file).mode & 0o004) !== 0;
}

function read(file: keyof TlsFiles, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "no such file" : code === "EACCES" ? "not readable: check its permissions" : code;
    throw new CertificateProblem(file, `${path}: ${why}`);
  }
}

function parse<Result>(file: keyof TlsFiles, problem: string, work: () => Result): Result {
  try {
    return work();
  } catch {
    // What the parser says may quote the file.
    throw new CertificateProblem(file, problem);
  }
}
