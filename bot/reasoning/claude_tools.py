"""The read tools of the catalogue as a model sees them, and its wishes back as ToolCalls.

Only reads of sources that serve this question are offered; a wish for anything else never becomes a call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pydantic import ValidationError

from bot.domain.question import Analysis, Question, Source
from bot.reasoning.claude_wire import Wanted
from bot.reasoning.planning import serves
from connectors.model import Effect, JsonObject, TimeWindow, Tool, ToolCall

_LONGEST_NAME = 64
_LONGEST_ARGUMENTS = 8_000
_FURTHEST_BACK = timedelta(days=8)
_LONGEST_WINDOW = timedelta(hours=25)
_INSTANT: JsonObject = {"type": ["string", "null"], "description": "ISO 8601 with a zone; null for the usual span"}


class Refused(NamedTuple):
    """A wish that does not become a call, and why in a sentence for the model."""

    wanted: Wanted
    reason: str


class Offer:
    """What may be asked for one question. The same question always gives the same offer, byte for byte."""

    def __init__(self, sources: Iterable[Source], analysis: Analysis, question: Question | None = None) -> None:
        self._analysis = analysis
        self._now = question.asked_at if question else analysis.window.end
        self._tools: dict[str, tuple[Tool, list[str]]] = {}
        for source in sorted(sources, key=lambda one: one.name):
            if source.name in analysis.relevant_sources and serves(source, analysis):
                self._add(source)

    def _add(self, source: Source) -> None:
        for tool in source.tools:
            if tool.effect is Effect.READ:
                name = re.sub(r"[^a-zA-Z0-9_-]", "_", f"{source.type}__{tool.name}")[:_LONGEST_NAME]
                self._tools.setdefault(name, (tool, []))[1].append(source.name)

    def definitions(self) -> list[JsonObject]:
        """Tool definitions for the API, sorted, the last one marked for the cache."""
        made: list[JsonObject] = [self._definition(name) for name in sorted(self._tools)]
        if made:
            made[-1] = {**made[-1], "cache_control": {"type": "ephemeral"}}
        return made

    def _definition(self, name: str) -> JsonObject:
        tool, sources = self._tools[name]
        schema: dict[str, Any] = tool.arguments.model_json_schema()
        shared = schema.pop("$defs", None)
        properties: JsonObject = {
            "source": {"type": "string", "enum": list(sources)},
            "arguments": _lean(schema),
            "start": _INSTANT,
            "end": _INSTANT,
            "why": {"type": "string", "description": "What the answer would settle, in a few words"},
        }
        whole: JsonObject = {
            "type": "object",
            "properties": properties,
            "required": ["source", "arguments"],
            "additionalProperties": False,
        }
        if shared:
            whole["$defs"] = _lean(shared)
        kinds = ", ".join(sorted(tool.returns))
        return {"name": name, "description": f"{tool.summary} Gives {kinds}.", "input_schema": whole}

    def calls(self, wanted: Sequence[Wanted], *, most: int) -> tuple[list[tuple[ToolCall, str]], list[Refused]]:
        """(call, why) for each usable wish, at most `most`, no wish twice; and the wishes that are none."""
        calls: dict[str, tuple[ToolCall, str]] = {}
        refused: list[Refused] = []
        for wish in wanted:
            made = self._call(wish)
            if isinstance(made, str):
                refused.append(Refused(wish, made))
            elif made.digest not in calls and len(calls) >= most:
                refused.append(Refused(wish, f"Only {most} reads at a time."))
            else:
                calls[made.digest] = (made, _why(wish))
        return list(calls.values()), refused

    def _call(self, wish: Wanted) -> ToolCall | str:
        known = self._tools.get(wish.name)
        if known is None:
            return "There is no such tool."
        tool, sources = known
        source, arguments = wish.arguments.get("source"), wish.arguments.get("arguments", {})
        if source not in sources:
            return f"`source` is one of: {', '.join(sources)}."
        if not isinstance(arguments, dict) or len(str(arguments)) > _LONGEST_ARGUMENTS:
            return "`arguments` is not a usable object."
        try:
            tool.arguments.model_validate(arguments)
        except (ValidationError, RecursionError):
            return "The arguments do not fit the tool's schema."
        window = self._window(wish.arguments.get("start"), wish.arguments.get("end"))
        if isinstance(window, str):
            return window
        return ToolCall(connector=str(source), tool=tool.name, arguments=arguments, window=window)

    def _window(self, start: object, end: object) -> TimeWindow | str:
        """The span asked for, or the investigation's; a sentence when it cannot be asked for."""
        usual = self._analysis.window
        if start is None and end is None:
            return usual
        begin = usual.start if start is None else _instant(start)
        finish = usual.end if end is None else _instant(end)
        if begin is None or finish is None or finish <= begin:
            return "`start` and `end` are ISO 8601 instants with a zone, start first."
        if finish - begin > _LONGEST_WINDOW or begin < self._now - _FURTHEST_BACK or finish > self._now:
            return "The span must lie in the past eight days and be no longer than a day."
        return TimeWindow(start=begin, end=finish)


def _instant(value: object) -> datetime | None:
    try:
        made = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return made if made is not None and made.tzinfo is not None else None


def _why(wish: Wanted) -> str:
    why = wish.arguments.get("why")
    text = " ".join(why.split()) if isinstance(why, str) else ""
    plain = "".join(c for c in text if c.isalnum() or c in " .,;:'()-_/%")
    return plain[:120] or "follow-up"


def _lean(value: Any) -> Any:
    """A schema without titles, which say nothing and cost tokens."""
    if isinstance(value, dict):
        return {key: _lean(item) for key, item in value.items() if not (key == "title" and isinstance(item, str))}
    return [_lean(item) for item in value] if isinstance(value, list) else value
