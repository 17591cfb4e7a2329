import { webSocketOver } from "@polywire/client";
import { Network } from "@polywire/core";
import { centrifuge } from "@polywire/dialect-centrifuge";
import { grpc } from "@polywire/grpc";
import { http } from "@polywire/http";
import { Hub } from "@polywire/realtime";
import { tcp } from "@polywire/tcp";
import { udp } from "@polywire/udp";
import { ws } from "@polywire/ws";
import { Centrifuge } from "centrifuge";
import { Centrifuge as ProtobufCentrifuge } from "centrifuge/build/protobuf";

// The server: one hub, a listener for each wire.
const history = { size: 100, ttlMs: 60_000 };
const hub = new Hub({ channels: [{ match: "chat:*", publish: "subscribers", history, recovery: true }] });
const network = new Network({ protocols: [ws(), http(), tcp(), udp(), grpc()], services: [hub] });
const text = centrifuge(hub);
const bare = centrifuge(hub, { format: "protobuf", delimited: false });

const onHttp = await network.listen("http://127.0.0.1:0/", { admit: text.admit, exchange: text.exchange });
const { port } = onHttp.endpoint;
await network.listen(`ws://127.0.0.1:${port}/websocket` as const, text, { server: onHttp.server });
const onTcp = await network.listen("tcp://127.0.0.1:0", text, { framing: "lines" });
const onUdp = await network.listen("udp://127.0.0.1:0", text, { mode: "reliable" });
const onGrpc = await network.listen("grpc://127.0.0.1:0/polywire.centrifuge.v1.Centrifuge/Connect", {
  admit: bare.admit,
  link: bare.link,
});

// A client on each wire: the official SDK on four, an event stream on the fifth.
const options = { websocket: webSocketOver(network) };
const clients = {
  ws: new Centrifuge(`ws://127.0.0.1:${port}/websocket`, options),
  tcp: new Centrifuge(String(onTcp.endpoint), options),
  udp: new Centrifuge(String(onUdp.endpoint), options),
  grpc: new ProtobufCentrifuge(String(onGrpc.endpoint), options),
};
const rooms = Object.entries(clients).map(([wire, client]) => {
  const room = client.newSubscription("chat:everybody");
  const heard: string[] = [];
  // Over gRPC the SDK speaks Protobuf, and data are bytes.
  room.on("publication", ({ data }) => heard.push(data instanceof Uint8Array ? fromBytes(data) : data));
  room.subscribe();
  client.connect();
  return { wire, room, heard };
});
await Promise.all(rooms.map(({ room }) => room.ready()));

const exchanger = await network.open(`http://127.0.0.1:${port}` as const);
const events = await exchanger.request({ method: "GET", path: "/uni_sse?channel=chat:everybody" });
const stream = events.body[Symbol.asyncIterator]();
let streamed = "";
async function readUntil(isEnough: () => boolean): Promise<void> {
  while (!isEnough()) streamed += Buffer.from((await stream.next()).value ?? "").toString();
}
await readUntil(() => streamed.includes('"connect"'));

for (const { wire, room } of rooms) {
  const said = `hello over ${wire}`;
  await room.publish(wire === "grpc" ? new TextEncoder().encode(JSON.stringify(said)) : said);
}

while (rooms.some(({ heard }) => heard.length < rooms.length)) await new Promise(setImmediate);
await readUntil(() => (streamed.match(/"pub"/g) ?? []).length === rooms.length);
for (const { wire, heard } of rooms) console.log(`${wire} heard ${heard.join(", ")}`);
console.log(`an event stream heard ${(streamed.match(/hello over \w+/g) ?? []).join(", ")}`);

for (const client of Object.values(clients)) client.disconnect();
await stream.return?.();
await network.close();

function fromBytes(data: Uint8Array): string {
  return JSON.parse(new TextDecoder().decode(data));
}
