"""Cuts a question into pieces: operators by a fixed list of phrases, nouns and values by the lexicon, the rest unknown."""
# ruff: noqa: E501 - the list of phrases stays on one line each

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from bot.reasoning.ask.lexicon import Entry, Lexicon
from bot.reasoning.ask.spans import BEFORE_MARK, MARK
from bot.reasoning.ask.words import STOP, Token, lemma, tokens

_PARTICIPLES = frozenset(
    """paid sent sold bought made taken given written seen shown won lost left held built met kept known grown drawn
    broken chosen driven flown begun done run read set cut spent lent""".split()
)


class Sort(StrEnum):
    """What a piece does in the question."""

    COUNT = "count"
    AGG = "aggregate"
    SUPER = "superlative"
    LATEST = "latest"
    TOP = "top"
    GROUP = "group"
    CMP = "comparison"
    ORMORE = "or more"
    BETWEEN = "between"
    MATCH = "text match"
    NOT = "not"
    LACK = "lack"
    NULL = "null"
    HAVE = "have"
    PCT = "percentage"
    ORDER = "order"
    DIRECTION = "direction"
    AND = "and"
    OR = "or"
    DISTINCT = "distinct"
    BUCKET = "bucket"
    NAMED = "named"
    ZERO = "including zero"
    NEW = "new"
    VERSUS = "versus"
    OUT = "used up"
    DEED = "deed"
    WHO = "who"
    SPAN = "span"
    NUM = "number"
    TEXT = "text"
    NOUN = "noun"
    UNKNOWN = "unknown"
    REFUSE = "refuse"


@dataclass(frozen=True)
class Piece:
    """`value` depends on the sort; `entry` is what the lexicon knows of the words."""

    sort: Sort
    words: str
    value: str = ""
    entry: Entry | None = None
    number: float = 0.0
    capital: bool = False

    @property
    def verb(self) -> bool:
        """Whether the word has the form of a past participle: paid, shipped, taken."""
        low = self.words.lower()
        return low in _PARTICIPLES or (" " not in low and len(low) > 4 and low.endswith("ed"))


