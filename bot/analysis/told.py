"""Who calls whom when nobody measured calls: from addresses in the environment of workloads, and from what callers log.

Weaker than measured edges, so it is used only where there are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.analysis.facts import Facts
from connectors.model import LogGroup

_HOST = re.compile(
    r"^(?:[a-z][a-z0-9+.:-]*//)?(?:[^/@\s]*@)?([a-z0-9][a-z0-9-]*)(?:\.[a-z0-9.-]+)?(?::\d+)?(?:[/?,].*)?$", re.I
)
_CALL = re.compile(
    r"\bcall(?:s|ed|ing)?\b|\brequest(?:s|ed)? to\b|upstream|connect|timed? ?out|refused|unavailable|unreachable|"
    r"\b(?:GET|POST|PUT|DELETE|PATCH)\b|\brpc\b|deadline|answered|responded",
    re.IGNORECASE,
)  # fmt: skip
_ERRORS = frozenset({"error", "err", "fatal", "critical", "warn", "warning"})


def told_edges(facts: Facts) -> Iterator[tuple[str, str]]:
    """Pairs of caller and callee among the services that are known."""
    yield from _from_environment(facts)
    yield from _from_logs(facts)


def _from_environment(facts: Facts) -> Iterator[tuple[str, str]]:
    for seen in facts.items:
        service = seen.item.fields.get("service")
        if not isinstance(service, str) or service not in facts.services:
            continue
        for value in _values(seen.item.fields):
            found = _HOST.match(value)
            if found and found[1] in facts.services and found[1] != service:
                yield service, found[1]


def _values(fields: object) -> Iterator[str]:
    """Values of the variables of every container, wherever containers stand in the object."""
    if isinstance(fields, list):
        for inner in fields:
            yield from _values(inner)
    elif isinstance(fields, dict):
        for key, inner in fields.items():
            if key == "env" and isinstance(inner, list):
                yield from (str(e["value"]) for e in inner if isinstance(e, dict) and e.get("value"))
            elif isinstance(inner, dict | list) and key in {"containers", "template"}:
                yield from _values(inner)


def _from_logs(facts: Facts) -> Iterator[tuple[str, str]]:
    names = sorted(facts.services, key=len, reverse=True)
    pattern = re.compile(r"(?<![\w-])(" + "|".join(map(re.escape, names)) + r")(?![\w-])") if names else None
    for group, _ in facts.logs:
        if pattern is not None and group.service and (group.level or "").lower() in _ERRORS:
            yield from ((group.service, callee) for callee in _named(group, pattern) if callee != group.service)


def _named(group: LogGroup, pattern: re.Pattern[str]) -> set[str]:
    """Services a line complains about; one that it names as the sender (“from x”) is no callee."""
    found: set[str] = set()
    for line in (group.template, *group.examples):
        if _CALL.search(line):
            found |= {
                m[1] for m in pattern.finditer(line) if not line[: m.start()].rstrip(" '\"`").endswith((" from", " by"))
            }
    return found
