import { PolywireError } from "@polywire/core";
import type { PublicationContext, SubscribedContext, Subscription } from "centrifuge";
import { type CommandHost, oneLine } from "../command-host.ts";
import { type LineForm, writePublication } from "./publication-line.ts";

export interface PrinterPlace extends LineForm {
  readonly host: CommandHost;
  /** Publications of the past to print first. */
  readonly history: number;
  readonly failed: (error: PolywireError) => void;
}

/** Publications that may come while the history is asked for. */
const MAX_HELD = 10_000;

/** Prints one channel: first its history, then what is published, each once and in order. */
export class ChannelPrinter {
  readonly #subscription: Subscription;
  readonly #place: PrinterPlace;
  /** What comes before the history does. */
  #held: PublicationContext[] | undefined;

  constructor(subscription: Subscription, place: PrinterPlace) {
    this.#subscription = subscription;
    this.#place = place;
    this.#held = place.history > 0 ? [] : undefined;
  }

  start(): void {
    const subscription = this.#subscription;
    const { channel } = subscription;
    subscription.on("subscribed", (context) => this.#subscribed(context));
    subscription.on("publication", (publication) => this.#publication(publication));
    subscription.on("error", ({ error }) => this.#tell(`${error.message} (${error.code}), trying again`));
    subscription.on("unsubscribed", ({ code, reason }) =>
      this.#place.failed(new PolywireError("permission-denied", `${channel}: unsubscribed: ${reason} (${code})`)),
    );
    subscription.subscribe();
  }

  #subscribed({ streamPosition, wasRecovering, recovered }: SubscribedContext): void {
    const { isJson, output } = this.#place;
    const { channel } = this.#subscription;
    const isGap = wasRecovering && !recovered;
    if (isJson) {
      const position =
        streamPosition === undefined ? {} : { position: `${streamPosition.offset}:${streamPosition.epoch}` };
      output.writeEvent({ event: "subscribed", channel, ...position, ...(wasRecovering ? { recovered } : {}) });
    }
    this.#tell(isGap ? "subscribed; some publications were missed and cannot be had any more" : "subscribed");
    if (this.#held !== undefined) void this.#printHistory();
  }

  async #printHistory(): Promise<void> {
    const { history, failed } = this.#place;
    try {
      const { publications } = await this.#subscription.history({ limit: history, reverse: true });
      const held = this.#held ?? [];
      this.#held = undefined;
      let last = 0;
      for (const publication of publications.toReversed()) {
        last = publication.offset ?? last;
        this.#print(publication);
      }
      for (const publication of held) if ((publication.offset ?? last + 1) > last) this.#print(publication);
    } catch (thrown) {
      const { code, message } = thrown as { code?: unknown; message?: unknown };
      failed(
        new PolywireError(
          "not-available",
          `${this.#subscription.channel}: no history: ${String(message)} (${String(code)})`,
        ),
      );
    }
  }

  #publication(publication: PublicationContext): void {
    if (this.#held === undefined) return this.#print(publication);
    this.#held.push(publication);
    if (this.#held.length > MAX_HELD)
      this.#place.failed(new PolywireError("overflow", `${this.#subscription.channel}: its history does not come`));
    return undefined;
  }

  #print(publication: PublicationContext): void {
    try {
      writePublication(publication, this.#subscription.channel, this.#place);
    } catch (thrown) {
      this.#place.failed(PolywireError.from(thrown));
    }
  }

  #tell(text: string): void {
    this.#place.host.error(oneLine(`${this.#subscription.channel}: ${text}`));
  }
}
