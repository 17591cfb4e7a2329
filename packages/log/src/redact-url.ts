import { isSecretQueryName, REDACTED } from "./secret-name.ts";

/** A URL with an authority, in any text. One character class after a literal, so the search is linear. */
const URL_IN_TEXT = /:\/\/[^\s"<>]+/g;

/** A parameter of a query or a fragment, also of a URL without an authority. Bounded names, so the search is linear. */
const PARAMETER = /([?&#;])([^=&#;?\s"'<>/]{1,128})=([^&#\s"<>]*)/g;

/** URLs are looked for in URLs so many times: `?next=https%3A%2F%2F…%3Ftoken%3D…`. */
const MAX_DEPTH = 2;

/** `text` with the user info and the secret parameters of all its URLs left out. */
export function redactUrls(text: string): string {
  return redactAt(text, MAX_DEPTH);
}

function redactAt(text: string, depth: number): string {
  return text
    .replace(URL_IN_TEXT, (url) => withoutUserInfo(url))
    .replace(PARAMETER, (whole: string, before: string, name: string, value: string) => {
      if (isSecretQueryName(decoded(name))) return `${before}${name}=${REDACTED}`;
      const redacted = depth > 0 && value.includes("%") ? redactedWithin(value, depth - 1) : value;
      return redacted === value ? whole : `${before}${name}=${redacted}`;
    });
}

/** `rest` begins with `://`. A password with a `/` in it is no URL any more, and a secret all the same. */
function withoutUserInfo(rest: string): string {
  const end = rest.slice(3).search(/[/?#]/);
  const authority = end === -1 ? rest : rest.slice(0, end + 3);
  const at = authority.lastIndexOf("@");
  if (at !== -1) return `://${REDACTED}${rest.slice(at)}`;
  const later = rest.lastIndexOf("@");
  const isHostAndPort = /^:\/\/(?:[^:]*|\[[^\]]*\])(?::\d{0,5})?$/.test(authority);
  return later === -1 || isHostAndPort ? rest : `://${REDACTED}${rest.slice(later)}`;
}

/** A value in percent-encoding that holds a URL of its own; as it was when that has no secret. */
function redactedWithin(value: string, depth: number): string {
  const plain = decoded(value);
  const redacted = redactAt(plain, depth);
  return redacted === plain ? value : encodeURIComponent(redacted);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