_LIST = """
COUNT|| how many; how many times; number of times; number of; frequency of; total number of; count of; total count of; count; how often
AGG|sum| total; total of; sum; sum of; combined; how much; in total; cumulative
AGG|avg| average; avg; mean; on average
AGG|max| maximum; max
AGG|min| minimum; min
AGG|median| median
AGG|range| valuerange
SUPER|desc:count| most; most frequent; most common; most often
SUPER|asc:count| least; fewest; least common; least frequent
SUPER|desc:| highest; largest; biggest; greatest
SUPER|asc:| lowest; smallest
SUPER|desc:price| most expensive; priciest; costliest
SUPER|asc:price| cheapest; least expensive
SUPER|desc:duration| longest; slowest; longest running; longest lasting; most time consuming
SUPER|asc:duration| shortest; quickest; fastest
SUPER|desc:weight| heaviest
SUPER|asc:weight| lightest
SUPER|desc:rating| best rated; highest rated
SUPER|asc:rating| worst rated; lowest rated
SUPER|desc:salary| highest paid; best paid
SUPER|asc:salary| lowest paid
LATEST|desc| latest; most recent; newest; most recently; recent
SUPER|desc:age| oldest
SUPER|asc:age| youngest
LATEST|asc| earliest
TOP|desc| top
TOP|asc| bottom
TOP|last| last
TOP|first| first
GROUP|by| by
GROUP|per| per; for each of; for each; for every; group by; grouped by; broken down by; break down by; split by; in each; of each; by each; each; from each; with each; to each; at each
CMP|>| more than; greater than; over; above; exceed; exceeding; in excess of; beyond; higher than; larger than; bigger than; >
CMP|>=| at least; no less than; no fewer than; minimum of; a minimum of; >=
CMP|<| less than; under; below; fewer than; lower than; smaller than; <
CMP|<=| at most; no more than; not more than; up to; maximum of; a maximum of; <=
CMP|=| exactly; equal to; equal; =
CMP|!=| not equal to; !=; <>
CMP|>:duration| longer than; take longer than; took longer than; taking longer than; last longer than; lasting longer than; lasted longer than; lasting more than; lasted more than; last more than; took more than; take more than; taking more than; lasting over; lasted over; last over; took over; taking over; slower than; ran longer than; run longer than; running longer than
CMP|<:duration| shorter than; lasting less than; lasted less than; last less than; took less than; take less than; taking less than; lasting under; took under; faster than; quicker than; finished in less than; finished in under
CMP|>:weight| heavier than
CMP|<:weight| lighter than
CMP|>:price| more expensive than; cost more than; cost over; costing more than
CMP|<:price| cheaper than; cost less than; cost under; costing less than
CMP|>:salary| earn more than; earning more than; earn over; paid more than
CMP|<:salary| earn less than; earning less than; earn under
CMP|>:age| older than
CMP|<:age| younger than
ORMORE|>=| or more; or higher; or above; or greater
ORMORE|<=| or less; or fewer; or lower; or below
BETWEEN|| between; ranging from
MATCH|contains| include the text; contain; containing; contain the word; containing the word; mention; mentioning; like; include the word
MATCH|starts| start with; starting with; begin with; beginning with
MATCH|ends| end with; ending with; end in; ending in
NOT|| neither; not; be not; isn't; aren't; wasn't; weren't; except; except for; excluding; outside; outside of; apart from; besides; other than; but not; not be; not yet; not in; not from; non
LACK|| without; without any; with no; have no; have never; never; never have; do not have; don't have; doesn't have; does not have; do not have any; don't have any; have not; haven't; hasn't; haven't had any; lack; lacking; with zero; nobody; no one; nobody have; no one have; nobody have ever; no one have ever; nobody ever; no one ever; never been; have never been; never be; yet to be; have yet to be; have yet to; not been; have not been; be not; have not have any; not have any; did not have any; do not; don't; didn't; did not; not have; no; there be no; have zero; have not have; not assigned to any; not assigned to a; not assigned to; not assigned
NULL|| null; missing; empty; blank; unset; not set; unknown
HAVE|| with; use; used; using; have; having; where; whose; at least one; with at least one; have at least one; with any; contain at least one
PCT|100| percentage of; what percentage; what percentage of; percent of; what percent of; what percent; percentage; % of; percent
PCT|1| share of; proportion of; fraction of; ratio of; what share of; what fraction of; what proportion of; what share; what fraction; what proportion; rate; ratio
ORDER|| sort by; sorted by; order by; ordered by; ranked by; rank by; sort them by; in order of
DIRECTION|desc| descending; desc; highest first; highest to lowest; from highest to lowest; largest first; longest first; slowest first; biggest first; most first; newest first; latest first; most recent first; in descending order; in descending; descending order; high to low; most expensive first; from most to least
DIRECTION|asc| ascending; asc; lowest first; lowest to highest; from lowest to highest; smallest first; shortest first; oldest first; earliest first; in ascending order; ascending order; alphabetically; alphabetical order; in alphabetical order; by name alphabetically; cheapest first; from least to most
AND|| and; ,; as well as; &; plus
OR|nor| nor
OR|| or; either
OUT|| out of
DEED|| sell; sold; buy; bought; purchased; buys; sells
DISTINCT|| distinct; unique; different
BUCKET|hour| hourly; per hour; by hour; each hour; every hour; for each hour
BUCKET|day| daily; per day; by day; each day; every day; for each day; by date; per date; day by day
BUCKET|week| weekly; per week; by week; each week; every week
BUCKET|month| monthly; per month; by month; each month; every month; for each month; month by month
BUCKET|quarter| quarterly; per quarter; by quarter; each quarter
BUCKET|year| yearly; annually; per year; by year; each year; every year; for each year
NAMED|| named; called; titled; with the name; by the name; whose name be
ZERO|| including zero; including those with none; including none; even if zero; including those without; including zeros; even those without
WHO|| who; whom
NEW|| new; newly; brand new
VERSUS|| versus; vs; vs.; compared to; compared with; compare to; compare with; in comparison to; in comparison with; as opposed to
REFUSE|change| delete; drop; update; insert; truncate; alter; grant; revoke; remove; create table; overwrite; modify; erase; rename; kill; shut down; shutdown; restart; execute; exec; union; sleep; --; pg_sleep; load_file; xp_cmdshell; copy
REFUSE|judge| why; should; forecast; predict; correlation; correlate; trend; recommend; probably; likely; best; worst; better; worse; feel; think; opinion; weather; advise; explain; anomaly; anomalous; unusual; suspicious; typically; usually; growth; compare; compared; comparison; difference; consecutive; running; moving; rolling; streak; median absolute deviation; standard deviation; variance; twice; double; busiest; popular; most popular; loyal; churn; profit; margin; happy; happiest; previous period; themselves; itself; same; both; else
"""
_FIXED: dict[tuple[str, ...], tuple[Sort, str]] = {}
for _line in _LIST.strip().splitlines():
    _name, _value, _phrases = _line.split("|", 2)
    for _phrase in _phrases.split(";"):
        if _phrase.strip():
            _FIXED[tuple(_phrase.split())] = (Sort[_name], _value)
