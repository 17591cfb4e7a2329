// Who writes here, and in which room.

const QUALITIES = ["Quiet", "Brave", "Merry", "Swift", "Gentle", "Bright", "Calm", "Clever", "Sunny", "Curious"];
const ANIMALS = ["Otter", "Heron", "Fox", "Lynx", "Wren", "Hare", "Seal", "Owl", "Badger", "Robin"];
const MAX_ROOM_CHARACTERS = 64;
/** Of the room in its channel's name, where a letter may take up to 12. */
const MAX_CODED_CHARACTERS = 200;

/** Storage may be forbidden; then nothing is remembered, and the chat works all the same. */
function remembered(storageOf, key) {
  try {
    return storageOf().getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

function remember(storageOf, key, value) {
  try {
    storageOf().setItem(key, value);
  } catch {
    // Forbidden or full: see above.
  }
}

const tab = () => window.sessionStorage;
const browser = () => window.localStorage;

function oneOf(words) {
  return words[Math.floor(Math.random() * words.length)];
}

/** An id of this tab, which stays through reloads: it tells own messages from others'. */
export function ownAuthor() {
  const known = remembered(tab, "polywire.author");
  if (known !== undefined) return known;
  // Not randomUUID: pages over plain HTTP from another machine do not have it.
  const author = [...crypto.getRandomValues(new Uint8Array(12))]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
  remember(tab, "polywire.author", author);
  return author;
}

/** The name given last, in this tab or in another; a friendly one for newcomers. */
export function ownName() {
  const known = remembered(tab, "polywire.name") ?? remembered(browser, "polywire.name");
  if (known !== undefined) return known;
  const invented = `${oneOf(QUALITIES)} ${oneOf(ANIMALS)}`;
  remember(tab, "polywire.name", invented);
  return invented;
}

export function rememberName(name) {
  remember(tab, "polywire.name", name);
  remember(browser, "polywire.name", name);
}

/** The room of the address: `#garden`. */
export function currentRoom() {
  let room = location.hash.slice(1);
  try {
    room = decodeURIComponent(room);
  } catch {
    // A stray percent sign: taken as it is.
  }
  return tidyRoom(room) || "lobby";
}

export function tidyRoom(text) {
  const tidy = text.normalize("NFC").trim().replace(/^#+/, "").toLowerCase().replace(/\s+/gu, "-");
  // Half of a surrogate pair cannot be encoded.
  const characters = [...tidy.toWellFormed()].slice(0, MAX_ROOM_CHARACTERS);
  while (encodeURIComponent(characters.join("")).length > MAX_CODED_CHARACTERS) characters.pop();
  return characters.join("");
}

/** The room's channel: plain ASCII, whatever the room is called. */
export function channelOf(room) {
  return `chat:${encodeURIComponent(room)}`;
}

/** A colour for a name: always the same one. */
export function hueOf(text) {
  let hash = 7;
  for (const character of text) hash = (hash * 31 + character.codePointAt(0)) % 9973;
  return (hash * 47) % 360;
}

/** The round sign of a person. */
export function avatar(name) {
  const element = document.createElement("span");
  element.className = "avatar";
  element.ariaHidden = "true";
  element.style.setProperty("--hue", hueOf(name));
  element.textContent = [...name][0]?.toUpperCase() ?? "?";
  return element;
}
