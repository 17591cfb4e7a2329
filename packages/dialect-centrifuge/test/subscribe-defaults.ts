import type { SubscribeRequest } from "../src/message.ts";

/** What a subscribe command says that says nothing. */
export const SUBSCRIBE_DEFAULTS: SubscribeRequest = {
  channel: "",
  token: "",
  recover: false,
  epoch: "",
  offset: 0,
  data: undefined,
  positioned: false,
  recoverable: false,
  joinLeave: false,
  delta: "",
  filter: undefined,
  flag: 0,
  type: 0,
};
