/** Something that has a place in a {@link RecencyList}, in one at most. The fields are the list's own. */
export class Recent {
  newer: Recent | undefined = undefined;
  older: Recent | undefined = undefined;
  list: RecencyList<Recent> | undefined = undefined;
}

/** Things in the order of their last use. Everything takes constant time, and nothing is allocated. */
export class RecencyList<Item extends Recent> {
  #newest: Recent | undefined = undefined;
  #oldest: Recent | undefined = undefined;

  /** What was not used for the longest time. */
  get oldest(): Item | undefined {
    return this.#oldest as Item | undefined;
  }

  /** The item is the newest of this list now, wherever it was before. */
  use(item: Item): void {
    if (this.#newest === item) return;
    item.list?.remove(item);
    item.list = this as unknown as RecencyList<Recent>;
    item.older = this.#newest;
    if (this.#newest !== undefined) this.#newest.newer = item;
    this.#newest = item;
    this.#oldest ??= item;
  }

  /** Does nothing if the item is not in this list. */
  remove(item: Item): void {
    if ((item.list as unknown) !== this) return;
    const { newer, older } = item;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    item.newer = undefined;
    item.older = undefined;
    item.list = undefined;
  }
}
