"""Block validation as Slack does it: limits, names of errors, the whole message and whole views.

Limits: https://docs.slack.dev/reference/block-kit/blocks; the sum over all blocks is undocumented (see
https://github.com/slackapi/bolt-js/issues/2509).
"""

from __future__ import annotations

from typing import Any

from bot.demo.workspace import rules, rules_data
from bot.demo.workspace.rules import Check, Problems
from bot.demo.workspace.rules_elements import (
    IN_ACTIONS,
    IN_CONTEXT_ACTIONS,
    IN_INPUT,
    IN_SECTION,
    element,
)
from bot.demo.workspace.rules_rich import rich_text
from bot.demo.workspace.wire import Json, SlackError

MESSAGE_BLOCKS, VIEW_BLOCKS = 50, 100
MARKDOWN_LIMIT = 12_000
SUM_LIMIT = 13_200
CHARTS_LIMIT = 2


def _section(body: Json, path: str, problems: Problems) -> None:
    rules.known_keys(body, path, problems, keys="block_id text fields accessory expand")
    if not body.get("text") and not body.get("fields"):
        problems.add("must provide text or fields", path)
    rules.optional_text(body, "text", path, problems, most=3_000, plain_only=False)
    if "fields" in body:
        for place, value in enumerate(rules.items(body, "fields", path, problems, most=10)):
            rules.text_object(value, f"{path}/fields/{place}", problems, most=2_000)
    if body.get("accessory") is not None:
        element(body["accessory"], path + "/accessory", problems, allowed=IN_SECTION)


def _header(body: Json, path: str, problems: Problems) -> None:
    rules.known_keys(body, path, problems, keys="block_id text level")
    if rules.required(body, path, problems, keys="text"):
        rules.text_object(body["text"], path + "/text", problems, most=150, plain_only=True)


def _divider(body: Json, path: str, problems: Problems) -> None:
    rules.known_keys(body, path, problems, keys="block_id")


def _context(body: Json, path: str, problems: Problems) -> None:
    rules.known_keys(body, path, problems, keys="block_id elements")
    for place, value in enumerate(rules.items(body, "elements", path, problems, most=10)):
        where = f"{path}/elements/{place}"
        if isinstance(value, dict) and value.get("type") == "image":
            element(value, where, problems, allowed=frozenset({"image"}))
        else:
            rules.text_object(value, where, problems)


def _elements(body: Json, path: str, problems: Problems, *, most: int, allowed: frozenset[str]) -> None:
    rules.known_keys(body, path, problems, keys="block_id elements")
    seen: set[str] = set()
    for place, value in enumerate(rules.items(body, "elements", path, problems, most=most)):
        where = f"{path}/elements/{place}"
        element(value, where, problems, allowed=allowed)
        action_id = value.get("action_id") if isinstance(value, dict) else None
        if action_id is not None and action_id in seen:
            problems.add(f"`action_id` already exists: {action_id}", where + "/action_id")
        seen.add(str(action_id))


def _actions(body: Json, path: str, problems: Problems) -> None:
    _elements(body, path, problems, most=25, allowed=IN_ACTIONS)


def _context_actions(body: Json, path: str, problems: Problems) -> None:
    _elements(body, path, problems, most=5, allowed=IN_CONTEXT_ACTIONS)


def _image(body: Json, path: str, problems: Problems) -> None:
    rules.known_keys(body, path, problems, keys="block_id image_url slack_file alt_text title")
    rules.picture(body, path, problems)
    rules.optional_text(body, "title", path, problems, most=2_000)


def _input(body: Json, path: str, problems: Problems) -> None:
    rules.known_keys(body, path, problems, keys="block_id label element hint optional dispatch_action")
    if rules.required(body, path, problems, keys="label element"):
        rules.text_object(body["label"], path + "/label", problems, most=2_000, plain_only=True)
        element(body["element"], path + "/element", problems, allowed=IN_INPUT)
    rules.optional_text(body, "hint", path, problems, most=2_000)


def _markdown(body: Json, path: str, problems: Problems) -> None:
    rules.known_keys(body, path, problems, keys="block_id text")
    if rules.required(body, path, problems, keys="text"):
        rules.string(body, "text", path, problems, most=MARKDOWN_LIMIT)


def _alert(body: Json, path: str, problems: Problems) -> None:
    rules.known_keys(body, path, problems, keys="block_id text level")
    if rules.required(body, path, problems, keys="text"):
        rules.text_object(body["text"], path + "/text", problems)
    rules.one_of(body, "level", path, problems, allowed="default info warning error success")


def _file(body: Json, path: str, problems: Problems) -> None:
    rules.known_keys(body, path, problems, keys="block_id external_id source")
    rules.required(body, path, problems, keys="external_id source")


