import type { Position, Publication } from "@polywire/core";
import type { StreamPage } from "./broker.ts";

/**
 * Whether a page read from `since` on holds everything between there and the top: then nothing was missed.
 *
 * @param page at most as many publications as one recovery may have, oldest first.
 */
export function isComplete(since: Position, page: StreamPage): boolean {
  const { publications, position: top } = page;
  if (since.epoch !== "" && since.epoch !== top.epoch) return false;
  const first = publications[0];
  if (first === undefined) return since.offset === top.offset;
  return first.offset === since.offset + 1 && publications.at(-1)?.offset === top.offset && hasNoHole(publications);
}

/**
 * Publications that were read from the stream, up to its top, and those that came live meanwhile, each once and in order.
 *
 * @returns `undefined` when one between them is missing.
 */
export function merge(
  top: number,
  read: readonly Publication[],
  live: readonly Publication[],
): readonly Publication[] | undefined {
  const later = live.filter(({ offset }) => offset !== undefined && offset > top);
  if (later.length === 0) return read;
  later.sort((one, other) => (one.offset ?? 0) - (other.offset ?? 0));
  const once = later.filter((publication, index) => publication.offset !== later[index - 1]?.offset);
  return once[0]?.offset === top + 1 && hasNoHole(once) ? [...read, ...once] : undefined;
}

function hasNoHole(publications: readonly Publication[]): boolean {
  for (let index = 1; index < publications.length; index++) {
    if (publications[index]?.offset !== (publications[index - 1]?.offset ?? 0) + 1) return false;
  }
  return true;
}
