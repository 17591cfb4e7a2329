import { execFileSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { Script } from "node:vm";
import { hasProgram, makeCertificate } from "@polywire/conformance/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { parse } from "yaml";
import { loadConfig } from "../src/config/load.ts";
import { freePorts, runPolywire } from "./command.ts";

const deploy = path.join(import.meta.dirname, "../deploy");
const read = (name: string): string => fs.readFileSync(path.join(deploy, name), "utf8");

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "polywire-deploy-"));
afterAll(() => fs.rmSync(directory, { recursive: true }));

/** What a server tells Prometheus: names of metrics with their series, and of labels. */
const told = { names: new Set<string>(), labels: new Set<string>() };

/** Prometheus's own. */
const OWN_NAMES = ["up"];
const OWN_LABELS = ["instance", "job"];

beforeAll(async () => {
  const [secure = 0, udp = 0, internal = 0] = await freePorts(3);
  const { cert, key } = makeCertificate({ name: "polywire", hosts: ["127.0.0.1"] });
  const tls = { certFile: path.join(directory, "cert.pem"), keyFile: path.join(directory, "key.pem") };
  fs.writeFileSync(tls.certFile, cert);
  fs.writeFileSync(tls.keyFile, key, { mode: 0o600 });
  const file = path.join(directory, "polywire.json");
  const listen = [{ url: `https://127.0.0.1:${secure}`, tls }, `udp://127.0.0.1:${udp}`];
  fs.writeFileSync(file, JSON.stringify({ listen, internal: [`http://127.0.0.1:${internal}`] }));
  await using command = runPolywire(["serve", "--config", file]);
  await command.printed(new RegExp(`listening[^]*:${internal}`));
  // Whoever is refused and whoever is not, so that their labels are told.
  const page = new WebSocket(`wss://127.0.0.1:${secure}/connection/websocket`, {
    ca: cert,
    origin: "https://evil.example",
  });
  await once(page, "error");
  const client = new WebSocket(`wss://127.0.0.1:${secure}/connection/websocket`, { ca: cert });
  client.on("open", () => client.send('{"id":1,"connect":{}}\n{"id":2,"publish":{"channel":"a","data":1}}'));
  await once(client, "message");
  client.terminate();
  const stranger = net.connect(secure, "127.0.0.1");
  stranger.write("this is no TLS\r\n\r\n");
  await once(stranger.resume(), "close");
  const text = await (await fetch(`http://127.0.0.1:${internal}/metrics`)).text();
  for (const [, name = "", kind] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    const series = kind === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
    for (const ending of series) told.names.add(`${name}${ending}`);
  }
  for (const [, labels = ""] of text.matchAll(/^[a-z]\S*\{(.*)\} /gm)) {
    for (const [, label = ""] of labels.matchAll(/([a-z_]+)="/g)) told.labels.add(label);
  }
}, 60_000);

/** What an expression of Prometheus's asks for that no server tells. */
function unknownIn(expression: string): string[] {
  const labels: string[] = [];
  const withoutLabels = expression
    .replace(/\{([^}]*)\}/g, (_whole, inner: string) => {
      for (const [, label = ""] of inner.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)/g)) labels.push(label);
      return "";
    })
    .replace(/\bby \(([^)]*)\)/g, (_whole, inner: string) => {
      labels.push(...inner.split(/,\s*/));
      return "";
    });
  const names = [...withoutLabels.matchAll(/(?<![\w$])[a-z][a-z0-9_]*(?![\w(])/g)].map(([name]) => name);
  const withoutFunctions = names.filter((name) => !/^(sum|min|max|rate|increase|time|m|h|s)$/.test(name));
  return [
    ...withoutFunctions.filter((name) => !told.names.has(name) && !OWN_NAMES.includes(name)),
    ...labels.filter((label) => !told.labels.has(label) && !OWN_LABELS.includes(label)).map((label) => `{${label}}`),
  ];
}

/** Brackets that do not match would be told by Prometheus alone, and late. */
function isBalanced(expression: string): boolean {
  const closing: Record<string, string> = { "(": ")", "{": "}", "[": "]" };
  const open: string[] = [];
  for (const sign of expression.replace(/"[^"]*"/g, "")) {
    if (sign in closing) open.push(closing[sign] as string);
    else if (")}]".includes(sign) && open.pop() !== sign) return false;
  }
  return open.length === 0;
}

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

