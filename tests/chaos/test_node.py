"""The nodes of the trials are the product's own parts: what they put around the store must not hide any of it."""

from __future__ import annotations

import inspect

import pytest

from bot.store import Store
from tests.chaos.node import POINTS, Crash, PointedStore, crasher
from tests.chaos.sender import Order, timetable

WRAPPED = [name for name, value in vars(PointedStore).items() if inspect.iscoroutinefunction(value)]


@pytest.mark.parametrize("name", WRAPPED)
def test_a_wrapped_method_takes_what_the_store_takes(name: str) -> None:
    own, product = inspect.signature(getattr(PointedStore, name)), inspect.signature(getattr(Store, name))
    assert list(own.parameters) == list(product.parameters)


def test_every_named_point_is_passed_by_something() -> None:
    assert {point.partition(".")[0] for point in POINTS} == {
        "append", "claim", "release", "call", "posted", "published",
    }  # fmt: skip
    assert len(WRAPPED) == 5


def test_only_the_named_passage_ends_a_process() -> None:
    passed = crasher(Crash(point="append.before", number=3))
    for point in ("append.before", "append.after", "append.before"):
        passed(point)


def test_clicks_have_no_target_until_they_are_due() -> None:
    planned = timetable(Order(urls=[], secret="x", per_s=9, seconds=1, click_every=3))
    assert [one.kind for one in planned] == ["click", "mention", "mention"] * 3
    assert {one.id for one in planned if one.kind == "click"} == {""}
