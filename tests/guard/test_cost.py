"""What keeps the guard quick: lists set aside, calls that may not multiply, texts proven without a second lexing."""

import json
import random
import re
from collections import Counter
from pathlib import Path

import pytest

from connectors.guards import Allowed, Refused, guard
from connectors.guards.lexer import lex
from connectors.guards.model import RefusalError
from connectors.guards.sql_proof import _plain_calls, check_calls
from tests.benchmarks.guard_growth import grown, nested

CASES = [
    case
    for case in json.loads((Path(__file__).parent / "corpus.json").read_text())
    if case["dialect"] in {"postgres", "mysql", "mssql", "sqlite", "clickhouse", "bigquery", "duckdb"}
]


@pytest.mark.parametrize(
    "values", [[str(n) for n in range(40)], [f"'order {n}'" for n in range(40)], [f"'it''s {n}'" for n in range(40)]]
)
@pytest.mark.parametrize("dialect", ["postgres", "mysql", "sqlite", "clickhouse", "duckdb", "mssql"])
def test_a_long_list_comes_back_with_every_value_once(dialect: str, values: list[str]) -> None:
    query = f"SELECT id FROM orders WHERE ref NOT IN ({', '.join(values)}) AND total > 5"
    answer = guard(query, dialect=dialect)
    assert isinstance(answer, Allowed)
    found = re.search(r"IN \(([^()]*)\)", answer.text)
    assert found is not None
    assert sorted(found[1].replace("\\'", "''").split(", ")) == sorted(values)


def test_a_list_hides_no_call_and_no_statement() -> None:
    plain = ", ".join(str(n) for n in range(40))
    for tail in ("pg_sleep(9)", "(SELECT pg_sleep(9))", "1); DROP TABLE orders; --"):
        assert isinstance(guard(f"SELECT 1 FROM t WHERE a IN ({plain}, {tail})", dialect="postgres"), Refused)
    quoted = ", ".join(f"'a{n}; DROP TABLE x'" for n in range(40))
    answer = guard(f"SELECT 1 FROM t WHERE a IN ({quoted})", dialect="postgres")
    assert isinstance(answer, Allowed)
    assert answer.text.count("'") == 80


def test_the_words_of_the_marker_in_a_query_are_kept() -> None:
    plain = ", ".join(str(n) for n in range(40))
    answer = guard(f"SELECT 'values set aside 0' FROM t WHERE a IN ({plain})", dialect="postgres")
    assert isinstance(answer, Allowed)
    assert "'values set aside 0'" in answer.text
    assert ", 17," in answer.text


@pytest.mark.parametrize(
    ("dialect", "form", "name"),
    [("mssql", "{x}->'a'", ""), ("postgres", "{f}(2, 'a', {x})", "strpos"), ("duckdb", "{f}({x}, 1)", "length"),
     ("bigquery", "{f}('day', {x}, 2)", "rand"), ("sqlite", "{f}(2, 'a', {x})", "instr")],
)  # fmt: skip
def test_calls_that_multiply_when_written_out_are_refused_or_stay_short(dialect: str, form: str, name: str) -> None:
    assert not grown(nested(form, name), dialect)


def test_a_long_chain_of_arrows_ends() -> None:
    assert isinstance(guard("SELECT " + "x->" * 400 + "1", dialect="mssql"), Refused)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["query"][:40])
def test_the_short_proof_says_what_the_lexer_says(case: dict[str, str]) -> None:
    try:
        tokens, clean = lex(case["query"], dialect=case["dialect"])
    except RefusalError:
        return
    names = _plain_calls(clean)
    if names is None:
        return
    called = [
        tokens[index - 1].value.lower()
        for index in range(1, len(tokens))
        if tokens[index].text == "(" and tokens[index - 1].kind == "word"
    ]
    assert names == called


def test_no_character_is_lost_between_tokens() -> None:
    rng = random.Random(5)
    pieces = ["a", "=", "<", ">", ".", ",", "(", ")", " ", "  ", "\n", "\f", "'x'", "e'x'", "12", "/* c */", "<="]
    for _ in range(4_000):
        text = "".join(rng.choice(pieces) for _ in range(rng.randint(1, 12)))
        try:
            tokens, clean = lex(text, dialect="postgres")
        except RefusalError:
            continue
        bare = re.sub(r"\s+", "", text.replace("/* c */", " ").replace("e'", "'"))
        assert "".join(token.text for token in tokens).replace(" ", "") == bare
        assert re.sub(r"\s+", "", clean) == bare
        check_calls(tokens, aliases=Counter({"a": 20, "q": 20}), dialect="postgres")
