// The page: joins the room of the address over the official SDK, and shows what happens there.

import { connectClient } from "./connection.js";
import { channelOf, currentRoom, ownAuthor, ownName, rememberName, tidyRoom } from "./identity.js";
import { MessageList } from "./messages.js";
import { nameOf, PeopleList } from "./people.js";

const PAGE_SIZE = 100;
const NOTICE_MS = 6_000;
const AT_BOTTOM_PIXELS = 80;

const byId = (id) => document.getElementById(id);
const author = ownAuthor();
const messages = new MessageList(byId("messages"), author);
const people = new PeopleList(byId("people-list"), [byId("people-count"), byId("people-total")]);
const client = connectClient({
  Centrifuge: globalThis.Centrifuge,
  elements: { badge: byId("connection"), text: byId("connection-text"), again: byId("connect-again") },
  data: { name: ownName() },
});

let ownClient = "";
let room = "";
let subscription;
let epoch = "";
let unread = 0;
let noticeTimer;
let sentCount = 0;

client.on("connected", (context) => (ownClient = context.client));

// ————— the room —————

function enterRoom() {
  const next = currentRoom();
  if (next === room) return;
  if (subscription !== undefined) {
    subscription.unsubscribe();
    client.removeSubscription(subscription);
    subscription.removeAllListeners();
  }
  room = next;
  epoch = "";
  messages.clear();
  people.clear();
  byId("room").textContent = `#${room}`;
  byId("earlier").hidden = true;
  byId("empty").hidden = true;
  setTitle();
  subscription = client.newSubscription(channelOf(room));
  subscription.on("subscribed", onSubscribed);
  subscription.on("publication", onPublication);
  subscription.on("join", ({ info }) => onJoin(info));
  subscription.on("leave", ({ info }) => onLeave(info));
  subscription.on("error", ({ error }) =>
    showNotice(`The room cannot be joined: ${error?.message ?? "unknown error"}`),
  );
  subscription.on("unsubscribed", ({ code, reason }) => {
    if (code !== 0) showNotice(`The server took you out of the room: ${reason}`);
  });
  subscription.subscribe();
}

function onSubscribed(context) {
  const from = subscription;
  const position = context.streamPosition;
  const isOtherStream = position !== undefined && epoch !== "" && position.epoch !== epoch;
  if (isOtherStream) messages.beginGeneration();
  epoch = position?.epoch ?? "";
  if (context.wasRecovering) onRecovery(context.recovered);
  if (!context.recovered) void loadHistory(from);
  void loadPeople(from);
}

/** The SDK delivers what was missed right after this event, within the same turn. */
function onRecovery(recovered) {
  if (!recovered) {
    messages.addDivider("Some messages may be missing here", false);
    showNotice("You are back. The server no longer had everything that was said meanwhile.");
    return;
  }
  const sizeBefore = messages.size;
  const divider = messages.addDivider("", true);
  queueMicrotask(() => {
    const count = messages.size - sizeBefore;
    if (count === 0) return divider.remove();
    const text = count === 1 ? "1 missed message restored" : `${count} missed messages restored`;
    divider.setText(text);
    showNotice(`You are back: ${text}.`);
  });
}

function onPublication({ data, offset }) {
  const wasAtBottom = isAtBottom();
  if (!messages.add(data, offset)) return;
  byId("empty").hidden = true;
  if (wasAtBottom) {
    if (messages.trim()) byId("earlier").hidden = false;
    scrollToBottom();
  } else {
    byId("newest").hidden = false;
  }
  if (document.hidden) {
    unread += 1;
    setTitle();
  }
}

async function loadHistory(from, since) {
  const log = byId("messages");
  const scroller = byId("scroller");
  const heightBefore = scroller.scrollHeight;
  log.ariaBusy = "true";
  try {
    const page = await from.history({ limit: PAGE_SIZE, reverse: true, ...(since && { since }) });
    if (from !== subscription) return;
    for (const { data, offset } of page.publications) messages.add(data, offset);
    byId("earlier").hidden = page.publications.length < PAGE_SIZE;
    if (since === undefined) scrollToBottom();
    else scroller.scrollTop += scroller.scrollHeight - heightBefore;
  } catch (error) {
    // 108: this channel keeps no history.
    if (error?.code !== 108) showNotice(`Earlier messages could not be loaded: ${error?.message ?? "unknown error"}`);
  } finally {
    log.ariaBusy = "false";
    byId("empty").hidden = messages.size > 0;
  }
}

