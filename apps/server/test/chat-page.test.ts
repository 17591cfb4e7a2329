import { cableTo, hasProgram } from "@polywire/conformance/testing";
import { silentLogger } from "@polywire/core";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listenAddress } from "../src/config/address.ts";
import { loadConfig } from "../src/config/load.ts";
import type { LimitsConfig } from "../src/config/schema.ts";
import { type RunningServer, startServer } from "../src/server.ts";

/** A browser on a busy machine takes its time. */
const PATIENCE_MS = 45_000;

const CHROMIUM = "/usr/bin/chromium";
const hasBrowser = hasProgram(CHROMIUM, "--version");

let browser: Browser;
beforeAll(async () => {
  if (!hasBrowser) return;
  const flags = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
  ];
  flags.push("--disable-component-update", "--disable-sync");
  browser = await chromium.launch({ executablePath: CHROMIUM, args: flags });
}, PATIENCE_MS);
afterAll(() => browser?.close());

interface TestServer extends AsyncDisposable {
  readonly port: number;
  readonly server: RunningServer;
}

async function serve(port = 0, limits: Partial<LimitsConfig> = {}): Promise<TestServer> {
  const { config } = loadConfig(undefined, {});
  const server = await startServer(
    {
      ...config,
      listen: [{ ...listenAddress("127.0.0.1", port), pong: true }],
      internal: [],
      limits: { ...config.limits, ...limits },
    },
    { logger: silentLogger },
  );
  return { server, port: server.listen[0]?.port ?? 0, [Symbol.asyncDispose]: () => server.stop() };
}

interface Visitor extends AsyncDisposable {
  readonly page: Page;
  /** What went wrong in the page. */
  readonly problems: string[];
  say(text: string): Promise<void>;
  /** Fulfilled when the page shows the text within the selector. */
  sees(selector: string, text: string | RegExp): Promise<void>;
  texts(selector: string): Promise<string[]>;
}

/** A person with a browser of their own. */
async function visit(port: number, name: string, room = "garden"): Promise<Visitor> {
  const context = await browser.newContext();
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => {
    // The browser itself reports a socket that fails, and that is what these tests do.
    if (message.type() === "error" && !/WebSocket|ERR_/.test(message.text())) problems.push(message.text());
  });
  await page.addInitScript((own) => sessionStorage.setItem("polywire.name", own), name);
  await page.goto(`http://127.0.0.1:${port}/#${room}`);
  await page.locator('#connection[data-state="connected"]').waitFor();
  return {
    page,
    problems,
    async say(text) {
      await page.getByLabel("Message", { exact: true }).fill(text);
      await page.keyboard.press("Enter");
      await page.locator(".message.mine:not(.pending):not(.failed) .bubble", { hasText: text }).waitFor();
    },
    async sees(selector, text) {
      await page.locator(selector, { hasText: text }).first().waitFor();
    },
    texts: (selector) => page.locator(selector).allTextContents(),
    [Symbol.asyncDispose]: () => context.close(),
  };
}

const TIMEOUT = { timeout: 180_000 };

test.skipIf(!hasBrowser)("two pages chat, and each sees who is there", TIMEOUT, async () => {
  await using server = await serve();
  await using ada = await visit(server.port, "Ada");
  await using bob = await visit(server.port, "Bob");
  await ada.sees("#people-list li", "Bob");
  await bob.sees("#people-list li", "Ada");
  await ada.sees(".event", "Bob joined");
  expect(await ada.texts("#people-total")).toEqual(["2"]);

  await ada.say("Hello Bob");
  await bob.sees(".message:not(.mine) .bubble", "Hello Bob");
  await bob.say("Hello Ada");
  await ada.sees(".message:not(.mine) .bubble", "Hello Ada");
  expect(await ada.texts(".message.mine .bubble")).toEqual(["Hello Bob"]);
  expect(await bob.texts(".message.mine .bubble")).toEqual(["Hello Ada"]);
  expect(await bob.texts(".bubble")).toEqual(["Hello Bob", "Hello Ada"]);
  expect(await bob.texts(".message:not(.mine) .author")).toEqual(["Ada"]);

  await bob.page.close();
  await ada.sees(".event", "Bob left");
  await ada.page.locator("#people-total", { hasText: /^1$/ }).waitFor();
  expect(ada.problems).toEqual([]);
});

