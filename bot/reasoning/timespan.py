"""Finds the span of time a question is about: "since 14:00", "last 30 minutes", "between 2pm and 4pm yesterday", ISO.

A small grammar of our own for spans; `dateparser` reads single instants after `--since` that it does not know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot.errors import InvalidRequest
from connectors.model import TimeWindow

_UNIT_SECONDS = {
    "s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1,
    "m": 60, "min": 60, "mins": 60, "minute": 60, "minutes": 60,
    "h": 3600, "hr": 3600, "hrs": 3600, "hour": 3600, "hours": 3600,
    "d": 86400, "day": 86400, "days": 86400, "w": 604800, "week": 604800, "weeks": 604800,
}  # fmt: skip
_NUMBER_WORDS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "ten": 10, "fifteen": 15,
    "twenty": 20, "thirty": 30, "half": 0.5, "couple": 2, "few": 5,
}  # fmt: skip
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_N = r"(?P<n>\d{1,5}(?:\.\d+)?|half an?|a couple of|a few|" + "|".join(_NUMBER_WORDS) + r")"
_U = r"(?P<u>" + "|".join(sorted(_UNIT_SECONDS, key=len, reverse=True)) + r")\b"
_DURATION = _N + r"\s*" + _U
_CLOCK = (
    r"(?:\d{4}-\d{2}-\d{2}[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:\s?Z|[+-]\d{2}:?\d{2})?"
    r"|\d{1,2}:\d{2}(?::\d{2})?(?:\s?[ap]m)?|\d{1,2}\s?[ap]m|noon|midnight)"
)
_DAY = (
    r"(?:today|yesterday|tonight|this morning|last night|(?:last |on )?(?:"
    + "|".join(_WEEKDAYS)
    + r")|\d{4}-\d{2}-\d{2})"
)
_ZONE = r"(?:UTC|GMT|Z|[A-Z]{3,4})"
_INSTANT = rf"(?:{_DAY}\s+(?:at\s+)?)?{_CLOCK}(?:\s{_ZONE}(?![a-z]))?(?:\s+(?:on\s+)?{_DAY})?"

_ISO = r"\d{4}-\d{2}-\d{2}T[\d:.]+(?:Z|[+-]\d{2}:?\d{2})?"
_LAST = r"\b(?:in |over |during |for |within )?(?:the )?(?:last|past|previous)\s+"
_SINCE = r"\b(?:since|for|from|started|starting|beginning)\s+(?:about |around |roughly |the last )?"

# In this order: the first pattern that matches anywhere in the text decides.
_GRAMMAR: tuple[tuple[str, str], ...] = (
    ("iso_interval", rf"(?P<a>{_ISO})\s*/\s*(?P<b>{_ISO})"),
    ("between", rf"\b(?:between|from)\s+(?P<a>{_INSTANT})\s*(?:and|to|until|till|-|–)\s*(?P<b>{_INSTANT})"),
    ("dash", rf"(?P<a>\b\d{{1,2}}:\d{{2}})\s*[-–]\s*(?P<b>\d{{1,2}}:\d{{2}}\b(?:\s+{_DAY})?)"),
    ("last", rf"{_LAST}(?:{_DURATION}|(?P<single>hour|minute|day|week))"),
    ("ago_since", rf"{_SINCE}{_DURATION}(?:\s+(?:ago|now))?"),
    ("ago", rf"\b(?:about |around |roughly )?{_DURATION}\s+ago\b"),
    ("since", rf"\b(?:since|starting(?: at)?|after|from)\s+(?:about |around )?(?P<a>{_INSTANT})"),
    ("since_day", rf"\b(?:since|from)\s+(?P<day>{_DAY})\b"),
    ("at", rf"(?P<a>\b{_DAY}\s+(?:at\s+)?{_CLOCK}(?:\s{_ZONE}(?![a-z]))?)"),
    ("at", rf"\b(?:at|around|about|near)\s+(?P<a>{_INSTANT})"),
    ("day", r"\b(?P<day>today|yesterday|this morning|last night|tonight)\b"),
    ("iso", r"(?P<a>\d{4}-\d{2}-\d{2}[T ]\d{1,2}:\d{2}(?::\d{2})?(?:\s?Z|[+-]\d{2}:?\d{2})?)"),
)
_PATTERNS = tuple((name, re.compile(pattern, re.IGNORECASE)) for name, pattern in _GRAMMAR)
_LONGEST = timedelta(days=31)
_AROUND = timedelta(minutes=15)
_ABBREVIATIONS = {
    "utc": "UTC", "gmt": "UTC", "z": "UTC", "cet": "Europe/Paris", "cest": "Europe/Paris", "bst": "Europe/London",
    "est": "America/New_York", "edt": "America/New_York", "cst": "America/Chicago", "cdt": "America/Chicago",
    "mst": "America/Denver", "mdt": "America/Denver", "pst": "America/Los_Angeles", "pdt": "America/Los_Angeles",
    "ist": "Asia/Kolkata", "jst": "Asia/Tokyo", "aest": "Australia/Sydney",
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """The span meant, the words that said so, and sentences for the asker (a DST gap, a guess that was made)."""

    window: TimeWindow
    words: str
    notes: tuple[str, ...] = ()


def zone_of(name: str) -> tzinfo:
    """The zone by IANA name; UTC when the name is unknown."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC


