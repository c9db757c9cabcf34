"""Talks to websocket_server.py: websocket_client.py HOST. Prints the steps that went well."""

import asyncio
import os
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

url = f"ws://{sys.argv[1]}:8765"
# No environment variable may lead round the mesh; long patience for slow machines.
options = {"proxy": None, "open_timeout": 60, "close_timeout": 60, "max_size": 4 << 20}
done = []


async def main():
    async with connect(f"{url}/echo", **options) as socket:
        for text in ["hello", "", "grüße, 世界"]:
            await socket.send(text)
            assert await socket.recv() == text
        done.append("text")

        binary = bytes(range(256))
        await socket.send(binary)
        assert await socket.recv() == binary
        done.append("binary")

        await socket.send(["a ", "message ", "in fragments"])
        assert await socket.recv() == "a message in fragments"
        done.append("fragments")

        big = os.urandom(1 << 20)
        await socket.send(big)
        assert await socket.recv() == big
        done.append("1 MB message")

        for _ in range(10):
            await asyncio.wait_for(await socket.ping(), 60)
        done.append("ping and pong")

        numbers = [str(number) for number in range(2000)]

        async def send():
            for number in numbers:
                await socket.send(number)

        sender = asyncio.create_task(send())
        assert [await socket.recv() for _ in numbers] == numbers
        await sender
        done.append("both ways at once")

    async with connect(f"{url}/echo", subprotocols=["second", "first"], **options) as socket:
        assert socket.subprotocol == "first"
    assert (socket.close_code, socket.close_reason) == (1000, "")
    done.append("subprotocol")

    try:
        async with connect(f"{url}/forbidden", **options):
            raise AssertionError("the handshake was to be refused")
    except InvalidStatus as refusal:
        assert refusal.response.status_code == 401
        assert refusal.response.body == b"not you\n"
    done.append("refused handshake")

    for code in [1000, 1001, 1011, 3000, 4999]:
        async with connect(f"{url}/close/{code}", **options) as socket:
            try:
                await socket.recv()
                raise AssertionError("the server was to close")
            except ConnectionClosed as closed:
                assert (closed.rcvd.code, closed.rcvd.reason) == (code, "as asked")
    done.append("close codes")


asyncio.run(main())
print(", ".join(done))
