import type {
  Channel,
  ChannelKind,
  ClientInfo,
  HistoryPage,
  HistoryRequest,
  Publication,
  Receipt,
} from "@polywire/core";
import type { Hub } from "./hub.ts";

/** A channel of a hub in the hands of a program. */
export class HubChannel<Data> implements Channel<Data> {
  readonly name: string;
  readonly kind: ChannelKind;
  readonly #hub: Hub;
  readonly #listen: (listener: (publication: Publication) => void) => () => void;

  constructor(
    hub: Hub,
    { name, kind }: { readonly name: string; readonly kind: ChannelKind },
    listen: (listener: (publication: Publication) => void) => () => void,
  ) {
    this.#hub = hub;
    this.name = name;
    this.kind = kind;
    this.#listen = listen;
  }

  publish(data: Data): Promise<Receipt> {
    return this.#hub.publish(this.name, data);
  }

  subscribe(listener: (publication: Publication) => void): () => void {
    return this.#listen(listener);
  }

  history(request?: Partial<HistoryRequest>): Promise<HistoryPage> {
    return this.#hub.history(this.name, request);
  }

  presence(): Promise<readonly ClientInfo[]> {
    return this.#hub.presence(this.name);
  }
}
