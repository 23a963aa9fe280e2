"""PromQL from parts: names are checked, values are quoted here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.reasoning.ask.model import CannotAnswer

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


@dataclass(frozen=True)
class Matcher:
    """A label matcher; `operator` is = != =~ or !~."""

    label: str
    operator: str
    value: str

    def __str__(self) -> str:
        return f"{name(self.label)}{self.operator}{quoted(self.value)}"


def name(text: str) -> str:
    """A metric or label name; CannotAnswer for anything that is none."""
    if not _NAME.fullmatch(text):
        raise CannotAnswer(f"“{text[:60]}” is not a name in PromQL.")
    return text


def quoted(value: str) -> str:
    """A string literal."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def selector(metric: str, matchers: Iterable[Matcher] = (), *, range_s: int | None = None) -> str:
    """`metric{label="value"}[5m]`."""
    inside = ",".join(str(m) for m in matchers)
    braces = f"{{{inside}}}" if inside else ""
    return f"{name(metric)}{braces}{f'[{duration(range_s)}]' if range_s else ''}"


def call(function: str, *arguments: str) -> str:
    return f"{name(function)}({', '.join(arguments)})"


def aggregate(operator: str, expression: str, by: Sequence[str] = (), *, parameter: str | None = None) -> str:
    """`sum by (a, b) (…)`; `parameter` is that of topk or quantile."""
    grouping = f" by ({', '.join(name(label) for label in by)}) " if by else ""
    inside = f"{parameter}, {expression}" if parameter else expression
    return f"{name(operator)}{grouping}({inside})"


def duration(seconds: int) -> str:
    """The shortest exact spelling of a length of time."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds % length == 0 and seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{max(1, seconds)}s"


def number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
