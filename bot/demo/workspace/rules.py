"""Primitives of block validation: where a problem is, and the checks everything shares."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bot.demo.workspace.wire import Json

ID_LIMIT = 255
TEXT_LIMIT = 3_000
URL_LIMIT = 3_000


@dataclass
class Problems:
    """What is wrong, in Slack's wording with a JSON pointer; `refused` are block types this workspace lacks."""

    surface: str = "message"
    refused: set[str] = field(default_factory=set)
    files: dict[str, Json] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)
    block_ids: set[str] = field(default_factory=set)

    def add(self, text: str, path: str) -> None:
        """Note one problem."""
        self.found.append(f"{text} [json-pointer:{path}]")


Check = Callable[[Json, str, Problems], None]


def is_object(value: Any, path: str, problems: Problems) -> bool:
    """True for a JSON object; anything else is a problem."""
    if isinstance(value, dict):
        return True
    problems.add("must provide an object", path)
    return False


def known_keys(body: Json, path: str, problems: Problems, *, keys: str) -> None:
    """Slack refuses properties it does not know."""
    for key in body.keys() - {"type", *keys.split()}:
        problems.add(f"invalid additional property: {key}", path)


def required(body: Json, path: str, problems: Problems, *, keys: str) -> bool:
    """True when every required property is there."""
    missing = [key for key in keys.split() if body.get(key) is None]
    for key in missing:
        problems.add(f"missing required field: {key}", path)
    return not missing


def string(body: Json, key: str, path: str, problems: Problems, *, most: int, least: int = 1) -> None:
    """An optional string with a length."""
    value = body.get(key)
    if value is None:
        return
    where = f"{path}/{key}"
    if not isinstance(value, str):
        problems.add("must be a string", where)
    elif len(value) > most:
        problems.add(f"must be less than {most + 1} characters", where)
    elif len(value) < least:
        problems.add(f"must be more than {least - 1} characters", where)


def text_object(value: Any, path: str, problems: Problems, *, most: int = TEXT_LIMIT, plain_only: bool = False) -> None:
    """A text composition object."""
    if not is_object(value, path, problems):
        return
    kind = value.get("type")
    if kind not in ({"plain_text"} if plain_only else {"plain_text", "mrkdwn"}):
        problems.add(f"unsupported type: {kind}", path + "/type")
        return
    known_keys(value, path, problems, keys="text emoji" if kind == "plain_text" else "text verbatim")
    if not isinstance(value.get("text"), str):
        problems.add("missing required field: text", path)
        return
    string(value, "text", path, problems, most=most)


def optional_text(body: Json, key: str, path: str, problems: Problems, *, most: int, plain_only: bool = True) -> None:
    """A text composition object that may be absent."""
    if body.get(key) is not None:
        text_object(body[key], f"{path}/{key}", problems, most=most, plain_only=plain_only)


def items(body: Json, key: str, path: str, problems: Problems, *, most: int, least: int = 1) -> list[Any]:
    """A list with a length; empty when it is no list."""
    value, where = body.get(key), f"{path}/{key}"
    if not isinstance(value, list):
        problems.add("must provide an array", where)
        return []
    if len(value) > most:
        problems.add(f"no more than {most} items allowed", where)
    if len(value) < least:
        problems.add(f"no fewer than {least} items allowed", where)
    return value


def one_of(body: Json, key: str, path: str, problems: Problems, *, allowed: str) -> None:
    """An optional enumeration."""
    if body.get(key) is not None and body[key] not in allowed.split():
        problems.add(f"must be one of: {', '.join(allowed.split())}", f"{path}/{key}")


def number(value: Any, path: str, problems: Problems) -> bool:
    """True for a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        problems.add("must be a number", path)
        return False
    return True


def whole(body: Json, key: str, path: str, problems: Problems, *, least: int, most: int) -> None:
    """An optional whole number in a range."""
    value = body.get(key)
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        problems.add(f"must be an integer from {least} to {most}", f"{path}/{key}")


def url(body: Json, key: str, path: str, problems: Problems) -> None:
    """An optional web address."""
    string(body, key, path, problems, most=URL_LIMIT)
    value = body.get(key)
    if isinstance(value, str) and not value.startswith(("http://", "https://", "mailto:", "slack://")):
        problems.add("must be a valid URL", f"{path}/{key}")


def picture(body: Json, path: str, problems: Problems) -> None:
    """What an image block and an image element have in common."""
    if ("image_url" in body) == ("slack_file" in body):
        problems.add("must provide either image_url or slack_file", path)
    if required(body, path, problems, keys="alt_text"):
        string(body, "alt_text", path, problems, most=2_000)
    url(body, "image_url", path, problems)
    slack_file = body.get("slack_file")
    if slack_file is None or not is_object(slack_file, path + "/slack_file", problems):
        return
    by_url = {f.get("url_private") for f in problems.files.values()}
    if slack_file.get("id") not in problems.files and slack_file.get("url") not in by_url - {None}:
        problems.add("invalid slack file", path + "/slack_file")
