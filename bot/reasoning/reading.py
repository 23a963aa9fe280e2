"""Reads a question without a model: what kind of trouble, which services, which environment, which span of time."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import pairwise

from rapidfuzz import fuzz, process

from bot.domain.access import Squad
from bot.domain.question import Analysis, IssueType, Question, Setting
from bot.errors import InvalidRequest
from bot.reasoning.timespan import find_span
from bot.reasoning.words import COMMON_PARTS, ENVIRONMENT_WORDS, ISSUE_WORDS, STOP_WORDS
from connectors.model import TimeWindow

LONGEST_QUESTION = 3_000
# What happened just before the symptom began belongs to the question: a release, the first slow minute.
_LEAD_LEAST, _LEAD_MOST = timedelta(minutes=15), timedelta(minutes=60)
_FUZZY_BAR = 86.0
_SUGGEST_BAR = 70.0


def clean(text: str) -> str:
    """The text as one line without control, zero-width and direction-changing characters."""
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text)
    kept = "".join(c for c in kept if unicodedata.category(c) not in ("Cf", "Cs", "Co"))
    return re.sub(r"\s+", " ", kept).strip()


def check_question(text: str) -> str:
    """The cleaned question, or InvalidRequest in words when there is nothing to investigate."""
    cleaned = clean(text)
    if not any(c.isalnum() for c in cleaned):
        raise InvalidRequest("What should I investigate? For example: why is checkout slow since 14:00?")
    if len(cleaned) > LONGEST_QUESTION:
        raise InvalidRequest(
            f"That is {len(cleaned):,} characters; {LONGEST_QUESTION:,} is the most I read. Ask in a sentence or two."
        )
    return cleaned


def read_question(question: Question, setting: Setting) -> Analysis:
    """The question understood, or InvalidRequest in words."""
    text = check_question(question.text)
    found = None if question.window else find_span(text, asked_at=question.asked_at, time_zone=question.time_zone)
    notes = list(found.notes) if found else []
    rest = text.replace(found.words, " ") if found else text
    services, service_notes = _services(question, rest, setting)
    squad = _squad(question, rest, services, setting)
    return Analysis(
        issue_type=_issue_type(rest),
        window=_window(question, found.window if found else None, setting),
        services=services or (squad.services if squad and question.channel in squad.channels else ()),
        environment=_environment(question, rest, setting),
        keywords=_keywords(rest),
        relevant_sources=tuple(source.name for source in setting.sources),
        squad=squad.name if squad else None,
        notes=(*notes, *service_notes),
    )


def _window(question: Question, found: TimeWindow | None, setting: Setting) -> TimeWindow:
    span = question.window or found
    if span is None:
        length = timedelta(minutes=setting.default_window_minutes)
        return TimeWindow(start=question.asked_at - length, end=question.asked_at)
    lead = min(_LEAD_MOST, max(_LEAD_LEAST, span.duration / 4))
    return TimeWindow(start=span.start - lead, end=span.end)


def _issue_type(text: str) -> IssueType:
    words = set(_words(text))
    scores = [(sum(1 for w in known if w in words), -rank, kind) for rank, (kind, known) in enumerate(ISSUE_WORDS)]
    best = max(scores, key=lambda score: score[:2])
    return best[2] if best[0] else IssueType.UNKNOWN


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9][a-z0-9_.\-]*[a-z0-9]|[a-z0-9]", text.lower())


def _keywords(text: str) -> tuple[str, ...]:
    seen: dict[str, None] = {}
    for word in _words(text):
        if word not in STOP_WORDS and len(word) > 1:
            seen.setdefault(word)
    return tuple(seen)[:20]


def _services(question: Question, text: str, setting: Setting) -> tuple[tuple[str, ...], list[str]]:
    """Services named outright or in the words: exact, then alias, then a distinctive part, then a near miss."""
    names = _name_index(setting)
    if question.services:
        return _explicit(question.services, names)
    found: dict[str, None] = {}
    lowered = " " + re.sub(r"[^a-z0-9_.\-]+", " ", text.lower()) + " "
    for spelling, service in names.items():
        if f" {spelling} " in lowered or f" {spelling.replace('-', ' ')} " in lowered:
            found.setdefault(service)
    if not found:
        for service in _by_part(text, setting):
            found.setdefault(service)
    notes: list[str] = []
    if not found:
        near = _near_misses(text, names)
        for word, service in near:
            found.setdefault(service)
            notes.append(f"Read “{word}” as {service}.")
        notes += [] if found else _unknown(text, names)
    return tuple(found), notes


def _name_index(setting: Setting) -> dict[str, str]:
    index: dict[str, str] = {}
    for service in setting.services:
        for spelling in (service.name, *service.aliases):
            index.setdefault(spelling.lower(), service.name)
    return index


def _explicit(wanted: Iterable[str], names: dict[str, str]) -> tuple[tuple[str, ...], list[str]]:
    found: dict[str, None] = {}
    notes = []
    for word in wanted:
        service = names.get(word.lower())
        if service is None:
            hint = _suggest(word, names)
            notes.append(f"I know no service {word!r}{hint}; I looked for it by that name all the same.")
        found.setdefault(service or word)
    return tuple(found), notes


def _by_part(text: str, setting: Setting) -> list[str]:
    """Services that the words name by a part: "checkout" means checkout-api when only few carry that part."""
    words = set(_words(text)) - STOP_WORDS
    plain = words | {word.removesuffix("s") for word in words}
    matches = []
    for service in setting.services:
        parts = set(re.split(r"[-_.]", service.name.lower()))
        hit = plain & parts - COMMON_PARTS
        if hit:
            matches.append(service.name)
    return matches if len(matches) <= 5 else []


def _near_misses(text: str, names: dict[str, str]) -> list[tuple[str, str]]:
    tokens = [w for w in _words(text) if w not in STOP_WORDS and len(w) >= 5]
    pairs = [*tokens, *(f"{a}-{b}" for a, b in pairwise(tokens))]
    near = []
    for token in pairs:
        match = process.extractOne(token, names.keys(), scorer=fuzz.ratio, score_cutoff=_FUZZY_BAR)
        if match:
            near.append((token, names[match[0]]))
    return near[:3]


def _unknown(text: str, names: dict[str, str]) -> list[str]:
    """A word shaped like a service name that nobody knows deserves a "did you mean"."""
    for word in _words(text):
        if re.search(r"[a-z][-_][a-z]", word) and word not in names and names:
            return [f"I know no service {word!r}{_suggest(word, names)}. I looked at everything instead."]
    return []


def _suggest(word: str, names: dict[str, str]) -> str:
    matches = process.extract(word.lower(), names.keys(), scorer=fuzz.WRatio, score_cutoff=_SUGGEST_BAR, limit=3)
    nearest = list(dict.fromkeys(names[match[0]] for match in matches))
    return f" (did you mean {', '.join(nearest)}?)" if nearest else ""


def _environment(question: Question, text: str, setting: Setting) -> str:
    if question.environment:
        return _known_environment(question.environment, setting)
    words = set(_words(text))
    for environment in setting.environments:
        if environment.lower() in words:
            return environment
    for short, environment in ENVIRONMENT_WORDS.items():
        if short in words and environment in setting.environments:
            return environment
    return "production" if "production" in setting.environments or not setting.environments else setting.environments[0]


def _known_environment(wanted: str, setting: Setting) -> str:
    name = ENVIRONMENT_WORDS.get(wanted.lower(), wanted.lower())
    if name not in setting.environments:
        known = ", ".join(setting.environments)
        raise InvalidRequest(f"No source is configured for environment {wanted!r}. Configured: {known}.")
    return name


def _squad(question: Question, text: str, services: tuple[str, ...], setting: Setting) -> Squad | None:
    """The squad that owns the services, else the channel, else the words of the question."""
    words = set(_words(text))
    tests: tuple[Callable[[Squad], bool], ...] = (
        lambda squad: bool(set(services) & set(squad.services)),
        lambda squad: question.channel is not None and question.channel in squad.channels,
        lambda squad: bool(words & {keyword.lower() for keyword in squad.keywords}),
    )
    for test in tests:
        for squad in setting.squads:
            if test(squad):
                return squad
    return None
