"""What was typed behind a slash command or a mention: a sub-command, or a question with options."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from enum import StrEnum

from bot.errors import InvalidRequest
from bot.slack.blocks.text import from_slack


class Verb(StrEnum):
    """Sub-commands of /investigate."""

    STATUS = "status"
    LIST = "list"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    RETRY = "retry"
    HISTORY = "history"
    HANDOFF = "handoff"
    HELP = "help"


@dataclass(frozen=True)
class SubCommand:
    verb: Verb
    investigation_id: str | None = None
    person: str | None = None


@dataclass(frozen=True)
class Asked:
    """A question and what was narrowed down with options."""

    text: str
    since: str | None = None
    services: tuple[str, ...] = ()
    environment: str | None = None
    sources: tuple[str, ...] = ()
    dry_run: bool = False


ID = re.compile(r"inv_[0-9a-z]{4,40}")
_PERSON = re.compile(r"(?:<)?@(?P<id>[UW][A-Z0-9]{5,20})(?:\|[^>]*)?>?")
_VALUE = r"(?:\"(?P<double>[^\"]*)\"|“(?P<curly>[^”]*)”|'(?P<single>[^']*)'|(?P<word>[^\s\"“']\S*))"
_OPTION = re.compile(r"(?:(?<=\s)|^)(?P<dash>--|—|–)(?P<name>[A-Za-z][A-Za-z-]*)(?P<equals>=)?")
_SPAN = re.compile(r"\d+\s*(?:s|m|h|d|min|mins|minutes?|hours?|days?|seconds?)\b(?:\s+ago\b)?", re.IGNORECASE)
_NAMES = {
    "since": "since",
    "service": "service",
    "services": "service",
    "env": "env",
    "environment": "env",
    "source": "sources",
    "sources": "sources",
    "dry-run": "dry-run",
    "dryrun": "dry-run",
}


def parse_command(raw: str) -> SubCommand | Asked:
    """A first word that is no sub-command, or is followed by prose, makes it a question."""
    text = raw.strip()
    if not text:
        return SubCommand(Verb.HELP)
    words = text.split()
    verb = words[0].lower()
    if verb in ("help", "--help", "-h", "?") and len(words) == 1:
        return SubCommand(Verb.HELP)
    if verb in {v.value for v in Verb}:
        found = _sub_command(Verb(verb), words[1:])
        if found:
            return found
    return parse_question(raw)


def _sub_command(verb: Verb, rest: list[str]) -> SubCommand | None:
    """None when what follows is prose."""
    investigation_id = person = None
    for word in rest:
        plain = word.strip("`.,")
        if ID.fullmatch(plain) and investigation_id is None:
            investigation_id = plain
        elif verb is Verb.HANDOFF and person is None and (match := _PERSON.fullmatch(word)):
            person = match.group("id")
        elif verb is Verb.HANDOFF and word.lower() == "to":
            continue
        else:
            return None
    return SubCommand(verb, investigation_id, person)


def parse_question(raw: str) -> Asked:
    """The question with its options taken out; options may stand anywhere. InvalidRequest for a misspelt one."""
    text = from_slack(raw)
    taken: dict[str, str] = {}
    kept, at = [], 0
    for match in _OPTION.finditer(text):
        if match.start() < at:
            continue
        name = _known(match.group("name").lower())
        if name is None:
            continue
        kept.append(text[at : match.start()])
        value, at = ("yes", match.end()) if name == "dry-run" else _value(text, match, name)
        taken[name] = f"{taken[name]},{value}" if name in taken and name in ("service", "sources") else value
    kept.append(text[at:])
    return Asked(
        text=" ".join("".join(kept).split(" ")).strip(),
        since=taken.get("since"),
        services=_names(taken.get("service")),
        environment=taken.get("env"),
        sources=_names(taken.get("sources")),
        dry_run="dry-run" in taken,
    )


def _known(name: str) -> str | None:
    if name in _NAMES:
        return _NAMES[name]
    close = difflib.get_close_matches(name, _NAMES, n=1, cutoff=0.75)
    if close:
        raise InvalidRequest(f"There is no option --{name}. Did you mean --{close[0]}?")
    return None


def _value(text: str, match: re.Match[str], name: str) -> tuple[str, int]:
    start = match.end()
    while start < len(text) and text[start] in " \t":
        start += 1
    if name == "since" and (span := _SPAN.match(text, start)):
        return span.group(), span.end()
    value = re.compile(_VALUE).match(text, start)
    if value is None or (value.group("word") or "").startswith(("--", "—", "–")):
        raise InvalidRequest(f"The option --{match.group('name')} needs a value, such as {_EXAMPLES[name]}.")
    found = next(g for g in value.group("double", "curly", "single", "word") if g is not None).strip()
    if not found:
        raise InvalidRequest(f"The option --{match.group('name')} needs a value, such as {_EXAMPLES[name]}.")
    return found, value.end()


_EXAMPLES = {
    "since": "--since 14:00",
    "service": "--service checkout-api",
    "env": "--env production",
    "sources": "--sources prometheus",
}


def _names(value: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(p.strip() for p in (value or "").split(",") if p.strip()))