def find_span(text: str, *, asked_at: datetime, time_zone: str = "UTC") -> Found | None:
    """The span of time that `text` names, ending at `asked_at` when it is open; None when it names none.

    Raises InvalidRequest, in words, for a span in the future, reversed, or longer than 31 days.
    """
    reader = _Reader(asked_at, zone_of(time_zone))
    for name, pattern in _PATTERNS:
        match = pattern.search(text)
        if match:
            return reader.found(name, match)
    return None


def find_instant(words: str, *, asked_at: datetime, time_zone: str = "UTC") -> datetime | None:
    """One instant in words that the grammar does not know ("last tuesday 3pm", "3pm PST"), by dateparser; else None."""
    import dateparser  # a third of a second on first use, and seldom needed

    settings = {
        "RELATIVE_BASE": asked_at.astimezone(zone_of(time_zone)).replace(tzinfo=None),
        "TIMEZONE": time_zone,
        "RETURN_AS_TIMEZONE_AWARE": True,
        "PREFER_DATES_FROM": "past",
    }
    found = dateparser.parse(words, languages=["en"], settings=settings)
    return found.astimezone(UTC) if isinstance(found, datetime) else None


class _Reader:
    def __init__(self, asked_at: datetime, zone: tzinfo) -> None:
        self.now = asked_at.astimezone(UTC)
        self.zone = zone
        self.notes: list[str] = []

    def found(self, name: str, match: re.Match[str]) -> Found:
        start, end = self._span(name, match)
        if start >= self.now:
            raise InvalidRequest(f"“{match.group(0).strip()}” starts in the future. Ask about a time that has passed.")
        if end <= start:
            raise InvalidRequest(f"“{match.group(0).strip()}” ends before it starts. Turn the two times round.")
        if end - start > _LONGEST:
            raise InvalidRequest("That is longer than 31 days. Ask about a shorter time.")
        window = TimeWindow(start=start, end=min(end, self.now))
        return Found(window=window, words=match.group(0).strip(), notes=tuple(self.notes))

    def _span(self, name: str, match: re.Match[str]) -> tuple[datetime, datetime]:
        groups = match.groupdict()
        if name in ("iso_interval", "between", "dash"):
            return self._pair(groups["a"], groups["b"])
        if name in ("last", "ago_since"):
            return self.now - _duration(groups), self.now
        if name == "ago":
            return self.now - _duration(groups), self.now
        if name in ("since", "iso"):
            return self._instant(groups["a"]), self.now
        if name == "at":
            at = self._instant(groups["a"])
            return at - _AROUND, max(at + _AROUND, at + timedelta(minutes=1))
        return self._day_span(groups["day"], until_now=name == "since_day")

    def _pair(self, a: str, b: str) -> tuple[datetime, datetime]:
        a_day, b_day = _day_words(a), _day_words(b)
        start = self._instant(a if a_day or not b_day else f"{a} {b_day}")
        end = self._instant(b if b_day or not a_day else f"{b} {a_day}")
        if end <= start and not (a_day or b_day):
            # "23:00 to 01:00": over midnight, and the end is the one nearest to now.
            start = start - timedelta(days=1)
            self.notes.append(f"Read as the night from {start:%Y-%m-%d} to {end:%Y-%m-%d}.")
        return start, end

    def _day_span(self, words: str, *, until_now: bool) -> tuple[datetime, datetime]:
        day = self._day(words)
        hours = {"this morning": (5, 12), "last night": (18, 30), "tonight": (18, 30)}.get(words.lower(), (0, 24))
        midnight = datetime.combine(day, time.min)
        start = self._local(midnight + timedelta(hours=hours[0]))
        end = self.now if until_now else min(self.now, self._local(midnight + timedelta(hours=hours[1])))
        return start, end

    def _day(self, words: str) -> date:
        today = self.now.astimezone(self.zone).date()
        words = words.lower().strip()
        if words in ("yesterday", "last night"):
            return today - timedelta(days=1)
        weekday = next((i for i, name in enumerate(_WEEKDAYS) if name in words), None)
        if weekday is not None:
            return today - timedelta(days=(today.weekday() - weekday - 1) % 7 + 1)
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", words):
            try:
                return date.fromisoformat(words)
            except ValueError as error:
                raise InvalidRequest(f"“{words}” is not a day of the calendar.") from error
        return today

    def _instant(self, words: str) -> datetime:
        """One instant in UTC. A clock time without a day is its most recent occurrence."""
        iso = re.match(r"\d{4}-\d{2}-\d{2}[T ]\d{1,2}:\d{2}", words)
        if iso:
            return self._iso(words)
        day_words = _day_words(words)
        zone = _zone_words(words)
        if zone is not None:
            self.zone = zone
        clock = _clock(words)
        if day_words:
            return self._local(datetime.combine(self._day(day_words), clock))
        local_now = self.now.astimezone(self.zone)
        at = self._local(datetime.combine(local_now.date(), clock))
        if at <= self.now:
            return at
        earlier = self._local(datetime.combine(local_now.date() - timedelta(days=1), clock))
        if at - self.now < timedelta(hours=2):
            raise InvalidRequest(f"“{words.strip()}” is in the future. Ask about a time that has passed.")
        self.notes.append(f"Read “{words.strip()}” as yesterday.")
        return earlier

    def _iso(self, words: str) -> datetime:
        text = re.sub(r"\s+Z$", "Z", words.strip())
        zone = _zone_words(words[16:]) if len(words) > 16 else None
        text = re.sub(r"\s[A-Za-z]{3,4}$", "", text).replace(" ", "T", 1)
        try:
            parsed = datetime.fromisoformat(text)
        except ValueError as error:
            raise InvalidRequest(f"“{words.strip()}” is not a date and time.") from error
        if zone is not None:
            self.zone = zone
        return parsed.astimezone(UTC) if parsed.tzinfo else self._local(parsed)

    def _local(self, naive: datetime) -> datetime:
        """A wall-clock time of the asker, in UTC. One that a clock change skipped is moved on, and said so."""
        aware = naive.replace(tzinfo=self.zone)
        back = aware.astimezone(UTC).astimezone(self.zone).replace(tzinfo=None)
        if back != naive:
            self.notes.append(
                f"{naive:%H:%M} did not exist on {naive:%Y-%m-%d} (clocks went forward); used {back:%H:%M}."
            )
            return back.replace(tzinfo=self.zone).astimezone(UTC)
        if aware.replace(fold=1).utcoffset() != aware.utcoffset():
            self.notes.append(f"{naive:%H:%M} came twice on {naive:%Y-%m-%d} (clocks went back); used the first.")
        return aware.astimezone(UTC)


