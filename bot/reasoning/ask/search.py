"""A question about logs as one ES|QL pipeline or search: counts, groups over time, top k, the latest lines, words in messages."""
# ruff: noqa: E501 - lists, forms and sentences stay on one line

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.reasoning.ask.model import Asked, CannotAnswer, Holding, Index, Written
from bot.reasoning.ask.spans import BEFORE_MARK, MARK, Span, take_span
from bot.reasoning.ask.words import STOP, lemma, tokens
from connectors.model import TimeWindow

_LEVELS = {
    "error": ("error", "ERROR"),
    "failure": ("error", "ERROR"),
    "warning": ("warn", "WARN", "warning", "WARNING"),
    "warn": ("warn", "WARN", "warning", "WARNING"),
    "info": ("info", "INFO"),
    "debug": ("debug", "DEBUG"),
    "fatal": ("fatal", "FATAL", "critical", "CRITICAL"),
}
_FILLER = frozenset(
    "log line message entry event count number latest recent last newest top most level many contain containing mention mentioning word service per by each over time have with".split()
)
_BUCKETS = {"hour": "1 hour", "minute": "1 minute", "day": "1 day"}
_NAME = re.compile(r"[A-Za-z_@][\w@.\-]*")


@dataclass(frozen=True)
class LogWish:
    """What was read of a question about logs. `filters` are (field, how, values); how is is, in or has."""

    index: Index
    span: Span
    filters: tuple[tuple[str, str, tuple[str, ...]], ...]
    said: str
    bucket: str | None = None
    by_service: bool = False
    counts: bool = False
    limit: int = 1_000

    def field(self, kind: str) -> str | None:
        return _field(self.index, kind)


def write_search(asked: Asked, holding: Holding) -> Written:
    """The pipeline, or where the source does not speak ES|QL the search; CannotAnswer."""
    wish = read_logs(asked, holding)
    assert wish.span.start is not None
    window = TimeWindow(start=wish.span.start, end=wish.span.end or asked.now)
    explained = f"{wish.said} {wish.span.words}."
    if holding.dialect == "elasticsearch":
        from bot.reasoning.ask.search_dsl import dsl

        return Written(dsl(wish), "dsl", explained, used=(wish.index.name,), window=window)
    return Written(esql(wish), "esql", explained, used=(wish.index.name,), window=window)


def read_logs(asked: Asked, holding: Holding) -> LogWish:
    """CannotAnswer for whatever is not about the lines of one index."""
    if not holding.indices:
        raise CannotAnswer("I know no log index here yet.")
    text, span = take_span(asked)
    if BEFORE_MARK in text:
        raise CannotAnswer("Logs are asked within a span of time, such as the last hour.")
    index = holding.indices[0]
    text, bucket = _bucket(text.replace(MARK, " "))
    text, sought = _sought(text)
    span = span or Span(asked.now - timedelta(hours=1), asked.now, "the last hour")
    filters = _filters(text, index, holding.services, sought)
    return _shape(text, LogWish(index, span, filters, "Lists the latest log lines", bucket))


def esql(wish: LogWish) -> str:
    """The pipeline."""
    time, service = str(wish.field("time")), wish.field("service")
    where = [f"{time} >= {_text(wish.span.start)}"]
    where += [f"{time} < {_text(wish.span.end)}"] if wish.span.end else []
    where += [_condition(field, how, values) for field, how, values in wish.filters]
    stages = [f"FROM {_index(wish.index.name)}", f"WHERE {' AND '.join(where)}"]
    groups = [f"bucket = DATE_TRUNC({_BUCKETS[wish.bucket]}, {time})"] if wish.bucket else []
    groups += [str(service)] if wish.by_service else []
    if groups:
        order = "bucket" if wish.bucket else "number DESC"
        stages += [f"STATS number = COUNT(*) BY {', '.join(groups)}", f"SORT {order}", f"LIMIT {wish.limit}"]
    elif wish.counts:
        stages += ["STATS number = COUNT(*)", "LIMIT 1"]
    else:
        stages += [f"SORT {time} DESC", f"KEEP {', '.join(shown(wish))}", f"LIMIT {wish.limit}"]
    return " | ".join(stages)


def _condition(field: str, how: str, values: tuple[str, ...]) -> str:
    if how == "has":
        return f"{field} LIKE {_text('*' + re.sub(r'([*?])', r'', values[0]) + '*')}"
    if how == "is":
        return f"{field} == {_text(values[0])}"
    return f"{field} IN ({', '.join(_text(v) for v in values)})"


