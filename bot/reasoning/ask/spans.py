"""The time a question asks about, by the calendar: "today", "last 7 days", "in March 2026", "since 2024-05-01", "per hour"."""
# ruff: noqa: E501 - lists, forms and sentences stay on one line

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from bot.errors import InvalidRequest
from bot.reasoning.ask.model import Asked, CannotAnswer
from bot.reasoning.timespan import find_span, zone_of

MARK = "timespanmark"
BEFORE_MARK = "timebeforemark"
_MONTHS = ("january february march april may june july august september october november december").split()
_MONTH = "|".join([*_MONTHS, *(m[:3] for m in _MONTHS if m != "may"), "sept"])
_UNIT = r"seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|months?|quarters?|years?"
_NUMBERS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "twelve": 12, "fourteen": 14, "fifteen": 15, "thirty": 30, "sixty": 60, "ninety": 90,
}  # fmt: skip
_N = r"\d{1,4}|" + "|".join(_NUMBERS)
_ORDINAL = r"(?:st|nd|rd|th)?"
_DATE = (
    rf"(?:\d{{4}}-\d{{2}}-\d{{2}}(?:[T ]\d{{2}}:\d{{2}}(?::\d{{2}})?Z?)?|(?:the )?\d{{1,2}}{_ORDINAL}(?: of)? (?:{_MONTH})(?:,? \d{{4}})?"
    rf"|(?:{_MONTH})\.? \d{{1,2}}{_ORDINAL}(?!\d)(?:,? \d{{4}})?|(?:{_MONTH})(?: \d{{4}})?|\d{{4}}-\d{{2}}(?!\d)|(?:19|20)\d{{2}}"
    r"|q[1-4](?: (?:of )?\d{4})?|today|yesterday|(?:the )?(?:start|beginning) of (?:the |this )?(?:year|month|week)"
    r"|(?:last |this )(?:week|month|quarter|year))"
)
_LEAD = r"(?:\b(?:in|on|during|over|for|within|of|from|at)\s+)?(?:the\s+)?"
_NUMBER_WORD = r"(?!\s*(?:%|dollars|euros|usd|eur|items?|units?|kg|points?|days?|hours?|minutes?))"

_PATTERNS = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        ("ahead", rf"{_LEAD}\b(?:next|coming|upcoming)\s+(?:(?P<n>{_N})\s+)?(?P<u>{_UNIT})\b|\b(?:for\s+)?(?P<t>tomorrow)\b"),
        ("between", rf"\b(?:between|from)\s+(?P<a>{_DATE})\s+(?:and|to|until|till|through|-|–)\s+(?P<b>{_DATE})\b"),
        ("rolling", rf"{_LEAD}\b(?:last|past|previous|trailing)\s+(?P<n>{_N})\s+(?P<u>{_UNIT})\b"),
        ("ago_before", rf"\b(?:more than|over|before|older than)\s+(?P<n>{_N})\s+(?P<u>{_UNIT})\s+ago\b"),
        ("ago_since", rf"\b(?:since|less than|within)\s+(?P<n>{_N})\s+(?P<u>{_UNIT})\s+ago\b"),
        ("since", rf"\b(?:since|starting(?: from| in| on)?|from|on or after)\s+(?P<a>{_DATE})(?:\s+(?:on|onwards?))?\b{_NUMBER_WORD}"),
        ("after", rf"\b(?:after|later than)\s+(?P<a>{_DATE})\b{_NUMBER_WORD}"),
        ("before", rf"\b(?:before|earlier than|prior to)\s+(?P<a>{_DATE})\b{_NUMBER_WORD}"),
        ("until", rf"\b(?:until|till|up to|on or before|through|by the end of)\s+(?P<a>{_DATE})\b{_NUMBER_WORD}"),
        ("half", rf"{_LEAD}\b(?P<w>first|second) half of (?P<y>\d{{4}}|this year|last year)\b"),
        ("quarter", rf"{_LEAD}\b(?P<w>first|second|third|fourth) quarter of (?P<y>\d{{4}}|this year|last year)\b"),
        ("this", r"(?:\b(?:in|during|over|for|of|from)\s+)?(?P<the>\bthe\s+)?\b(?P<w>this|current|last|previous|past|prior)\s+(?:calendar\s+)?(?P<u>minute|hour|day|week|month|quarter|year)\b(?:\s+so far)?"),
        ("to_date", r"\b(?P<u>week|month|quarter|year)[ -]to[ -]date\b"),
        ("on", rf"\b(?:in|on|during|for|of|dated|at)\s+(?:the\s+)?(?:year\s+|month of\s+)?(?P<a>{_DATE})\b{_NUMBER_WORD}"),
        ("day", r"(?P<a>\btoday|\byesterday)(?:'s)?\b"),
        ("on", rf"(?P<a>\b\d{{4}}-\d{{2}}-\d{{2}}\b|\b(?:{_MONTH}) \d{{4}}\b|\bq[1-4] \d{{4}}\b)"),
    )
)  # fmt: skip
_FUTURE = re.compile(
    r"\b(?:next|coming|upcoming)\s+(?:\d+\s+)?(?:day|week|month|quarter|year|hour)s?\b|\btomorrow\b", re.I
)


