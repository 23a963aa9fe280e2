"""For every input: no payload over a limit, no live mention, no foreign link, nothing invisible, no open fence."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.evidence import Evidence
from bot.domain.investigation import Investigation
from bot.slack.blocks.card import card
from bot.slack.blocks.home import HomeFacts, home_view
from bot.slack.blocks.modals import query_modal, report_modal, rerun_modal, why_modal
from bot.slack.blocks.notes import decision_notes, dry_run_messages, question_messages
from bot.slack.blocks.report import report_messages
from bot.slack.blocks.rows import Scene, brief_of, source_rows
from bot.slack.blocks.sources import source_message
from bot.slack.publisher.post import NATIVE
from tests.slack.checks import HOSTS, check_message, check_modal
from tests.slack.hostile import TEXT, investigations
from tests.slack.story import ONSET

CALM = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
Drawn = tuple[Investigation, dict[str, Evidence]]


def scene_of(drawn: Drawn, *, plain: bool) -> Scene:
    briefs = {e.id: brief_of(e) for e in drawn[1].values()}
    names = {"U1": "<!here> *Eve*\u202e"}
    return Scene(names=names, briefs=briefs, hosts=HOSTS, refused=NATIVE if plain else frozenset(), tickets=True)


@CALM
@given(investigations(), st.booleans())
def test_cards(drawn: Drawn, plain: bool) -> None:
    check_message(card(drawn[0], scene_of(drawn, plain=plain)))


@CALM
@given(investigations(), st.booleans())
def test_thread_messages(drawn: Drawn, plain: bool) -> None:
    investigation, evidence = drawn
    scene = scene_of(drawn, plain=plain)
    for row in source_rows(investigation):
        check_message(source_message(investigation, row.connector, evidence=evidence, scene=scene, onset=ONSET))
    for note in decision_notes(investigation, scene):
        check_message(note.message)
    for message in [*question_messages(investigation), *dry_run_messages(investigation)]:
        check_message(message)


@CALM
@given(investigations())
def test_reports(drawn: Drawn) -> None:
    for number, message in enumerate(report_messages(drawn[0], scene_of(drawn, plain=False))):
        check_message(message, mentions=1 if number == 0 else 0)


@CALM
@given(investigations(), TEXT)
def test_views(drawn: Drawn, text: str) -> None:
    investigation, evidence = drawn
    scene = scene_of(drawn, plain=False)
    for found in evidence.values():
        check_modal(query_modal(found, scene))
    check_modal(report_modal(investigation, scene))
    check_modal(rerun_modal(investigation, {"channel": "C1"}))
    check_modal(why_modal(investigation.id))
    check_modal(home_view(HomeFacts(running=[investigation] * 30, recent=[investigation], role=text)))
