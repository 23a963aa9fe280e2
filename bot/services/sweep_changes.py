"""What changed around an onset: every source that knows of changes is asked, through the gate."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from bot.domain.anomaly import Anomaly
from bot.domain.question import Source
from bot.services.catalogue import Catalogue
from bot.services.execute import Execute
from bot.services.unrecorded import ask_unrecorded
from connectors.model import Change, Changes, Effect, EvidenceKind, JsonObject, TimeWindow, Tool, ToolCall

_BEFORE, _AFTER = timedelta(minutes=60), timedelta(minutes=5)
_MOST_SOURCES, _MOST = 4, 20


class AsksChanges:
    """Gives the changes of the hour before the onset, the nearest first, and a sentence when there are none."""

    def __init__(self, *, execute: Execute, catalogue: Catalogue) -> None:
        self._execute, self._catalogue = execute, catalogue

    async def __call__(self, anomaly: Anomaly) -> tuple[Sequence[Change], str]:
        began = anomaly.episodes[-1].started_at if anomaly.episodes else anomaly.first_seen_at
        window = TimeWindow(start=began - _BEFORE, end=began + _AFTER)
        wanted = [(s, t) for s in (await self._catalogue.setting()).sources for t in s.tools if _tells_changes(t)]
        wanted = wanted[:_MOST_SOURCES]
        if not wanted:
            return (), "no source that knows of changes is configured"
        asked = await asyncio.gather(*(self._ask(source, tool, anomaly, window) for source, tool in wanted))
        silent = [source.name for (source, _), found in zip(wanted, asked, strict=True) if found is None]
        near = [c for found in asked for c in found or () if window.start <= c.at < window.end]
        near = [c for c in near if not anomaly.askable or c.service in anomaly.askable] or near
        near.sort(key=lambda change: abs(change.at - began))
        span = f"{window.start:%H:%M}–{window.end:%H:%M} UTC"
        if silent and not near:
            return (), f"not known for {span}: {', '.join(silent)} did not answer"
        names = ", ".join(source.name for source, _ in wanted)
        return near[:_MOST], "" if near else f"nothing between {span}, says {names}"

    async def _ask(self, source: Source, tool: Tool, anomaly: Anomaly, window: TimeWindow) -> tuple[Change, ...] | None:
        """None when it did not answer."""
        fields = tool.arguments.model_fields
        arguments: JsonObject = {"hours_before": 0} if "hours_before" in fields else {}
        if "services" in fields and anomaly.askable:
            arguments["services"] = list(anomaly.askable[:20])
        call = ToolCall(connector=source.name, tool=tool.name, arguments=arguments, window=window)
        execution = await ask_unrecorded(self._execute, call, stream=f"{anomaly.stream}/changes/{source.name}")
        if execution.evidence is None:
            return None if execution.error else ()
        payload = execution.evidence.payload
        return payload.items if isinstance(payload, Changes) else ()


def _tells_changes(tool: Tool) -> bool:
    fields = tool.arguments.model_fields
    needed = [name for name, field in fields.items() if field.is_required() and name != "services"]
    return tool.effect is Effect.READ and tool.returns == {EvidenceKind.CHANGES} and not needed
