import { type Logger, Network } from "@polywire/core";
import { grpc } from "@polywire/grpc";
import { http } from "@polywire/http";
import type { HubOptions } from "@polywire/realtime";
import { type ServerApiHandler, type ServerApiOptions, serverApi } from "../../src/index.ts";
import { type Serving, serving } from "../serving.ts";

export const KEY = "the-key-of-this-test";
export const OTHER_KEY = "another-key-of-this-test";

/** An answer over HTTP, its body parsed where it is JSON. */
interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: unknown;
}

export interface ApiBench extends AsyncDisposable, Serving {
  readonly api: ServerApiHandler;
  /** `http://127.0.0.1:…/api`. */
  readonly url: string;
  readonly port: number;
  /** `grpc://127.0.0.1:…`. */
  readonly grpcUrl: `grpc://127.0.0.1:${number}`;
  /** A request with the key and JSON, unless the headers say otherwise. */
  post(method: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<Answered>;
  /** Moves the hub's time on, and lets everything happen that this brings about. */
  pass(byMs: number): Promise<void>;
  /** The result of a call; throws for everything else. */
  call(method: string, body?: object): Promise<unknown>;
  /** The error of a call; throws for everything else. */
  refusal(method: string, body: object): Promise<{ readonly code: number; readonly message: string }>;
}

/** A hub with the server API in front of it over HTTP and gRPC, and clients on a wire in memory. */
export async function apiBench(
  hubOptions: HubOptions = {},
  { logger, ...options }: Partial<ServerApiOptions> & { readonly logger?: Logger } = {},
): Promise<ApiBench> {
  const served = await serving(hubOptions);
  const { hub, clock } = served;
  const api = serverApi(hub, {
    keys: [KEY, OTHER_KEY],
    clock,
    ...(logger === undefined ? {} : { logger }),
    ...options,
  });
  const network = new Network({ protocols: [http(), grpc()] });
  const listener = await network.listen("http://127.0.0.1:0/api/", api);
  const port = listener.endpoint.port as number;
  await network.listen(`http://127.0.0.1:${port}/api`, api);
  const calls = await network.listen("grpc://127.0.0.1:0/polywire.api.v1.ServerApi/", api);
  const url = `http://127.0.0.1:${port}/api`;
  const post: ApiBench["post"] = async (method, body, headers = {}) => {
    const response = await fetch(method === "" ? url : `${url}/${method}`, {
      method: "POST",
      body: typeof body === "string" || body instanceof Uint8Array ? Buffer.from(body) : JSON.stringify(body),
      headers: { "x-api-key": KEY, "content-type": "application/json", ...headers },
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, body: parsed(text) };
  };
  return {
    ...served,
    api,
    url,
    port,
    grpcUrl: `grpc://127.0.0.1:${calls.endpoint.port as number}`,
    post,
    pass: (byMs) => clock.advanceSettled(byMs, () => new Promise((resolve) => void setImmediate(resolve))),
    async call(method, body = {}) {
      const { status, body: answer, text } = await post(method, body);
      const { result } = (answer ?? {}) as { result?: unknown };
      if (status !== 200 || result === undefined) throw new Error(`${method}: ${status} ${text}`);
      return result;
    },
    async refusal(method, body) {
      const { status, body: answer, text } = await post(method, body);
      const { error } = (answer ?? {}) as { error?: { code: number; message: string } };
      if (status !== 200 || error === undefined) throw new Error(`${method}: ${status} ${text}`);
      return error;
    },
    async [Symbol.asyncDispose]() {
      await network.close({ timeoutMs: 1_000 });
      await served[Symbol.asyncDispose]();
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
