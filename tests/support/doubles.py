"""A connector with a programmable backend: waits, fails, hangs or answers as told. It passes through the real gate."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict

from connectors.base import Answer, Arguments, Ask, Connector, tool
from connectors.errors import ConnectorError
from connectors.model import (
    Clock,
    Column,
    Effect,
    EvidenceKind,
    Health,
    HealthStatus,
    Payload,
    Rows,
    SourceRef,
    SourceSchema,
    SystemClock,
)


@dataclass
class Behaviour:
    """What the backend does. `calls` counts what reached it; `cancelled` what was cut short."""

    delay_s: float = 0.0
    hang: bool = False
    errors: list[ConnectorError] = field(default_factory=list)
    rows: int = 1
    calls: int = 0
    finished: int = 0
    cancelled: int = 0
    written: int = 0
    payload: Payload | None = None
    """What a read answers instead of made-up rows."""


class DoubleConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ReadArguments(Arguments):
    number: int = 0


class DoubleConnector(Connector[DoubleConfig]):
    """One read and one write."""

    type = "double"
    Config = DoubleConfig

    def __init__(self, *, name: str, behaviour: Behaviour, clock: Clock | None = None) -> None:
        super().__init__(name=name, config=DoubleConfig(), environment="production", clock=clock or SystemClock())
        self.behaviour = behaviour
        self.opened = self.closed = 0

    async def open(self) -> None:
        self.opened += 1

    async def close(self) -> None:
        self.closed += 1

    async def probe(self) -> Health:
        return Health(status=HealthStatus.HEALTHY, latency_ms=0.0, detail="a double")

    async def describe(self) -> SourceSchema:
        return SourceSchema(entries=(), services=("checkout-api",))

    def translate(self, error: Exception) -> ConnectorError:
        return ConnectorError(str(error))

    @tool("Reads rows.", returns={EvidenceKind.ROWS})
    async def read_rows(self, arguments: ReadArguments, ask: Ask) -> Answer:
        behaviour = self.behaviour
        behaviour.calls += 1
        try:
            if behaviour.hang:
                await asyncio.Event().wait()
            await asyncio.sleep(behaviour.delay_s)
        except asyncio.CancelledError:
            behaviour.cancelled += 1
            raise
        if behaviour.errors:
            raise behaviour.errors.pop(0)
        behaviour.finished += 1
        rows = tuple((index, f"row {index} of {arguments.number}") for index in range(behaviour.rows))
        columns = (Column(name="id", type="int"), Column(name="text", type="text"))
        if behaviour.payload is not None:
            return Answer(behaviour.payload, SourceRef(query=f"read {arguments.number}", language="double"))
        return Answer(Rows(columns=columns, rows=rows), SourceRef(query=f"read {arguments.number}", language="double"))

    @tool("Changes something.", returns={EvidenceKind.ROWS}, effect=Effect.WRITE)
    async def write_rows(self, arguments: ReadArguments, ask: Ask) -> Answer:
        self.behaviour.written += 1
        return Answer(Rows(columns=(), rows=()), SourceRef(query="write", language="double"))
