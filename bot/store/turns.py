"""Turns to do what is limited to so many times in so many seconds, counted by all processes together.

The database's clock is the only one. Nothing here knows what a turn is for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence

from sqlalchemy import Connection, bindparam, func, select, update

from bot.store.rows import as_text, table
from bot.store.statements import insert_new
from bot.store.sweep_states import Runs
from connectors.model import Frozen

_CLOCK_SET_BACK_S = 5.0
"""A call further in the future than this was written before the clock was set back, and no longer counts."""


class Quota(Frozen):
    """At most `limit` turns of a bucket in any `span_s` seconds. One bucket may have several quotas."""

    bucket: str
    limit: int
    span_s: float


class Taken(Frozen):
    """A turn taken `at` (seconds since 1970), which names it; or None, and how long until one may be free."""

    at: float | None
    wait_s: float = 0.0


class Turns:
    """The turns of one workspace. StoreBusy when the database cannot say; the caller then decides alone."""

    def __init__(self, *, ask: Runs, write: Runs, workspace: str, alone: bool) -> None:
        self._ask, self._write, self._workspace = ask, write, workspace
        self.alone = alone

    async def take(self, quotas: Sequence[Quota]) -> Taken:
        """One turn of every bucket, or of none."""
        return await self._write(lambda c: _take(c, self._workspace, quotas))

    async def land(self, buckets: Collection[str], at: float) -> None:
        """The turn taken `at` was used only now: it counts from now."""
        await self._write(lambda c: _move(c, self._workspace, buckets, at=at, landed=True))

    async def give_back(self, buckets: Collection[str], at: float) -> None:
        """The turn taken `at` is not used after all."""
        await self._write(lambda c: _move(c, self._workspace, buckets, at=at, landed=False))

    async def close(self, bucket: str, *, for_s: float) -> None:
        """Nobody gets a turn of this bucket for so long. Never shortens what was closed already."""
        await self._write(lambda c: _close(c, self._workspace, bucket, for_s))

    async def closed_s(self, bucket: str) -> float:
        """For how long the bucket is still closed; 0 when it is open."""
        return await self._ask(lambda c: _closed_s(c, self._workspace, bucket))


def _take(connection: Connection, workspace: str, quotas: Sequence[Quota]) -> Taken:
    spans: dict[str, float] = {}
    for quota in quotas:
        spans[quota.bucket] = max(spans.get(quota.bucket, 0.0), quota.span_s)
    rows = _locked(connection, workspace, spans)
    now = _now(connection)
    taken = {bucket: _counting(rows[bucket][0], now - span, now) for bucket, span in spans.items()}
    waits = [rows[bucket][1] - now for bucket in spans]
    waits += [_wait_s(taken[quota.bucket], quota, now) for quota in quotas]
    if max(waits) > 0:
        return Taken(at=None, wait_s=max(waits))
    _save(connection, workspace, {bucket: [*times, now] for bucket, times in taken.items()})
    return Taken(at=now)


def _counting(times: Sequence[float], after: float, now: float) -> list[float]:
    return [at for at in times if after < at < now + _CLOCK_SET_BACK_S]


def _wait_s(times: Sequence[float], quota: Quota, now: float) -> float:
    return 0.0 if len(times) < quota.limit else times[-quota.limit] + quota.span_s - now


def _move(connection: Connection, workspace: str, buckets: Collection[str], *, at: float, landed: bool) -> None:
    rows = _locked(connection, workspace, buckets)
    now = _now(connection)
    changed = {}
    for bucket, (times, _) in rows.items():
        if at in times:
            times.remove(at)
            changed[bucket] = [*times, now] if landed else times
    _save(connection, workspace, changed)


def _close(connection: Connection, workspace: str, bucket: str, for_s: float) -> None:
    _, closed_until = _locked(connection, workspace, [bucket])[bucket]
    until = max(closed_until, _now(connection) + for_s)
    target = table("turns")
    place = (target.c.workspace == workspace, target.c.bucket == as_text(bucket))
    connection.execute(update(target).where(*place).values(closed_until=until))


def _closed_s(connection: Connection, workspace: str, bucket: str) -> float:
    target = table("turns")
    place = (target.c.workspace == workspace, target.c.bucket == as_text(bucket))
    until = connection.execute(select(target.c.closed_until).where(*place)).scalar()
    return max(0.0, until - _now(connection)) if until else 0.0


def _locked(connection: Connection, workspace: str, buckets: Collection[str]) -> dict[str, tuple[list[float], float]]:
    """Times taken and end of closing by bucket, nobody else's until the transaction ends; always in one order."""
    names = {as_text(bucket): bucket for bucket in buckets}
    found = _select_locked(connection, workspace, sorted(names))
    if len(found) < len(names):
        new = [{"workspace": workspace, "bucket": name, "taken": "[]", "closed_until": 0.0} for name in sorted(names)]
        connection.execute(insert_new(connection.dialect.name, "turns"), new)
        found = _select_locked(connection, workspace, sorted(names))
    return {names[name]: row for name, row in found.items()}


def _select_locked(
    connection: Connection, workspace: str, names: Sequence[str]
) -> dict[str, tuple[list[float], float]]:
    target = table("turns")
    query = select(target).where(target.c.workspace == workspace, target.c.bucket.in_(names)).order_by(target.c.bucket)
    rows = connection.execute(query.with_for_update())
    return {row.bucket: (json.loads(row.taken), row.closed_until) for row in rows}


def _save(connection: Connection, workspace: str, taken: dict[str, list[float]]) -> None:
    target = table("turns")
    place = (target.c.workspace == workspace, target.c.bucket == bindparam("at_bucket"))
    rows = [{"at_bucket": as_text(bucket), "taken": json.dumps(sorted(times))} for bucket, times in taken.items()]
    if rows:
        connection.execute(update(target).where(*place).values(taken=bindparam("taken")), rows)


def _now(connection: Connection) -> float:
    """Seconds since 1970 to the microsecond: the server's clock where there is a server, read after the lock."""
    if connection.dialect.name == "sqlite":
        return round(time.time(), 6)
    return round(float(connection.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one()), 6)
