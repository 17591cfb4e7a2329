import { redactUrls } from "./redact-url.ts";
import { isSecretName, REDACTED } from "./secret-name.ts";

/** `name=value` in running text. Bounded and anchored at a word's start, so the search is linear. */
const ASSIGNMENT = /(?<![\w-])([\w.%[\]-]{1,64})=([^&#\s"',;]+)/g;

/** `"name": value` in JSON text, also in JSON that is a text of JSON itself, and `name: 'value'` as consoles print objects. */
const JSON_MEMBER = /"([\w.-]{1,64})"\s{0,8}:\s{0,8}(?:"(?:[^"\\]|\\.)*"?|-?\d[\d.eE+-]*)/g;
const NESTED_JSON_MEMBER = /\\"([\w.-]{1,64})\\{1,8}"\s{0,8}:\s{0,8}\\{1,8}"[^"\\]*/g;
const PRINTED_MEMBER =
  /(?<![\w-])['"]?([\w-]{1,64})['"]?: {1,4}(?:'(?:[^'\\\n]|\\.)*'?|"(?:[^"\\\n]|\\.)*"?|`(?:[^`\\]|\\.)*`?)/g;

/** A header's line: all of it is its value. */
const HEADER_LINE =
  /(?<![\w-])((?:proxy-)?authorization|(?:set-)?cookie2?|x-api-key|x-auth-token|x-csrf-token)(['"]?\s{0,4}[:=]\s{0,4})(?!['"\\]*\[redacted\])[^\r\n]+/gi;

/** `password: value` as people write it. Other names are too often followed by a sentence. */
const WRITTEN_PASSWORD =
  /(?<![\w-])(password|passwd|passphrase|api[ _-]?key|client[ _-]?secret)( ?: ?)(?!['"\\]*\[redacted\])\S+/gi;

/** `Bearer …` and the like, in running text. */
const SCHEME_CREDENTIALS = /\b(bearer|basic|apikey)\s{1,4}[\w.~+/=-]{6,}/gi;

/** A JSON Web Token standing alone: it always begins with the base64 of `{"`. */
const JSON_WEB_TOKEN = /\beyJ[\w-]{8,}\.[\w-]*(?:\.[\w-]*)?/g;

/** A key in PEM, or the part of it that is there. */
const PRIVATE_KEY = /-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,32}PRIVATE KEY-----)?/g;

/**
 * `text` without the secrets that can be told by their place: user info and query values of URLs, members of JSON,
 * headers, credentials, tokens, private keys. Each search has a sign without which it finds nothing: most texts have none.
 */
export function redactText(text: string): string {
  const isAssigning = text.includes("=");
  const isNaming = text.includes(":");
  let rest = isAssigning || isNaming ? redactUrls(text) : text;
  if (rest.includes("PRIVATE KEY")) rest = rest.replace(PRIVATE_KEY, REDACTED);
  if (isNaming) rest = redactMembers(rest);
  if (isNaming || isAssigning) {
    rest = rest.replace(HEADER_LINE, (_whole, name: string, between: string) => `${name}${between}${REDACTED}`);
  }
  rest = rest.replace(SCHEME_CREDENTIALS, (_whole, scheme: string) => `${scheme} ${REDACTED}`);
  if (rest.includes("eyJ")) rest = rest.replace(JSON_WEB_TOKEN, REDACTED);
  if (!isAssigning) return rest;
  return rest.replace(ASSIGNMENT, (whole, name: string) => (isSecretName(name) ? `${name}=${REDACTED}` : whole));
}

/** What has a name and a colon before it. */
function redactMembers(text: string): string {
  let rest = text;
  if (rest.includes('"')) {
    rest = rest
      .replace(JSON_MEMBER, (whole, name: string) => (isSecretName(name) ? `"${name}":"${REDACTED}"` : whole))
      .replace(NESTED_JSON_MEMBER, (whole, name: string) =>
        isSecretName(name) ? `\\"${name}\\":\\"${REDACTED}` : whole,
      );
  }
  return rest
    .replace(PRINTED_MEMBER, (whole, name: string) => (isSecretName(name) ? `${name}: '${REDACTED}'` : whole))
    .replace(WRITTEN_PASSWORD, (_whole, name: string, between: string) => `${name}${between}${REDACTED}`);
}
