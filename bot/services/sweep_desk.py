"""Sweeps that people make, change, pause, run and delete: events in one stream, which every process reads."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import structlog
from pydantic import Field, ValidationError

from bot.domain.access import Principal
from bot.domain.events import Event, EventKind, NewEvent
from bot.domain.question import Source
from bot.domain.states import Severity
from bot.errors import InvalidRequest, NotAllowed
from bot.services.sweep import StreamEnds
from bot.services.sweep_model import Limit, Sweep
from bot.services.sweep_reading import watchable
from bot.store import Store
from connectors.model import Clock, Frozen, JsonObject, Tool

log = structlog.get_logger(__name__)

STREAM = "sweep/definitions"
_OURS = frozenset({"alerts", "alerts-taken", "anomalies", "definitions"})
_LIMIT = re.compile(r"^([A-Za-z0-9_]+)\s*([<>])\s*(-?[0-9.]+(?:e-?[0-9]+)?)(?:\s+([a-z]+))?$")
_RUN_WITHIN = timedelta(minutes=2)
_MOST = 200
_MOST_WANTED = 20


class Draft(Frozen):
    """What somebody typed into the form. `limits` is a line each: `error_ratio > 0.05 high`."""

    name: str
    source: str
    tool: str
    query: str = ""
    services: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    every_s: str = "60"
    threshold: str = "3.0"
    limits: str = Field("", max_length=3_000)
    channel: str | None = None


class Listed(Frozen):
    """A sweep as it stands now; `made_by` is whoever made it in Slack, None: it stands in a file or is a default."""

    sweep: Sweep
    made_by: str | None


class SweepDesk:
    """`may` says who may change sweeps; `base` gives those of the file and the defaults; `sources` what there is."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        may: Callable[[Principal], Awaitable[bool]],
        base: Callable[[], Awaitable[Sequence[Sweep]]],
        sources: Callable[[], Awaitable[Sequence[Source]]],
    ) -> None:
        self._store, self._clock, self._may, self._base, self._sources = store, clock, may, base, sources
        self._ends = StreamEnds(store)
        self._made: dict[str, Listed] = {}
        self._enabled: dict[str, bool] = {}
        self._wanted: list[str] = []
        self._read = 0

    async def refresh(self) -> None:
        """Learn what was changed, here or elsewhere."""
        while events := await self._store.read(STREAM, after=self._read):
            for event in events:
                try:
                    self._take(event)
                except ValidationError as error:  # made by another version: it must not stop the others
                    log.warning("sweeps.not_understood", seq=event.seq, reason=str(error.errors()[0]["msg"]))
            self._read = events[-1].seq

    def _take(self, event: Event) -> None:
        name, given = str(event.payload.get("name")), event.payload.get("sweep")
        if isinstance(given, dict):
            sweep = Sweep.model_validate({**given, "name": name})
            self._made[name] = Listed(sweep=sweep.model_copy(update={"place": event.actor}), made_by=event.actor)
            self._enabled.pop(name, None)
        if event.payload.get("deleted"):
            self._made.pop(name, None)
            self._enabled.pop(name, None)
        if isinstance(enabled := event.payload.get("enabled"), bool):
            self._enabled[name] = enabled
        if event.payload.get("run") and self._clock.now() - event.at <= _RUN_WITHIN:
            self._wanted = [*self._wanted[-_MOST_WANTED:], name]

    @property
    def version(self) -> int:
        """Grows with every change."""
        return self._read

    def take_wanted(self) -> list[str]:
        """The sweeps that somebody wants to run now, each told once."""
        wanted, self._wanted = list(dict.fromkeys(self._wanted)), []
        return wanted

    async def listed(self) -> list[Listed]:
        """All of them, by name, as of now."""
        await self.refresh()
        found = {sweep.name: Listed(sweep=sweep, made_by=None) for sweep in await self._base()} | self._made
        return [self._as_asked(found[name]) for name in sorted(found)]

    def _as_asked(self, one: Listed) -> Listed:
        enabled = self._enabled.get(one.sweep.name, one.sweep.enabled)
        return one.model_copy(update={"sweep": one.sweep.model_copy(update={"enabled": enabled})})

    async def offered(self) -> list[tuple[str, str]]:
        """Every source and tool that can be watched."""
        return [(s.name, t.name) for s in await self._sources() for t in s.tools if watchable(t)]

    async def may(self, by: Principal) -> bool:
        """Whether somebody may change sweeps."""
        return not by.guest and await self._may(by)

    # changing

    async def save(self, draft: Draft, *, by: Principal) -> str:
        """Make a sweep, or change one that was made here. InvalidRequest says what is wrong with it."""
        await self._check(by)
        known = {one.sweep.name: one for one in await self.listed()}
        name = draft.name.strip()
        there = known.get(name)
        if there is not None and there.made_by is None:
            raise InvalidRequest(f"{name} stands in {there.sweep.place or 'the defaults'}; change it there.")
        if there is None and len(self._made) >= _MOST:
            raise InvalidRequest(f"There are {_MOST} sweeps made here already. Delete one first.")
        sweep = await self._sweep(draft, name)
        document = sweep.model_dump(mode="json", exclude={"name"}, exclude_defaults=True)
        await self._write({"name": name, "sweep": document}, by)
        return f"`{name}` is {'changed' if there else 'made'}; it runs every {sweep.every_s:g} s."

    async def pause(self, name: str, *, by: Principal) -> str:
        """Stop it until somebody resumes it."""
        await self._known(name, by)
        await self._write({"name": name, "enabled": False}, by)
        return f"`{name}` is paused."

    async def resume(self, name: str, *, by: Principal) -> str:
        await self._known(name, by)
        await self._write({"name": name, "enabled": True}, by)
        return f"`{name}` runs again."

    async def delete(self, name: str, *, by: Principal) -> str:
        """Only what was made here; what stands in a file can be paused."""
        if (await self._known(name, by)).made_by is None:
            raise InvalidRequest(f"{name} was not made in Slack: pause it, or take it out of the file of sweeps.")
        await self._write({"name": name, "deleted": True}, by)
        return f"`{name}` is deleted."

    async def run(self, name: str, *, by: Principal) -> str:
        """Whichever process has the schedule runs it within seconds."""
        await self._known(name, by)
        await self._write({"name": name, "run": True}, by)
        return f"`{name}` runs in a moment; `/sweeps list` shows its outcome."

    async def _check(self, by: Principal) -> None:
        if not await self.may(by):
            raise NotAllowed("Sweeps are changed by responders. Ask an admin for the role.")

    async def _known(self, name: str, by: Principal) -> Listed:
        await self._check(by)
        found = next((one for one in await self.listed() if one.sweep.name == name), None)
        if found is None:
            raise InvalidRequest(f"There is no sweep {name[:60]!r} any more.")
        return found

    async def _write(self, payload: JsonObject, by: Principal) -> None:
        event = NewEvent(kind=EventKind.SWEEP_CHANGED, actor=by.actor, at=self._clock.now(), payload=payload)
        await self._ends.append(STREAM, [event])
        await self.refresh()

    async def _sweep(self, draft: Draft, name: str) -> Sweep:
        if name in _OURS:
            raise InvalidRequest(f"{name} is a name of ours; take another one.")
        tools = {(s.name, t.name): t for s in await self._sources() for t in s.tools if watchable(t)}
        tool = tools.get((draft.source, draft.tool))
        if tool is None:
            raise InvalidRequest(f"{draft.source} has no {draft.tool} that can be watched.")
        given = {
            "name": name,
            "source": draft.source,
            "tool": draft.tool,
            "arguments": _arguments(tool, draft),
            "every_s": _number(draft.every_s, "How often"),
            "threshold": _number(draft.threshold, "Threshold"),
            "metrics": draft.metrics,
            "limits": [limit.model_dump(mode="json") for limit in _limits(draft.limits)],
            "channel": draft.channel or None,
        }
        try:
            return Sweep.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InvalidRequest(f"{where}: {first['msg']}") from error


