import { between, connectsByItself, type PlantedDefect, resultsChanged, tolerant } from "./planting.ts";

/** What can be wrong with answers, and with what a server puts up with. */
export const answerDefects: readonly PlantedDefect[] = [
  {
    does: "gives the latest only to those who come back",
    breaks: "where the latest is all that counts, who subscribes is given it, and who has it is not",
    options: (options) => ({
      ...options,
      channels: options.channels?.map((rule) => (rule.recovery === "cache" ? { ...rule, recovery: true } : rule)) ?? [],
    }),
  },
  {
    does: "leaves the latest out of the answer to a subscribe",
    breaks: "of what is published while a client subscribes to the latest, it is told the last, once",
    options: (options) => ({
      ...options,
      channels: options.channels?.map((rule) => (rule.recovery === "cache" ? { ...rule, recovery: true } : rule)) ?? [],
    }),
  },
  {
    does: "ignores filters",
    breaks: "who filters by tags is told what it asked for, live and recovered, and what is left out is no gap",
    host: between(({ session }) => ({
      session: { subscribe: ({ filter: _, ...request }, answer) => session.subscribe(request, answer) },
    })),
  },
  {
    does: "subscribes without the filter whom it should refuse with 107",
    breaks: "a filter that is malformed, too deep, or not allowed in the channel is answered 107",
    host: between(({ session }) => ({
      session: { subscribe: ({ filter: _, ...request }, answer) => session.subscribe(request, answer) },
    })),
  },
  {
    does: "takes commands before connect",
    breaks: "a command before connect ends the session with 3501, and is not answered",
    handler: connectsByItself,
  },
  {
    does: "overlooks commands before connect",
    breaks: "a command before connect ends the session with 3501, and is not answered",
    host: tolerant,
  },
  {
    does: "ends nobody who breaks the protocol",
    breaks: "whatever breaks the protocol ends the session with 3501, and is not answered",
    host: tolerant,
  },
  {
    does: "ends nobody whose frames cannot be read",
    breaks: "a malformed frame ends the session with 3501, before and after connect, and harms nobody else",
    host: tolerant,
  },
  {
    does: "tolerates a missing pong",
    breaks: "a client that leaves a ping unanswered is ended with 3012 when its time is up, not before",
    host: between(({ session, outlet }) => {
      let pings = 0;
      return {
        outlet: {
          ping() {
            pings++;
            outlet.ping();
            session.pong();
          },
        },
        session: {
          pong() {
            if (pings === 0) session.pong();
            else pings--;
          },
        },
      };
    }),
  },
  {
    does: "tolerates a stray pong",
    breaks: "a pong that no ping asked for ends the session with 3501",
    host: between(({ session, outlet }) => {
      let pings = 0;
      return {
        outlet: {
          ping() {
            pings++;
            outlet.ping();
          },
        },
        session: {
          pong() {
            if (pings > 0) session.pong();
            pings = 0;
          },
        },
      };
    }),
  },
  {
    does: "never gives up on a client that does not connect",
    breaks: "a client that does not connect within 10 s is ended with 3502, not before",
    options: (options) => ({ ...options, limits: { ...options.limits, connectTimeoutMs: 3_600_000 } }),
  },
  {
    does: "ignores the epoch when it recovers",
    breaks: "a position of another stream is never called recovered: not after a restart",
    host: between(({ session }) => ({
      session: {
        subscribe(request, answer) {
          session.subscribe({ ...request, since: { ...request.since, epoch: "" } }, answer);
        },
      },
    })),
  },
  {
    does: "ignores the epoch of a stream that began anew",
    breaks: "a stream that nobody used for its meta time begins anew, with another epoch",
    host: between(({ session }) => ({
      session: {
        history({ since, ...command }, answer) {
          session.history(since === undefined ? command : { ...command, since: { ...since, epoch: "" } }, answer);
        },
      },
    })),
  },
  {
    does: "says recovered where it is not",
    breaks: "who comes back is given exactly what was missed, or told that it is not to be had",
    host: resultsChanged((result) => ({ ...result, isRecovered: result.wasRecovering })),
  },
  {
    does: "recovers all but the last",
    breaks: "who comes back is given exactly what was missed, or told that it is not to be had",
    host: resultsChanged((result) => ({ ...result, publications: result.publications.slice(0, -1) })),
  },
  {
    does: "subscribes whom it should refuse with 112",
    breaks: "who comes back is given exactly what was missed, or told that it is not to be had",
    host: between(({ session }) => ({
      session: {
        subscribe: (request, answer) => session.subscribe({ ...request, rejectUnrecovered: false }, answer),
      },
    })),
  },
  {
    does: "lets a client subscribe twice",
    breaks: "a channel that is subscribed or about to be is answered 105 and changes nothing",
    host: between(({ session }) => ({
      session: {
        subscribe(request, answer) {
          session.subscribe(request, (error, result) => {
            if (error?.code !== 105) return answer(error, result);
            answer(undefined, {
              isRecoverable: false,
              isPositioned: false,
              isRecovered: false,
              wasRecovering: false,
              publications: [],
            });
          });
        },
      },
    })),
  },
  {
    does: "never says that an error is temporary",
    breaks: "every error says what the protocol's table says, and whether trying again may help",
    host: between(({ session }) => ({
      session: {
        call(method, data, answer) {
          session.call(method, data, (error, result) => answer(error && { ...error, isTemporary: false }, result));
        },
      },
    })),
  },
  {
    does: "says that every error is temporary",
    breaks: "every error says what the protocol's table says, and whether trying again may help",
    host: between(({ session }) => ({
      session: {
        call(method, data, answer) {
          session.call(method, data, (error, result) => answer(error && { ...error, isTemporary: true }, result));
        },
      },
    })),
  },
  {
    does: "keeps a failing broker's errors to itself as permanent",
    breaks: "what a failing broker keeps from being done is answered 100, and an overfull one 111, both temporary",
    host: between(({ session }) => ({
      session: {
        publish(channel, data, format, answer) {
          session.publish(channel, data, format, (error) =>
            answer(error && { ...error, isTemporary: false }, undefined),
          );
        },
      },
    })),
  },
  {
    does: "answers an unsubscribe before the subscribe that it meets",
    breaks: "an unsubscribe never fails, and one that meets a subscribe under way waits for it",
    host: between(({ session }) => ({
      session: {
        unsubscribe(channel, answer) {
          session.unsubscribe(channel, () => {});
          answer(undefined, undefined);
        },
      },
    })),
  },
  {
    does: "takes names of any length",
    breaks: "a channel's name has 255 bytes at most, and one of 256 is answered 107",
    options: (options) => ({ ...options, limits: { ...options.limits, channelNameBytes: 10_000 } }),
  },
  {
    does: "takes any number of channels",
    breaks: "a client is in 128 channels at most: the 129th is answered 106, and welcome once another is left",
    options: (options) => ({ ...options, limits: { ...options.limits, channelsPerSession: 10_000 } }),
  },
  {
    does: "gives as much history as is asked for",
    breaks: "a page holds no more than the server gives, whatever the limit asked for",
    options: (options) => ({ ...options, limits: { ...options.limits, historyPageSize: 1_000_000_000 } }),
  },
  {
    does: "reads history in one direction only",
    breaks: "paging through history visits each publication once, forward and backward",
    host: between(({ session }) => ({
      session: { history: (command, answer) => session.history({ ...command, isReverse: false }, answer) },
    })),
  },
  {
    does: "takes commands as fast as they come",
    breaks: "commands over a client's rate are answered 111, later ones are taken again, and a flood ends with 3013",
    options: (options) => ({ ...options, limits: { ...options.limits, commandsPerSecond: undefined } }),
  },
  {
    does: "answers a flood for ever",
    breaks: "commands over a client's rate are answered 111, later ones are taken again, and a flood ends with 3013",
    host: between(({ outlet }) => ({
      outlet: {
        disconnect: (disconnect, discard) => {
          if (disconnect.code !== 3013) outlet.disconnect(disconnect, discard);
        },
      },
    })),
  },
  {
    does: "takes publishes as fast as they come",
    breaks:
      "publishes over a client's rate are answered 111 and told to nobody, and other commands are taken all the same",
    options: (options) => ({ ...options, limits: { ...options.limits, publishesPerSecond: undefined } }),
  },
  {
    does: "counts no bad commands",
    breaks: "ten bad commands within ten seconds end the session with 3509, nine do not",
    host: tolerant,
  },
];
