import type { ConnectionState } from "../connection/states.ts";
import type { PolywireError } from "../contract/error.ts";
import type { Traits } from "../contract/link.ts";
import type { QualityLevel } from "../quality/levels.ts";
import { type Quality, type QualityChange, QualityMeter, UNKNOWN_QUALITY } from "../quality/quality-meter.ts";
import { Checkup, type CheckupHost, type CheckupOwner } from "./checkup.ts";
import type { Health, HealthChange, HealthStatus } from "./health-record.ts";
import { type LinkAsker, type LinkCheckKind, linkCheckKind, runLinkCheck } from "./link-check.ts";
import type { CompleteVitals } from "./options.ts";
import type { Watched } from "./rounds.ts";
import { Samples, type SamplesOwner } from "./samples.ts";
import { Stopwatch } from "./stopwatch.ts";

/** Whose vitals they are. */
export interface VitalsOwner extends LinkAsker {
  /** The messages so far. */
  readonly messagesIn: number;
  /** Since when the peer has taken nothing of what waits for it; awake time. */
  readonly waitsSinceMs: number | undefined;
  /** Somebody reads, so that answers can arrive. */
  readonly isReading: boolean;
  /** Somebody wants to know how good the network is. */
  readonly isQualityWatched: boolean;
  /** There is no link now, and that is a fault. */
  readonly isFailing: boolean;
  healthChanged(change: HealthChange): void;
  qualityChanged(change: QualityChange): void;
  /** The peer has not said a word for so long that the link is as good as lost. */
  replace(error: PolywireError): void;
}

const SAMPLE_INTERVAL_MS = 1_000;

/** How a connection is, from one link to the next: its health and the quality of its network. */
export class LinkVitals implements Watched, CheckupOwner, SamplesOwner {
  readonly #host: CheckupHost;
  readonly #options: CompleteVitals;
  readonly #owner: VitalsOwner;
  readonly #checkup: Checkup | undefined;
  #state: ConnectionState = "idle";
  #traits: Traits | undefined = undefined;
  #meter: QualityMeter | undefined = undefined;
  #samples: Samples | undefined = undefined;
  #status: HealthStatus = "unknown";
  /** Told last; a new meter knows nothing of it. */
  #level: QualityLevel = "unknown";
  #messagesIn = 0;
  #heardAtMs = 0;
  /** Times the check under way. */
  #stopwatch: Stopwatch | undefined = undefined;
  /** Checks that failed in a row without a message in between, and the messages there were then. */
  #silentFailures = 0;
  #messagesAtFailure = 0;

  constructor(host: CheckupHost, options: CompleteVitals, owner: VitalsOwner) {
    this.#host = host;
    this.#options = options;
    this.#owner = owner;
    this.#checkup = options.health && new Checkup(host, options.health, this);
  }

  get health(): Health {
    const record = this.#checkup?.record;
    return {
      status: this.#status,
      checked: record?.checked ?? "unknown",
      failures: record?.failures ?? 0,
      error: record?.error,
    };
  }

  get quality(): Quality {
    return this.#meter?.read() ?? UNKNOWN_QUALITY;
  }

  /** The state of the connection has changed; `traits` are those of its link. */
  stateChanged(to: ConnectionState, cause: string, traits: Traits | undefined): void {
    const had = this.#state === "ready";
    this.#state = to;
    if (to === "ready") this.#up(traits);
    else if (had) this.#down();
    this.#judgeHealth(cause);
  }

  /** The program has pinged on its own, and this timed it. */
  answered({ tookMs, isBlurred }: Stopwatch): void {
    if (isBlurred) this.#meter?.heard();
    else this.#meter?.answered(tookMs, this.#host.rounds.awakeMs);
  }

