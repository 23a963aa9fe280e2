"""No reachable history executes a change without live, distinct, authorised, unexpired approvals of exactly it."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from bot.domain import deciding
from bot.domain.states import Risk
from tests.remediation.explorer import ACTIONS, Rules, World, explore, step

DEPTH = 7


@pytest.mark.parametrize("risk", list(Risk))
def test_no_interleaving_breaks_a_rule(risk: Risk) -> None:
    found, worlds = explore(risk, DEPTH)
    assert found == set()
    assert worlds > 100, "the explorer must really have gone somewhere"


@pytest.mark.parametrize("risk", list(Risk))
def test_the_good_way_is_reachable(risk: Risk) -> None:
    world = World(risk)
    for action in ("propose", "approve A", "approve B", "execute"):
        world = step(world, action, Rules())
    assert world.writes == 1
    assert world.violations == ()


def test_every_action_changes_something_somewhere() -> None:
    """An action that can never do anything would make the exploration look larger than it is."""
    useful = set()
    for before in ([], ["propose"], ["propose", "approve A"], ["propose", "approve A", "crash after", "execute"]):
        world = World(Risk.MEDIUM)
        for action in before:
            world = step(world, action, Rules())
        useful |= {a for a in ACTIONS if step(world, a, Rules()).key() != world.key()}
    assert useful >= set(ACTIONS) - {"duplicate click", "approve requester"}


SEEN_BY_EXPLORER = {
    ("approve", "in time"), ("approve", "not the requester"), ("approve", "role"), ("approve", "once each"),
    ("gate", "in time"), ("gate", "approvals"), ("gate", "first send"), ("start", "target"), ("start", "in time"),
}  # fmt: skip


@pytest.mark.parametrize(("table", "rule"), sorted(SEEN_BY_EXPLORER))
def test_without_this_rule_the_explorer_finds_a_violation(table: str, rule: str) -> None:
    full = {"approve": deciding.APPROVE_RULES, "gate": deciding.GATE_RULES, "start": deciding.START_RULES}[table]
    lacking = MappingProxyType({name: one for name, one in full.items() if name != rule})
    rules = Rules(**{table: lacking})  # type: ignore[arg-type]
    assert any(explore(risk, DEPTH, rules)[0] for risk in Risk)
