"""What the tool modules of Loki share: readings, windows, and what is found by looking."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from connectors._reading import Reading
from connectors._sampling import Line, level_of
from connectors.base import Ask
from connectors.errors import Rejected
from connectors.http import HttpClient
from connectors.loki import api
from connectors.loki.config import LokiConfig
from connectors.loki.queries import (
    DETECTED_LEVEL,
    HOST_LABELS,
    LEVEL_LABELS,
    SERVICE_LABELS,
    TRACE_LABELS,
    Shape,
    selector,
)
from connectors.model import Clock, TimeWindow

_DEFAULT_SPAN = timedelta(minutes=30)
_KEPT_FOR = timedelta(minutes=10)
_LOOK_LINES = 20


class Tools:
    """Base of the tool modules."""

    config: LokiConfig
    name: str
    clock: Clock
    link: HttpClient

    def prepare(self) -> None:
        """State of the discovery; the connector calls it once."""
        self._shape: tuple[datetime, Shape] | None = None
        self._looking = asyncio.Lock()

    def reading(self, ask: Ask) -> Reading:
        return Reading(self.link, ask, name=self.name)

    def window(self, ask: Ask) -> TimeWindow:
        """The call's window, else the last half hour."""
        now = self.clock.now()
        return ask.window or TimeWindow(start=now - _DEFAULT_SPAN, end=now)

    def allowed(self, span: TimeWindow) -> TimeWindow:
        if span.duration > timedelta(days=self.config.max_range_days):
            raise Rejected(f"{self.name} answers at most {self.config.max_range_days} days at once. Ask for less.")
        return span

    async def shape(self, reading: Reading, span: TimeWindow) -> Shape | None:
        """Which labels name the service and the level; asked once in ten minutes. None, with a note, without any."""
        async with self._looking:
            now = self.clock.now()
            if self._shape is not None and now - self._shape[0] < _KEPT_FOR:
                return self._shape[1]
            found = await self._look(reading, span)
            if found is None:
                reading.note("no stream in this span has a label that names a service; set service_label")
            else:
                self._shape = (now, found)
            return found

    async def _look(self, reading: Reading, span: TimeWindow) -> Shape | None:
        names = set(await api.label_names(reading, span))
        service = self.config.service_label or next((label for label in SERVICE_LABELS if label in names), None)
        if service is None:
            return None
        shape = Shape(service, self.config.level_label, self.config.match)
        if shape.level is None:
            level = next((label for label in LEVEL_LABELS if label in names), None)
            shape = shape._replace(level=level or await self._level_of_lines(reading, shape, span))
        return shape

    async def _level_of_lines(self, reading: Reading, shape: Shape, span: TimeWindow) -> str | None:
        """Levels that stand beside the lines (structured metadata), not among the stream's labels."""
        lines = await api.query_lines(reading, selector(shape), span, limit=_LOOK_LINES)
        held = {label for line in lines for label in line.labels}
        return next((label for label in (*LEVEL_LABELS, DETECTED_LEVEL) if label in held), None)

    def lines(self, entries: list[api.Entry], shape: Shape) -> list[Line]:
        return [_line(entry, shape) for entry in entries]


def _line(entry: api.Entry, shape: Shape) -> Line:
    labels = entry.labels
    level = labels.get(shape.level or "") or labels.get(DETECTED_LEVEL)
    return Line(
        id=f"{entry.at_ns}/{hash(frozenset(labels.items()))}/{entry.text}",
        at=datetime.fromtimestamp(entry.at_ns // 1_000_000_000, UTC).replace(
            microsecond=entry.at_ns // 1_000 % 1_000_000
        ),
        service=labels.get(shape.service) or None,
        level=None if level == "unknown" else level_of(level),
        message=entry.text,
        trace=next((labels[label] for label in TRACE_LABELS if labels.get(label)), None),
        host=next((labels[label] for label in HOST_LABELS if labels.get(label)), None),
    )
