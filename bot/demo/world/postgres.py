"""The shop's payment database on a real PostgreSQL of its own, on 127.0.0.1 and a free port."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import importlib.util
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from bot.demo.world.plan import Plan
from bot.demo.world.postgres_schema import ROLES, past, schema
from bot.demo.world.postgres_sessions import Sessions
from bot.demo.world.topology import DATABASE, DATABASE_CONNECTIONS

_START_S = 15.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class PostgresEndpoint:
    """How a reader connects."""

    host: str
    port: int
    database: str
    username: str
    password: str


class Database:
    """Starts and stops the server and plays the sessions of the incident on it."""

    def __init__(
        self, plan: Plan, directory: Path, *, released: Callable[[], None], failing: Callable[[], float]
    ) -> None:
        self.plan = plan
        self.directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._port: int | None = None
        self._sessions = Sessions(plan, released=released, failing=failing)
        dice = random.SystemRandom()
        self._passwords = {role: f"{dice.getrandbits(96):024x}" for role in ROLES}

    async def start(self) -> PostgresEndpoint | None:
        """Start the server and the sessions; None where no PostgreSQL is installed or it does not start."""
        binaries = find_binaries()
        if binaries is None:
            _log.warning("world_without_postgresql", reason="no PostgreSQL binaries found")
            return None
        port = self._port = _free_port()
        try:
            await asyncio.to_thread(self._launch, binaries, port)
            await self._prepare(port)
            await self._sessions.open(port, self._passwords["payment_app"])
        except (OSError, subprocess.SubprocessError, _driver().PostgresError) as error:
            _log.warning("world_without_postgresql", reason=str(error))
            await self.stop()
            return None
        return PostgresEndpoint(
            host="127.0.0.1", port=port, database=DATABASE, username="reader", password=self._passwords["reader"]
        )

    async def stop(self) -> None:
        """End the sessions and the server, and remove its files."""
        await self._sessions.close()
        process, self._process = self._process, None
        atexit.unregister(self._at_exit)
        if process is not None:
            await asyncio.to_thread(_end, process)
        await asyncio.to_thread(shutil.rmtree, self.directory, ignore_errors=True)

    def _at_exit(self) -> None:
        """The interpreter ends and nobody called `stop`: leave no server behind."""
        if self._process is not None and self._process.poll() is None:
            _end(self._process)

    def release(self) -> None:
        """Let the sessions of the incident go, as when its cause is removed."""
        self._sessions.release()

    async def end_session(self, application: str) -> None:
        """End the sessions of one application, as a person with the right to does."""
        assert self._port is not None
        connection = await self._connect(self._port, "postgres")
        try:
            query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1"
            await connection.execute(query, application)
        finally:
            await connection.close()

    def _launch(self, binaries: Path, port: int) -> None:
        user = _system_user()
        if user is None:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        else:
            self.directory = Path(tempfile.mkdtemp(prefix="payment-db-"))
            shutil.chown(self.directory, user)
        data = self.directory / "data"
        secret = self.directory / "superuser"
        secret.write_text(self._passwords["postgres"], encoding="utf-8")
        secret.chmod(0o644)
        common: dict[str, Any] = {"user": user, "cwd": self.directory, "stdin": subprocess.DEVNULL}
        command = [binaries / "initdb", "-D", data, "-U", "postgres", "-E", "UTF8", "--no-sync", "-A", "scram-sha-256"]
        subprocess.run(  # noqa: S603 - our own arguments, no shell
            [*map(str, command), f"--pwfile={secret}", "--locale=C"],
            check=True,
            capture_output=True,
            timeout=_START_S * 2,
            **common,
        )
        secret.unlink()
        settings = _settings(binaries, port, self.directory)
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        atexit.register(self._at_exit)
        log = (self.directory / "server.log").open("wb")
        with log:
            self._process = subprocess.Popen(  # noqa: S603 - our own arguments, no shell
                [str(binaries / "postgres"), "-D", str(data), *options], stdout=log, stderr=log, **common
            )

    async def _prepare(self, port: int) -> None:
        connection = await self._connect(port, "postgres")
        try:
            await connection.execute(f"CREATE DATABASE {DATABASE}")
            for role, grants in ROLES.items():
                if role != "postgres":
                    await connection.execute(f"CREATE ROLE {role} LOGIN {grants} PASSWORD '{self._passwords[role]}'")
        finally:
            await connection.close()
        connection = await self._connect(port, DATABASE)
        try:
            await connection.execute(schema(self.plan))
            await connection.execute(past(self.plan, datetime.now(UTC) + timedelta(seconds=3)))
            with contextlib.suppress(_driver().PostgresError):
                await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        finally:
            await connection.close()

    async def _connect(self, port: int, database: str) -> Any:
        deadline = time.monotonic() + _START_S
        while True:
            try:
                return await _driver().connect(
                    host="127.0.0.1",
                    port=port,
                    user="postgres",
                    password=self._passwords["postgres"],
                    database=database,
                )
            except (OSError, _driver().CannotConnectNowError):
                alive = self._process is not None and self._process.poll() is None
                if not alive or time.monotonic() > deadline:
                    raise TimeoutError("PostgreSQL did not start") from None
                await asyncio.sleep(0.03)


def find_binaries() -> Path | None:
    """The directory with initdb and postgres: the packaged server first, then the system's."""
    candidates: list[Path] = []
    packaged = importlib.util.find_spec("pgserver")
    if packaged is not None and packaged.origin is not None:
        candidates.append(Path(packaged.origin).parent / "pginstall" / "bin")
    candidates.extend(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))
    found = shutil.which("initdb")
    if found:
        candidates.append(Path(found).resolve().parent)
    for path in candidates:
        if (path / "initdb").exists() and (path / "postgres").exists() and _usable(path):
            return path
    return None


def _usable(path: Path) -> bool:
    """Whether the system user we would run it as can reach the binaries."""
    if _system_user() is None:
        return True
    return all(parent.stat().st_mode & 0o001 for parent in (path, *path.parents))


def _system_user() -> str | None:
    """PostgreSQL refuses to run as root, so root starts it as another user."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "pgserver", "nobody") if name in names), "nobody")


def _settings(binaries: Path, port: int, directory: Path) -> dict[str, str]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(directory) if len(str(directory)) < 90 else "",
        "max_connections": str(DATABASE_CONNECTIONS),
        "superuser_reserved_connections": "0",
        "shared_buffers": "16MB",
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "autovacuum": "off",
        "track_activity_query_size": "2048",
        "timezone": "UTC",
    }
    if list(binaries.parent.glob("lib/**/pg_stat_statements.so")):
        settings |= {"shared_preload_libraries": "pg_stat_statements"}
    return settings


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)
        process.wait(5)


def _driver() -> Any:
    import asyncpg

    return asyncpg
