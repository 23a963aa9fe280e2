"""Variants of PromQL texts that real servers parse: wrapped in functions, other spellings of durations and matchers."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(?<![\w.])(\d+)([smhdw])(?![\w.])")
_QUOTED = re.compile(r'"([^"\\]*)"')
_WRAPS = (
    "({})",
    "sum({})",
    "max without (instance) ({})",
    "abs({})",
    "clamp_min({}, 0)",
    "sort_desc({})",
    "count by (job) ({})",
    "({}) > 0",
    "({}) or up",
    "up unless on(job) ({})",
    "1 - ({})",
    "absent({})",
    'label_replace({}, "a", "$1", "b", "(.*)")',
    "quantile(0.9, {})",
    "histogram_quantile(0.9, {})",
)


def wrap(text: str, rng: random.Random) -> str:
    """The query as a part of another one."""
    return rng.choice(_WRAPS).format(text)


def change_durations(text: str, rng: random.Random) -> str:
    """The same span in another unit."""

    def spell(found: re.Match[str]) -> str:
        seconds = int(found[1]) * _SECONDS[found[2]]
        fitting = [unit for unit, size in _SECONDS.items() if seconds and seconds % size == 0]
        unit = rng.choice(fitting or [found[2]])
        return f"{seconds // _SECONDS[unit]}{unit}" if fitting else found[0]

    return _DURATION.sub(spell, text)


def change_quotes(text: str, rng: random.Random) -> str:
    """Other quotes around the same words; PromQL knows three kinds."""
    return _QUOTED.sub(lambda found: rng.choice(['"{}"', "'{}'", "`{}`"]).format(found[1]), text)


def change_matchers(text: str, rng: random.Random) -> str:
    """One more matcher that chooses nothing narrower; some servers refuse a selector that may match the empty text."""
    more = rng.choice(['__name__=~".+"', '__name__!=""', 'instance=~".+"', 'job=~".+"'])
    return re.sub(r"(?<![\w}])\{(?=\w)", "{" + more + rng.choice([",", ", "]), text)


def change_spaces(text: str, rng: random.Random) -> str:
    """Other white space where PromQL allows any."""
    return re.sub(r"(?<=[,(]) ?", lambda _: rng.choice(["", " ", "\n", "\t"]), text)


def add_comment(text: str, rng: random.Random) -> str:
    """A comment at the end, or before the query."""
    return rng.choice(["{} # note", "# note\n{}", "{}\n# }})", " {} "]).format(text)


_HARMLESS: tuple[Callable[[str, random.Random], str], ...] = (
    change_durations,
    change_quotes,
    change_spaces,
    add_comment,
)


def variant(text: str, rng: random.Random, *, nesting: bool) -> str:
    """One variant of a query; one to three changes, the wrapping ones only when `nesting`."""
    tools = [*_HARMLESS, wrap, change_matchers] if nesting else list(_HARMLESS)
    if nesting and '=~".*"}' in text and rng.random() < 0.7:
        text = change_matchers(text, rng)
    chosen = rng.sample(tools, rng.randint(1, 3))
    # A comment goes last: what is wrapped around it would stand behind it.
    for tool in sorted(chosen, key=lambda one: one is add_comment):
        text = tool(text, rng)
    return text
