import { type PreviousKey, type TokenKey, type TokenKeys, tokenKeyProblem } from "@polywire/auth-jwt";
import { isWorldReadable } from "./certificates.ts";
import type { Problem } from "./problem.ts";
import type { ClientConfig, ServerConfig } from "./schema.ts";
import { readSecretFile } from "./secret.ts";
import type { KeyConfig, KeysConfig } from "./token-settings.ts";

const FILE_SUFFIX = "File";

/** A key with the name that it has in the configuration: `client.token`. */
interface KeyedKey {
  readonly path: string;
  readonly key: KeyConfig;
}

/** Something wrong with a key; nothing of it is in here. */
class KeyMistake extends Error {
  readonly problem: Problem;

  constructor(key: string, message: string) {
    super(message);
    this.problem = { key, message };
  }
}

/** The keys themselves, with what lies in files. Called once everything was checked. */
export function readTokenKeys({ token, subscriptionToken }: ClientConfig): TokenKeys | undefined {
  if (token === undefined) return undefined;
  const { key, previous } = readKeys("client.token", token);
  if (subscriptionToken === undefined) return { key, ...(previous === undefined ? {} : { previousKey: previous }) };
  const own = readKeys("client.subscriptionToken", subscriptionToken);
  return {
    key,
    ...(previous === undefined ? {} : { previousKey: previous }),
    subscriptionKey: own.key,
    ...(own.previous === undefined ? {} : { previousSubscriptionKey: own.previous }),
  };
}

/** What is wrong with the keys, if anything: how many there are, their files, or the keys themselves. */
export function findTokenProblem({ client, hooks }: Pick<ServerConfig, "client" | "hooks">): Problem | undefined {
  const { token, subscriptionToken } = client;
  if (token === undefined) {
    if (subscriptionToken !== undefined) {
      return { key: "client.subscriptionToken", message: "needs client.token: without it nobody has a name" };
    }
    if (client.allowAnonymous || hooks?.connect !== undefined) return undefined;
    const message = "must be true without client.token and hooks.connect, or nobody could connect";
    return { key: "client.allowAnonymous", message };
  }
  try {
    for (const { path, key } of keyedKeys(client)) {
      const problem = tokenKeyProblem(readKey(path, key), token);
      if (problem !== undefined)
        return { key: `${path}.${configuredName(key, problem.option)}`, message: problem.message };
    }
    return undefined;
  } catch (thrown) {
    if (thrown instanceof KeyMistake) return thrown.problem;
    throw thrown;
  }
}

/** Secrets that others on this machine may read. */
export function findTokenDoubts(client: ClientConfig): Problem[] {
  return keyedKeys(client).flatMap(({ path, key: { hmacSecretFile } }) => {
    if (hmacSecretFile === undefined || !isWorldReadable(hmacSecretFile)) return [];
    return [{ key: `${path}.hmacSecretFile`, message: "every user of this machine may read it: chmod 600" }];
  });
}

function keyedKeys({ token, subscriptionToken }: ClientConfig): readonly KeyedKey[] {
  const all: [string, KeysConfig | undefined][] = [
    ["client.token", token],
    ["client.subscriptionToken", subscriptionToken],
  ];
  return all.flatMap(([path, keys]) => {
    if (keys === undefined) return [];
    const own = { path, key: keys.key };
    if (keys.previous === undefined) return [own];
    const { untilMs: _, ...key } = keys.previous;
    return [own, { path: `${path}.previous`, key }];
  });
}

function readKeys(
  path: string,
  { key, previous }: KeysConfig,
): { readonly key: TokenKey; readonly previous?: PreviousKey } {
  const current = readKey(path, key);
  if (previous === undefined) return { key: current };
  const { untilMs, ...previousKey } = previous;
  return { key: current, previous: { ...readKey(`${path}.previous`, previousKey), untilMs } };
}

function readKey(path: string, config: KeyConfig): TokenKey {
  const given = Object.entries(config).filter(([, value]) => value !== undefined);
  const [name, value] = given[0] ?? [];
  if (name === undefined || value === undefined) {
    throw new KeyMistake(
      path,
      "has no key: give hmacSecret, rsaPublicKey, ecdsaPublicKey, ed25519PublicKey or jwksUrl",
    );
  }
  if (given.length > 1) {
    throw new KeyMistake(path, `has ${given.map(([each]) => each).join(" and ")}: give one of them`);
  }
  if (typeof value !== "string") return { hmacSecret: value.reveal() };
  if (!name.endsWith(FILE_SUFFIX)) return { [name]: value };
  return { [name.slice(0, -FILE_SUFFIX.length)]: readKeyFile(`${path}.${name}`, value) };
}

function readKeyFile(key: string, file: string): string {
  try {
    return readSecretFile(file);
  } catch (thrown) {
    throw new KeyMistake(key, (thrown as Error).message);
  }
}

function configuredName(key: KeyConfig, option: keyof TokenKey): string {
  return option in key && key[option] !== undefined ? option : `${option}${FILE_SUFFIX}`;
}
