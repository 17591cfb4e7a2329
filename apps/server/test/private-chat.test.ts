import { randomBytes } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { type Cable, cableTo, hasProgram } from "@polywire/conformance/testing";
import { Centrifuge } from "centrifuge";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadConfig } from "../src/config/load.ts";
import { freePorts, runPolywire, runScript } from "./command.ts";

// examples/private-chat, which docs/private-chat.md shows, as a reader has it: the command, the backend and the page.
const EXAMPLE = path.join(import.meta.dirname, "../../../examples/private-chat");
const FILES = ["polywire.yaml", "backend.ts", "public/index.html", "public/chat.js"];

/** A browser on a busy machine takes its time. */
const PATIENCE_MS = 45_000;
const TIMEOUT = { timeout: 180_000 };

const CHROMIUM = "/usr/bin/chromium";
const hasBrowser = hasProgram(CHROMIUM, "--version");

let browser: Browser;
beforeAll(async () => {
  if (!hasBrowser) return;
  const flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"];
  browser = await chromium.launch({ executablePath: CHROMIUM, args: flags });
}, PATIENCE_MS);
afterAll(() => browser?.close());

interface Example extends AsyncDisposable {
  /** Where the page and the backend are. */
  readonly origin: string;
  /** Where the clients are. */
  readonly server: string;
  /** What the page's connections go through. */
  readonly cable: Cable;
}

