"""Limits of blocks and views exactly at n and n + 1, and everything Slack refuses."""

from __future__ import annotations

from typing import Any

import pytest

from bot.demo.workspace.config import NATIVE_BLOCKS
from bot.demo.workspace.validate import check_message_blocks, check_view
from bot.demo.workspace.wire import SlackError

Json = dict[str, Any]


def plain(size: int) -> Json:
    return {"type": "plain_text", "text": "x" * size}


def section(size: int) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": "x" * size}}


def button(**more: Any) -> Json:
    return {"type": "button", "text": plain(1), **more}


def actions(count: int) -> Json:
    return {"type": "actions", "elements": [button(action_id=f"a{n}") for n in range(count)]}


def task(status: str, number: int = 1) -> Json:
    return {"type": "task_card", "task_id": str(number), "title": "t", "status": status}


def line(series: int = 1, points: int = 2, label: int = 2, title: int = 5) -> Json:
    labels = [f"{n}".rjust(label, "l") for n in range(points)]
    data = [{"label": name, "value": 1} for name in labels]
    rows = [{"name": f"s{n}", "data": data} for n in range(series)]
    chart = {"type": "line", "series": rows, "axis_config": {"categories": labels}}
    return {"type": "data_visualization", "title": "t" * title, "chart": chart}


def pie(segments: int) -> Json:
    rows = [{"label": f"l{n}", "value": 1} for n in range(segments)]
    return {"type": "data_visualization", "title": "t", "chart": {"type": "pie", "segments": rows}}


def table(rows: int, **more: Any) -> Json:
    cells = [[{"type": "raw_text", "text": "c"}] for _ in range(rows)]
    return {"type": "data_table", "caption": "c", "rows": cells, **more}


def feedback(size: int) -> Json:
    pair = {"text": plain(size), "value": "v"}
    element = {"type": "feedback_buttons", "action_id": "f", "positive_button": pair, "negative_button": pair}
    return {"type": "context_actions", "elements": [element]}


def refusal(*blocks: Json, refused: frozenset[str] = frozenset()) -> str | None:
    try:
        check_message_blocks(list(blocks), refused=set(refused), files={})
    except SlackError as error:
        return error.error
    return None


AT_THE_LIMIT = {
    "section text": (section(3_000), section(3_001)),
    "header": ({"type": "header", "text": plain(150)}, {"type": "header", "text": plain(151)}),
    "field": (
        {"type": "section", "fields": [plain(2_000)]},
        {"type": "section", "fields": [plain(2_001)]},
    ),
    "fields": ({"type": "section", "fields": [plain(1)] * 10}, {"type": "section", "fields": [plain(1)] * 11}),
    "actions": (actions(25), actions(26)),
    "button text": (
        {"type": "actions", "elements": [button(text=plain(75))]},
        {"type": "actions", "elements": [button(text=plain(76))]},
    ),
    "button value": (
        {"type": "actions", "elements": [button(value="v" * 2_000)]},
        {"type": "actions", "elements": [button(value="v" * 2_001)]},
    ),
    "button url": (
        {"type": "actions", "elements": [button(url="https://e/" + "v" * 2_990)]},
        {"type": "actions", "elements": [button(url="https://e/" + "v" * 2_991)]},
    ),
    "action_id": (
        {"type": "actions", "elements": [button(action_id="v" * 255)]},
        {"type": "actions", "elements": [button(action_id="v" * 256)]},
    ),
    "block_id": ({"type": "divider", "block_id": "b" * 255}, {"type": "divider", "block_id": "b" * 256}),
    "context": (
        {"type": "context", "elements": [plain(1)] * 10},
        {"type": "context", "elements": [plain(1)] * 11},
    ),
    "markdown": ({"type": "markdown", "text": "x" * 12_000}, {"type": "markdown", "text": "x" * 12_001}),
    "task status": (
        {"type": "plan", "title": "p", "tasks": [task("complete")]},
        {"type": "plan", "title": "p", "tasks": [task("completed")]},
    ),
    "series": (line(series=6), line(series=7)),
    "points": (line(points=20), line(points=21)),
    "label": (line(label=20), line(label=21)),
    "chart title": (line(title=50), line(title=51)),
    "pie": (pie(6), pie(7)),
    "table rows": (table(101), table(102)),
    "table has a row": (table(2), table(1)),
    "page size": (table(2, page_size=100), table(2, page_size=101)),
    "feedback text": (feedback(75), feedback(76)),
}


