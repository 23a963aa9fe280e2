"""The composition root: settings → store → connectors → services → faces. Closes in reverse."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import structlog
from pydantic import SecretStr

from bot.domain.access import Principal, Squad
from bot.errors import BotError, InvalidConfiguration
from bot.reasoning.arms import Arm
from bot.reasoning.ask.by_model import QueryWriter
from bot.reasoning.protocol import Reasoner
from bot.reasoning.rules import RulesReasoner
from bot.reasoning.spending import Metered
from bot.remedies import Remedies, audit_key, make_gate, make_remedies, make_roles, make_seals, make_vault
from bot.services.ask import Ask
from bot.services.audit import seal_forever
from bot.services.budget import Budget
from bot.services.catalogue import Catalogue, SourceInfo
from bot.services.evals import EvalKeeper
from bot.services.execute import ApprovalCheck, Execute
from bot.services.investigate import Investigator
from bot.services.investigations import Investigations
from bot.services.policy import AccessFile, load_access
from bot.services.retention import Retention
from bot.services.vault import Vault
from bot.services.watchdog import Watchdog
from bot.settings import Settings, SlackMode
from bot.sources import Configuration, load_configuration
from bot.store import Store
from bot.telemetry import Metrics
from bot.watch import Watch
from bot.worker import Worker
from connectors.model import Clock, SystemClock
from connectors.redaction import set_redaction_key, set_value_keeper

if TYPE_CHECKING:
    from bot.slack.app import SlackFace

log = structlog.get_logger(__name__)

_DISCOVERY_EVERY_S = 300.0


class Part(StrEnum):
    """What one process can do. `serve` does all of it."""

    WEB = "web"
    WORKER = "worker"
    SCHEDULER = "scheduler"


ALL_PARTS = frozenset(Part)


@dataclass
class App:
    """Everything that one process holds, built and wired, not yet running."""

    settings: Settings
    configuration: Configuration
    clock: Clock
    store: Store
    execute: Execute
    catalogue: Catalogue
    investigations: Investigations
    ask: Ask
    worker: Worker
    metrics: Metrics
    reasoner: Reasoner | Metered
    remedies: Remedies
    watch: Watch
    vault: Vault | None = None
    discovered: asyncio.Event = field(default_factory=asyncio.Event)
    _background: list[asyncio.Task[None]] = field(default_factory=list)
    _closers: list[object] = field(default_factory=list)

    @classmethod
    async def create(cls, settings: Settings, environment: Mapping[str, str], *, clock: Clock | None = None) -> App:
        """Read the configuration, open the store, build the connectors. BotErrors say what to mend."""
        clock = clock or SystemClock()
        if settings.redaction_key:
            set_redaction_key(settings.redaction_key.get_secret_value().encode())
        configuration = load_configuration(settings.sources_file, environment, deadline_s=settings.call_deadline_s)
        access = load_access(settings.access_file, environment)
        store = await open_store(settings, clock)
        return cls.wired(settings, configuration, store, clock, access)

    @classmethod
    def wired(
        cls,
        settings: Settings,
        configuration: Configuration,
        store: Store,
        clock: Clock,
        access: AccessFile | None = None,
    ) -> App:
        """The parts over a store that is open already."""
        metrics = Metrics()
        roles = make_roles(settings, access or AccessFile(), configuration.squads, store)
        execute = _execute(settings, configuration, make_gate(store, roles, clock), clock, metrics)
        catalogue = _catalogue(settings, configuration, execute, roles.squads, store)
        reasoner = make_reasoner(settings)
        remedies = make_remedies(store=store, execute=execute, roles=roles, clock=clock, observe=metrics.observe_change)
        investigator = Investigator(
            store=store,
            execute=execute,
            reasoner=reasoner,
            fallback=RulesReasoner(),
            setting=catalogue.setting,
            clock=clock,
            proposer=remedies.proposer,
        )
        investigations = Investigations(store=store, setting=catalogue.setting, clock=clock)
        watch = Watch(
            settings=settings,
            store=store,
            execute=execute,
            catalogue=catalogue,
            investigations=investigations,
            roles=roles,
            clock=clock,
        )
        return cls(
            settings=settings,
            configuration=configuration,
            clock=clock,
            store=store,
            execute=execute,
            catalogue=catalogue,
            ask=_ask(execute, catalogue, store, clock=clock, reasoner=reasoner),
            investigations=investigations,
            worker=Worker(store=store, investigator=investigator, slots=settings.workers),
            metrics=metrics,
            reasoner=reasoner,
            remedies=remedies,
            watch=watch,
            vault=make_vault(settings, roles, store, clock),
        )

    async def start(self, *parts: Part) -> None:
        """Begin the background work of these parts (all when none is named)."""
        wanted = frozenset(parts) or ALL_PARTS
        self._background.append(asyncio.create_task(self._discover_forever(), name="discovery"))
        watchdog = Watchdog(store=self.store, clock=self.clock, name=self.worker.name)
        self._background.append(asyncio.create_task(watchdog.run(), name="watchdog"))
        retention = Retention(
            store=self.store,
            clock=self.clock,
            name=self.worker.name,
            keep_days=self.settings.retention_days,
            workspace=self.settings.workspace,
            key=audit_key(self.settings),
        )
        self._background.append(asyncio.create_task(retention.run(), name="retention"))
        if self.vault is not None:
            set_value_keeper(self.vault.keep)
            self._background.append(asyncio.create_task(self.vault.run(), name="vault"))
        if Part.WORKER in wanted:
            self.worker.start()
            self._background.append(asyncio.create_task(self.remedies.remediation.run(), name="remediation"))
            self._background.append(asyncio.create_task(self.remedies.tickets.run(), name="tickets"))
        if Part.SCHEDULER in wanted:
            self.watch.intake(takes=True)
            await self.watch.start_sweeps()
            if (seals := make_seals(self.settings, self.clock)) is not None:
                self._background.append(asyncio.create_task(seal_forever(seals, self.store), name="seals"))

    async def stop(self) -> None:
        """Stop what runs, hand back what is held, close what is open."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.watch.stop()
        await self.worker.stop()
        await close_reasoner(self.reasoner)
        await self.execute.close()
        if self.vault is not None:
            set_value_keeper(None)
            with contextlib.suppress(BotError):
                await self.vault.flush()
        await self.store.close()

    async def _discover_forever(self) -> None:
        while True:
            await self.catalogue.refresh()
            self.discovered.set()
            await asyncio.sleep(_DISCOVERY_EVERY_S)

    async def role_words(self, principal: Principal) -> str:
        """What a person may do here, in words."""
        if principal.guest:
            return "guest: you can read this channel"
        return await self.remedies.roles.words(principal.id)


