"""Roles in the App Home: who was given which, and for admins the form that gives one."""

from __future__ import annotations

from collections.abc import Sequence

from bot.slack.blocks.elements import actions, button, confirm, context, header, plain, section
from bot.slack.blocks.limits import VIEW_TITLE, Block
from bot.slack.blocks.text import clip, escape_line
from bot.store import RoleBinding

GIVE, TAKE, FORM = "role_give", "role_take", "role_form"
EVERYWHERE = "everywhere"
_MOST = 15
_MOST_SQUADS = 99
_LONGEST = 150  # of a value in a menu
_ROLES = (
    ("responder", "Responder: approves up to medium risk"),
    ("lead", "Lead of a squad: approves high risk there"),
    ("admin", "Admin: approves everything, gives roles"),
)


def roles_blocks(given: Sequence[RoleBinding]) -> list[Block]:
    """What an admin sees; roles of files are not among them."""
    blocks = [header("Roles"), *(_line(one) for one in given[:_MOST])]
    if len(given) > _MOST:
        blocks.append(context(f"… and {len(given) - _MOST} more; `inquest admin list` shows all"))
    if not given:
        blocks.append(section("Nobody was given a role here."))
    said = context("Those of `config/access.yaml` and `INQUEST_ADMINS` stand there.")
    return [*blocks, said, *actions("roles", button("Give a role…", GIVE, "give"))]


def _line(one: RoleBinding) -> Block:
    place = f"of squad {escape_line(one.squad, 80)}" if one.squad else EVERYWHERE
    told = f"{_name(one.principal_id)} · {one.role.value} {place} · by {escape_line(one.granted_by, 60)}"
    sure = confirm("Take it back?", "It counts no more from now on, also for approvals given before.", "Take", "Back")
    return section(told) | {"accessory": button("Take back", TAKE, value_of(one), confirm=sure)}


def _name(principal_id: str) -> str:
    """People by the name that Slack shows, API keys by their id."""
    person = principal_id[:1] in ("U", "W") and principal_id.isalnum()
    return f"<@{principal_id}>" if person else f"`{escape_line(principal_id, 80)}`"


def value_of(one: RoleBinding) -> str:
    """What the button carries."""
    return "|".join((one.role.value, one.principal_id, one.squad or ""))


def give_form(squads: Sequence[str]) -> Block:
    """Whom, which role, where."""
    people: Block = {"type": "users_select", "action_id": "who", "placeholder": plain("Somebody", 150)}
    places = [EVERYWHERE, *[name for name in squads if len(name) <= _LONGEST][:_MOST_SQUADS]]
    blocks = [
        _input("who", "Who", people),
        _input("role", "Role", _select("role", _ROLES)),
        _input("squad", "Where", _select("squad", [(one, one) for one in places])),
        context("It is written into the log with your name."),
    ]
    view: Block = {"type": "modal", "title": plain("Give a role", VIEW_TITLE), "close": plain("Back", VIEW_TITLE)}
    return view | {"callback_id": FORM, "submit": plain("Give", VIEW_TITLE), "blocks": blocks}


def refused(said: str) -> Block:
    """Why a click in the Home tab did not count."""
    view: Block = {"type": "modal", "title": plain("Not done", VIEW_TITLE), "close": plain("Close", VIEW_TITLE)}
    return view | {"blocks": [section(escape_line(said, 2_500))]}


def _input(name: str, label: str, element: Block) -> Block:
    return {"type": "input", "block_id": name, "label": plain(label, 100), "element": element}


def _select(name: str, choices: Sequence[tuple[str, str]]) -> Block:
    options = [{"text": plain(clip(text, 75), 75), "value": value} for value, text in choices]
    return {"type": "static_select", "action_id": name, "options": options, "placeholder": plain("Choose", 150)}
