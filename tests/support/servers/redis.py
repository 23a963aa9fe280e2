"""A real Redis that keeps nothing on disk."""

from __future__ import annotations

import socket

from connectors.testing import free_port
from tests.support.servers.process import ServerProcess, binary, private_folder

INSTALL = "apt-get install redis-server (Debian 12), or any Redis or Valkey"


class RedisServer:
    """One server. Kill, freeze or stop it by `pid`; `start` brings it back, empty, at the same port."""

    host = "127.0.0.1"

    def __init__(self) -> None:
        self._server = binary("redis-server", install=INSTALL)
        self._folder = private_folder("redis", None)
        self.port = free_port()
        self.url = f"redis://{self.host}:{self.port}/0"
        self.start()

    def start(self) -> None:
        """Start it (again)."""
        self._process = ServerProcess(
            [self._server, "--port", str(self.port), "--bind", self.host, "--save", "", "--appendonly", "no",
             "--dir", str(self._folder)],
            folder=self._folder,
        )  # fmt: skip
        self._process.wait_until(self._answers)

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        self._process.remove()

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), timeout=1) as link:
                link.sendall(b"PING\r\n")
                return link.recv(16).startswith(b"+PONG")
        except OSError:
            return False