async function loadPeople(from) {
  try {
    const { clients } = await from.presence();
    if (from === subscription) people.replace(clients, ownClient);
  } catch (error) {
    if (error?.code === 108) byId("people").hidden = byId("people-toggle").hidden = true;
  }
}

function onJoin(info) {
  const name = people.join(info);
  if (name !== undefined && info.client !== ownClient) showEvent(`${name} joined`);
}

function onLeave(info) {
  const name = people.leave(info) ?? nameOf(info);
  if (info.client !== ownClient) showEvent(`${name} left`);
}

// ————— writing —————

function send() {
  const field = byId("text");
  const text = field.value.trim();
  if (text === "") return field.focus();
  const at = Date.now();
  sentCount += 1;
  const message = { id: `${author}-${at}-${sentCount}`, author, name: currentName(), text, at };
  const to = subscription;
  const fate = messages.addPending(message, () => {
    fate.again();
    publish();
  });
  const publish = () => to.publish(message).catch((error) => fate.failed(error?.message ?? "unknown error"));
  field.value = "";
  fitText();
  field.focus();
  byId("empty").hidden = true;
  scrollToBottom();
  return publish();
}

function currentName() {
  return byId("name").value.trim() || ownName();
}

/** The name goes with every message, and to the list of who is here by connecting again. */
function changeName() {
  const name = currentName();
  byId("name").value = name;
  if (name === ownName()) return;
  rememberName(name);
  client.setData({ name });
  client.disconnect();
  client.connect();
}

function fitText() {
  const field = byId("text");
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight + 2}px`;
}

// ————— looks —————

function isAtBottom() {
  const scroller = byId("scroller");
  return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < AT_BOTTOM_PIXELS;
}

function scrollToBottom() {
  const scroller = byId("scroller");
  scroller.scrollTop = scroller.scrollHeight;
  byId("newest").hidden = true;
}

function showEvent(text) {
  const wasAtBottom = isAtBottom();
  messages.addEvent(text);
  if (wasAtBottom) scrollToBottom();
}

function showNotice(text) {
  const notice = byId("notice");
  notice.textContent = text;
  notice.hidden = false;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => (notice.hidden = true), NOTICE_MS);
}

function setTitle() {
  document.title = `${unread > 0 ? `(${unread}) ` : ""}#${room} · Polywire chat`;
}

function editRoom(isEditing) {
  const button = byId("room-change");
  button.ariaExpanded = String(isEditing);
  button.textContent = isEditing ? "Cancel" : "Change room";
  byId("room-form").hidden = !isEditing;
  byId("room").hidden = isEditing;
  if (!isEditing) return;
  byId("room-field").value = room;
  byId("room-field").select();
}

byId("name").value = ownName();
byId("name").addEventListener("change", changeName);
byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  void send();
});
byId("text").addEventListener("input", fitText);
byId("text").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  void send();
});
byId("newest").addEventListener("click", scrollToBottom);
byId("scroller").addEventListener("scroll", () => {
  if (isAtBottom()) byId("newest").hidden = true;
});
byId("earlier").addEventListener("click", () => {
  const offset = messages.oldestOffset;
  if (offset !== undefined) void loadHistory(subscription, { offset, epoch });
});
byId("room-change").addEventListener("click", () => editRoom(byId("room-form").hidden));
byId("room-form").addEventListener("submit", (event) => {
  event.preventDefault();
  location.hash = encodeURIComponent(tidyRoom(byId("room-field").value));
  editRoom(false);
});
byId("people-toggle").addEventListener("click", () => {
  byId("people-toggle").ariaExpanded = String(byId("people").classList.toggle("open"));
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  editRoom(false);
  byId("people").classList.remove("open");
  byId("people-toggle").ariaExpanded = "false";
});
document.addEventListener("visibilitychange", () => {
  unread = 0;
  setTitle();
});
window.addEventListener("hashchange", enterRoom);

enterRoom();
client.connect();
