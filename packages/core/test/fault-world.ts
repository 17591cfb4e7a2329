import {
  type Connection,
  type ConnectionEvents,
  type ConnectionOptions,
  Network,
  type NetworkOptions,
  type PolywireError,
} from "../src/index.ts";
import { ManualClock } from "../src/testing.ts";
import { type FaultLink, FaultWire, seeded } from "./fault-wire.ts";
import { turns } from "./opened-network.ts";

type FaultNetwork = Network<readonly [FaultWire]>;

/** A network over a fault wire, on a clock that the test moves. */
export class FaultWorld implements AsyncDisposable {
  readonly clock: ManualClock = new ManualClock();
  readonly wire: FaultWire;
  readonly network: FaultNetwork;
  readonly errors: PolywireError[] = [];

  constructor(wire: FaultWire = new FaultWire(), options: Partial<NetworkOptions<readonly [FaultWire]>> = {}) {
    this.wire = wire;
    this.network = new Network({ protocols: [wire], clock: this.clock, random: seeded(7), ...options });
    this.network.on("error", (error) => void this.errors.push(error));
  }

  /** A connection that is read, and what it tells. */
  async connect(options: ConnectionOptions = {}): Promise<Told> {
    const connection = await this.network.connect("fault://there", options);
    connection.on("data", () => {});
    return new Told(connection);
  }

  /** Time passes, and whatever happens in it. */
  async pass(ms: number): Promise<void> {
    await this.clock.advanceSettled(ms, () => turns(1));
    await turns(2);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.network.close();
  }
}

/** What a connection has told of its peer and its network. */
export class Told {
  readonly connection: Connection<FaultLink>;
  readonly health: ConnectionEvents["health"][] = [];
  readonly quality: ConnectionEvents["quality"][] = [];
  readonly disconnects: ConnectionEvents["disconnect"][] = [];
  readonly #watchesQuality: () => void;

  constructor(connection: Connection<FaultLink>) {
    this.connection = connection;
    connection.on("health", (change) => void this.health.push(change));
    this.#watchesQuality = connection.on("quality", (change) => void this.quality.push(change));
    connection.on("disconnect", (event) => void this.disconnects.push(event));
  }

  /** Nobody listens for quality any more, so the link is not sampled. */
  ignoreQuality(): this {
    this.#watchesQuality();
    return this;
  }

  get healthSteps(): readonly string[] {
    return this.health.map(({ from, to, cause }) => `${from} > ${to}: ${cause}`);
  }

  get qualitySteps(): readonly string[] {
    return this.quality.map(({ from, to, worst }) => `${from} > ${to} for ${worst}`);
  }
}
