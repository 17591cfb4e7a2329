import type { Clock, Logger, MetricFamily } from "@polywire/core";
import { type ServerApiHandler, serverApi } from "@polywire/dialect-centrifuge";
import type { GrpcListener } from "@polywire/grpc";
import type { Hub } from "@polywire/realtime";
import { ApiKeyFile } from "./api-key-file.ts";
import { type BoundAddress, boundAddress, type ServerNetwork, tlsOf } from "./client-wires.ts";
import type { ApiConfig, ConfiguredListener } from "./config/schema.ts";

/** Calls over gRPC at once: each may bring a message of the largest size. */
const MAX_CALLS = 128;

const HTTP_PATH = "/api";
const GRPC_SERVICE = "/polywire.api.v1.ServerApi";

export interface ApiWiresOptions {
  readonly hub: Hub;
  readonly network: ServerNetwork;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly version: string;
}

/** Lets callers of the server API in at internal addresses. */
export class ApiWires {
  readonly #options: ApiWiresOptions;
  readonly #handler: ServerApiHandler;

  constructor({ keys, keyFile }: ApiConfig, options: ApiWiresOptions) {
    const { hub, clock, logger, version } = options;
    const file = keyFile === undefined ? undefined : new ApiKeyFile(keyFile, { clock, logger });
    this.#options = options;
    this.#handler = serverApi(hub, { keys: file === undefined ? keys : () => file.keys, version, logger, clock });
  }

  metrics(): readonly MetricFamily[] {
    return this.#handler.metrics();
  }

  /** Joins an address that is listened at already. */
  async join(bound: BoundAddress): Promise<BoundAddress> {
    const { scheme, url } = bound.address;
    if (scheme === "grpc" || scheme === "grpcs") {
      await this.#listenGrpc(url, {});
      return { ...bound, serves: { ...bound.serves, api: GRPC_SERVICE } };
    }
    const { hub, network } = this.#options;
    // What fits into the hub fits into a request.
    const options = { maxBodyBytes: hub.linkLimits.maxMessageBytes };
    for (const path of [`${HTTP_PATH}/`, HTTP_PATH]) {
      await network.listen(`${url}${path}` as "http://127.0.0.1", this.#handler, options);
    }
    return { ...bound, serves: { ...bound.serves, api: HTTP_PATH } };
  }

  /** Listens at an address of its own. */
  async listen(listener: ConfiguredListener): Promise<BoundAddress> {
    const bound = await this.#listenGrpc(listener.url, tlsOf(listener));
    return {
      address: boundAddress(listener, bound),
      serves: { api: GRPC_SERVICE },
      server: bound.server,
      close: () => bound.close(),
    };
  }

  #listenGrpc(url: string, options: ReturnType<typeof tlsOf>): Promise<GrpcListener> {
    const limits = { ...this.#handler.limits, maxLinks: MAX_CALLS };
    const address = `${url}${GRPC_SERVICE}/` as "grpc://127.0.0.1";
    return this.#options.network.listen(address, this.#handler, { ...options, limits });
  }
}
