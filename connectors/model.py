"""The pure data of the connector contract: what can be asked, and what comes back."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any, Literal, Protocol, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

JsonObject: TypeAlias = dict[str, JsonValue]


class Frozen(BaseModel):
    """A value: equal by content, never edited, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null", defer_build=True)


class Clock(Protocol):
    """Where time comes from, so that tests and replay can set it."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's own clock, in UTC."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class Effect(StrEnum):
    """Whether a tool only looks, or changes the world."""

    READ = "read"
    WRITE = "write"


class EvidenceKind(StrEnum):
    """The seven shapes in which a backend's answer is kept."""

    ROWS = "rows"
    SERIES = "series"
    LOGS = "logs"
    OBJECTS = "objects"
    CHANGES = "changes"
    TRACES = "traces"
    TEXT = "text"


class TimeWindow(Frozen):
    """A half-open span of time, [start, end), aware and kept in UTC."""

    start: AwareDatetime
    end: AwareDatetime

    @field_validator("start", "end")
    @classmethod
    def _utc(cls, value: datetime) -> datetime:
        return value.astimezone(UTC)

    @model_validator(mode="after")
    def _ordered(self) -> TimeWindow:
        if self.end <= self.start:
            raise ValueError("a window must end after it starts")
        return self

    @property
    def duration(self) -> timedelta:
        return self.end - self.start

    def before(self, length: timedelta | None = None) -> TimeWindow:
        """The window just before this one, as long as this one unless told."""
        return TimeWindow(start=self.start - (length or self.duration), end=self.start)


class Tool(Frozen):
    """One thing a connector can do."""

    name: str
    summary: str
    arguments: type[BaseModel]
    effect: Effect
    returns: frozenset[EvidenceKind]


class ToolCall(Frozen):
    """A wish: which connector instance, which tool, which arguments, over which window."""

    connector: str
    tool: str
    arguments: JsonObject = Field(default_factory=dict)
    window: TimeWindow | None = None

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the call's canonical JSON: the same wish always has the same digest."""
        return canonical_digest(self.model_dump(mode="json"))


