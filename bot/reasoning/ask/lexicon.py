"""The semantic mapper: which words of a question can stand for which table, column or value of a schema."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field

from rapidfuzz import fuzz, process

from bot.reasoning.ask.model import Column, Kind, Table
from bot.reasoning.ask.words import STOP, SYNONYMS, lemma, name_parts, stem, tokens

_PREFIXES = frozenset({"tbl", "t", "dim", "fact", "fct", "stg", "v", "vw", "mart", "is", "has"})
# What a column's name says beyond its meaning: `amount_cents` is an amount.
_SUFFIXES = frozenset(
    """at on date time ts timestamp id code no cent cents eur usd gbp kg g km m s ms sec second minute min hour day utc
    flag num count quantity qty number pct ratio percent name amount m3 m2 kwh l cm mm mg lb mi ft kb mb gb kw ml
    sqm""".split()
)
_SECRET = re.compile(r"passw|secret|token|api_?key|private_?key|credential|(?:^|_)(?:ssn|cvv|cvc|pin|iban)(?:_|$)")
_GENERIC = frozenset("event record log entry history request item detail info list data transaction".split())
_PREPOSITIONS = frozenset({"by", "at", "on", "in", "to", "from", "of", "for"})
_LONGEST_VALUE_WORDS = 6
_FUZZY_BAR = 88.0
Phrase = tuple[str, ...]


@dataclass(frozen=True)
class Ref:
    """A column of a table."""

    table: str
    column: str


@dataclass
class Entry:
    """What one phrase may stand for, each with a weight: 1.0 for the name itself, less the further away."""

    tables: dict[str, float] = field(default_factory=dict)
    columns: dict[Ref, float] = field(default_factory=dict)
    values: dict[tuple[Ref, str], float] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.tables or self.columns or self.values)


class Lexicon:
    """Phrases of lemmas to concepts of one schema."""

    def __init__(self, tables: tuple[Table, ...]) -> None:
        self.tables = {table.name: table for table in tables}
        self._entries: defaultdict[Phrase, Entry] = defaultdict(Entry)
        self._stems: defaultdict[str, Entry] = defaultdict(Entry)
        for table in tables:
            self._add_table(table)
            for column in table.columns:
                self._add_column(table, column)
        self.longest = max((len(phrase) for phrase in self._entries), default=1)

    def look_up(self, phrase: Phrase) -> Entry | None:
        """What a phrase stands for: the schema's own words first, then synonyms; None when nothing."""
        found = self._entries.get(phrase)
        if found:
            return found
        return self._by_synonym(phrase)

    def by_stem(self, word: str) -> Entry | None:
        """Columns and values whose root is that of a verb: "shipped" → shipped_at."""
        return self._stems.get(stem(word))

    def near(self, word: str) -> tuple[str, ...]:
        """Names that a misspelt word is close to."""
        names = {" ".join(phrase) for phrase, entry in self._entries.items() if entry.tables or entry.columns}
        matches = process.extract(word.lower(), sorted(names), scorer=fuzz.ratio, score_cutoff=65, limit=3)
        return tuple(match[0] for match in matches)

    def misspelt(self, word: str) -> Entry | None:
        """The one table or column that a long word nearly spells; None when several would do."""
        if len(word) < 5:
            return None
        singles = [phrase[0] for phrase, e in self._entries.items() if len(phrase) == 1 and (e.tables or e.columns)]
        matches = process.extract(lemma(word), singles, scorer=fuzz.ratio, score_cutoff=_FUZZY_BAR, limit=2)
        # A prefix turns a word round (undelivered), so the first letters must agree.
        near = [name for name, _, _ in matches if name[:2] == lemma(word)[:2]]
        return self._entries[(near[0],)] if len(matches) == 1 and near else None

    def kind(self, ref: Ref) -> Kind:
        column = self.tables[ref.table].column(ref.column)
        return column.kind if column else Kind.OTHER

    def secret(self, ref: Ref) -> bool:
        """Whether a column must not be shown whatever is asked."""
        return is_secret(ref.column)

    # filling

    def _add_table(self, table: Table) -> None:
        parts = name_parts(table.bare)
        if len(parts) > 1 and parts[0] in _PREFIXES:
            parts = parts[1:]
        self._entries[parts].tables[table.name] = 1.0
        self._stems[stem(parts[-1])].tables[table.name] = 0.6
        if len(parts) > 1:
            self._weak_table(parts[-1:], table, 0.7)
            if parts[-1] in _GENERIC:
                self._weak_table(parts[:-1], table, 0.65)
            self._entries[("".join(parts),)].tables[table.name] = 0.95

    def _weak_table(self, phrase: Phrase, table: Table, weight: float) -> None:
        self._entries[phrase].tables.setdefault(table.name, weight)

    def _add_column(self, table: Table, column: Column) -> None:
        ref = Ref(table.name, column.name)
        parts = name_parts(column.name)
        own = name_parts(table.bare)
        keyed = column.primary or column.references is not None
        for phrase, weight in _column_phrases(parts, own, verb=column.kind in (Kind.TIME, Kind.DATE, Kind.BOOL)):
            known = self._entries[phrase].columns
            known[ref] = max(min(weight, 0.6) if keyed and "id" not in phrase else weight, known.get(ref, 0.0))
        if column.kind in (Kind.TIME, Kind.DATE, Kind.BOOL):
            self._stems[stem(_verb_of(parts))].columns[ref] = 0.8
        if not is_secret(column.name):
            self._add_values(ref, column)

    def _add_values(self, ref: Ref, column: Column) -> None:
        if column.kind is not Kind.TEXT:
            return
        for value in column.values:
            words = tuple(t.lemma for t in tokens(value.replace("_", " ")) if t.sort in ("word", "number"))
            code = value.isupper() and len(value) > 1
            plain = len(words) == 1 and not code and (words[0] in STOP or len(words[0]) < 2)
            if words and not plain and len(words) <= _LONGEST_VALUE_WORDS and not words[0].isdigit():
                self._entries[words].values[(ref, value)] = 1.0
                if len(words) == 1 and words[0].isalpha():
                    self._stems[stem(words[0])].values[(ref, value)] = 0.8

    # synonyms

    def _by_synonym(self, phrase: Phrase) -> Entry | None:
        merged = Entry()
        for position, word in enumerate(phrase):
            for other in SYNONYMS.get(word, ()):
                entry = self._entries.get((*phrase[:position], other, *phrase[position + 1 :]))
                if entry is None:
                    continue
                for table, weight in entry.tables.items():
                    merged.tables[table] = max(merged.tables.get(table, 0.0), weight * 0.8)
                for ref, weight in entry.columns.items():
                    merged.columns[ref] = max(merged.columns.get(ref, 0.0), weight * 0.8)
        if merged.tables:
            best = max(merged.tables.values())
            merged.tables = {name: w for name, w in merged.tables.items() if w >= best - 0.05}
        return merged or None


