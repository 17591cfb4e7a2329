import { type ClientInfo, type Clock, PolywireError, type PresenceStats } from "@polywire/core";
import type { TimerWheel, WheelEntry, WheelPlace } from "./timer-wheel.ts";

const NOBODY: PresenceStats = { clients: 0, users: 0 };

export interface MemoryPresenceOptions {
  readonly clock: Clock;
  /** Calls leases when they end; they may be there for one of its ticks longer. */
  readonly wheel: TimerWheel;
  /** Most leases; a further one is refused. */
  readonly maxLeases: number;
}

/** Who is in which channel, in this process: leases that end unless they are renewed. */
export class MemoryPresence {
  readonly #clock: Clock;
  readonly #wheel: TimerWheel;
  readonly #maxLeases: number;
  readonly #channels = new Map<string, Members>();
  #leases = 0;

  constructor({ clock, wheel, maxLeases }: MemoryPresenceOptions) {
    this.#clock = clock;
    this.#wheel = wheel;
    this.#maxLeases = maxLeases;
  }

  get channels(): number {
    return this.#channels.size;
  }

  get leases(): number {
    return this.#leases;
  }

  /**
   * Adds or renews. A renewal may shorten the time, too.
   *
   * @throws PolywireError `limit-reached`.
   */
  put(channel: string, info: ClientInfo, ttlMs: number): void {
    const found = this.#channels.get(channel);
    const lease = found?.leases.get(info.client);
    const endsAtMs = this.#clock.now() + ttlMs;
    if (lease !== undefined) {
      const { members } = lease;
      if (lease.info.user !== info.user) {
        members.countUser(lease.info.user, -1);
        members.countUser(info.user, 1);
      }
      lease.info = info;
      // A later end is looked at when the earlier one has come: most leases are renewed over and over.
      const isSooner = endsAtMs < lease.endsAtMs;
      lease.endsAtMs = endsAtMs;
      if (isSooner) this.#wheel.schedule(lease, ttlMs);
      return;
    }
    if (this.#leases >= this.#maxLeases) {
      throw new PolywireError("limit-reached", `presence: ${this.#maxLeases} entries are the most that are kept`);
    }
    const members = found ?? new Members(channel);
    const added = new Lease(this, members, { info, endsAtMs });
    this.#wheel.schedule(added, ttlMs);
    this.#channels.set(channel, members);
    members.leases.set(info.client, added);
    members.countUser(info.user, 1);
    this.#leases++;
  }

  remove(channel: string, client: string): void {
    const lease = this.#channels.get(channel)?.leases.get(client);
    if (lease !== undefined) this.end(lease);
  }

  /** In the order in which they came. */
  members(channel: string): readonly ClientInfo[] {
    const members = this.#channels.get(channel);
    return members === undefined ? [] : Array.from(members.leases.values(), ({ info }) => info);
  }

  /** In constant time. */
  stats(channel: string): PresenceStats {
    const members = this.#channels.get(channel);
    return members === undefined ? NOBODY : { clients: members.leases.size, users: members.users.size };
  }

  /** A lease's own call, when its time seems to have come. */
  check(lease: Lease): void {
    const leftMs = lease.endsAtMs - this.#clock.now();
    if (leftMs > 0) this.#wheel.schedule(lease, leftMs);
    else this.end(lease);
  }

  end(lease: Lease): void {
    const { members, info } = lease;
    if (!members.leases.delete(info.client)) return;
    members.countUser(info.user, -1);
    this.#leases--;
    this.#wheel.cancel(lease);
    if (members.leases.size === 0) this.#channels.delete(members.channel);
  }
}

/** Who is in one channel. */
class Members {
  readonly channel: string;
  readonly leases: Map<string, Lease> = new Map();
  /** How many leases each user has. */
  readonly users: Map<string, number> = new Map();

  constructor(channel: string) {
    this.channel = channel;
  }

  countUser(user: string, change: 1 | -1): void {
    const count = (this.users.get(user) ?? 0) + change;
    if (count === 0) this.users.delete(user);
    else this.users.set(user, count);
  }
}

class Lease implements WheelEntry {
  readonly members: Members;
  info: ClientInfo;
  endsAtMs: number;
  wheelPlace: WheelPlace | undefined = undefined;
  readonly #presence: MemoryPresence;

  constructor(
    presence: MemoryPresence,
    members: Members,
    { info, endsAtMs }: { readonly info: ClientInfo; readonly endsAtMs: number },
  ) {
    this.#presence = presence;
    this.members = members;
    this.info = info;
    this.endsAtMs = endsAtMs;
  }

  due(): void {
    this.#presence.check(this);
  }
}
