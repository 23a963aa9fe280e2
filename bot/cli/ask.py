"""`inquest ask`: one question to one source, in the terminal."""

from __future__ import annotations

import json

from bot.cli.show import plain
from bot.cli.terminal import whoever_typed, working
from bot.services.ask import Answered
from bot.settings import Settings
from connectors.model import Rows, SeriesSet

EXIT_CANNOT = 3
_MOST_ROWS = 40
_CELL = 40


async def ask(
    settings: Settings, question: str, *, source: str | None, dry_run: bool, as_json: bool, demo: str | None, seed: int
) -> int:
    """Answer one question; returns the exit status: 0 with an answer, 3 without."""
    async with working(settings, demo=demo, seed=seed) as app:
        answered = await app.ask.ask(question, by=whoever_typed(), source=source, dry_run=dry_run)
    print(
        json.dumps(answered.model_dump(mode="json"), ensure_ascii=False, indent=2)
        if as_json
        else "\n".join(lines(answered))
    )
    return EXIT_CANNOT if answered.cannot else 0


def lines(answered: Answered) -> list[str]:
    """The answer as text."""
    found = [f"{answered.source}: {answered.query}", answered.explanation] if answered.query else []
    if answered.price:
        found.append(f"Expected: {answered.price}.")
    if answered.cannot:
        found.append(f"Cannot answer: {answered.cannot}")
        found += [f"  did you mean: {hint}" for hint in answered.suggestions]
        return [plain(line) for line in found]
    if answered.dry_run:
        return [plain(line) for line in [*found, "Dry run: nothing was asked."]]
    cached = ", from the cache" if answered.cached else ""
    found += ["", *table(answered), "", f"{answered.duration_ms:.0f} ms, ${answered.cost_usd:.4f}{cached}"]
    return [plain(line) for line in found]


def table(answered: Answered) -> list[str]:
    """Rows in columns; a series is its last value."""
    payload = answered.payload
    if isinstance(payload, Rows):
        rows = [
            [_cell(c.name) for c in payload.columns],
            *([_cell(v) for v in row] for row in payload.rows[:_MOST_ROWS]),
        ]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows[0] else []
        shown = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        more = len(payload.rows) - _MOST_ROWS
        return shown + ([f"… and {more:,} more rows"] if more > 0 else [])
    if isinstance(payload, SeriesSet):
        return [f"{json.dumps(s.labels)}  {s.points[-1][1] if s.points else None}" for s in payload.series[:_MOST_ROWS]]
    return ["No rows."]


def _cell(value: object) -> str:
    text = "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _CELL else text[: _CELL - 1] + "…"
