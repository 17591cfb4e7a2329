import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Launch } from "./installation.ts";

export interface ClientSettings {
  readonly url: string;
  readonly encoding: "json" | "protobuf";
  readonly token?: string;
  /** What its getToken gives, one after the other, the last of them again and again. */
  readonly tokens?: readonly string[];
}

/** What an SDK told the program that uses it. */
export interface SdkEvent {
  readonly event: string;
  readonly channel?: string;
  readonly [detail: string]: unknown;
}

interface Line extends Partial<SdkEvent> {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string };
}

/** An error that the server answered with, as the SDK showed it. */
class SdkError extends Error {
  readonly code: number;

  constructor({ code, message }: { readonly code: number; readonly message: string }) {
    super(message);
    this.code = code;
  }
}

/** One client of an official SDK, in a process of its own that takes and gives lines of JSON. It is killed with its test. */
export class SdkClient implements AsyncDisposable {
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #asked = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #told = new Map<string, SdkEvent[]>();
  readonly #waiting = new Map<string, PromiseWithResolvers<SdkEvent>[]>();
  #errors = "";
  #failure: Error | undefined = undefined;
  #lastId = 0;

  constructor({ command, environment }: Launch, settings: ClientSettings) {
    const [program = "", ...programArguments] = command;
    this.#process = spawn(program, [...programArguments, JSON.stringify(settings)], {
      env: { ...process.env, ...environment },
    });
    this.#process.stderr.on("data", (chunk: Buffer) => {
      this.#errors += chunk.toString();
    });
    this.#process.stdin.on("error", () => {});
    this.#process.on("error", (error) => this.#end(error));
    this.#process.on("close", (code) => this.#end(new Error(`the SDK's process ended with ${code}: ${this.#errors}`)));
    createInterface({ input: this.#process.stdout }).on("line", (line) => this.#take(JSON.parse(line)));
  }

  /** Has something done; fulfilled with what the SDK answers. */
  do(what: string, details: object = {}): Promise<unknown> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<unknown>();
    this.#asked.set(id, answer);
    this.#process.stdin.write(`${JSON.stringify({ id, do: what, ...details })}\n`);
    return answer.promise;
  }

  /** The next event of that name that nobody has taken yet. */
  next(event: string): Promise<SdkEvent> {
    const told = this.#told.get(event)?.shift();
    if (told !== undefined) return Promise.resolve(told);
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const waiting = Promise.withResolvers<SdkEvent>();
    this.#waiting.set(event, [...(this.#waiting.get(event) ?? []), waiting]);
    return waiting.promise;
  }

  /** So many events of that name, in the order in which they came. */
  async take(count: number, event: string): Promise<SdkEvent[]> {
    const taken: SdkEvent[] = [];
    while (taken.length < count) taken.push(await this.next(event));
    return taken;
  }

  /** The events of that name that nobody has taken. */
  left(event: string): readonly SdkEvent[] {
    return this.#told.get(event) ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#failure !== undefined) return;
    this.#process.kill("SIGKILL");
    await once(this.#process, "close");
  }

  #take({ id, result, error, event, ...details }: Line): void {
    if (event !== undefined) return this.#tell({ event, ...details });
    const answer = this.#asked.get(id ?? 0);
    this.#asked.delete(id ?? 0);
    if (error === undefined) answer?.resolve(result);
    else answer?.reject(new SdkError(error));
  }

  #tell(told: SdkEvent): void {
    const waiting = this.#waiting.get(told.event)?.shift();
    if (waiting !== undefined) return waiting.resolve(told);
    this.#told.set(told.event, [...(this.#told.get(told.event) ?? []), told]);
  }

  #end(error: Error): void {
    this.#failure ??= error;
    const open = [...this.#asked.values(), ...[...this.#waiting.values()].flat()];
    for (const { reject } of open) reject(this.#failure);
    this.#asked.clear();
    this.#waiting.clear();
  }
}
