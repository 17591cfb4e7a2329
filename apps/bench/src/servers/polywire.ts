/** Ours, as the README's example has it: the hub, the Centrifuge dialect, the WebSocket wire. */
import { Network } from "@polywire/core";
import { centrifuge } from "@polywire/dialect-centrifuge";
import { Hub } from "@polywire/realtime";
import { ws } from "@polywire/ws";
import { serveBench, versionOf } from "./child.ts";

const hub = new Hub({
  channels: [{ match: "bench:*", publish: "clients" }],
  limits: { sessions: 20_000, subscribersPerChannel: 20_000 },
});
const network = new Network({ protocols: [ws()], services: [hub], limits: { maxLinks: 20_000 } });
const listener = await network.listen("ws://127.0.0.1:0/connection/websocket", centrifuge(hub));
const { port } = listener.endpoint;
if (port === undefined) throw new Error(`no port in ${listener.endpoint}`);
serveBench({ port, version: `polywire ${versionOf("../../../../packages/core")}` });
