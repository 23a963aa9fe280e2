"""Selectors, pages and errors of Kubernetes lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.demo.world.kube_objects import Object


class StatusError(Exception):
    """An answer of kind Status."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message


def selected(item: Object, query: Mapping[str, str]) -> bool:
    """Whether an object satisfies labelSelector and fieldSelector."""
    labels = item["metadata"].get("labels", {})
    return _labels_match(labels, query.get("labelSelector", "")) and _fields_match(item, query.get("fieldSelector", ""))


def _labels_match(labels: Mapping[str, str], selector: str) -> bool:
    for part in _split(selector):
        words = part.replace("(", " ( ").replace(")", " ").replace(",", " ").split()
        if len(words) > 2 and words[1] in {"in", "notin"}:
            hit = labels.get(words[0]) in words[3:]
            good = hit if words[1] == "in" else not hit
        elif "!=" in part:
            key, _, value = part.partition("!=")
            good = labels.get(key.strip()) != value.strip()
        elif "=" in part:
            key, _, value = part.replace("==", "=").partition("=")
            good = labels.get(key.strip()) == value.strip()
        else:
            good = part[1:].strip() not in labels if part.startswith("!") else part in labels
        if not good:
            return False
    return True


def _split(selector: str) -> list[str]:
    parts, depth, current = [], 0, ""
    for letter in selector:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append(current.strip())
            current = ""
        else:
            current += letter
    return [part for part in [*parts, current.strip()] if part]


def _fields_match(item: Object, selector: str) -> bool:
    for part in _split(selector):
        negative = "!=" in part
        path, _, wanted = part.replace("!=", "=").replace("==", "=").partition("=")
        value: Any = item
        for step in path.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if ((str(value) if value is not None else "") == wanted) == negative:
            return False
    return True


def page_of(items: list[Object], query: Mapping[str, str], version: int) -> tuple[list[Object], Object]:
    """One page by limit and continue, with the metadata of the list."""
    start = int(query.get("continue") or 0) if (query.get("continue") or "0").isdigit() else -1
    if start < 0:
        raise StatusError(410, "Expired", "The provided continue parameter is too old")
    limit = int(query.get("limit") or 0)
    meta: Object = {"resourceVersion": str(version)}
    if limit and start + limit < len(items):
        meta |= {"continue": str(start + limit), "remainingItemCount": len(items) - start - limit}
    return items[start : start + limit if limit else None], meta
