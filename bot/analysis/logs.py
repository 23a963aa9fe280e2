"""Log groups that are new, risen or silent, judged against the span of equal length before."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from bot.analysis.facts import Facts, clock
from bot.analysis.signals import make_finding
from bot.domain.evidence import Finding, FindingKind
from connectors.model import LogGroup

_K = FindingKind
_SEVERE = frozenset({"error", "err", "fatal", "critical", "crit", "panic", "alert", "emerg", "emergency", "severe"})
_WARNING = frozenset({"warn", "warning"})
_CODE = re.compile(
    r"\b[A-Za-z_.]*(Exception|Error|Traceback|NullPointer|panic|segfault|stack ?trace|undefined|unhandled)\b"
    r"|\bat \S+\(\S+:\d+\)"
)
_REMOTE = re.compile(
    r"timed? ?out|timeout|refused|unreachable|no route|reset by peer|broken pipe|unavailable|no such host|"
    r"name (or service )?not|dns|upstream|connection (error|failed|closed)|too many (connections|clients)|"
    r"remaining connection slots|pool|deadline exceeded|bad gateway|50[234]|no healthy upstream|"
    r"no (?:\w+ )?(?:instances?|servers?|providers?|endpoints?|hosts?|backends?) (?:is |are )?(?:available|found)",
    re.IGNORECASE,
)
_LOAD = re.compile(
    r"too many requests|\b429\b|rate.?limit|overload|queue (?:is )?full|in flight|throttl|load.?shed|back.?pressure|"
    r"(?:thread|worker|executor) ?pool (?:is )?(?:full|exhausted)|RejectedExecution|ResourceExhausted|"
    r"capacity exceeded",
    re.IGNORECASE,
)
_LOCK = re.compile(
    r"lock (?:wait )?time-?out|deadlock|lock wait|could not obtain lock|waiting for \w+ ?lock|database is locked|"
    r"lock request time|ORA-00054|LockTimeout|LockNotAvailable|WriteConflict",
    re.IGNORECASE,
)


def is_severe(group: LogGroup) -> bool:
    """Error level or worse; lines without a level count when they read like an exception."""
    level = (group.level or "").lower()
    return level in _SEVERE or (not level and bool(_CODE.search(group.template)))


def is_about_remote(text: str) -> bool:
    """True when a line complains about another party: a timeout, a refused connection, an exhausted pool."""
    return bool(_REMOTE.search(text))


def is_about_load(text: str) -> bool:
    """True when a line says that more came in than could be done."""
    return bool(_LOAD.search(text))


def is_about_code(text: str) -> bool:
    """True when a line reads like the program itself failed."""
    return bool(_CODE.search(text)) and not is_about_remote(text)


def log_findings(facts: Facts) -> Iterator[Finding]:
    """One finding per group that appeared, grew or fell silent."""
    usual: dict[str | None, int] = {}
    for group, _ in facts.logs:
        usual[group.service] = usual.get(group.service, 0) + (group.baseline_count or 0)
    for group, evidence_id in facts.logs:
        found = _judge(group, evidence_id, facts)
        if found is None:
            continue
        if found.kind is _K.LOG_SILENT:
            share = (group.baseline_count or 0) / max(1, usual[group.service])
            found = found.model_copy(update={"weight": round(found.weight * min(1.0, (4 * share) ** 0.25), 4)})
        yield found


def surprise(count: int, baseline: int) -> float:
    """How far two Poisson counts of equal spans differ, in standard deviations; positive when it grew."""
    return (count - baseline) / math.sqrt(count + baseline + 1)


def _judge(group: LogGroup, evidence_id: str, facts: Facts) -> Finding | None:
    if not group.service:
        return None
    severe, warning = is_severe(group), (group.level or "").lower() in _WARNING
    count, baseline = group.count, group.baseline_count
    if baseline is None:
        known = group.first is not None and group.first < facts.window.start
        if not severe or known or count < 3:
            return None
        return _finding(_K.LOG_TEMPLATE_ROSE, group, evidence_id, weight=0.3)
    if baseline == 0 and count >= (2 if severe else 5):
        base = 0.75 if severe else 0.5 if warning else 0.25
        return _finding(_K.LOG_TEMPLATE_NEW, group, evidence_id, weight=base * (1 - math.exp(-count / 4)))
    z = surprise(count, baseline)
    if z >= 4 and count >= 2 * baseline:
        base = 0.65 if severe else 0.45 if warning else 0.2
        return _finding(_K.LOG_TEMPLATE_ROSE, group, evidence_id, weight=base * min(1.0, z / 8))
    if z <= -2.2 and baseline >= 6 and count <= 0.1 * baseline and not severe:
        return _finding(_K.LOG_SILENT, group, evidence_id, weight=0.55 * (1 - math.exp(-baseline / 12)))
    return None


def _about(text: str) -> str:
    if _LOCK.search(text):
        return "lock"
    if is_about_load(text):
        return "load"
    return "remote" if is_about_remote(text) else "code" if is_about_code(text) else ""


def _finding(kind: FindingKind, group: LogGroup, evidence_id: str, *, weight: float) -> Finding:
    template = " ".join(group.template.split())
    text = " ".join((template, *group.examples[:1]))
    cut = template if len(template) <= 120 else template[:119] + "…"
    level = (group.level or "log").lower()
    onset = group.first if kind is _K.LOG_TEMPLATE_NEW and group.first else None
    what = {
        _K.LOG_TEMPLATE_NEW: f"new {level} lines in {group.service}: “{cut}”, {group.count} times",
        _K.LOG_TEMPLATE_ROSE: f"{level} lines in {group.service} rose: “{cut}”, {group.count} times"
        + ("" if group.baseline_count is None else f" against {group.baseline_count} before"),
        _K.LOG_SILENT: f"{level} lines in {group.service} stopped: “{cut}”, {group.count} times "
        f"against {group.baseline_count} before",
    }[kind]
    if onset:
        what += f", first at {clock(onset)}"
    return make_finding(
        kind,
        f"app/{group.service}",
        what,
        (evidence_id,),
        weight=weight,
        onset_s=onset.timestamp() if onset else None,
        key=group.template,
        data={
            "service": group.service or "",
            "template": cut,
            "level": level,
            "count": group.count,
            "baseline_count": group.baseline_count,
            "severe": is_severe(group),
            "about": _about(text),
        },
    )
