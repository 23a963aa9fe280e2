"""Ending a session of a real PostgreSQL through the gate: the named one, and only while it runs the named statement."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from bot.domain.events import EventKind
from bot.domain.remediation import Proposal, ProposalState
from bot.services.approvals import button_value
from connectors.model import SystemClock, ToolCall
from connectors.postgresql.connector import PostgresqlConnector
from tests.remediation.making import CY
from tests.remediation.plant import Plant, a_plant
from tests.support.servers import PostgresServer, require

pytestmark = pytest.mark.servers
_S = ProposalState
NAME = "postgresql/main"
SLOW = "select pg_sleep(120), 'the slow report' as what"
SIGNALLER, PASSWORD = "inquest_signaller", "s1gnal-Pa55phrase"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    made = require(PostgresServer)
    asyncio.run(_prepare(made))
    yield made
    made.stop()


async def _prepare(server: PostgresServer) -> None:
    link = await server.connect()
    try:
        await link.execute(f"create role {SIGNALLER} login password '{PASSWORD}' in role pg_monitor, pg_signal_backend")
        await link.execute("create role app login password 'app-Pa55phrase'")
    finally:
        await link.close()


@pytest.fixture
async def plant(server: PostgresServer, tmp_path: Path) -> AsyncIterator[Plant]:
    def make() -> PostgresqlConnector:
        config = PostgresqlConnector.Config(
            host=server.host, port=server.port, database="postgres", username=SIGNALLER, password=SecretStr(PASSWORD),
            writes=True,
        )  # fmt: skip
        return PostgresqlConnector(name=NAME, config=config, environment="production", clock=SystemClock())

    async with a_plant(tmp_path, more={NAME: make}) as made:
        yield made


class Session:
    """Somebody's session with a statement that takes its time."""

    def __init__(self, link: Any, work: asyncio.Task[Any]) -> None:
        self.link, self.work, self.pid = link, work, link.get_server_pid()

    async def runs(self, statement: str) -> None:
        """Let the session run another statement from now on."""
        self.work.cancel()
        await asyncio.gather(self.work, return_exceptions=True)
        self.work = asyncio.create_task(self.link.fetch(statement))


@pytest.fixture
async def session(server: PostgresServer) -> AsyncIterator[Session]:
    link = await asyncpg.connect(
        host=server.host, port=server.port, user="app", password="app-Pa55phrase", database="postgres"
    )
    made = Session(link, asyncio.create_task(link.fetch(SLOW)))
    await _until(server, made.pid, SLOW)
    yield made
    made.work.cancel()
    await asyncio.gather(made.work, return_exceptions=True)
    link.terminate()


async def _until(server: PostgresServer, pid: int, statement: str) -> None:
    link = await server.connect()
    try:
        async with asyncio.timeout(20):
            while await link.fetchval("select query from pg_stat_activity where pid = $1", pid) != statement:
                await asyncio.sleep(0.02)
    finally:
        await link.close()


async def approved(plant: Plant, tool: str, pid: int) -> Proposal:
    call = ToolCall(connector=NAME, tool=tool, arguments={"pid": pid, "query": SLOW})
    proposal = await plant.proposed(wanted=call)
    await plant.process().decisions.approve(button_value(proposal), by=CY)
    return proposal


@pytest.mark.parametrize(
    ("tool", "told"),
    [("cancel_backend", "canceling statement due to user request"), ("terminate_backend", "terminating connection")],
)
async def test_the_named_statement_is_ended(plant: Plant, session: Session, tool: str, told: str) -> None:
    proposal = await approved(plant, tool, session.pid)
    assert "the slow report" in proposal.diff
    assert not session.work.done(), "a dry run hits nobody"
    done = await plant.process().remediation.step(proposal.id)
    assert done.state is _S.SUCCEEDED
    with pytest.raises(asyncpg.PostgresError, match=told):
        await session.work


async def test_a_session_that_runs_something_else_by_now_is_left_alone(
    plant: Plant, session: Session, server: PostgresServer
) -> None:
    proposal = await approved(plant, "terminate_backend", session.pid)
    other = "select pg_sleep(120), 'somebody''s honest work'"
    await session.runs(other)
    await _until(server, session.pid, other)
    done = await plant.process().remediation.step(proposal.id)
    assert done.state is _S.SUPERSEDED
    assert "another statement" in done.reason
    assert not session.work.done()


@pytest.mark.parametrize("wrote", [True, False])
async def test_a_kill_between_the_signal_and_its_record(plant: Plant, session: Session, wrote: bool) -> None:
    proposal = await approved(plant, "terminate_backend", session.pid)
    await plant.event(proposal.id, EventKind.EXECUTION_STARTED, executor="gone", digest=proposal.digest)
    if wrote:
        connector = plant.more[NAME]()
        await connector.call(proposal.call, plant.process().execute.instances[NAME].limits)
        await connector.close()
        await asyncio.gather(session.work, return_exceptions=True)
    done = await plant.process("two").remediation.step(proposal.id)
    assert done.state is (_S.SUCCEEDED if wrote else _S.FAILED)
    assert session.work.done() is wrote
