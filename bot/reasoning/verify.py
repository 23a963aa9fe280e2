"""Holds every statement against the evidence it cites: numbers, names and quotes must stand there.

What fails is dropped from a model's report and marked in one made by code; the footer counts both.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from bot.domain.evidence import Evidence
from connectors.model import JsonObject, SeriesSet

_QUOTE = re.compile(r"[“\"`]([^”\"`]{3,400})[”\"`]")
_NUMBER = re.compile(r"(?<![\w.:/-])[-+]?\d[\d,]*(?:\.\d+)?(?![\w]*[:/]\d)(?!\.\d)")
_UNIT = re.compile(r"\s*(%|[A-Za-zµ]+|×)")
_CLOCK = re.compile(
    r"\b\d{4}-\d{2}-\d{2}T[\d:.]+(?:Z|[+-]\d\d:?\d\d)?|\b\d{1,2}:\d{2}(?::\d{2})?\b|\b\d{4}-\d{2}-\d{2}\b"
)
_DASHED = re.compile(r"\b[a-z][a-z0-9]*(?:[-_][a-z0-9]+)+\b")
_DOTTED = re.compile(
    r"\b[a-z0-9][a-z0-9_-]*(?:\.[a-z0-9_-]*[a-z0-9])*\.[a-z][a-z0-9_-]*[a-z0-9]\b|\b\d+(?:\.\d+){2,}\b"
)
_HUMPED = re.compile(r"\b[A-Z]+[a-z0-9]+(?:[A-Z][A-Za-z0-9]*)+\b")
_CODED = re.compile(r"\b(?=[a-z]*\d)(?=\d*[a-z])[a-z0-9]{7,}\b")
_SMALL = frozenset(range(13))

# How a known number may be written in front of a unit: seconds as ms or minutes, ratios as %, bytes as MB.
_BYTES = {"k": 1, "m": 2, "g": 3, "t": 4}
_SCALES: dict[str, tuple[float, ...]] = {
    "%": (100.0, 1.0),
    "percent": (100.0, 1.0),
    "ms": (1e3, 1.0, 1e-3, 1e-6),
    "milliseconds": (1e3, 1.0, 1e-3, 1e-6),
    "s": (1.0, 1e-3, 1e-6, 1e-9),
    "second": (1.0, 1e-3, 1e-6, 1e-9),
    "seconds": (1.0, 1e-3, 1e-6, 1e-9),
    "min": (1 / 60, 1.0, 1 / 60_000, 60.0),
    "minute": (1 / 60, 1.0, 1 / 60_000, 60.0),
    "minutes": (1 / 60, 1.0, 1 / 60_000, 60.0),
    "h": (1 / 3600, 1.0, 1 / 60),
    "hour": (1 / 3600, 1.0, 1 / 60),
    "hours": (1 / 3600, 1.0, 1 / 60),
    "k": (1e-3, 1.0),
    "million": (1e-6, 1.0),
    "cores": (1.0, 1e-3),
    **{f"{c}b": (1000.0**-p, 1024.0**-p, 1.0) for c, p in _BYTES.items()},
    **{f"{c}ib": (1024.0**-p, 1.0) for c, p in _BYTES.items()},
}
_AS_IT_IS = (1.0,)


@dataclass
class _Group:
    """The numbers of one series, and the words by which a statement can mean it."""

    words: frozenset[str]
    numbers: list[float]


@dataclass
class Facts:
    """All numbers and all text of some pieces of evidence, gathered once."""

    numbers: list[float] = field(default_factory=list)
    text: str = ""
    groups: list[_Group] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    @classmethod
    def merged(cls, parts: Iterable[Facts]) -> Facts:
        """What several hold together."""
        several = list(parts)
        return cls(
            numbers=sorted(number for part in several for number in part.numbers),
            text=" \n ".join(part.text for part in several),
            groups=[group for part in several for group in part.groups],
            names={name for part in several for name in part.names},
        )

    def has_number(self, written: str, unit: str = "", *, about: frozenset[str] | None = None) -> bool:
        """Whether a number stands here at the precision in which it was written, converted as its unit allows.

        `about`: the names in the statement. Points count only of series that carry one of them, unless none does.
        """
        value = float(written.replace(",", ""))
        slack = 0.5 * 10 ** -len(written.partition(".")[2]) + 1e-9
        meant = [group for group in self.groups if about and group.words & about] or self.groups
        pools = [self.numbers, *(group.numbers for group in meant)]
        scales = _SCALES.get(unit.lower(), _AS_IT_IS)
        return any(_near(pool, value / scale, slack / scale) for scale in scales for pool in pools)

    def has_text(self, wanted: str) -> bool:
        return _flat(wanted) in self.text

    def has_name(self, name: str) -> bool:
        """Whether the name stands here as a word of its own."""
        return re.search(rf"(?<![a-z0-9]){re.escape(name.lower())}(?![a-z0-9])", self.text) is not None


def _near(pool: Sequence[float], value: float, slack: float) -> bool:
    at = bisect_left(pool, value - slack)
    return at < len(pool) and pool[at] <= value + slack


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
    facts.numbers.sort()
    return facts


def _from_series(payload: SeriesSet, facts: Facts, texts: list[str]) -> None:
    facts.numbers.append(float(len(payload.series)))
    for series in payload.series:
        names = [series.service or "", *series.labels.values()]
        texts += [series.metric, *names]
        facts.names |= {name.lower() for name in (series.service,) if name}
        numbers = sorted(value for _, value in series.points if value is not None)
        facts.groups.append(_Group(words=frozenset(name.lower() for name in names if name), numbers=numbers))


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
            if key in ("service", "caller", "callee", "name") and isinstance(part, str) and len(part) > 2:
                facts.names.add(part.lower())
            _walk(part, facts, texts)
        facts.numbers.append(float(len(value)))
    else:
        for part in value:
            _walk(part, facts, texts)
        facts.numbers.append(float(len(value)))


@dataclass(frozen=True)
class Claims:
    """What in a statement can be checked."""

    quotes: tuple[str, ...]
    names: frozenset[str]
    numbers: tuple[tuple[str, str], ...]


def claims_of(statement: str, *, universe: Iterable[str] = ()) -> Claims:
    """Quotes, names and numbers with their units. `universe`: names that are ordinary words, such as `payments`.

    Times of day are left to the timeline, and counts up to twelve are ordinary words.
    """
    quotes = tuple(quote.rstrip("…") for quote in _QUOTE.findall(statement))
    bare = _CLOCK.sub(" ", _QUOTE.sub(" ", statement))
    lowered = bare.lower()
    names = {name for pattern in (_DASHED, _DOTTED, _CODED) for name in pattern.findall(lowered)}
    names |= {name.lower() for name in _HUMPED.findall(bare)}
    words = set(re.findall(r"[a-z0-9][a-z0-9_.-]*[a-z0-9]", lowered))
    names |= words & {name.lower() for name in universe}
    return Claims(quotes=quotes, names=frozenset(names), numbers=tuple(_numbers(bare)))


def _numbers(bare: str) -> Iterator[tuple[str, str]]:
    for found in _NUMBER.finditer(bare):
        unit = _UNIT.match(bare, found.end())
        said = unit.group(1) if unit else ""
        if said or not _is_small(found.group()):
            if _is_small(found.group()) and said.lower() not in _SCALES:
                continue
            yield found.group(), said


def is_backed(
    statement: str,
    facts: Facts,
    *,
    known_names: Iterable[str] = (),
    universe: Iterable[str] = (),
    anchored: bool = False,
) -> bool:
    """True when every quote, every name and every number of the statement stands in the facts.

    `anchored`: a statement in which nothing can be checked is not backed either.
    """
    claims = claims_of(statement, universe=universe)
    known = {name.lower() for name in known_names}
    if anchored and not (claims.quotes or claims.names or claims.numbers):
        return False
    if not all(facts.has_text(quote) for quote in claims.quotes):
        return False
    if not all(name in known or facts.has_text(name) for name in claims.names):
        return False
    return all(
        facts.has_number(written, unit, about=claims.names) or (written.isdigit() and facts.has_name(written))
        for written, unit in claims.numbers
    )


def _is_small(number: str) -> bool:
    return number.isdigit() and int(number) in _SMALL


def _flat(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\\n", " ")).strip().lower()