def _arguments(tool: Tool, draft: Draft) -> JsonObject:
    """The query goes into the one text that the tool must have; services where it takes them."""
    fields = tool.arguments.model_fields
    needed = [name for name, field in fields.items() if field.is_required()]
    arguments: JsonObject = {}
    if len(needed) > 1:
        raise InvalidRequest(f"{tool.name} needs {', '.join(needed)}: write it into the file of sweeps.")
    if needed and not draft.query.strip():
        raise InvalidRequest(f"{tool.name} needs a query.")
    if draft.query.strip() and not needed:
        raise InvalidRequest(f"{tool.name} takes no query; leave it empty.")
    if needed:
        arguments[needed[0]] = draft.query.strip()
    if draft.services:
        if "services" not in fields:
            raise InvalidRequest(f"{tool.name} cannot be narrowed to services; leave them empty.")
        arguments["services"] = list(draft.services)
    try:
        tool.arguments.model_validate(arguments)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise InvalidRequest(f"{tool.name} does not take that: {first['msg']}") from error
    return arguments


def _limits(text: str) -> list[Limit]:
    found = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        match = _LIMIT.match(line)
        if match is None or (match[4] and match[4] not in list(Severity)):
            raise InvalidRequest(f"Limits are a line each, as `error_ratio > 0.05 high`; not {line[:60]!r}.")
        bound = _number(match[3], "A limit")
        severity = Severity(match[4]) if match[4] else None
        above, below = (bound, None) if match[2] == ">" else (None, bound)
        found.append(Limit(metric=match[1], above=above, below=below, severity=severity))
    return found


def limit_line(limit: Limit) -> str:
    """A limit as it is typed."""
    bound = f"> {limit.above:g}" if limit.above is not None else f"< {limit.below:g}"
    return f"{limit.metric} {bound}" + (f" {limit.severity.value}" if limit.severity else "")


def _number(text: str, what: str) -> float:
    try:
        return float(text.strip())
    except ValueError as error:
        raise InvalidRequest(f"{what} is a number, not {text[:30]!r}.") from error
