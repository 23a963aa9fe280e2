"""Reads a question about metrics: what to compute, of which words, filtered, grouped and bounded how."""
# ruff: noqa: E501 - lists, forms and sentences stay on one line

from __future__ import annotations

import re
from dataclasses import dataclass, field

from bot.reasoning.ask.model import Asked, CannotAnswer
from bot.reasoning.ask.pieces import number as parsed_number
from bot.reasoning.ask.promql_families import Family
from bot.reasoning.ask.promql_text import Matcher
from bot.reasoning.ask.promql_words import (
    AGGREGATES,
    BOUND,
    CLIENTS,
    DIRECTIONS,
    FILLER,
    GROUP,
    INCREASE,
    LABELS_ALIKE,
    LEFT,
    NO_LABELS,
    OKS,
    OPERATORS,
    QUANTILE,
    RATE,
    RATIO,
    REFUSE,
    SATURATION,
    SERVERS,
    SHARE,
    STATE_LABELS,
    STATE_RATE,
    TOP,
    UNITS,
)
from bot.reasoning.ask.spans import BEFORE_MARK, MARK, Span, take_span
from bot.reasoning.ask.words import STOP, lemma, name_parts, stem, tokens


@dataclass
class Wish:
    """What was read. `words` are those that must name the metric."""

    span: Span | None
    quantile: float | None = None
    ratio: str | None = None
    saturation: str = ""
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
    share: bool = False
    spent: bool = False
    yes_no: bool = False
    soft: list[str] = field(default_factory=list)

    @property
    def range_s(self) -> int:
        """The length of time to look back over; five minutes when none is named."""
        if self.span and self.span.start and self.span.end:
            return max(60, int((self.span.end - self.span.start).total_seconds()))
        return 300


