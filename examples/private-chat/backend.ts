// The backend. It alone knows who somebody is and which rooms they belong to; Polywire believes the tokens it signs.

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { issueToken } from "@polywire/auth-jwt";

const TOKEN_TTL_MS = 10 * 60_000; // Clients come for another token by themselves.
const MAX_SESSIONS = 10_000;
const MAX_MEMBERS = 1_000;
const MAX_BODY_CHARACTERS = 4_096;

const signingKey = { hmacSecret: readFileSync("token.key", "utf8").trim() };
const apiKey = readFileSync("api.key", "utf8").trim();

/** Who belongs where; yours is in a database. */
const members = new Map([
  ["room:garden", new Set(["ada", "bob"])],
  ["room:kitchen", new Set(["ada", "carol"])],
]);

/** Who is logged in, by the id in their cookie. */
const users = new Map<string, string>();

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly cookie?: string;
  readonly body: string | Buffer;
}

function json(value: object, status = 200): Answer {
  return { status, type: "application/json", body: JSON.stringify(value) };
}

function file(type: string, path: string): Answer {
  return { status: 200, type, body: readFileSync(path) };
}

/** The page and the SDK. In production a bundler and a web server do this. */
const files = new Map([
  ["/", file("text/html; charset=utf-8", "public/index.html")],
  ["/chat.js", file("text/javascript", "public/chat.js")],
  ["/centrifuge.js", file("text/javascript", "node_modules/centrifuge/dist/centrifuge.js")],
]);

function logIn(name: string): Answer {
  // Here anybody may say that they are Ada: this is where your passwords or your single sign-on go.
  const user = name.trim().toLowerCase();
  if (!/^[a-z]{1,32}$/.test(user)) return json({ error: "a name is 1 to 32 letters from a to z" }, 400);
  const [oldest] = users.keys();
  if (users.size >= MAX_SESSIONS && oldest !== undefined) users.delete(oldest);
  const session = randomUUID();
  users.set(session, user);
  return { ...json({ user }), cookie: `session=${session}; HttpOnly; SameSite=Strict; Path=/` };
}

/** Lets somebody connect. What is in `info` others see in presence and beside messages. */
async function connectionToken(user: string): Promise<Answer> {
  const info = { name: user[0]?.toUpperCase() + user.slice(1) };
  return json({ token: await issueToken({ user, info, ttlMs: TOKEN_TTL_MS }, signingKey) });
}

/** Lets somebody into one room. */
async function subscriptionToken(user: string, channel: string): Promise<Answer> {
  if (!members.get(channel)?.has(user)) return json({ error: "you do not belong to this room" }, 403);
  return json({ token: await issueToken({ user, channel, ttlMs: TOKEN_TTL_MS }, signingKey) });
}

/** Lets a guest in from now on, and tells the room. */
async function invite(user: string, channel: string, guest: string): Promise<Answer> {
  const room = members.get(channel);
  if (!room?.has(user)) return json({ error: "you do not belong to this room" }, 403);
  if (!/^[a-z]{1,32}$/.test(guest)) return json({ error: "a name is 1 to 32 letters from a to z" }, 400);
  if (room.size >= MAX_MEMBERS) return json({ error: "the room is full" }, 409);
  room.add(guest);
  await callApi("publish", { channel, data: { text: `${user} invited ${guest}` } });
  return json({});
}

/** Calls the server API: `publish`, `presence`, `unsubscribe`, `disconnect` and others. */
async function callApi(method: string, request: object): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:9000/api/${method}`, {
    method: "POST",
    headers: { "X-API-Key": apiKey, "Content-Type": "application/json" },
    body: JSON.stringify(request),
    signal: AbortSignal.timeout(5_000),
  });
  if (!response.ok) throw new Error(`${method} was answered with status ${response.status}`);
  const { result, error } = (await response.json()) as { result?: unknown; error?: { message: string } };
  if (error !== undefined) throw new Error(`${method} was refused: ${error.message}`);
  return result;
}

async function answer(request: IncomingMessage): Promise<Answer> {
  const asked = request.method === "GET" ? files.get(request.url ?? "") : undefined;
  if (asked !== undefined) return asked;
  if (request.method !== "POST") return json({ error: "not found" }, 404);

  const fields = await fieldsOf(request);
  if (fields === undefined) return json({ error: "too long" }, 413);
  const field = (name: string): string => fields.get(name) ?? "";
  if (request.url === "/login") return logIn(field("name"));

  const session = /(?:^|; )session=([\w-]+)/.exec(request.headers.cookie ?? "")?.[1] ?? "";
  const user = users.get(session);
  if (user === undefined) return json({ error: "log in first" }, 401);
  if (request.url === "/connection-token") return connectionToken(user);
  if (request.url === "/subscription-token") return subscriptionToken(user, field("channel"));
  if (request.url === "/invite") return invite(user, field("channel"), field("name").trim().toLowerCase());
  return json({ error: "not found" }, 404);
}

/** The fields of a form; undefined when there is too much of it. */
async function fieldsOf(request: IncomingMessage): Promise<URLSearchParams | undefined> {
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) {
    if (body.length <= MAX_BODY_CHARACTERS) body += chunk;
  }
  return body.length <= MAX_BODY_CHARACTERS ? new URLSearchParams(body) : undefined;
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { status, type, cookie, body } = await answer(request).catch((error: unknown): Answer => {
    console.error(error);
    return json({ error: "something went wrong here: try again" }, 500);
  });
  response.writeHead(status, { "Content-Type": type, ...(cookie === undefined ? {} : { "Set-Cookie": cookie }) });
  response.end(body);
}

const server = createServer((request, response) => void serve(request, response));
server.listen(3000, "127.0.0.1", () => console.log("open http://127.0.0.1:3000/"));
