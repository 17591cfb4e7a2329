import { PolywireError } from "../contract/error.ts";
import type { Checkable, Exchanger, Request } from "../contract/exchange.ts";
import { type Quality, type QualityChange, QualityMeter } from "../quality/quality-meter.ts";
import { Checkup, type CheckupHost, type CheckupOwner } from "./checkup.ts";
import type { Health, HealthChange, HealthStatus } from "./health-record.ts";
import type { CompleteVitals, OwnCheck, RequestCheck } from "./options.ts";
import type { Watched } from "./rounds.ts";
import { Stopwatch } from "./stopwatch.ts";

export interface ExchangerVitalsOwner {
  healthChanged(change: HealthChange): void;
  qualityChanged(change: QualityChange): void;
}

/** Requests in a row that failed, after which one need not wait for a check to say so: Envoy's constant. */
const FAILURES_IN_A_ROW = 5;
/** Somebody's response to a check is not to be kept, whatever its size. */
const MAX_CHECK_BODY_BYTES = 65_536;

/** How what an exchanger asks is: by its requests, and by checks. */
export class ExchangerVitals implements Watched, CheckupOwner {
  readonly canCheck: boolean;
  readonly patienceMs: number = Infinity;
  readonly #host: CheckupHost;
  readonly #owner: ExchangerVitalsOwner;
  readonly #check: ((signal: AbortSignal) => void | Promise<void>) | undefined;
  readonly #isCheckSample: boolean;
  readonly #checkup: Checkup | undefined;
  readonly #meter: QualityMeter;
  #status: HealthStatus = "unknown";
  #hasAnswered = false;
  #isDraining = false;
  #failuresInARow = 0;

  /** @param exchanger as its protocol made it: what stands between it and the program does not see the checks. */
  constructor(
    host: CheckupHost,
    {
      exchanger,
      options,
    }: { readonly exchanger: Exchanger; readonly options: CompleteVitals<RequestCheck | OwnCheck> },
    owner: ExchangerVitalsOwner,
  ) {
    const { health, profile, staleMs } = options;
    this.#host = host;
    this.#owner = owner;
    this.#check = health && checkOf(exchanger, health.check);
    this.#isCheckSample = typeof health?.check !== "function";
    this.canCheck = this.#check !== undefined;
    this.#checkup = health && new Checkup(host, health, this);
    this.#meter = new QualityMeter({ profile, staleMs, losesSingly: true }, host.rounds.awakeMs);
  }

  /** For the time that a request takes. */
  stopwatch(): Stopwatch {
    return new Stopwatch(this.#host.rounds);
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
    return this.#meter.read();
  }

  start(): void {
    this.#checkup?.start();
    this.#host.rounds.add(this);
  }

  /** It takes no more requests. */
  drain(): void {
    this.#isDraining = true;
    this.#judgeHealth("it was closed");
  }

  stop(): void {
    this.#checkup?.stop();
    this.#host.rounds.remove(this);
  }

  round(awakeMs: number): void {
    this.#checkup?.round(awakeMs);
    this.#judge(awakeMs);
  }

  /* Its requests. */

  answered(stopwatch: Stopwatch, status: number): void {
    if (status >= 500) return this.#requestFailed();
    this.#failuresInARow = 0;
    this.#hasAnswered = true;
    const { awakeMs } = this.#host.rounds;
    if (stopwatch.isBlurred) this.#meter.heard();
    else this.#meter.answered(stopwatch.tookMs, awakeMs);
    this.#judge(awakeMs);
  }

  failed(error: PolywireError): void {
    if (isFaultOfPeer(error)) this.#requestFailed();
  }

  /* Its checks. */

  check(signal: AbortSignal): void | Promise<void> {
    return this.#check?.(signal);
  }

  checked(tookMs: number, error: PolywireError | undefined): void {
    const { awakeMs } = this.#host.rounds;
    if (error === undefined) this.#failuresInARow = 0;
    // How long the program's own check takes says nothing of the requests.
    if (this.#isCheckSample) {
      if (error === undefined) this.#meter.answered(tookMs, awakeMs);
      else this.#meter.missed(awakeMs);
    }
    this.#judge(awakeMs);
  }

  #requestFailed(): void {
    this.#failuresInARow++;
    const { awakeMs } = this.#host.rounds;
    this.#meter.missed(awakeMs);
    this.#judge(awakeMs);
  }

  #judge(awakeMs: number): void {
    const change = this.#meter.judge(awakeMs, { stalledMs: 0, silentMs: 0 });
    if (change !== undefined) this.#owner.qualityChanged(change);
    this.#judgeHealth("it answers");
  }

  #judgeHealth(otherwise: string): void {
    const from = this.#status;
    const [to, cause = otherwise] = this.#statusNow();
    if (to === from) return;
    this.#status = to;
    this.#owner.healthChanged({ from, to, cause, error: this.#checkup?.record.error });
  }

  #statusNow(): readonly [HealthStatus, string?] {
    if (this.#isDraining) return ["draining"];
    const record = this.#checkup?.record;
    const { level } = this.#meter;
    if (record?.checked === "unhealthy") return ["unhealthy", "it failed too many health checks"];
    if (this.#failuresInARow >= FAILURES_IN_A_ROW) {
      const why = `its last ${FAILURES_IN_A_ROW} requests failed`;
      // A check that passes knows better: it is alive, if of little use.
      return [record?.checked === "healthy" ? "degraded" : "unhealthy", why];
    }
    if (record !== undefined && record.failures > 0) return ["degraded", "it failed a health check"];
    if (level === "poor" || level === "critical") return ["degraded", `its requests are ${level}`];
    return [record?.checked === "healthy" || this.#hasAnswered ? "healthy" : "unknown"];
  }
}

/** How the peer is asked; undefined: it cannot be. */
function checkOf(
  exchanger: Exchanger,
  check: RequestCheck | OwnCheck | undefined,
): ((signal: AbortSignal) => void | Promise<void>) | undefined {
  if (typeof check === "function") return check;
  if (check !== undefined) {
    const direct = exchanger.request.bind(exchanger);
    return (signal) => checkByRequest(direct, check, signal);
  }
  const own = exchanger as Exchanger & Partial<Checkable>;
  return typeof own.check === "function" ? (signal) => (own as Checkable).check(signal) : undefined;
}

async function checkByRequest(
  send: Exchanger["request"],
  { method = "GET", path, status: expected = 200 }: RequestCheck,
  signal: AbortSignal,
): Promise<void> {
  const request: Request = { method, path };
  const { status, body } = await send(request, { signal });
  // Read to its end, so that the wire can use its link again.
  await body.bytes(MAX_CHECK_BODY_BYTES);
  if ([expected].flat().includes(status)) return;
  throw new PolywireError(
    "not-available",
    `${method} ${path} answered ${status}, not ${[expected].flat().join(" or ")}`,
  );
}

/** What says that the peer, or the way to it, is not as it should be. */
const FAULTS: ReadonlySet<string> = new Set([
  "timed-out",
  "connection-refused",
  "connection-reset",
  "host-unreachable",
  "host-not-found",
  "handshake-failed",
  "tls-verify-failed",
  "protocol-violation",
  "internal",
]);

function isFaultOfPeer({ code, retryable }: PolywireError): boolean {
  // A peer that lacks what was asked for is well; one that is not there for now is not.
  return FAULTS.has(code) || (code === "not-available" && retryable);
}
