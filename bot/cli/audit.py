"""`inquest audit verify | seal | export | archive | unmask`: the event log, proved and handed over."""

from __future__ import annotations

import contextlib
import os
import pwd
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from bot.app import open_store
from bot.domain.access import Principal, PrincipalKind
from bot.errors import InvalidConfiguration, InvalidRequest
from bot.remedies import make_roles, make_seals, make_vault
from bot.services import audit
from bot.services.policy import load_access
from bot.services.vault import Unmasking
from bot.settings import Settings
from bot.sources import load_configuration
from bot.store import BrokenLink, Store
from connectors.model import SystemClock

FORMATS = ("jsonl", "csv")


async def verify(settings: Settings, *, export: Path | None = None) -> int:
    """Check all hash chains, and the seals where there are any; exit status 1 when something is broken."""
    if export is not None:
        return _verify_export(export)
    async with _opened(settings) as store:
        broken = await store.broken_links()
        sealed = settings.audit_key is not None
        if sealed:
            broken += await _seals(settings).broken_links(store)
    for link in broken:
        _print(link)
    if not broken:
        print("Every chain of the event log is intact.")
        print("Its ends are those that were sealed." if sealed else _UNSEALED)
    return 1 if broken else 0


_UNSEALED = "There are no seals: that nothing was cut off at an end is not proved. Set INQUEST_AUDIT_KEY."


def _verify_export(path: Path) -> int:
    with path.open(encoding="utf-8") as file:
        broken = audit.broken_line(file)
    if broken is not None:
        _print(broken)
        return 1
    print("Every line follows from the one before in its stream.")
    return 0


def _print(link: BrokenLink) -> None:
    print(f"BROKEN  {link.stream} at event {link.seq}: {link.why}")


async def seal(settings: Settings) -> None:
    """Sign the ends of all chains, into the file of seals."""
    async with _opened(settings) as store:
        count = await _seals(settings).add(store)
    print(f"Sealed {count} chains." if count else "Nothing grew since the last seal.")


async def export(
    settings: Settings, *, kind: str, stream: str | None, since: datetime | None, out: Path | None
) -> None:
    """Every event, as JSON lines or CSV, to a file or to standard output."""
    if kind not in FORMATS:
        raise InvalidRequest(f"There is no format {kind!r}. Known: {', '.join(FORMATS)}.")
    if since is not None and since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    count = 0
    with _file(out) as file:
        if kind == "csv":
            audit.write_header(file)
        async with _opened(settings) as store:
            async for event in audit.all_events(store, stream=stream, since=since):
                count += 1
                if kind == "csv":
                    audit.write_row(file, event)
                else:
                    file.write(audit.as_line(event) + "\n")
    print(f"{count} events.", file=sys.stderr)


async def archive(settings: Settings, *, days: int, out: Path) -> None:
    """Move the events of old investigations and proposals into a file; their chains stay provable."""
    clock, count = SystemClock(), 0
    async with _opened(settings) as store:
        for prefix in ("investigation/", "proposal/"):
            count += await audit.archive(store, out, prefix=prefix, older=timedelta(days=days), clock=clock)
    print(f"Archived {count} streams in {out}.")


def operator() -> Principal:
    """Whoever runs this command, by the system's account and not by what the environment says."""
    return Principal(kind=PrincipalKind.PERSON, id=f"cli:{pwd.getpwuid(os.getuid()).pw_name}")


async def unmask(settings: Settings, placeholder: str, *, reason: str) -> None:
    """Print what stood behind a placeholder, for those who may; the try is recorded."""
    environment, clock = dict(os.environ), SystemClock()
    async with _opened(settings) as store:
        configuration = load_configuration(settings.sources_file, environment, deadline_s=settings.call_deadline_s)
        access = load_access(settings.access_file, environment)
        roles = make_roles(settings, access, configuration.squads, store)
        vault = make_vault(settings, roles, store, clock)
        if vault is None:
            raise InvalidConfiguration(
                "Nothing can be read back: set INQUEST_VAULT_KEY and name kinds under policy.reversible."
            )
        found = await Unmasking(store=store, vault=vault, roles=roles, clock=clock).values(
            placeholder, reason=reason, by=operator()
        )
    for value in found:
        print(value)
    if not found:
        print("Nothing is kept behind this placeholder, or it was sealed with another key.", file=sys.stderr)


@contextlib.contextmanager
def _file(out: Path | None) -> Iterator[IO[str]]:
    if out is None:
        yield sys.stdout
        return
    with out.open("w", encoding="utf-8", newline="") as file:
        yield file


@contextlib.asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Store]:
    store = await open_store(settings, SystemClock())
    try:
        yield store
    finally:
        await store.close()


def _seals(settings: Settings) -> audit.Seals:
    seals = make_seals(settings, SystemClock())
    if seals is None:
        raise InvalidConfiguration("INQUEST_AUDIT_KEY is not set. Without a key of its own nothing can be sealed.")
    return seals
