"""Interactive elements: finding one in a message or view, and what using it sends to the app."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

from bot.demo.workspace.wire import Json, SlackError

PICKED = {
    "datepicker": ("initial_date", "selected_date"),
    "timepicker": ("initial_time", "selected_time"),
    "datetimepicker": ("initial_date_time", "selected_date_time"),
    "static_select": ("initial_option", "selected_option"),
    "external_select": ("initial_option", "selected_option"),
    "radio_buttons": ("initial_option", "selected_option"),
    "overflow": ("", "selected_option"),
    "users_select": ("initial_user", "selected_user"),
    "conversations_select": ("initial_conversation", "selected_conversation"),
    "channels_select": ("initial_channel", "selected_channel"),
    "checkboxes": ("initial_options", "selected_options"),
    "multi_static_select": ("initial_options", "selected_options"),
    "multi_external_select": ("initial_options", "selected_options"),
    "multi_users_select": ("initial_users", "selected_users"),
    "multi_conversations_select": ("initial_conversations", "selected_conversations"),
    "multi_channels_select": ("initial_channels", "selected_channels"),
    "plain_text_input": ("initial_value", "value"),
    "email_text_input": ("initial_value", "value"),
    "url_text_input": ("initial_value", "value"),
    "number_input": ("initial_value", "value"),
    "rich_text_input": ("initial_value", "rich_text_value"),
}
MANY = frozenset(name for name, (_, picked) in PICKED.items() if picked.endswith("s"))


def walk(blocks: list[Json]) -> Iterator[tuple[Json, Json]]:
    """Every interactive element with the block that holds it."""
    for block in blocks:
        for key in ("elements", "actions"):
            for element in block.get(key) or []:
                if isinstance(element, dict) and (element.get("type") in PICKED or "action_id" in element):
                    yield element, block
        for key in ("accessory", "element"):
            if isinstance(block.get(key), dict) and block[key].get("type") != "image":
                yield block[key], block
        yield from walk(block.get("child_blocks") or [])
        if block.get("type") == "carousel":
            yield from walk(block.get("elements") or [])


def fill_ids(blocks: list[Json]) -> list[Json]:
    """Give every block and element the id Slack would make up."""
    for block in blocks:
        block.setdefault("block_id", secrets.token_urlsafe(4))
        for key in ("elements", "actions"):
            for element in block.get(key) or []:
                if isinstance(element, dict) and element.get("type") in {*PICKED, "button"}:
                    element.setdefault("action_id", secrets.token_urlsafe(4))
        for key in ("accessory", "element"):
            if isinstance(block.get(key), dict) and block[key].get("type") != "image":
                block[key].setdefault("action_id", secrets.token_urlsafe(4))
    return blocks


def find_element(blocks: list[Json], action_id: str, block_id: str | None) -> tuple[Json, str]:
    """The element and its block's id."""
    for element, block in walk(blocks):
        if element.get("action_id") == action_id and block_id in {None, block.get("block_id")}:
            return element, str(block.get("block_id", ""))
    raise SlackError("element_not_found")


def action_of(element: Json, block_id: str, body: Json, action_ts: str) -> Json:
    """The entry of `actions` that using the element sends; `forge` replaces fields of it, as an attacker would."""
    kind = element["type"]
    action: Json = {"type": kind, "action_id": element["action_id"], "block_id": block_id, "action_ts": action_ts}
    if kind == "button":
        action["text"] = element["text"]
        action |= {k: element[k] for k in ("value", "style", "url") if k in element}
    elif kind == "feedback_buttons":
        chosen = _feedback(element, body.get("value"))
        action |= {"text": chosen["text"], "value": chosen.get("value")}
    elif kind == "icon_button":
        action |= {k: element[k] for k in ("value", "icon", "text") if k in element}
    elif kind in PICKED:
        action |= picked(element, body.get("value"))
    return action | dict(body.get("forge") or {})


def _feedback(element: Json, value: str | None) -> Json:
    for key in ("positive_button", "negative_button"):
        button: Json = element[key]
        if value in {button.get("value"), key.removesuffix("_button")}:
            return button
    raise SlackError("option_not_found")


def _option(element: Json, value: str) -> Json:
    groups = element.get("option_groups") or []
    for option in (*(element.get("options") or []), *(o for g in groups for o in g["options"])):
        if option["value"] == value:
            found: Json = option
            return found
    raise SlackError("option_not_found")


def picked(element: Json, value: Any) -> Json:
    """The state of an input element after a person chose `value` (option values for selects)."""
    kind = element["type"]
    _, key = PICKED[kind]
    if value is None:
        return {key: [] if kind in MANY else None}
    if key == "selected_option":
        return {key: _option(element, str(value))}
    if key == "selected_options":
        return {key: [_option(element, str(v)) for v in value]}
    return {key: value}


def default_state(blocks: list[Json]) -> Json:
    """`state.values` before anybody touched anything."""
    values: Json = {}
    for element, block in walk(blocks):
        kind = element.get("type", "")
        if kind not in PICKED or kind == "overflow":
            continue
        initial, key = PICKED[kind]
        start = element.get(initial, [] if kind in MANY else None)
        values.setdefault(block["block_id"], {})[element["action_id"]] = {"type": kind, key: start}
    return values
