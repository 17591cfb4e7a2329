import { type AnyProtocol, type Listener, Network } from "@polywire/core";
import { memory } from "@polywire/core/memory";
import { ManualClock } from "@polywire/core/testing";
import { Hub, type HubOptions } from "@polywire/realtime";
import { type CentrifugeOptions, centrifuge } from "../src/index.ts";
import { type Encoding, type Message, WireClient } from "./wire-client.ts";

/** A hub behind the dialect, on an in-memory wire and a clock of its own. */
export interface Serving extends AsyncDisposable {
  readonly hub: Hub;
  readonly clock: ManualClock;
  readonly network: Network<readonly AnyProtocol[]>;
  readonly listener: Listener;
  /** A client that has its link and has said nothing. */
  dial(encoding: Encoding, headers?: ReadonlyMap<string, string>): Promise<WireClient>;
  /** A client that has connected; its id. */
  connect(encoding: Encoding, request?: Message): Promise<{ readonly client: WireClient; readonly id: string }>;
  /** A client that has connected and subscribed. */
  subscribe(encoding: Encoding, channel: string): Promise<{ readonly client: WireClient; readonly id: string }>;
}

export async function serving(hubOptions: HubOptions = {}, options: CentrifugeOptions = {}): Promise<Serving> {
  const clock = new ManualClock();
  const hub = new Hub({ clock, ...hubOptions });
  const protocols: readonly AnyProtocol[] = [memory()];
  const network = new Network({ protocols, services: [hub], clock });
  const clients = new Network({ protocols, clock });
  const listener = await network.listen("memory://hub:0/connection", centrifuge(hub, { clock, ...options }));
  const dial: Serving["dial"] = async (encoding, headers = new Map()) => {
    const query = encoding === "protobuf" ? "?format=protobuf" : "";
    return new WireClient(
      await clients.connect(`${listener.endpoint}${query}`, { metadata: headers, reconnect: false }),
      encoding,
    );
  };
  const connect: Serving["connect"] = async (encoding, request = {}) => {
    const client = await dial(encoding);
    const reply = await client.ask({ connect: request });
    const { client: id } = reply["connect"] as { client: string };
    return { client, id };
  };
  return {
    hub,
    clock,
    network,
    listener,
    dial,
    connect,
    async subscribe(encoding, channel) {
      const connected = await connect(encoding);
      const reply = await connected.client.ask({ subscribe: { channel } });
      if (!("subscribe" in reply)) throw new Error(`not subscribed: ${JSON.stringify(reply)}`);
      return connected;
    },
    async [Symbol.asyncDispose]() {
      await clients.close();
      await network.close();
    },
  };
}
