"""Slash commands."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.investigation import Investigation
from bot.domain.states import InvestigationState
from bot.errors import BotError, InvalidRequest, NotAllowed
from bot.slack.blocks.answer import answer_message
from bot.slack.blocks.card import ACTIVE, card_text
from bot.slack.blocks.help import ASK_HELP, INVESTIGATE_HELP, RUNBOOKS_HELP, SWEEPS_HELP
from bot.slack.blocks.home import investigation_line
from bot.slack.blocks.text import escape, escape_line, from_slack
from bot.slack.commands import Asked, SubCommand, Verb, parse_command
from bot.slack.listeners.desk import Act, Desk, open_request
from bot.slack.listeners.sweeps import SweepModals
from bot.slack.ports import Questions, Words

_S = InvestigationState
FITTING = {
    Verb.PAUSE: frozenset({_S.CREATED, _S.QUEUED, _S.INITIALIZING, _S.RUNNING}),
    Verb.RESUME: frozenset({_S.PAUSED, _S.RUNNING, _S.INITIALIZING, _S.QUEUED}),
    Verb.CANCEL: frozenset({*ACTIVE, _S.PAUSED, _S.FAILED}) - {_S.COMPLETING},
    Verb.RETRY: frozenset({_S.FAILED}),
    Verb.STATUS: frozenset(_S),
    Verb.HANDOFF: frozenset(_S),
}
DONE_WORDS = {Verb.PAUSE: "paused", Verb.RESUME: "resumed", Verb.CANCEL: "cancelled", Verb.RETRY: "retried"}
LISTED = 10
GUEST = "Guests see what is posted in their channels, and nothing beyond."


class Commands:
    """What a typed command does. Each method gives the sentence only the person who typed it sees."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.sweep_modals = SweepModals(desk)

    async def investigate(self, act: Act) -> str | None:
        parsed = parse_command(str(act.body.get("text") or ""))
        if isinstance(parsed, SubCommand):
            return await self.sub_command(act, parsed)
        opened = await self.open(act, parsed)
        return f"On it: `{opened.id}`. The card shows how far it is; `/investigate help` shows what else you can do."

    async def open(self, act: Act, asked: Asked, *, parent_id: str | None = None) -> Investigation:
        request = open_request(act, asked.text).model_copy(
            update={
                "since": asked.since,
                "services": asked.services,
                "environment": asked.environment,
                "sources": asked.sources,
                "dry_run": asked.dry_run,
                "parent_id": parent_id,
            }
        )
        return await self._desk.investigations.open(request, by=act.by, delivery_id=act.delivery_id)

    async def sub_command(self, act: Act, wish: SubCommand, *, here: Investigation | None = None) -> str:
        """`here`: the investigation whose thread this was typed in."""
        if wish.verb is Verb.HELP:
            return INVESTIGATE_HELP
        if act.by.guest:
            raise NotAllowed(GUEST)
        if wish.verb in (Verb.LIST, Verb.HISTORY):
            return await self._listed(act, only_running=wish.verb is Verb.LIST)
        chosen = here if here and not wish.investigation_id else await self._pick(act, wish)
        if wish.verb is Verb.STATUS:
            return f"{card_text(chosen)}\n{investigation_line(chosen)}"
        return escape(await self._move(act, wish, chosen.id))

    async def _move(self, act: Act, wish: SubCommand, key: str) -> str:
        verbs = self._desk.investigations
        if wish.verb is Verb.HANDOFF:
            if not wish.person:
                raise InvalidRequest("Say to whom: `/investigate handoff inv_… @person`.")
            person = await self._desk.people.person(wish.person)
            return await verbs.handoff(key, to=person.name, by=act.by)
        moves = {Verb.PAUSE: verbs.pause, Verb.RESUME: verbs.resume, Verb.CANCEL: verbs.cancel, Verb.RETRY: verbs.retry}
        return await moves[wish.verb](key, by=act.by, delivery_id=act.delivery_id)

    async def _listed(self, act: Act, *, only_running: bool) -> str:
        known = await self._desk.investigations.recent(by=act.by, limit=5 * LISTED, only_running=only_running)
        found = seen_by(act, known)[:LISTED]
        if not found:
            return "Nothing is running." if only_running else "There has been no investigation yet."
        title = "*Running now*" if only_running else "*Recent investigations*"
        return "\n".join([title, *(investigation_line(i) for i in found)])

    async def _pick(self, act: Act, wish: SubCommand) -> Investigation:
        """The one that is meant: by id, else the only fitting one of this channel, else of this person."""
        if wish.investigation_id:
            return await self._desk.investigations.get(wish.investigation_id)
        found = await self._desk.investigations.recent(by=act.by, limit=50)
        fitting = [i for i in found if i.state in FITTING[wish.verb] and i.origin.get("channel") == act.place.channel]
        if wish.verb is Verb.STATUS and fitting:
            return next((i for i in fitting if i.requester.id == act.by.id), fitting[0])
        own = [i for i in fitting if i.requester.id == act.by.id]
        for group in (own, fitting):
            if len(group) == 1:
                return group[0]
        raise InvalidRequest(_which(wish.verb, own or fitting))

    async def ask(self, act: Act) -> str | None:
        text = from_slack(str(act.body.get("text") or "")).strip()
        questions = self._desk.extras.answer
        if questions is not None and text.lower() not in ("", "help"):
            self._desk.answers.later(self._answer(questions, text, act))
            return "Asking…"
        if questions is not None:
            return ASK_HELP
        return await self._words(self._desk.extras.ask, act, ASK_HELP, "Asking a single source")

    async def _answer(self, questions: Questions, text: str, act: Act) -> None:
        """The query, what it costs and its result, to the asker only."""
        try:
            answered = await questions.ask(text, by=act.by)
        except BotError as error:
            self._desk.answers.tell(act.body, escape(str(error), 2_500))
            return
        self._desk.answers.show_message(
            act.body, answer_message(answered), answer_message(answered, native_blocks=False)
        )

    async def sweeps(self, act: Act) -> str | None:
        """Without words the modal; a guest hears why not."""
        if self._desk.extras.sweep_desk is not None and not str(act.body.get("text") or "").strip():
            if act.by.guest:
                raise NotAllowed(GUEST)
            await self.sweep_modals.opened(act)
            return None
        return await self._words(self._desk.extras.sweeps, act, SWEEPS_HELP, "Scheduled checks are")

    async def runbooks(self, act: Act) -> str:
        return await self._words(self._desk.extras.runbooks, act, RUNBOOKS_HELP, "The runbook search")

    async def _words(self, service: Words | None, act: Act, help_text: str, what: str) -> str:
        text = from_slack(str(act.body.get("text") or "")).strip()
        if service is None:
            verb = "" if what.endswith("are") else " is"
            return f"{what}{verb} not set up in this installation. `/investigate` works: ask it what went wrong."
        if text.lower() in ("", "help"):
            return help_text
        return await service(text, act.by)


def seen_by(act: Act, investigations: Sequence[Investigation]) -> list[Investigation]:
    """Without those that other people opened in a direct message."""
    return [i for i in investigations if i.requester.id == act.by.id or not is_direct(i)]


def is_direct(investigation: Investigation) -> bool:
    return str(investigation.origin.get("channel", "")).startswith("D")


def _which(verb: Verb, candidates: Sequence[Investigation]) -> str:
    done = DONE_WORDS.get(verb, "meant")
    if not candidates:
        return f"There is no investigation in this channel that can be {done} now. `/investigate list` shows what runs."
    ids = ", ".join(escape_line(i.id, 60) for i in candidates[:5])
    return f"Several investigations could be {done}. Name one: {ids}."
