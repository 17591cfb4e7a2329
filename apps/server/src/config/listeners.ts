import { isLoopback, isSecureScheme, type ListenAddress, schemeInfo } from "./address.ts";
import { CertificateProblem, isWorldReadable, readCertificates } from "./certificates.ts";
import type { Problem } from "./problem.ts";
import type { ConfiguredListener, PublicListener, ServerConfig } from "./schema.ts";

/** A listener with the key that configures it. */
interface Keyed<Listener extends ConfiguredListener> {
  readonly key: string;
  readonly listener: Listener;
}

/** What is wrong with the addresses taken together, or with what goes with one. The first problem, if any. */
export function findListenerProblem({ listen, internal }: ServerConfig): Problem | undefined {
  const outside = keyed("listen", listen);
  const inside = keyed("internal", internal);
  return (
    findCollision(outside, []) ??
    findCollision(inside, outside) ??
    first(outside, ({ key, listener }) => findMisplacedPong(key, listener)) ??
    first([...outside, ...inside], ({ key, listener }) => findTlsProblem(key, listener))
  );
}

/** What is allowed and probably not meant. */
export function findListenerDoubts({ listen, internal }: ServerConfig): Problem[] {
  const doubts: Problem[] = [];
  for (const { key, listener } of keyed("internal", internal)) {
    if (!isLoopback(listener.host)) doubts.push({ key, message: `${listener.url} may be reached from other machines` });
  }
  for (const { key, listener } of [...keyed("listen", listen), ...keyed("internal", internal)]) {
    const { tls } = listener;
    if (tls === undefined || !isWorldReadable(tls.keyFile)) continue;
    doubts.push({ key: `${key}.tls.keyFile`, message: "every user of this machine may read it: chmod 600" });
  }
  return doubts;
}

function keyed<Listener extends ConfiguredListener>(name: string, list: readonly Listener[]): Keyed<Listener>[] {
  return list.map((listener, index) => ({ key: `${name}[${index}]`, listener }));
}

function first<Item>(items: readonly Item[], find: (item: Item) => Problem | undefined): Problem | undefined {
  for (const item of items) {
    const problem = find(item);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** An internal address may be a public one; what else lies at the same place would fail when it is bound. */
function findCollision(
  list: readonly Keyed<ConfiguredListener>[],
  others: readonly Keyed<ConfiguredListener>[],
): Problem | undefined {
  for (const [index, { key, listener }] of list.entries()) {
    const twice = list.slice(0, index).find((earlier) => isSamePlace(earlier.listener, listener));
    const taken = others.find(
      (other) => isSamePlace(other.listener, listener) && !isSameAddress(other.listener, listener),
    );
    const holder = twice ?? taken;
    if (holder === undefined) continue;
    const isEqual = holder.listener.url === listener.url;
    const problem = isEqual ? "is the same address as" : `is at the place of ${holder.listener.url} in`;
    return { key, message: `${listener.url} ${problem} ${holder.key}` };
  }
  return undefined;
}

function isSamePlace(one: ListenAddress, other: ListenAddress): boolean {
  const { transport } = schemeInfo(one.scheme);
  if (transport !== schemeInfo(other.scheme).transport) return false;
  return transport === "unix" ? one.url === other.url : one.host === other.host && one.port === other.port;
}

function isSameAddress(one: ConfiguredListener, other: ConfiguredListener): boolean {
  return one.url === other.url;
}

function findMisplacedPong(key: string, { scheme, pong }: PublicListener): Problem | undefined {
  if (pong || schemeInfo(scheme).takesFormat) return undefined;
  return { key: `${key}.pong`, message: `may be false for tcp, tcps and unix alone, not for ${scheme}` };
}

function findTlsProblem(key: string, { scheme, tls }: ConfiguredListener): Problem | undefined {
  const { isSecure } = schemeInfo(scheme);
  if (tls === undefined) {
    if (!isSecure) return undefined;
    return { key: `${key}.tls`, message: `is missing: ${scheme} needs { certFile, keyFile }` };
  }
  if (!isSecure) {
    const remedy = isSecureScheme(`${scheme}s`) ? `use ${scheme}s, or leave it out` : "leave it out";
    return { key: `${key}.tls`, message: `does not go with ${scheme}: ${remedy}` };
  }
  try {
    readCertificates(tls);
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof CertificateProblem)) throw thrown;
    return { key: `${key}.tls.${thrown.file}`, message: thrown.message };
  }
}
