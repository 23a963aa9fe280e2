"""The thread message of one source: each answer with its headline, table or chart, query and link."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bot.domain.evidence import Evidence
from bot.domain.investigation import ExecutionRecord, Investigation
from bot.domain.states import Outcome
from bot.slack.blocks.charts import chart, summary
from bot.slack.blocks.elements import Message, button, context, link, live_url, preformatted, seconds, section
from bot.slack.blocks.limits import MESSAGE_SUM, Block, fit, weight
from bot.slack.blocks.plan import MARKS
from bot.slack.blocks.rows import GOOD, Scene, SourceRow, evidence_labels, is_quiet, row_of
from bot.slack.blocks.tables import fixed_width, grid_of, native
from bot.slack.blocks.text import escape_line
from bot.slack.blocks.words import OUTCOMES, source_name
from connectors.model import SeriesSet, Text, payload_size

DETAILED = 5
CHARTS = 2
HEADLINE = 400


def source_message(
    investigation: Investigation,
    connector: str,
    *,
    evidence: Mapping[str, Evidence],
    scene: Scene,
    onset: datetime | None = None,
) -> Message:
    """What one connector answered; `evidence` holds what its executions cite, as far as it could be loaded."""
    row = row_of(investigation, connector)
    records = sorted(row.records, key=_rank)
    labels = evidence_labels(investigation)
    blocks = [section(_head(row))]
    charts = 0
    for record in records[:DETAILED]:
        found = evidence.get(record.evidence_id or "")
        blocks.append(_answer(record, found, labels, scene))
        loud = found is not None and not is_quiet(record.headline)
        shown = _shape(found if loud else None, scene, onset, charts_left=CHARTS - charts)
        charts += sum(1 for b in shown if b["type"] == "data_visualization")
        if weight([*blocks, *shown]) < MESSAGE_SUM - 2_500:
            blocks += shown
        elif shown:
            blocks.append(context("Its table did not fit here; Show query has the way to it."))
    blocks += _rest(records[DETAILED:])
    return Message(
        text=_text(row), blocks=fit(blocks, note="Some answers did not fit here; the report lists every query.")
    )


def _rank(record: ExecutionRecord) -> tuple[bool, bool, bool]:
    """What was found first, then what failed, then what found nothing."""
    empty = record.outcome in GOOD and (record.outcome is Outcome.EMPTY or is_quiet(record.headline))
    return empty, record.outcome not in GOOD, record.outcome is not Outcome.SUCCEEDED


def _head(row: SourceRow) -> str:
    took = f" · {seconds(row.duration_ms)}" if row.duration_ms is not None else ""
    count = f" · {len(row.records)} quer{'y' if len(row.records) == 1 else 'ies'}" if row.records else ""
    name = escape_line(source_name(row.connector), 80)
    return f"{MARKS[row.state]} *{name}* · {escape_line(row.words, 100)}{took}{count}"


def _text(row: SourceRow) -> str:
    said = f": {escape_line(row.headline, HEADLINE)}" if row.headline else ""
    return f"{escape_line(source_name(row.connector), 80)} {escape_line(row.words, 100)}{said}"


def _answer(record: ExecutionRecord, found: Evidence | None, labels: Mapping[str, str], scene: Scene) -> Block:
    label = labels.get(record.evidence_id or "")
    parts = [f"[{label}] " if label else "", f"*{escape_line(_said(record), HEADLINE)}*"]
    url = live_url(found.source.url, scene.hosts) if found else None
    extra = [f"`{escape_line(record.call.tool, 60)}`"]
    if record.outcome not in GOOD and record.outcome:
        extra.append(OUTCOMES[record.outcome])
    if record.why:
        extra.append(escape_line(record.why, 160))
    if record.truncated:
        extra.append(f"not complete: {escape_line(record.truncated, 160)}")
    if record.attempts > 1:
        extra.append(f"{record.attempts} attempts")
    if url:
        extra.append(link(url, f"Open in {source_name(record.call.connector).split(' ')[0]}"))
    query = button("Show query", "show_query", record.evidence_id) if record.evidence_id else None
    return section("".join(parts) + "\n" + " · ".join(extra), query)


def _said(record: ExecutionRecord) -> str:
    if record.headline:
        return record.headline
    if record.error:
        return record.error
    return OUTCOMES[record.outcome] if record.outcome else "running"


def _shape(found: Evidence | None, scene: Scene, onset: datetime | None, *, charts_left: int) -> list[Block]:
    if found is None or payload_size(found.payload) == 0:
        return []
    payload = found.payload
    if isinstance(payload, SeriesSet):
        words = section(summary(payload, onset, most=3))
        drawn = chart(payload, onset) if charts_left > 0 and "data_visualization" not in scene.refused else None
        return [drawn, words] if drawn else [words]
    if isinstance(payload, Text):
        return [preformatted(payload.text, 1_500)]
    grid = grid_of(payload)
    if grid is None:
        return []
    table = fixed_width(grid) if "data_table" in scene.refused else native(grid, found.headline or found.call.tool)
    return [table, context(grid.left_out)] if grid.left_out else [table]


def _rest(records: list[ExecutionRecord]) -> list[Block]:
    if not records:
        return []
    lines = [f"• {escape_line(_said(r), 140)}" for r in records[:12]]
    more = [f"… and {len(records) - 12} more; the report lists every query"] if len(records) > 12 else []
    return [context("\n".join(["More answers:", *lines, *more])[:2_000])]
