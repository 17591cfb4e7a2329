import type { Endpoint } from "../contract/endpoint.ts";
import { PolywireError } from "../contract/error.ts";

/** Where a server listens: as Node's servers take it. */
export type ListenPlace = { readonly host: string; readonly port: number } | { readonly path: string };

/** A server as Node has them, whatever it speaks. */
export interface ListenableServer {
  listen(place: ListenPlace, listening: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  once(event: "error", listener: (error: Error) => void): unknown;
  off(event: "error", listener: (error: Error) => void): unknown;
}

/**
 * Binds the server. From then on its errors are ignored: running out of descriptors must not end the process.
 *
 * @param endpoint what the error names.
 * @throws PolywireError `address-in-use`, `permission-denied` and whatever else the system says.
 */
export function listenAt(server: ListenableServer, place: ListenPlace, endpoint: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (thrown: Error): void => reject(PolywireError.from(thrown, "internal", `listen on "${endpoint}"`));
    server.once("error", fail);
    server.listen(place, () => {
      server.off("error", fail);
      server.on("error", ignore);
      resolve();
    });
  });
}

function ignore(): void {}
