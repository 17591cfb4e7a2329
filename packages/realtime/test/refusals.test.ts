import type { LogFields, Logger } from "@polywire/core";
import { describe, expect, it } from "vitest";
import { DISCONNECTS, ERRORS, type Hub, type HubOptions } from "../src/index.ts";
import { TestHub } from "./test-hub.ts";

interface Line {
  readonly message: string;
  readonly fields: LogFields;
}

/** A logger that keeps the lines of the audit. */
function auditLog(): { readonly logger: Logger; readonly lines: Line[] } {
  const lines: Line[] = [];
  const log: Logger["log"] = (level, component, message, fields = {}) => {
    if (component === "audit") lines.push({ message: `${level} ${message}`, fields });
  };
  return { logger: { log }, lines };
}

/** `action reason` → number. */
function refusals(hub: Hub): Record<string, number> {
  const family = hub.metrics().find(({ name }) => name === "polywire.hub.refusals");
  const points = family?.points ?? [];
  return Object.fromEntries(
    points.map((point) => [Object.values(point.attributes).join(" "), "value" in point ? point.value : Number.NaN]),
  );
}

describe("who is refused", () => {
  it("is in the log with the reason, and counted by it", async () => {
    const { logger, lines } = auditLog();
    await using test = new TestHub({ logger, channels: [{ match: "a" }, { match: "b", kind: "private" }] });
    const client = await test.client();
    client.publish("a", 1).subscribe("b").subscribe("c").history("a");
    await test.settle();
    const who = { client: client.id, user: "", address: undefined };
    expect(lines).toEqual([
      { message: "info publish refused: permission denied", fields: { code: 103, ...who, channel: "a" } },
      { message: "info subscribe refused: permission denied", fields: { code: 103, ...who, channel: "b" } },
      { message: "info subscribe refused: unknown channel", fields: { code: 102, ...who, channel: "c" } },
    ]);
    expect(refusals(test.hub)).toEqual({
      "publish permission denied": 1,
      "subscribe permission denied": 1,
      "subscribe unknown channel": 1,
    });
  });

  const denials: [string, HubOptions, string][] = [
    ["by an error", { authenticate: () => ({ error: ERRORS.unauthorized }) }, "connect refused: unauthorized"],
    [
      "for its token",
      { authenticate: () => ({ disconnect: DISCONNECTS.invalidToken }) },
      "connect refused: invalid token",
    ],
    [
      "with the program's own words",
      { authenticate: () => ({ error: { code: 1_000, message: "no c4n4ry", isTemporary: false } }) },
      "connect refused: program",
    ],
    [
      "with the program's own end",
      { authenticate: () => ({ disconnect: { code: 4_501, reason: "no c4n4ry" } }) },
      "connect refused: program",
    ],
  ];
  it.each(denials)(
    "at its connect %s is told without its token, and without words of the program's",
    async (_how, options, message) => {
      const { logger, lines } = auditLog();
      await using test = new TestHub({ logger, ...options });
      test.newClient().connect({ token: "c4n4ry" });
      await test.settle();
      expect(lines.map((line) => line.message)).toEqual([`info ${message}`]);
      expect(JSON.stringify([lines, refusals(test.hub)])).not.toContain("c4n4ry");
    },
  );

  it("because there are too many, or for what it does, is told", async () => {
    const { logger, lines } = auditLog();
    await using test = new TestHub({ logger, limits: { sessions: 1 } });
    const client = await test.client();
    test.newClient();
    client.connect();
    expect(lines.map(({ message }) => message)).toEqual([
      "info connect refused: too many requests",
      "info session refused: bad request",
    ]);
  });

  it("is ten lines a second for each reason at most; all are counted", async () => {
    const { logger, lines } = auditLog();
    await using test = new TestHub({ logger });
    const client = await test.client();
    for (let count = 0; count < 500; count++) client.publish("a", 1);
    await test.advance(1_000);
    client.publish("a", 1);
    expect(lines).toHaveLength(11);
    expect(lines.at(-1)?.fields).toMatchObject({ leftOut: 490 });
    expect(refusals(test.hub)).toEqual({ "publish permission denied": 501 });
  });

  it("is nobody whose command fails for another reason, or who is told to come back", async () => {
    const { logger, lines } = auditLog();
    await using test = new TestHub({ logger });
    const client = (await test.subscriber("a")).subscribe("a").history("a");
    expect(client.answerTo("history a").error).toBe(108);
    await test.hub.close();
    expect(client.disconnectCode).toBe(3001);
    expect([lines, refusals(test.hub)]).toEqual([[], {}]);
  });
});