def shown(wish: LogWish) -> list[str]:
    """The fields of a line that are worth reading."""
    return [name for kind in ("time", "service", "level", "message") if (name := wish.field(kind))]


def _bucket(text: str) -> tuple[str, str | None]:
    match = re.search(r"\b(?:per|by|each|every)\s+(hour|minute|day)\b|\b(hourly|daily)\b", text, re.I)
    if not match:
        return text, None
    unit = (match[1] or {"hourly": "hour", "daily": "day"}[match[2].lower()]).lower()
    return text.replace(match.group(), " "), unit


def _sought(text: str) -> tuple[str, list[str]]:
    quoted = re.findall(r"[\"“']([^\"”']{2,200})[\"”']", text)
    return re.sub(r"[\"“'][^\"”']{2,200}[\"”']", " ", text), quoted


def _filters(
    text: str, index: Index, services: tuple[str, ...], sought: list[str]
) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    time, service, level, message = (_field(index, kind) for kind in ("time", "service", "level", "message"))
    if time is None:
        raise CannotAnswer("This index has no time.")
    named = _named(text, services)
    words = [t.lemma for t in tokens(text) if t.sort == "word" and t.lemma not in STOP]
    levels = [w for w in words if w in _LEVELS]
    left = [w for w in words if w not in _FILLER and w not in _LEVELS and not any(w in _parts(s) for s in named)]
    if left:
        raise CannotAnswer(f"I do not see what “{left[0]}” means for logs. Put words to look for in quotes.")
    if (named and not service) or (levels and not level) or (sought and not message):
        raise CannotAnswer("This index does not keep that apart.")
    found: list[tuple[str, str, tuple[str, ...]]] = [(str(service), "is", (named[0],))] if named else []
    found += [(str(level), "in", _LEVELS[levels[0]])] if levels else []
    return (*found, *((str(message), "has", (words,)) for words in sought))


def _named(text: str, services: tuple[str, ...]) -> list[str]:
    def said(name: str) -> bool:
        return bool(name) and re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text, re.I) is not None

    found = [s for s in services if said(s)] or [s for s in services if said(_short(s))]
    if len(found) > 1:
        raise CannotAnswer("Which service?", *found[:5])
    return found


def _shape(text: str, wish: LogWish) -> LogWish:
    top = re.search(r"\btop\s+(\d{1,3})\b|\bmost\b", text, re.I)
    by_service = re.search(r"\b(?:by|per|each|which|top(?: \d+)?)\s+services?\b", text, re.I) is not None
    if by_service and not wish.field("service"):
        raise CannotAnswer("This index does not name services.")
    if wish.bucket or by_service:
        names = [*(["bucket"] if wish.bucket else []), *([str(wish.field("service"))] if by_service else [])]
        limit = int(top[1]) if top and top[1] else 1 if top else 1_000
        return replace(wish, by_service=by_service, limit=limit, said="Counts log lines by " + " and ".join(names))
    if re.search(r"\bhow many\b|\bnumber of\b|\bcount\b", text, re.I):
        return replace(wish, counts=True, said="Counts log lines")
    number = re.search(r"\b(\d{1,3})\b", text)
    return replace(wish, limit=int(number[1]) if number else 20)


_CANDIDATES = {
    "time": ("@timestamp", "timestamp", "time", "ts"), "message": ("message", "msg", "log", "body"),
    "service": ("service.name", "service", "app", "kubernetes.labels.app", "application"),
    "level": ("log.level", "level", "severity", "severity_text"),
}  # fmt: skip


def _field(index: Index, kind: str) -> str | None:
    name = next((n for n in _CANDIDATES[kind] if n in index.fields), None)
    return name if name and _NAME.fullmatch(name) else None


def _index(name: str) -> str:
    if not re.fullmatch(r"[\w.*\-,]+", name):
        raise CannotAnswer("This index has a name I cannot write.")
    return name


def _text(value: object) -> str:
    said = value.strftime("%Y-%m-%dT%H:%M:%SZ") if hasattr(value, "strftime") else str(value)
    return '"' + said.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _short(service: str) -> str:
    return re.sub(r"[-_](?:service|api|svc|server)$", "", service)


def _parts(service: str) -> set[str]:
    return {lemma(p) for p in re.split(r"[-_.]", service)} | {service.lower()}
