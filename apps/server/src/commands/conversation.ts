import { type CloseInfo, type Connection, type Payload, PolywireError, systemClock } from "@polywire/core";
import { type CommandHost, EXIT_FAILED, oneError, oneLine } from "../command-host.ts";
import { chunks, lines } from "./lines.ts";
import { Output } from "./output.ts";
import type { PayloadForm } from "./payload-form.ts";

interface ConversationPlace {
  readonly form: PayloadForm;
  readonly isJson: boolean;
  readonly host: CommandHost;
}

/** One connection between the input and the output of a command. */
export class Conversation {
  readonly #connection: Connection;
  readonly #host: CommandHost;
  readonly #form: PayloadForm;
  readonly #isJson: boolean;
  /** A wire without messages: bytes pass as they are, both ways. */
  readonly #isRaw: boolean;
  readonly #output: Output;
  #wasSkipped = false;
  #goOn: () => void = () => {};

  constructor(connection: Connection, { form, isJson, host }: ConversationPlace) {
    this.#connection = connection;
    this.#host = host;
    this.#form = form;
    this.#isJson = isJson;
    this.#isRaw = connection.link.traits.kind === "stream" && form.passesRaw && !isJson;
    this.#output = new Output(host.output, connection);
  }

  /** Fulfilled with the exit code once the connection is over and everything is printed. */
  async run({ signal, waitMs }: { signal: AbortSignal; waitMs: number }): Promise<number> {
    const connection = this.#connection;
    const over = new AbortController();
    const closed = new Promise<CloseInfo>((resolve) => {
      connection.on("close", (info) => {
        over.abort();
        this.#goOn();
        resolve(info);
      });
      if (connection.closeInfo !== undefined) resolve(connection.closeInfo);
    });
    const hangUp = (): void => void connection.close();
    signal.addEventListener("abort", hangUp, { once: true });
    if (signal.aborted) hangUp();
    if (this.#isJson) this.#output.writeEvent(this.#opening());
    connection.on("drain", () => this.#goOn());
    connection.on("data", (payload) => this.#print(payload));

    let failure: unknown;
    this.#sendInput(over.signal).then(
      () => void systemClock.setTimer(hangUp, Math.max(waitMs, 1)),
      (thrown: unknown) => {
        failure = thrown;
        hangUp();
      },
    );
    const info = await closed;
    if (failure !== undefined) throw PolywireError.from(failure);
    return await this.#finish(info, signal);
  }

  async #sendInput(over: AbortSignal): Promise<void> {
    if (this.#isRaw) for await (const chunk of chunks(this.#host.input, over)) await this.#send(chunk, over);
    else for await (const line of lines(this.#host.input, over)) await this.#sendLine(line, over);
  }

  async #sendLine(line: string, over: AbortSignal): Promise<void> {
    try {
      await this.#send(this.#form.read(line), over);
    } catch (thrown) {
      this.#skipped(PolywireError.from(thrown));
    }
  }

  /** Waits while the other side is behind, so that the input is read no faster than it is sent. */
  async #send(payload: Payload, over: AbortSignal): Promise<void> {
    if (over.aborted) return;
    const result = this.#connection.send(payload);
    if (result === "wait") {
      await new Promise<void>((resolve) => {
        this.#goOn = resolve;
      });
    } else if (result === "refused" && this.#connection.refusal !== "closed") {
      const { maxMessageBytes } = this.#connection.link.traits;
      this.#skipped(new PolywireError("too-large", `a message is over ${maxMessageBytes} bytes`));
    }
  }

  #skipped(error: PolywireError): void {
    this.#wasSkipped = true;
    this.#host.error(oneError(`not sent: ${error.message}`));
  }

  #print(payload: Payload): void {
    if (this.#isJson) {
      this.#output.writeEvent({ event: "message", ...this.#form.describe(payload) });
    } else if (this.#isRaw) {
      // The bytes are only lent.
      this.#output.write(typeof payload === "string" ? payload : Buffer.from(payload));
    } else {
      this.#output.write(`${this.#form.show(payload)}\n`);
    }
  }

  #opening(): object {
    const { endpoint, place, link } = this.#connection;
    const { subprotocol } = link.peer;
    return { event: "open", url: endpoint.display, protocol: place.protocol, ...(subprotocol ? { subprotocol } : {}) };
  }

  async #finish(info: CloseInfo, signal: AbortSignal): Promise<number> {
    const { by, clean, code, reason, error } = info;
    if (this.#isJson)
      this.#output.writeEvent({ event: "close", by, clean, ...(code === undefined ? {} : { code }), reason });
    await this.#output.flushed(signal);
    // What was asked for is no failure, however the other side took it.
    if (by === "local" && error === undefined) return this.#wasSkipped ? EXIT_FAILED : 0;
    const told = [code, reason].filter((part) => part !== undefined && part !== "").join(" ");
    if (clean) this.#host.error(oneLine(`closed by the other side${told === "" ? "" : `: ${told}`}`));
    else this.#host.error(oneError(`cut off: ${error?.message ?? (told || "the connection was lost")}`));
    return clean && !this.#wasSkipped ? 0 : EXIT_FAILED;
  }
}
