"""A short form of the search of every sink; `python -m tests.benchmarks.masking_sinks` is the long one."""

from __future__ import annotations

from tests.benchmarks.masking_sinks import run

SINKS = ("database", "evidence", "export", "logs", "model", "report", "slack")


async def test_no_planted_secret_comes_out_anywhere() -> None:
    tally = await run(240, seed=9)
    assert tally["planted"] == 240
    assert (tally["leaked structured"], tally["leaked free-form"]) == (0, 0)
    assert [sink for sink in SINKS if not tally[f"control seen in {sink}"]] == [], "the search can find what is there"
