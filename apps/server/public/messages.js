// The conversation: messages in the order of the stream, with days, groups and dividers between them.

import { avatar, hueOf } from "./identity.js";

const MAX_ENTRIES = 500;
const MAX_SHOWN_CHARACTERS = 4000;
const GROUP_MS = 5 * 60_000;
/** Room for offsets between two generations of the stream; far below what a double keeps exact. */
const GENERATION_STEP = 2 ** 42;

const clockFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const dayFormat = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const fullFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

/** What a publication says. Anybody may publish anything, so nothing is taken for granted. */
export function readMessage(data) {
  const { id, author, name, text, at } = typeof data === "object" && data !== null ? data : {};
  return {
    id: typeof id === "string" ? id : undefined,
    author: typeof author === "string" ? author : undefined,
    name: typeof name === "string" && name.trim() !== "" ? name.trim().slice(0, 32) : "Guest",
    text: readText(data, text).slice(0, MAX_SHOWN_CHARACTERS),
    at: typeof at === "number" && Math.abs(at) < 8.64e15 ? at : undefined,
  };
}

function readText(data, text) {
  if (typeof text === "string") return text;
  return typeof data === "string" ? data : (JSON.stringify(data) ?? "");
}

export class MessageList {
  /** Sorted: `{ order, offset, message, item }`; without `message` an event or a divider. */
  #entries = [];
  #list;
  #ownAuthor;
  #generation = 0;

  constructor(list, ownAuthor) {
    this.#list = list;
    this.#ownAuthor = ownAuthor;
  }

  /** How many messages are shown. */
  get size() {
    return this.#entries.filter((entry) => entry.message !== undefined).length;
  }

  /** The lowest offset of the current stream that is shown. */
  get oldestOffset() {
    return this.#entries.find((entry) => entry.offset !== undefined && entry.generation === this.#generation)?.offset;
  }

  clear() {
    this.#entries = [];
    this.#list.replaceChildren();
    this.#generation = 0;
  }

  /** Offsets begin again: what comes now goes below everything shown so far. */
  beginGeneration() {
    this.#generation += 1;
  }

  /** Shows a publication in its place, once; answers whether it is new. */
  add(data, offset) {
    const message = readMessage(data);
    const order = offset === undefined ? this.#lastOrder() : this.#generation * GENERATION_STEP + offset;
    if (offset !== undefined && this.#entries.some((entry) => entry.offset !== undefined && entry.order === order))
      return false;
    const pending = this.#pendingOf(message);
    if (pending !== undefined) this.#entries.splice(this.#entries.indexOf(pending), 1);
    const entry = pending ?? { message, item: this.#render(message) };
    setState(entry.item, undefined);
    this.#insert(Object.assign(entry, { message, order, offset, generation: this.#generation }));
    return true;
  }

  /** Shows an own message that is on its way; returns what tells its fate. */
  addPending(message, retry) {
    const entry = { message, order: Number.POSITIVE_INFINITY, item: this.#render(message) };
    this.#insert(entry);
    setState(entry.item, "pending");
    return {
      failed: (reason) => {
        if (!Number.isFinite(entry.order)) setState(entry.item, "failed", reason, retry);
      },
      again: () => setState(entry.item, "pending"),
    };
  }

  /** A line of small print: who came, who left. */
  addEvent(text) {
    this.#addLine("event", text);
  }

  /** A line across the conversation; `complete` is false where something may be missing. */
  addDivider(text, complete) {
    const line = this.#addLine("divider", text);
    line.dataset.complete = complete;
    return {
      setText: (changed) => (line.textContent = changed),
      remove: () => {
        this.#entries = this.#entries.filter((entry) => entry.item !== line.parentElement);
        line.parentElement?.remove();
      },
    };
  }

  /** Keeps the page light: forgets the oldest. Answers whether any were forgotten. */
  trim() {
    const surplus = this.#entries.splice(0, Math.max(0, this.#entries.length - MAX_ENTRIES));
    for (const { item } of surplus) item.remove();
    if (surplus.length > 0) this.#decorate(0);
    return surplus.length > 0;
  }

  #addLine(className, text) {
    const line = document.createElement("div");
    line.className = className;
    line.textContent = text;
    const item = document.createElement("li");
    item.className = "item";
    item.append(line);
    this.#insert({ order: this.#lastOrder(), item });
    return line;
  }

  #lastOrder() {
    return this.#entries.findLast((entry) => Number.isFinite(entry.order))?.order ?? this.#generation * GENERATION_STEP;
  }

  #pendingOf({ id, author }) {
    if (id === undefined || author !== this.#ownAuthor) return undefined;
    return this.#entries.find((entry) => entry.order === Number.POSITIVE_INFINITY && entry.message?.id === id);
  }

  #insert(entry) {
    const after = this.#entries.findLastIndex((other) => other.order <= entry.order);
    const index = after + 1;
    this.#entries.splice(index, 0, entry);
    const next = this.#entries[index + 1]?.item ?? null;
    // Moving an element makes screen readers say it again: only when it is elsewhere.
    const isInPlace = entry.item.isConnected && entry.item.nextElementSibling === next;
    if (!isInPlace) this.#list.insertBefore(entry.item, next);
    this.#decorate(index);
    this.#decorate(index + 1);
  }

