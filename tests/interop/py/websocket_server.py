"""A WebSocket server: /echo sends back, /close/CODE closes with CODE, /forbidden refuses, /health answers plain HTTP."""

import asyncio
import http

from websockets.asyncio.server import serve


def plain(connection, request):
    if request.path == "/health":
        return connection.respond(http.HTTPStatus.OK, "healthy\n")
    if request.path == "/forbidden":
        return connection.respond(http.HTTPStatus.UNAUTHORIZED, "not you\n")
    return None


def choose(_connection, offered):
    return "first" if "first" in offered else None


async def handle(connection):
    path = connection.request.path
    if path.startswith("/close/"):
        await connection.close(int(path.removeprefix("/close/")), "as asked")
    async for message in connection:
        await connection.send(message)


async def main():
    options = {"process_request": plain, "subprotocols": ["first"], "select_subprotocol": choose, "max_size": 4 << 20}
    async with serve(handle, "0.0.0.0", 8765, **options) as server:
        await server.serve_forever()


asyncio.run(main())
