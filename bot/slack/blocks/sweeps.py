"""`/sweeps` as modals: the list with its buttons, and the form that makes or changes one."""

from __future__ import annotations

import json
from collections.abc import Sequence

from bot.services.sweep_desk import Listed, limit_line
from bot.services.sweep_model import Sweep
from bot.slack.blocks.elements import actions, button, confirm, context, plain, section
from bot.slack.blocks.limits import VIEW_TITLE, Block
from bot.slack.blocks.text import clip, escape_line

NEW, EDIT, PAUSE, RESUME, RUN, DELETE = "sw_new", "sw_edit", "sw_pause", "sw_resume", "sw_run", "sw_delete"
FORM = "sweep_form"
_MOST = 40
_MOST_OPTIONS = 100
_TEXTS = ("query", "services", "metrics", "every_s", "threshold", "limits")


def sweeps_modal(listed: Sequence[Listed], *, may: bool, note: str = "") -> Block:
    """Every sweep; with buttons for those who may change them. `note` says what a click did."""
    blocks: list[Block] = [section(clip(note, 2_800))] if note else []
    if may:
        blocks += actions("sw_top", button("New sweep…", NEW, "new", style="primary"))
    for number, one in enumerate(listed[:_MOST]):
        blocks.append(section(_line(one)))
        blocks += actions(f"sw_{number}", *_buttons(one)) if may else []
    if not listed:
        blocks.append(section("There is none yet."))
    if len(listed) > _MOST:
        blocks.append(context(f"… and {len(listed) - _MOST} more; `/sweeps list` and the file of sweeps have them"))
    if not may:
        blocks.append(context("Responders can make, change and pause sweeps."))
    view: Block = {"type": "modal", "title": plain("Sweeps", VIEW_TITLE), "close": plain("Close", VIEW_TITLE)}
    return view | {"blocks": blocks}


def _line(one: Listed) -> str:
    sweep = one.sweep
    state = "runs" if sweep.enabled else "*paused*"
    made = f"made by {_person(one.made_by)}" if one.made_by else escape_line(sweep.place, 120) or "a default"
    asked = f"{escape_line(sweep.tool, 60)} of {escape_line(sweep.source, 80)} every {sweep.every_s:g} s"
    limits = ", ".join(escape_line(limit_line(limit), 60) for limit in sweep.limits[:4])
    return f"`{sweep.name}` · {state} · {asked}\n      {made}" + (f" · {limits}" if limits else "")


def _person(actor: str) -> str:
    kind, _, name = actor.partition(":")
    return f"<@{name}>" if kind == "person" and name.isalnum() else escape_line(actor, 60)


def _buttons(one: Listed) -> list[Block]:
    name = one.sweep.name
    made = [button("Run now", RUN, name)]
    made.append(button("Pause", PAUSE, name) if one.sweep.enabled else button("Resume", RESUME, name))
    if one.made_by:
        sure = confirm("Delete it?", "What it has learned goes too; its past alerts stay.", "Delete")
        made += [button("Change…", EDIT, name), button("Delete", DELETE, name, confirm=sure)]
    return made


def sweep_form(offered: Sequence[tuple[str, str]], sweep: Sweep | None = None) -> Block:
    """What to ask, how often, and when to speak; filled with a sweep that is to be changed."""
    known = _known(sweep)
    name: list[Block] = [] if sweep else [_input("name", "Name", _text("name", "", "checkout-errors"))]
    blocks = [
        *name,
        _input("what", "What to watch", _choice(offered, sweep)),
        _input("query", "Query, where one is needed", _text("query", known["query"], lines=True), optional=True),
        _input("services", "Services", _text("services", known["services"], "all"), optional=True),
        _input("metrics", "Metrics", _text("metrics", known["metrics"], "all"), optional=True),
        _input("limits", "Limits, a line each", _limits(known["limits"]), optional=True),
        _input("every_s", "How often, in seconds", _text("every_s", known["every_s"])),
        _input("threshold", "How unusual, in decades (1.5 to 8)", _text("threshold", known["threshold"])),
        _input("channel", "Channel", _channel(sweep), optional=True),
        context("Without a channel the squad of the service hears of it."),
    ]
    title = "Change a sweep" if sweep else "New sweep"
    view: Block = {"type": "modal", "title": plain(title, VIEW_TITLE), "close": plain("Back", VIEW_TITLE)}
    view |= {"callback_id": FORM, "submit": plain("Save", VIEW_TITLE), "blocks": blocks}
    return view | {"private_metadata": json.dumps({"name": sweep.name if sweep else ""})}


def _known(sweep: Sweep | None) -> dict[str, str]:
    if sweep is None:
        return dict.fromkeys(_TEXTS, "") | {"every_s": "60", "threshold": "3.0"}
    services = sweep.arguments.get("services")
    query = next((value for key, value in sweep.arguments.items() if key != "services"), "")
    return {
        "query": str(query),
        "services": ", ".join(str(one) for one in services) if isinstance(services, list) else "",
        "metrics": ", ".join(sweep.metrics),
        "every_s": f"{sweep.every_s:g}",
        "threshold": f"{sweep.threshold:g}",
        "limits": "\n".join(limit_line(limit) for limit in sweep.limits),
    }


def _choice(offered: Sequence[tuple[str, str]], sweep: Sweep | None) -> Block:
    options = [_option(source, tool) for source, tool in offered if len(source) + len(tool) < 150][:_MOST_OPTIONS]
    made: Block = {"type": "static_select", "action_id": "what", "options": options}
    chosen = _option(sweep.source, sweep.tool) if sweep else None
    return made | ({"initial_option": chosen} if chosen in options else {"placeholder": plain("Choose", 150)})


def _option(source: str, tool: str) -> Block:
    return {"text": plain(clip(f"{tool} · {source}", 75), 75), "value": f"{source}|{tool}"}


def _limits(value: str) -> Block:
    return _text("limits", value, "error_ratio > 0.05 high", lines=True)


def _channel(sweep: Sweep | None) -> Block:
    made: Block = {"type": "channels_select", "action_id": "channel", "placeholder": plain("The squad's", 150)}
    return made | ({"initial_channel": sweep.channel} if sweep and sweep.channel else {})


def _text(name: str, value: str, hint: str = "", *, lines: bool = False) -> Block:
    made: Block = {"type": "plain_text_input", "action_id": name, "multiline": lines, "max_length": 3_000}
    if hint:
        made["placeholder"] = plain(hint, 150)
    return made | ({"initial_value": clip(value, 2_900)} if value else {})


def _input(name: str, label: str, element: Block, *, optional: bool = False) -> Block:
    made: Block = {"type": "input", "block_id": name, "label": plain(label, 100), "element": element}
    return made | ({"optional": True} if optional else {})