test("the check of expressions knows what no server tells", () => {
  expect(
    unknownIn('sum by (instance) (rate(polywire_hub_session_cut_total{polywire_cut_cause="slow"}[5m])) > 1'),
  ).toEqual([]);
  expect(unknownIn("polywire_no_such_thing > 0.8 * polywire_server_ready")).toEqual(["polywire_no_such_thing"]);
  expect(unknownIn('sum by (no_label) (polywire_server_ready{nor_this="1"})')).toEqual(["{nor_this}", "{no_label}"]);
  expect(isBalanced('sum(rate(a{b="("}[5m]))')).toBe(true);
  expect(isBalanced("sum(rate(a[5m])")).toBe(false);
});

describe("the Grafana dashboard", () => {
  const dashboard = JSON.parse(read("grafana-dashboard.json")) as { title: string; panels: Panel[] };
  const charts = dashboard.panels.filter(({ type }) => type !== "row");

  test("asks for metrics and labels that the server tells, and for nothing else", () => {
    const unknown = charts.flatMap(({ title, targets = [] }) =>
      targets.flatMap(({ expr, legendFormat }) => {
        const legend = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = ""]) => label);
        const unnamed = legend.filter((label) => !new RegExp(`by \\([^)]*\\b${label}\\b`).test(expr));
        return [...unknownIn(expr), ...unnamed, ...(isBalanced(expr) ? [] : ["brackets"])].map(
          (name) => `${title}: ${name}`,
        );
      }),
    );
    expect(unknown).toEqual([]);
    expect(charts.every(({ targets = [] }) => targets.length > 0)).toBe(true);
  });

  test("shows everything that the hub, the broker and the server count", () => {
    const asked = charts.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)).join(" ");
    const ours = [...told.names].filter((name) =>
      /^polywire_(hub|broker|server|config|log|admission|listener_turned)_/.test(name),
    );
    expect(ours.length).toBeGreaterThan(40);
    expect(ours.filter((name) => !new RegExp(`\\b${name}\\b`).test(asked))).toEqual([]);
  });

  test("has panels with an id of their own each that do not overlap", () => {
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    for (const { gridPos: one, id } of dashboard.panels) {
      expect(one.x + one.w).toBeLessThanOrEqual(24);
      const over = dashboard.panels.filter(
        ({ gridPos: other, id: otherId }) =>
          id !== otherId &&
          one.x < other.x + other.w &&
          other.x < one.x + one.w &&
          one.y < other.y + other.h &&
          other.y < one.y + one.h,
      );
      expect(over.map(({ title }) => title)).toEqual([]);
    }
  });
});

test("alerts ask for what the server tells, and say what to do", () => {
  const { groups } = parse(read("prometheus-alerts.yaml")) as {
    groups: { rules: { alert: string; expr: string; labels: object; annotations: Record<string, string> }[] }[];
  };
  const rules = groups.flatMap((group) => group.rules);
  expect(rules.length).toBeGreaterThan(8);
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
  for (const { alert, expr, labels, annotations } of rules) {
    expect({ alert, unknown: unknownIn(expr), isBalanced: isBalanced(expr) }).toEqual({
      alert,
      unknown: [],
      isBalanced: true,
    });
    expect(labels).toEqual({ severity: expect.stringMatching(/^(warning|critical)$/) });
    expect(annotations).toEqual({ summary: expect.any(String), description: expect.any(String) });
  }
  const prometheus = parse(read("prometheus.yaml")) as { rule_files: string[]; scrape_configs: { job_name: string }[] };
  expect(prometheus.rule_files).toEqual(["prometheus-alerts.yaml"]);
  expect(prometheus.scrape_configs.map(({ job_name }) => job_name)).toEqual(["polywire"]);
});

