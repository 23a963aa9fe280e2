"""Holds every statement against the evidence it cites: numbers, names and quotes must stand there.

What fails is dropped from a model's report and marked in one made by code; the footer counts both.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from bot.domain.evidence import Evidence
from connectors.model import JsonObject, SeriesSet

_QUOTE = re.compile(r"[“\"`]([^”\"`]{3,400})[”\"`]")
_NUMBER = re.compile(r"(?<![\w.:/-])[-+]?\d[\d,]*(?:\.\d+)?(?![\w]*[:/]\d)")
_CLOCK = re.compile(r"\b\d{1,2}:\d{2}(?::\d{2})?\b|\b\d{4}-\d{2}-\d{2}\b")
_NAMED = re.compile(r"\b[a-z][a-z0-9]*(?:[-_][a-z0-9]+)+\b")
# A statement may round, and may say ms for s, % for a ratio, MB for bytes, minutes for seconds.
_SCALES = (1.0, 1e-3, 1e3, 100.0, 1e-6, 1e-9, 1 / 1024, 1 / 1024**2, 1 / 1024**3, 1 / 60, 1 / 3600)
_SMALL = frozenset(range(13))


@dataclass
class Facts:
    """All numbers and all text of some pieces of evidence, gathered once."""

    numbers: list[float] = field(default_factory=list)
    text: str = ""

    def has_number(self, written: str) -> bool:
        """Whether a number stands in the facts at the precision in which it was written, in some usual unit."""
        value = float(written.replace(",", ""))
        places = len(written.partition(".")[2])
        slack = 0.5 * 10**-places + 1e-9
        return any(abs(known * scale - value) <= slack for scale in _SCALES for known in self.numbers)

    def has_text(self, wanted: str) -> bool:
        return _flat(wanted) in self.text


def gather(evidence: Iterable[Evidence], data: Sequence[JsonObject] = ()) -> Facts:
    """The facts of the evidence, and of numbers that code measured on it."""
    facts = Facts()
    texts: list[str] = []
    for item in evidence:
        texts += [item.headline, item.source.query, item.call.connector, item.truncated or ""]
        if isinstance(item.payload, SeriesSet):
            _from_series(item.payload, facts, texts)
        else:
            _walk(item.payload.model_dump(mode="json"), facts, texts)
    for measured in data:
        _walk(measured, facts, texts)
    facts.text = _flat(" \n ".join(texts))
    return facts


def _from_series(payload: SeriesSet, facts: Facts, texts: list[str]) -> None:
    for series in payload.series:
        texts += [series.metric, series.service or "", *series.labels.values()]
        facts.numbers += [value for _, value in series.points if value is not None]


def _walk(value: JsonValue, facts: Facts, texts: list[str]) -> None:
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        if math.isfinite(value):
            facts.numbers.append(float(value))
    elif isinstance(value, str):
        texts.append(value)
        facts.numbers += [float(n.replace(",", "")) for n in _NUMBER.findall(value)]
    elif isinstance(value, Mapping):
        for key, part in value.items():
            texts.append(str(key))
            _walk(part, facts, texts)
        facts.numbers.append(float(len(value)))
    else:
        for part in value:
            _walk(part, facts, texts)
        facts.numbers.append(float(len(value)))


def is_backed(statement: str, facts: Facts, *, known_names: Iterable[str] = ()) -> bool:
    """True when every quote, every dashed name and every number of the statement stands in the facts.

    Times of day are left to the timeline, and counts up to twelve are ordinary words.
    """
    known = {name.lower() for name in known_names}
    for quote in _QUOTE.findall(statement):
        if not facts.has_text(quote.rstrip("…")):
            return False
    bare = _CLOCK.sub(" ", _QUOTE.sub(" ", statement))
    for name in _NAMED.findall(bare.lower()):
        if name not in known and not facts.has_text(name):
            return False
    for number in _NUMBER.findall(bare):
        if _is_small(number) or facts.has_number(number):
            continue
        if not facts.has_text(number):
            return False
    return True


def _is_small(number: str) -> bool:
    return "." not in number and "," not in number and number.isdigit() and int(number) in _SMALL


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\\n", " ")).strip().lower()