  /** Groups the entry with the one above, and heads it with its day. */
  #decorate(index) {
    const entry = this.#entries[index];
    if (entry?.message === undefined) return;
    const above = this.#entries[index - 1]?.message;
    const aboveInDay = this.#entries.slice(0, index).findLast((other) => other.message?.at !== undefined)?.message;
    const { at, author, name } = entry.message;
    const day = dayOf(at);
    const isNewDay = day !== undefined && day !== dayOf(aboveInDay?.at);
    entry.item.querySelector(".day")?.remove();
    if (isNewDay) entry.item.prepend(dayHeading(at));
    const follows =
      !isNewDay && above !== undefined && author !== undefined && above.author === author && above.name === name;
    const isClose = follows && Math.abs((at ?? 0) - (above.at ?? 0)) < GROUP_MS;
    entry.item.querySelector(".message").classList.toggle("follows", isClose);
  }

  #render(message) {
    const isMine = message.author === this.#ownAuthor;
    const element = document.createElement("article");
    element.className = isMine ? "message mine" : "message";
    const who = document.createElement("div");
    who.className = "who";
    const author = document.createElement("span");
    author.className = "author";
    author.style.setProperty("--hue", hueOf(message.name));
    author.textContent = message.name;
    who.append(author);
    if (message.at !== undefined) who.append(timeOf(message.at));
    const bubble = document.createElement("div");
    bubble.className = "bubble";
    bubble.textContent = message.text;
    if (message.at !== undefined) bubble.title = fullFormat.format(message.at);
    element.append(avatar(message.name), who, bubble);
    const item = document.createElement("li");
    item.className = "item";
    item.append(element);
    return item;
  }
}

function setState(item, state, reason = "", retry) {
  const element = item.querySelector(".message");
  element.classList.toggle("pending", state === "pending");
  element.classList.toggle("failed", state === "failed");
  element.querySelector(".state")?.remove();
  if (state === undefined) return;
  const line = document.createElement("div");
  line.className = "state";
  line.textContent = state === "pending" ? "Sending…" : `Not sent: ${reason} `;
  if (retry !== undefined) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Send again";
    button.addEventListener("click", retry, { once: true });
    line.append(button);
  }
  element.append(line);
}

function timeOf(at) {
  const time = document.createElement("time");
  time.dateTime = new Date(at).toISOString();
  time.textContent = clockFormat.format(at);
  return time;
}

function dayOf(at) {
  return at === undefined ? undefined : new Date(at).toDateString();
}

function dayHeading(at) {
  const heading = document.createElement("div");
  heading.className = "day";
  const today = new Date();
  const yesterday = new Date(today);
  yesterday.setDate(today.getDate() - 1);
  const day = dayOf(at);
  if (day === today.toDateString()) heading.textContent = "Today";
  else if (day === yesterday.toDateString()) heading.textContent = "Yesterday";
  else heading.textContent = dayFormat.format(at);
  return heading;
}
