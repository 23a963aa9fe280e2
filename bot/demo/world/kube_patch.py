"""Patches of Kubernetes: JSON patch, merge patch and the part of strategic merge that pod templates need."""

from __future__ import annotations

import copy
from typing import Any

_MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "conditions": "type",
}


class PatchError(Exception):
    """A patch that cannot be applied."""


def apply_patch(target: dict[str, Any], patch: Any, content_type: str) -> dict[str, Any]:
    """A patched copy of `target`; `content_type` picks the kind of patch."""
    kind = content_type.partition(";")[0].strip()
    if kind == "application/json-patch+json":
        return _json_patch(target, patch)
    if not isinstance(patch, dict):
        raise PatchError("the patch must be an object")
    if kind == "application/merge-patch+json":
        return dict(_merge(target, patch))
    if kind in {"application/strategic-merge-patch+json", "application/apply-patch+yaml"}:
        return dict(_strategic(target, patch))
    raise PatchError(f"unsupported media type {kind!r}")


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge(result.get(key), value)
    return result


def _strategic(target: Any, patch: Any) -> Any:
    result = copy.deepcopy(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = (
                copy.deepcopy(value) if value.get("$patch") == "replace" else _strategic(result.get(key), value)
            )
            result[key].pop("$patch", None)
        elif isinstance(value, list) and key in _MERGE_KEYS:
            result[key] = _lists(result.get(key) or [], value, _MERGE_KEYS[key])
        elif not key.startswith("$"):
            result[key] = copy.deepcopy(value)
    return result


def _lists(old: list[Any], new: list[Any], key: str) -> list[Any]:
    merged = list(old)
    for item in new:
        position = next((i for i, other in enumerate(merged) if other.get(key) == item.get(key)), None)
        if item.get("$patch") == "delete":
            if position is not None:
                merged.pop(position)
        elif position is None:
            merged.append(copy.deepcopy(item))
        else:
            merged[position] = _strategic(merged[position], item)
    return merged


def _json_patch(target: dict[str, Any], operations: Any) -> dict[str, Any]:
    if not isinstance(operations, list):
        raise PatchError("a JSON patch must be a list of operations")
    result = copy.deepcopy(target)
    for operation in operations:
        try:
            _operate(result, operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise PatchError(f"the operation {operation!r} does not fit: {error}") from error
    return result


def _operate(document: Any, operation: dict[str, Any]) -> None:
    steps = [part.replace("~1", "/").replace("~0", "~") for part in str(operation["path"]).split("/")[1:]]
    node = document
    for step in steps[:-1]:
        node = node[int(step)] if isinstance(node, list) else node[step]
    last: Any = steps[-1]
    if isinstance(node, list):
        last = len(node) if last == "-" else int(last)
    verb = operation["op"]
    if verb == "test":
        if node[last] != operation["value"]:
            raise ValueError("the value is another one")
    elif verb == "remove":
        del node[last]
    elif verb == "add" and isinstance(node, list):
        node.insert(last, operation["value"])
    elif verb in {"add", "replace"}:
        if verb == "replace":
            node[last]
        node[last] = operation["value"]
    else:
        raise ValueError(f"unknown op {verb!r}")