def is_secret(name: str) -> bool:
    """Whether a column's name says that it holds a secret."""
    return _SECRET.search(name.lower()) is not None


def _column_phrases(parts: Phrase, own: Phrase, *, verb: bool) -> list[tuple[Phrase, float]]:
    """The ways to say a column: its whole name, without unit or prefix, with its table's name before it."""
    ways: list[tuple[Phrase, float]] = [(parts, 1.0)]
    plain = parts[1:] if len(parts) > 1 and parts[0] in _PREFIXES else parts
    if plain != parts:
        ways.append((plain, 0.95))
    short = plain
    while len(short) > 1 and short[-1] in _SUFFIXES:
        short = short[:-1]
        ways.append((short, 0.9 if short != own else 0.3))
    if len(plain) > 1:
        ways += [(p, w) for p, w in ((short[-1:], 0.5), (plain[-1:], 0.45)) if p[0] not in _PREPOSITIONS]
    for phrase, weight in list(ways):
        if phrase[: len(own)] != own and verb and phrase[-1] not in ("date", "time"):
            continue
        if phrase[: len(own)] != own:
            ways.append(((*own, *phrase), weight))
            ways.append(((*own[-1:], *phrase), weight * 0.95))
        elif len(phrase) > len(own):
            ways.append((phrase[len(own) :], weight * 0.95))
    if len(parts) > 1 and parts[-1] in ("at", "on", "date", "time"):
        ways += [((*parts[:-1], word), 0.9) for word in ("date", "time")]
    return [(phrase, weight) for phrase, weight in ways if weight > 0.25 and not _empty(phrase)]


def _empty(phrase: Phrase) -> bool:
    return not phrase or (len(phrase) == 1 and (phrase[0] in STOP or len(phrase[0]) < 2 or phrase[0] == "date"))


def _verb_of(parts: Phrase) -> str:
    plain = [part for part in parts if part not in _SUFFIXES and part not in _PREFIXES]
    return plain[-1] if plain else parts[0]
