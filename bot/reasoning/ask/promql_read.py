"""Reads a question about metrics: what to compute, of which words, filtered, grouped and bounded how."""
# ruff: noqa: E501 - lists, forms and sentences stay on one line

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bot.reasoning.ask.model import Asked, CannotAnswer
from bot.reasoning.ask.pieces import number as parsed_number
from bot.reasoning.ask.promql_families import Family
from bot.reasoning.ask.promql_text import Matcher
from bot.reasoning.ask.spans import BEFORE_MARK, MARK, Span, take_span
from bot.reasoning.ask.words import STOP, lemma, name_parts, stem, tokens

_QUANTILE = re.compile(
    r"\bp(?P<p>\d{2,3})\b|\b(?P<n>\d{2}(?:\.\d+)?)(?:th|st|nd|rd)?[ -]percentile\b|\b(?P<m>median)\b", re.I
)
_TOP = re.compile(
    r"\b(?P<top>top|bottom)\s+(?P<n>\d+)\b|\b(?P<n2>\d+)\s+(?P<sup2>busiest|slowest|highest|largest|biggest|lowest)\b"
    r"|\b(?P<sup>highest|most|largest|biggest|slowest|busiest|worst|lowest|least|fewest|smallest|fastest)\b",
    re.I,
)
_BOUND = re.compile(
    r"\b(?P<op>more than|greater than|higher than|over|above|exceed(?:s|ing)?|at least|less than|lower than|fewer than|below|under|at most)"
    r"\s+(?P<n>\d+(?:\.\d+)?)\s*(?P<u>%|percent|ms|milliseconds|seconds?|s|gb|gib|mb|mib|kb|bytes|cores?|per second|rps)?(?!\w)",
    re.I,
)
_OPERATORS = {
    "at least": ">=",
    "at most": "<=",
    "less than": "<",
    "lower than": "<",
    "fewer than": "<",
    "below": "<",
    "under": "<",
}
_GROUP = re.compile(
    r"\b(?:by|per|for each|for every|each|grouped by|broken down by|across)\s+(?P<label>[a-z_]+(?:\s+[a-z_]+)?)", re.I
)
_UNITS = {
    "%": 0.01,
    "percent": 0.01,
    "ms": 0.001,
    "milliseconds": 0.001,
    "gb": 1e9,
    "gib": 2**30,
    "mb": 1e6,
    "mib": 2**20,
    "kb": 1e3,
}
_SERVERS = re.compile(r"\b(?:server errors?|5xx|http 5xx|internal errors?)\b", re.I)
_CLIENTS = re.compile(r"\b(?:client errors?|4xx)\b", re.I)
_OKS = re.compile(r"\b(?:successful|2xx|succeeded)\b", re.I)
_RATIO = re.compile(
    r"\b(?:error|failure) (?:ratio|rate|percentage|percent)\b|\b(?:percentage|share|ratio|fraction|proportion|percent|rate) of (?:requests |calls )?(?:errors?|failed|failures?|failing|5xx|erroneous)(?: requests| calls)?\b|\bsuccess (?:rate|ratio)\b|\bavailability\b|\b(?:percentage|share|ratio|fraction|proportion|percent) of (?P<of>[\w ]+?) (?:that |which |are |is )*(?:failed|fail|failing|errors?|5xx|erroring)\b",
    re.I,
)
_SATURATION = re.compile(
    r"\b(?:saturation|utili[sz]ation|saturated|how full|percent(?:age)? (?:used|full|in use)|usage (?:ratio|percentage)|fullness)\b",
    re.I,
)
_RATE = re.compile(
    r"\b(?:per second|rate of|rates? (?=by|per|of|for)|rps|qps|throughput|rate)\b|\b(?:per minute)\b", re.I
)
_INCREASE = re.compile(
    r"\b(?:how many|number of|count of|increase (?:of|in)|increase|how often|total number of|total)\b", re.I
)
_AGGREGATES = (
    ("avg", r"\b(?:average|avg|mean)\b"),
    ("max", r"\b(?:maximum|max|peak|highest value of)\b"),
    ("min", r"\b(?:minimum|min)\b"),
    ("sum", r"\b(?:total|sum(?: of)?|combined|overall)\b"),
)
_REFUSE = re.compile(
    r"\b(?:delete|drop|restart|kill|scale|silence|why|predict|forecast|correlat\w+|compare\w*|versus|vs|anomal\w+|should|tomorrow|unusual|trend|normal|baseline|deviation|growth|cause[ds]?|best|root|caused|because|will|next|weather|who|deployed?|version|cost|price|money|revenue|customers?)\b",
    re.I,
)
_FILLER = frozenset(
    """current currently right now value level number count rate per second service services app application
    instance instances pod pods endpoint endpoints many much often total average avg mean max maximum min minimum
    peak top bottom highest lowest most least busiest slowest fastest largest biggest smallest fewest have having
    has where whose than graph chart plot show over last latest there use uses using running serve served serving handle handled
    go going see seen across get got metric metrics group grouped sum sorted
    and with or be not any usage consumption used consumed spent""".split()
)


