"""Servers that say an old version and nothing more: as much of each wire as a driver needs to learn it."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def talking(talk: Talk) -> Any:
    """A loopback server of one conversation per connection; yields its port."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def postgres(version: str) -> Talk:
    """Lets everybody in, names its version, and answers nothing else.

    https://www.postgresql.org/docs/current/protocol-flow.html
    """

    def message(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("!i", len(body) + 4) + body

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length, code) = struct.unpack("!ii", await reader.readexactly(8))
        while code == 80_877_103:  # TLS is asked for
            writer.write(b"N")
            (length, code) = struct.unpack("!ii", await reader.readexactly(8))
        await reader.readexactly(length - 8)
        told = {"server_version": version, "client_encoding": "UTF8", "server_encoding": "UTF8", "TimeZone": "UTC"}
        writer.write(message(b"R", struct.pack("!i", 0)))
        for name, value in told.items():
            writer.write(message(b"S", f"{name}\0{value}\0".encode()))
        writer.write(message(b"K", struct.pack("!ii", 1, 1)) + message(b"Z", b"I"))
        await writer.drain()
        while await reader.readexactly(1) != b"X":  # the driver says farewell and waits for the end
            await reader.readexactly(struct.unpack("!i", await reader.readexactly(4))[0] - 4)

    return talk


def mysql(version: str) -> Talk:
    """Greets with its version, lets everybody in, and says OK to every statement.

    https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html
    """

    def packet(number: int, body: bytes) -> bytes:
        return struct.pack("<i", len(body))[:3] + bytes([number]) + body

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        capabilities = 0x8000 | 0x0200 | 0x0008 | 0x0001  # secure connection, 4.1, with a database, long password
        greeting = b"\x0a" + version.encode() + b"\0" + struct.pack("<i", 7) + b"a" * 8 + b"\0"
        greeting += struct.pack("<HBHHB", capabilities, 33, 2, 0x0008, 21) + b"\0" * 10 + b"a" * 12 + b"\0"
        writer.write(packet(0, greeting + b"mysql_native_password\0"))
        while True:
            head = await reader.readexactly(4)
            await reader.readexactly(int.from_bytes(head[:3], "little"))
            writer.write(packet(head[3] + 1, b"\0\0\0\x02\0\0\0"))
            await writer.drain()

    return talk
