"""Every kind of secret in every dress, a short form: `tests.benchmarks.masking` plants ten thousand."""

from __future__ import annotations

import random

import pytest

from connectors.redaction import redact_json, redact_pieces, redact_text
from tests.benchmarks.masking import DRESSES, leaks, look_alike_ratio, run
from tests.benchmarks.masking_kinds import KINDS, look_alikes, planted


def test_forty_kinds() -> None:
    assert len(KINDS) == 40


def test_no_structured_kind_leaks_in_any_dress() -> None:
    tally, shown = run(40 * len(DRESSES) * 4, seed=99)
    assert tally["leaked structured"] == 0, shown
    assert tally["leaked free-form"] == 0, shown


def test_the_search_for_leaks_finds_one() -> None:
    one = planted("github", random.Random(1))
    assert leaks(one, "plain", f"say {one.core}")
    assert not leaks(one, "plain", redact_text(one.text))


def test_look_alikes_stay() -> None:
    assert look_alike_ratio(2_000, seed=5) <= 0.002


def test_many_look_alikes_under_one_another_stay() -> None:
    """Lines that stand under one another are not taken for one that was wrapped."""
    rng = random.Random(3)
    lines = [line for _ in range(40) for line in look_alikes(rng)]
    changed = sum(a != b for a, b in zip(redact_text("\n".join(lines)).split("\n"), lines, strict=True))
    assert changed <= 2
    assert sum(a != b for a, b in zip(redact_pieces(lines), lines, strict=True)) <= 2


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_masking_twice_changes_nothing(kind: str) -> None:
    rng = random.Random(kind)
    for dress, put_on in DRESSES.items():
        once = redact_json(list(put_on(planted(kind, rng), rng)))
        assert redact_json(once) == once, dress


def test_a_line_after_a_whole_secret_stays() -> None:
    token = planted("github", random.Random(2)).core
    for after in ("2026-11-20 14:02 next", "INFO next", "OTHER=1", "was refused", "next: 5"):
        assert redact_text(f"token {token}\n{after}").endswith(f"\n{after}")
        assert redact_pieces([f"token {token}", after])[1] == after


def test_a_private_key_over_many_pieces() -> None:
    one = planted("pem", random.Random(4))
    out = redact_pieces(["start", *one.text.split("\n"), "end"])
    assert not leaks(one, "plain", "".join(out))
    assert (out[0], out[-1]) == ("start", "end")
    assert len(out) == 7


def test_two_numbers_under_one_another_are_no_card() -> None:
    assert redact_pieces(["41111111", "11111111"]) == ["41111111", "11111111"]
