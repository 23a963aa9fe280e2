"""A thing with a level, a mark and a version: the smallest target that keeps the contract of writes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from connectors._writes import OutcomeArguments, WriteArguments, outcome_item
from connectors.base import Answer, Arguments, Ask, Connector, tool
from connectors.errors import ConnectorError, NotFound, Rejected, Unavailable
from connectors.model import (
    Effect,
    EvidenceKind,
    Health,
    HealthStatus,
    Item,
    Objects,
    Preview,
    Series,
    SeriesSet,
    SourceRef,
    SourceSchema,
    SystemClock,
    ToolCall,
)


@dataclass
class Switch:
    """The target. `applied` lists every write that took effect, by proposal; it is never cleared."""

    level: int = 1
    version: int = 1
    uid: str = "uid-1"
    mark: str = ""
    applied: list[str] = field(default_factory=list)
    sent: int = 0
    answer: str = "yes"  # yes | late (applies, then no answer) | lost (no answer, not applied) | no
    readable: bool = True
    pause_s: float = 0.0
    gone: str = ""  # from when it is deleted: preview | sending


class SwitchConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SetArguments(WriteArguments):
    level: int


class LevelArguments(Arguments):
    """None."""


class SwitchConnector(Connector[SwitchConfig]):
    """Writes and reads one switch."""

    type = "switch"
    Config = SwitchConfig

    def __init__(self, switch: Switch) -> None:
        super().__init__(name="switch/main", config=SwitchConfig(), environment="production", clock=SystemClock())
        self.switch = switch

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def probe(self) -> Health:
        return Health(status=HealthStatus.HEALTHY, latency_ms=0.0, detail="a switch")

    async def describe(self) -> SourceSchema:
        return SourceSchema(entries=())

    def translate(self, error: Exception) -> ConnectorError:
        return ConnectorError(str(error))

    async def preview(self, call: ToolCall) -> Preview:
        one = self.switch
        if one.gone == "preview":
            raise NotFound("There is no such switch any more.")
        return Preview(
            target="switch", target_uid=one.uid, target_version=str(one.version),
            diff=f"level: {one.level} → {call.arguments['level']}",
        )  # fmt: skip

    @tool("Sets the level.", returns=[EvidenceKind.OBJECTS], effect=Effect.WRITE)
    async def set_level(self, arguments: SetArguments, ask: Ask) -> Answer:
        one = self.switch
        one.sent += 1
        await asyncio.sleep(one.pause_s)
        if one.gone:
            raise NotFound("There is no such switch any more.")
        if one.answer == "no" or arguments.version != str(one.version):
            raise Rejected("The switch was changed meanwhile.")
        if one.answer != "lost":
            one.level, one.version, one.mark = arguments.level, one.version + 1, arguments.proposal
            one.applied.append(arguments.proposal)
        if one.answer != "yes":
            raise Unavailable("The connection broke.")
        return _answer(outcome_item("switch", applied=True, settled=True, text="set"))

    @tool("Whether a write took effect.", returns=[EvidenceKind.OBJECTS])
    async def read_outcome(self, arguments: OutcomeArguments, ask: Ask) -> Answer:
        if not self.switch.readable:
            raise Unavailable("The connection broke.")
        applied = self.switch.mark == arguments.arguments["proposal"]
        return _answer(outcome_item("switch", applied=applied, settled=True, text=f"the mark says {applied}"))

    @tool("The level.", returns=[EvidenceKind.SERIES])
    async def read_level(self, arguments: LevelArguments, ask: Ask) -> Answer:
        points = ((self.clock.now(), float(self.switch.level)),)
        series = SeriesSet(series=(Series(service="switch", metric="level", step_s=1.0, points=points),))
        return Answer(series, SourceRef(query="level", language="switch"))


def _answer(item: Item) -> Answer:
    return Answer(Objects(items=(item,)), SourceRef(query="switch", language="switch"))
