"""Services and metrics that sources named, when they were first and last seen, and who calls whom."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, delete, select

from bot.store.rows import Row, as_text, table
from bot.store.statements import insert_or_renew
from bot.store.sweep_states import Runs

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class KnownService:
    """A service as sources name it; `sources` are those that know it, `calls` the services it calls."""

    environment: str
    name: str
    squad: str | None
    sources: tuple[str, ...]
    calls: tuple[str, ...]
    first_seen_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class KnownMetric:
    """A metric of one source; `labels` are those that the source told of, often none."""

    source: str
    name: str
    type: str
    description: str
    labels: tuple[str, ...]
    first_seen_at: datetime | None
    last_seen_at: datetime


class Discovery:
    """What one workspace's sources hold. Writing again moves `last_seen_at` only."""

    def __init__(self, *, ask: Runs, write: Runs, workspace: str) -> None:
        self._ask, self._write, self._workspace = ask, write, workspace

    async def keep_services(self, found: Iterable[KnownService]) -> None:
        """Insert or renew; `first_seen_at` stays what it was."""
        rows = [_service_row(self._workspace, one) for one in found]
        await self._upsert("services", rows)

    async def keep_metrics(self, found: Iterable[KnownMetric]) -> None:
        """Insert or renew; `first_seen_at` stays what it was."""
        rows = [_metric_row(self._workspace, one) for one in found]
        await self._upsert("metrics", rows)

    async def services(self) -> list[KnownService]:
        """All, by name."""
        return await self._ask(lambda c: _services(c, self._workspace))

    async def metrics(self, sources: Collection[str] = (), *, limit: int = 10_000) -> list[KnownMetric]:
        """By source and name, of these sources or of all."""
        return await self._ask(lambda c: _metrics(c, self._workspace, sources, limit))

    async def forget_metrics(self, *, before: datetime) -> None:
        """Delete those that no source has named since then."""
        target = table("metrics")
        gone = delete(target).where(target.c.workspace == self._workspace, target.c.last_seen_at < before)
        await self._write(lambda c: c.execute(gone))

    async def _upsert(self, name: str, rows: Sequence[Row]) -> None:
        for first in range(0, len(rows), _AT_ONCE):
            await self._write(partial(_renew, name=name, rows=rows[first : first + _AT_ONCE]))


def _renew(connection: Connection, *, name: str, rows: Sequence[Row]) -> None:
    connection.execute(insert_or_renew(connection.dialect.name, name, "first_seen_at"), rows)


def _service_row(workspace: str, one: KnownService) -> Row:
    return {
        "workspace": workspace,
        "environment": as_text(one.environment),
        "name": as_text(one.name),
        "squad": one.squad,
        "first_seen_at": one.first_seen_at,
        "last_seen_at": one.last_seen_at,
        "document": json.dumps({"sources": one.sources, "calls": one.calls}),
    }


def _metric_row(workspace: str, one: KnownMetric) -> Row:
    return {
        "workspace": workspace,
        "source": as_text(one.source),
        "name": as_text(one.name),
        "type": as_text(one.type),
        "description": as_text(one.description),
        "labels": json.dumps(one.labels),
        "services": "[]",
        "first_seen_at": one.first_seen_at,
        "last_seen_at": one.last_seen_at,
    }


def _services(connection: Connection, workspace: str) -> list[KnownService]:
    target = table("services")
    wanted = select(target).where(target.c.workspace == workspace).order_by(target.c.name, target.c.environment)
    found = []
    for row in connection.execute(wanted):
        told = json.loads(row.document)
        found.append(
            KnownService(
                environment=row.environment,
                name=row.name,
                squad=row.squad,
                sources=tuple(told.get("sources", ())),
                calls=tuple(told.get("calls", ())),
                first_seen_at=row.first_seen_at,
                last_seen_at=row.last_seen_at,
            )
        )
    return found


def _metrics(connection: Connection, workspace: str, sources: Collection[str], limit: int) -> list[KnownMetric]:
    target = table("metrics")
    wanted = select(target).where(target.c.workspace == workspace)
    if sources:
        wanted = wanted.where(target.c.source.in_(sources))
    rows = connection.execute(wanted.order_by(target.c.source, target.c.name).limit(limit))
    return [
        KnownMetric(
            source=row.source,
            name=row.name,
            type=row.type,
            description=row.description,
            labels=tuple(json.loads(row.labels)),
            first_seen_at=row.first_seen_at,
            last_seen_at=row.last_seen_at,
        )
        for row in rows
    ]