/** `name` → values, of one section of a unit. */
function section(unit: string, name: string): Map<string, string[]> {
  const text = unit.split(`[${name}]\n`)[1]?.split(/^\[/m)[0] ?? "";
  const found = new Map<string, string[]>();
  for (const [, key = "", value = ""] of text.matchAll(/^([A-Za-z]+)=(.*)$/gm))
    found.set(key, [...(found.get(key) ?? []), value]);
  return found;
}

/** Sockets and files besides the clients. */
const SPARE_FILES = 384;

describe("the systemd unit", () => {
  const unit = read("polywire.service");
  const { shutdown, limits } = loadConfig(undefined, {}).config;

  test("gives the server the time that its stop takes, and the files that its clients take", () => {
    const service = section(unit, "Service");
    expect(Number.parseInt(service.get("TimeoutStopSec")?.[0] ?? "", 10) * 1_000).toBeGreaterThan(shutdown.timeoutMs);
    expect(Number(service.get("LimitNOFILE"))).toBeGreaterThan(limits.clients + SPARE_FILES);
    expect(service.get("ExecReload")).toEqual(["/bin/kill -HUP $MAINPID"]);
    expect(service.get("RestartPreventExitStatus")).toEqual(["2"]);
    expect(service.get("ExecStart")).toEqual(["/usr/bin/env polywire serve --config /etc/polywire/polywire.yaml"]);
  });

  test.skipIf(!hasProgram("systemd-analyze", "--version"))("is one that systemd takes", () => {
    const file = path.join(directory, "polywire.service");
    fs.copyFileSync(path.join(deploy, "polywire.service"), file);
    expect(execFileSync("systemd-analyze", ["verify", file], { encoding: "utf8" })).toBe("");
  });
});

describe("the container", () => {
  const config = loadConfig(path.join(deploy, "polywire.yaml"), {});
  const compose = parse(read("compose.yaml")) as {
    services: Record<
      string,
      {
        ports?: string[];
        volumes?: string[];
        stop_grace_period?: string;
        network_mode?: string;
        ulimits?: { nofile: { soft: number } };
      }
    >;
    configs: Record<string, { content: string }>;
  };

  test("has a configuration without doubts, whose internal address is nobody else's", () => {
    expect(config.doubts).toEqual([]);
    expect(config.config.internal.map(({ host }) => host)).toEqual(["127.0.0.1"]);
  });

  test("opens the ports of its public addresses and no others, in the image and in compose", () => {
    const ports = config.config.listen
      .map(({ scheme, port }) => (scheme === "udp" ? `${port}/udp` : String(port)))
      .toSorted();
    const [, exposed = ""] = /^EXPOSE (.*)$/m.exec(read("Dockerfile")) ?? [];
    expect(exposed.split(" ").toSorted()).toEqual(ports);
    expect(compose.services.polywire?.ports?.map((port) => port.split(":")[1]).toSorted()).toEqual(ports);
  });

  test("is given the time that a stop takes, and the files that its clients take", () => {
    const { polywire } = compose.services;
    expect(Number.parseInt(polywire?.stop_grace_period ?? "", 10) * 1_000).toBeGreaterThan(
      config.config.shutdown.timeoutMs,
    );
    expect(polywire?.ulimits?.nofile.soft).toBeGreaterThan(config.config.limits.clients + SPARE_FILES);
  });

  test("mounts files that there are", () => {
    const mounted = Object.values(compose.services).flatMap(({ volumes = [] }) =>
      volumes.map((volume) => volume.split(":")[0] ?? ""),
    );
    expect(mounted.length).toBeGreaterThan(3);
    for (const file of mounted) expect(fs.existsSync(path.join(deploy, file))).toBe(true);
    for (const { content } of Object.values(compose.configs)) expect(parse(content)).toMatchObject({ apiVersion: 1 });
  });

  test("runs the server itself as its first process, without rights, and asks for its health", () => {
    const lines = read("Dockerfile")
      .replace(/\\\n\s*/g, "")
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"));
    const instructions = new Map(lines.map((line) => [line.split(" ")[0] ?? "", line.slice(line.indexOf(" ") + 1)]));
    expect(JSON.parse(instructions.get("ENTRYPOINT") ?? "")).toEqual(["polywire"]);
    expect(JSON.parse(instructions.get("CMD") ?? "")).toEqual(["serve"]);
    expect(instructions.get("USER")).toBe("node");
    const [, health = ""] = /CMD (\[.*\])$/.exec(instructions.get("HEALTHCHECK") ?? "") ?? [];
    const [, , script = ""] = JSON.parse(health) as string[];
    expect(() => new Script(script)).not.toThrow();
    expect(script).toContain(`${config.config.internal[0]?.url}/health`);
  });
});
