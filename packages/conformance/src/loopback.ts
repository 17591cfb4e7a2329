import { networkInterfaces } from "node:os";

/** Whether this machine has `::1`. Machines without IPv6 exist, mostly containers. */
export const hasIpv6: boolean = Object.values(networkInterfaces())
  .flat()
  .some((each) => each?.address === "::1");
