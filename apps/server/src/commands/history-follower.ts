import { PolywireError, systemClock } from "@polywire/core";
import type { StreamPosition } from "centrifuge";
import { type CommandHost, oneLine } from "../command-host.ts";
import type { ApiSession } from "./api-session.ts";
import { type LineForm, type ShownPublication, writePublication } from "./publication-line.ts";

/** How often a channel is asked for what is new. */
const INTERVAL_MS = 500;
const PAGE_SIZE = 300;
const UNRECOVERABLE = 112;

export interface FollowerPlace extends LineForm {
  readonly host: CommandHost;
  /** Publications of the past to print first. */
  readonly history: number;
  /** Where to begin, instead of now. */
  readonly recover: StreamPosition | undefined;
}

interface Page {
  readonly publications: readonly ShownPublication[];
  readonly offset: number;
  readonly epoch: string;
}

/** Prints one channel by asking the server API for its history again and again: each publication once and in order. */
export class HistoryFollower {
  readonly #session: ApiSession;
  readonly #channel: string;
  readonly #place: FollowerPlace;
  #position: StreamPosition = { offset: 0, epoch: "" };

  constructor(session: ApiSession, channel: string, place: FollowerPlace) {
    this.#session = session;
    this.#channel = channel;
    this.#place = place;
  }

  /** Fulfilled when the signal fires. @throws PolywireError when the channel cannot be read. */
  async follow(signal: AbortSignal): Promise<void> {
    await this.#begin();
    let isConnected = true;
    while (!signal.aborted) {
      try {
        // A page that is full has more behind it.
        const isBehind = await this.#read();
        if (!isConnected) this.#tell("connected again");
        isConnected = true;
        if (isBehind || signal.aborted) continue;
      } catch (thrown) {
        const error = PolywireError.from(thrown);
        if (!error.retryable) throw error;
        if (isConnected) this.#tell(`connecting again: ${error.message}`);
        isConnected = false;
      }
      await pause(signal);
    }
  }

  async #begin(): Promise<void> {
    const { history, recover, isJson, output } = this.#place;
    const { publications, offset, epoch } = await this.#page({ limit: history, reverse: true });
    this.#position = recover ?? { offset, epoch };
    if (isJson) output.writeEvent({ event: "subscribed", channel: this.#channel, position: `${offset}:${epoch}` });
    this.#tell("following its history");
    for (const publication of publications.toReversed()) writePublication(publication, this.#channel, this.#place);
  }

  /** Prints what is new; true when there is more already. */
  async #read(): Promise<boolean> {
    const { offset: last } = this.#position;
    const page = await this.#page({ limit: PAGE_SIZE, since: this.#position });
    const [first] = page.publications;
    const isGap = (first?.offset ?? page.offset + 1) > last + 1 || page.epoch !== this.#position.epoch;
    if (isGap) this.#tell("some publications were missed and cannot be had any more");
    for (const publication of page.publications) writePublication(publication, this.#channel, this.#place);
    const offset = page.publications.at(-1)?.offset ?? page.offset;
    this.#position = { offset, epoch: page.epoch };
    return offset < page.offset;
  }

  /** A page; of another stream, where the one asked for is gone: then its top alone. */
  async #page(request: { limit: number; since?: StreamPosition; reverse?: boolean }): Promise<Page> {
    const answer = await this.#session.call("history", JSON.stringify({ channel: this.#channel, ...request }));
    if (!("error" in answer)) return answer.result as Page;
    const { code, message } = answer.error;
    if (code === UNRECOVERABLE && request.since !== undefined) return await this.#page({ limit: 0 });
    throw new PolywireError("permission-denied", `${this.#channel}: ${message} (${code})`);
  }

  #tell(text: string): void {
    this.#place.host.error(oneLine(`${this.#channel}: ${text}`));
  }
}

function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = systemClock.setTimer(done, INTERVAL_MS, { keepsAlive: true });
    signal.addEventListener("abort", done, { once: true });
  });
}
