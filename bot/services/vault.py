"""Masked values that may be read back: sealed, kept apart from what they were masked in, opened for few and recorded.

Only kinds that the policy names are kept, and only where INQUEST_VAULT_KEY is set. What a reader sees is the
placeholder as everywhere; the store alone cannot open anything.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import threading
from collections.abc import Collection

import structlog

from bot.domain.access import Principal
from bot.domain.events import EventKind, NewEvent
from bot.errors import BotError, InvalidConfiguration, InvalidRequest, NotAllowed
from bot.services.appending import append_at_end
from bot.services.policy import Roles
from bot.store import Store
from bot.store.masked import SealedValue
from connectors.model import Clock, JsonObject
from connectors.redaction import KINDS, is_placeholder

log = structlog.get_logger(__name__)

STREAM = "vault"
_MOST_WAITING = 10_000
_MOST_KNOWN = 100_000
_LONGEST_VALUE = 4_000
_LONGEST_REASON = 500
_NONCE_BYTES = 12


class Vault:
    """Takes values from any thread and writes them sealed, a few at a time."""

    def __init__(self, *, store: Store, key: bytes, kinds: Collection[str], workspace: str, clock: Clock) -> None:
        unknown = sorted(set(kinds) - KINDS)
        if unknown:
            raise InvalidConfiguration(
                f"policy.reversible: there is no kind {unknown[0]!r}. Known: {', '.join(sorted(KINDS))}."
            )
        self._store = store
        self._kinds = frozenset(kinds)
        self._workspace = workspace
        self._clock = clock
        self._key = hashlib.blake2b(key, digest_size=32, person=b"inquest vault").digest()
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, str], str] = {}
        self._known: set[tuple[str, str]] = set()

    def keep(self, placeholder: str, kind: str, value: str) -> None:
        """Remember a value until the next `flush`. Never waits; what is too much is left out."""
        if kind not in self._kinds or len(value) > _LONGEST_VALUE:
            return
        name = (placeholder, self._fingerprint(value))
        with self._lock:
            if name not in self._known and len(self._waiting) < _MOST_WAITING:
                self._waiting[name] = value

    async def flush(self) -> int:
        """Write what waits; how many values."""
        with self._lock:
            taken, self._waiting = self._waiting, {}
        now = self._clock.now()
        sealed = [
            SealedValue(placeholder=name[0], fingerprint=name[1], sealed=self._seal(name[0], value), kept_at=now)
            for name, value in taken.items()
        ]
        try:
            await self._store.masked.keep(sealed)
        except BotError:
            with self._lock:
                self._waiting = {**taken, **self._waiting}
            raise
        with self._lock:
            if len(self._known) > _MOST_KNOWN:
                self._known.clear()
            self._known.update(taken)
        return len(sealed)

    async def run(self, *, every_s: float = 2.0) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await self.flush()
            except BotError as error:
                log.warning("vault.not_kept", reason=str(error))

    async def values(self, placeholder: str) -> list[str]:
        """The values behind a placeholder, oldest first; those sealed with another key are left out."""
        opened = [self._open(one) for one in await self._store.masked.behind(placeholder)]
        return [value for value in opened if value is not None]

    def _fingerprint(self, value: str) -> str:
        return hashlib.blake2b(value.encode("utf-8", "surrogatepass"), key=self._key, digest_size=16).hexdigest()

    def _seal(self, placeholder: str, value: str) -> bytes:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self._key).encrypt(
            nonce, value.encode("utf-8", "surrogatepass"), self._bound(placeholder)
        )

    def _open(self, one: SealedValue) -> str | None:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce, body = one.sealed[:_NONCE_BYTES], one.sealed[_NONCE_BYTES:]
        try:
            plain = AESGCM(self._key).decrypt(nonce, body, self._bound(one.placeholder))
        except (InvalidTag, ValueError):
            return None
        return plain.decode("utf-8", "surrogatepass")

    def _bound(self, placeholder: str) -> bytes:
        """A sealed value opens only in its own row of its own workspace."""
        return f"{self._workspace}\n{placeholder}".encode()


class Unmasking:
    """Reads a masked value back for those whom the policy lets; every try is in the log, the value is not."""

    def __init__(self, *, store: Store, vault: Vault, roles: Roles, clock: Clock) -> None:
        self._store = store
        self._vault = vault
        self._roles = roles
        self._clock = clock

    async def values(self, placeholder: str, *, reason: str, by: Principal) -> list[str]:
        """What stood there. NotAllowed, InvalidRequest; recorded before anything is given."""
        words = " ".join(reason.split())[:_LONGEST_REASON]
        if not is_placeholder(placeholder):
            raise InvalidRequest("That is no placeholder. They look like [personal:email:0a1b2c].")
        if not words:
            raise InvalidRequest("Say why, for the log.")
        needed = self._roles.policy.unmask
        around = await self._roles.surroundings()
        if by.guest or not around.authority_of(by.id).reaches(needed, None):
            here = around.authority_of(by.id).words(None)
            said = f"This needs the role {needed.value} everywhere; you ({by.id}) are {here}."
            await self._write(EventKind.REFUSED, by, {"what": "unmask", "placeholder": placeholder, "reason": said})
            raise NotAllowed(said)
        found = await self._vault.values(placeholder)
        payload: JsonObject = {"placeholder": placeholder, "reason": words, "values": len(found)}
        await self._write(EventKind.VALUE_UNMASKED, by, payload)
        return found

    async def _write(self, kind: EventKind, by: Principal, payload: JsonObject) -> None:
        event = NewEvent(kind=kind, actor=by.actor, at=self._clock.now(), payload=payload)
        await append_at_end(self._store, STREAM, [event])
