import type { ControlCommand } from "./broker.ts";
import type { Session } from "./session.ts";

/** The sessions of this process, by id and by user. */
export class Sessions {
  readonly #byId = new Map<string, Session>();
  /** Anonymous sessions are not in here: there may be very many, and nobody asks for them one by one. */
  readonly #byUser = new Map<string, Session | Set<Session>>();
  /** How many come from one source; only where that is limited. */
  readonly #bySource = new Map<string, number>();

  get count(): number {
    return this.#byId.size;
  }

  get userCount(): number {
    return this.#byUser.size;
  }

  [Symbol.iterator](): IterableIterator<Session> {
    return this.#byId.values();
  }

  /** @param source where it comes from, if those are to be counted. */
  add(session: Session, source?: string): void {
    this.#byId.set(session.id, session);
    if (source === undefined) return;
    session.source = source;
    this.#bySource.set(source, this.countFrom(source) + 1);
  }

  countFrom(source: string): number {
    return this.#bySource.get(source) ?? 0;
  }

  countOf(user: string): number {
    const found = this.#byUser.get(user);
    return found === undefined ? 0 : found instanceof Set ? found.size : 1;
  }

  /** From here on the session is found by its user. */
  identified(session: Session): void {
    const { user } = session.info;
    if (user === "") return;
    const found = this.#byUser.get(user);
    if (found === undefined) this.#byUser.set(user, session);
    else if (found instanceof Set) found.add(session);
    else this.#byUser.set(user, new Set([found, session]));
  }

  remove(session: Session): void {
    if (!this.#byId.delete(session.id)) return;
    if (session.source !== undefined) this.#leave(session.source);
    const { user } = session.info;
    const found = this.#byUser.get(user);
    if (found === session) this.#byUser.delete(user);
    else if (found instanceof Set && found.delete(session) && found.size === 0) this.#byUser.delete(user);
  }

  #leave(source: string): void {
    const count = this.countFrom(source) - 1;
    if (count > 0) this.#bySource.set(source, count);
    else this.#bySource.delete(source);
  }

  /** Those whom an order concerns, as a list of its own: they may end while it is worked through. */
  addressed({ user, client }: Pick<ControlCommand, "user" | "client">): Session[] {
    if (client !== undefined) {
      const session = this.#byId.get(client);
      return session !== undefined && (user === undefined || session.info.user === user) ? [session] : [];
    }
    if (user === undefined) return [];
    if (user === "") return [...this].filter((session) => session.isIdentified && session.info.user === "");
    const found = this.#byUser.get(user);
    return found === undefined ? [] : found instanceof Set ? [...found] : [found];
  }
}
