"""MongoDB's wire on a real server: FerretDB 1.x with its SQLite backend and password authentication."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from connectors.testing import free_port
from tests.support.servers.process import OptionalServer, ServerProcess, private_folder

VERSION = "v1.24.0"
INSTALL = "scripts/install-test-engines (needs Go)"
BINARY = Path.home() / f".cache/inquest/servers/ferretdb-{VERSION}/ferretdb"
PASSWORD = "superuser-Pa55phrase"


class FerretdbServer:
    """One server. `user` may do anything: FerretDB 1.x knows accounts, but no lesser rights."""

    user = "admin"
    password = PASSWORD
    host = "127.0.0.1"

    def __init__(self) -> None:
        if not BINARY.exists():
            raise OptionalServer(f"FerretDB is not built. Install it with: {INSTALL}")
        folder = private_folder("ferret", None)
        self.port = free_port()
        (folder / "data").mkdir()
        self._process = ServerProcess(
            [str(BINARY), "--handler=sqlite", f"--sqlite-url=file:{folder}/data/", f"--state-dir={folder}",
             f"--listen-addr={self.host}:{self.port}", "--debug-addr=-", "--telemetry=disable",
             "--test-enable-new-auth", "--setup-database=admin", f"--setup-username={self.user}",
             f"--setup-password={PASSWORD}", "--log-level=ERROR"],
            folder=folder,
        )  # fmt: skip
        self._process.wait_until(self._accepts)

    def client(self) -> MongoClient[dict[str, Any]]:
        """A direct client for arranging and checking; close it."""
        return MongoClient(self.host, self.port, username=self.user, password=PASSWORD, tz_aware=True)

    def stop(self) -> None:
        self._process.remove()

    def _accepts(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), timeout=0.5):
                return True
        except OSError:
            return False
