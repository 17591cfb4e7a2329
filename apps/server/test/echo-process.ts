/** A process that echoes on every wire at the ports given, or at free ones; it prints which as JSON, then serves until it is killed. */
import { type Link, Network } from "@polywire/core";
import { grpc } from "@polywire/grpc";
import { tcp } from "@polywire/tcp";
import { udp } from "@polywire/udp";
import { ws } from "@polywire/ws";

const [tcpPort = 0, udpPort = 0, wsPort = 0, grpcPort = 0] = process.argv.slice(2).map(Number);
const network = new Network({ protocols: [tcp({ framing: "u32" }), udp({ mode: "reliable" }), ws(), grpc()] });
const echo = (link: Link): void => link.open({ message: (payload) => void link.send(payload), closed() {} });

const listeners = [
  await network.listen(`tcp://127.0.0.1:${tcpPort}`, echo),
  await network.listen(`udp://127.0.0.1:${udpPort}`, echo),
  await network.listen(`ws://127.0.0.1:${wsPort}/`, echo),
  await network.listen(`grpc://127.0.0.1:${grpcPort}/echo.Echo/Talk`, echo),
];
console.log(JSON.stringify(listeners.map(({ endpoint }) => endpoint.port)));
