"""The Slack face: Bolt's AsyncApp with our own receiver in front and our own publisher behind it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult

from bot.errors import InvalidConfiguration
from bot.slack.answers import Answers
from bot.slack.config import Mode, SlackConfig
from bot.slack.listeners.desk import Desk
from bot.slack.listeners.register import register
from bot.slack.people import People
from bot.slack.ports import Extras, InvestigationVerbs, PublishingStore
from bot.slack.publisher.limiter import Limiter
from bot.slack.publisher.preview import Previews
from bot.slack.publisher.publisher import Publisher
from bot.slack.publisher.shared import SharedTurns
from bot.slack.receiver.dispatch import Receiver
from bot.slack.receiver.http import HttpAnswer, HttpReceiver, RawHeaders
from bot.slack.receiver.socket_mode import SocketReceiver
from bot.slack.web import SlackRefused, SlackUnreachable, SlackWeb
from connectors.model import Clock, SystemClock

log = logging.getLogger(__name__)
WHO_AM_I_EVERY_S = 10.0


class SlackFace:
    """Takes deliveries and publishes. `start`, then either Socket Mode runs or `handle_http` is mounted; `stop`.

    InvalidConfiguration when a token or the signing secret that the mode needs is missing.
    """

    def __init__(
        self,
        config: SlackConfig,
        *,
        investigations: InvestigationVerbs,
        store: PublishingStore,
        extras: Extras | None = None,
        clock: Clock | None = None,
    ) -> None:
        _check(config)
        self._config = config
        extras = extras or Extras()
        limiter = Limiter(scale=1 / config.slack_pace, shared=SharedTurns(store.turns))
        self.web = SlackWeb(token=config.bot_token, base_url=config.api_base_url, limiter=limiter)
        self._follow_groups = extras.follow_groups
        people, self._answers = People(self.web), Answers(self.web)
        self._people = people
        self._desk = Desk(investigations, extras, self._answers, people, config)
        self.bolt = build_app(config, self._desk)
        self._receiver = Receiver(self.bolt, max_in_flight=config.max_in_flight)
        self.publisher = Publisher(store=store, web=self.web, people=people, config=config, extras=extras)
        self.publisher.anomalies.verbs, self.publisher.anomalies.clock = extras.anomalies, clock or SystemClock()
        self.previews = Previews(store=store, web=self.web, team=lambda: people.team, every_s=config.card_interval_s)
        self._http = _http(config, self._receiver, clock or SystemClock())
        self._socket: SocketReceiver | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to take deliveries and to publish. An unreachable Slack is waited for in the background."""
        self._tasks.append(asyncio.create_task(self._who_am_i(), name="slack identity"))
        if self._follow_groups is not None:
            following = self._follow_groups(self._people.of_group)
            self._tasks.append(asyncio.ensure_future(following))
        if self._config.publish:
            self._tasks.append(asyncio.create_task(self.publisher.run(), name="slack publisher"))
        if self._config.mode is Mode.SOCKET:
            assert self._config.app_token is not None, "checked when the face was made"
            self._socket = SocketReceiver(
                self._receiver,
                app_token=self._config.app_token,
                api_base_url=self._config.api_base_url,
                connections=self._config.sockets,
            )
            if not await self._socket.start(wait_s=5.0):
                log.warning("socket mode is not connected yet; trying on")

    async def stop(self) -> None:
        """Answer what was taken, then let go of everything. What is not published yet is in the store."""
        if self._socket is not None:
            await self._socket.close()
        await self._receiver.drain(2.0)
        await self._answers.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.previews.stop()
        await self.web.close()

    async def handle_http(self, headers: RawHeaders, raw_body: bytes) -> HttpAnswer:
        """Status, headers and body for one POST of Slack; 404 when this face runs in Socket Mode."""
        if self._http is None:
            return 404, {"content-type": "text/plain"}, b"not in HTTP mode"
        return await self._http.handle(headers, raw_body)

    @property
    def takes_http(self) -> bool:
        """Whether `handle_http` should be mounted."""
        return self._http is not None

    @property
    def connected(self) -> bool:
        """Whether deliveries can reach us, as far as we know."""
        return self._socket.live > 0 if self._socket is not None else self._http is not None

    async def _who_am_i(self) -> None:
        """Learn our own id and team; without them mentions are still understood from each delivery."""
        while True:
            with contextlib.suppress(SlackRefused, SlackUnreachable):
                answer = await self.web.call("auth.test", {})
                self._desk.bot_user_id, self._people.team = (
                    str(answer.get("user_id", "")),
                    str(answer.get("team_id", "")),
                )
                return
            log.warning("slack does not say who we are yet")
            await asyncio.sleep(WHO_AM_I_EVERY_S)


def _check(config: SlackConfig) -> None:
    if not config.bot_token:
        raise InvalidConfiguration("Slack needs a bot token: set SLACK_BOT_TOKEN.")
    if config.mode is Mode.HTTP and not config.signing_secret:
        raise InvalidConfiguration("Slack over HTTP needs the signing secret: set SLACK_SIGNING_SECRET.")
    if config.mode is Mode.SOCKET and not config.app_token:
        raise InvalidConfiguration("Slack over Socket Mode needs an app-level token: set SLACK_APP_TOKEN.")


def _http(config: SlackConfig, receiver: Receiver, clock: Clock) -> HttpReceiver | None:
    if config.mode is not Mode.HTTP or not config.signing_secret:
        return None
    return HttpReceiver(receiver, signing_secret=config.signing_secret, clock=clock)


def build_app(config: SlackConfig, desk: Desk) -> AsyncApp:
    """Bolt with listeners run before the answer, so that an acknowledgement means it is stored."""

    async def authorize(enterprise_id: str | None, team_id: str | None, context: Any) -> AuthorizeResult:
        return AuthorizeResult(
            enterprise_id=enterprise_id,
            team_id=team_id,
            bot_user_id=desk.bot_user_id or None,
            bot_token=config.bot_token,
        )

    app = AsyncApp(
        signing_secret=config.signing_secret or "unused in socket mode",
        authorize=authorize,
        process_before_response=True,
        attaching_conversation_kwargs_enabled=False,
        request_verification_enabled=config.mode is Mode.HTTP,
    )
    register(app, desk)
    return app
