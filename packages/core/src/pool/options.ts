import { MAX_DELAY_MS } from "../contract/clock.ts";
import { PolywireError } from "../contract/error.ts";
import {
  checkCountOption,
  checkObjectOption,
  checkOneOfOption,
  checkOptionNames,
  wrongOption,
} from "../wire/option-checks.ts";

/** Which idle link is lent next. */
export type PoolOrder = "lifo" | "round-robin";

/**
 * How a pool holds its links. Given along with the options of the dial; a name that both have is the pool's, and the
 * protocol takes its own where it is made: `tcp({ idleTimeoutMs })`.
 */
export interface PoolOptions {
  /** Links that are kept, dialled at once and anew when they are lost. 0. */
  readonly min?: number;
  /** Most links, those being dialled and those still closing included. 32. */
  readonly max?: number;
  /** Most borrowers that wait besides those a link is on its way for; `acquire` is refused past it. 1,000. */
  readonly maxWaiters?: number;
  /** Longest wait for a link in milliseconds, dial and verification included. 5,000. */
  readonly acquireTimeoutMs?: number;
  /** A link that nobody borrowed for so long is closed, down to `min`. 60,000; below what the peer allows, by 2 s. `Infinity`: never. */
  readonly idleTimeoutMs?: number;
  /** A link is lent no more after so long, give or take a tenth. 3,600,000. `Infinity`: never. */
  readonly maxLifetimeMs?: number;
  /** A link is closed after it was lent so often. `Infinity`. */
  readonly maxUses?: number;
  /** A link that was idle for so long is pinged before it is lent, where the wire has a ping. 30,000. `Infinity`: never. */
  readonly verifyAfterIdleMs?: number;
  /**
   * `lifo`, the default, lends what came back last: few links stay warm, the others go. `round-robin` lends what is idle
   * the longest, for services behind a balancer of connections.
   */
  readonly order?: PoolOrder;
}

export type CompletePoolOptions = Required<PoolOptions>;

const DEFAULTS: CompletePoolOptions = {
  min: 0,
  max: 32,
  maxWaiters: 1_000,
  acquireTimeoutMs: 5_000,
  idleTimeoutMs: 60_000,
  maxLifetimeMs: 3_600_000,
  maxUses: Infinity,
  verifyAfterIdleMs: 30_000,
  order: "lifo",
};
const NAMES = Object.keys(DEFAULTS) as (keyof PoolOptions)[];
const ORDERS: readonly PoolOrder[] = ["lifo", "round-robin"];
/** What belongs to one connection or to a listener, so that a pool could only ignore it. */
const NOT_OF_A_POOL = ["signal", "reconnect", "pending", "origins"];

/**
 * Takes the pool's own from the options; the others are the dial's.
 *
 * @throws PolywireError `invalid-argument` naming the option that is wrong.
 */
export function splitPoolOptions(given: object = {}): { own: CompletePoolOptions; dial: object } {
  checkObjectOption("pool options", given);
  const own: Record<string, unknown> = {};
  const dial: Record<string, unknown> = {};
  for (const name of Object.keys(given)) {
    if (NOT_OF_A_POOL.includes(name)) {
      throw new PolywireError("invalid-argument", `option ${name}: a pool has none, give it where a link is borrowed`);
    }
    (isOwn(name) ? own : dial)[name] = read(given, name);
  }
  return { own: completePoolOptions(own), dial };
}

/** @throws PolywireError `invalid-argument` naming the option that is wrong. */
function completePoolOptions(given: PoolOptions): CompletePoolOptions {
  checkOptionNames("", given, NAMES);
  const complete: Record<string, unknown> = { ...DEFAULTS };
  for (const name of NAMES) if (given[name] !== undefined) complete[name] = given[name];
  const options = complete as unknown as CompletePoolOptions;
  checkCountOption("max", options.max);
  if (options.min !== 0) checkCountOption("min", options.min);
  if (options.min > options.max) throw wrongOption("min", options.min, `it is more than max, ${options.max}`);
  checkCountOption("maxWaiters", options.maxWaiters);
  checkCountOption("acquireTimeoutMs", options.acquireTimeoutMs, MAX_DELAY_MS);
  for (const name of ["idleTimeoutMs", "maxLifetimeMs", "verifyAfterIdleMs"] as const) {
    if (options[name] !== Infinity) checkCountOption(name, options[name], MAX_DELAY_MS);
  }
  if (options.maxUses !== Infinity) checkCountOption("maxUses", options.maxUses);
  checkOneOfOption("order", options.order, ORDERS);
  return options;
}

function isOwn(name: string): boolean {
  return Object.hasOwn(DEFAULTS, name);
}

function read(given: object, name: string): unknown {
  try {
    return (given as Record<string, unknown>)[name];
  } catch (cause) {
    throw new PolywireError("invalid-argument", "an option cannot be read: its getter threw", { cause });
  }
}
