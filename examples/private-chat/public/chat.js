// The page: joins the room of the address, such as /#garden, over the official SDK.

const { Centrifuge } = globalThis; // from /centrifuge.js; with a bundler: import { Centrifuge } from "centrifuge"
const HISTORY_SIZE = 50;
const UNAUTHORIZED = 1; // the SDK's code for a token that was not to be had

const byId = (id) => document.getElementById(id);
const room = location.hash.slice(1) || "garden";

/** Asks the backend. The browser sends the cookie along. */
async function ask(path, fields = {}) {
  const response = await fetch(path, { method: "POST", body: new URLSearchParams(fields) });
  const answer = await response.json();
  // With this error the SDK gives up; after any other it tries again, later and later.
  if (response.status === 401 || response.status === 403) throw new Centrifuge.UnauthorizedError(answer.error);
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

// ————— the connection: one for all rooms —————

const client = new Centrifuge("ws://127.0.0.1:8000/connection/websocket", {
  getToken: async () => (await ask("/connection-token")).token,
});
client.on("connecting", () => showConnection("Connecting…"));
client.on("connected", () => showConnection("Connected"));
client.on("disconnected", ({ code, reason }) => {
  byId("room").hidden = true;
  byId("login").hidden = code !== UNAUTHORIZED;
  showConnection(code === UNAUTHORIZED ? "" : `Disconnected: ${reason}`);
});

function showConnection(text) {
  byId("connection").textContent = text;
}

// ————— the room —————

const subscription = client.newSubscription(`room:${room}`, {
  getToken: async ({ channel }) => (await ask("/subscription-token", { channel })).token,
  joinLeave: true,
});

/** Fulfilled once the history is on the page, so that what comes live is shown after it. */
let opened = Promise.resolve();
let hasHistory = false;
let lastOffset = 0;

subscription.on("subscribed", ({ recovered }) => {
  byId("room").hidden = false;
  // After a lost connection `recovered` says that all that was missed comes as publications now.
  if (!recovered || !hasHistory) opened = showHistory();
  void showPeople();
});
subscription.on("unsubscribed", ({ code, reason }) => {
  byId("room").hidden = true;
  tell(code === UNAUTHORIZED ? `You do not belong to the room "${room}".` : `You are out of the room: ${reason}`);
});
subscription.on("publication", async (publication) => {
  await opened;
  show(publication);
});

async function showHistory() {
  hasHistory = false;
  try {
    const { publications } = await subscription.history({ limit: HISTORY_SIZE, reverse: true });
    byId("messages").replaceChildren();
    lastOffset = 0;
    for (const publication of publications.reverse()) show(publication);
    hasHistory = true;
  } catch (error) {
    tell(`No history: ${error.message}`); // After a lost connection it is asked for again.
  }
}

/** Shows each publication once, whether it came live, with the history or both. */
function show({ data, info, offset }) {
  if (offset <= lastOffset) return;
  lastOffset = offset;
  const line = document.createElement("li");
  // The server says who published, so nobody can be somebody else. Only what comes from the backend has no `info`.
  line.textContent = info === undefined ? `— ${data?.text}` : `${nameOf(info)}: ${data?.text}`;
  byId("messages").append(line);
}

// ————— who is there —————

let people = new Map(); // by client: somebody with two tabs is there twice

async function showPeople() {
  try {
    const { clients } = await subscription.presence();
    people = new Map(Object.entries(clients));
    listPeople();
  } catch (error) {
    tell(`Nobody knows who is here: ${error.message}`); // The next "subscribed" asks again.
  }
}
subscription.on("join", ({ info }) => {
  people.set(info.client, info);
  listPeople();
});
subscription.on("leave", ({ info }) => {
  people.delete(info.client);
  listPeople();
});

function listPeople() {
  byId("people").textContent = [...new Set([...people.values()].map(nameOf))]
    .toSorted((a, b) => a.localeCompare(b))
    .join(", ");
}

function nameOf({ user, connInfo }) {
  return connInfo?.name ?? user;
}

// ————— what people do —————

function tell(text) {
  byId("notice").textContent = text;
}

/** Does something with the field of a form; what was typed stays there if that fails. */
function onSubmit(id, act) {
  byId(id).addEventListener("submit", (event) => {
    event.preventDefault();
    void submit(event.target, act);
  });
}

async function submit(form, act) {
  tell("");
  try {
    const [field] = form.elements;
    await act(field.value);
    form.reset();
  } catch (error) {
    tell(error.message);
  }
}

onSubmit("login", async (name) => {
  await ask("/login", { name });
  location.reload();
});
onSubmit("say", (text) => subscription.publish({ text }));
onSubmit("invite", (name) => ask("/invite", { channel: subscription.channel, name }));
addEventListener("hashchange", () => location.reload());

document.querySelector("h1").textContent = room;
subscription.subscribe();
client.connect();
