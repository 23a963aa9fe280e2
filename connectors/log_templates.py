"""Folds log lines into templates as they stream past: the constant words of a message, `<*>` for the rest.

Three steps, none tuned to a system. (1) Values are masked by their form: numbers with units, hex, UUIDs,
addresses, paths, dotted names, and every word that holds a digit; lists of values fold into one. (2) Equal
masked messages are one template. (3) When many messages differ in a single word only, that word is a value.
A cache on the shape of a line (every run of digits taken as one) makes repeated messages cheap.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

VALUE = "<*>"
MAX_LINE_CHARS = 2_000
MAX_WORDS = 60
MIN_MERGE_WORDS = 4
VALUES_OF_ONE_WORD = 8
"""So many different words in one place, all else equal, make the place a value (measured: 5 to 8 serve)."""

_MASK = re.compile(
    r"""
      (?<![\w.])[+-]?\d+(?:\.\d+)?\s?                                            # 93.0 B, 12ms, 3 days
          (?:[KMGT]i?B|[kmgt]b|B|ns|us|µs|ms|s|secs?|seconds|minutes|hours|days|bytes|%)(?!\w)
    | (?:(?<=[\s"'=(:\[,])|^)(?:[A-Za-z]:)?[\\/](?:[^\s"',;()\[\]<>|]*[^\s"',;:()\[\]<>|.])?    # /var/log/x, C:\x
    | (?:(?<=[\s"'=(\[,])|^)[a-z][a-z0-9+.-]*://[^\s"'<>]+                       # https://host/path
    | \b(?:[\w-]+\.){2,}[\w/$-]+                                                 # com.example.Thing, 10.0.0.1
    | \b(?:[0-9A-Fa-f]{1,4}:){2,}[0-9A-Fa-f:]*                                   # 00:0d:60:e9, 2607:f140::1
    | \b[0-9A-Fa-f]{8,}\b                                                        # deadbeef01
    """,
    re.VERBOSE,
)
_WITH_DIGIT = re.compile(r"""[^\s=:,;()\[\]{}"'<>|]*\d[^\s=:,;()\[\]{}"'<>|]*""")
_LIST = re.compile(r"\x00(?:[\s,:.\-]*\x00)+")
_SPACES = re.compile(r"\s+")
_DIGITS = bytes.maketrans(b"0123456789", b"0000000000")


def mask(line: str) -> str:
    """Return the message with every value replaced by `<*>`."""
    masked = _WITH_DIGIT.sub("\x00", _MASK.sub("\x00", line))
    return _SPACES.sub(" ", _LIST.sub("\x00", masked)).strip().replace("\x00", VALUE)


def _shape(line: str) -> bytes:
    """The line with each run of digits as one zero (runs of up to 32): equal shapes have equal masks."""
    shape = line.encode("utf-8", "replace").translate(_DIGITS)
    for _ in range(5):
        shape = shape.replace(b"00", b"0")
    return shape


class TemplateMiner:
    """Gives each line a template id; ids may later fold into one, `canonical` says which."""

    def __init__(self, *, max_templates: int = 20_000, max_cached_shapes: int = 100_000) -> None:
        self._max_templates = max_templates
        self._max_cached = max_cached_shapes
        self._shapes: dict[bytes, int] = {}
        self._ids: dict[str, int] = {}
        self._texts: list[str] = []
        self._parents: list[int] = []
        self._places: dict[tuple[int, str], list[int]] = {}

    def add(self, line: str) -> int:
        """Return the id of the line's template, as known now."""
        if len(line) > MAX_LINE_CHARS or "\n" in line:
            line = _head(line)
        shape = _shape(line)
        found = self._shapes.get(shape)
        if found is None:
            found = self._add_masked(mask(line))
            if len(self._shapes) >= self._max_cached:
                self._shapes.clear()
            self._shapes[shape] = found
        return found if self._parents[found] == found else self.canonical(found)

    def canonical(self, template_id: int) -> int:
        """Return the id into which this one has folded, itself if it has not."""
        parents = self._parents
        while parents[template_id] != template_id:
            parents[template_id] = parents[parents[template_id]]
            template_id = parents[template_id]
        return template_id

    def template(self, template_id: int) -> str:
        """Return the template's text."""
        return self._texts[self.canonical(template_id)]

    def __len__(self) -> int:
        return sum(parent == index for index, parent in enumerate(self._parents))

    def _add_masked(self, text: str) -> int:
        known = self._ids.get(text)
        if known is not None:
            return known
        if len(self._texts) >= self._max_templates:
            text = f"{text.split(' ', 1)[0]} {VALUE}"
            if (known := self._ids.get(text)) is not None:
                return known
        template_id = self._ids[text] = len(self._texts)
        self._texts.append(text)
        self._parents.append(template_id)
        if template_id < self._max_templates:
            self._fold(template_id, text.split(" "))
        return template_id

    def _fold(self, template_id: int, words: list[str]) -> None:
        """Join templates that differ in one word, once that word has shown many faces."""
        if not MIN_MERGE_WORDS <= len(words) <= MAX_WORDS:
            return
        for at in range(1, len(words)):
            if words[at] == VALUE:
                continue
            open_text = " ".join([*words[:at], VALUE, *words[at + 1 :]])
            members = self._places.setdefault((at, open_text), [])
            members.append(template_id)
            if len(members) >= VALUES_OF_ONE_WORD:
                self._join(members, open_text)
                del members[1:-1]
                members.extend([members[0]] * (VALUES_OF_ONE_WORD - 2))

    def _join(self, members: Iterable[int], text: str) -> None:
        roots = {self.canonical(member) for member in members}
        head = min(roots)
        for root in roots:
            self._parents[root] = head
        if self._texts[head].count(VALUE) <= text.count(VALUE):
            self._texts[head] = text


def _head(line: str) -> str:
    """The first line with text, cut; what follows a line break is a stack trace or a dump."""
    first = next((part for part in line.splitlines() if part.strip()), "")
    return first[:MAX_LINE_CHARS]


@dataclass(slots=True)
class TemplateGroup:
    """Lines of one template. `examples` are raw lines (first ones seen); times are aware UTC."""

    template: str
    count: int = 0
    examples: list[str] = field(default_factory=list)
    first: datetime | None = None
    last: datetime | None = None
    labels: dict[str, dict[str, int]] = field(default_factory=dict)

    def main_label(self, name: str) -> str | None:
        """The most frequent value of a label, None if no line had it."""
        counts = self.labels.get(name)
        return max(counts, key=lambda value: counts[value]) if counts else None


def fold(lines: Iterable[str], *, max_examples: int = 3) -> list[TemplateGroup]:
    """Fold plain lines; largest group first."""
    return fold_lines(((None, line, {}) for line in lines), max_examples=max_examples)


def fold_lines(
    lines: Iterable[tuple[datetime | None, str, Mapping[str, str]]],
    *,
    split_by: Iterable[str] = (),
    max_examples: int = 3,
    miner: TemplateMiner | None = None,
) -> list[TemplateGroup]:
    """Fold (time, line, labels); largest group first.

    Lines whose `split_by` labels differ (for example service and level) never share a group. Pass the same
    `miner` for a window and its baseline, and equal templates have equal texts in both.
    """
    miner = miner or TemplateMiner()
    names = tuple(split_by)
    groups: dict[tuple[int, tuple[str | None, ...]], TemplateGroup] = {}
    for at, line, labels in lines:
        key = (miner.add(line), tuple(labels.get(name) for name in names))
        group = groups.get(key)
        if group is None:
            group = groups[key] = TemplateGroup(template="")
        _count(group, at, line, labels, max_examples)
    return _settle(groups, miner, max_examples)


def _count(group: TemplateGroup, at: datetime | None, line: str, labels: Mapping[str, str], max_examples: int) -> None:
    group.count += 1
    if len(group.examples) < max_examples and line not in group.examples:
        group.examples.append(line)
    if at is not None:
        group.first = at if group.first is None or at < group.first else group.first
        group.last = at if group.last is None or at > group.last else group.last
    for name, value in labels.items():
        counts = group.labels.setdefault(name, {})
        counts[value] = counts.get(value, 0) + 1


def _settle(
    groups: Mapping[tuple[int, tuple[str | None, ...]], TemplateGroup], miner: TemplateMiner, max_examples: int
) -> list[TemplateGroup]:
    """Join groups whose templates folded into one after they were opened."""
    settled: dict[tuple[int, tuple[str | None, ...]], TemplateGroup] = {}
    for (template_id, split), group in groups.items():
        key = (miner.canonical(template_id), split)
        kept = settled.get(key)
        if kept is None:
            group.template = miner.template(template_id)
            settled[key] = group
        else:
            _absorb(kept, group, max_examples)
    return sorted(settled.values(), key=lambda group: (-group.count, group.template))


def _absorb(kept: TemplateGroup, other: TemplateGroup, max_examples: int) -> None:
    kept.count += other.count
    kept.examples = (kept.examples + other.examples)[:max_examples]
    times = [at for at in (kept.first, other.first) if at is not None]
    kept.first = min(times, default=None)
    kept.last = max((at for at in (kept.last, other.last) if at is not None), default=None)
    for name, counts in other.labels.items():
        into = kept.labels.setdefault(name, {})
        for value, count in counts.items():
            into[value] = into.get(value, 0) + count
