import { Hub, type HubOptions } from "../src/index.ts";
import { FakeClock } from "./fake-clock.ts";
import { TestClient, type TestClientOptions } from "./test-client.ts";

/** Numbers in [0, 1) that are the same every time. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    // Mulberry32.
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A hub whose time stands still, with what tests do to it. */
export class TestHub implements AsyncDisposable {
  readonly clock: FakeClock;
  readonly hub: Hub;

  constructor(options: HubOptions = {}, clock: FakeClock = new FakeClock()) {
    this.clock = clock;
    this.hub = new Hub({ clock: this.clock, random: seededRandom(1), ...options });
  }

  /** A client whose connect was answered; its transcript is empty. */
  async client(options: TestClientOptions = {}): Promise<TestClient> {
    const client = this.newClient(options).connect();
    await this.settle();
    client.take();
    return client;
  }

  newClient(options: TestClientOptions = {}): TestClient {
    return new TestClient(this.hub, options);
  }

  /** A client in a channel; its transcript is empty. */
  async subscriber(channel: string, options: TestClientOptions = {}): Promise<TestClient> {
    const client = (await this.client(options)).subscribe(channel);
    await this.settle();
    const { error } = client.answerTo(`subscribe ${channel}`);
    if (error !== undefined) throw new Error(`subscribe answered ${error}`);
    client.take();
    return client;
  }

  /** Publishes as the server does, once for each of the data. */
  async publish(channel: string, ...data: readonly unknown[]): Promise<void> {
    for (const one of data) await this.wait(this.hub.publish(channel, one));
  }

  /** Waits for a promise of the hub, letting happen what it needs. */
  async wait<Result>(promise: Promise<Result>): Promise<Result> {
    await this.settle();
    return await promise;
  }

  settle(): Promise<void> {
    return this.clock.settle();
  }

  advance(byMs: number): Promise<void> {
    return this.clock.pass(byMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = this.hub.close();
    await this.settle();
    await closed;
  }
}
