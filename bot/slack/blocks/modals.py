"""Modals: the query behind an answer, the report, why a cause is wrong, another run with another window."""

from __future__ import annotations

import json
from typing import Any

from bot.domain.evidence import Evidence
from bot.domain.investigation import Investigation
from bot.slack.blocks.elements import context, live_url, mrkdwn, plain, preformatted, section, span
from bot.slack.blocks.limits import PAGE_SUM, PRIVATE_METADATA, VIEW_BLOCKS, VIEW_TITLE, Block, weight
from bot.slack.blocks.report import report_blocks
from bot.slack.blocks.rows import Scene
from bot.slack.blocks.text import clip, escape_line, head, visible
from bot.slack.blocks.words import source_name

QUERY_PIECE = 2_800
QUERY_MOST = 11_200
INPUT_MOST = 3_000


def _modal(title: str, blocks: list[Block], *, callback_id: str = "", submit: str = "", metadata: Any = None) -> Block:
    view: Block = {"type": "modal", "title": plain(title, VIEW_TITLE), "close": plain("Close", VIEW_TITLE)}
    view["blocks"] = blocks[:VIEW_BLOCKS]
    if submit:
        view |= {"submit": plain(submit, VIEW_TITLE), "close": plain("Back", VIEW_TITLE), "callback_id": callback_id}
    if metadata is not None:
        view["private_metadata"] = json.dumps(metadata)[:PRIVATE_METADATA]
    return view


def query_modal(evidence: Evidence, scene: Scene) -> Block:
    """The query as it was sent, its window, and the way into the source."""
    source = evidence.source
    name = escape_line(source_name(evidence.call.connector), 80)
    blocks = [section(f"*{name}* · `{escape_line(evidence.call.tool, 60)}` · {escape_line(source.language, 40)}")]
    text = visible(source.query)
    shown = head(text, QUERY_MOST)
    blocks += [preformatted(shown[at : at + QUERY_PIECE]) for at in range(0, max(1, len(shown)), QUERY_PIECE)]
    if len(shown) < len(text):
        blocks.append(context(f"… (cut: {len(shown)} of {len(text)} characters; the API has the whole query)"))
    facts = [f"window {span(source.window or evidence.call.window) or 'none'}"]
    facts.append(f"asked at {evidence.collected_at:%H:%M:%S} UTC")
    if evidence.truncated:
        facts.append(f"not complete: {escape_line(evidence.truncated, 200)}")
    blocks.append(context(" · ".join(facts), f"`{evidence.id}`"))
    url = live_url(source.url, scene.hosts)
    if url:
        opens = {"type": "button", "text": plain("Open in the source", 75), "action_id": "open_source", "url": url}
        blocks.append({"type": "actions", "elements": [opens]})
    return _modal("Query", blocks)


def report_modal(investigation: Investigation, scene: Scene) -> Block:
    """The report, as much as a modal holds; the thread has all of it."""
    blocks, used = list[Block](), 0
    for block in report_blocks(investigation, scene):
        used += weight(block)
        if used > PAGE_SUM or len(blocks) >= VIEW_BLOCKS - 1:
            blocks.append(context("… (cut; the whole report is in the thread)"))
            break
        blocks.append(block)
    return _modal("Report", blocks or [section("There is no report yet.")])


def why_modal(investigation_id: str) -> Block:
    """Asks why the cause is wrong."""
    element = {"type": "plain_text_input", "action_id": "why", "multiline": True, "max_length": INPUT_MOST}
    element["placeholder"] = plain("What was it really, or what speaks against it?", 150)
    field = {"type": "input", "block_id": "why", "label": plain("Why is this cause wrong?", 100), "element": element}
    about = context("Kept with the investigation; it helps the next ones.")
    return _modal(
        "Wrong cause", [field, about], callback_id="wrong_cause", submit="Send", metadata={"id": investigation_id}
    )


def rerun_modal(investigation: Investigation, place: dict[str, str]) -> Block:
    """Asks the same question again over another window; `place` says where the new card goes."""
    question = clip(visible(investigation.question.text), INPUT_MOST - 10)
    text: Block = {"type": "plain_text_input", "action_id": "question", "multiline": True, "max_length": INPUT_MOST}
    text["initial_value"] = question
    since: Block = {"type": "plain_text_input", "action_id": "since", "max_length": 100}
    since["placeholder"] = plain("14:00, 2 hours ago, 2026-11-20T14:00", 150)
    blocks: list[Block] = [
        {"type": "input", "block_id": "question", "label": plain("Question", 100), "element": text},
        {"type": "input", "block_id": "since", "label": plain("Since", 100), "element": since, "optional": True},
        {"type": "context", "elements": [mrkdwn("Empty: the time is read from the question, as before.")]},
    ]
    metadata = {"id": investigation.id, **place}
    return _modal("Run again", blocks, callback_id="rerun", submit="Run", metadata=metadata)
