"""Variants of SQL, JSON and kubectl texts that keep their meaning: the same attack, or the same benign query."""

import json
import random
import re
from collections.abc import Callable

from tests.guard import mutations_promql

_WORD = re.compile(
    r"'(?:[^'\\]|''|\\.)*'|\"[^\"]*\"|`[^`]*`|\[[^\]]*\]|--[^\n]*|#[^\n]*|/\*.*?\*/|[A-Za-z_][A-Za-z_0-9]*|\s+|.",
    re.DOTALL,
)
_KEYWORDS = frozenset(
    """
    select from where and or not in as on join left inner group by order limit union all with recursive values case
    when then else end having into delete update insert drop table create set like between is null exists over
    partition lateral cross desc asc distinct
    """.split()
)
_SPACES = (" ", "  ", "\t", "\n", "\r\n", " \n ", "\f")
SQL = frozenset({"postgres", "mysql", "mssql", "sqlite", "clickhouse", "bigquery", "duckdb"})
JSON = frozenset({"elasticsearch", "mongodb"})


def _pieces(text: str) -> list[str]:
    return _WORD.findall(text)


def change_case(text: str, rng: random.Random) -> str:
    """Keywords in another case."""
    how: Callable[[str], str] = rng.choice([str.upper, str.lower, str.title, str.swapcase])
    return "".join(how(piece) if piece.lower() in _KEYWORDS else piece for piece in _pieces(text))


def change_spaces(text: str, rng: random.Random) -> str:
    """Other white space between words."""
    return "".join(rng.choice(_SPACES) if piece.isspace() and "\n" not in piece else piece for piece in _pieces(text))


def add_comments(text: str, rng: random.Random) -> str:
    """A comment in the place of white space; PostgreSQL nests them."""
    notes = ["/* x */", "/**/", "/* SELECT 1 */", "/* 'a */"]
    return "".join(
        f" {rng.choice(notes)} " if piece.isspace() and "\n" not in piece and rng.random() < 0.3 else piece
        for piece in _pieces(text)
    )


def add_tail(text: str, rng: random.Random) -> str:
    """What does not change a statement at its end."""
    return text + rng.choice([" ", "\n", "\t\n", ";", " ;", "; ", " -- end", "\n-- end\n", " /* end */"])


def add_head(text: str, rng: random.Random) -> str:
    """What does not change a statement at its start."""
    return rng.choice(["\n", " ", "/* hi */ ", "-- hi\n", "\t"]) + text


_SHAPES = (
    "SELECT * FROM ({}) AS q1",
    "WITH q2 AS ({}) SELECT * FROM q2",
    "SELECT 1 AS one WHERE EXISTS ({})",
    "({})",
    "SELECT 1 UNION ALL SELECT 2 FROM ({}) AS q3",
    "SELECT CASE WHEN EXISTS ({}) THEN 1 ELSE 2 END AS one",
    "SELECT 1 AS one ORDER BY (SELECT count(*) FROM ({}) AS q4)",
    "SELECT (SELECT count(*) FROM ({}) AS q5) AS many",
    "SELECT * FROM (SELECT 1 AS a) AS q6 JOIN ({}) AS q7 ON 1 = 1",
)
_OUTERMOST = re.compile(r"\binto\b", re.IGNORECASE)


def nest(text: str, rng: random.Random) -> str:
    """The SELECT as a part of another one; one with INTO, which no server takes inside, beside another one."""
    if not re.match(r"\s*\(?select\b", text, re.IGNORECASE) or ";" in text:
        return text
    if _OUTERMOST.search(text):
        return rng.choice(["SELECT 2 UNION ALL {}", "WITH q2 AS (SELECT 1) {}", "SELECT 2 UNION {}"]).format(text)
    return rng.choice(_SHAPES).format(text)


_TWINS = (
    (re.compile(r"\bexplain(\s+)analyze\b", re.IGNORECASE), r"ANALYZE\1FORMAT=JSON"),
    (re.compile(r"^(\s*)table(\s+)(\w+)", re.IGNORECASE), r"\1SELECT *\2FROM \3"),
    (re.compile(r"^with x as (\(.*?\)) update (\w+) join x\b", re.IGNORECASE), r"UPDATE \2 JOIN \1 AS x"),
)


def spell_for_twin(text: str, rng: random.Random) -> str:
    """What only MySQL parses, as its twin MariaDB spells it, four times in five: both servers must be spared."""
    if rng.random() < 0.2:
        return text
    for pattern, spelling in _TWINS:
        text = pattern.sub(spelling, text)
    return text


def escape_json(text: str, rng: random.Random) -> str:
    """Some characters of a JSON text as escapes, other spaces and order of lines."""
    value = json.loads(text)
    made = json.dumps(
        value, indent=rng.choice([None, 1, 2]), separators=rng.choice([(",", ":"), (", ", ": "), (" , ", " : ")])
    )
    return re.sub(
        r"(?<=[\"$a-z])([a-z])",
        lambda found: f"\\u{ord(found.group()):04x}" if rng.random() < 0.15 else found.group(),
        made,
    )


def change_line(text: str, rng: random.Random) -> str:
    """Other spaces in a kubectl line."""
    return re.sub(r" +", lambda _: " " * rng.randint(1, 3), text) + rng.choice(["", " ", "  "])


_HARMLESS: list[Callable[[str, random.Random], str]] = [change_case, change_spaces, add_comments, add_tail, add_head]


def variant(case: dict[str, str], rng: random.Random, *, nesting: bool) -> str:
    """One variant of a case; one to three changes."""
    text, dialect = case["query"], case["dialect"]
    if dialect in SQL:
        tools = [*_HARMLESS, nest] if nesting else _HARMLESS
        text = spell_for_twin(text, rng) if nesting and dialect == "mysql" else text
        for tool in rng.sample(tools, rng.randint(1, 3)):
            text = tool(text, rng)
        return text
    if dialect == "promql" and not text.startswith('{"'):
        return mutations_promql.variant(text, rng, nesting=nesting)
    if dialect in JSON or dialect == "promql":
        try:
            return escape_json(text, rng)
        except ValueError:
            return text + " "
    return change_line(text, rng)
