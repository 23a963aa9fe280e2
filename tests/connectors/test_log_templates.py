"""Folding log lines: what is a value, what stays, and what holds while lines stream past."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.log_templates import MAX_LINE_CHARS, TemplateMiner, fold, fold_lines, mask

START = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "template"),
    [
        ("Connection to 10.0.0.5:5432 refused after 30 ms", "Connection to <*> refused after <*>"),
        ("user=bob id=42 logged in", "user=bob id=<*> logged in"),
        ("opened /var/log/app.log, 3 lines", "opened <*> lines"),
        ("opened C:\\Windows\\x.dll", "opened <*>"),
        ("request 0a1b2c3d-0000-4000-8000-1234567890ab done", "request <*> done"),
        ("peer 00:0d:60:e9:23:7e is up", "peer <*> is up"),
        ("GET https://shop.example.com/cart?id=1 failed", "GET <*> failed"),
        ("com.example.shop.CartService started", "<*> started"),
        ("ids [1, 2, 3] dropped", "ids [<*>] dropped"),
        ("free 344.7 KB of 2 GB", "free <*> of <*>"),
        ("nothing to mask", "nothing to mask"),
    ],
)
def test_values_are_masked_by_their_form(line: str, template: str) -> None:
    assert mask(line) == template


def test_equal_lines_with_other_values_share_a_template() -> None:
    miner = TemplateMiner()
    ids = {miner.add(f"worker {number} took {number * 7} ms") for number in range(50)}
    assert len(ids) == 1
    assert miner.template(ids.pop()) == "worker <*> took <*>"


def test_a_word_with_many_faces_becomes_a_value() -> None:
    miner = TemplateMiner()
    names = ["ann", "bob", "cleo", "dan", "eve", "fay", "gus", "hal", "ida", "jon"]
    ids = [miner.add(f"session opened for user {name} by root") for name in names]
    assert len({miner.canonical(template_id) for template_id in ids}) == 1
    assert miner.template(ids[0]) == "session opened for user <*> by root"


def test_two_opposite_words_stay_apart() -> None:
    miner = TemplateMiner()
    up, down = miner.add("instance web is now up"), miner.add("instance web is now down")
    assert miner.canonical(up) != miner.canonical(down)


def test_a_stack_trace_folds_by_its_first_line() -> None:
    groups = fold(["boom at step 3\n  at a.b(C.java:1)\n", "boom at step 4\n  at z.y(X.java:9)"])
    assert [(group.template, group.count) for group in groups] == [("boom at step <*>", 2)]


def test_groups_hold_times_labels_examples_and_split() -> None:
    lines = [
        (START + timedelta(seconds=at), f"failed {at}", {"service": "web" if at % 3 else "api"}) for at in range(9)
    ]
    groups = fold_lines(lines, split_by=["service"])
    assert [(group.main_label("service"), group.count) for group in groups] == [("web", 6), ("api", 3)]
    assert groups[0].first == START + timedelta(seconds=1)
    assert groups[0].last == START + timedelta(seconds=8)
    assert groups[0].examples == ["failed 1", "failed 2", "failed 4"]
    assert groups[0].main_label("level") is None


def test_groups_opened_before_a_fold_are_joined_after_it() -> None:
    lines = [
        f"job nightly-run for {name} is late" for name in ["ann", "bob", "cleo", "dan", "eve", "fay", "gus", "hal"]
    ]
    groups = fold(lines)
    assert [(group.template, group.count) for group in groups] == [("job nightly-run for <*> is late", 8)]
    assert len(groups[0].examples) == 3


def test_one_miner_gives_window_and_baseline_the_same_texts() -> None:
    miner = TemplateMiner()
    window = fold_lines([(None, "retry 3 of 5", {})], miner=miner)
    baseline = fold_lines([(None, "retry 1 of 9", {})], miner=miner)
    assert window[0].template == baseline[0].template == "retry <*> of <*>"


def test_memory_is_bounded_by_the_number_of_templates() -> None:
    miner = TemplateMiner(max_templates=50, max_cached_shapes=20)
    words = [f"{a}{b}{c}" for a in "abcdefgh" for b in "ijklmnop" for c in "qrstuvwx"]
    for word in words:
        miner.add(f"start {word} {word[::-1]}")
    assert len(miner) <= 51


@given(st.text(max_size=3 * MAX_LINE_CHARS))
def test_any_text_gets_a_template(line: str) -> None:
    miner = TemplateMiner()
    first = miner.add(line)
    assert miner.add(line) == first
    assert isinstance(miner.template(first), str)
