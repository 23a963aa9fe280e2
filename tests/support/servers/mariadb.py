"""A real MariaDB with a superuser that has a password, the performance schema on and row locks instrumented."""

from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

from asyncmy import connection as untyped

from connectors.testing import free_port
from tests.support.servers.process import ServerProcess, binary, private_folder, unprivileged_user

INSTALL = "apt-get install mariadb-server (Debian 12), or any MariaDB of version 10.4 or later"
driver: Any = untyped
PASSWORD = "superuser-Pa55phrase"
_FOLDERS = ["/usr/sbin", "/usr/libexec", "/usr/local/bin", "/opt/homebrew/bin"]


class MariadbServer:
    """One server. `user` is a superuser; make lesser users in the test."""

    user = "root"
    password = PASSWORD
    host = "127.0.0.1"

    def __init__(self, *, settings: dict[str, str] | None = None, time_zone: str = "UTC") -> None:
        install = binary("mariadb-install-db", folders=["/usr/bin", *_FOLDERS], install=INSTALL)
        server = binary("mariadbd", folders=_FOLDERS, install=INSTALL)
        owner = unprivileged_user()
        folder = private_folder("mdb", owner)
        self.port = free_port()
        self.socket = str(folder / "s.sock")
        subprocess.run(
            [install, "--no-defaults", f"--datadir={folder}/data", "--auth-root-authentication-method=normal",
             "--skip-test-db", f"--tmpdir={folder}"],  # cleared by every server that starts
            check=True, capture_output=True, cwd=folder, user=owner,
        )  # fmt: skip
        (folder / "init.sql").write_text(
            f"alter user root@localhost identified by '{PASSWORD}';\n"
            f"create or replace user root@'127.0.0.1' identified by '{PASSWORD}';\n"
            "grant all privileges on *.* to root@'127.0.0.1' with grant option;\n"
        )
        (folder / "init.sql").chmod(0o644)
        command = [server, "--no-defaults", *_options(self.port, folder, settings or {})]
        self._process = ServerProcess(["/usr/bin/env", f"TZ={time_zone}", *command], folder=folder, user=owner)
        self._process.wait_until(lambda: _greets(self.port))

    @property
    def pid(self) -> int:
        return self._process.pid

    async def connect(
        self, database: str | None = None, *, user: str | None = None, password: str | None = None
    ) -> Any:
        """A direct connection for arranging and checking, apart from the connector under test."""
        connection = driver.Connection(
            host=self.host, port=self.port, database=database, user=user or self.user, autocommit=True,
            charset="utf8mb4", password=password or (PASSWORD if user is None else ""),
        )  # fmt: skip
        await connection.connect()
        return connection

    def stop(self) -> None:
        self._process.stop(signal.SIGTERM)  # the only signal it shuts down on
        self._process.remove()


def _options(port: int, folder: Path, extra: dict[str, str]) -> list[str]:
    settings = {
        "datadir": str(folder / "data"),
        "tmpdir": str(folder),
        "socket": str(folder / "s.sock"),
        "pid-file": str(folder / "pid"),
        "bind-address": "127.0.0.1",
        "port": str(port),
        "init-file": str(folder / "init.sql"),
        "skip-name-resolve": "1",
        "performance-schema": "ON",
        "performance-schema-instrument": "wait/lock/metadata/sql/mdl=ON",
        "performance-schema-consumer-statements-digest": "ON",
        "innodb-buffer-pool-size": "32M",
        "innodb-flush-log-at-trx-commit": "0",
        "max-connections": "50",
    } | extra
    return [f"--{key}={value}" for key, value in settings.items()]


def _greets(port: int) -> bool:
    """True once the server sends its greeting, whose fifth byte is the protocol's version."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5) as link:
            return link.recv(5)[4:5] == b"\x0a"
    except OSError:
        return False


async def run(connection: Any, sql: str) -> list[tuple[Any, ...]]:
    """The rows of one statement."""
    async with connection.cursor() as cursor:
        await cursor.execute(sql)
        return list(await cursor.fetchall())
