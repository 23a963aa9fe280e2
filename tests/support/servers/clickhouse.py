"""ClickHouse's real engine (PyPI chdb, half a gigabyte, in an environment of its own) behind a small HTTP front."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from pathlib import Path

from connectors.testing import free_port
from tests.support.servers.process import OptionalServer, ServerProcess, private_folder

INSTALL = "scripts/install-test-engines"
PYTHON = Path.home() / ".cache/inquest/servers/chdb-venv/bin/python"
PASSWORD = "superuser-Pa55phrase"
_FRONT = Path(__file__).parents[1] / "clickhouse_front.py"


class ClickhouseServer:
    """One engine. `users` are the lesser accounts: name to password and the grants it shows."""

    user = "admin"
    password = PASSWORD
    host = "127.0.0.1"

    def __init__(self, *, users: dict[str, dict[str, object]] | None = None) -> None:
        if not PYTHON.exists():
            raise OptionalServer(f"chdb is not installed. Install it with: {INSTALL}")
        folder = private_folder("ch", None)
        self.port = free_port()
        admin = {"password": PASSWORD, "grants": ["GRANT SELECT, INSERT, CREATE, DROP ON *.* TO admin"]}
        told = json.dumps({self.user: admin, **(users or {})})
        self._process = ServerProcess(
            [str(PYTHON), str(_FRONT), str(self.port), str(folder / "data"), told], folder=folder
        )
        self._process.wait_until(self._ready)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def run(self, sql: str) -> list[list[str]]:
        """One statement as the superuser, for arranging and checking; rows as text."""
        token = base64.b64encode(f"{self.user}:{PASSWORD}".encode()).decode()
        request = urllib.request.Request(self.url, data=sql.encode(), headers={"authorization": f"Basic {token}"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                return [line.split("\t") for line in answer.read().decode().splitlines()]
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()) from error

    def stop(self) -> None:
        self._process.remove()

    def _ready(self) -> bool:
        try:
            return self.run("SELECT 1") == [["1"]]
        except (urllib.error.URLError, OSError, RuntimeError):
            return False
