import { type Exchange, Network } from "@polywire/core";
import { http } from "@polywire/http";
import { HttpHooks, type HttpHooksOptions } from "../src/index.ts";

/** One question that a backend was asked. */
export interface Question {
  readonly event: string | undefined;
  readonly path: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Record<string, unknown>;
  readonly text: string;
}

type Answer = object | string | { readonly status: number; readonly text?: string };

/** A backend whose answers the test chooses, and hooks that ask it over HTTP. */
export class BackendWorld implements AsyncDisposable {
  readonly hooks: HttpHooks;
  readonly asked: Question[] = [];
  answer: (question: Question) => Answer | Promise<Answer> = () => ({ result: {} });
  readonly #network: Network<readonly [ReturnType<typeof http>]>;

  private constructor(hooks: HttpHooks, network: Network<readonly [ReturnType<typeof http>]>) {
    this.hooks = hooks;
    this.#network = network;
  }

  /** @param options `url`s are paths here. */
  static async start(options: HttpHooksOptions): Promise<BackendWorld> {
    const network = new Network({ protocols: [http()] });
    let world: BackendWorld | undefined;
    const listener = await network.listen("http://127.0.0.1:0", { exchange: (exchange) => world?.take(exchange) });
    const base = `http://127.0.0.1:${listener.endpoint.port}`;
    const placed = Object.entries(options).map(([name, value]) => {
      const isTarget = typeof value === "object" && value !== null && "url" in value;
      return [name, isTarget ? { ...value, url: `${base}${value.url}` } : value];
    });
    world = new BackendWorld(new HttpHooks(Object.fromEntries(placed) as HttpHooksOptions), network);
    return world;
  }

  async take(exchange: Exchange): Promise<void> {
    const text = Buffer.from(await exchange.body.bytes()).toString();
    const { path, headers } = exchange;
    const question = {
      event: headers.get("x-polywire-event"),
      path,
      headers,
      text,
      body: JSON.parse(text) as Record<string, unknown>,
    };
    this.asked.push(question);
    const answer = await this.answer(question);
    if (typeof answer === "object" && "status" in answer) {
      return exchange.respond({ status: answer.status }, "text" in answer ? answer.text : "");
    }
    exchange.respond({ status: 200 }, typeof answer === "string" ? answer : JSON.stringify(answer));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hooks.close();
    await this.#network.close({ timeoutMs: 1_000 });
  }
}
