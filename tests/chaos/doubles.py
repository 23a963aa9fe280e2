"""A backend that writes down every call that reaches it, and the reasoner that asks it by the name of its case."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from bot.domain.question import Analysis, CaseFile, Catalogue, Plan, PlannedCall, Question, Setting
from bot.reasoning.rules import RulesReasoner
from bot.sources import SourceSpec
from connectors.base import Answer, Arguments, Ask, Connector, tool
from connectors.errors import ConnectorError
from connectors.model import (
    Clock,
    Column,
    EvidenceKind,
    Health,
    HealthStatus,
    Limits,
    Rows,
    SourceRef,
    SourceSchema,
    ToolCall,
)

CASE = re.compile(r"case-[0-9]{6}")


class CallLog:
    """A file that every process appends to. One write per line, so that a kill tears no line apart."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o644)

    def write(self, what: str, case: str, call: str) -> None:
        line = json.dumps({"at": time.time(), "pid": os.getpid(), "what": what, "case": case, "call": call})
        os.write(self._file, line.encode() + b"\n")


def read_calls(path: Path) -> list[dict[str, Any]]:
    """Every line of a call log, oldest first."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CaseArguments(Arguments):
    case: str = ""
    number: int = 0


@dataclass(frozen=True)
class Manner:
    """How the backend behaves: seconds a call takes (random between two), or silence for ever."""

    delay_s: tuple[float, float] = (0.0, 0.0)
    hang: bool = False
    log: CallLog | None = None
    point: Callable[[str], None] = lambda _: None
    """Told "call.before" and "call.after"; may end the process."""


class NotedConnector(Connector[_Config]):
    """One read."""

    type = "double"
    Config = _Config

    def __init__(self, *, name: str, manner: Manner, clock: Clock) -> None:
        super().__init__(name=name, config=_Config(), environment="production", clock=clock)
        self._manner = manner

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def probe(self) -> Health:
        return Health(status=HealthStatus.HEALTHY, latency_ms=0.0, detail="a double")

    async def describe(self) -> SourceSchema:
        return SourceSchema(entries=(), services=("checkout-api",))

    def translate(self, error: Exception) -> ConnectorError:
        return ConnectorError(str(error))

    @tool("Reads rows.", returns={EvidenceKind.ROWS})
    async def read_rows(self, arguments: CaseArguments, ask: Ask) -> Answer:
        manner, call = self._manner, f"{self.name}#{arguments.number}"
        manner.point("call.before")
        if manner.log:
            manner.log.write("start", arguments.case, call)
        if manner.hang:
            await asyncio.Event().wait()
        await asyncio.sleep(random.uniform(*manner.delay_s))
        if manner.log:
            manner.log.write("end", arguments.case, call)
        manner.point("call.after")
        columns = (Column(name="id", type="int"), Column(name="text", type="text"))
        rows = Rows(columns=columns, rows=((arguments.number, f"a row of {call}"),))
        return Answer(rows, SourceRef(query=f"read {call} of {arguments.case}", language="double"))


@dataclass(frozen=True)
class NotedSpec(SourceSpec):
    """A configured source whose backend is a NotedConnector."""

    manner: Manner = Manner()

    def build(self, clock: Clock) -> Connector[Any]:
        return NotedConnector(name=self.name, manner=self.manner, clock=clock)


def specs(count: int, manner: Manner, *, deadline_s: float) -> tuple[NotedSpec, ...]:
    """So many sources, named double/0, double/1, …"""
    limits = Limits(deadline_s=deadline_s)
    return tuple(
        NotedSpec(
            name=f"double/{n}", type="double", config=_Config(), environment="production", squad=None, services=(),
            limits=limits, manner=manner,
        )
        for n in range(count)
    )  # fmt: skip


class CaseReasoner(RulesReasoner):
    """Rules, with one read of every source that says which case it is for."""

    async def analyze(self, question: Question, setting: Setting) -> Analysis:
        analysis = await super().analyze(question, setting)
        found = CASE.search(question.text)
        return analysis.model_copy(update={"keywords": (found.group() if found else "case-none",)})

    async def plan(self, analysis: Analysis, catalogue: Catalogue) -> Plan:
        calls = [
            ToolCall(
                connector=source.name,
                tool="read_rows",
                arguments={"case": analysis.keywords[0], "number": 0},
                window=analysis.window,
            )
            for source in catalogue.sources
        ]
        return Plan(calls=tuple(PlannedCall(call=call, why="chaos") for call in calls))

    async def follow_up(self, case: CaseFile) -> Sequence[ToolCall]:
        return ()
