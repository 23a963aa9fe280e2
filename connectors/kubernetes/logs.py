"""Lines of pod logs: their time, their level, and their folding into groups. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from connectors._log_groups import LogLine, group_lines
from connectors.kubernetes.reading import stamp
from connectors.model import Logs, TimeWindow

_STAMPED = re.compile(r"^(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ?(?P<rest>.*)$", re.DOTALL)
_KLOG = re.compile(r"^(?P<letter>[IWEF])\d{4} \d\d:\d\d:\d\d")
_LEVEL = re.compile(
    r"(?:\blevel=|\"(?:level|severity|log\.level)\"\s*:\s*\"|\[|\b)"
    r"(?P<level>trace|debug|info|notice|warn(?:ing)?|err(?:or)?|fatal|critical|crit|panic|emerg)(?=[\]\"\s:|,]|$)",
    re.IGNORECASE,
)
_FAILURE = re.compile(
    r"exception|traceback|\bfailed\b|\bfailure\b|cannot |can't |refused|denied|timed? ?out|unable to|no such|"
    r"not found|already in use|panic:|\bOOM\b|killed",
    re.IGNORECASE,
)
_SAME = {"warning": "warn", "err": "error", "crit": "fatal", "critical": "fatal", "panic": "fatal", "emerg": "fatal"}
_KLOG_LEVELS = {"I": "info", "W": "warn", "E": "error", "F": "fatal"}
QUIET = frozenset({"trace", "debug", "info", "notice"})
_HEAD = 200


def parse(body: str, *, service: str) -> list[LogLine]:
    """The lines of a log fetched with timestamps; empty ones are left out."""
    found: list[LogLine] = []
    for raw in body.splitlines():
        match = _STAMPED.match(raw)
        at, message = (stamp(match["at"]), match["rest"]) if match else (None, raw)
        if message.strip():
            level, words = level_and_message(message)
            found.append(LogLine(service, at, level, words))
    return found


def level_and_message(message: str) -> tuple[str | None, str]:
    """A line's level, where it tells one, and its words: those inside a JSON line."""
    if message.lstrip().startswith("{"):
        try:
            document = json.loads(message)
        except (ValueError, RecursionError):
            document = None
        if isinstance(document, dict):
            return _json_line(document, message)
    if klog := _KLOG.match(message):
        return _KLOG_LEVELS[klog["letter"]], message
    if found := _LEVEL.search(message[:_HEAD]):
        level = found["level"].lower()
        return _SAME.get(level, level), message
    return ("error" if _FAILURE.search(message) else None), message


def _json_line(document: dict[str, object], whole: str) -> tuple[str | None, str]:
    level = next((document[key] for key in ("level", "severity", "log.level", "lvl") if document.get(key)), None)
    words = next((document[key] for key in ("message", "msg", "event", "log") if document.get(key)), None)
    error = document.get("error") or document.get("err")
    text = words if isinstance(words, str) else whole
    if isinstance(error, str) and error and error not in text:
        text = f"{text}: {error}"
    named = str(level).lower() if isinstance(level, str) else None
    return (_SAME.get(named, named) if named else None), text


def fold_lines(lines: Sequence[LogLine], *, window: TimeWindow | None, covered: bool, level: str = "") -> Logs:
    """Groups of lines, those of the window against those of the equal span before it.

    Quiet levels are left out unless `level` asks for one. `covered`: the lines reach back over the whole span before,
    so that a baseline of zero means zero.
    """
    wanted = [line for line in lines if _wanted(line.level, level)]
    now = [line for line in wanted if window is None or line.at is None or window.start <= line.at < window.end]
    before = [line for line in wanted if window and line.at and window.before().start <= line.at < window.start]
    groups = group_lines(now, before, baseline_known=window is not None and covered)
    return Logs(groups=tuple(groups), total=len(now))


def _wanted(level: str | None, asked: str) -> bool:
    if asked:
        return level == _SAME.get(asked, asked)
    return level not in QUIET
