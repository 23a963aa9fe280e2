"""What an answer that is far too big costs in memory: a 200 MB body, a packed bomb, 1 M rows, 10 M series.

usage: python -m tests.benchmarks.transport_memory [--only NAME] [--bytes N] [--out F]
Every case runs in a process of its own, so that its peak is its own: the growth of the resident set from just before
the call to its highest point, in MB (Linux only: VmHWM of /proc/self/status). Servers run beside it in the parent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from connectors.errors import ConnectorError
from connectors.model import Limits

MODULES = {
    "prometheus": "test_prometheus_contract",
    "loki": "test_loki_contract",
    "elasticsearch": "test_elasticsearch_contract",
    "opensearch": "test_opensearch_contract",
    "clickhouse": "test_clickhouse_contract",
    "bigquery": "test_bigquery",
    "datadog": "test_datadog_contract",
    "newrelic": "test_newrelic_contract",
    "jira": "test_jira_contract",
    "kubernetes": "test_kubernetes_contract",
    "http_tools": "test_http_tools_contract",
    "mcp": "test_mcp_contract",
}
_LINE = b'{"metric":{"__name__":"up","instance":"i"},"values":[[1,"1"]]},'
SHAPES = {
    "text": (b'{"status":"success","data":["', b"a" * 65_536, b'"]}'),
    "series": (b'{"status":"success","data":{"resultType":"matrix","result":[', _LINE * 1_000, _LINE[:-1] + b"]}}"),
    "empties": (b'{"status":"success","data":[', b"{}," * 20_000, b"{}]}"),
}
BELOW_CAP = 3_800_000
HEADERS = {"elasticsearch": "X-Elastic-Product: Elasticsearch\r\n"}


class BigServer:
    """Answers every request with a JSON body of a shape, streamed, and packed when `packed`."""

    def __init__(self, kind: str, *, shape: str, size: int, packed: bool) -> None:
        self.head, self.unit, self.tail = SHAPES[shape]
        self.size, self.packed, self.kind = size, packed, kind
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._ready = threading.Event()

    def __enter__(self) -> BigServer:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._answer, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()

    def _pieces(self) -> Iterator[bytes]:
        yield self.head
        for _ in range(self.size // len(self.unit)):
            yield self.unit
        yield self.tail

    def _body(self) -> Iterator[bytes]:
        if not self.packed:
            yield from self._pieces()
            return
        pack = zlib.compressobj(wbits=31)
        yield from (pack.compress(piece) for piece in self._pieces())
        yield pack.flush()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        encoding = "Content-Encoding: gzip\r\n" if self.packed else ""
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{encoding}{HEADERS.get(self.kind, '')}"
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"{head}Connection: close\r\n\r\n".encode())
            for piece in self._body():
                writer.write(piece)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def high_water_bytes(*, reset: bool = False) -> int:
    """Resident bytes now (after resetting the mark), or the highest since."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    field = "VmRSS:" if reset else "VmHWM:"
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) * 1024


async def measured(connector: Any, call: Any, limits: Limits) -> dict[str, object]:
    """Outcome and growth of one call."""
    await connector.open()
    before = high_water_bytes(reset=True)
    try:
        result = await connector.call(call, limits)
        said = f"truncated: {result.truncated}"
    except ConnectorError as error:
        said = f"{type(error).__name__}: {str(error)[:90]}"
    grown = high_water_bytes() - before
    await connector.close()
    return {"grown_mb": round(grown / 1e6, 1), "said": said}


def contract(kind: str) -> Any:
    """The contract class of a connector, for its factories."""
    module = import_module(f"tests.connectors.{MODULES[kind]}")
    found = next(value for name, value in vars(module).items() if name.startswith("Test") and name.endswith("Contract"))
    return found()


def child(kind: str, port: int) -> None:
    """One call of one connector against the big server; prints JSON."""
    suite = contract(kind)
    calls = [call for call in suite.calls() if call.tool not in {"check_releases", "read_outcome"}]
    print(json.dumps(asyncio.run(measured(suite.make_at("127.0.0.1", port), calls[0], Limits(deadline_s=120)))))


def in_child(*words: str) -> dict[str, object]:
    """Run this module again for one case."""
    command = [sys.executable, "-m", "tests.benchmarks.transport_memory", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        return {"grown_mb": None, "said": done.stderr[-200:]}
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def bodies(kinds: list[str], size: int) -> dict[str, dict[str, object]]:
    """Every connector over HTTP against a body of `size`, plain and packed, and of what fits just below the cap."""
    found: dict[str, dict[str, object]] = {}
    for kind in kinds:
        big = [("text", size, False), ("text", size, True), ("series", size, False)]
        for shape, sent, packed in (*big, ("series", BELOW_CAP, False), ("empties", BELOW_CAP, False)):
            with BigServer(kind, shape=shape, size=sent, packed=packed) as server:
                name = f"{kind}, {sent / 1e6:g} MB of {shape}{', packed' if packed else ''}"
                found[name] = in_child("--child", kind, "--port", str(server.port))
                print(name, found[name], flush=True)
    return found


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    parser.add_argument("--bytes", type=int, default=200_000_000)
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--child", default="")
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.child:
        return child(arguments.child, arguments.port)
    found = bodies([kind for kind in MODULES if arguments.only in {"", kind}], arguments.bytes)
    over = [name for name, one in found.items() if not isinstance(one["grown_mb"], float) or one["grown_mb"] > 64]
    print(json.dumps({"cases": len(found), "over_64_mb": over}))
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=1))
    return None


if __name__ == "__main__":
    main()