@dataclass
class Wish:
    """What was read. `words` are those that must name the metric."""

    span: Span | None
    quantile: float | None = None
    ratio: str | None = None
    saturation: bool = False
    rate: bool = False
    per_minute: bool = False
    increase: bool = False
    function: str | None = None
    top: tuple[str, int] | None = None
    bound: tuple[str, float] | None = None
    status: str | None = None
    groups: list[str] = field(default_factory=list)
    matchers: list[Matcher] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    percent: bool = False

    @property
    def range_s(self) -> int:
        """The length of time to look back over; five minutes when none is named."""
        if self.span and self.span.start and self.span.end:
            return max(60, int((self.span.end - self.span.start).total_seconds()))
        return 300


class MetricReader:
    """Takes phrases off the question one sort after the other; what is left must name the metric."""

    def __init__(self, known: tuple[Family, ...]) -> None:
        self._values: dict[tuple[str, ...], set[tuple[str, str]]] = {}
        self._labels: dict[tuple[str, ...], str] = {}
        self._names = {part for family in known for part in family.parts}
        for family in known:
            for label, values in family.labels.items():
                self._labels[name_parts(label)] = label
                for value in values:
                    self._add_value(label, value)

    def _add_value(self, label: str, value: str) -> None:
        whole = tuple(lemma(w) for w in re.split(r"[^A-Za-z0-9]+", value) if w)
        for said in {whole, whole[:-1] if whole[-1:] in (("service",), ("api",), ("svc",), ("server",)) else whole}:
            if said and not (len(said) == 1 and (len(said[0]) < 2 or said[0] in STOP)):
                self._values.setdefault(said, set()).add((label, value))

    def read(self, asked: Asked) -> Wish:
        refused = _REFUSE.search(asked.text)
        if refused:
            raise CannotAnswer(f"“{refused.group()}” asks for more than a query over these metrics can say.")
        text, span = take_span(asked)
        if BEFORE_MARK in text or (span and span.end and (asked.now - span.end).total_seconds() > 60):
            raise CannotAnswer("I only look at metrics up to now. Ask about the last minutes, hours or days.")
        wish = Wish(span)
        text = re.sub(r"\b(hit|miss) rate\b", r"\1 ratio", text.replace(MARK, " "), flags=re.I)
        for step in (self._quantile, self._bound, self._top, self._ratio, self._how, self._status, self._group):
            text = step(text, wish)
        self._rest(text, wish)
        return wish

    def _quantile(self, text: str, wish: Wish) -> str:
        match = _QUANTILE.search(text)
        if not match:
            return text
        if match["m"]:
            wish.quantile = 0.5
        elif match["p"]:
            wish.quantile = float(f"0.{match['p']}")
        else:
            wish.quantile = float(match["n"]) / 100
        return text.replace(match.group(), " ", 1)

    def _bound(self, text: str, wish: Wish) -> str:
        match = _BOUND.search(text)
        if not match:
            return text
        unit = (match["u"] or "").lower()
        wish.bound = (
            _OPERATORS.get(match["op"].lower(), ">=" if match["op"].lower() == "at least" else ">"),
            parsed_number(match["n"]) * _UNITS.get(unit, 1.0),
        )
        wish.percent = unit in ("%", "percent")
        return text.replace(match.group(), " ", 1)

    def _top(self, text: str, wish: Wish) -> str:
        match = _TOP.search(text)
        if not match:
            return text
        low = (match["top"] or match["sup2"] or match["sup"] or "").lower() in (
            "bottom",
            "lowest",
            "least",
            "fewest",
            "smallest",
            "fastest",
        )
        wish.top = ("bottomk" if low else "topk", int(match["n"] or match["n2"] or 1))
        if (match["sup"] or match["sup2"] or "").lower() in ("slowest", "fastest"):
            return text.replace(match.group(), " latency ", 1)
        if (match["sup"] or match["sup2"] or "").lower() == "busiest":
            wish.rate = True
            return text.replace(match.group(), " requests ", 1)
        return text.replace(match.group(), " ", 1)

    def _ratio(self, text: str, wish: Wish) -> str:
        match = _RATIO.search(text)
        if match:
            said = match.group().lower()
            wish.ratio = "success" if "success" in said or "availab" in said else "error"
            wish.percent = wish.percent or ("percent" in said and wish.bound is None)
            of = match.groupdict().get("of") or ""
            return text.replace(match.group(), f" {of} ", 1)
        match = _SATURATION.search(text)
        if match:
            wish.saturation = True
            return text.replace(match.group(), " ", 1)
        return text

    def _how(self, text: str, wish: Wish) -> str:
        for name, pattern in _AGGREGATES:
            if re.search(pattern, text, re.I) and wish.function is None:
                wish.function = name
                text = re.sub(pattern, " ", text, count=1, flags=re.I)
        if re.search(r"\bper minute\b", text, re.I):
            wish.per_minute = True
        if _RATE.search(text):
            wish.rate = True
            text = _RATE.sub(" ", text)
        if _INCREASE.search(text):
            wish.increase = True
            text = _INCREASE.sub(" ", text)
        return text

    def _status(self, text: str, wish: Wish) -> str:
        for name, pattern in (("5", _SERVERS), ("4", _CLIENTS), ("2", _OKS)):
            if pattern.search(text):
                wish.status = name
                return pattern.sub(" ", text, count=1)
        code = re.search(
            r"\b(?:http |status )*(?:code |status )*(?P<c>[1-5]\d\d)s?\b(?: (?:responses?|errors?|status(?:es)?))?",
            text,
            re.I,
        )
        if code:
            wish.status = code["c"]
            return text.replace(code.group(), " ", 1)
        return text

    def _group(self, text: str, wish: Wish) -> str:
        for match in reversed(list(_GROUP.finditer(text))):
            words = match["label"].split()
            for length in (2, 1):
                label = self._label(words[:length]) if length <= len(words) else None
                if label:
                    wish.groups.insert(0, label)
                    rest = " ".join(words[length:])
                    text = f"{text[: match.start()]} {rest} {text[match.end() :]}"
                    break
        also = re.match(r"\s*and\s+(?P<l>[a-z_]+)", text) if wish.groups else None
        if also and self._label([also["l"]]):
            raise CannotAnswer("Group by one label at a time.")
        which = re.search(r"\b(?:which|what|top|bottom)?\s*(?P<l>[a-z_]+s?)\b", text, re.I)
        if wish.top or wish.bound or re.match(r"\s*(?:which|what)\b", text, re.I):
            for word in text.split():
                label = self._label([re.sub(r"\W", "", word)]) if not wish.groups else None
                if label:
                    wish.groups.append(label)
                    return text.replace(word, " ", 1)
        del which
        return text

    def _label(self, words: list[str]) -> str | None:
        said = tuple(lemma(w) for w in words if w)
        found = self._labels.get(said)
        if found is None and said == ("service",):
            found = next((self._labels[(w,)] for w in ("service", "app", "job") if (w,) in self._labels), None)
        return found

    def _rest(self, text: str, wish: Wish) -> None:
        """Values of labels become filters; what is left names the metric."""
        words, at = tokens(text), 0
        while at < len(words):
            taken = self._value(words, at, wish)
            if taken:
                at += taken
                continue
            token = words[at]
            at += 1
            plain = token.lemma
            if token.sort == "sign" or (plain in STOP and stem(plain) not in self._names) or plain in _FILLER:
                continue
            if token.sort == "number":
                raise CannotAnswer(f"I do not see what {token.text} belongs to.")
            if self._labels.get((plain,)) in [m.label for m in wish.matchers] + wish.groups:
                continue
            if wish.status and plain in ("error", "response", "status", "request"):
                continue
            wish.words.append(plain)

    def _value(self, words: list, at: int, wish: Wish) -> int:  # type: ignore[type-arg]
        for length in range(min(5, len(words) - at), 0, -1):
            said = tuple(t.lemma for t in words[at : at + length])
            said = tuple(p for w in said for p in re.split(r"[^a-z0-9]+", w) if p)
            found = self._values.get(said)
            if not found or (length == 1 and stem(said[0]) in self._names and said[0] in _FILLER):
                continue
            labels = {label for label, _ in found}
            before = self._labels.get((words[at - 1].lemma,)) if at else None
            after = self._labels.get((words[at + length].lemma,)) if at + length < len(words) else None
            label = next((x for x in (before, after) if x in labels), None) or _usual(labels)
            values = sorted({v for lab, v in found if lab == label})
            exact = [v for v in values if tuple(lemma(w) for w in re.split(r"[^A-Za-z0-9]+", v) if w) == said]
            values = exact or values
            if len(values) != 1:
                raise CannotAnswer(f"“{' '.join(said)}” could be several values of {label}.", *values[:4])
            if any(m.label == label for m in wish.matchers):
                raise CannotAnswer(f"The question names two values of {label}. Ask about one, or by {label}.")
            wish.matchers.append(Matcher(label, "=", values[0]))
            return length
        return 0


def _usual(labels: set[str]) -> str:
    """The label that people mean when a value stands under several."""
    for name in ("service", "app", "job", "queue", "pool", "deployment", "namespace", "method", "route", "pod"):
        if name in labels:
            return name
    return min(labels)