def _duration(groups: dict[str, str | None]) -> timedelta:
    single = groups.get("single")
    if single:
        return timedelta(seconds=_UNIT_SECONDS[single.lower()])
    number, unit = (groups["n"] or "1").lower(), (groups["u"] or "m").lower()
    word = (
        number.replace("half an", "half")
        .replace("half a", "half")
        .replace("a couple of", "couple")
        .replace("a few", "few")
    )
    amount = _NUMBER_WORDS.get(word)
    value = amount if amount is not None else float(number)
    if value <= 0:
        raise InvalidRequest("A span of no time holds nothing to look at.")
    return timedelta(seconds=value * _UNIT_SECONDS[unit])


def _day_words(words: str) -> str | None:
    if re.match(r"\d{4}-\d{2}-\d{2}[T ]", words):
        return None
    match = re.search(_DAY, words, re.IGNORECASE)
    return match.group(0) if match else None


def _zone_words(words: str) -> tzinfo | None:
    for token in re.findall(r"\b[A-Za-z]{1,4}\b", words):
        if token.lower() in _ABBREVIATIONS:
            return zone_of(_ABBREVIATIONS[token.lower()])
    return None


def _clock(words: str) -> time:
    lowered = words.lower()
    if "noon" in lowered:
        return time(12)
    if "midnight" in lowered:
        return time(0)
    match = re.search(r"(?<![\d-])(\d{1,2})(?::(\d{2}))?(?::(\d{2}))?\s?(am|pm)?(?![\d-])", lowered)
    if match is None:
        raise InvalidRequest(f"“{words.strip()}” is not a time of day.")
    hour, minute, second = int(match.group(1)), int(match.group(2) or 0), int(match.group(3) or 0)
    if match.group(4):
        hour = hour % 12 + (12 if match.group(4) == "pm" else 0)
    if hour > 23 or minute > 59 or second > 59:
        raise InvalidRequest(f"“{match.group(0).strip()}” is not a time of day.")
    return time(hour, minute, second)