def _execute(
    settings: Settings, configuration: Configuration, gate: ApprovalCheck, clock: Clock, metrics: Metrics
) -> Execute:
    return Execute(
        {spec.name: (spec.build(clock), spec.limits) for spec in configuration.sources},
        clock=clock,
        approvals=gate,
        budget=Budget(queries=settings.budget_queries, bytes=settings.budget_bytes, usd=settings.budget_usd),
        observe=metrics.observe_execution,
    )


def _catalogue(
    settings: Settings, configuration: Configuration, execute: Execute, squads: Sequence[Squad], store: Store
) -> Catalogue:
    return Catalogue(
        execute=execute,
        infos=[SourceInfo(s.name, s.type, s.environment, s.squad, s.services) for s in configuration.sources],
        squads=squads,
        environments=configuration.environments,
        default_window_minutes=settings.default_window_minutes,
        memory=store.discovery,
    )


def make_reasoner(settings: Settings) -> Reasoner | Metered:
    """Rules, or Claude in the arm that the settings ask for; its library is loaded at the first turn."""
    arm = settings.effective_reasoner
    if arm is Arm.RULES:
        return RulesReasoner()
    if settings.anthropic_api_key is None:
        raise InvalidConfiguration(f"INQUEST_REASONER is {arm.value}, but ANTHROPIC_API_KEY is not set.")
    from bot.reasoning.claude import ClaudeLimits, ClaudeReasoner
    from bot.reasoning.claude_wire import Endpoint

    endpoint = Endpoint(
        api_key=settings.anthropic_api_key,
        base_url=settings.claude_base_url,
        model=settings.claude_model,
        effort=settings.claude_effort.value,
        caching=settings.claude_caching,
    )
    limits = ClaudeLimits(
        tokens=settings.claude_budget_tokens, turns=settings.claude_budget_turns, seconds=settings.claude_budget_s
    )
    prices, unknown = settings.claude_prices, settings.claude_unknown_price
    return ClaudeReasoner(endpoint, prices=prices, unknown_price=unknown, limits=limits, arm=arm)


