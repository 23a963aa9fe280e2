"""Roles in the App Home: admins give and take them, nobody else does, and every try is in the log."""

from __future__ import annotations

import pytest

from bot.demo.workspace.config import BEN as BEN_ID
from bot.demo.workspace.config import CHLOE as CHLOE_ID
from bot.demo.workspace.config import DANA as DANA_ID
from bot.domain.access import Principal, PrincipalKind, Squad
from bot.domain.events import EventKind, NewEvent
from bot.errors import InvalidRequest, NotAllowed
from bot.services.granting import STREAM, Granting
from bot.services.groups import ACTOR as GROUPS
from bot.services.policy import AccessFile, Roles
from bot.slack.blocks.roles import FORM, GIVE, TAKE, give_form
from bot.slack.ports import Extras
from connectors.model import SystemClock
from tests.slack.checks import check_modal
from tests.slack.conftest import BEN, Scene, text_of
from tests.support.slack_control import Json

DANA = "dana"


def who(user_id: str, *, guest: bool = False) -> Principal:
    return Principal(kind=PrincipalKind.PERSON, id=user_id, name=user_id, guest=guest)


def granting(scene: Scene) -> Granting:
    """Dana is the first admin, by configuration."""
    roles = Roles(
        store=scene.store, access=AccessFile(), squads=(Squad(name="payment"), Squad(name="cart")), admins=(DANA_ID,)
    )
    return Granting(store=scene.store, roles=roles, clock=SystemClock())


@pytest.fixture
async def book(scene: Scene) -> Granting:
    made = granting(scene)

    async def role(by: Principal) -> str:
        return await made._roles.words(by.id)

    scene.extras = Extras(roles=made, role=role)
    await scene.start()
    return made


async def home(scene: Scene, user: str, user_id: str, *, containing: str) -> Json:
    await scene.control.do("home", {"user": user})

    async def look() -> Json | None:
        found: Json | None = (await scene.control.read("state"))["homes"].get(user_id)
        return found if found and containing in text_of(found) else None

    shown: Json = await scene.control.until(look)
    return shown


async def modal(scene: Scene, user_id: str) -> Json:
    async def look() -> Json | None:
        stack = (await scene.control.read("state"))["modals"].get(user_id)
        return stack[-1] if stack else None

    found: Json = await scene.control.until(look)
    return found


def chosen(user: str, role: str, squad: str) -> Json:
    def option(value: str) -> Json:
        return {
            "type": "static_select",
            "selected_option": {"value": value, "text": {"type": "plain_text", "text": "x"}},
        }

    return {
        "who": {"who": {"type": "users_select", "selected_user": user}},
        "role": {"role": option(role)},
        "squad": {"squad": option(squad)},
    }


async def kinds(scene: Scene) -> list[tuple[str, str]]:
    return [(event.kind.value, event.actor) for event in await scene.store.read(STREAM)]


async def test_an_admin_gives_a_role_and_takes_it_back(scene: Scene, book: Granting) -> None:
    shown = await home(scene, DANA, DANA_ID, containing="Nobody was given a role here.")
    await scene.control.do("click", {"user": DANA, "view_id": shown["id"], "action_id": GIVE})
    assert (await modal(scene, DANA_ID))["callback_id"] == FORM
    answer = await scene.control.submit(DANA, chosen(BEN_ID, "responder", "payment"))
    assert answer.get("errors") == {}
    shown = await home(scene, DANA, DANA_ID, containing="responder of squad payment")
    assert BEN_ID in text_of(shown)
    assert "responder of squad payment" in text_of(await home(scene, BEN, BEN_ID, containing="Your role"))
    await scene.control.do("click", {"user": DANA, "view_id": shown["id"], "action_id": TAKE})
    await home(scene, DANA, DANA_ID, containing="Nobody was given a role here.")
    by = f"person:{DANA_ID}"
    assert await kinds(scene) == [("RoleGranted", by), ("RoleRevoked", by)]