/** The example in a folder of its own, with keys of its own, at ports that are free. */
async function start(): Promise<Example> {
  await using started = new AsyncDisposableStack();
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-private-chat-"));
  started.defer(() => fs.rmSync(folder, { recursive: true }));
  const [clients = 0, internal = 0, backend = 0] = await freePorts(3);
  const cable = started.use(await cableTo(() => clients));
  for (const file of FILES) {
    const text = fs.readFileSync(path.join(EXAMPLE, file), "utf8");
    const moved = text
      .replaceAll("8000", String(file === "public/chat.js" ? cable.port : clients))
      .replaceAll("9000", String(internal))
      .replaceAll("3000", String(backend));
    fs.mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    fs.writeFileSync(path.join(folder, file), moved);
  }
  for (const key of ["token.key", "api.key"]) {
    fs.writeFileSync(path.join(folder, key), `${randomBytes(32).toString("hex")}\n`, { mode: 0o600 });
  }
  fs.symlinkSync(path.join(EXAMPLE, "node_modules"), path.join(folder, "node_modules"));

  const polywire = started.use(runPolywire(["serve", "--config", "polywire.yaml"], { folder }));
  await polywire.printed(new RegExp(`listening[^]*:${internal}`));
  const program = started.use(runScript(["backend.ts"], { folder }));
  await program.printed(/open http/);
  const all = started.move();
  return {
    origin: `http://127.0.0.1:${backend}`,
    server: `ws://127.0.0.1:${clients}/connection/websocket`,
    cable,
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

interface Visitor extends AsyncDisposable {
  readonly page: Page;
  /** What went wrong in the page. */
  readonly problems: string[];
  say(text: string): Promise<void>;
  /** Fulfilled when the selected part of the page has this text, and nothing else. */
  sees(selector: string, text: string): Promise<void>;
  messages(): Promise<string[]>;
}

/** A person with a browser of their own, who logs in. */
async function visit({ origin }: Example, name: string, room = "garden"): Promise<Visitor> {
  const context = await browser.newContext();
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(error.message));
  await page.goto(`${origin}/#${room}`);
  await page.getByLabel("Your name").fill(name);
  await page.getByRole("button", { name: "Log in" }).click();
  return {
    page,
    problems,
    async say(text) {
      await page.getByLabel("Message").fill(text);
      await page.keyboard.press("Enter");
      await page.locator("#messages li", { hasText: text }).waitFor();
    },
    sees: (selector, text) => page.locator(selector).getByText(text, { exact: true }).waitFor(),
    messages: () => page.locator("#messages li").allTextContents(),
    [Symbol.asyncDispose]: () => context.close(),
  };
}

/** What somebody's page would get from the backend. */
async function tokens({ origin }: Example, name: string): Promise<{ connection: string; garden: string | undefined }> {
  const post = (where: string, fields: Record<string, string>, cookie = ""): Promise<Response> =>
    fetch(`${origin}/${where}`, { method: "POST", body: new URLSearchParams(fields), headers: { cookie } });
  const [cookie] = (await post("login", { name })).headers.getSetCookie();
  const read = async (where: string, fields: Record<string, string>): Promise<string | undefined> =>
    ((await (await post(where, fields, cookie)).json()) as { token?: string }).token;
  const connection = (await read("connection-token", {})) ?? "";
  return { connection, garden: await read("subscription-token", { channel: "room:garden" }) };
}

test.skipIf(!hasBrowser)(
  "two members see who is there, what is said, and after a reload what was said",
  TIMEOUT,
  async () => {
    await using example = await start();
    await using ada = await visit(example, "Ada");
    await ada.sees("#people", "Ada");
    await using bob = await visit(example, "bob");
    await bob.sees("#people", "Ada, Bob");
    await ada.sees("#people", "Ada, Bob");

    await ada.say("Hello Bob");
    await bob.sees("#messages", "Ada: Hello Bob");
    await bob.say("<b>Hello</b> Ada");
    await ada.sees("#messages", "Bob: <b>Hello</b> Ada");
    expect(await ada.page.locator("#messages b").count()).toBe(0);

    await bob.page.reload();
    await bob.sees("#messages", "Bob: <b>Hello</b> Ada");
    expect(await bob.messages()).toEqual(["Ada: Hello Bob", "Bob: <b>Hello</b> Ada"]);
    await ada.say("still there?");
    await bob.sees("#messages", "Ada: still there?");
    expect(await bob.messages()).toEqual(["Ada: Hello Bob", "Bob: <b>Hello</b> Ada", "Ada: still there?"]);

    await bob.page.close();
    await ada.sees("#people", "Ada");
    expect([...ada.problems, ...bob.problems]).toEqual([]);
  },
);

test.skipIf(!hasBrowser)(
  "who does not belong to the room is refused, until a member invites them",
  TIMEOUT,
  async () => {
    await using example = await start();
    await using ada = await visit(example, "Ada");
    await using carol = await visit(example, "Carol");
    await carol.sees("#notice", 'You do not belong to the room "garden".');
    expect(await carol.page.locator("#room").isVisible()).toBe(false);
    await ada.say("just us");
    expect(await carol.messages()).toEqual([]);

    await ada.page.getByLabel("Invite").fill("Carol");
    await ada.page.keyboard.press("Enter");
    await ada.sees("#messages", "— ada invited carol");
    await carol.page.reload();
    await carol.sees("#messages", "— ada invited carol");
    await ada.sees("#people", "Ada, Carol");
    expect(await carol.messages()).toEqual(["Ada: just us", "— ada invited carol"]);
    expect([...ada.problems, ...carol.problems]).toEqual([]);
  },
);

test.skipIf(!hasBrowser)(
  "a page whose connection is lost gets what it missed, once and in order",
  TIMEOUT,
  async () => {
    await using example = await start();
    await using ada = await visit(example, "Ada");
    await ada.say("before");
    example.cable.cut();
    await ada.sees("#connection", "Connecting…");

    const { connection, garden = "" } = await tokens(example, "bob");
    const bob = new Centrifuge(example.server, { token: connection });
    const room = bob.newSubscription("room:garden", { token: garden });
    room.subscribe();
    bob.connect();
    await room.publish({ text: "missed" });
    bob.disconnect();

    example.cable.mend();
    await ada.sees("#messages", "Bob: missed");
    await ada.say("after");
    expect(await ada.messages()).toEqual(["Ada: before", "Bob: missed", "Ada: after"]);
  },
);

test("the hooks that the guide shows instead of tokens are a configuration", () => {
  const guide = fs.readFileSync(path.join(import.meta.dirname, "../../../docs/private-chat.md"), "utf8");
  const hooks = /^```yaml\n(hooks:\n[^`]*)```/m.exec(guide)?.[1] ?? "";
  const file = fs.readFileSync(path.join(EXAMPLE, "polywire.yaml"), "utf8").replace(/^ {2}token: .*\n/m, "");
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-private-chat-"));
  fs.writeFileSync(path.join(folder, "polywire.yaml"), `${file.replace(/^api: .*\n/m, "")}${hooks}`);
  const { config } = loadConfig(path.join(folder, "polywire.yaml"), {});
  fs.rmSync(folder, { recursive: true });
  expect(config.hooks).toMatchObject({
    subscribe: { url: "http://127.0.0.1:3000/polywire" },
    clientHeaders: ["cookie"],
  });
});

test("the server itself refuses a room to who has no token for it, or another's", async () => {
  await using example = await start();
  const ada = await tokens(example, "ada");
  const carol = await tokens(example, "carol");
  expect(carol.garden).toBeUndefined();

  const client = new Centrifuge(example.server, { token: carol.connection });
  const room = client.newSubscription("room:garden");
  const came = new Promise<number | "let in">((resolve) => {
    room.once("unsubscribed", ({ code }) => resolve(code));
    room.once("subscribed", () => resolve("let in"));
  });
  room.subscribe();
  client.connect();
  expect(await came).toBe(103);
  client.removeSubscription(room);

  const thief = client.newSubscription("room:garden", { token: ada.garden ?? "" });
  const ended = new Promise<number | "let in">((resolve) => {
    client.once("disconnected", ({ code }) => resolve(code));
    thief.once("subscribed", () => resolve("let in"));
  });
  thief.subscribe();
  expect(await ended).toBe(3500);
});
