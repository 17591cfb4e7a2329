import {
  type CloseInfo,
  type Link,
  type LogFields,
  type Logger,
  Network,
  type NetworkEvents,
  type NetworkOptions,
  type Payload,
  type PolywireError,
  type Sink,
} from "../src/index.ts";
import { type MemoryProtocol, memory } from "../src/memory.ts";

/** What a network with only memory tells, written down. */
export interface Watched extends AsyncDisposable {
  readonly network: Network<readonly [MemoryProtocol]>;
  readonly errors: PolywireError[];
  readonly log: { readonly message: string; readonly fields: LogFields | undefined }[];
  readonly disconnects: NetworkEvents["disconnect"][];
}

export function openNetwork(options: Partial<NetworkOptions<readonly [MemoryProtocol]>> = {}): Watched {
  const log: Watched["log"] = [];
  const logger: Logger = { log: (_level, _component, message, fields) => void log.push({ message, fields }) };
  const network = new Network({ protocols: [memory()], logger, ...options });
  const errors: PolywireError[] = [];
  const disconnects: NetworkEvents["disconnect"][] = [];
  network.on("error", (error) => void errors.push(error));
  network.on("disconnect", (event) => void disconnects.push(event));
  return { network, errors, log, disconnects, [Symbol.asyncDispose]: () => network.close() };
}

/** A sink that writes down what it gets, and waits for it. */
export class Notes implements Sink {
  readonly messages: Payload[] = [];
  readonly closed_: CloseInfo[] = [];
  #wake: () => void = () => {};

  message(payload: Payload): void {
    this.messages.push(typeof payload === "string" ? payload : new Uint8Array(payload));
    this.#wake();
  }

  closed(info: CloseInfo): void {
    this.closed_.push(info);
    this.#wake();
  }

  async next(count: number = 1): Promise<readonly Payload[]> {
    await this.#until(() => this.messages.length >= count);
    return this.messages.slice(0, count);
  }

  async closing(): Promise<CloseInfo> {
    await this.#until(() => this.closed_.length > 0);
    return this.closed_[0] as CloseInfo;
  }

  async #until(predicate: () => boolean): Promise<void> {
    while (!predicate()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** Sends everything back. */
export function echo(link: Link): void {
  link.open({ message: (payload) => void link.send(payload), closed: () => {} });
}

/** Lets pass what is on its way. */
export async function turns(count: number = 10): Promise<void> {
  for (let turn = 0; turn < count; turn++) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}