async def test_who_is_no_admin_sees_no_roles_and_forges_none(scene: Scene, book: Granting) -> None:
    await book.grant("responder", CHLOE_ID, squad="cart", by=who(DANA_ID))
    shown = await home(scene, BEN, BEN_ID, containing="Your role")
    assert "Give a role" not in text_of(shown)
    assert CHLOE_ID not in text_of(shown)
    seen = await home(scene, DANA, DANA_ID, containing=CHLOE_ID)
    await scene.control.do("click", {"user": DANA, "view_id": seen["id"], "action_id": GIVE})
    await modal(scene, DANA_ID)
    with pytest.raises(NotAllowed, match="by admins"):
        await book.grant("admin", BEN_ID, squad=None, by=who(BEN_ID))
    with pytest.raises(NotAllowed):
        await book.grant("admin", BEN_ID, squad=None, by=who(DANA_ID, guest=True))
    assert (await kinds(scene))[-1] == ("Refused", f"person:{DANA_ID}")
    assert [b.principal_id for b in await book.given()] == [CHLOE_ID]


async def test_a_wrong_choice_is_told_beside_the_field(scene: Scene, book: Granting) -> None:
    shown = await home(scene, DANA, DANA_ID, containing="Give a role")
    await scene.control.do("click", {"user": DANA, "view_id": shown["id"], "action_id": GIVE})
    await modal(scene, DANA_ID)
    answer = await scene.control.submit(DANA, chosen(BEN_ID, "lead", "everywhere"))
    assert answer["errors"] == {"role": "A lead leads a squad: name it."}
    assert await book.given() == []


@pytest.mark.parametrize(
    ("role", "user", "squad", "words"),
    [
        ("emperor", BEN_ID, None, "There is no role"),
        ("viewer", BEN_ID, None, "There is no role"),
        ("responder", BEN_ID, "no such squad", "There is no squad"),
        ("responder", " ", "cart", "Nobody was named"),
    ],
)
async def test_what_cannot_be_given(scene: Scene, role: str, user: str, squad: str | None, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        await granting(scene).grant(role, user, squad=squad, by=who(DANA_ID))


async def test_what_cannot_be_taken(scene: Scene) -> None:
    book = granting(scene)
    with pytest.raises(InvalidRequest, match="not given here"):
        await book.revoke("admin", DANA_ID, squad=None, by=who(DANA_ID))
    given = {"principal_id": BEN_ID, "role": "responder", "squad": "cart"}
    event = NewEvent(kind=EventKind.ROLE_GRANTED, actor=GROUPS, at=SystemClock().now(), payload=dict(given))
    await scene.store.append(STREAM, expected_seq=0, events=[event])
    with pytest.raises(InvalidRequest, match="user group"):
        await book.revoke("responder", BEN_ID, squad="cart", by=who(DANA_ID))


async def test_the_last_admin_stays(scene: Scene) -> None:
    alone = Roles(store=scene.store, access=AccessFile(), squads=())
    event = NewEvent(
        kind=EventKind.ROLE_GRANTED, actor="cli:root", at=SystemClock().now(),
        payload={"principal_id": BEN_ID, "role": "admin", "squad": ""},
    )  # fmt: skip
    await scene.store.append(STREAM, expected_seq=0, events=[event])
    book = Granting(store=scene.store, roles=alone, clock=SystemClock())
    with pytest.raises(InvalidRequest, match="last admin"):
        await book.revoke("admin", BEN_ID, squad=None, by=who(BEN_ID))
    await book.grant("admin", CHLOE_ID, squad=None, by=who(BEN_ID))
    await book.revoke("admin", BEN_ID, squad=None, by=who(CHLOE_ID))
    assert not await book.may(who(BEN_ID))


def test_the_form_holds_with_very_many_squads() -> None:
    check_modal(give_form([f"{number} {'x' * number}" for number in range(300)]))
