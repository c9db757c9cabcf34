"""Talks to a NATS server through nats-py: nats_client.py HOST. Prints the steps that went well."""

import asyncio
import sys

import nats
from nats.errors import NoRespondersError

done = []


async def settle(connection):
    """Returns when the server has taken all that the connection has sent. nats-py writes PING past its own buffer, so only the
    second round trip is sure to come after what was in it."""
    await connection.flush(timeout=60)
    await connection.flush(timeout=60)


async def main(host):
    url = f"nats://{host}:4222"
    once = {"allow_reconnect": False, "max_reconnect_attempts": 0, "connect_timeout": 30}
    one, two = await nats.connect(url, **once), await nats.connect(url, **once)

    news = await one.subscribe("news.*")
    await settle(one)
    for number in range(1000):
        await two.publish(f"news.{number % 3}", str(number).encode())
    heard = [int((await news.next_msg(timeout=60)).data) for _ in range(1000)]
    assert heard == list(range(1000)), "messages came out of order"
    done.append("publish and subscribe")

    shares, all_done = [0, 0, 0], asyncio.Event()

    def member(index):
        async def work(_message):
            shares[index] += 1
            if sum(shares) == 300:
                all_done.set()

        return work

    for index in range(3):
        await one.subscribe("work", queue="workers", cb=member(index))
    await settle(one)
    for number in range(300):
        await two.publish("work", str(number).encode())
    await asyncio.wait_for(all_done.wait(), 60)
    # A round trip on the subscriber's own connection: anything delivered twice would have come.
    await settle(one)
    assert sum(shares) == 300 and all(shares), f"each message goes to one member, and each member gets some: {shares}"
    done.append("queue group")

    async def echo(message):
        await message.respond(message.data[::-1])

    await one.subscribe("echo", cb=echo)
    await settle(one)
    assert (await two.request("echo", b"abc", timeout=60)).data == b"cba"
    done.append("request and reply")

    try:
        await two.request("nobody", b"", timeout=60)
        raise AssertionError("somebody answered")
    except NoRespondersError:
        done.append("no responders")

    big = bytes(range(256)) * 4000
    assert (await two.request("echo", big, timeout=60)).data == big[::-1]
    done.append("1 MB message")

    await settle(two)
    await one.drain()
    await two.drain()
    done.append("flush and drain")


asyncio.run(main(sys.argv[1]))
print(", ".join(done))
