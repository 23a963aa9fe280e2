"""An answer to /ask: the query, what it does and costs, then a table or a chart; plain text says the same."""

from __future__ import annotations

from bot.services.ask import Answered
from bot.slack.blocks.charts import chart, summary
from bot.slack.blocks.elements import Message, context, preformatted, section
from bot.slack.blocks.limits import Block
from bot.slack.blocks.tables import fixed_width, grid_of, native
from bot.slack.blocks.text import escape, escape_line
from connectors.model import Payload, SeriesSet, payload_size

_LONGEST = 2_500


def answer_message(answered: Answered, *, native_blocks: bool = True) -> Message:
    """What the asker sees. Without `native_blocks` tables are fixed-width text and charts are words."""
    blocks = [section(f"*{escape_line(answered.question, 500)}*")]
    if answered.query:
        blocks += [preformatted(answered.query), context(_about(answered))]
    if answered.cannot:
        blocks.append(section(_cannot(answered)))
    elif answered.payload is None or payload_size(answered.payload) == 0:
        blocks.append(section("Dry run: nothing was asked." if answered.dry_run else "No rows: nothing matches."))
    else:
        blocks += _shape(answered.payload, answered.explanation, native_blocks)
    if answered.truncated:
        blocks.append(context(f"Not complete: {escape_line(answered.truncated, 300)}"))
    return Message(text=_text(answered), blocks=blocks)


def _about(answered: Answered) -> str:
    parts = [escape_line(answered.explanation, 600), f"`{escape_line(answered.source or '', 80)}`"]
    if answered.price:
        parts.append(escape_line(answered.price, 120))
    if not answered.dry_run and not answered.cannot:
        parts.append(
            "from the cache" if answered.cached else f"{answered.duration_ms:.0f} ms, ${answered.cost_usd:.4f}"
        )
    return " · ".join(parts)


def _cannot(answered: Answered) -> str:
    said = f"I cannot answer that. {escape(answered.cannot or '', _LONGEST)}"
    hints = "\n".join(f"• {escape_line(hint, 200)}" for hint in answered.suggestions)
    return f"{said}\nDid you mean:\n{hints}" if hints else said


def _shape(payload: Payload, caption: str, native_blocks: bool) -> list[Block]:
    if isinstance(payload, SeriesSet):
        drawn = chart(payload) if native_blocks else None
        words = section(summary(payload, most=5))
        return [drawn, words] if drawn else [words]
    grid = grid_of(payload)
    if grid is None:
        return []
    shown = native(grid, caption[:200]) if native_blocks else fixed_width(grid)
    return [shown, context(grid.left_out)] if grid.left_out else [shown]


def _text(answered: Answered) -> str:
    """For notifications and where blocks are refused."""
    if answered.cannot:
        return _cannot(answered)
    return escape_line(f"{answered.explanation} ({answered.source})", 300)