test.skipIf(!hasBrowser)("what somebody writes is text, whatever it looks like", TIMEOUT, async () => {
  await using server = await serve();
  await using ada = await visit(server.port, "<i>Ada</i>");
  await using bob = await visit(server.port, "Bob");
  const attack = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
  await ada.say(attack);
  await bob.sees(".bubble", attack);
  await bob.sees(".author", "<i>Ada</i>");
  expect(await bob.page.locator("#messages img, #messages script, #messages i").count()).toBe(0);
  expect(await bob.page.title()).toContain("#garden");
  expect(bob.problems).toEqual([]);
});

test.skipIf(!hasBrowser)(
  "a page whose socket is cut shows it, comes back, and gets what it missed",
  TIMEOUT,
  async () => {
    await using server = await serve();
    await using cable = await cableTo(() => server.port);
    await using ada = await visit(cable.port, "Ada");
    await using bob = await visit(server.port, "Bob");
    await ada.sees("#people-list li", "Bob");
    await bob.say("before");
    await ada.sees(".bubble", "before");

    cable.cut();
    await ada.sees('#connection[data-state="connecting"]', /Reconnecting… attempt [2-9]/);
    await bob.sees(".event", "Ada left");
    for (const text of ["missed 1", "missed 2", "missed 3"]) await bob.say(text);
    expect(await ada.texts(".bubble")).toEqual(["before"]);

    cable.mend();
    await ada.page.locator('#connection[data-state="connected"]').waitFor();
    await ada.sees('.divider[data-complete="true"]', "3 missed messages restored");
    await bob.say("after");
    await ada.sees(".bubble", "after");
    expect(await ada.texts(".bubble")).toEqual(["before", "missed 1", "missed 2", "missed 3", "after"]);
    expect(ada.problems).toEqual([]);
  },
);

test.skipIf(!hasBrowser)(
  "a page that missed more than can be restored says so, and shows what the history holds, once",
  TIMEOUT,
  async () => {
    await using server = await serve(0, { recoverySize: 2 });
    await using cable = await cableTo(() => server.port);
    await using ada = await visit(cable.port, "Ada");
    await using bob = await visit(server.port, "Bob");
    await bob.say("before");
    await ada.sees(".bubble", "before");
    cable.cut();
    await ada.page.locator('#connection[data-state="connecting"]').waitFor();
    for (const text of ["missed 1", "missed 2", "missed 3"]) await bob.say(text);
    cable.mend();
    await ada.sees('.divider[data-complete="false"]', "Some messages may be missing here");
    await ada.sees(".bubble", "missed 3");
    expect(await ada.texts(".bubble, .divider")).toEqual([
      "before",
      "Some messages may be missing here",
      "missed 1",
      "missed 2",
      "missed 3",
    ]);
  },
);

test.skipIf(!hasBrowser)("what is written while away is kept, marked, and can be sent again", TIMEOUT, async () => {
  await using server = await serve();
  await using cable = await cableTo(() => server.port);
  await using ada = await visit(cable.port, "Ada");
  await using bob = await visit(server.port, "Bob");
  cable.cut();
  await ada.page.locator('#connection[data-state="connecting"]').waitFor();
  await ada.page.getByLabel("Message", { exact: true }).fill("from the tunnel");
  await ada.page.keyboard.press("Enter");
  await ada.sees(".message.failed .state", "Not sent");
  cable.mend();
  await ada.page.locator('#connection[data-state="connected"]').waitFor();
  await ada.page.getByRole("button", { name: "Send again" }).click();
  await bob.sees(".bubble", "from the tunnel");
  await ada.page.locator(".message.mine:not(.pending):not(.failed)").waitFor();
  expect(await bob.texts(".bubble")).toEqual(["from the tunnel"]);
});