  round(awakeMs: number): void {
    const { isReading, messagesIn } = this.#owner;
    if (messagesIn !== this.#messagesIn || !isReading) {
      this.#messagesIn = messagesIn;
      this.#heardAtMs = awakeMs;
    }
    if (!isReading) this.#forget();
    else if (this.#isSampled) this.#samples?.round(awakeMs, this.#options.sampleIntervalMs ?? SAMPLE_INTERVAL_MS);
    this.#checkup?.round(awakeMs);
    this.#judge(awakeMs);
  }

  /* What the checks and the samples ask for. */

  get canCheck(): boolean {
    return this.#checkKind !== undefined && (this.#owner.isReading || !this.#isCheckOnLink);
  }

  /** Before the first answer nobody knows how far away the peer is: RFC 6298's first second would be too short for some. */
  get patienceMs(): number {
    const { smoothedMs, timeoutMs = Infinity } = this.#meter?.roundTrip ?? {};
    return this.#isCheckOnLink && smoothedMs !== undefined ? timeoutMs : Infinity;
  }

  check(signal: AbortSignal): void | Promise<void> {
    const stopwatch = new Stopwatch(this.#host.rounds);
    const meter = this.#meter;
    this.#stopwatch = stopwatch;
    const answer = runLinkCheck(this.#options.health?.check, this.#owner, signal);
    if (!this.#isCheckOnLink) return answer;
    return Promise.resolve(answer).then(() => {
      // Or else a peer that is far away would never be known to be.
      const isLate = signal.aborted && (signal.reason as PolywireError).code === "timed-out";
      if (isLate && !stopwatch.isBlurred) meter?.answeredLate(stopwatch.tookMs);
    });
  }

  checked(tookMs: number, error: PolywireError | undefined): void {
    const { awakeMs } = this.#host.rounds;
    // How long the program's own check takes says nothing of the network.
    if (this.#checkKind !== "own") {
      if (error !== undefined) this.#meter?.missed(awakeMs);
      else if (this.#stopwatch?.isBlurred === true) this.#meter?.heard();
      else this.#meter?.answered(tookMs, awakeMs);
    }
    if (error === undefined && this.#isCheckOnLink) this.#heardAtMs = awakeMs;
    this.#countSilence(error !== undefined);
    this.#judge(awakeMs);
    if (error !== undefined && this.#isCheckOnLink) this.#replaceIfSilent(error);
  }

  ping(answered: (roundTripMs: number | undefined) => void): void {
    this.#owner.ping(answered);
  }

  sampled(): void {
    const { awakeMs } = this.#host.rounds;
    this.#heardAtMs = awakeMs;
    this.#judge(awakeMs);
  }

  get #checkKind(): LinkCheckKind | undefined {
    return linkCheckKind(this.#options.health?.check, this.#traits);
  }

  /** The answer comes on the link itself. */
  get #isCheckOnLink(): boolean {
    return this.#checkKind === "ping" || this.#checkKind === "payload";
  }

  get #isSampled(): boolean {
    return this.#options.sampleIntervalMs !== undefined || this.#owner.isQualityWatched;
  }

  #up(traits: Traits | undefined): void {
    const { rounds } = this.#host;
    this.#traits = traits;
    this.#heardAtMs = rounds.awakeMs;
    this.#meter = new QualityMeter(
      {
        profile: this.#options.profile,
        losesSingly: traits?.reliable === false,
        staleMs: this.#options.staleMs,
      },
      this.#heardAtMs,
    );
    if (traits?.ping !== "none") this.#samples = new Samples(rounds, this.#meter, this);
    this.#checkup?.start();
    rounds.add(this);
  }

  #down(): void {
    this.#host.rounds.remove(this);
    this.#checkup?.stop();
    this.#samples?.forget();
    this.#samples = undefined;
    this.#meter = undefined;
    if (this.#level !== "unknown") {
      const from = this.#level;
      this.#level = "unknown";
      this.#owner.qualityChanged({ from, to: "unknown", score: undefined, worst: undefined });
    }
  }

  #judge(awakeMs: number): void {
    const { waitsSinceMs } = this.#owner;
    const change = this.#meter?.judge(awakeMs, {
      stalledMs: waitsSinceMs === undefined ? 0 : awakeMs - waitsSinceMs,
      silentMs: awakeMs - this.#heardAtMs,
    });
    if (change !== undefined) {
      this.#level = change.to;
      this.#owner.qualityChanged(change);
    }
    this.#judgeHealth();
  }

  #judgeHealth(cause?: string): void {
    const from = this.#status;
    const [to, why] = this.#statusNow();
    if (to === from) return;
    this.#status = to;
    this.#owner.healthChanged({ from, to, cause: why ?? cause ?? "it answers", error: this.#checkup?.record.error });
  }

  #statusNow(): readonly [HealthStatus, string?] {
    if (this.#state === "draining") return ["draining"];
    if (this.#state !== "ready") return [this.#owner.isFailing ? "unhealthy" : "unknown"];
    const record = this.#checkup?.record;
    if (record?.checked === "unhealthy") return ["unhealthy", "it failed too many health checks"];
    if (record !== undefined && record.failures > 0) return ["degraded", "it failed a health check"];
    if (this.#level === "poor" || this.#level === "critical") return ["degraded", `the network is ${this.#level}`];
    return ["healthy"];
  }

  /** Nobody reads, so that no answer can arrive: what was asked is not held against the peer. */
  #forget(): void {
    this.#samples?.forget();
    if (this.#isCheckOnLink) this.#checkup?.forget();
  }

  #countSilence(hasFailed: boolean): void {
    const { messagesIn } = this.#owner;
    if (!hasFailed) this.#silentFailures = 0;
    else if (messagesIn === this.#messagesAtFailure) this.#silentFailures++;
    else this.#silentFailures = 1;
    this.#messagesAtFailure = messagesIn;
  }

  #replaceIfSilent(error: PolywireError): void {
    const { health } = this.#options;
    if (this.#checkup?.record.checked !== "unhealthy" || health?.replace !== true) return;
    if (this.#silentFailures >= health.unhealthyAfter) this.#owner.replace(error);
  }
}
