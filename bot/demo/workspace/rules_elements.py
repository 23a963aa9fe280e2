"""Validation of interactive elements (https://docs.slack.dev/reference/block-kit/block-elements)."""

from __future__ import annotations

import re
from typing import Any

from bot.demo.workspace import rules
from bot.demo.workspace.rules import Check, Problems
from bot.demo.workspace.wire import Json

COMMON = "action_id confirm focus_on_load placeholder "
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
TIME = re.compile(r"\d{2}:\d{2}")


def confirm(body: Json, path: str, problems: Problems) -> None:
    """An optional confirmation dialog."""
    value, where = body.get("confirm"), path + "/confirm"
    if value is None or not rules.is_object(value, where, problems):
        return
    rules.known_keys(value, where, problems, keys="title text confirm deny style")
    if rules.required(value, where, problems, keys="title text confirm deny"):
        rules.text_object(value["title"], where + "/title", problems, most=100, plain_only=True)
        rules.text_object(value["text"], where + "/text", problems, most=300)
        rules.text_object(value["confirm"], where + "/confirm", problems, most=30, plain_only=True)
        rules.text_object(value["deny"], where + "/deny", problems, most=30, plain_only=True)
    rules.one_of(value, "style", where, problems, allowed="primary danger")


def option(value: Any, path: str, problems: Problems, *, value_limit: int = 150, plain_only: bool = True) -> None:
    """One choice of a select, radio, checkbox or overflow."""
    if not rules.is_object(value, path, problems):
        return
    rules.known_keys(value, path, problems, keys="text value description url")
    if rules.required(value, path, problems, keys="text value"):
        rules.text_object(value["text"], path + "/text", problems, most=75, plain_only=plain_only)
        rules.string(value, "value", path, problems, most=value_limit)
    rules.optional_text(value, "description", path, problems, most=75, plain_only=plain_only)
    rules.url(value, "url", path, problems)


def _options(body: Json, path: str, problems: Problems, *, most: int, least: int = 1, plain_only: bool = True) -> None:
    seen: set[str] = set()
    for place, value in enumerate(rules.items(body, "options", path, problems, most=most, least=least)):
        where = f"{path}/options/{place}"
        option(value, where, problems, plain_only=plain_only)
        key = str(value.get("value")) if isinstance(value, dict) else ""
        if key in seen:
            problems.add("option values must be unique", where)
        seen.add(key)


def button(body: Json, path: str, problems: Problems) -> None:
    """A button."""
    keys = COMMON + "text url value style accessibility_label agent_prompt agent_prompt_display visible_to_user_ids"
    rules.known_keys(body, path, problems, keys=keys)
    if rules.required(body, path, problems, keys="text"):
        rules.text_object(body["text"], path + "/text", problems, most=75, plain_only=True)
    rules.string(body, "value", path, problems, most=2_000)
    rules.string(body, "accessibility_label", path, problems, most=75)
    rules.url(body, "url", path, problems)
    rules.one_of(body, "style", path, problems, allowed="primary danger")


def select(body: Json, path: str, problems: Problems) -> None:
    """A menu with fixed options or groups of them."""
    keys = COMMON + "options option_groups initial_option initial_options max_selected_items"
    rules.known_keys(body, path, problems, keys=keys)
    if ("options" in body) == ("option_groups" in body):
        problems.add("must provide either options or option_groups", path)
    elif "options" in body:
        _options(body, path, problems, most=100)
    else:
        for place, group in enumerate(rules.items(body, "option_groups", path, problems, most=100)):
            where = f"{path}/option_groups/{place}"
            if rules.is_object(group, where, problems) and rules.required(group, where, problems, keys="label"):
                rules.text_object(group["label"], where + "/label", problems, most=75, plain_only=True)
                _options(group, where, problems, most=100)
    _initial(body, path, problems)


def _initial(body: Json, path: str, problems: Problems) -> None:
    groups = body.get("option_groups") or []
    offered = [*(body.get("options") or []), *(o for g in groups for o in g.get("options", []))]
    chosen = [body["initial_option"]] if "initial_option" in body else body.get("initial_options", [])
    for value in chosen:
        if value not in offered:
            problems.add("initial option must exactly match one of the options", path)


def choices(body: Json, path: str, problems: Problems) -> None:
    """Radio buttons or checkboxes."""
    rules.known_keys(body, path, problems, keys=COMMON + "options initial_option initial_options")
    _options(body, path, problems, most=10, plain_only=False)
    _initial(body, path, problems)


def overflow(body: Json, path: str, problems: Problems) -> None:
    """A small menu behind three dots."""
    rules.known_keys(body, path, problems, keys=COMMON + "options")
    _options(body, path, problems, most=5)