class MetricReader:
    """Takes phrases off the question one sort after the other; what is left must name the metric."""

    def __init__(
        self, known: tuple[Family, ...], *, names_first: bool = False, avoided: frozenset[str] = frozenset()
    ) -> None:
        """`names_first` takes words of metric names for that; `avoided` are labels that values are not looked for in."""
        self._names_first = names_first
        self._avoided = avoided
        self.chosen: set[str] = set()
        self._raw: dict[str, set[str]] = {}
        self._values: dict[tuple[str, ...], set[tuple[str, str]]] = {}
        self._labels: dict[tuple[str, ...], str] = {}
        self._names = {part for family in known for part in family.parts}
        for family in known:
            for label, values in family.labels.items():
                self._labels[name_parts(label)] = label
                for value in values:
                    self._add_value(label, value)

    def _add_value(self, label: str, value: str) -> None:
        self._raw.setdefault(value, set()).add(label)
        whole = tuple(lemma(w) for w in re.split(r"[^A-Za-z0-9]+", value) if w)
        for said in {whole, whole[:-1] if whole[-1:] in (("service",), ("api",), ("svc",), ("server",)) else whole}:
            if said and not (len(said) == 1 and (len(said[0]) < 2 or said[0] in STOP)):
                self._values.setdefault(said, set()).add((label, value))
        for word in DIRECTIONS.get(value.lower(), ()):
            self._values.setdefault((word,), set()).add((label, value))

    def read(self, asked: Asked) -> Wish:
        refused = REFUSE.search(asked.text)
        if refused:
            raise CannotAnswer(f"“{refused.group()}” asks for more than a query over these metrics can say.")
        text, span = take_span(asked)
        if BEFORE_MARK in text or (span and span.end and (asked.now - span.end).total_seconds() > 60):
            raise CannotAnswer("I only look at metrics up to now. Ask about the last minutes, hours or days.")
        wish = Wish(span, yes_no=re.match(r"\s*(?:is|are)\b", asked.text, re.I) is not None)
        wish.spent = re.search(r"\btime spent\b", text, re.I) is not None
        text = re.sub(r"\b(hit|miss) rate\b", r"\1 ratio", text.replace(MARK, " "), flags=re.I)
        for step in (
            self._quantile,
            self._bound,
            self._top,
            self._ratio,
            self._how,
            self._status,
            self._owned,
            self._ranked,
            self._group,
        ):
            text = step(text, wish)
        self._rest(text, wish)
        return wish

    def _quantile(self, text: str, wish: Wish) -> str:
        match = QUANTILE.search(text)
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
        match = BOUND.search(text)
        if not match:
            return text
        unit = (match["u"] or "").lower()
        wish.bound = (
            OPERATORS.get(match["op"].lower(), ">=" if match["op"].lower() == "at least" else ">"),
            parsed_number(match["n"]) * UNITS.get(unit, 1.0),
        )
        wish.percent = unit in ("%", "percent")
        return text.replace(match.group(), " ", 1)

    def _top(self, text: str, wish: Wish) -> str:
        match = TOP.search(text)
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
        match = RATIO.search(text)
        if match:
            said = match.group().lower()
            wish.ratio = "success" if "success" in said or "availab" in said else "error"
            wish.percent = wish.percent or ("percent" in said and wish.bound is None)
            of = match.groupdict().get("of") or ""
            return text.replace(match.group(), f" {of} ", 1)
        match = SATURATION.search(text)
        if match:
            part = (match.groupdict().get("free") or match.groupdict().get("free2") or "").lower()
            apart = next((w for w in text.lower().split() if w in LEFT), "") if not part else ""
            wish.saturation = "free" if (part or apart) in LEFT else "used"
            wish.percent = wish.percent or ("percent" in match.group().lower() and wish.bound is None)
            what = match.groupdict().get("what") or match.groupdict().get("what2") or ""
            text = text.replace(match.group(), f" {what} ", 1)
            return re.sub(rf"\b{apart}\b", " ", text, count=1, flags=re.I) if apart else text
        return self._share(text, wish)

    def _share(self, text: str, wish: Wish) -> str:
        """ "Share of abandoned orders", "decline rate": one state of all."""
        match = SHARE.search(text)
        if match:
            wish.share, wish.percent = True, wish.percent or "percent" in match.group().lower()
            return text.replace(match.group(), " ", 1)
        for match in STATE_RATE.finditer(text):
            value = self._state(match["w"])
            if value:
                wish.share = True
                return text.replace(match.group(), f" {value} ", 1)
        return text

    def _state(self, word: str) -> str | None:
        """The stored state that a noun is the deed of: decline, declined."""
        if stem(word) in self._names:
            return None
        found = {v for pairs in self._values.values() for label, v in pairs if label in STATE_LABELS}
        hits = [v for v in found if stem(v) == stem(word)]
        return hits[0] if len(hits) == 1 else None

    def _how(self, text: str, wish: Wish) -> str:
        for name, pattern in AGGREGATES:
            if re.search(pattern, text, re.I) and wish.function is None:
                wish.function = name
                text = re.sub(pattern, " ", text, count=1, flags=re.I)
        if re.search(r"\bper minute\b", text, re.I):
            wish.per_minute = True
        if RATE.search(text):
            wish.rate = True
            text = RATE.sub(" ", text)
        if INCREASE.search(text):
            wish.increase = True
            text = INCREASE.sub(" ", text)
        return text

    def _status(self, text: str, wish: Wish) -> str:
        for name, pattern in (("5", SERVERS), ("4", CLIENTS), ("2", OKS)):
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

    def _ranked(self, text: str, wish: Wish) -> str:
        """ "Top 3 pods by memory": what is ranked stands before "by", and behind it the number."""
        match = re.match(r"\s*(?P<what>[a-z_]+)\s+(?:by|with (?:the )?most)\s+(?P<number>[a-z_]+)", text, re.I)
        label = self._label([match["what"]]) if match and wish.top else None
        if match is None or label is None or self._label([match["number"]]):
            return text
        wish.groups.append(label)
        return text[match.start("number") :]

    def _owned(self, text: str, wish: Wish) -> str:
        """ "Pods' memory" is memory per pod."""
        match = re.search(r"\b(?P<label>[a-z_]+)s['’]\s+(?P<what>\w+)", text, re.I)
        if match is None or self._label([match["label"]]) is None:
            return text
        return f"{text[: match.start()]}{match['what']} per {match['label']}{text[match.end() :]}"

    def _group(self, text: str, wish: Wish) -> str:
        for match in reversed(list(GROUP.finditer(text))):
            words = match["label"].split()
            for length in (2, 1):
                label = self._label(words[:length]) if length <= len(words) else None
                if label and label not in wish.groups:
                    wish.groups.insert(0, label)
                    rest = " ".join(words[length:])
                    text = f"{text[: match.start()]} {rest} {text[match.end() :]}"
                    break
            else:
                self._no_label(words)
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

    def _no_label(self, words: list[str]) -> None:
        """ "Per tenant" without such a label cannot be answered; "by checkout" and "per second" say something else."""
        said = [lemma(w) for w in words]
        value = any(tuple(said[:n]) == value[:n] for n in (1, 2) for value in self._values)
        if not value and said[0] not in NO_LABELS:
            raise CannotAnswer(f"Nothing here is kept by {words[0]}.")

    def _label(self, words: list[str]) -> str | None:
        said = tuple(lemma(w) for w in words if w)
        found = self._labels.get(said)
        if found is None:
            same = [label for group in LABELS_ALIKE if " ".join(said) in group for label in group]
            known = {label: self._labels[name_parts(label)] for label in same if name_parts(label) in self._labels}
            kept = {label: name for label, name in known.items() if name not in self._avoided} or known
            found = next(iter(kept.values()), None)
            if len(known) > 1 and found:
                self.chosen.add(found)
        return found

    def _rest(self, text: str, wish: Wish) -> None:
        """Values of labels become filters; what is left names the metric."""
        words, at = tokens(self._verbatim(text, wish)), 0
        while at < len(words):
            taken = self._value(words, at, wish)
            if taken:
                at += taken
                continue
            token = words[at]
            at += 1
            plain = token.lemma
            if token.sort == "sign" or (plain in STOP and stem(plain) not in self._names) or plain in FILLER:
                wish.soft += [plain] if token.sort == "word" else []
                continue
            if token.sort == "number":
                raise CannotAnswer(f"I do not see what {token.text} belongs to.")
            if self._labels.get((plain,)) in [m.label for m in wish.matchers] + wish.groups:
                continue
            if wish.status and plain in ("error", "response", "status", "request"):
                continue
            wish.words.append(plain)

    def _verbatim(self, text: str, wish: Wish) -> str:
        """Values with signs in them, as they are written: /data, api.acme.io, cart-0, "idle in transaction"."""
        found = {value for value in self._raw if len(value) > 1 and not value.isalnum()}
        for value in sorted(found, key=lambda v: (-len(v), v)):
            match = re.search(rf"(?<![\w/.-]){re.escape(value)}(?![\w/-])", text, re.I)
            if match:
                self._match(wish, self._raw[value], value)
                text = f"{text[: match.start()]} {text[match.end() :]}"
        return text

    def _match(self, wish: Wish, labels: set[str], value: str, hint: str | None = None) -> None:
        label = hint or _usual(labels - self._avoided or labels)
        if len(labels) > 1 and not hint:
            self.chosen.add(label)
        if any(m.label == label for m in wish.matchers):
            raise CannotAnswer(f"The question names two values of {label}. Ask about one, or by {label}.")
        wish.matchers.append(Matcher(label, "=", value))

    def _value(self, words: list, at: int, wish: Wish) -> int:  # type: ignore[type-arg]
        for length in range(min(5, len(words) - at), 0, -1):
            said = tuple(t.lemma for t in words[at : at + length])
            said = tuple(p for w in said for p in re.split(r"[^a-z0-9]+", w) if p)
            found = self._values.get(said) or (self._values.get(("".join(said),)) if length == 2 else None)
            if not found or (length == 1 and stem(said[0]) in self._names and said[0] in FILLER):
                continue
            if self._names_first and length == 1 and stem(said[0]) in self._names:
                continue
            labels = {label for label, _ in found}
            before = self._labels.get((words[at - 1].lemma,)) if at else None
            after = self._labels.get((words[at + length].lemma,)) if at + length < len(words) else None
            hint = next((x for x in (before, after) if x in labels), None)
            label = hint or _usual(labels - self._avoided or labels)
            values = sorted({v for lab, v in found if lab == label})
            exact = [v for v in values if tuple(lemma(w) for w in re.split(r"[^A-Za-z0-9]+", v) if w) == said]
            values = exact or values
            if len(values) != 1:
                raise CannotAnswer(f"“{' '.join(said)}” could be several values of {label}.", *values[:4])
            self._match(wish, labels, values[0], hint)
            return length
        return 0


def _usual(labels: set[str]) -> str:
    """The label that people mean when a value stands under several."""
    for name in ("service", "app", "job", "queue", "pool", "deployment", "namespace", "method", "route", "pod"):
        if name in labels:
            return name
    return min(labels)
