"""The files connector keeps the contract, stays inside its folder, and folds logs and metrics."""

from __future__ import annotations

import asyncio
import functools
import hashlib
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from connectors.errors import Misconfigured, NotFound, Rejected
from connectors.files import CONNECTOR
from connectors.files.connector import FilesConnector
from connectors.files.engine import select, views
from connectors.model import Limits, Logs, Objects, Rows, SeriesSet, SystemClock, TimeWindow, ToolCall
from connectors.testing import ConnectorContract
from tests.connectors import files_data

NAME = "files/postmortem"
WINDOW = TimeWindow(start=files_data.START, end=files_data.START + timedelta(hours=1))
LIMITS = Limits(deadline_s=10)
SLOW = (
    "select count(*) as n from orders a, orders b, orders c where a.id + b.id + c.id > 5 and a.note = b.note || c.note"
)


def make(root: Path, **more: Any) -> FilesConnector:
    config = CONNECTOR.Config(root=str(root), **more)
    return CONNECTOR(name=NAME, config=config, environment="production", clock=SystemClock())


def call(tool: str, **arguments: Any) -> ToolCall:
    return ToolCall(connector=NAME, tool=tool, arguments=arguments, window=WINDOW)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    files_data.write(folder)
    return folder


_LOCAL = "files have no server: there is no address, no credential and no connection"


class TestFilesContract(ConnectorContract):
    secrets: ClassVar[Sequence[str]] = (files_data.SECRET,)
    speaks_http = False
    not_applicable: ClassVar[dict[str, str]] = dict.fromkeys(
        ("construction_does_no_io", "hang_times_out", "unreachable", "reset", "noise", "wrong_credentials",
         "check_never_raises", "secrets_never_show", "unknown_host_unreachable", "tls_that_does_not_fit"),
        _LOCAL,
    )  # fmt: skip

    @pytest.fixture(autouse=True)
    def _folder(self, root: Path) -> None:
        self.root = root

    def make(self) -> FilesConnector:
        return make(self.root)

    def make_at(self, host: str, port: int) -> FilesConnector:
        raise AssertionError(_LOCAL)

    def make_unauthorized(self) -> FilesConnector:
        raise AssertionError(_LOCAL)

    def calls(self) -> Sequence[ToolCall]:
        return (
            call("run_query", sql="select id, note from orders order by id limit 3"),
            call("list_files"),
            call("search_schema", words="note"),
            call("get_log_groups"),
            call("search_logs", text="refused"),
            call("get_metrics", words="cpu"),
        )

    def sized_call(self) -> tuple[ToolCall, int]:
        return call("run_query", sql="select id, note from orders where id <= 100"), 100

    def empty_call(self) -> ToolCall:
        return call("run_query", sql="select id from orders where id < 0")

    def slow_call(self) -> ToolCall:
        return call("run_query", sql=SLOW)

    def echo_call(self, text: str) -> ToolCall:
        quoted = text.replace("'", "''")
        return call("run_query", sql=f"select '{quoted}' as echoed")

    async def fingerprint(self) -> str:
        files = sorted(self.root.parent.rglob("*"))
        return repr([(str(p), hashlib.sha256(p.read_bytes()).hexdigest()) for p in files if p.is_file()])


async def rows(connector: FilesConnector, sql: str) -> Any:
    payload = (await connector.call(call("run_query", sql=sql), LIMITS)).payload
    assert isinstance(payload, Rows)
    return payload.rows


async def test_links_that_lead_out_are_not_read(root: Path) -> None:
    connector = make(root)
    payload = (await connector.call(call("list_files"), LIMITS)).payload
    assert isinstance(payload, Objects)
    names = {item.name for item in payload.items}
    assert names == {"orders.csv", "events.jsonl", "metrics/nodes.csv", "broken.parquet", "logs/payment-service.log"}
    assert next(i for i in payload.items if i.name == "broken.parquet").fields["problem"]
    with pytest.raises(NotFound):
        await rows(connector, "select * from linked")
    found = await connector.call(call("search_logs", text=files_data.SECRET), LIMITS)
    assert found.is_empty
    await connector.close()


