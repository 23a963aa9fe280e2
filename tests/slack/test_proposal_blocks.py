"""How a proposal reads in a narrow thread."""

from __future__ import annotations

from bot.slack.blocks.proposal import details_modal, folded, proposal_message
from bot.slack.blocks.rows import Scene
from tests.slack.checks import check_modal
from tests.slack.conftest import text_of
from tests.slack.test_forged_clicks import made

IMAGE = (
    "spec.template.spec.containers[payment-service].image: "
    "registry.shop.test/payment:1.4.9 → registry.shop.test/payment:1.4.8"
)


def test_a_long_change_is_shown_on_three_lines_and_a_short_one_on_its_own() -> None:
    assert folded(f"level: 1 → 2\n{IMAGE}").split("\n") == [
        "level: 1 → 2",
        "spec.template.spec.containers[payment-service].image:",
        "  registry.shop.test/payment:1.4.9",
        "  → registry.shop.test/payment:1.4.8",
    ]


def test_text_that_is_no_change_stays_as_it_is() -> None:
    words = "+ comment on OPS-1:\nThe release was rolled back because the connection pool was exhausted.\n"
    assert folded(words) == words


def test_the_asker_is_named_in_the_form_too() -> None:
    one = made("prop_1", "inv_1").model_copy(update={"diff": IMAGE, "may_approve": "a responder of squad payment"})
    for shown in (details_modal(one, Scene()), {"blocks": proposal_message(one, Scene()).blocks}):
        assert "not ada" in text_of(shown)
        assert "U0ADA" not in text_of(shown)
        assert "→ registry.shop.test/payment:1.4.8" in text_of(shown)
    check_modal(details_modal(one, Scene()))
