"""Spans of time in questions."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import InvalidRequest
from bot.reasoning.timespan import find_span

NOW = datetime(2026, 11, 20, 15, 20, tzinfo=UTC)  # a Friday

CASES = [
    ("why is checkout slow since 10 minutes?", "20T15:10", "20T15:20"),
    ("why is checkout slow since 14:00?", "20T14:00", "20T15:20"),
    ("errors in the last 30 minutes", "20T14:50", "20T15:20"),
    ("errors in the last hour", "20T14:20", "20T15:20"),
    ("what broke between 2pm and 4pm yesterday", "19T14:00", "19T16:00"),
    ("2026-11-20T14:00Z/2026-11-20T15:00Z", "20T14:00", "20T15:00"),
    ("since 2026-11-20T14:00:00+01:00", "20T13:00", "20T15:20"),
    ("slow from 14:00 to 15:00", "20T14:00", "20T15:00"),
    ("slow 14:00-15:00", "20T14:00", "20T15:00"),
    ("batch failed 23:00-01:00", "19T23:00", "20T01:00"),
    ("payments failing for 2h", "20T13:20", "20T15:20"),
    ("it started half an hour ago", "20T14:50", "20T15:20"),
    ("what happened at 14:05?", "20T13:50", "20T14:20"),
    ("what happened yesterday at 3pm?", "19T14:45", "19T15:15"),
    ("slow since yesterday", "19T00:00", "20T15:20"),
    ("slow since yesterday 14:00", "19T14:00", "20T15:20"),
    ("slow since monday", "16T00:00", "20T15:20"),
    ("slow since 14:00 CET", "20T13:00", "20T15:20"),
    ("slow since 23:00", "19T23:00", "20T15:20"),
    ("slow since noon", "20T12:00", "20T15:20"),
]


@pytest.mark.parametrize(("text", "start", "end"), CASES)
def test_reads_the_span_that_a_person_means(text: str, start: str, end: str) -> None:
    found = find_span(text, asked_at=NOW)
    assert found is not None
    assert (f"{found.window.start:%dT%H:%M}", f"{found.window.end:%dT%H:%M}") == (start, end)


@pytest.mark.parametrize("text", ["why is it slow", "500 errors from payment-service", "p99 of checkout-api", ""])
def test_reads_nothing_into_other_numbers(text: str) -> None:
    assert find_span(text, asked_at=NOW) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("since 16:00", "in the future"),
        ("since 2027-01-01T00:00Z", "in the future"),
        ("between 15:00 and 14:00 today", "ends before it starts"),
        ("since 25:00", "not a time of day"),
        ("2026-02-30T10:00Z", "not a date"),
        ("for 40 days", "longer than 31 days"),
        ("last 0 minutes", "no time"),
    ],
)
def test_refuses_what_cannot_be_in_plain_words(text: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        find_span(text, asked_at=NOW)


def test_a_clock_time_is_the_askers_own() -> None:
    found = find_span("since 14:00", asked_at=NOW, time_zone="Europe/Berlin")
    assert found is not None
    assert found.window.start == datetime(2026, 11, 20, 13, 0, tzinfo=UTC)


def test_a_time_that_a_clock_change_skipped_is_moved_on_and_said() -> None:
    asked = datetime(2026, 3, 30, 9, 0, tzinfo=UTC)
    found = find_span("since yesterday 02:30", asked_at=asked, time_zone="Europe/Berlin")
    assert found is not None
    assert found.window.start == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert "did not exist" in found.notes[0]


def test_a_time_that_came_twice_is_said() -> None:
    asked = datetime(2026, 10, 26, 9, 0, tzinfo=UTC)
    found = find_span("since yesterday 02:30", asked_at=asked, time_zone="Europe/Berlin")
    assert found is not None
    assert found.window.start == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert "came twice" in found.notes[0]


@given(st.text(max_size=200))
def test_any_text_gives_a_span_in_the_past_or_is_refused(text: str) -> None:
    found = None
    with contextlib.suppress(InvalidRequest):
        found = find_span("since " + text, asked_at=NOW)
    assert found is None or found.window.start < NOW