BLOCKS: dict[str, Check] = {
    "section": _section, "header": _header, "divider": _divider, "context": _context, "actions": _actions,
    "context_actions": _context_actions, "image": _image, "input": _input, "markdown": _markdown,
    "rich_text": rich_text, "plan": rules_data.plan, "task_card": rules_data.task_card, "table": rules_data.table,
    "data_visualization": rules_data.data_visualization, "data_table": rules_data.data_table, "alert": _alert,
    "file": _file,
}  # fmt: skip
_MESSAGE = frozenset(BLOCKS) - {"alert"}
_VIEW = frozenset(
    {"section", "header", "divider", "context", "actions", "image", "input", "rich_text", "markdown", "alert", "table"}
)
SURFACES = {"message": _MESSAGE, "modal": _VIEW, "home": _VIEW - {"alert"}}


def check_blocks(blocks: Any, problems: Problems, *, most: int) -> None:
    """Every block of a message or view."""
    if not isinstance(blocks, list):
        problems.add("must provide an array", "/blocks")
        return
    if len(blocks) > most:
        problems.add(f"no more than {most} items allowed", "/blocks")
    for place, block in enumerate(blocks):
        _block(block, f"/blocks/{place}", problems)


def _block(block: Any, path: str, problems: Problems) -> None:
    if not rules.is_object(block, path, problems):
        return
    kind = block.get("type")
    if kind not in SURFACES[problems.surface] or kind in problems.refused:
        problems.add(f"unsupported type: {kind}", path + "/type")
        return
    rules.string(block, "block_id", path, problems, most=rules.ID_LIMIT)
    block_id = block.get("block_id")
    if block_id and block_id in problems.block_ids:
        problems.add(f"`block_id` already exists: {block_id}", path + "/block_id")
    problems.block_ids.add(str(block_id))
    BLOCKS[kind](block, path, problems)


def _together(blocks: list[Json], problems: Problems) -> None:
    kinds = [block.get("type") for block in blocks if isinstance(block, dict)]
    if "plan" in kinds and "task_card" in kinds:
        problems.add("plan and task_card cannot be used together", "/blocks")
    if kinds.count("plan") > 1:
        problems.add("no more than 1 plan block allowed", "/blocks")
    if kinds.count("data_visualization") > CHARTS_LIMIT:
        problems.add(f"no more than {CHARTS_LIMIT} data_visualization blocks allowed", "/blocks")
    if kinds.count("table") > 1:
        problems.add("only_one_table_allowed", "/blocks")


def refuse(problems: Problems, *, error: str) -> None:
    """Raise Slack's refusal with every problem found."""
    if problems.found:
        lines = problems.found[:20]
        detail: Json = {"errors": lines, "response_metadata": {"messages": [f"[ERROR] {line}" for line in lines]}}
        raise SlackError(error, detail=detail)


def check_message_blocks(blocks: Any, *, refused: set[str], files: dict[str, Json]) -> None:
    """The blocks of one message; raises `invalid_blocks` or `msg_blocks_too_long`."""
    problems = Problems("message", refused, files)
    check_blocks(blocks, problems, most=MESSAGE_BLOCKS)
    if isinstance(blocks, list):
        _together(blocks, problems)
        markdown = sum(len(str(b.get("text", ""))) for b in blocks if _is(b, "markdown"))
        if markdown > MARKDOWN_LIMIT:
            problems.add(f"must be less than {MARKDOWN_LIMIT + 1} characters over all markdown blocks", "/blocks")
    refuse(problems, error="invalid_blocks")
    if rules_data.text_length(blocks) > SUM_LIMIT:
        raise SlackError("msg_blocks_too_long")


def _is(block: Any, kind: str) -> bool:
    return isinstance(block, dict) and block.get("type") == kind


def check_view(view: Any, *, kind: str, refused: set[str], files: dict[str, Json]) -> None:
    """A modal or Home view; raises `invalid_arguments` with every problem, as views.open does."""
    problems = Problems(kind, refused, files)
    if not isinstance(view, dict):
        raise SlackError("invalid_arguments", detail={"errors": ["must provide an object [json-pointer:/view]"]})
    if view.get("type") != kind:
        problems.add(f"must be of type {kind}", "/view/type")
    known = "blocks private_metadata callback_id external_id"
    if kind == "modal":
        known += " title submit close clear_on_close notify_on_close submit_disabled"
        _modal(view, problems)
    rules.known_keys(view, "/view", problems, keys=known)
    rules.string(view, "private_metadata", "/view", problems, most=3_000, least=0)
    rules.string(view, "callback_id", "/view", problems, most=255, least=0)
    rules.string(view, "external_id", "/view", problems, most=255, least=0)
    check_blocks(view.get("blocks"), problems, most=VIEW_BLOCKS)
    refuse(problems, error="invalid_arguments")


def _modal(view: Json, problems: Problems) -> None:
    if rules.required(view, "/view", problems, keys="title"):
        rules.text_object(view["title"], "/view/title", problems, most=24, plain_only=True)
    for key in ("submit", "close"):
        rules.optional_text(view, key, "/view", problems, most=24)
    blocks = view.get("blocks")
    if isinstance(blocks, list) and any(_is(b, "input") for b in blocks) and not view.get("submit"):
        problems.add("missing required field: submit", "/view")