@pytest.mark.parametrize("name", AT_THE_LIMIT)
def test_the_limit_is_accepted_and_one_more_is_not(name: str) -> None:
    good, bad = AT_THE_LIMIT[name]
    assert refusal(good) is None
    assert refusal(bad) == "invalid_blocks"


REFUSED: dict[str, list[Any]] = {
    "unknown block": [{"type": "hologram"}],
    "no object": ["text"],
    "51 blocks": [{"type": "divider"}] * 51,
    "empty text": [section(0)],
    "missing text": [{"type": "section"}],
    "same block_id": [{"type": "divider", "block_id": "b"}, {"type": "divider", "block_id": "b"}],
    "same action_id": [{"type": "actions", "elements": [button(action_id="a"), button(action_id="a")]}],
    "unknown property": [{"type": "divider", "colour": "red"}],
    "mrkdwn in a header": [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}],
    "markdown together": [{"type": "markdown", "text": "x" * 6_001}, {"type": "markdown", "text": "x" * 6_000}],
    "plan and task_card": [{"type": "plan", "title": "p", "tasks": []}, task("pending")],
    "three charts": [pie(1), pie(1), pie(1)],
    "two tables": [{"type": "table", "rows": [[{"type": "raw_text", "text": "c"}]]}] * 2,
    "rich header cell": [
        {
            "type": "data_table",
            "caption": "c",
            "rows": [[{"type": "rich_text", "elements": []}], [{"type": "raw_text", "text": "c"}]],
        }
    ],
    "infinite number": [
        {
            "type": "data_table",
            "caption": "c",
            "rows": [[{"type": "raw_text", "text": "c"}], [{"type": "raw_number", "value": float("inf")}]],
        }
    ],
    "input without label": [{"type": "input", "element": {"type": "plain_text_input"}}],
    "script address": [{"type": "actions", "elements": [button(url="javascript:alert(1)")]}],
    "button in context_actions": [{"type": "context_actions", "elements": [button()]}],
    "empty rich text": [
        {
            "type": "rich_text",
            "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": ""}]}],
        }
    ],
    "unknown slack file": [{"type": "image", "alt_text": "a", "slack_file": {"id": "F1"}}],
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_pointer_to_the_place(name: str) -> None:
    with pytest.raises(SlackError) as caught:
        check_message_blocks(REFUSED[name], refused=set(), files={})
    assert caught.value.error == "invalid_blocks"
    assert all("json-pointer:/blocks" in line for line in caught.value.detail["errors"])


def test_sum_over_all_blocks_has_its_own_error() -> None:
    assert refusal(*[section(2_640)] * 5) is None
    assert refusal(*[section(2_640)] * 5, section(1)) == "msg_blocks_too_long"


@pytest.mark.parametrize("kind", sorted(NATIVE_BLOCKS))
def test_an_old_workspace_refuses_native_blocks(kind: str) -> None:
    new = {
        "plan": {"type": "plan", "title": "p", "tasks": [task("pending")]},
        "task_card": task("pending"),
        "data_visualization": line(),
        "data_table": table(3),
        "context_actions": feedback(3),
    }
    assert refusal(new[kind]) is None
    assert refusal(new[kind], refused=frozenset({kind})) == "invalid_blocks"


def view(**more: Any) -> Json:
    return {"type": "modal", "title": plain(24), "blocks": [{"type": "divider"}], **more}


@pytest.mark.parametrize(
    ("body", "ok"),
    [
        (view(), True),
        (view(title=plain(25)), False),
        (view(private_metadata="p" * 3_000), True),
        (view(private_metadata="p" * 3_001), False),
        (view(blocks=[{"type": "divider"}] * 100), True),
        (view(blocks=[{"type": "divider"}] * 101), False),
        (view(submit=plain(25)), False),
        (view(callback_id="c" * 256), False),
        (view(blocks=[{"type": "plan", "title": "p", "tasks": []}]), False),
        (view(blocks=[{"type": "input", "label": plain(1), "element": {"type": "plain_text_input"}}]), False),
        (view(type="home"), False),
    ],
)
def test_modal_limits(body: Json, ok: bool) -> None:
    if ok:
        check_view(body, kind="modal", refused=set(), files={})
        return
    with pytest.raises(SlackError, match="invalid_arguments"):
        check_view(body, kind="modal", refused=set(), files={})