def picker(body: Json, path: str, problems: Problems) -> None:
    """Date, time, people and conversation pickers."""
    extra = "initial_date initial_time initial_date_time timezone min_query_length initial_option initial_options "
    extra += "initial_user initial_users initial_conversation initial_conversations initial_channel initial_channels "
    extra += "response_url_enabled filter default_to_current_conversation max_selected_items"
    rules.known_keys(body, path, problems, keys=COMMON + extra)
    for key, form in (("initial_date", DATE), ("initial_time", TIME)):
        if key in body and not form.fullmatch(str(body[key])):
            problems.add(f"must match {form.pattern}", f"{path}/{key}")


def text_input(body: Json, path: str, problems: Problems) -> None:
    """Anything a person types."""
    keys = COMMON + "initial_value multiline min_length max_length dispatch_action_config min_lines max_lines "
    rules.known_keys(body, path, problems, keys=keys + "is_decimal_allowed min_value max_value")
    rules.whole(body, "min_length", path, problems, least=0, most=3_000)
    rules.whole(body, "max_length", path, problems, least=1, most=3_000)
    if body.get("type") == "plain_text_input":
        most = body.get("max_length") if isinstance(body.get("max_length"), int) else 3_000
        rules.string(body, "initial_value", path, problems, most=min(most or 3_000, 3_000), least=0)


def file_input(body: Json, path: str, problems: Problems) -> None:
    """A file chooser."""
    rules.known_keys(body, path, problems, keys=COMMON + "filetypes max_files")
    rules.whole(body, "max_files", path, problems, least=1, most=10)


def feedback(body: Json, path: str, problems: Problems) -> None:
    """A pair of thumbs."""
    rules.known_keys(body, path, problems, keys="action_id positive_button negative_button")
    if not rules.required(body, path, problems, keys="positive_button negative_button"):
        return
    for key in ("positive_button", "negative_button"):
        where = f"{path}/{key}"
        if rules.is_object(body[key], where, problems):
            rules.known_keys(body[key], where, problems, keys="text value accessibility_label")
            if rules.required(body[key], where, problems, keys="text value"):
                rules.text_object(body[key]["text"], where + "/text", problems, most=75, plain_only=True)
                rules.string(body[key], "value", where, problems, most=2_000)
            rules.string(body[key], "accessibility_label", where, problems, most=75)


def icon_button(body: Json, path: str, problems: Problems) -> None:
    """A button that shows an icon; Slack offers `trash` only."""
    rules.known_keys(body, path, problems, keys=COMMON + "icon text value accessibility_label visible_to_user_ids")
    if rules.required(body, path, problems, keys="icon text"):
        rules.one_of(body, "icon", path, problems, allowed="trash")
        rules.text_object(body["text"], path + "/text", problems, most=75, plain_only=True)
    rules.string(body, "value", path, problems, most=2_000)


def image(body: Json, path: str, problems: Problems) -> None:
    """A small picture in a section or context."""
    rules.known_keys(body, path, problems, keys="image_url slack_file alt_text")
    rules.picture(body, path, problems)


def workflow_button(body: Json, path: str, problems: Problems) -> None:
    """A button that starts a workflow."""
    rules.known_keys(body, path, problems, keys="action_id text workflow style accessibility_label")
    if rules.required(body, path, problems, keys="text workflow"):
        rules.text_object(body["text"], path + "/text", problems, most=75, plain_only=True)


_SOURCES = "users conversations channels external"
_PICKERS = {
    "datepicker", "timepicker", "datetimepicker",
    *(f"{source}_select" for source in _SOURCES.split()),
    *(f"multi_{source}_select" for source in _SOURCES.split()),
}  # fmt: skip
_INPUTS = {"plain_text_input", "email_text_input", "url_text_input", "number_input", "rich_text_input"}
ELEMENTS: dict[str, Check] = {
    "button": button, "static_select": select, "multi_static_select": select, "radio_buttons": choices,
    "checkboxes": choices, "overflow": overflow, "file_input": file_input, "feedback_buttons": feedback,
    "icon_button": icon_button, "image": image, "workflow_button": workflow_button,
    **dict.fromkeys(_PICKERS, picker), **dict.fromkeys(_INPUTS, text_input),
}  # fmt: skip
IN_CONTEXT_ACTIONS = frozenset({"feedback_buttons", "icon_button"})
IN_SECTION = frozenset(ELEMENTS) - _INPUTS - IN_CONTEXT_ACTIONS - {"file_input"}
IN_ACTIONS = IN_SECTION - {"image"} | {"rich_text_input", "plain_text_input"}
IN_INPUT = frozenset(ELEMENTS) - IN_CONTEXT_ACTIONS - {"button", "image", "overflow", "workflow_button"}


def element(value: Any, path: str, problems: Problems, *, allowed: frozenset[str]) -> None:
    """One element of a place that admits only some kinds."""
    if not rules.is_object(value, path, problems):
        return
    kind = value.get("type")
    if kind not in allowed:
        problems.add(f"unsupported type: {kind}", path + "/type")
        return
    rules.string(value, "action_id", path, problems, most=rules.ID_LIMIT)
    rules.optional_text(value, "placeholder", path, problems, most=150)
    confirm(value, path, problems)
    ELEMENTS[kind](value, path, problems)
