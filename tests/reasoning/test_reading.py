"""Questions understood without a model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.access import Squad
from bot.domain.question import IssueType, Question, Service, Setting
from bot.errors import InvalidRequest
from bot.reasoning.reading import check_question, read_question

NOW = datetime(2026, 11, 20, 15, 20, tzinfo=UTC)
NAMES = ("checkout-api", "payment-service", "inventory-service", "user-service", "frontend")
SETTING = Setting(
    services=(*(Service(name=name) for name in NAMES), Service(name="search", aliases=("finder",))),
    squads=(
        Squad(
            name="payment",
            channels=frozenset({"C1"}),
            services=("payment-service", "checkout-api"),
            keywords=("refund",),
        ),
        Squad(name="user", services=("user-service",)),
    ),
    environments=("production", "staging"),
)


def _read(text: str, **more: object) -> object:
    return read_question(Question.model_validate({"text": text, "asked_at": NOW, **more}), SETTING)


@pytest.mark.parametrize(
    ("text", "services"),
    [
        ("why is checkout-api slow?", ("checkout-api",)),
        ("why is checkout slow?", ("checkout-api",)),
        ("errors in Payment Service", ("payment-service",)),
        ("finder is down", ("search",)),
        ("chekout-api is slow", ("checkout-api",)),
        ("everything is slow", ()),
    ],
)
def test_services_by_name_alias_part_and_near_miss(text: str, services: tuple[str, ...]) -> None:
    assert _read(text).services == services  # type: ignore[attr-defined]


def test_an_unknown_service_gets_a_did_you_mean() -> None:
    analysis = _read("why is inventry-svc-x slow?")
    assert "did you mean inventory-service" in " ".join(analysis.notes)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("why is checkout slow", IssueType.LATENCY),
        ("payments are failing with 500", IssueType.ERRORS),
        ("pods keep crashing", IssueType.AVAILABILITY),
        ("deadlock in the database", IssueType.DATABASE),
        ("what is this", IssueType.UNKNOWN),
    ],
)
def test_the_kind_of_trouble(text: str, kind: IssueType) -> None:
    assert _read(text).issue_type is kind  # type: ignore[attr-defined]


def test_the_squad_by_service_channel_and_word() -> None:
    assert _read("user-service errors").squad == "user"  # type: ignore[attr-defined]
    assert _read("it is slow", channel="C1").squad == "payment"  # type: ignore[attr-defined]
    assert _read("refund fails").squad == "payment"  # type: ignore[attr-defined]


def test_the_environment() -> None:
    assert _read("slow in staging").environment == "staging"  # type: ignore[attr-defined]
    assert _read("slow", environment="prod").environment == "production"  # type: ignore[attr-defined]
    with pytest.raises(InvalidRequest, match="Configured: production, staging"):
        _read("slow", environment="qa")


def test_the_window_takes_in_what_happened_just_before() -> None:
    window = _read("slow since 10 minutes").window  # type: ignore[attr-defined]
    assert window.end == NOW
    assert window.start == NOW - timedelta(minutes=25)


@pytest.mark.parametrize("text", ["", "   ", "\u200b\u202e", "???", "\x00\x07"])
def test_nothing_to_investigate_is_said(text: str) -> None:
    with pytest.raises(InvalidRequest, match="What should I investigate"):
        check_question(text)


def test_control_and_direction_characters_are_taken_out() -> None:
    assert check_question("why\u202e is\x00 it\u200b slow\n\n?") == "why is it slow ?"


def test_injected_text_is_just_words() -> None:
    analysis = _read("<!channel> '; DROP TABLE users2; -- checkout *slow*")
    assert analysis.services == ("checkout-api",)  # type: ignore[attr-defined]
