// Who is here: the room's presence, kept up to date by joins and leaves.

import { avatar } from "./identity.js";

const MAX_SHOWN = 100;

export class PeopleList {
  #list;
  #counters;
  /** Names by client id. */
  #people = new Map();
  #ownClient = "";

  constructor(list, counters) {
    this.#list = list;
    this.#counters = counters;
  }

  /** Everybody at once: `clients` as the presence answer gives them. */
  replace(clients, ownClient) {
    this.#ownClient = ownClient;
    this.#people = new Map(Object.values(clients).map((info) => [info.client, nameOf(info)]));
    this.#render();
  }

  /** Answers the newcomer's name, or nothing if they were here already. */
  join(info) {
    if (this.#people.has(info.client)) return undefined;
    this.#people.set(info.client, nameOf(info));
    this.#render();
    return this.#people.get(info.client);
  }

  /** Answers the name of who left, or nothing if they were not here. */
  leave(info) {
    const name = this.#people.get(info.client);
    this.#people.delete(info.client);
    this.#render();
    return name;
  }

  clear() {
    this.#people.clear();
    this.#render();
  }

  #render() {
    for (const counter of this.#counters) counter.textContent = String(this.#people.size);
    const sorted = [...this.#people].sort(
      ([oneClient, one], [otherClient, other]) =>
        Number(otherClient === this.#ownClient) - Number(oneClient === this.#ownClient) || one.localeCompare(other),
    );
    const rows = sorted.slice(0, MAX_SHOWN).map(([client, name]) => row(name, client === this.#ownClient));
    if (sorted.length > MAX_SHOWN) rows.push(moreRow(sorted.length - MAX_SHOWN));
    this.#list.replaceChildren(...rows);
  }
}

/** The server shows the name that the client gave when it connected. */
export function nameOf(info) {
  const name = info.connInfo?.name;
  return typeof name === "string" && name.trim() !== "" ? name.trim().slice(0, 32) : `Guest ${info.client.slice(0, 4)}`;
}

function row(name, isOwn) {
  const item = document.createElement("li");
  const label = document.createElement("span");
  label.className = "label";
  label.textContent = name;
  item.append(avatar(name), label);
  if (isOwn) {
    const you = document.createElement("span");
    you.className = "you";
    you.textContent = "(you)";
    item.append(you);
  }
  return item;
}

function moreRow(count) {
  const item = document.createElement("li");
  item.className = "you";
  item.textContent = `and ${count} more`;
  return item;
}
