"""What SQL connectors share: arguments, cells as faithful JSON, and tables built under the caps."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import Field, JsonValue

from connectors.base import Arguments
from connectors.model import Column, Limits, Rows

SAFE_INTEGER = 2**53
MAX_CELL_CHARS = 65_536
_MAX_DEPTH = 24


class WordsArguments(Arguments):
    """For a search of names."""

    words: str | tuple[str, ...] = Field(default=(), description="Words in names; empty: everything.")

    @property
    def small(self) -> list[str]:
        """At most twenty words, in small letters, of at most 64 characters."""
        given = self.words if isinstance(self.words, str) else " ".join(self.words)
        return [word[:64] for word in re.split(r"[^\w]+", given.lower().replace("\x00", " ")) if word][:20]


class ActivityArguments(Arguments):
    """For a list of what runs."""

    min_seconds: float = Field(default=0.0, ge=0, allow_inf_nan=False, description="Only what has run this long.")


def json_cell(value: Any, depth: int = 0) -> JsonValue:
    """The value as JSON without loss: what JSON cannot hold (decimals, large integers, NaN, binary) becomes text."""
    match value:
        case None | bool():
            return value
        case str():
            return value.replace("\x00", "\\0")
        case int():
            return int(value) if abs(value) <= SAFE_INTEGER else str(value)
        case float():
            return value if math.isfinite(value) else _not_finite(value)
        case Decimal():
            return format(value, "f") if value.is_finite() and abs(value.adjusted()) < 400 else str(value)
        case bytes() | bytearray() | memoryview():
            return binary_cell(bytes(value))
        case datetime() | date() | time():
            return _moment(value)
        case timedelta():
            return interval_text(0, value.days, value.seconds * 1_000_000 + value.microseconds)
        case UUID():
            return str(value)
        case _:
            return _nested(value, depth)


def _nested(value: Any, depth: int) -> JsonValue:
    if depth >= _MAX_DEPTH:
        return str(value)
    if isinstance(value, Mapping) or hasattr(value, "items"):
        return {str(key): json_cell(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and not hasattr(value, "_fields"):
        return [json_cell(item, depth + 1) for item in value]
    return str(value)


def _not_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _moment(value: datetime | date | time) -> str:
    """ISO 8601; drivers give the largest and smallest moment for infinity."""
    if isinstance(value, datetime | date):
        kind = type(value)
        bare = value.replace(tzinfo=None) if isinstance(value, datetime) else value
        if bare == kind.max:
            return "infinity"
        if bare == kind.min:
            return "-infinity"
    return value.isoformat()


def interval_text(months: int, days: int, microseconds: int) -> str:
    """ISO 8601 duration; months, days and time stay apart, as none converts into another without a calendar."""
    years, months = int(months / 12), months - 12 * int(months / 12)
    parts = [f"{n}{sign}" for n, sign in ((years, "Y"), (months, "M"), (days, "D")) if n]
    negative, rest = microseconds < 0, abs(microseconds)
    minutes, micros = divmod(rest, 60_000_000)
    hours, minutes = divmod(minutes, 60)
    sign = "-" if negative else ""
    seconds = f"{micros // 1_000_000}.{micros % 1_000_000:06d}".rstrip("0").rstrip(".")
    clock = [f"{sign}{n}{unit}" for n, unit in ((hours, "H"), (minutes, "M")) if n]
    if micros:
        clock.append(f"{sign}{seconds}S")
    return "P" + "".join(parts) + ("T" + "".join(clock) if clock else "") if parts or clock else "PT0S"


def binary_cell(value: bytes, most: int = 1_024) -> str:
    """Hexadecimal with PostgreSQL's prefix; long values are cut and say their length."""
    if len(value) <= most:
        return "\\x" + value.hex()
    return f"\\x{value[:most].hex()}… ({len(value):,} bytes)"


class TableBuilder:
    """Collects rows until a cap is reached; `truncated` then says which."""

    def __init__(self, columns: Sequence[Column], limits: Limits) -> None:
        self._columns = tuple(columns)
        self._limits = limits
        self._rows: list[tuple[JsonValue, ...]] = []
        self._bytes = 0
        self._cut_cells = 0
        self._note: str | None = None

    @property
    def full(self) -> bool:
        return self._note is not None

    @property
    def bytes(self) -> int:
        return self._bytes

    @property
    def truncated(self) -> str | None:
        cells = f"{self._cut_cells:,} cells cut at {MAX_CELL_CHARS:,} characters" if self._cut_cells else None
        return "; ".join(note for note in (self._note, cells) if note) or None

    def add(self, record: Iterable[Any]) -> bool:
        """Keep a row; False once a cap is reached."""
        if self.full:
            return False
        if len(self._rows) >= self._limits.max_rows:
            self._note = f"first {self._limits.max_rows:,} rows"
            return False
        row = tuple(self._cell(value) for value in record)
        size = sum(_size(cell) for cell in row)
        if self._bytes + size > self._limits.max_bytes:
            self._note = f"first {len(self._rows):,} rows (byte cap {self._limits.max_bytes:,})"
            return False
        self._bytes += size
        self._rows.append(row)
        return True

    def payload(self) -> Rows:
        return Rows(columns=self._columns, rows=tuple(self._rows))

    def _cell(self, value: Any) -> JsonValue:
        cell = json_cell(value)
        if isinstance(cell, str) and len(cell) > MAX_CELL_CHARS:
            self._cut_cells += 1
            return cell[:MAX_CELL_CHARS]
        return cell


def _size(cell: JsonValue) -> int:
    if isinstance(cell, str):
        return len(cell)
    if isinstance(cell, list):
        return 2 + sum(_size(item) for item in cell)
    if isinstance(cell, dict):
        return 2 + sum(len(key) + _size(item) for key, item in cell.items())
    return 8
