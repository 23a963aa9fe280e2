"""The guards against the public corpus, and what they hand back."""

import json
from pathlib import Path

import pytest

from connectors.guards import DIALECTS, Allowed, GuardLimits, Refused, guard

CORPUS = json.loads((Path(__file__).parent / "corpus.json").read_text())


@pytest.mark.parametrize("case", CORPUS, ids=[f"{case['dialect']}-{index}" for index, case in enumerate(CORPUS)])
def test_verdict_of_the_corpus(case: dict[str, str]) -> None:
    answer = guard(case["query"], dialect=case["dialect"])
    assert isinstance(answer, Allowed if case["verdict"] == "allow" else Refused), answer


@pytest.mark.parametrize(
    "case", [case for case in CORPUS if case["verdict"] == "allow"], ids=lambda case: case["query"][:40]
)
def test_what_is_handed_back_is_accepted_again(case: dict[str, str]) -> None:
    answer = guard(case["query"], dialect=case["dialect"])
    assert isinstance(answer, Allowed)
    again = guard(answer.text, dialect=case["dialect"])
    assert isinstance(again, Allowed)
    if case["dialect"] != "bigquery":  # the parser joins and splits quoted paths there, with the same meaning
        assert again.text == answer.text


def test_every_refusal_is_a_sentence() -> None:
    for case in CORPUS:
        answer = guard(case["query"], dialect=case["dialect"])
        if isinstance(answer, Refused):
            assert answer.reason.endswith((".", ")")), answer.reason
            assert len(answer.reason) > 20


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
@pytest.mark.parametrize(
    "text", ["", "   ", "\x00", "SELECT '\ud800'", "(" * 5_000, "[" * 5_000, "{" * 5_000, "a" * 40_000, ";", "'", '"']
)
def test_broken_text_is_refused_and_never_raises(dialect: str, text: str) -> None:
    assert isinstance(guard(text, dialect=dialect), Refused)


def test_an_unknown_dialect_is_refused() -> None:
    assert isinstance(guard("SELECT 1", dialect="oracle"), Refused)


@pytest.mark.parametrize(
    ("dialect", "query", "expected"),
    [
        ("postgres", "SELECT id FROM orders", "SELECT id FROM orders LIMIT 100"),
        ("postgres", "SELECT id FROM orders LIMIT 5", "SELECT id FROM orders LIMIT 5"),
        ("postgres", "SELECT id FROM orders LIMIT 5000", "SELECT id FROM orders LIMIT 100"),
        ("postgres", "SELECT id FROM orders LIMIT ALL", "SELECT id FROM orders LIMIT 100"),
        ("postgres", "SELECT 1 UNION ALL SELECT 2", "SELECT 1 UNION ALL SELECT 2 LIMIT 100"),
        ("mssql", "SELECT id FROM orders", "SELECT TOP 100 id FROM orders"),
        ("esql", "FROM logs", "FROM logs | LIMIT 100"),
        ("mongodb", '{"find": "orders"}', '{"find": "orders", "limit": 100}'),
    ],
)
def test_rows_are_capped(dialect: str, query: str, expected: str) -> None:
    answer = guard(query, dialect=dialect, limits=GuardLimits(max_rows=100))
    assert isinstance(answer, Allowed)
    assert answer.text == expected


def test_limit_by_keeps_its_meaning_under_a_cap() -> None:
    answer = guard("SELECT host FROM events LIMIT 10 BY host", dialect="clickhouse", limits=GuardLimits(max_rows=100))
    assert isinstance(answer, Allowed)
    assert answer.text == "SELECT * FROM (SELECT host FROM events LIMIT 10 BY host) AS capped LIMIT 100"


def test_comments_and_strings_do_not_survive_as_code() -> None:
    answer = guard("SELECT E'\\'; DROP TABLE orders; --' AS s -- tail", dialect="postgres")
    assert isinstance(answer, Allowed)
    assert answer.text == "SELECT '''; DROP TABLE orders; --' AS s"
