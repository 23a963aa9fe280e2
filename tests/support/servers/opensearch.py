"""A real OpenSearch node, embedded from the jars of Maven Central. It has no security plugin and no accounts."""

from __future__ import annotations

import json
import shutil
import signal
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from connectors.testing import free_port
from tests.support.servers.process import OptionalServer, ServerProcess, private_folder

VERSION = "2.17.1"
INSTALL = "scripts/install-test-engines (needs Maven and a JDK of 17 or later)"
JARS = Path.home() / f".cache/inquest/servers/opensearch-{VERSION}"
SOURCE = Path(__file__).with_name("OpenSearchNode.java")
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class OpensearchServer:
    """One node of one cluster."""

    host = "127.0.0.1"

    def __init__(self) -> None:
        java = shutil.which("java")
        if java is None or not any(JARS.glob("opensearch-*.jar")):
            raise OptionalServer(f"OpenSearch is not there. Install it with: {INSTALL}")
        folder = private_folder("opensearch", None)
        for name in ("config", "modules", "plugins"):
            (folder / name).mkdir()
        self.port = free_port()
        self.url = f"http://{self.host}:{self.port}"
        self._process = ServerProcess(
            [java, "-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-cp", f"{JARS}/*", str(SOURCE),
             str(folder), str(self.port), str(free_port())],
            folder=folder,
        )  # fmt: skip
        self._process.wait_until(self._ready, timeout_s=90.0)

    def load(self, documents: Mapping[str, Sequence[Mapping[str, Any]]], mappings: Mapping[str, Any]) -> None:
        """Make the indices (dotted field names to types) and put the documents in, at once to be found."""
        for index, found in documents.items():
            properties = {field: {"type": kind} for field, kind in mappings.get(index, {}).items()}
            body = {"settings": {"number_of_replicas": 0}, "mappings": {"properties": properties}}
            self.send("PUT", f"/{index}", json.dumps(body))
            lines = [text for doc in found for text in ('{"index":{}}', json.dumps(doc))]
            answer = self.send("POST", f"/{index}/_bulk?refresh=true", "\n".join(lines) + "\n")
            assert not answer["errors"], str(answer)[:500]

    def send(self, method: str, path: str, body: str | None = None) -> Any:
        """A request of the tests' own, to arrange and to look."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=body.encode() if body else None,
            headers={"content-type": "application/json"},
        )
        with _DIRECT.open(request, timeout=30) as answer:
            return json.loads(answer.read())

    def stop(self) -> None:
        self._process.stop(signal.SIGTERM)
        self._process.remove()

    def _ready(self) -> bool:
        try:
            return bool(self.send("GET", "/_cluster/health")["status"] in {"green", "yellow"})
        except (urllib.error.URLError, OSError, ValueError):
            return False
