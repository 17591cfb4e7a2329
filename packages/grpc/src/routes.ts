import { type Endpoint, PolywireError, parseEndpoint } from "@polywire/core";
import type { Route } from "./call.ts";

const MAX_TARGET_LENGTH = 8_192;
/** Canonical as it stands, as nearly every target is. */
const CANONICAL_TARGET = /^(\/[\w/~-][\w/.~-]*|\/)(?:\?([\w.~=&%-]*))?$/;

/**
 * Path and query of a call, if its target is canonical. Another form of the same path is no path of ours: what admission
 * judges and what is served must never differ.
 */
export function callTarget(target: string | undefined): { readonly path: string; readonly query: string } | undefined {
  if (target === undefined || !target.startsWith("/") || target.length > MAX_TARGET_LENGTH) return undefined;
  const canonical = target.includes("/.") ? null : CANONICAL_TARGET.exec(target);
  if (canonical !== null) return { path: canonical[1] as string, query: canonical[2] ?? "" };
  try {
    // The same parser that made the listener's path canonical; the host stands in for the one that was left out.
    const { path, query } = parseEndpoint(`grpc://host${target}`);
    const isCanonical = target === (query === "" ? path : `${path}?${query}`);
    return isCanonical ? { path, query } : undefined;
  } catch {
    return undefined;
  }
}

/** What the paths of one server lead to. One that ends with a slash leads to everything below it. */
export class Routes {
  readonly #routes = new Map<string, Route>();

  get size(): number {
    return this.#routes.size;
  }

  /** @throws PolywireError `address-in-use`. */
  add(path: string, route: Route, endpoint: Endpoint): void {
    const taken = this.#routes.get(path);
    if (taken !== undefined) {
      const isOther = taken.carries !== route.carries;
      const advice = isOther
        ? `the path carries ${taken.carries} already, and a call does not say which of the two it is: give the option carries, or another path`
        : "this network listens on that path already";
      throw new PolywireError("address-in-use", `listen on "${endpoint}": ${advice}`);
    }
    this.#routes.set(path, route);
  }

  remove(path: string): void {
    this.#routes.delete(path);
  }

  /** The path itself, else the longest that it lies below. */
  find(path: string): Route | undefined {
    const exact = this.#routes.get(path);
    if (exact !== undefined) return exact;
    for (let end = path.lastIndexOf("/"); end >= 0; end = end === 0 ? -1 : path.lastIndexOf("/", end - 1)) {
      const below = this.#routes.get(path.slice(0, end + 1));
      if (below !== undefined) return below;
    }
    return undefined;
  }
}
