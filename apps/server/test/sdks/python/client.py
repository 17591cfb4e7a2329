"""One client of the official Python SDK. What it is to do comes in lines of JSON, and so goes what it is told."""

import asyncio
import json
import sys

from centrifuge import (
    Client,
    ClientEventHandler,
    DeltaType,
    Filter,
    ReplyError,
    StreamPosition,
    SubscriptionEventHandler,
)

PATIENCE_SECONDS = 30
settings = json.loads(sys.argv[1])
is_protobuf = settings["encoding"] == "protobuf"


def say(**line):
    print(json.dumps(line), flush=True)


def encode(data):
    return json.dumps(data).encode() if is_protobuf else data


def decode(data):
    return json.loads(data) if isinstance(data, bytes) and data else data or None


def supply(tokens, **about):
    """Gives out one token after the other, the last of them again and again."""
    left = list(tokens)

    async def get(*_):
        say(event="token", **about)
        return left.pop(0) if len(left) > 1 else left[0]

    return get if left else None


def recall(positions, channel):
    """Gives one state after the other, the last of them again and again."""
    left = list(positions)

    async def get(*_):
        say(event="state", channel=channel)
        position = left.pop(0) if len(left) > 1 else left[0]
        return StreamPosition(position["offset"], position["epoch"])

    return get if left else None


def person(info):
    return info and {"user": info.user, "info": decode(info.conn_info)}


def publication(pub):
    return {"data": decode(pub.data), "offset": pub.offset, "tags": pub.tags, "from": person(pub.info)}


def failure(error):
    code = getattr(error, "code", None)
    return {"code": code if isinstance(code, int) else 0, "message": str(error)}


def subscribed(context):
    return {
        "recoverable": context.recoverable,
        "positioned": context.positioned,
        "wasRecovering": context.was_recovering,
        "recovered": context.recovered,
        "data": decode(context.data),
    }


class ClientEvents(ClientEventHandler):
    async def on_connecting(self, context):
        say(event="connecting", code=context.code, reason=context.reason)

    async def on_connected(self, context):
        say(event="connected", client=context.client, data=decode(context.data))

    async def on_disconnected(self, context):
        say(event="disconnected", code=context.code, reason=context.reason)

    async def on_error(self, context):
        say(event="error", **failure(context.error))

    async def on_subscribed(self, context):
        say(event="server subscribed", channel=context.channel, **subscribed(context))

    async def on_unsubscribed(self, context):
        say(event="server unsubscribed", channel=context.channel)

    async def on_publication(self, context):
        say(event="server publication", channel=context.channel, **publication(context.pub))

    async def on_join(self, context):
        say(event="server join", channel=context.channel, **person(context.info))

    async def on_leave(self, context):
        say(event="server leave", channel=context.channel, **person(context.info))


class SubscriptionEvents(SubscriptionEventHandler):
    def __init__(self, channel):
        self.channel = channel

    async def on_subscribing(self, context):
        say(event="subscribing", channel=self.channel, code=context.code, reason=context.reason)

    async def on_subscribed(self, context):
        say(event="subscribed", channel=self.channel, **subscribed(context))

    async def on_unsubscribed(self, context):
        say(event="unsubscribed", channel=self.channel, code=context.code, reason=context.reason)

    async def on_publication(self, context):
        if context.pub.delta:
            say(event="patch")
        # The SDK does not say how a publication was addressed.
        if client._subs_by_id:
            say(event="numbered")
        say(event="publication", channel=self.channel, **publication(context.pub))

    async def on_join(self, context):
        say(event="join", channel=self.channel, **person(context.info))

    async def on_leave(self, context):
        say(event="leave", channel=self.channel, **person(context.info))

    async def on_error(self, context):
        say(event="subscription error", channel=self.channel, **failure(context.error))


client = None


async def connect(_):
    await client.connect()


async def disconnect(_):
    await client.disconnect()


async def subscribe(asked):
    tags = asked.get("tags")
    await client.new_subscription(
        asked["channel"],
        events=SubscriptionEvents(asked["channel"]),
        token=asked.get("token", ""),
        get_token=supply(asked.get("tokens", []), channel=asked["channel"]),
        get_state=recall(asked.get("states", []), asked["channel"]),
        min_resubscribe_delay=0.01,
        max_resubscribe_delay=0.1,
        recoverable=asked.get("recoverable", False),
        positioned=asked.get("positioned", False),
        join_leave=asked.get("joinLeave", False),
        delta=DeltaType.FOSSIL if asked.get("delta") else None,
        tags_filter=tags and Filter.all(*(Filter.eq(key, value) for key, value in tags.items())),
    ).subscribe()


async def unsubscribe(asked):
    await client.get_subscription(asked["channel"]).unsubscribe()


async def publish(asked):
    await client.publish(asked["channel"], encode(asked["data"]))


async def history(asked):
    since = asked.get("since")
    page = await client.history(
        asked["channel"],
        limit=asked.get("limit", 0),
        since=since and StreamPosition(since["offset"], since["epoch"]),
        reverse=asked.get("reverse", False),
    )
    return {
        "offset": page.offset,
        "epoch": page.epoch,
        "publications": [publication(pub) for pub in page.publications],
    }


async def presence(asked):
    members = (await client.presence(asked["channel"])).clients
    return {name: person(info) for name, info in members.items()}


async def presence_stats(asked):
    stats = await client.presence_stats(asked["channel"])
    return {"clients": stats.num_clients, "users": stats.num_users}


async def rpc(asked):
    return decode((await client.rpc(asked["method"], encode(asked["data"]))).data)


COMMANDS = {
    "connect": connect,
    "disconnect": disconnect,
    "subscribe": subscribe,
    "unsubscribe": unsubscribe,
    "publish": publish,
    "history": history,
    "presence": presence,
    "presenceStats": presence_stats,
    "rpc": rpc,
}


async def main():
    global client
    client = Client(
        settings["url"],
        events=ClientEvents(),
        token=settings.get("token", ""),
        get_token=supply(settings.get("tokens", [])),
        use_protobuf=is_protobuf,
        timeout=PATIENCE_SECONDS,
        max_server_ping_delay=PATIENCE_SECONDS,
        min_reconnect_delay=0.01,
        max_reconnect_delay=0.1,
        proxy=None,
    )
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        asked = json.loads(line)
        try:
            say(id=asked["id"], result=await COMMANDS[asked["do"]](asked))
        except ReplyError as error:
            say(id=asked["id"], error={"code": error.code, "message": error.message})


asyncio.run(main())
