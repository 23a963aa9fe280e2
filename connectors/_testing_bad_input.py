"""Clauses about what the world outside does wrong: names, certificates, proxies, clocks, windows, encodings."""

from __future__ import annotations

import json
import ssl
import unittest
from datetime import UTC, datetime, timedelta, timezone

from connectors._testing_faults import HTML, Fault, FaultServer
from connectors._testing_harness import ContractHarness, clause
from connectors.errors import ConnectorError, Malformed, Misconfigured, TimedOut, Unauthorized, Unavailable
from connectors.model import Clock, TimeWindow, ToolCall, ToolResult

UNKNOWN_HOST = "no-such-host.invalid"
"""RFC 6761 keeps this ending from ever resolving."""
ODD_BODIES = (
    b"\xef\xbb\xbf{}",
    '{"größe": 1}'.encode("latin-1"),
    "{}".encode("utf-16"),
    b'{"status": "success", "data": NaN}',
    b'{"data": [Infinity, -Infinity, 1e999, 123456789012345678901234567890]}',
    b'{"data": "\\ud800 \\u0000 \\u202e"}',
    b'{"data": {"": {"": [[], {}, null]}}}',
)


class ShiftedClock:
    """A clock that is off."""

    def __init__(self, clock: Clock, by: timedelta) -> None:
        self._clock, self._by = clock, by

    def now(self) -> datetime:
        return self._clock.now() + self._by


class BadInputClauses(ContractHarness):
    """Each ends in a named error or a faithful value."""

    @clause
    async def test_unknown_host_unreachable(self) -> None:
        connector = self.make_at(UNKNOWN_HOST, 443)
        async with self._open(connector):
            error = await self._error(connector, self.calls()[0])
            detail = (await connector.check()).detail
        assert isinstance(error, Unavailable | TimedOut), f"{type(error).__name__}: {error}"
        self.assert_sentence(str(error))
        self.assert_sentence(detail)

    @clause
    async def test_expired_token_status(self) -> None:
        body = b'{"error": "invalid_token", "error_description": "The access token expired"}'
        challenge = {"www-authenticate": 'Bearer error="invalid_token", error_description="expired"'}
        self.assert_sentence(str(await self._expect(Fault("reply", 401, body, headers=challenge), Unauthorized)))

    @clause
    async def test_web_page_of_a_proxy(self) -> None:
        expected: dict[int, type[ConnectorError]] = {403: Unauthorized, 407: Misconfigured, 502: Unavailable}
        for status, kind in (expected | {503: Unavailable}).items():
            self.assert_sentence(str(await self._expect(Fault("reply", status, HTML, "text/html"), kind)))
        login = {"location": "https://login.example.com/?return=x"}
        redirected = await self._expect(
            Fault("reply", 302, HTML, "text/html", headers=login), (Misconfigured, Malformed)
        )
        self.assert_sentence(str(redirected))

    @clause
    async def test_other_encodings_of_a_body(self) -> None:
        for body in ODD_BODIES:
            async with (
                self._faulty(Fault("reply", 200, body)) as server,
                self._open(self.make_at(server.host, server.port)) as connector,
            ):
                self.assert_faithful(await self._outcome(connector, self.calls()[0], self.limits))

    @clause
    async def test_tls_that_does_not_fit(self) -> None:
        if self.certificate is None:
            raise unittest.SkipTest("tls_that_does_not_fit: no certificate is given")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate)
        untrusted = FaultServer(Fault("reply", 200, b"{}"), extra_headers=self.fault_headers, tls=context)
        for server in (untrusted, self._faulty(Fault("noise"))):
            async with server:
                connector = self.make_secure_at(server.host, server.port)
                if connector is None:
                    raise unittest.SkipTest("tls_that_does_not_fit: TLS is not chosen by an address here")
                async with self._open(connector):
                    error = await self._error(connector, self.calls()[0])
            assert isinstance(error, Misconfigured), f"{type(error).__name__}: {error}"
            assert "TLS" in str(error) or "certificate" in str(error), str(error)
            self.assert_sentence(str(error))

    @clause
    async def test_wrong_clocks(self) -> None:
        for by in (timedelta(hours=-3), timedelta(days=400)):
            connector = self.make()
            connector.clock = ShiftedClock(connector.clock, by)
            async with self._open(connector):
                for call in self.calls():
                    self.assert_faithful(await self._outcome(connector, call, self.limits))

    @clause
    async def test_windows_where_nothing_was(self) -> None:
        async with self._open(self.make()) as connector:
            for year in (1971, 2199):
                start = datetime(year, 1, 1, tzinfo=UTC)
                window = TimeWindow(start=start, end=start + timedelta(minutes=10))
                for call in self.calls():
                    there = call.model_copy(update={"window": window})
                    self.assert_faithful(await self._outcome(connector, there, self.limits))

    @clause
    async def test_windows_in_other_time_zones(self) -> None:
        calls = [call for call in self.calls() if call.window is not None][:2]
        async with self._open(self.make()) as connector:
            for call in calls:
                moved = _elsewhere(call)
                assert moved.digest == call.digest
                assert (await connector.call(moved, self.limits)).payload.kind

    def assert_sentence(self, text: str) -> None:
        """Fails on what must never reach a person: markup, traces, names of Python's own, endless text."""
        self.assert_clean(text)
        assert 10 < len(text) < 600, text[:700]
        for mark in ("<", "Traceback", "object at 0x", "Errno", "\n"):
            assert mark not in text, text

    def assert_faithful(self, outcome: ToolResult | ConnectorError) -> None:
        """A named error in a sentence, or a payload that is JSON others can read."""
        if isinstance(outcome, ConnectorError):
            self.assert_sentence(str(outcome))
            return
        text = outcome.model_dump_json()
        self.assert_clean(text)
        json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def _elsewhere(call: ToolCall) -> ToolCall:
    """The same call, its window told in the time of another place."""
    assert call.window is not None
    zone = timezone(timedelta(hours=5, minutes=45))
    ends = {"start": call.window.start.astimezone(zone), "end": call.window.end.astimezone(zone)}
    return ToolCall.model_validate(call.model_dump() | {"window": ends})