@pytest.mark.parametrize("pattern", ["../*.csv", "/etc/*", "a/../../b.csv", "..\\x.csv"])
def test_patterns_cannot_leave_the_folder(root: Path, pattern: str) -> None:
    with pytest.raises(ValidationError):
        make(root, tables=(pattern,))


async def test_the_engine_alone_refuses_all_else(root: Path) -> None:
    """The guard off: other files, writes, settings and extensions are refused by the engine and its parser."""
    connector = make(root)
    files = (await connector._scan()).tables
    outside = root.parent / "data-outside" / "secret.csv"
    before = sorted(p.name for p in root.parent.rglob("*"))
    for sql in (
        f"select * from read_csv('{outside}')",
        "select * from read_text('/etc/passwd')",
        "select * from glob('/etc/*')",
        f"copy (select 1) to '{root}/orders.csv' (use_tmp_file false)",
        "create table t (x int)",
        "set memory_limit = '1TB'",
        "install httpfs",
        "attach '/tmp/inquest-attached.db'",
        "select 1; drop view orders",
        "pragma version",
        f"export database '{root}'",
    ):
        with pytest.raises(Exception, match=r"Permission|one reading|locked|not found|No files|Cannot"):
            await connector._engine.run(files, functools.partial(_unguarded, files, sql))
    assert sorted(p.name for p in root.parent.rglob("*")) == before
    assert (root / "orders.csv").stat().st_size > 1_000
    await connector.close()


def _unguarded(files: Sequence[Any], sql: str, connection: Any) -> Any:
    list(views(connection, files))
    return select(connection, sql, LIMITS)


async def test_cancel_reaches_the_engine(root: Path) -> None:
    connector = make(root)
    task = asyncio.create_task(rows(connector, SLOW))
    await asyncio.sleep(0.5)
    async with asyncio.timeout(20):  # far less than the query would take by itself
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(_idle, connector)
    await connector.close()


def _idle(connector: FilesConnector) -> None:
    """Returns when every thread of the engine can take new work."""
    assert connector._engine._threads is not None
    for future in [connector._engine._threads.submit(int) for _ in range(4)]:
        future.result(5)


async def test_logs_fold_against_the_span_before(root: Path) -> None:
    connector = make(root)
    payload = (await connector.call(call("get_log_groups"), LIMITS)).payload
    assert isinstance(payload, Logs)
    told = [(g.service, g.level, g.count, g.baseline_count) for g in payload.groups]
    assert told == [("payment-service", "error", 30, 0), ("payment-service", "warn", 3, 3), ("gateway", "error", 1, 0)]
    assert "refused by upstream" in payload.groups[0].template
    only = (await connector.call(call("get_log_groups", services=["gateway"]), LIMITS)).payload
    assert isinstance(only, Logs)
    assert only.total == 1
    small = make(root, max_log_bytes=1_000)
    assert "byte cap" in ((await small.call(call("get_log_groups"), LIMITS)).truncated or "")
    for opened in (connector, small):
        await opened.close()


async def test_metrics_become_series_with_a_baseline(root: Path) -> None:
    connector = make(root)
    payload = (await connector.call(call("get_metrics", words="cpu", services=["payment-service"]), LIMITS)).payload
    assert isinstance(payload, SeriesSet)
    (found,) = payload.series
    assert (found.metric, found.service, found.step_s, len(found.points)) == ("cpu_usage", "payment-service", 60.0, 120)
    assert [value for _, value in found.points][-1] == 2.5
    assert found.points[0][0] == WINDOW.start - timedelta(hours=1)
    await connector.close()


async def test_values_are_faithful_and_errors_named(root: Path) -> None:
    connector = make(root)
    assert await rows(connector, "select id, tags from events") == (("9007199254740993", ["a", None]),)
    assert await rows(connector, "select 0.10::decimal(10,2), 'nan'::double, null") == (("0.10", "NaN", None),)
    for text, kind in (("select nothing from orders", NotFound), ("selec", Rejected), ("drop view orders", Rejected)):
        with pytest.raises(kind):
            await rows(connector, text)
    gone = make(root / "nowhere")
    with pytest.raises(Misconfigured):
        await gone.call(call("list_files"), LIMITS)
    assert (await gone.check()).status.value == "unhealthy"
    for opened in (connector, gone):
        await opened.close()