def canonical_json(value: JsonValue | Mapping[str, Any]) -> str:
    """JSON with sorted keys, no spaces and no NaN, so that equal values have equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_digest(value: JsonValue | Mapping[str, Any]) -> str:
    """SHA-256 (hex) of the canonical JSON of a value."""
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()


class Limits(Frozen):
    """What one call may cost at the most. Set by configuration; no argument of a tool can raise it."""

    deadline_s: float = Field(default=10.0, gt=0)
    max_rows: int = Field(default=1_000, gt=0)
    max_bytes: int = Field(default=4_000_000, gt=0)
    max_points: int = Field(default=20_000, gt=0)
    max_cost_usd: float = Field(default=0.10, ge=0)


class SourceRef(Frozen):
    """Where an answer came from: the query as sent, its language, and a link a person can open."""

    query: str
    language: str
    url: str | None = None
    window: TimeWindow | None = None


class CallStats(Frozen):
    """What a call cost."""

    duration_ms: float = 0.0
    rows: int = 0
    bytes: int = 0
    scanned_bytes: int | None = None
    cost_usd: float = 0.0
    api_calls: int = 1


class Column(Frozen):
    name: str
    type: str = ""
    unit: str | None = None


class Rows(Frozen):
    """A table. Cells are JSON values; decimals and 64-bit integers beyond 2^53 are text."""

    kind: Literal["rows"] = "rows"
    columns: tuple[Column, ...]
    rows: tuple[tuple[JsonValue, ...], ...]


class Series(Frozen):
    """One time series: points ascend in time; a gap is None, never zero."""

    labels: dict[str, str] = Field(default_factory=dict)
    service: str | None = None
    metric: str
    unit: str | None = None
    step_s: float = Field(gt=0)
    points: tuple[tuple[AwareDatetime, float | None], ...]

    @field_validator("points")
    @classmethod
    def _finite_and_ascending(
        cls, value: tuple[tuple[datetime, float | None], ...]
    ) -> tuple[tuple[datetime, float | None], ...]:
        if any(later[0] <= earlier[0] for earlier, later in pairwise(value)):
            raise ValueError("points must ascend in time, without duplicates")
        return tuple((at, v if v is not None and math.isfinite(v) else None) for at, v in value)


class SeriesSet(Frozen):
    kind: Literal["series"] = "series"
    series: tuple[Series, ...]


class LogGroup(Frozen):
    """Lines that share a template. `count` is in the window, `baseline_count` in the span of equal length before it."""

    template: str
    service: str | None = None
    level: str | None = None
    count: int = Field(ge=0)
    baseline_count: int | None = Field(default=None, ge=0)
    first: AwareDatetime | None = None
    last: AwareDatetime | None = None
    examples: tuple[str, ...] = Field(default=(), max_length=3)


class Logs(Frozen):
    """`total` counts all matching lines, also those of groups that were cut."""

    kind: Literal["logs"] = "logs"
    groups: tuple[LogGroup, ...]
    total: int = Field(ge=0)


class Item(Frozen):
    """One typed thing of a backend: a pod, a lock, an alert, a ticket. `api_kind` says which fields to expect."""

    api_kind: str
    name: str
    namespace: str | None = None
    uid: str | None = None
    fields: JsonObject = Field(default_factory=dict)


class Objects(Frozen):
    kind: Literal["objects"] = "objects"
    items: tuple[Item, ...]


ChangeKind: TypeAlias = Literal["deployment", "config", "scale", "flag", "restart", "other"]


class Change(Frozen):
    at: AwareDatetime
    service: str
    what: str
    change: ChangeKind
    version: str | None = None
    by: str | None = None
    url: str | None = None


class Changes(Frozen):
    kind: Literal["changes"] = "changes"
    items: tuple[Change, ...]


class Edge(Frozen):
    """Calls from one service to another. `gap_ms`: the caller's time beyond the callee's (network, queueing)."""

    caller: str
    callee: str
    count: int = Field(ge=0)
    errors: int = Field(default=0, ge=0)
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    gap_ms: float | None = None


class Trace(Frozen):
    trace_id: str
    root: str
    duration_ms: float
    errors: int = 0


class Traces(Frozen):
    kind: Literal["traces"] = "traces"
    edges: tuple[Edge, ...]
    slowest: tuple[Trace, ...] = ()


class Text(Frozen):
    """Plain text, for the rare answer that has no better shape."""

    kind: Literal["text"] = "text"
    text: str


Payload: TypeAlias = Annotated[Rows | SeriesSet | Logs | Objects | Changes | Traces | Text, Field(discriminator="kind")]


class ToolResult(Frozen):
    """What came back. `truncated` says in words what was cut; None means nothing was."""

    payload: Payload
    source: SourceRef
    truncated: str | None = None
    stats: CallStats = CallStats()

    @property
    def is_empty(self) -> bool:
        """True when the backend answered and had nothing: an answer, not a failure."""
        return payload_size(self.payload) == 0


def payload_size(payload: Payload) -> int:
    """How many rows, series with points, groups, items, edges or characters a payload holds."""
    match payload:
        case Rows():
            return len(payload.rows)
        case SeriesSet():
            return sum(1 for s in payload.series if any(v is not None for _, v in s.points))
        case Logs():
            return len(payload.groups)
        case Objects() | Changes():
            return len(payload.items)
        case Traces():
            return len(payload.edges) + len(payload.slowest)
        case Text():
            return len(payload.text.strip())


class HealthStatus(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class Health(Frozen):
    """`writable`: True when the account could change data (it should not), None when that cannot be known."""

    status: HealthStatus
    latency_ms: float
    detail: str
    writable: bool | None = None
    version: str | None = None


class SchemaEntry(Frozen):
    """One table, index, metric or namespace; `fields` maps a column or label to its type."""

    name: str
    kind: str
    description: str | None = None
    fields: dict[str, str] = Field(default_factory=dict)


class SourceSchema(Frozen):
    entries: tuple[SchemaEntry, ...]
    services: tuple[str, ...] = ()
    truncated: str | None = None


class Preview(Frozen):
    """What a write would do, before anyone approves it: the target as it is now, and the difference."""

    target: str
    target_uid: str | None = None
    target_version: str | None = None
    diff: str
    warnings: tuple[str, ...] = ()
