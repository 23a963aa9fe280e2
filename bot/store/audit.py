"""What the auditor asks of the log: where every chain ends, and to let go of what was put in an archive."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, select

from bot.domain.events import Event, EventKind
from bot.errors import InvalidRequest
from bot.store import reading, verify
from bot.store.rows import as_text, table
from bot.store.search import Ask
from connectors.model import Frozen


class ChainEnd(Frozen):
    """Where a stream ends."""

    stream: str
    seq: int
    hash: str


class AuditLog:
    """The event log of one workspace, as a whole."""

    def __init__(self, *, ask: Ask, write: Ask, workspace: str) -> None:
        self._ask, self._write, self._workspace = ask, write, workspace

    async def streams(self) -> list[str]:
        """Every stream, by name."""
        return await self._ask(lambda c: verify.streams(c, self._workspace))

    async def ends(self, *, prefix: str = "") -> list[ChainEnd]:
        """The recorded end of every stream of this kind, by name."""
        return await self._ask(lambda c: _ends(c, self._workspace, prefix))

    async def length(self, stream: str) -> int:
        """The recorded end of one stream; 0 when there is none."""
        return await self._ask(lambda c: reading.head(c, self._workspace, stream).seq)

    async def events(self, stream: str, *, after: int, limit: int = 1_000) -> list[Event]:
        """The events behind `after`, in order."""
        return await self._ask(lambda c: reading.events(c, self._workspace, stream, after=after, limit=limit))

    async def quiet(self, *, prefix: str, before: datetime) -> list[str]:
        """Streams of this kind whose last event is older, by name."""
        return await self._ask(lambda c: _quiet(c, self._workspace, prefix, before))

    async def let_go(self, stream: str, *, through: int) -> int:
        """Delete the events up to `through` and the stream's evidence; how many events.

        InvalidRequest unless the next event is a SnapshotTaken that vouches for the last of them.
        """
        return await self._write(lambda c: _let_go(c, self._workspace, stream, through))


def _ends(connection: Connection, workspace: str, prefix: str) -> list[ChainEnd]:
    heads = table("chain_heads")
    wanted = select(heads.c.stream, heads.c.seq, heads.c.hash).where(heads.c.workspace == workspace)
    if prefix:
        wanted = wanted.where(heads.c.stream.startswith(prefix, autoescape=True))
    found = connection.execute(wanted.order_by(heads.c.stream))
    return [ChainEnd(stream=row.stream, seq=row.seq, hash=row.hash) for row in found]


def _quiet(connection: Connection, workspace: str, prefix: str, before: datetime) -> list[str]:
    log, heads = table("investigation_events"), table("chain_heads")
    last = heads.join(
        log,
        (log.c.workspace == heads.c.workspace) & (log.c.stream == heads.c.stream) & (log.c.seq == heads.c.seq),
    )
    old = (heads.c.workspace == workspace, log.c.timestamp < before, log.c.type != EventKind.SNAPSHOT_TAKEN.value)
    names = connection.execute(select(heads.c.stream).select_from(last).where(*old).order_by(heads.c.stream)).scalars()
    return [name for name in names if name.startswith(prefix)]


def _let_go(connection: Connection, workspace: str, stream: str, through: int) -> int:
    found = reading.events(connection, workspace, stream, after=through - 1, limit=2)
    if len(found) != 2 or verify.vouched(found[1]) != (through, found[0].hash):
        raise InvalidRequest(f"No snapshot vouches for the events of {stream} up to {through}.")
    log, evidence = table("investigation_events"), table("evidence")
    place = (log.c.workspace == workspace, log.c.stream == as_text(stream), log.c.seq <= through)
    gone = connection.execute(delete(log).where(*place)).rowcount
    kept = (evidence.c.workspace == workspace, evidence.c.stream == as_text(stream))
    connection.execute(delete(evidence).where(*kept))
    return int(gone)
