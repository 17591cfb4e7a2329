import { generateKeyPairSync, type KeyObject } from "node:crypto";

/** A key that signs, and the one that verifies, in PEM. */
export interface KeyPair {
  readonly privateKey: string;
  readonly publicKey: string;
  readonly keys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
}

function inPem(keys: KeyPair["keys"]): KeyPair {
  return {
    keys,
    privateKey: keys.privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    publicKey: keys.publicKey.export({ type: "spki", format: "pem" }) as string,
  };
}

export const SECRET = "a secret of thirty-two bytes, or more";
export const rsa: KeyPair = inPem(generateKeyPairSync("rsa", { modulusLength: 2_048 }));
export const weakRsa: KeyPair = inPem(generateKeyPairSync("rsa", { modulusLength: 1_024 }));
export const p256: KeyPair = inPem(generateKeyPairSync("ec", { namedCurve: "P-256" }));
export const p384: KeyPair = inPem(generateKeyPairSync("ec", { namedCurve: "P-384" }));
export const p521: KeyPair = inPem(generateKeyPairSync("ec", { namedCurve: "P-521" }));
export const ed25519: KeyPair = inPem(generateKeyPairSync("ed25519"));