def _ask(execute: Execute, catalogue: Catalogue, store: Store, *, clock: Clock, reasoner: Reasoner | Metered) -> Ask:
    history, writer = store.query_history, query_writer(reasoner)
    return Ask(execute=execute, catalogue=catalogue, history=history, clock=clock, writer=writer)


def query_writer(reasoner: Reasoner | Metered) -> QueryWriter | None:
    """Who writes queries that templates cannot; over the connection of the reasoner, so that one thing is closed."""
    if isinstance(reasoner, RulesReasoner):
        return None
    from bot.reasoning.ask.by_model import ClaudeWriter
    from bot.reasoning.claude import ClaudeReasoner

    return ClaudeWriter(reasoner.wire, reasoner.price) if isinstance(reasoner, ClaudeReasoner) else None


async def close_reasoner(reasoner: Reasoner | Metered) -> None:
    """Give back the connection of a reasoner that has one."""
    if isinstance(reasoner, Metered):
        await reasoner.close()


async def open_store(settings: Settings, clock: Clock) -> Store:
    """The store. An embedded SQLite file is laid out on first use; PostgreSQL wants `inquest release`."""
    url = settings.database_url.get_secret_value()
    embedded = url.startswith("sqlite")
    redis_url = _secret(settings.redis_url)
    return await Store.open(url, workspace=settings.workspace, clock=clock, create=embedded, redis_url=redis_url)


async def slack_face(app: App, mode: SlackMode) -> SlackFace:
    """The Slack face over this app's services; not started yet."""
    from bot.slack.app import SlackFace
    from bot.slack.config import Mode, SlackConfig
    from bot.slack.ports import Extras

    settings = app.settings
    config = SlackConfig(
        bot_token=_secret(settings.slack_bot_token),
        mode=Mode.HTTP if mode is SlackMode.HTTP else Mode.SOCKET,
        app_token=_secret(settings.slack_app_token) or None,
        signing_secret=_secret(settings.slack_signing_secret) or None,
        api_base_url=settings.slack_api_url,
    )
    extras = Extras(
        answer=app.ask,
        keep_eval=EvalKeeper(app.store, settings.evals_dir, app.clock).keep if settings.evals_dir else None,
        health=app.catalogue.check,
        role=app.role_words,
        proposals=app.remedies.decisions,
        roles=app.remedies.granting,
        ticket=app.remedies.incidents.want_ticket if app.remedies.tickets.source else None,
        follow_groups=app.remedies.groups.run,
        runbooks=app.remedies.runbook_words,
        sweeps=app.watch.words,
        anomalies=app.watch.anomalies,
        sweep_desk=app.watch.desk,
    )
    face = SlackFace(config, investigations=app.investigations, store=app.store, extras=extras, clock=app.clock)
    app.worker.investigator.wording = face.previews.of
    return face


def _secret(value: SecretStr | None) -> str:
    return value.get_secret_value() if value else ""


def require_slack(settings: Settings) -> SlackMode:
    """The Slack mode, with every token that it needs; InvalidConfiguration names the missing one."""
    mode = settings.effective_slack_mode
    if mode is not SlackMode.OFF and settings.slack_bot_token is None:
        raise InvalidConfiguration(
            "SLACK_BOT_TOKEN is not set. It begins with xoxb- and stands under “OAuth & Permissions”."
        )
    if mode is SlackMode.SOCKET and settings.slack_app_token is None:
        raise InvalidConfiguration("SLACK_APP_TOKEN is not set. Socket Mode needs it; it begins with xapp-.")
    if mode is SlackMode.HTTP and settings.slack_signing_secret is None:
        raise InvalidConfiguration("SLACK_SIGNING_SECRET is not set. Without it anybody could pose as Slack.")
    return mode