_GUESS = re.compile(
    r"\b(?:will|going to|expect\w*|forecast\w*|predict\w*|likely|estimate\w*|project(?:ed|ion)|probab\w*)\b", re.I
)
_COMPARED = re.compile(r"\b(?:vs\.?|versus|compared?|comparison|against|and|than)(?!\w)", re.I)


@dataclass(frozen=True)
class Span:
    """[start, end) in UTC; None is open. `whole_days` when both ends are midnights of the asker."""

    start: datetime | None
    end: datetime | None
    words: str
    rolling: bool = False
    other: Span | None = None
    ahead: bool = False


def take_span(asked: Asked, *, wide: bool = False) -> tuple[str, Span | None]:
    """The question with its time words replaced by MARK, and the time; CannotAnswer for two times or a future one.

    `wide` takes both: a second time to compare with (`other`), and one that lies ahead (`ahead`).
    """
    future = _FUTURE.search(asked.text)
    if future and (not wide or _GUESS.search(asked.text)):
        raise CannotAnswer(f"“{future.group()}” lies ahead; I only look at what has been recorded.")
    text, span = _first(asked.text, asked)
    if span is not None:
        again, second = _first(text, asked)
        if second is not None and wide and _COMPARED.search(asked.text):
            return again, replace(span, other=second)
        if second is not None:
            raise CannotAnswer(f"The question names two times (“{span.words}” and “{second.words}”). Ask about one.")
        text = again
    return text, span


def _first(text: str, asked: Asked) -> tuple[str, Span | None]:
    if re.search(r"\d{1,2}:\d{2}|\b\d{1,2}\s?[ap]m\b", text) and not re.search(r"\d{4}-\d{2}-\d{2}[T ]\d", text):
        return _clock(text, asked)
    for name, pattern in _PATTERNS:
        match = pattern.search(text)
        if match:
            start, end = _Calendar(asked).span(name, match.groupdict())
            mark = BEFORE_MARK if start is None else MARK
            words = match.group().strip()
            return f"{text[: match.start()]} {mark} {text[match.end() :]}", Span(
                start, end, words, name == "rolling", ahead=name == "ahead"
            )
    return text, None


def _clock(text: str, asked: Asked) -> tuple[str, Span | None]:
    try:
        found = find_span(text, asked_at=asked.now, time_zone=asked.time_zone)
    except InvalidRequest as error:
        raise CannotAnswer(str(error)) from error
    if found is None:
        return text, None
    return text.replace(found.words, f" {MARK} "), Span(found.window.start, found.window.end, found.words)


