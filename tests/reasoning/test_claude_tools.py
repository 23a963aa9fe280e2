"""What is offered to the model, what becomes of its wishes, and how little of an answer counts."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from bot.app import make_reasoner
from bot.domain.evidence import Finding, FindingKind, Hypothesis
from bot.domain.question import Analysis, IssueType, Question, Ranking, Service, Setting, Source
from bot.domain.states import Verdict
from bot.errors import InvalidConfiguration
from bot.reasoning.arms import CLAUDE_PRICES, UNKNOWN_PRICE, Arm
from bot.reasoning.claude import ClaudeReasoner, refined
from bot.reasoning.claude_answers import AnalysisAnswer, ReportAnswer, is_plain, overlay, parse
from bot.reasoning.claude_tools import Offer
from bot.reasoning.claude_wire import Wanted
from bot.reasoning.reading import read_question
from bot.reasoning.rules import RulesReasoner, word
from bot.reasoning.spending import Usage, price_of
from bot.settings import Settings
from connectors.model import Effect, TimeWindow
from connectors.registry import connector_class, connector_types

NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
WINDOW = TimeWindow(start=NOW - timedelta(hours=1), end=NOW)
SOURCES = tuple(
    Source(
        name=f"{kind}/main",
        type=kind,
        environment="production",
        tools=tuple(bound.tool for bound in connector_class(kind)._tools.values()),
    )
    for kind in ("prometheus", "postgresql", "kubernetes", "elasticsearch")
)
ANALYSIS = Analysis(
    issue_type=IssueType.LATENCY, window=WINDOW, relevant_sources=tuple(source.name for source in SOURCES)
)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20) | st.sampled_from(["prometheus/main", "ap_forged"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)


def test_only_reads_are_offered_and_every_definition_is_what_the_api_takes() -> None:
    assert {"prometheus", "postgresql"} <= set(connector_types())
    definitions = Offer(SOURCES, ANALYSIS).definitions()
    reads = {f"{s.type}__{t.name}" for s in SOURCES for t in s.tools if t.effect is Effect.READ}
    assert {str(one["name"]) for one in definitions} == reads
    for one in definitions:
        schema: Any = one["input_schema"]
        assert len(str(one["name"])) <= 64
        assert schema["additionalProperties"] is False
        assert "title" not in json.dumps(schema["properties"]["source"])
        references = json.dumps(schema).count('"$ref": "#/$defs/')
        assert references == 0 or "$defs" in schema
    assert [one for one in definitions if "cache_control" in one] == definitions[-1:]


def test_the_same_question_always_gives_the_same_bytes() -> None:
    assert Offer(SOURCES, ANALYSIS).definitions() == Offer(tuple(reversed(SOURCES)), ANALYSIS).definitions()


def test_sources_that_do_not_serve_the_question_are_not_offered() -> None:
    foreign = ANALYSIS.model_copy(update={"environment": "staging"})
    assert Offer(SOURCES, foreign).definitions() == []
    narrowed = ANALYSIS.model_copy(update={"relevant_sources": ("postgresql/main",)})
    names = [str(one["name"]) for one in Offer(SOURCES, narrowed).definitions()]
    assert names
    assert all(name.startswith("postgresql__") for name in names)


@given(name=st.text(max_size=30) | st.sampled_from(["prometheus__query_range", "postgresql__run_query"]), given_=JSON)
def test_whatever_is_wished_for_at_most_an_offered_read_comes_of_it(name: str, given_: Any) -> None:
    arguments = given_ if isinstance(given_, dict) else {"source": "prometheus/main", "arguments": given_}
    wish = Wanted.model_construct(id="1", name=name, arguments=arguments)
    calls, refused = Offer(SOURCES, ANALYSIS).calls([wish], most=8)
    assert len(calls) + len(refused) == 1
    for call, _ in calls:
        assert call.connector in ANALYSIS.relevant_sources


@pytest.mark.parametrize(
    ("start", "end", "fits"),
    [
        (None, None, True),
        ("2026-11-20T12:00:00Z", "2026-11-20T13:00:00+00:00", True),
        ("2026-11-20T12:00:00", "2026-11-20T13:00:00Z", False),
        ("2026-11-20T13:00:00Z", "2026-11-20T12:00:00Z", False),
        ("2026-11-20T13:00:00Z", "2026-11-20T15:00:00Z", False),
        ("2026-10-01T12:00:00Z", "2026-10-01T13:00:00Z", False),
        ("2026-11-16T12:00:00Z", "2026-11-18T13:00:00Z", False),
        (7, {}, False),
    ],
)
def test_spans_are_bounded(start: Any, end: Any, fits: bool) -> None:
    arguments = {"source": "prometheus/main", "arguments": {}, "start": start, "end": end}
    wish = Wanted(id="1", name="prometheus__list_alerts", arguments=arguments)
    calls, refused = Offer(SOURCES, ANALYSIS).calls([wish], most=8)
    assert (len(calls), len(refused)) == ((1, 0) if fits else (0, 1))


def found(component: str, confidence: float, **more: bool) -> Hypothesis:
    finding = Finding(
        id=f"f-{component}", kind=FindingKind.LATENCY_ROSE, component=component, statement=f"{component} rose",
        evidence=("ev_1",),
    )  # fmt: skip
    name = component.partition("/")[2]
    return Hypothesis(
        component=component, cause="bad_deployment", confidence=confidence, statement=f"{name} did it.",
        supporting=(finding,), **more,
    )  # fmt: skip


def ranking(*hypotheses: Hypothesis) -> Ranking:
    findings = tuple(finding for one in hypotheses for finding in one.supporting)
    verdict = Verdict.SUPPORTED if hypotheses and hypotheses[0].confidence >= 0.5 else Verdict.INCONCLUSIVE
    return Ranking(findings=findings, hypotheses=hypotheses, verdict=verdict, summary="s")


def answer(*components: str, **more: Any) -> ReportAnswer:
    told = [{"component": one, "cause": "bad_deployment", "statement": f"{one} told"} for one in components]
    return ReportAnswer.model_validate({"hypotheses": told, **more})


@pytest.mark.parametrize(
    ("hypotheses", "asked", "first"),
    [
        ((found("app/a", 0.8), found("app/b", 0.7)), ("app/b",), "app/b"),
        ((found("app/a", 0.8), found("app/b", 0.3)), ("app/b",), "app/a"),
        ((found("app/a", 0.55), found("app/b", 0.45)), ("app/b",), "app/a"),
        ((found("app/a", 0.8, pinned=True), found("app/b", 0.8)), ("app/b",), "app/a"),
        ((found("app/a", 0.8), found("app/b", 0.8, ruled_out=True)), ("app/b",), "app/a"),
        ((found("app/a", 0.8),), ("app/invented",), "app/a"),
    ],
)
def test_a_model_chooses_only_among_near_equals(
    hypotheses: tuple[Hypothesis, ...], asked: tuple[str, ...], first: str
) -> None:
    made = overlay(answer(*asked), ranking(*hypotheses))
    assert made.hypotheses[0].component == first
    assert made.verdict is ranking(*hypotheses).verdict
    by_name = {one.component: one.confidence for one in hypotheses}
    assert {one.component: one.confidence for one in made.hypotheses} == by_name


def test_alone_it_orders_freely_but_the_confidence_stays_measured() -> None:
    made = overlay(answer("app/b"), ranking(found("app/a", 0.8), found("app/b", 0.3)), free_order=True)
    assert (made.hypotheses[0].component, made.confidence, made.verdict) == ("app/b", 0.3, Verdict.INCONCLUSIVE)
    assert made.root_cause is None


def test_an_empty_answer_is_codes_own_conclusion() -> None:
    case = ranking(found("app/a", 0.8))
    assert overlay(ReportAnswer(), case) == word(case)


@pytest.mark.parametrize(
    "text",
    ["see http://x.y", "<@U1> look", "<!here>", "[a](b)", "a\u200bb", "x" * 401, "", " \n", "```rm```", "@channel now"],
)
def test_nothing_live_and_nothing_hidden_is_a_sentence(text: str) -> None:
    assert not is_plain(text)
    assert is_plain("cart-api answers in 4.1 s; “timeout” was seen 12 times.")


@given(text=st.text(max_size=300) | st.sampled_from(["{" * 5_000, "[" * 90_000 + "{}", '{"hypotheses": [{}]}', "{}"]))
def test_any_text_is_an_answer_or_a_reason(text: str) -> None:
    made, reason = None, ""
    try:
        made = parse(text, ReportAnswer)
    except ValueError as error:
        reason = str(error)
    assert bool(reason) == (made is None)


def test_the_models_reading_fills_only_what_was_left_open() -> None:
    setting = Setting(services=(Service(name="cart-api"), Service(name="pay-api")))
    question = Question(text="why is cart-api slow since 13:00?", asked_at=NOW)
    plain = read_question(question, setting)
    said = AnalysisAnswer(
        services=["pay-api", "invented"], environment="moon", issue_type="errors", start="2026-11-19T00:00:00Z",
        end="2026-11-19T01:00:00Z",
    )  # fmt: skip
    assert refined(plain, said, question, setting) == plain
    vague = Question(text="customers complain", asked_at=NOW)
    read = refined(read_question(vague, setting), said, vague, setting)
    assert read.services == ("pay-api",)
    assert read.window.start == datetime(2026, 11, 19, tzinfo=UTC)
    assert read.environment == "production"


def test_the_longest_family_names_the_price() -> None:
    assert price_of("claude-sonnet-5-5-20261101", CLAUDE_PRICES, UNKNOWN_PRICE) == CLAUDE_PRICES["claude-sonnet-5-5"]
    assert price_of("gpt-9", CLAUDE_PRICES, UNKNOWN_PRICE) == UNKNOWN_PRICE
    usage = Usage(step="s", model="m", input_tokens=1_000_000, cache_read_tokens=1_000_000)
    assert usage.priced(CLAUDE_PRICES["claude-sonnet-5-5"]).usd == pytest.approx(2.1)


def test_the_arm_follows_key_and_setting() -> None:
    key = SecretStr("test-key")
    assert isinstance(make_reasoner(Settings(anthropic_api_key=None)), RulesReasoner)
    both = make_reasoner(Settings(anthropic_api_key=key))
    assert isinstance(both, ClaudeReasoner)
    assert both.arm is Arm.BOTH
    assert isinstance(make_reasoner(Settings(anthropic_api_key=key, reasoner=Arm.RULES)), RulesReasoner)
    with pytest.raises(InvalidConfiguration, match="ANTHROPIC_API_KEY"):
        make_reasoner(Settings(anthropic_api_key=None, reasoner=Arm.MODEL))
