"""Units: those that questions say, those that names of columns carry, and the way from one to the other."""

from __future__ import annotations

from bot.reasoning.ask.model import CannotAnswer
from bot.reasoning.ask.words import name_parts

_SECONDS = {
    "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "millisecond": 1e-3, "s": 1.0, "sec": 1.0, "second": 1.0, "min": 60.0,
    "minute": 60.0, "h": 3600.0, "hr": 3600.0, "hour": 3600.0, "day": 86_400.0, "week": 604_800.0,
}  # fmt: skip
_GRAMS = {"mg": 1e-3, "g": 1.0, "gram": 1.0, "kg": 1e3, "kilo": 1e3, "kilogram": 1e3, "ton": 1e6, "tonne": 1e6}
_METRES = {
    "mm": 1e-3, "cm": 1e-2, "m": 1.0, "meter": 1.0, "metre": 1.0, "km": 1e3, "kilometer": 1e3, "kilometre": 1e3,
    "mi": 1609.344, "mile": 1609.344,
}  # fmt: skip
_BYTES = {
    "byte": 1.0, "kb": 1e3, "kilobyte": 1e3, "mb": 1e6, "megabyte": 1e6, "gb": 1e9, "gigabyte": 1e9, "tb": 1e12,
    "terabyte": 1e12,
}  # fmt: skip
_CENTS = {"cent": 1.0}
MONEY = {"dollar": "usd", "usd": "usd", "euro": "eur", "eur": "eur", "pound": "gbp", "gbp": "gbp"}
_SCALES = (_SECONDS, _GRAMS, _METRES, _BYTES)
_PLAIN = frozenset("unit percent star point year item piece".split())
_TOO_SHORT = frozenset({"m", "s", "h", "g"})


def said_unit(words: str) -> str | None:
    """The unit that a word of the question means, in the singular; None for any other word."""
    parts = name_parts(words)
    if len(parts) != 1:
        return None
    word = parts[0]
    known = word in _PLAIN or word in MONEY or word in _CENTS or any(word in scale for scale in _SCALES)
    return word if known else None


def is_time(unit: str) -> bool:
    return unit in _SECONDS


def unit_of(column: str) -> str | None:
    """The unit that a column's name ends with: duration_ms, minutes, weight_kg."""
    parts = name_parts(column)
    for word in (parts[-1], parts[0]) if parts else ():
        if any(word in scale for scale in _SCALES) and (word not in _TOO_SHORT or len(parts) > 1):
            return word
    return "cent" if "cent" in parts else None


def converted(value: float, unit: str, column: str) -> float:
    """A value said in `unit` as the column keeps it; CannotAnswer when the two cannot be told to be alike."""
    kept = unit_of(column)
    if unit in _PLAIN or unit == kept:
        return value
    if unit in MONEY:
        return value * 100 if kept == "cent" else value
    for scale in _SCALES:
        if unit in scale and kept in scale:
            return round(value * scale[unit] / scale[str(kept)], 9)
    if kept is None and unit not in _SECONDS:
        return value
    raise CannotAnswer(f"I do not know {column} in {unit}s. Ask in the unit that it is kept in.")
