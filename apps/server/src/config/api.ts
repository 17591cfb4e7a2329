import { PolywireError } from "@polywire/core";
import { checkApiKey } from "@polywire/dialect-centrifuge";
import { isWorldReadable } from "./certificates.ts";
import type { Problem } from "./problem.ts";
import type { ApiConfig, ServerConfig } from "./schema.ts";
import { readSecretFile } from "./secret.ts";
import { kindOf } from "./values.ts";

/** Most keys: enough for each caller to have its own, and an old one. */
const MAX_KEYS = 100;

const MAX_FILE_BYTES = 65_536;

/** Whether there is a server API: without a key there is none. */
export function hasApi({ keys, keyFile }: ApiConfig): boolean {
  return keys.length > 0 || keyFile !== undefined;
}

/** Reads one key, or a list of them. No error repeats any of it. */
export function readApiKeys(raw: unknown): readonly string[] {
  const entries: readonly unknown[] = Array.isArray(raw) ? raw : [raw];
  if (typeof raw !== "string" && !Array.isArray(raw)) {
    throw new Error(`must be a text or a list of texts, not ${kindOf(raw)}: put it in quotes`);
  }
  return checked(entries, (index) => (Array.isArray(raw) ? `entry ${index + 1}` : ""));
}

/**
 * The keys in a file, one on each line. No error repeats any of it.
 *
 * @throws Error with a sentence for people.
 */
export function readApiKeyFile(file: string): readonly string[] {
  const text = readSecretFile(file);
  if (text.length > MAX_FILE_BYTES) throw new Error(`${file}: is larger than 64 KiB: that is no list of keys`);
  const lines = text.split("\n").map((line) => line.trim());
  const keys = lines.filter((line) => line !== "");
  return checked(keys, (index) => `${file}: line ${lines.indexOf(keys[index] as string) + 1}`);
}

/** What is wrong with the keys, or with what needs them. The first problem, if any. */
export function findApiProblem({ api, internal, channels }: ServerConfig): Problem | undefined {
  if (api.keys.length > 0 && api.keyFile !== undefined) {
    return { key: "api.keyFile", message: "goes without api.key: give one of the two" };
  }
  if (api.keyFile !== undefined) {
    try {
      readApiKeyFile(api.keyFile);
    } catch (thrown) {
      return { key: "api.keyFile", message: (thrown as Error).message };
    }
  }
  if (hasApi(api)) return undefined;
  const call = internal.findIndex(({ scheme }) => scheme === "grpc" || scheme === "grpcs");
  if (call !== -1) {
    const { url } = internal[call] as ServerConfig["internal"][number];
    return { key: `internal[${call}]`, message: `${url} serves the server API alone, which is off: set api.key` };
  }
  const broadcast = channels.findIndex(({ kind }) => kind === "broadcast");
  if (broadcast === -1) return undefined;
  const message = "only the server API publishes to a broadcast channel: set api.key";
  return { key: `channels[${broadcast}].kind`, message };
}

/** What is allowed and probably not meant. */
export function findApiDoubts({ api, listen, internal }: ServerConfig): Problem[] {
  const doubts: Problem[] = [];
  if (api.keyFile !== undefined && isWorldReadable(api.keyFile)) {
    doubts.push({ key: "api.keyFile", message: "every user of this machine may read it: chmod 600" });
  }
  if (!hasApi(api)) return doubts;
  for (const [index, { url }] of internal.entries()) {
    if (!listen.some((other) => other.url === url)) continue;
    doubts.push({
      key: `internal[${index}]`,
      message: `${url} is public too: whoever has a key has the server API there`,
    });
  }
  return doubts;
}

function checked(keys: readonly unknown[], nameOf: (index: number) => string): readonly string[] {
  if (keys.length === 0) throw new Error("holds no key");
  if (keys.length > MAX_KEYS) throw new Error(`holds ${keys.length} keys: give ${MAX_KEYS} at most`);
  return keys.map((key, index) => {
    try {
      checkApiKey(nameOf(index), key);
    } catch (thrown) {
      throw new Error(PolywireError.from(thrown).message.trim(), { cause: thrown });
    }
    return key;
  });
}
