"""The question sets as a floor: what the templates reach must not sink, and nothing unsafe may ever be written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb", reason="the sets run in DuckDB, which set-up leaves out")

from tests.benchmarks.ask import answer, summary
from tests.benchmarks.ask_data import load

SETS = Path(__file__).parents[2] / "benchmarks" / "ask_sets"


def scored(name: str) -> dict[str, Any]:
    given = load(SETS / f"{name}.json")
    return summary([answer(question, given) for question in given.questions])


@pytest.mark.parametrize(
    ("name", "of_answerable"),
    [
        ("clinic", 0.85),
        ("saas", 0.82),
        ("ops", 0.88),
        ("shop", 0.93),
        ("desk", 0.93),
        ("hotels", 0.82),
        ("arena", 0.9),
    ],
)
def test_sets_that_templates_were_made_for(name: str, of_answerable: float) -> None:
    found = scored(name)
    assert found["unsafe"] == 0
    assert found["correct_of_answerable"] >= of_answerable
    assert found["wrong"] <= 2


@pytest.mark.parametrize(("name", "of_all"), [("frozen/music", 0.65), ("frozen/platform", 0.6)])
def test_sets_that_were_set_aside(name: str, of_all: float) -> None:
    found = scored(name)
    assert found["unsafe"] == 0
    assert found["correct_of_all"] >= of_all
    assert found["unanswerable_declined"] == found["unanswerable"]
