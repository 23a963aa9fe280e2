"""The contract suite every connector passes, for our own connectors and for yours.

Subclass `ConnectorContract`, give the factories, and let pytest (with pytest-asyncio in auto mode) or any other runner
call the async methods whose names begin with `test_`. A clause a connector cannot meet is named in `not_applicable`
with the reason; it is then skipped with that reason, never silently.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re

from pydantic import BaseModel

from connectors._testing_bad_input import BadInputClauses
from connectors._testing_faults import HTML, Fault, FaultServer, free_port
from connectors._testing_harness import HOSTILE_TEXTS, captured_logs, clause, hostile_variants
from connectors.errors import (
    Malformed,
    NotFound,
    Rejected,
    Throttled,
    TimedOut,
    Unauthorized,
    Unavailable,
)
from connectors.model import Effect, HealthStatus, Limits

__all__ = ["HTML", "ConnectorContract", "Fault", "FaultServer", "free_port"]

_NAME = re.compile(r"^[a-z]+(_[a-z0-9]+)+$")


class ConnectorContract(BadInputClauses):
    """The clauses. Give the factories of `ContractHarness` and set its class variables."""

    # identity and life

    @clause
    async def test_identity(self) -> None:
        connector = self.make()
        assert connector.type
        assert connector.name == self.calls()[0].connector
        assert connector.name.split("/")[0] == connector.type
        assert connector.name in repr(connector)
        self.assert_clean(repr(connector), str(connector), repr(connector.config), str(connector.config))

    @clause
    async def test_construction_does_no_io(self) -> None:
        async with self._faulty(Fault("hang")) as server:
            self.make_at(server.host, server.port)
            await asyncio.sleep(0.05)
            assert server.connections == 0

    @clause
    async def test_open_and_close_are_idempotent(self) -> None:
        never_opened = self.make()
        await never_opened.close()
        connector = self.make()
        for step in (connector.open, connector.open, connector.close, connector.close):
            await step()
        async with self._open(self.make()) as again:
            await again.call(self.calls()[0], self.limits)

    @clause
    async def test_check_is_healthy(self) -> None:
        async with self._open(self.make()) as connector:
            health = await connector.check()
        assert health.status is not HealthStatus.UNHEALTHY, health.detail
        assert health.latency_ms > 0
        assert health.detail
        self.assert_clean(health.model_dump_json())

    @clause
    async def test_check_never_raises(self) -> None:
        faults = [Fault("reset"), Fault("noise")]
        if self.speaks_http:
            faults += [Fault("reply", 500), Fault("reply", 401, echo=True), Fault("cut")]
        details = [
            await self._check(self.make_at("127.0.0.1", free_port())),
            await self._check(self.make_unauthorized()),
        ]
        for fault in faults:
            async with self._faulty(fault) as server:
                details.append(await self._check(self.make_at(server.host, server.port)))
        self.assert_clean(*details)
        assert all(len(detail) > 10 and "Traceback" not in detail for detail in details), details

    @clause
    async def test_describe_is_bounded(self) -> None:
        async with self._open(self.make()) as connector:
            schema = await connector.describe()
        assert len(schema.model_dump_json()) < 4_000_000
        self.assert_clean(schema.model_dump_json())

    # tools

    @clause
    async def test_tools_are_declared(self) -> None:
        tools = self.make().tools()
        assert tools
        for tool in tools:
            assert _NAME.match(tool.name), f"{tool.name} is not verb_noun"
            assert tool.summary.endswith(".")
            assert tool.returns
            assert issubclass(tool.arguments, BaseModel)
            assert tool.arguments.model_config.get("extra") == "forbid"
            json.dumps(tool.arguments.model_json_schema())
        reads = {tool.name for tool in tools if tool.effect is Effect.READ}
        assert reads == {call.tool for call in self.calls()}, "every read tool needs a sample call"

    @clause
    async def test_unknown_tool_and_arguments_are_refused(self) -> None:
        async with self._open(self.make()) as connector:
            first = self.calls()[0]
            error = await self._error(connector, first.model_copy(update={"tool": "drop_everything"}))
            assert isinstance(error, NotFound)
            assert first.tool in str(error)
            for extra in ({"limits": {"max_rows": 10**9}}, {"no_such_argument": 1}):
                wrong = first.model_copy(update={"arguments": {**first.arguments, **extra}})
                assert isinstance(await self._error(connector, wrong), Rejected)

    @clause
    async def test_every_tool_answers_with_its_source(self) -> None:
        async with self._open(self.make()) as connector:
            for call in self.calls():
                result = await connector.call(call, self.limits)
                source = result.source
                assert source.query.strip(), call.tool
                assert source.language.strip(), call.tool
                assert source.url is None or source.url.startswith(("http://", "https://")), call.tool
                assert result.payload.kind in connector.tool(call.tool).returns, call.tool
                assert result.stats.duration_ms > 0
                self.assert_clean(result.model_dump_json())

    # limits

    @clause
    async def test_limits_are_exact(self) -> None:
        call, total = self.sized_call()
        assert total >= 2
        async with self._open(self.make()) as connector:
            below = await connector.call(call, self._limited(total - 1))
            exact = await connector.call(call, self._limited(total))
            above = await connector.call(call, self._limited(total + 1))
        assert below.truncated, "a cut answer must say so"
        assert 0 < self._size(below) <= total - 1
        assert (self._size(exact), exact.truncated) == (total, None)
        assert (self._size(above), above.truncated) == (total, None)

    @clause
    async def test_empty_is_an_answer(self) -> None:
        async with self._open(self.make()) as connector:
            result = await connector.call(self.empty_call(), self.limits)
        assert result.is_empty
        assert result.truncated is None
        assert result.source.query

    @clause
    async def test_a_flood_is_capped(self) -> None:
        async with (
            self._faulty(Fault("flood")) as server,
            self._open(self.make_at(server.host, server.port)) as connector,
        ):
            limits = Limits(deadline_s=20, max_bytes=1_000_000)
            error = await self._error(connector, self.calls()[0], limits)
            assert isinstance(error, Rejected | Malformed)
            assert server.bytes_sent < 32_000_000

    # faults

    @clause
    async def test_hang_times_out(self) -> None:
        await self._expect(Fault("hang"), TimedOut, Limits(deadline_s=0.5))

    @clause
    async def test_drip_times_out(self) -> None:
        await self._expect(Fault("drip"), TimedOut, Limits(deadline_s=0.7))

    @clause
    async def test_unreachable(self) -> None:
        async with self._open(self.make_at("127.0.0.1", free_port())) as connector:
            assert isinstance(await self._error(connector, self.calls()[0]), Unavailable)

    @clause
    async def test_reset(self) -> None:
        await self._expect(Fault("reset"), Unavailable)

    @clause
    async def test_noise(self) -> None:
        await self._expect(Fault("noise"), (Malformed, Unavailable))

    @clause
    async def test_cut_answer(self) -> None:
        await self._expect(Fault("cut"), (Malformed, Unavailable))

    @clause
    async def test_wrong_credentials(self) -> None:
        async with self._open(self.make_unauthorized()) as connector:
            error = await self._error(connector, self.calls()[0])
        assert isinstance(error, Unauthorized)

    @clause
    async def test_unauthorized_statuses(self) -> None:
        for status in (401, 403):
            await self._expect(Fault("reply", status, b'{"error": "no"}'), Unauthorized)

    @clause
    async def test_throttled_status(self) -> None:
        error = await self._expect(Fault("reply", 429, b"{}", headers={"retry-after": "7"}), Throttled)
        assert error.retry_after_s == 7

    @clause
    async def test_server_error_statuses(self) -> None:
        for status in (500, 502, 503):
            await self._expect(Fault("reply", status, b'{"error": "boom"}'), Unavailable)

    @clause
    async def test_web_page(self) -> None:
        await self._expect(Fault("reply", 200, HTML, "text/html"), Malformed)
        await self._expect(Fault("reply", 200, HTML, "application/json"), Malformed)

    @clause
    async def test_garbage_bodies(self) -> None:
        for body in (b"", b"{", b"[1,", b"\xff\xfe\x00", b'"a"', b"[]", b"{}", b"null", b"[" * 100_000):
            await self._expect(Fault("reply", 200, body), Malformed)

    # concurrency and cancellation

    @clause
    async def test_sixteen_at_once(self) -> None:
        async with self._open(self.make()) as connector:
            call = self.calls()[0]
            results = await asyncio.gather(*(connector.call(call, self.limits) for _ in range(16)))
        assert len({type(result.payload) for result in results}) == 1

    @clause
    async def test_cancel_gives_the_connection_back(self) -> None:
        async with self._open(self.make()) as connector:
            for turn in range(24):
                task = asyncio.create_task(connector.call(self.slow_call(), self.limits))
                await asyncio.sleep(0.004 * turn)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            results = await asyncio.gather(*(connector.call(self.calls()[0], self.limits) for _ in range(8)))
        assert len(results) == 8

    @clause
    async def test_a_timeout_gives_the_connection_back(self) -> None:
        async with self._open(self.make()) as connector:
            for _ in range(12):
                await self._outcome(connector, self.slow_call(), Limits(deadline_s=0.02))
            await connector.call(self.calls()[0], self.limits)

    # safety

    @clause
    async def test_reads_write_nothing(self) -> None:
        before = await self.fingerprint()
        async with self._open(self.make()) as connector:
            for call in self.calls():
                await connector.call(call, self.limits)
        assert await self.fingerprint() == before

    @clause
    async def test_arguments_are_data(self) -> None:
        before = await self.fingerprint()
        async with self._open(self.make()) as connector:
            for call in self.calls():
                for text in HOSTILE_TEXTS:
                    for hostile in hostile_variants(call, text):
                        await self._outcome(connector, hostile, self.limits)
            for text in HOSTILE_TEXTS:
                await self._echo(connector, text)
        assert await self.fingerprint() == before

    @clause
    async def test_secrets_never_show(self) -> None:
        shown: list[str] = []
        with captured_logs() as lines:
            statuses = (200, 400, 401, 403, 404, 422, 500, 503)
            faults = (
                [Fault("reply", status, echo=True) for status in statuses] if self.speaks_http else [Fault("noise")]
            )
            for fault in faults:
                async with self._faulty(fault) as server:
                    connector = self.make_at(server.host, server.port)
                    async with self._open(connector):
                        outcome = await self._outcome(connector, self.calls()[0], self.limits)
                        shown += [str(outcome), repr(outcome), (await connector.check()).detail]
            async with self._open(self.make_unauthorized()) as connector:
                shown += [str(await self._outcome(connector, self.calls()[0], self.limits))]
        self.assert_clean(*shown, *lines)
