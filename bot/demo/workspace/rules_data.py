"""Validation of the native blocks of 2026: plans, task cards, charts, tables."""

from __future__ import annotations

from typing import Any

from bot.demo.workspace import rules
from bot.demo.workspace.rules import Problems
from bot.demo.workspace.rules_rich import rich_text
from bot.demo.workspace.wire import Json

STATUSES = "pending in_progress complete error"
CELLS_LIMIT = 10_000


def plan(body: Json, path: str, problems: Problems) -> None:
    """A plan with its tasks."""
    rules.known_keys(body, path, problems, keys="block_id title tasks")
    if rules.required(body, path, problems, keys="title"):
        rules.string(body, "title", path, problems, most=rules.TEXT_LIMIT)
    if "tasks" not in body:
        return
    seen: set[str] = set()
    for place, task in enumerate(rules.items(body, "tasks", path, problems, most=50, least=0)):
        where = f"{path}/tasks/{place}"
        if not rules.is_object(task, where, problems):
            continue
        if task.get("type", "task_card") != "task_card":
            problems.add(f"unsupported type: {task.get('type')}", where + "/type")
        task_card(task, where, problems)
        if task.get("task_id") in seen:
            problems.add("task_id must be unique", where + "/task_id")
        seen.add(str(task.get("task_id")))


def task_card(body: Json, path: str, problems: Problems) -> None:
    """One task; `completed` is not a status."""
    rules.known_keys(body, path, problems, keys="block_id task_id title details output sources status")
    if rules.required(body, path, problems, keys="task_id title"):
        rules.string(body, "task_id", path, problems, most=rules.ID_LIMIT)
        rules.string(body, "title", path, problems, most=rules.TEXT_LIMIT)
    rules.one_of(body, "status", path, problems, allowed=STATUSES)
    for key in ("details", "output"):
        if body.get(key) is not None:
            rich_text(body[key], f"{path}/{key}", problems)
    if body.get("sources") is not None:
        sources(body, path, problems)


def sources(body: Json, path: str, problems: Problems) -> None:
    """Links a task rests on."""
    for place, source in enumerate(rules.items(body, "sources", path, problems, most=100, least=0)):
        where = f"{path}/sources/{place}"
        if rules.is_object(source, where, problems):
            if source.get("type") != "url":
                problems.add(f"unsupported type: {source.get('type')}", where + "/type")
            rules.known_keys(source, where, problems, keys="url text")
            if rules.required(source, where, problems, keys="url text"):
                rules.url(source, "url", where, problems)
                rules.string(source, "text", where, problems, most=rules.TEXT_LIMIT)


def data_visualization(body: Json, path: str, problems: Problems) -> None:
    """A chart (https://docs.slack.dev/reference/block-kit/blocks/data-visualization-block)."""
    rules.known_keys(body, path, problems, keys="block_id title chart")
    if not rules.required(body, path, problems, keys="title chart"):
        return
    rules.string(body, "title", path, problems, most=50)
    chart, where = body["chart"], path + "/chart"
    if not rules.is_object(chart, where, problems):
        return
    kind = chart.get("type")
    if kind == "pie":
        rules.known_keys(chart, where, problems, keys="segments")
        for place, segment in enumerate(rules.items(chart, "segments", where, problems, most=6)):
            _point(segment, f"{where}/segments/{place}", problems, positive=True)
    elif kind in {"line", "bar", "area"}:
        _xy(chart, where, problems)
    else:
        problems.add(f"unsupported type: {kind}", where + "/type")


def _point(point: Any, path: str, problems: Problems, *, positive: bool = False) -> None:
    if not rules.is_object(point, path, problems):
        return
    rules.known_keys(point, path, problems, keys="label value")
    if rules.required(point, path, problems, keys="label value"):
        rules.string(point, "label", path, problems, most=20)
        if rules.number(point["value"], path + "/value", problems) and positive and point["value"] <= 0:
            problems.add("must be more than 0", path + "/value")


