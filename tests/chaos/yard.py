"""The machinery of a trial: a database, a loopback Slack, and nodes that can be killed, frozen and started again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from bot.store import schema
from connectors.testing import free_port
from tests.chaos.node import Crash, Options
from tests.support.servers import PostgresServer
from tests.support.slack_control import SlackControl

ROOT = Path(__file__).parents[2]
Json = dict[str, Any]


def postgres_url(server: PostgresServer) -> str:
    return f"postgresql://{server.user}:{server.password}@{server.host}:{server.port}/postgres"


@dataclass
class Node:
    """One place for a process; `pid` is who sits there now."""

    name: str
    options: Options
    pid: int = 0
    starts: int = 0
    started_at: float = 0.0

    def lives(self) -> bool:
        return self.send(0)

    def send(self, number: int) -> bool:
        """False when it is dead already, or was never started."""
        if not self.pid:
            return False
        try:
            os.kill(self.pid, number)
        except OSError:
            return False
        return True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.options.port}"


@dataclass
class Yard:
    """Starts everything as child processes and stops each by its own handle."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="inquest-chaos-")))
    nodes: dict[str, Node] = field(default_factory=dict)
    slack: Json = field(default_factory=dict)
    _children: list[subprocess.Popen[str]] = field(default_factory=list)
    _nursery: subprocess.Popen[str] | None = None

    async def __aenter__(self) -> Yard:
        self._nursery = self._child([sys.executable, "-m", "tests.chaos.nursery"], feed=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for node in self.nodes.values():
            node.send(signal.SIGCONT)
            node.send(signal.SIGKILL)
        for child in reversed(self._children):
            child.terminate()
        for child in self._children:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
            for stream in (child.stdin, child.stdout):
                if stream:
                    stream.close()

    def _child(self, command: list[str], *, feed: bool = False) -> subprocess.Popen[str]:
        errors = (self.folder / "children.log").open("a", encoding="utf-8")
        child = subprocess.Popen(
            command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.PIPE if feed else None
        )
        errors.close()
        self._children.append(child)
        return child

    def workspace(self, *arguments: str) -> Json:
        """Start a loopback Slack; how to reach it."""
        child = self._child([sys.executable, "-m", "bot.demo.workspace", "--no-self-events", *arguments])
        assert child.stdout is not None
        self.slack = json.loads(child.stdout.readline())
        return self.slack

    @contextlib.asynccontextmanager
    async def control(self) -> AsyncIterator[SlackControl]:
        async with SlackControl(self.slack["url"]) as control:
            yield control

    def place(self, name: str, options: Options) -> Node:
        """A node that is not started yet. A web node gets a port that it keeps."""
        changes: Json = {"log": str(self.folder / f"{name}.log")}
        if "web" in options.parts and not options.port:
            changes["port"] = free_port()
        if self.slack and not options.slack:
            changes["slack"] = {k: self.slack[k] for k in ("api_url", "bot_token", "app_token", "signing_secret")}
        node = self.nodes[name] = Node(name, options.model_copy(update=changes))
        return node

    async def start(self, *nodes: Node, crash: Crash | None = None, ready: bool = True) -> None:
        """Fork them; with `ready`, return when they work."""
        assert self._nursery is not None
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        for node in nodes:
            self._ready(node).unlink(missing_ok=True)
            options = node.options.model_copy(update={"crash": crash})
            order = {"name": node.name, "ready": str(self._ready(node)), "options": options.model_dump(mode="json")}
            self._nursery.stdin.write(json.dumps(order) + "\n")
            self._nursery.stdin.flush()
            answer = await asyncio.to_thread(self._nursery.stdout.readline)
            node.pid, node.started_at = json.loads(answer)["pid"], time.time()
            node.starts += 1
        if ready:
            await asyncio.gather(*(self.until_ready(node) for node in nodes))

    def _ready(self, node: Node) -> Path:
        return self.folder / f"{node.name}.ready"

    def is_ready(self, node: Node) -> bool:
        return self._ready(node).exists()

    async def until_ready(self, node: Node, *, within_s: float = 60.0) -> None:
        end = time.monotonic() + within_s
        while not self._ready(node).exists():
            if not node.lives() or time.monotonic() > end:
                tail = Path(node.options.log).read_text(errors="replace")[-2_000:] if node.options.log else ""
                raise RuntimeError(f"{node.name} did not come up: {tail}")
            await asyncio.sleep(0.01)

    async def kill(self, node: Node) -> None:
        """kill -9; returns when it is gone."""
        node.send(signal.SIGKILL)
        while node.lives():
            await asyncio.sleep(0.001)

    async def stop(self, node: Node, *, within_s: float = 10.0) -> float:
        """SIGTERM; seconds until it was gone."""
        started = time.monotonic()
        node.send(signal.SIGTERM)
        while node.lives() and time.monotonic() < started + within_s:
            await asyncio.sleep(0.01)
        return time.monotonic() - started


@contextlib.asynccontextmanager
async def yard(*workspace: str) -> AsyncIterator[Yard]:
    """A yard with a loopback Slack in it."""
    async with Yard() as made:
        made.workspace(*workspace)
        yield made


@contextlib.asynccontextmanager
async def database(
    kind: str, folder: Path, *, fsync: bool = False, settings: dict[str, str] | None = None
) -> AsyncIterator[tuple[str, PostgresServer | None]]:
    """The address of an empty database at the current schema, and its server when it has one."""
    if kind == "sqlite":
        url = f"sqlite:///{folder / 'chaos.db'}"
        await asyncio.to_thread(schema.upgrade, url)
        yield url, None
        return
    options = {"fsync": "on" if fsync else "off", "max_connections": "100", **(settings or {})}
    server = await asyncio.to_thread(lambda: PostgresServer(settings=options))
    try:
        await asyncio.to_thread(schema.upgrade, postgres_url(server))
        yield postgres_url(server), server
    finally:
        await asyncio.to_thread(server.stop)
