import type { CentrifugeOptions } from "@polywire/dialect-centrifuge";
import type { HubOptions } from "@polywire/realtime";
import type { Encoding } from "./encodings.ts";
import type { Transport } from "./transports.ts";
import { type Circumstances, WireServer } from "./wire-server.ts";

/** Something that every server keeps, whatever the wire and the encoding. */
export interface WireLaw {
  /** A sentence that holds. */
  readonly name: string;
  readonly timeoutMs?: number;
  /** Throws when it does not hold. */
  run(world: WireWorld): Promise<void>;
}

/** Where a law is tried. Its servers end with it. */
export class WireWorld implements AsyncDisposable {
  readonly #circumstances: Circumstances;
  readonly #servers: WireServer[] = [];

  constructor(circumstances: Circumstances) {
    this.#circumstances = circumstances;
  }

  get encoding(): Encoding {
    return this.#circumstances.encoding;
  }

  get transport(): Transport {
    return this.#circumstances.transport;
  }

  async serve(options: HubOptions = {}, dialect: CentrifugeOptions = {}): Promise<WireServer> {
    const server = await WireServer.start(this.#circumstances, options, dialect);
    this.#servers.push(server);
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) await server[Symbol.asyncDispose]();
  }
}

/** Tries the law; rejects when it is broken. */
export async function assertLaw(law: WireLaw, circumstances: Circumstances): Promise<void> {
  await using world = new WireWorld(circumstances);
  await law.run(world);
}
