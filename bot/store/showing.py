"""What has to be shown, what was posted where, and who shows it."""

from __future__ import annotations

from bot.store import outbox
from bot.store.core import Core
from bot.store.model import Outgoing, Posted
from bot.store.signals import wait_for

_OUTBOX = "outbox"


class Showing(Core):
    """The outbox and its duties."""

    async def outgoing(self, *, limit: int = 100) -> list[Outgoing]:
        """The streams that have got further than what was shown of them, longest waiting first."""
        self._signals.outgoing.clear()
        return await self._ask(lambda c: outbox.waiting(c, self._workspace, limit=limit))

    async def mark_published(self, stream: str, seq: int) -> None:
        """The stream was shown up to `seq`."""
        await self._again(lambda c: outbox.mark_published(c, self._workspace, stream, seq))

    async def wait_for_outgoing(self, timeout_s: float) -> None:
        """Return when something may have to be shown, at the latest after `timeout_s`."""
        await wait_for(self._signals.outgoing, timeout_s)

    async def hold_outbox(self, *, worker: str, lease_s: float = 5.0) -> bool:
        """True when this worker publishes for the next `lease_s`; ask again before they are over."""
        return await self.hold(_OUTBOX, worker=worker, lease_s=lease_s)

    async def hold(self, name: str, *, worker: str, lease_s: float = 5.0) -> bool:
        """The same for any duty that one process has at a time, such as the schedule."""
        duty = outbox.Duty(self._workspace, name, worker, self._backend.holder, lease_s)
        return await self._again(lambda c: outbox.hold(c, duty, self._clock.now()))

    async def drop(self, name: str, *, worker: str) -> None:
        """Let another have the duty at once."""
        duty = outbox.Duty(self._workspace, name, worker, self._backend.holder, 0.0)
        await self._again(lambda c: outbox.drop(c, duty))

    async def posted(self, stream: str) -> list[Posted]:
        """What of the stream was posted where."""
        return await self._ask(lambda c: outbox.posted(c, self._workspace, [stream]))

    async def keep_posted(self, posted: Posted) -> None:
        """Remember a message, or what it shows now."""
        await self._again(lambda c: outbox.keep_posted(c, self._workspace, posted, self._clock.now()))
