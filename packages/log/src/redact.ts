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
  "cookie",
  "credential",
  "jwt",
];

/** Names that hold a secret in a URL's query, and are ordinary words elsewhere. */
const SECRET_QUERY_NAMES: ReadonlySet<string> = new Set(["key", "sig", "signature", "auth", "code"]);

/** `scheme://user:password@`. The authority ends at the first of `/?#`, so the search is linear. */
const USER_INFO = /:\/\/[^\s/?#]*@/g;

/** `name=value` in a query or in running text. Bounded and anchored at a word's start, so the search is linear. */
const ASSIGNMENT = /(?<![\w-])([\w.%-]{1,64})=([^&#\s"',;]+)/g;

/** `"name": "value"` in JSON text. */
const JSON_MEMBER = /"([\w.-]{1,64})"\s{0,8}:\s{0,8}"(?:[^"\\]|\\.)*"?/g;

/** `Authorization: Bearer …` and the like, in running text. */
const SCHEME_CREDENTIALS = /\b(bearer|basic|apikey)\s{1,4}[\w.~+/=-]{6,}/gi;

/** A JSON Web Token standing alone: it always begins with the base64 of `{"`. */
const JSON_WEB_TOKEN = /\beyJ[\w-]{8,}\.[\w-]*(?:\.[\w-]*)?/g;

/** Whether a field of this name holds a secret, whatever its spelling. */
export function isSecretName(name: string): boolean {
  const plain = name.toLowerCase().replace(/[^a-z0-9]/g, "");
  return SECRET_NAME_PARTS.some((part) => plain.includes(part));
}

function isSecretQueryName(name: string): boolean {
  return isSecretName(name) || SECRET_QUERY_NAMES.has(name.toLowerCase());
}

/** `text` without the secrets that can be told by their place: user info, query values, credentials, tokens. */
export function redactText(text: string): string {
  return text
    .replace(USER_INFO, `://${REDACTED}@`)
    .replace(JSON_MEMBER, (whole: string, name: string) => (isSecretName(name) ? `"${name}":"${REDACTED}"` : whole))
    .replace(SCHEME_CREDENTIALS, (_whole: string, scheme: string) => `${scheme} ${REDACTED}`)
    .replace(JSON_WEB_TOKEN, REDACTED)
    .replace(ASSIGNMENT, (whole: string, name: string) => (isSecretQueryName(name) ? `${name}=${REDACTED}` : whole));
}
