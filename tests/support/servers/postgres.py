"""A real PostgreSQL with password authentication, a unix socket and pg_stat_statements."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import asyncpg

from connectors.testing import free_port
from tests.support.servers.process import ServerProcess, binary, private_folder, unprivileged_user

INSTALL = "apt-get install postgresql-15 (Debian 12), or any PostgreSQL of version 12 or later"
PASSWORD = "superuser-Pa55phrase"


def _folders() -> list[str]:
    roots = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return [str(root) for root in roots] + ["/opt/homebrew/bin", "/usr/local/bin"]


class PostgresServer:
    """One cluster. `user` is a superuser; make lesser roles in the test."""

    user = "postgres"
    password = PASSWORD
    host = "127.0.0.1"

    def __init__(self, *, settings: dict[str, str] | None = None) -> None:
        initdb = binary("initdb", folders=_folders(), install=INSTALL)
        server = binary("postgres", folders=_folders(), install=INSTALL)
        owner = unprivileged_user()
        folder = private_folder("pg", owner)
        self.port = free_port()
        self.socket_folder = str(folder)
        data = folder / "data"
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        subprocess.run(
            [initdb, "-D", str(data), "-U", self.user, "--pwfile", str(secret), "--auth=scram-sha-256", "-E", "UTF8",
             "--locale=C", "--no-sync"],
            check=True, capture_output=True, cwd=folder, user=owner,
        )  # fmt: skip
        self._command = [server, "-D", str(data), *_options(self.port, folder, settings or {})]
        self._folder, self._owner = folder, owner
        self._start()

    def _start(self) -> None:
        self._process = ServerProcess(self._command, folder=self._folder, user=self._owner)
        pid_file = self._folder / "data" / "postmaster.pid"
        self._process.wait_until(lambda: _is_ready(pid_file, self._process.pid) and _accepts(self.port))

    @property
    def pid(self) -> int:
        return self._process.pid

    async def connect(self, database: str = "postgres", *, user: str | None = None, password: str | None = None) -> Any:
        """A direct connection for arranging and checking, apart from the connector under test."""
        return await asyncpg.connect(
            host=self.host, port=self.port, database=database, user=user or self.user,
            password=password or (PASSWORD if user is None else None),
        )  # fmt: skip

    def restart(self, *, down_s: float = 0.0, hard: bool = False) -> None:
        """Throw everybody out (`hard`: as after a crash), stay away for a while, and come back on the same port."""
        self._process.stop(signal.SIGQUIT if hard else signal.SIGINT)
        time.sleep(down_s)
        self._start()

    def stop(self) -> None:
        self._process.remove()


def _options(port: int, folder: Path, extra: dict[str, str]) -> list[str]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": str(port),
        "unix_socket_directories": str(folder),
        "fsync": "off",
        "max_connections": "50",
        "shared_preload_libraries": "pg_stat_statements",
        "wal_level": "replica",
        "shared_buffers": "16MB",
    } | extra
    return [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]


def _is_ready(pid_file: Path, pid: int) -> bool:
    """True once this very process says in its lock file that it takes sessions: the port opens well before that."""
    lines = pid_file.read_text().split("\n") if pid_file.exists() else []
    return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _accepts(port: int) -> bool:
    """True once the server answers an SSL request, the cheapest message of the protocol."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5) as link:
            link.sendall(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")
            return re.fullmatch(rb"[NS]", link.recv(1)) is not None
    except OSError:
        return False
