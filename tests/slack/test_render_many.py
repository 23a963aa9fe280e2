"""A thousand generated findings through the renderer; `python -m tests.benchmarks.edge_render` does fifty thousand."""

from __future__ import annotations

from tests.benchmarks.edge_render import judge


def test_nothing_is_over_a_limit_or_live_or_cut_without_a_word() -> None:
    tally = judge(1_000, seed=20_261_120)
    assert tally.counts["findings"] == 1_000
    assert tally.counts["payloads"] > 500
    assert tally.counts["texts"] > 2_000, "the texts are really shown"
    wrong = {what: tally.counts[what] for what in ("over_a_limit", "live", "cut_silently")}
    assert wrong == {"over_a_limit": 0, "live": 0, "cut_silently": 0}, tally.examples
