"""Forgets investigations that are older than the installation wants to keep, and vouches for what it forgot."""

from __future__ import annotations

from datetime import timedelta

import structlog

from bot.services import forgotten
from bot.services.duty import keep_duty
from bot.store import Store
from connectors.model import Clock

log = structlog.get_logger(__name__)

_EVERY_S = 3_600.0
_BATCH = 50


class Retention:
    """One process at a time has this duty. `keep_days` 0: everything is kept. `key`: that of the seals."""

    def __init__(
        self, *, store: Store, clock: Clock, name: str, keep_days: int, workspace: str, key: bytes | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._name = name
        self._keep_days = keep_days
        self._workspace = workspace
        self._key = key

    async def run(self) -> None:
        """Look every hour, until cancelled."""
        if self._keep_days:
            await keep_duty(
                "retention", self.forget, store=self._store, worker=self._name, every_s=_EVERY_S, lease_s=2 * _EVERY_S
            )

    async def forget(self) -> int:
        """Forget what is too old, a few at a time; how many investigations went."""
        before, gone = self._clock.now() - timedelta(days=self._keep_days), 0
        while ends := await self._store.forgettable(before, limit=_BATCH):
            now = self._clock.now()
            await forgotten.vouch(self._store, ends, workspace=self._workspace, at=now, key=self._key)
            count = await self._store.forget(ends)
            gone += count
            if not count:
                break  # all of them changed in between
        await self._store.forget_deliveries(before)
        await self._store.masked.forget(before)
        if gone:
            log.info("retention.forgot", investigations=gone, older_than_days=self._keep_days)
        return gone
