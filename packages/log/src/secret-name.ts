/** What stands in the place of a secret. */
export const REDACTED = "[redacted]";

/** A name that contains one of these, whatever its spelling (`apiKey`, `api_key`, `X-API-Key`), holds a secret. */
const SECRET_NAME_PARTS = [
  "token",
  "password",
  "passwd",
  "passphrase",
  "secret",
  "authorization",
  "apikey",
  "accesskey",
  "privatekey",
  "signingkey",
  "encryptionkey",
  "masterkey",
  "sharedkey",
  "hmackey",
  "cookie",
  "credential",
  "jwt",
  "bearer",
];

/** Names that hold a secret when they are all of the name; within others they mean something else. */
const SECRET_NAMES: ReadonlySet<string> = new Set(["pwd", "pass", "auth", "pfx"]);

/** Names that hold a secret in a URL's query, and are ordinary words elsewhere. */
const SECRET_QUERY_NAMES: ReadonlySet<string> = new Set(["key", "sig", "signature", "code", "hmac", "sid", "session"]);

/** Whether a field of this name holds a secret, whatever its spelling. */
export function isSecretName(name: string): boolean {
  const plain = plainName(name);
  return SECRET_NAMES.has(plain) || SECRET_NAME_PARTS.some((part) => plain.includes(part));
}

/** The same for a parameter of a URL. */
export function isSecretQueryName(name: string): boolean {
  return isSecretName(name) || SECRET_QUERY_NAMES.has(plainName(name));
}

function plainName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, "");
}
