"""The sources on the card: a native `plan` where the workspace shows it, plain lines where it does not."""

from __future__ import annotations

from bot.domain.investigation import Investigation
from bot.slack.blocks.elements import button, context, link, rich, seconds, section
from bot.slack.blocks.limits import Block
from bot.slack.blocks.rows import RowState, Scene, SourceRow, source_rows
from bot.slack.blocks.text import CUT, clip, escape_line, one_line
from bot.slack.blocks.words import source_name

MAX_ROWS = 24
MAX_TASK_TEXT = 180
STATUS = {
    RowState.WAITING: "pending",
    RowState.RUNNING: "in_progress",
    RowState.DONE: "complete",
    RowState.FAILED: "error",
    RowState.SKIPPED: "error",
}
MARKS = {
    RowState.WAITING: "○",
    RowState.RUNNING: "◐",
    RowState.DONE: "✔",
    RowState.FAILED: "⚠",
    RowState.SKIPPED: "⚠",
}


def plan_blocks(investigation: Investigation, scene: Scene) -> list[Block]:
    """One row per source: state in words and sign, time, headline, link."""
    rows = source_rows(investigation)
    if not rows:
        return []
    shown, rest = rows[:MAX_ROWS], rows[MAX_ROWS:]
    left = [context(f"and {len(rest)} more sources: {_tally(rest)}")] if rest else []
    if "plan" in scene.refused or "task_card" in scene.refused:
        return [*(_line(row, scene, room=_room(len(shown))) for row in shown), *left]
    block: Block = {"type": "plan", "title": _title(rows)}
    block["tasks"] = [_task(row, scene, room=_room(len(shown))) for row in shown]
    return [block, *left]


def _room(rows: int) -> int:
    """Characters of headline a row may use, so that all rows together leave room for the conclusion."""
    return max(60, min(220, 3_000 // max(1, rows)))


def _title(rows: list[SourceRow]) -> str:
    ended = sum(1 for r in rows if r.state not in (RowState.WAITING, RowState.RUNNING))
    return f"{len(rows)} sources, {ended} finished" if ended < len(rows) else f"{len(rows)} sources: {_tally(rows)}"


def _tally(rows: list[SourceRow]) -> str:
    done = sum(1 for r in rows if r.state is RowState.DONE)
    failed = sum(1 for r in rows if r.state is RowState.FAILED)
    skipped = sum(1 for r in rows if r.state is RowState.SKIPPED)
    parts = [(done, "answered"), (failed, "failed"), (skipped, "not asked")]
    words = [f"{count} {word}" for count, word in parts if count]
    return ", ".join(words) or "waiting"


def _task(row: SourceRow, scene: Scene, *, room: int) -> Block:
    took = f" · {seconds(row.duration_ms)}" if row.duration_ms is not None else ""
    title = clip(f"{one_line(source_name(row.connector))}{took} · {row.words}", MAX_TASK_TEXT)
    task: Block = {"type": "task_card", "task_id": clip(row.connector, 200), "title": title}
    task["status"] = STATUS[row.state]
    if row.headline:
        task["output" if row.state is RowState.DONE else "details"] = rich(row.headline, room)
    links = _links(row, scene)
    if links:
        task["sources"] = [{"type": "url", "text": text, "url": url} for text, url in links]
    return task


def _links(row: SourceRow, scene: Scene) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for record in row.records:
        url = scene.url(record.evidence_id)
        if url and url not in found.values() and len(url) <= 600:
            number = f" {len(found) + 1}" if found else ""
            found[f"Open in {source_name(record.call.connector).split(' ')[0]}{number}"] = url
    return list(found.items())[:2]


def _line(row: SourceRow, scene: Scene, *, room: int) -> Block:
    took = f"  {seconds(row.duration_ms)}" if row.duration_ms is not None else ""
    links = "  ".join(link(url, label) for label, url in _links(row, scene)[:1])
    text = f"{MARKS[row.state]} *{escape_line(source_name(row.connector), 80)}*{took}  _{escape_line(row.words, 120)}_"
    if row.headline:
        text += f"\n{escape_line(row.headline, room, note=CUT)}"
    query = button("Show query", "show_query", row.evidence_id) if row.evidence_id else None
    return section(f"{text}\n{links}" if links else text, query)
