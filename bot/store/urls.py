"""Database addresses: which driver speaks to them, and how they are shown without their password."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from bot.errors import InvalidConfiguration

_EXAMPLES = "sqlite:///inquest.db or postgresql://user@host/database"


def parse_url(url: str) -> URL:
    """The address as SQLAlchemy knows it, with our driver. InvalidConfiguration for anything but the two stores."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise InvalidConfiguration(f"The database address cannot be read; it looks like {_EXAMPLES}.") from error
    family = parsed.get_backend_name()
    if family == "sqlite":
        if not parsed.database or parsed.database == ":memory:" or "mode=memory" in str(parsed.query):
            raise InvalidConfiguration("An SQLite store needs a file, such as sqlite:///inquest.db.")
        return parsed.set(drivername="sqlite")
    if family in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+asyncpg")
    raise InvalidConfiguration(f"A {family} database cannot be the store; use {_EXAMPLES}.")


def is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def sqlite_path(url: URL) -> Path:
    return Path(url.database or "")


def shown(url: URL) -> str:
    """The address for people: no password, no driver."""
    bare = url.set(drivername=url.get_backend_name(), query={})
    return bare.render_as_string(hide_password=True)
