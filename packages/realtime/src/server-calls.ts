import { type ClientInfo, type DataFormat, PolywireError, wrongOption } from "@polywire/core";
import type { DocumentVersion, Done, Draft } from "./broker.ts";
import { isShowable, MAX_INFO_BYTES } from "./client-info.ts";
import { checkTags, type EncodeOptions, encodeData } from "./publication-data.ts";

/** Most characters of an idempotency key: as many as a digest or a UUID with a name before it. */
const MAX_KEY_LENGTH = 256;

/** Most characters of a version's epoch. */
const MAX_EPOCH_LENGTH = 256;

/** The longest time that anything lasts: a year. */
const MAX_TTL_MS = 31_536_000_000;

/** All sessions of a user (`"42"`, or `""` for everybody anonymous), or one session. */
export type Target = string | { readonly client: string; readonly user?: string };

export interface PublishOptions {
  /** What the data are; by default JSON, or bytes as the channel has them. */
  readonly format?: DataFormat;
  /** Names and values that go with the publication; 4 KiB at most. */
  readonly tags?: Readonly<Record<string, string>>;
  /**
   * 1 to 256 characters. A second publish with the same key within five minutes is answered with the first one's receipt
   * and not told.
   */
  readonly idempotencyKey?: string;
  /**
   * The version of the document that the data are, from 1 on; the epoch, of 256 characters at most, is needed where versions
   * begin anew. A version that is not above the last one is neither kept nor told. Needs a history.
   */
  readonly version?: number | DocumentVersion;
  /** Tells those who are subscribed now, without keeping it for others. */
  readonly skipHistory?: boolean;
  /** Published in the name of this client. */
  readonly info?: ClientInfo;
}

/**
 * What a program publishes, checked and as bytes of its own.
 *
 * @throws PolywireError `invalid-argument` for what the channel does not take, `too-large`.
 */
export function draftOf(
  data: unknown,
  { format, tags, idempotencyKey, info, version }: PublishOptions,
  place: Omit<EncodeOptions, "format">,
): Draft {
  return {
    ...encodeData(data, { ...place, format }),
    ...(tags === undefined ? {} : { tags: checkTags(tags, place.channel) }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey: checkedKey(idempotencyKey) }),
    ...(info === undefined ? {} : { info }),
    ...(version === undefined ? {} : { version: completeVersion(version) }),
  };
}

function checkedKey(key: string): string {
  if (typeof key === "string" && key.length >= 1 && key.length <= MAX_KEY_LENGTH) return key;
  throw wrongOption("idempotencyKey", key, `give 1 to ${MAX_KEY_LENGTH} characters`);
}

function completeVersion(given: number | DocumentVersion): DocumentVersion {
  const { number, epoch } = typeof given === "number" ? { number: given, epoch: "" } : given;
  if (!Number.isSafeInteger(number) || number < 1) throw wrongOption("version", number, "give a positive integer");
  if (typeof epoch === "string" && epoch.length <= MAX_EPOCH_LENGTH) return { number, epoch };
  throw wrongOption("version.epoch", epoch, `give at most ${MAX_EPOCH_LENGTH} characters`);
}

/** @throws PolywireError `invalid-argument` for what cannot be shown to other clients. */
export function checkInfo(name: string, info: Uint8Array | undefined): void {
  if (info === undefined || isShowable(info)) return;
  throw new PolywireError("invalid-argument", `${name}: give JSON text of ${MAX_INFO_BYTES} bytes at most`);
}

/** @throws PolywireError `invalid-argument` unless it is `least` to a year. */
export function checkTtl(ttlMs: number | undefined, least: 0 | 1): void {
  if (ttlMs === undefined || (Number.isFinite(ttlMs) && ttlMs >= least && ttlMs <= MAX_TTL_MS)) return;
  throw wrongOption("ttlMs", ttlMs, `give ${least} to ${MAX_TTL_MS} milliseconds`);
}

/** What the broker's callback gets, as a promise. */
export function answerOf<Result>(call: (done: Done<Result>) => void): Promise<Result> {
  return new Promise((resolve, reject) => {
    call((error, result) => {
      if (error === undefined) resolve(result as Result);
      else reject(error);
    });
  });
}

export function addressOf(target: Target): { readonly user?: string; readonly client?: string } {
  return typeof target === "string" ? { user: target } : target;
}
