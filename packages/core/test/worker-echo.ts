import { parentPort } from "node:worker_threads";
import { Network } from "@polywire/core";
import { memory } from "@polywire/core/memory";

// One network in its own thread: says what came back.
const network = new Network({ protocols: [memory()] });
await network.listen("memory://echo", (link) => {
  link.open({ message: (payload) => void link.send(payload), closed() {} });
});
const connection = await network.connect("memory://echo");
connection.on("data", (payload) => {
  parentPort?.postMessage(payload);
  void network.close();
});
connection.send(new Uint8Array([1, 2, 3]));
