import { type Exchange, type Handler, type LinkLimits, Network } from "@polywire/core";
import { type HttpListener, type HttpListenOptions, type HttpProtocol, http } from "../src/index.ts";

export interface Serving extends AsyncDisposable {
  readonly network: Network<readonly [HttpProtocol]>;
  readonly listener: HttpListener;
  readonly port: number;
  /** Every exchange that reached the handler. */
  readonly exchanges: Exchange[];
}

export interface ServingOptions {
  readonly path?: string;
  readonly listen?: HttpListenOptions;
  readonly limits?: Partial<LinkLimits>;
  readonly admit?: Handler["admit"];
  readonly answer?: (exchange: Exchange) => unknown;
}

/** A listener at a free port that answers 200 with the path, unless told otherwise. */
export async function serve(options: ServingOptions = {}): Promise<Serving> {
  const { path = "/", answer = (exchange: Exchange) => exchange.respond({ status: 200 }, exchange.path) } = options;
  const network = new Network({ protocols: [http()] });
  const exchanges: Exchange[] = [];
  const handler: Handler = {
    ...(options.admit === undefined ? {} : { admit: options.admit }),
    exchange(exchange) {
      exchanges.push(exchange);
      return answer(exchange) as void;
    },
  };
  const listener = await network.listen(`http://127.0.0.1:0${path}` as "http://127.0.0.1:0/", handler, {
    ...options.listen,
    limits: options.limits ?? {},
  });
  return {
    network,
    listener,
    port: listener.endpoint.port ?? 0,
    exchanges,
    [Symbol.asyncDispose]: () => network.close({ timeoutMs: 2_000 }),
  };
}
