"""A question about logs as one ES|QL pipeline: counts, groups over time, top k, the latest lines, words in messages."""
# ruff: noqa: E501 - lists, forms and sentences stay on one line

from __future__ import annotations

import re
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


def write_search(asked: Asked, holding: Holding) -> Written:
    """The pipeline, or CannotAnswer."""
    if not holding.indices:
        raise CannotAnswer("I know no log index here yet.")
    text, span = take_span(asked)
    if BEFORE_MARK in text:
        raise CannotAnswer("Logs are asked within a span of time, such as the last hour.")
    index = holding.indices[0]
    text, bucket = _bucket(text.replace(MARK, " "))
    text, sought = _sought(text)
    span = span or Span(asked.now - timedelta(hours=1), asked.now, "the last hour")
    stages = [f"FROM {_index(index.name)}", *_where(text, index, holding.services, span, sought)]
    said, stages = _shape(text, index, bucket, stages)
    assert span.start is not None
    window = TimeWindow(start=span.start, end=span.end or asked.now)
    return Written(" | ".join(stages), "esql", f"{said} {span.words}.", used=(index.name,), window=window)


def _bucket(text: str) -> tuple[str, str | None]:
    match = re.search(r"\b(?:per|by|each|every)\s+(hour|minute|day)\b|\b(hourly|daily)\b", text, re.I)
    if not match:
        return text, None
    unit = (match[1] or {"hourly": "hour", "daily": "day"}[match[2].lower()]).lower()
    return text.replace(match.group(), " "), unit


def _sought(text: str) -> tuple[str, list[str]]:
    quoted = re.findall(r"[\"“']([^\"”']{2,200})[\"”']", text)
    return re.sub(r"[\"“'][^\"”']{2,200}[\"”']", " ", text), quoted


def _where(text: str, index: Index, services: tuple[str, ...], span: Span, sought: list[str]) -> list[str]:
    time, service, level, message = (_field(index, kind) for kind in ("time", "service", "level", "message"))
    if time is None:
        raise CannotAnswer("This index has no time.")
    found = [f"{time} >= {_text(span.start)}"] if span.start else []
    found += [f"{time} < {_text(span.end)}"] if span.end else []
    named = [s for s in services if re.search(rf"(?<![\w-]){re.escape(s)}(?![\w-])", text, re.I)]
    named = named or [
        s for s in services if _short(s) and re.search(rf"(?<![\w-]){re.escape(_short(s))}(?![\w-])", text, re.I)
    ]
    if len(named) > 1:
        raise CannotAnswer("Which service?", *named[:5])
    words = [t.lemma for t in tokens(text) if t.sort == "word" and t.lemma not in STOP]
    levels = [w for w in words if w in _LEVELS]
    left = [w for w in words if w not in _FILLER and w not in _LEVELS and not any(w in _parts(s) for s in named)]
    if left:
        raise CannotAnswer(f"I do not see what “{left[0]}” means for logs. Put words to look for in quotes.")
    if named and service:
        found.append(f"{service} == {_text(named[0])}")
    if levels and level:
        found.append(f"{level} IN ({', '.join(_text(v) for v in _LEVELS[levels[0]])})")
    if (named and not service) or (levels and not level):
        raise CannotAnswer("This index does not keep that apart.")
    if sought and message:
        found += [f"{message} LIKE {_text('*' + re.sub(r'([*?])', r'', s) + '*')}" for s in sought]
    return [f"WHERE {' AND '.join(found)}"]


def _shape(text: str, index: Index, bucket: str | None, stages: list[str]) -> tuple[str, list[str]]:
    time, service = _field(index, "time"), _field(index, "service")
    top = re.search(r"\btop\s+(\d{1,3})\b|\bmost\b", text, re.I)
    count = re.search(r"\bhow many\b|\bnumber of\b|\bcount\b", text, re.I)
    groups = [f"bucket = DATE_TRUNC({_BUCKETS[bucket]}, {time})"] if bucket else []
    if re.search(r"\b(?:by|per|each|which|top(?: \d+)?)\s+services?\b", text, re.I):
        if not service:
            raise CannotAnswer("This index does not name services.")
        groups.append(service)
    if groups:
        limit = int(top[1]) if top and top[1] else 1 if top else 1_000
        order = "bucket" if bucket else "number DESC"
        return "Counts log lines by " + " and ".join(g.split(" = ")[0] for g in groups), [
            *stages,
            f"STATS number = COUNT(*) BY {', '.join(groups)}",
            f"SORT {order}",
            f"LIMIT {limit}",
        ]
    if count:
        return "Counts log lines", [*stages, "STATS number = COUNT(*)", "LIMIT 1"]
    number = re.search(r"\b(\d{1,3})\b", text)
    kept = [f for f in (time, service, _field(index, "level"), _field(index, "message")) if f]
    return "Lists the latest log lines", [
        *stages,
        f"SORT {time} DESC",
        f"KEEP {', '.join(kept)}",
        f"LIMIT {number[1] if number else 20}",
    ]


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