_LONGEST = max(len(phrase) for phrase in _FIXED)
_SMALL = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "zero": 0}
_EXACT = 0.95


class Tagger:
    """Greedy: at each word the longest phrase wins; a fixed phrase wins over a name of equal length."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._told: set[str] = set()

    def pieces(self, text: str) -> list[Piece]:
        """The question in pieces, words without meaning left out."""
        found: list[Piece] = []
        words, at = self._turned(tokens(text)), 0
        self._told = {name for t in words for name in self._tables(t)}
        while at < len(words):
            piece, length = self._next(words, at)
            if piece is not None:
                found.append(piece)
            at += length
        return _side_by_side(found)

    def _turned(self, words: list[Token]) -> list[Token]:
        """ "Undelivered" is "not delivered", where delivered is known and undelivered is not."""
        found: list[Token] = []
        for token in words:
            rest = token.text[2:]
            known = token.sort == "word" and token.lemma.startswith("un") and len(rest) > 3
            if known and not self._lexicon.look_up((token.lemma,)) and self._lexicon.by_stem(rest):
                found += [Token("not", "not", "word"), Token(rest, lemma(rest), "word")]
            else:
                found.append(token)
        return found

    def _next(self, words: list[Token], at: int) -> tuple[Piece | None, int]:
        token = words[at]
        if token.sort == "quoted":
            return Piece(Sort.TEXT, token.text, token.text), 1
        if token.lemma in (MARK, BEFORE_MARK):
            return Piece(Sort.SPAN, token.lemma), 1
        fixed, entry = self._fixed(words, at), self._named(words, at)
        if fixed and (entry is None or fixed[1] >= entry[1]):
            return self._both(fixed[0], entry, fixed[1]), fixed[1]
        if entry:
            return self._noun(words, at, entry), entry[1]
        return self._single(token)

    def _both(self, piece: Piece, entry: tuple[Entry, int] | None, length: int) -> Piece:
        """A fixed phrase that is also a name in the schema keeps both readings."""
        return replace(piece, entry=entry[0]) if entry and entry[1] == length else piece

    def _noun(self, words: list[Token], at: int, entry: tuple[Entry, int]) -> Piece:
        said = " ".join(t.text for t in words[at : at + entry[1]])
        return Piece(Sort.NOUN, said, entry=entry[0], capital=words[at].capital and at > 0)

    def _fixed(self, words: list[Token], at: int) -> tuple[Piece, int] | None:
        for length in range(min(_LONGEST, len(words) - at), 0, -1):
            span = words[at : at + length]
            for said in (tuple(t.text.lower() for t in span), tuple(t.lemma for t in span)):
                if said in _FIXED:
                    sort, value = _FIXED[said]
                    return Piece(sort, " ".join(t.text for t in span), value), length
        return None

    def _named(self, words: list[Token], at: int) -> tuple[Entry, int] | None:
        for length in range(min(self._lexicon.longest + 1, len(words) - at), 0, -1):
            span = words[at : at + length]
            if any(t.sort not in ("word", "number") for t in span) or (length == 1 and span[0].sort != "word"):
                continue
            if length == 1 and span[0].lemma in STOP and not self._strong(span[0]):
                return None
            entry = self._lexicon.look_up(tuple(t.lemma for t in span))
            if entry:
                return entry, length
        return None

    def _strong(self, token: Token) -> bool:
        """A small word is a name when the schema has it, or when it is spelt like a code that is stored ("US")."""
        entry = self._lexicon.look_up((token.lemma,))
        code = token.text.isupper() and len(token.text) > 1
        stored = code and entry is not None and any(value == token.text for _, value in entry.values)
        return bool(entry and (stored or max([*entry.tables.values(), *entry.columns.values(), 0.0]) >= _EXACT))

    def _tables(self, token: Token) -> set[str]:
        entry = self._lexicon.look_up((token.lemma,)) if token.sort == "word" else None
        return set(entry.tables) if entry else set()

    def _deed(self, token: Token) -> Entry | None:
        """A participle that stands for a table which the question does not name: "most prescribed medication"."""
        entry = self._lexicon.by_stem(token.text) if token.text.endswith("ed") else None
        return entry if entry and entry.tables and not set(entry.tables) & self._told else None

    def _single(self, token: Token) -> tuple[Piece | None, int]:
        if token.sort == "number":
            return Piece(Sort.NUM, token.text, token.text, number=number(token.text)), 1
        if token.lemma in _SMALL:
            return Piece(Sort.NUM, token.text, token.text, number=_SMALL[token.lemma]), 1
        deed = self._deed(token) if token.lemma in STOP else None
        if deed is not None:
            return Piece(Sort.NOUN, token.text, entry=deed), 1
        if token.sort == "sign" or token.lemma in STOP or lemma(token.text) in STOP:
            return (Piece(Sort.UNKNOWN, token.text) if token.text == "*" else None), 1
        entry = self._lexicon.by_stem(token.text) or self._lexicon.misspelt(token.text)
        if entry and not (token.capital and len(token.text) < 4):
            return Piece(Sort.NOUN, token.text, entry=entry, capital=token.capital), 1
        return Piece(Sort.UNKNOWN, token.text, token.text, capital=token.capital), 1


def _side_by_side(pieces: list[Piece]) -> list[Piece]:
    """ "Smallest, largest and average" are aggregates, as each of them next to another one is."""
    plain = {"desc:": "max", "asc:": "min"}
    found = list(pieces)
    for at, piece in enumerate(pieces):
        if piece.sort is Sort.SUPER and piece.value in plain and any(_joined(pieces, at, step) for step in (1, -1)):
            found[at] = replace(piece, sort=Sort.AGG, value=plain[piece.value])
    return found


def _joined(pieces: list[Piece], at: int, step: int) -> bool:
    """Whether the next piece behind one or more "and" is an aggregate or superlative too."""
    there = at + step
    while 0 <= there < len(pieces) and pieces[there].sort is Sort.AND:
        there += step
    near = abs(there - at) > 1 and 0 <= there < len(pieces)
    return near and (
        pieces[there].sort is Sort.AGG or (pieces[there].sort is Sort.SUPER and pieces[there].value[-1] == ":")
    )


def number(text: str) -> float:
    """A number as people write it: 1,000, 5k, 2M, 10%, $50. Percent stays as written."""
    plain = text.replace(",", "").strip("$€£%")
    scale = {"k": 1e3, "m": 1e6}.get(plain[-1:].lower(), 1.0)
    return float(plain.rstrip("kKmM")) * scale
