"""Verification as properties: what is really there passes, what is made up does not."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.evidence import Evidence, Finding, FindingKind, Hypothesis
from bot.domain.question import Ranking
from bot.domain.report import CitedFinding, ReportHypothesis, Synthesis
from bot.domain.states import Verdict
from bot.reasoning.checking import verify
from bot.reasoning.rules import word
from bot.reasoning.verify import gather, is_backed
from connectors.model import LogGroup, Logs, Payload, Series, SeriesSet, SourceRef, ToolCall

NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
NAMES = st.from_regex(r"[a-z]{3,8}-[a-z]{3,8}", fullmatch=True)


def evidence(payload: Payload, number: int = 1) -> Evidence:
    return Evidence(
        id=f"ev_{number}",
        call=ToolCall(connector="prometheus/main", tool="get_service_signals"),
        payload=payload,
        source=SourceRef(query="q", language="promql"),
        collected_at=NOW,
    )


def series(service: str, values: list[float], metric: str = "latency_p99") -> Series:
    points = tuple((NOW + timedelta(seconds=15 * at), value) for at, value in enumerate(values))
    return Series(service=service, metric=metric, unit="s", step_s=15, points=points)


@given(service=NAMES, value=st.floats(0.001, 5000, allow_nan=False))
def test_a_number_that_was_measured_passes_in_any_usual_unit(service: str, value: float) -> None:
    facts = gather([evidence(SeriesSet(series=(series(service, [value]),)))])
    for text in (f"{value:.3f} s", f"{1000 * value:.1f} ms", f"{value / 60:.4f} minutes", f"{100 * value:.2f} %"):
        assert is_backed(f"{service} reached {text}", facts)


@given(service=NAMES, value=st.floats(20, 5000, allow_nan=False), factor=st.floats(1.3, 9))
def test_a_number_that_was_not_measured_fails(service: str, value: float, factor: float) -> None:
    facts = gather([evidence(SeriesSet(series=(series(service, [value]),)))])
    assert not is_backed(f"{service} reached {value * factor:.1f} s", facts)


@given(names=st.lists(NAMES, min_size=2, max_size=2, unique=True))
def test_a_name_that_is_not_in_the_evidence_fails(names: list[str]) -> None:
    facts = gather([evidence(SeriesSet(series=(series(names[0], [1.0]),)))])
    assert is_backed(f"{names[0]} is slow", facts)
    assert not is_backed(f"{names[1]} is slow", facts) or names[1] in names[0]


@given(line=st.text(st.characters(categories=("L", "Nd", "Zs")), min_size=5, max_size=60))
def test_a_quote_stands_only_where_it_was_said(line: str) -> None:
    quoted = " ".join(line.split())
    said = Logs(groups=(LogGroup(template=quoted, count=20),), total=20)
    if len(quoted) < 3:
        return
    assert is_backed(f"it says “{quoted}”", gather([evidence(said)]))
    assert not is_backed(f"it says “{quoted} forged”", gather([evidence(said)]))


@pytest.mark.parametrize(
    "statement",
    [
        "OrderDispatcherException was thrown",
        "it runs version 4.7.11 now",
        "see payments.internal.example",
        "trace 4bf92f3577b34da6 shows it",
        "payments fails",
        "latency of checkout-api rose to 87 %",
        "checkout-api made 1,234 errors",
    ],
)
def test_made_up_details_of_every_shape_fail(statement: str) -> None:
    facts = gather([evidence(SeriesSet(series=(series("checkout-api", [0.12, 0.5]),)))])
    assert not is_backed(statement, facts, universe={"payments"})


def test_a_point_of_another_service_does_not_back_a_number() -> None:
    facts = gather([evidence(SeriesSet(series=(series("cart-api", [77.0]), series("user-api", [33.0]))))])
    assert is_backed("cart-api took 77 s", facts)
    assert not is_backed("cart-api took 33 s", facts)


def test_how_many_made_up_numbers_pass_on_real_sized_evidence() -> None:
    """Sixty series of 480 points over three decades; a made-up latency in ms with three digits."""
    rng = random.Random(5)
    many = tuple(series(f"svc-{n}", [0.1 * 10 ** rng.uniform(-1, 1) for _ in range(480)]) for n in range(60))
    facts = gather([evidence(SeriesSet(series=many))])
    made_up = [f"svc-{rng.randrange(60)} took {rng.uniform(2, 900):.2f} s" for _ in range(400)]
    assert sum(is_backed(text, facts) for text in made_up) <= 4


RISE = Finding(
    id="f1", kind=FindingKind.LATENCY_ROSE, component="app/cart-api", evidence=("ev_1",),
    statement="p99 latency of cart-api rose from 0.2 s to 4.1 s", data={"before": 0.2, "after": 4.1},
)  # fmt: skip
CAUSE = Hypothesis(
    component="app/cart-api", cause="bad_deployment", confidence=0.8, supporting=(RISE,),
    statement="The release of cart-api is the likely cause.",
)  # fmt: skip
RANKING = Ranking(
    findings=(RISE,), hypotheses=(CAUSE,), verdict=Verdict.SUPPORTED, summary="Latency of cart-api rose to 4.1 s."
)
KEPT = [evidence(SeriesSet(series=(series("cart-api", [0.2, 4.1]),)))]


def told(**update: object) -> Synthesis:
    return word(RANKING).model_copy(update=update)


def test_codes_own_conclusion_is_backed_whole() -> None:
    verified, backed = verify(word(RANKING), ranking=RANKING, evidence=KEPT)
    assert verified == word(RANKING)
    assert backed.backed == backed.statements == 4


@pytest.mark.parametrize("text", ["cart-api took 9.7 s.", "billing-db is on fire.", "All is well.", "It said “boom”."])
def test_sentences_that_fail_are_said_in_codes_words_and_counted(text: str) -> None:
    verified, backed = verify(told(summary=text, root_cause=text), ranking=RANKING, evidence=KEPT)
    assert verified.summary == RANKING.summary
    assert verified.root_cause == CAUSE.statement
    assert (backed.statements, backed.backed) == (4, 2)


def test_a_models_words_stay_when_they_stand() -> None:
    text = "Since the release, cart-api answers in 4,100 ms."
    verified, backed = verify(told(summary=text, root_cause=text), ranking=RANKING, evidence=KEPT)
    assert verified.summary == verified.root_cause == text
    assert backed.backed == backed.statements


@pytest.mark.parametrize("cited", [(), ("ev_forged",), ("ev_1", "ev_forged")])
def test_an_observation_that_cites_nothing_real_is_dropped(cited: tuple[str, ...]) -> None:
    forged = CitedFinding(finding="latency_rose", statement="cart-api took 4.1 s", evidence=cited)
    hypothesis = ReportHypothesis(
        component="app/cart-api",
        cause="bad_deployment",
        confidence=0.8,
        statement=CAUSE.statement,
        supporting=(forged,),
    )
    verified, backed = verify(told(hypotheses=(hypothesis,)), ranking=RANKING, evidence=KEPT)
    assert verified.hypotheses[0].supporting == ()
    assert backed.statements == backed.backed + 1
