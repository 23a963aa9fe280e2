"""Evidence that is no time series as a table: native where it is shown, fixed-width text where it is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import JsonValue

from bot.slack.blocks.elements import preformatted
from bot.slack.blocks.limits import Block
from bot.slack.blocks.text import CUT_HERE, clip, one_line, units
from connectors.model import (
    Change,
    Changes,
    Edge,
    Item,
    LogGroup,
    Logs,
    Objects,
    Payload,
    Rows,
    SeriesSet,
    Text,
    Trace,
    Traces,
)

MAX_COLUMNS = 8
MAX_ROWS = 30
CELL = 120
BUDGET = 3_600
PLAIN_ROWS = 12
PLAIN_CELL = 44


@dataclass(frozen=True)
class Grid:
    """Header and rows as text; `left_out` says in words what is not in it."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: str = ""


def grid_of(payload: Payload) -> Grid | None:
    """The payload as a table; None for series, text and everything empty."""
    match payload:
        case Rows():
            return _grid([c.name for c in payload.columns], payload.rows, "rows")
        case Logs():
            ranked = sorted(payload.groups, key=_rise, reverse=True)
            return _grid(["count", "before", "first", "level", "message"], [_log(g) for g in ranked], "templates")
        case Objects():
            return _objects(payload)
        case Changes():
            return _grid(
                ["at (UTC)", "service", "what", "version", "by"], [_change(c) for c in payload.items], "changes"
            )
        case Traces():
            return _traces(payload)
        case SeriesSet() | Text():
            return None


def _grid(
    head: Sequence[str], rows: Sequence[Sequence[JsonValue]], noun: str, *, columns: int | None = None
) -> Grid | None:
    """`columns`: how many there are, when `head` has been chosen from more."""
    if not rows or not head:
        return None
    kept: list[tuple[str, ...]] = []
    used = 0
    for row in rows[:MAX_ROWS]:
        cells = tuple(_cell(v) for v in row[:MAX_COLUMNS])
        used += sum(map(units, cells))
        if kept and used > BUDGET:
            break
        kept.append(cells)
    said = [f"{len(kept)} of {len(rows)} {noun}"] if len(kept) < len(rows) else []
    columns = columns or len(head)
    said += [f"{MAX_COLUMNS} of {columns} columns"] if columns > MAX_COLUMNS else []
    shown = f"shown: {' and '.join(said)}; Show query has the way to the rest" if said else ""
    return Grid(tuple(_cell(h) for h in head[:MAX_COLUMNS]), tuple(kept), shown)


def _cell(value: JsonValue) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        value = f"{value:.6g}"
    text = str(value)
    # Only the beginning of a long one is looked at: what is behind it may be all that is not white space.
    cut = CUT_HERE if len(text) > CELL * 4 else ""
    return clip(one_line(text[: CELL * 4]) + cut, CELL) or "–"


def _rise(group: LogGroup) -> int:
    return group.count - (group.baseline_count or 0)


def _log(group: LogGroup) -> list[JsonValue]:
    first = f"{group.first.astimezone(UTC):%H:%M:%S}" if group.first else None
    return [group.count, group.baseline_count, first, group.level, group.template]


def _change(change: Change) -> list[JsonValue]:
    return [
        f"{_utc(change.at):%d %b %H:%M}",
        change.service,
        f"{change.change}: {change.what}",
        change.version,
        change.by,
    ]


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)


def _objects(payload: Objects) -> Grid | None:
    keys: dict[str, int] = {}
    for item in payload.items:
        for key, value in item.fields.items():
            if value not in (None, "", [], {}) and not _is_nested(value):
                keys[key] = keys.get(key, 0) + 1
    common = sorted(keys, key=lambda k: (-keys[k], list(keys).index(k)))[: MAX_COLUMNS - 2]
    wide = 2 + len(keys)
    return _grid(["kind", "name", *common], [_item(i, common) for i in payload.items], "objects", columns=wide)


def _item(item: Item, keys: Sequence[str]) -> list[JsonValue]:
    known: list[JsonValue] = [item.api_kind, item.name]
    return known + [_flat(item.fields.get(key)) for key in keys]


def _is_nested(value: JsonValue) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(v, dict | list) for v in value))


def _flat(value: JsonValue) -> JsonValue:
    if isinstance(value, list):
        return ", ".join(str(v) for v in value[:5]) + (f" and {len(value) - 5} more" if len(value) > 5 else "")
    return value


def _traces(payload: Traces) -> Grid | None:
    if payload.edges:
        head = ["caller", "callee", "calls", "errors", "p95 ms", "p99 ms", "gap ms"]
        return _grid(head, [_edge(e) for e in payload.edges], "edges")
    return _grid(["trace", "root", "ms", "errors"], [_slow(t) for t in payload.slowest], "traces")


def _edge(edge: Edge) -> list[JsonValue]:
    return [edge.caller, edge.callee, edge.count, edge.errors, edge.p95_ms, edge.p99_ms, edge.gap_ms]


def _slow(trace: Trace) -> list[JsonValue]:
    return [trace.trace_id, trace.root, trace.duration_ms, trace.errors]


def native(grid: Grid, caption: str) -> Block:
    """A `data_table`."""
    lines = [[{"type": "raw_text", "text": cell} for cell in row] for row in (grid.head, *grid.rows)]
    table: Block = {"type": "data_table", "caption": clip(one_line(caption), 200) or "Table", "rows": lines}
    return table | {"page_size": min(10, max(1, len(grid.rows)))}


def fixed_width(grid: Grid) -> Block:
    """The same as aligned text."""
    rows = [[clip(c, PLAIN_CELL, note="…") for c in row] for row in (grid.head, *grid.rows[:PLAIN_ROWS])]
    widths = [max(len(r[n]) for r in rows) for n in range(len(grid.head))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows]
    hidden = len(grid.rows) - PLAIN_ROWS
    if hidden > 0:
        lines.append(f"… and {hidden} more lines")
    return preformatted("\n".join(lines))