def _xy(chart: Json, path: str, problems: Problems) -> None:
    rules.known_keys(chart, path, problems, keys="series axis_config")
    axis = chart.get("axis_config")
    if not rules.required(chart, path, problems, keys="series axis_config") or not isinstance(axis, dict):
        return
    rules.known_keys(axis, path + "/axis_config", problems, keys="categories x_label y_label")
    categories = rules.items(axis, "categories", path + "/axis_config", problems, most=20)
    for place, category in enumerate(categories):
        if not isinstance(category, str) or not 1 <= len(category) <= 20:
            problems.add("must be less than 21 characters", f"{path}/axis_config/categories/{place}")
    for key in ("x_label", "y_label"):
        rules.string(axis, key, path + "/axis_config", problems, most=50)
    names: set[str] = set()
    for place, series in enumerate(rules.items(chart, "series", path, problems, most=6)):
        where = f"{path}/series/{place}"
        if rules.is_object(series, where, problems) and rules.required(series, where, problems, keys="name data"):
            rules.known_keys(series, where, problems, keys="name data")
            rules.string(series, "name", where, problems, most=20)
            if series["name"] in names:
                problems.add("series names must be unique", where + "/name")
            names.add(series["name"])
            _series(series, where, problems, categories=categories)


def _series(series: Json, path: str, problems: Problems, *, categories: list[Any]) -> None:
    points = rules.items(series, "data", path, problems, most=20)
    for place, point in enumerate(points):
        _point(point, f"{path}/data/{place}", problems)
    labels = [p.get("label") for p in points if isinstance(p, dict)]
    if sorted(map(str, labels)) != sorted(map(str, categories)):
        problems.add("labels must match axis_config.categories", path + "/data")


def data_table(body: Json, path: str, problems: Problems) -> None:
    """A table with pages (https://docs.slack.dev/reference/block-kit/blocks/data-table-block)."""
    rules.known_keys(body, path, problems, keys="block_id caption rows page_size row_header_column_index")
    if not rules.required(body, path, problems, keys="caption rows"):
        return
    rules.string(body, "caption", path, problems, most=rules.TEXT_LIMIT)
    rules.whole(body, "page_size", path, problems, least=1, most=100)
    rules.whole(body, "row_header_column_index", path, problems, least=0, most=19)
    rows = rules.items(body, "rows", path, problems, most=101, least=2)
    _cells(rows, path, problems, header_is_plain=True)
    widths = {len(row) for row in rows if isinstance(row, list)}
    if len(widths) > 1:
        problems.add("all rows must have the same number of cells", path + "/rows")


def table(body: Json, path: str, problems: Problems) -> None:
    """The older, simple table (https://docs.slack.dev/reference/block-kit/blocks/table-block)."""
    rules.known_keys(body, path, problems, keys="block_id rows column_settings")
    if not rules.required(body, path, problems, keys="rows"):
        return
    _cells(rules.items(body, "rows", path, problems, most=100), path, problems, header_is_plain=False)
    settings = rules.items(body, "column_settings", path, problems, most=20) if "column_settings" in body else []
    for place, setting in enumerate(settings):
        where = f"{path}/column_settings/{place}"
        if setting is not None and rules.is_object(setting, where, problems):
            rules.known_keys(setting, where, problems, keys="align is_wrapped")
            rules.one_of(setting, "align", where, problems, allowed="left center right")


def _cells(rows: list[Any], path: str, problems: Problems, *, header_is_plain: bool) -> None:
    total = 0
    for line, row in enumerate(rows):
        where = f"{path}/rows/{line}"
        for place, cell in enumerate(rules.items({"row": row}, "row", where, problems, most=20)):
            total += _cell(cell, f"{where}/{place}", problems, rich=not (header_is_plain and line == 0))
    if total > CELLS_LIMIT:
        problems.add(f"must be less than {CELLS_LIMIT + 1} characters over all cells", path + "/rows")


def _cell(cell: Any, path: str, problems: Problems, *, rich: bool) -> int:
    if not rules.is_object(cell, path, problems):
        return 0
    kind = cell.get("type")
    if kind == "raw_text":
        rules.known_keys(cell, path, problems, keys="text")
        rules.string(cell, "text", path, problems, most=CELLS_LIMIT, least=1)
        if "text" not in cell:
            problems.add("missing required field: text", path)
        return len(str(cell.get("text", "")))
    if kind == "raw_number":
        rules.known_keys(cell, path, problems, keys="value text")
        rules.number(cell.get("value"), path + "/value", problems)
        return len(str(cell.get("text") or cell.get("value", "")))
    if kind == "rich_text" and rich:
        rich_text(cell, path, problems)
        return text_length(cell)
    problems.add(f"unsupported type: {kind}", path + "/type")
    return 0


def text_length(node: Any) -> int:
    """Characters of everything a person can read in a tree of blocks."""
    if isinstance(node, list):
        return sum(text_length(child) for child in node)
    if not isinstance(node, dict):
        return 0
    total = 0
    for key, value in node.items():
        if isinstance(value, str):
            total += len(value) if key in {"text", "title", "caption", "label", "name", "alt_text"} else 0
        else:
            total += text_length(value)
    return total
