import type { Authenticated, AuthenticateRequest } from "@polywire/realtime";

const MAX_NAME_CHARACTERS = 64;
const MAX_DATA_BYTES = 1_024;

/**
 * Lets everybody in as an anonymous user. A client that connects with the data `{"name": "Ada"}` is shown under that
 * name to those who share its channels; it is a name for people, proof of nothing.
 */
export function admitAnonymous({ data }: AuthenticateRequest): Authenticated {
  const name = data === undefined ? undefined : readName(data);
  return name === undefined ? { user: "" } : { user: "", connectionInfo: Buffer.from(JSON.stringify({ name })) };
}

function readName(data: Uint8Array): string | undefined {
  if (data.length > MAX_DATA_BYTES) return undefined;
  try {
    const told: unknown = JSON.parse(Buffer.from(data).toString("utf8"));
    const name = typeof told === "object" && told !== null && "name" in told ? told.name : undefined;
    if (typeof name !== "string" || name.trim() === "") return undefined;
    return Array.from(name.trim()).slice(0, MAX_NAME_CHARACTERS).join("");
  } catch {
    return undefined;
  }
}
