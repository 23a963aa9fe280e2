"""What templates read and write: the shape of a source, and a query or the reason why there is none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from connectors.model import TimeWindow


class Kind(StrEnum):
    """What a column holds, as far as questions care."""

    NUMBER = "number"
    TEXT = "text"
    TIME = "time"
    DATE = "date"
    BOOL = "bool"
    OTHER = "other"


TIMES = (Kind.TIME, Kind.DATE)
_KINDS = (
    (Kind.BOOL, re.compile(r"^bool")),
    (Kind.OTHER, re.compile(r"json|array|bytea|blob|uuid\[|struct|map\(|\[\]$|^interval")),
    (Kind.TIME, re.compile(r"timestamp|datetime|^time with|^timetz")),
    (Kind.DATE, re.compile(r"^date")),
    (Kind.NUMBER, re.compile(r"int|numeric|decimal|number|real|double|float|money|serial")),
    (Kind.TEXT, re.compile(r"char|text|string|enum|uuid|clob|name|citext|inet")),
)


def kind_of(declared: str) -> Kind:
    """The kind of a declared type of any dialect; wrappers such as Nullable(...) are looked through."""
    plain = re.sub(r"^(?:nullable|lowcardinality)\((.*)\)$", r"\1", declared.strip().lower())
    plain = re.sub(r"^(?:nullable)\((.*)\)$", r"\1", plain)
    return next((kind for kind, pattern in _KINDS if pattern.search(plain)), Kind.OTHER)


@dataclass(frozen=True)
class Column:
    """`values` are the known values of a column with few; empty when they are not known."""

    name: str
    type: str
    references: tuple[str, str] | None = None
    primary: bool = False
    values: tuple[str, ...] = ()
    comment: str = ""

    @property
    def kind(self) -> Kind:
        return kind_of(self.type)

    @property
    def comparable(self) -> bool:
        """Whether a bound on its number makes sense."""
        return self.kind is Kind.NUMBER and not self.references


@dataclass(frozen=True)
class Table:
    """`name` may be qualified with its schema; `bare` is the last part."""

    name: str
    columns: tuple[Column, ...]
    comment: str = ""

    @property
    def bare(self) -> str:
        return self.name.rpartition(".")[2]

    def column(self, name: str) -> Column | None:
        return next((c for c in self.columns if c.name == name), None)

    @property
    def key(self) -> Column | None:
        """The single primary key, declared or by custom (`id`)."""
        declared = [c for c in self.columns if c.primary]
        if len(declared) == 1:
            return declared[0]
        return None if declared else self.column("id")


@dataclass(frozen=True)
class Metric:
    """One metric family; `labels` maps each label to its known values."""

    name: str
    type: str = ""
    help: str = ""
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unit: str = ""


@dataclass(frozen=True)
class Index:
    """One log index or pattern; `fields` maps a field to its type, `values` to known values."""

    name: str
    fields: Mapping[str, str]
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Holding:
    """What one source holds. `language` is sql, promql or search; `dialect` is a guard dialect."""

    language: str
    dialect: str
    tables: tuple[Table, ...] = ()
    metrics: tuple[Metric, ...] = ()
    indices: tuple[Index, ...] = ()
    services: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """A question with when and where it was asked."""

    text: str
    now: datetime
    time_zone: str = "UTC"


@dataclass(frozen=True)
class Written:
    """A query ready for the guard. `used` names the tables, columns or metrics that it reads.

    `window` is the time asked about; `over_time` says that the answer is a line over that window.
    """

    query: str
    language: str
    explanation: str
    used: tuple[str, ...] = ()
    window: TimeWindow | None = None
    over_time: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cannot:
    """Why there is no query, in a sentence, and what might have been meant."""

    reason: str
    suggestions: tuple[str, ...] = ()


class CannotAnswer(Exception):
    """Raised inside templates and turned into `Cannot` at their border."""

    def __init__(self, reason: str, *suggestions: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.suggestions = suggestions