class _Calendar:
    def __init__(self, asked: Asked) -> None:
        self._zone = zone_of(asked.time_zone)
        self._now = asked.now.astimezone(self._zone)
        self._today = self._now.replace(hour=0, minute=0, second=0, microsecond=0)

    def span(self, name: str, groups: dict[str, str | None]) -> tuple[datetime | None, datetime | None]:
        start, end = self._local(name, {key: (value or "").lower() for key, value in groups.items()})
        return (start.astimezone(UTC) if start else None), (end.astimezone(UTC) if end else None)

    def _local(self, name: str, g: dict[str, str]) -> tuple[datetime | None, datetime | None]:
        if name in ("rolling", "ago_since"):
            return self._back(g["n"], g["u"]), self._now
        if name == "ahead":
            return self._ahead(g)
        if name == "ago_before":
            return None, self._back(g["n"], g["u"])
        if name == "this":
            unit = g["u"]
            if g.get("the") and g["w"] in ("last", "past") and unit != "quarter":
                return self._back("1", unit), self._now
            rolling = unit in ("minute", "hour") and g["w"] in ("last", "past", "previous", "prior")
            if rolling or (g["w"] == "past"):
                return self._back("1", unit), self._now
            return self._period(unit, 0 if g["w"] in ("this", "current") else -1)
        if name == "to_date":
            return self._period(g["u"], 0)[0], self._now
        if name in ("half", "quarter"):
            return self._part(name, g["w"], g["y"])
        return self._dated(name, g)

    def _ahead(self, g: dict[str, str]) -> tuple[datetime, datetime]:
        """Tomorrow, the next calendar week, or the next so many days from now."""
        if g["t"] or not g["n"]:
            return self._period("day" if g["t"] else g["u"].rstrip("s"), 1)
        span = self._now - self._back(g["n"], g["u"])
        return self._now, self._now + span

    def _dated(self, name: str, g: dict[str, str]) -> tuple[datetime | None, datetime | None]:
        year = re.search(r"\b\d{4}$", g.get("b", ""))
        if year and re.search(_MONTH, g["a"]) and not re.search(r"\d{4}", g["a"]):
            g["a"] += f" {year.group()}"
        start, end = self._date(g["a"])
        if name == "between":
            return start, self._date(g["b"])[1]
        if name == "since":
            return start, None
        if name == "after":
            return end, None
        if name == "before":
            return None, start
        if name == "until":
            return None, end
        return start, end

    def _part(self, name: str, which: str, year: str) -> tuple[datetime, datetime]:
        number = self._today.year - (year == "last year") if not year.isdigit() else int(year)
        index = ("first", "second", "third", "fourth").index(which)
        months = 6 if name == "half" else 3
        start = self._today.replace(year=number, month=1 + index * months, day=1)
        return start, _add_months(start, months)

    def _back(self, number: str, unit: str) -> datetime:
        amount = _NUMBERS.get(number) or int(number)
        singular = unit.rstrip("s")
        if singular in ("month", "quarter", "year"):
            return _add_months(self._now, -amount * {"month": 1, "quarter": 3, "year": 12}[singular])
        seconds = {
            "second": 1,
            "sec": 1,
            "minute": 60,
            "min": 60,
            "hour": 3600,
            "hr": 3600,
            "day": 86_400,
            "week": 604_800,
        }
        return self._now - timedelta(seconds=amount * seconds[singular])

    def _period(self, unit: str, step: int) -> tuple[datetime, datetime]:
        if unit in ("minute", "hour"):
            start = self._now.replace(second=0, microsecond=0)
            return (start.replace(minute=0) if unit == "hour" else start), self._now
        if unit in ("day", "week"):
            days = 1 if unit == "day" else 7
            start = self._today - timedelta(days=0 if unit == "day" else self._today.weekday())
            start += timedelta(days=days * step)
            return start, start + timedelta(days=days)
        months = {"month": 1, "quarter": 3, "year": 12}[unit]
        first = self._today.month - (self._today.month - 1) % months
        start = _add_months(self._today.replace(month=first, day=1), months * step)
        return start, _add_months(start, months)

    def _date(self, words: str) -> tuple[datetime, datetime]:
        words = words.strip().removeprefix("the ").replace(",", "")
        if words in ("today", "yesterday"):
            return self._period("day", 0 if words == "today" else -1)
        named = re.match(r"(last|this|start|beginning)(?: of(?: the| this)?)? (week|month|quarter|year)$", words)
        if named:
            return self._period(named[2], -1 if named[1] == "last" else 0)
        try:
            return self._written(words)
        except ValueError as error:
            raise CannotAnswer(f"“{words}” is not a date.") from error

    def _written(self, words: str) -> tuple[datetime, datetime]:
        if re.match(r"\d{4}-\d{2}-\d{2}", words):
            at = datetime.fromisoformat(words.upper().replace("Z", "").replace(" ", "T"))
            start = at.replace(tzinfo=self._zone)
            return start, start + (timedelta(days=1) if len(words) == 10 else timedelta())
        quarter = re.match(r"q([1-4])(?: (?:of )?(\d{4}))?$", words)
        if quarter:
            return self._part(
                "quarter", ("first", "second", "third", "fourth")[int(quarter[1]) - 1], quarter[2] or "this year"
            )
        month = re.fullmatch(r"(\d{4})-(\d{2})", words)
        if month:
            return self._month(int(month[2]), int(month[1]))
        if re.fullmatch(r"\d{4}", words):
            start = self._today.replace(year=int(words), month=1, day=1)
            return start, start.replace(year=start.year + 1)
        return self._month_words(words)

    def _month_words(self, words: str) -> tuple[datetime, datetime]:
        name = re.search(_MONTH, words)
        assert name is not None, "the grammar gives a month here"
        number = next(i for i, month in enumerate(_MONTHS, 1) if month.startswith(name.group()[:3]))
        year = re.search(r"\b\d{4}\b", words)
        day = re.search(r"\b(\d{1,2})(?:st|nd|rd|th)?\b", words.replace(year.group() if year else "\0", " "))
        which = int(year.group()) if year else self._today.year - (number > self._today.month)
        if day is None:
            return self._month(number, which)
        start = self._today.replace(year=which, month=number, day=int(day[1]))
        return start, start + timedelta(days=1)

    def _month(self, number: int, year: int) -> tuple[datetime, datetime]:
        start = self._today.replace(year=year, month=number, day=1)
        return start, _add_months(start, 1)


def _add_months(at: datetime, months: int) -> datetime:
    total = at.year * 12 + at.month - 1 + months
    year, month = divmod(total, 12)
    last = (datetime(year + (month == 11), (month + 1) % 12 + 1, 1) - timedelta(days=1)).day  # noqa: DTZ001
    return at.replace(year=year, month=month + 1, day=min(at.day, last))
