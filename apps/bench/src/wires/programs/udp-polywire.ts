import { udp } from "@polywire/udp";
import { linkEcho } from "../polywire-echo.ts";
import type { EchoProgram } from "../program.ts";

/** More than any machine sends: the rate of one source is limited, and a benchmark is one source. */
const UNLIMITED = { maxDatagramsPerSecond: 10_000_000 };

export const program: EchoProgram = linkEcho(udp(), (port) => `udp://127.0.0.1:${port}`, {}, UNLIMITED);
