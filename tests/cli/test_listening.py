"""How the HTTP door listens."""

from __future__ import annotations

import asyncio
import socket

from bot.cli.serve import _listen


async def test_answers_leave_at_once() -> None:
    """asyncio sets TCP_NODELAY on what it accepts only where the listening socket is named as TCP."""
    accepted: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def door(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = writer.get_extra_info("socket")
        accepted.set_result(link.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    listener = _listen("127.0.0.1", 0)
    async with await asyncio.start_server(door, sock=listener):
        _, writer = await asyncio.open_connection(*listener.getsockname())
        async with asyncio.timeout(10):
            assert await accepted
        writer.close()
