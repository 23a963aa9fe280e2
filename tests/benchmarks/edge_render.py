"""Findings full of text nobody wants, through the renderer: over a limit, live, or cut without saying so?

`python -m tests.benchmarks.edge_render [--count 50000] [--seed 1] [--out FILE]`. Twenty findings an investigation, each
with evidence of its own. Every text begins and ends with a word of its own, so that a missing end is seen.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bot.demo.workspace.validate import check_message_blocks, check_view
from bot.demo.workspace.wire import SlackError
from bot.domain.evidence import Evidence
from bot.domain.investigation import Investigation
from bot.slack.blocks.card import card
from bot.slack.blocks.elements import Message
from bot.slack.blocks.limits import MESSAGE_SUM, weight
from bot.slack.blocks.modals import query_modal
from bot.slack.blocks.report import report_messages
from bot.slack.blocks.rows import Scene, brief_of, source_rows
from bot.slack.blocks.sources import source_message
from bot.slack.blocks.text import units
from bot.slack.publisher.post import NATIVE
from tests.benchmarks.edge_render_cases import PER_CASE, case
from tests.benchmarks.machine import speed_line
from tests.slack.checks import HOSTS, check_foreign, check_text, every_text, mrkdwn_texts

SAYS_SO = re.compile(
    r"… \(cut|…$|… |did not fit|more (in the thread|rows|lines|sources|like it)|shown: \d|\(\+\d", re.MULTILINE
)
_BEGIN = re.compile(r"q(\d+)begin")


@dataclass
class Tally:
    """What was looked at and what was wrong with it; `examples` hold the first few."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def wrong(self, what: str, why: object) -> None:
        self.counts[what] += 1
        if len(self.examples) < 10:
            self.examples.append(f"{what}: {str(why)[:300]}")


def judge(count: int, *, seed: int) -> Tally:
    """Render `count` findings and look at every payload."""
    tally, rng = Tally(Counter(over_a_limit=0, live=0, cut_silently=0)), random.Random(seed)
    for number in range(-(-count // PER_CASE)):
        investigation, evidence = case(rng, number)
        tally.counts["findings"] += PER_CASE
        scene = Scene(
            names={"U1": "<!here> *Eve*\u202e"},
            briefs={e.id: brief_of(e) for e in evidence.values()},
            hosts=HOSTS,
            refused=NATIVE if number % 2 else frozenset(),
        )
        for place, messages in _surfaces(investigation, evidence, scene):
            _look(tally, place, messages)
        for found in list(evidence.values())[:2]:
            _look_at_view(tally, query_modal(found, scene))
    return tally


def _surfaces(
    investigation: Investigation, evidence: dict[str, Evidence], scene: Scene
) -> Iterator[tuple[str, Sequence[Message]]]:
    """Each place with the messages that stand there together."""
    yield "card", [card(investigation, scene)]
    yield "report", report_messages(investigation, scene)
    for row in source_rows(investigation):
        yield "source", [source_message(investigation, row.connector, evidence=evidence, scene=scene)]


def _look(tally: Tally, place: str, messages: Sequence[Message]) -> None:
    for number, message in enumerate(messages):
        tally.counts["payloads"] += 1
        try:
            check_message_blocks(message.blocks, refused=set(), files={})
            if weight(message.blocks) > MESSAGE_SUM or not 0 < units(message.text) <= 4_000:
                tally.wrong("over_a_limit", f"{place}: {weight(message.blocks)}, text {units(message.text)}")
        except SlackError as error:
            tally.wrong("over_a_limit", f"{place}: {error.body()}")
        _look_for_life(tally, [message.text], message.blocks, mentions=int(place == "report" and number == 0))
    _look_for_cuts(tally, place, [[message.text, *every_text(message.blocks)] for message in messages])


def _look_at_view(tally: Tally, view: dict[str, object]) -> None:
    tally.counts["payloads"] += 1
    blocks = view["blocks"]
    assert isinstance(blocks, list)
    try:
        check_view(view, kind="modal", refused=set(), files={})
    except SlackError as error:
        tally.wrong("over_a_limit", f"modal: {error.body()}")
    _look_for_life(tally, [], blocks, mentions=0)
    _look_for_cuts(tally, "modal", [list(every_text(blocks))])


def _look_for_life(tally: Tally, texts: list[str], blocks: list[dict[str, object]], *, mentions: int) -> None:
    try:
        for text in (*texts, *mrkdwn_texts(blocks)):
            check_text(text, mentions=mentions)
        check_foreign(blocks)
    except AssertionError as error:
        tally.wrong("live", error)


def _look_for_cuts(tally: Tally, place: str, pages: Sequence[Sequence[str]]) -> None:
    """A text that begins somewhere ends there too, or on a later page, or its own message says that it does not."""
    ends = {number for page in pages for text in page for number in re.findall(r"q(\d+)end", text)}
    for page in pages:
        for at, text in enumerate(page):
            for match in _BEGIN.finditer(text):
                tally.counts["texts"] += 1
                rest = "\n".join([text[match.end() :], *page[at + 1 :]])
                if match.group(1) not in ends and not SAYS_SO.search(rest):
                    tally.wrong("cut_silently", f"{place}: {text[match.start() :][:120]!r} … {text[-120:]!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    print(speed_line())
    tally = judge(given.count, seed=given.seed)
    print(f"seed {given.seed}:", dict(tally.counts))
    print("\n".join(tally.examples))
    if given.out:
        given.out.write_text(json.dumps(tally.counts, indent=2))


if __name__ == "__main__":
    main()
