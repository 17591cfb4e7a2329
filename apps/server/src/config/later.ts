/**
 * Keys that are planned and do not work yet. Whoever sets one means something by it, often something about security,
 * so it is refused by name instead of being ignored. `[]` stands for any entry of a list.
 */
const LATER_KEYS: ReadonlySet<string> = new Set([
  "admin",
  "auth",
  "broker",
  "cluster",
  "insecure",
  "metrics",
  "nats",
  "presence",
  "proxy",
  "redis",
  "tls",
  "token",
  "trustedProxies",
  "client.tokens",
  "channels[].allow",
  "channels[].token",
  "log.file",
]);

/** Whether the key, or one that it lies in, is planned for a later version; answers the planned one. */
export function laterKey(key: string): string | undefined {
  const names = key.replace(/\[\d+\]/g, "[]").split(".");
  for (let length = 1; length <= names.length; length += 1) {
    const prefix = names.slice(0, length).join(".");
    if (LATER_KEYS.has(prefix)) return key.split(".").slice(0, length).join(".");
  }
  return undefined;
}

/** The same by the name of an environment variable. */
export function laterVariable(variable: string, toVariable: (key: string) => string): string | undefined {
  return [...LATER_KEYS].find((key) => {
    const planned = toVariable(key.replaceAll("[]", ""));
    return variable === planned || variable.startsWith(`${planned}_`);
  });
}
