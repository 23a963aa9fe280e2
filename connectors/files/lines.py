"""Lines of log files: when, how grave, which service. Pure but for reading."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from connectors._log_groups import LogLine
from connectors.files.folder import File

_MOMENT = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?\s?(Z|[+-]\d\d:?\d\d)?", re.ASCII)
_LEVEL = re.compile(r"\b(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|FATAL|CRITICAL|PANIC|SEVERE)\b", re.IGNORECASE)
_LEVELS = {"warning": "warn", "critical": "fatal", "panic": "fatal", "severe": "error", "notice": "info"}
_MAX_LINE = 16_384


class Reader:
    """Reads files until `room` bytes are used up; `truncated` then says so."""

    def __init__(self, room: int) -> None:
        self._room = room
        self.truncated: str | None = None

    def lines(self, files: Sequence[File]) -> Iterator[tuple[File, int, LogLine]]:
        """File, line number from 1, and the line; a line without a time takes the one before it."""
        for file in files:
            at: datetime | None = None
            with file.path.open("rb") as opened:
                for number, raw in enumerate(opened, start=1):
                    self._room -= len(raw)
                    if self._room < 0:
                        self.truncated = "log files were read up to the byte cap"
                        return
                    line = parse(raw[:_MAX_LINE].decode("utf-8", "replace").rstrip("\r\n"), file)
                    at = line.at or at
                    if line.message:
                        yield file, number, line._replace(at=at)


def parse(text: str, file: File) -> LogLine:
    """One line of text or JSON; the service is the line's own, or the name of its file."""
    service = re.split(r"[.\d]", file.path.name)[0].strip("-_") or file.path.stem
    if text.startswith("{"):
        try:
            told = json.loads(text)
        except (ValueError, RecursionError):
            told = None
        if isinstance(told, dict):
            return _structured(told, text, service)
    found = _LEVEL.search(text[:200])
    level = found.group(1).lower() if found else None
    moment = _MOMENT.search(text[:100])
    message = text[moment.end() :].strip(" ]-|:\t") if moment and moment.start() <= 1 else text
    return LogLine(service, _moment(moment) if moment else None, _LEVELS.get(level or "", level), message or text)


def _structured(told: dict[str, Any], text: str, service: str) -> LogLine:
    def first(*names: str) -> str | None:
        return next((str(told[name]) for name in names if isinstance(told.get(name), str | int | float)), None)

    moment = _MOMENT.search(first("@timestamp", "timestamp", "time", "ts") or "")
    level = (first("level", "severity", "log.level", "levelname") or "").lower() or None
    return LogLine(
        first("service", "service.name", "service_name", "app") or service,
        _moment(moment) if moment else None,
        _LEVELS.get(level or "", level),
        first("message", "msg", "event") or text,
    )


def _moment(found: re.Match[str]) -> datetime | None:
    """A time without a zone is taken as UTC."""
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    micros = (fraction or "0").ljust(6, "0")[:6]
    offset = "+00:00" if zone in {None, "Z"} else zone
    try:
        text = f"{year}-{month}-{day}T{hour}:{minute}:{second}.{micros}{offset}"
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return None