test.skipIf(!hasBrowser)(
  "a reload shows the history once, own messages on their side, under the name given",
  TIMEOUT,
  async () => {
    await using server = await serve();
    await using ada = await visit(server.port, "Ada");
    await using bob = await visit(server.port, "Bob");
    await ada.say("one");
    await bob.say("two");
    await ada.sees(".bubble", "two");
    await ada.page.reload();
    await ada.sees(".bubble", "two");
    expect(await ada.texts(".bubble")).toEqual(["one", "two"]);
    expect(await ada.texts(".message.mine .bubble")).toEqual(["one"]);
    expect(await ada.page.getByLabel("Your name").inputValue()).toBe("Ada");
    expect(await ada.texts(".day")).toEqual(["Today"]);
  },
);

test.skipIf(!hasBrowser)(
  "a new name is shown to the others, and nothing is missed while it changes",
  TIMEOUT,
  async () => {
    await using server = await serve();
    await using ada = await visit(server.port, "Ada");
    await using bob = await visit(server.port, "Bob");
    await bob.sees("#people-list li", "Ada");
    await ada.page.getByLabel("Your name").fill("Countess");
    await ada.page.keyboard.press("Tab");
    await bob.sees("#people-list li", "Countess");
    await ada.sees("#people-list li", /Countess.*you/);
    await bob.say("welcome");
    await ada.sees(".bubble", "welcome");
    await ada.say("thanks");
    await bob.sees(".author", "Countess");
    expect(await ada.texts(".bubble")).toEqual(["welcome", "thanks"]);
  },
);

test.skipIf(!hasBrowser)("rooms are apart, and changing the room is changing the address", TIMEOUT, async () => {
  await using server = await serve();
  await using ada = await visit(server.port, "Ada");
  await using bob = await visit(server.port, "Bob", "k%C3%BCche");
  await bob.say("in the kitchen");
  expect(await ada.texts(".bubble")).toEqual([]);
  await ada.page.getByRole("button", { name: "Change room" }).click();
  await ada.page.getByLabel("Room", { exact: true }).fill("Küche");
  await ada.page.keyboard.press("Enter");
  await ada.sees("#room", "#küche");
  await ada.sees(".bubble", "in the kitchen");
  await ada.sees("#people-list li", "Bob");
});

test.skipIf(!hasBrowser)(
  "after a restart of the server the page says that messages may be missing",
  TIMEOUT,
  async () => {
    const first = await serve();
    await using cable = await cableTo(() => first.port);
    await using ada = await visit(cable.port, "Ada");
    await ada.say("before the restart");
    await first.server.stop();
    await ada.page.locator('#connection[data-state="connecting"]').waitFor();
    await using _second = await serve(first.port);
    await ada.sees('.divider[data-complete="false"]', "Some messages may be missing here");
    await ada.say("after the restart");
    expect(await ada.texts(".bubble")).toEqual(["before the restart", "after the restart"]);
  },
);

test.skipIf(!hasBrowser)(
  "all of it works with the keyboard alone, and on a phone the list of people opens and closes",
  TIMEOUT,
  async () => {
    await using server = await serve();
    await using ada = await visit(server.port, "Ada");
    await ada.page.setViewportSize({ width: 390, height: 844 });
    expect(await ada.page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBe(0);
    expect(await ada.page.locator("#people").isVisible()).toBe(false);
    await ada.page.getByRole("button", { name: /here: show or hide/ }).press("Enter");
    expect(await ada.page.locator("#people").isVisible()).toBe(true);
    await ada.page.keyboard.press("Escape");
    expect(await ada.page.locator("#people").isVisible()).toBe(false);
    await ada.page.getByLabel("Message", { exact: true }).focus();
    await ada.page.keyboard.type("one line");
    await ada.page.keyboard.press("Shift+Enter");
    await ada.page.keyboard.type("and another");
    await ada.page.keyboard.press("Tab");
    await ada.page.keyboard.press("Enter");
    await ada.sees(".message.mine .bubble", "one line");
    expect(await ada.texts(".message.mine .bubble")).toEqual(["one line\nand another"]);
  },
);
