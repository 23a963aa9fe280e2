"""A loopback server that misbehaves on request: silence, resets, noise, refusals, floods, and echoes of secrets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
from collections.abc import Mapping
from types import TracebackType
from typing import Literal, NamedTuple

FaultKind = Literal["hang", "reset", "noise", "reply", "flood", "cut", "drip"]


class Fault(NamedTuple):
    """What the server does with every connection. `echo` puts the request itself into the body of a reply."""

    kind: FaultKind
    status: int = 200
    body: bytes = b"{}"
    content_type: str = "application/json"
    headers: Mapping[str, str] = {}
    echo: bool = False


HTML = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><form>Please sign in</form></body></html>"


class FaultServer:
    """Async context manager; `host` and `port` are where to point a connector."""

    def __init__(
        self, fault: Fault, *, extra_headers: Mapping[str, str] | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.fault = fault
        self._tls = tls
        self.host = "127.0.0.1"
        self.port = 0
        self.connections = 0
        self.bytes_sent = 0
        self._extra = dict(extra_headers or {})
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> FaultServer:
        self._server = await asyncio.start_server(self._accept, self.host, 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
                await self._misbehave(reader, writer)
        except asyncio.CancelledError:
            pass  # the server is being stopped
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _misbehave(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        match self.fault.kind:
            case "hang":
                await asyncio.Event().wait()
            case "reset":
                await reader.read(1)
                _reset_on_close(writer)
            case "noise":
                writer.write(b"\x00\xff\xfe~~ this is no protocol ~~\x07\r\n\r\n" * 4)
                await writer.drain()
            case "reply":
                await self._reply(await _read_request(reader), writer)
            case "cut":
                await _read_request(reader)
                writer.write(_head(200, {"content-type": "application/json", "content-length": "1000"} | self._extra))
                writer.write(b'{"half": ')
                await writer.drain()
            case "flood" | "drip":
                await self._stream(await _read_request(reader), writer)

    async def _reply(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        fault = self.fault
        body = json.dumps({"error": request.decode("latin-1")}).encode() if fault.echo else fault.body
        headers = {"content-type": fault.content_type, "content-length": str(len(body)), "connection": "close"}
        writer.write(_head(fault.status, headers | self._extra | dict(fault.headers)) + body)
        await writer.drain()

    async def _stream(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(_head(200, {"content-type": "application/json", "connection": "close"} | self._extra))
        writer.write(b'{"status":"success","data":["')
        piece = b"x" * (65_536 if self.fault.kind == "flood" else 1)
        while self.bytes_sent < 256 * 1024 * 1024:
            writer.write(piece)
            await writer.drain()
            self.bytes_sent += len(piece)
            await asyncio.sleep(0 if self.fault.kind == "flood" else 0.05)


def _reset_on_close(writer: asyncio.StreamWriter) -> None:
    raw: socket.socket | None = writer.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":", 1)[1])
    return head + (await reader.readexactly(length) if length else b"")


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Fault", *(f"{key}: {value}" for key, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def free_port() -> int:
    """A loopback port that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
