"""The schema: bring it up to date, compare it with the tables, take it back, refuse one that does not fit.

Works from an installed package: the migration scripts are found as package files, no configuration file is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib import resources
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import URL, Connection, create_engine, inspect, text
from sqlalchemy.pool import NullPool
from sqlmodel import SQLModel

from bot.errors import SchemaOutdated
from bot.store import tables, tables_around, tables_masked, tables_search, tables_sweeps, tables_turns
from bot.store.backend import DRIVER_ERRORS, is_trouble, told
from bot.store.columns import Row
from bot.store.urls import is_sqlite, parse_url, sqlite_path

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0006"
REVISIONS: tuple[str, ...] = ("0001", "0002", "0003", "0004", "0005", "0006")
TABLE_NAMES = frozenset(
    table.__tablename__
    for module in (tables, tables_around, tables_masked, tables_search, tables_sweeps, tables_turns)
    for table in vars(module).values()
    if isinstance(table, type) and issubclass(table, Row) and table is not Row
)

T = TypeVar("T")
_UPGRADE_LOCK = 7_310_921_554


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database to a revision. Safe to run twice, and by two at once."""

    def run(connection: Connection) -> None:
        from alembic import command

        _one_at_a_time(connection)
        command.upgrade(_config(connection), revision)

    _with_connection(url, run)


def downgrade(url: str, revision: str) -> None:
    """Take the database back to a revision; `base` removes everything."""

    def run(connection: Connection) -> None:
        from alembic import command

        _one_at_a_time(connection)
        command.downgrade(_config(connection), revision)

    _with_connection(url, run)


def check(url: str) -> list[str]:
    """How the database differs from the tables of this version, one sentence a difference; empty when it does not."""

    def run(connection: Connection) -> list[str]:
        from alembic.autogenerate import compare_metadata
        from alembic.migration import MigrationContext

        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": include_name})
        differences = compare_metadata(context, SQLModel.metadata)
        return [_difference(difference) for difference in differences]

    return _with_connection(url, run)


def current(url: str) -> str | None:
    """The revision the database is at; None when it is empty."""
    return _with_connection(url, current_revision)


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Alembic looks at our own tables only, and not at full-text indexes, which one database has and one has not."""
    if kind == "index" and name is not None and name.endswith("_fulltext"):
        return False
    return kind != "table" or name in TABLE_NAMES


def current_revision(connection: Connection) -> str | None:
    """The revision recorded in the database; None when none is."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def require_current(revision: str | None) -> None:
    """SchemaOutdated, with what to do, unless the revision is the one this version needs."""
    if revision == HEAD:
        return
    if revision is None:
        raise SchemaOutdated("The database has no Inquest tables yet. Run `inquest release`, then start again.")
    if revision in REVISIONS:
        raise SchemaOutdated(
            f"The database is at schema {revision}, this version needs {HEAD}. Run `inquest release`, then start again."
        )
    raise SchemaOutdated(
        f"The database is at schema {revision}, which is newer than this version knows ({HEAD}). "
        "Start the newer version, or go back with its `inquest release`."
    )


def _config(connection: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(resources.files("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _one_at_a_time(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})


def _difference(difference: Any) -> str:
    if isinstance(difference, list):
        return "; ".join(_difference(one) for one in difference)
    return " ".join(str(part) for part in difference if part is not None)


def _with_connection(url: str, run: Callable[[Connection], T]) -> T:
    parsed = parse_url(url)
    return _with_sqlite(parsed, run) if is_sqlite(parsed) else asyncio.run(_with_postgres(parsed, run))


def _with_sqlite(url: URL, run: Callable[[Connection], T]) -> T:
    sqlite_path(url).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            # pysqlite commits around every CREATE TABLE; one explicit transaction is one wait for the disk, and all
            # of the schema or none of it.
            raw = connection.connection.dbapi_connection
            assert raw is not None, "a live connection has its driver's connection"
            raw.isolation_level = None
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            result = run(connection)
            connection.commit()
            return result
    finally:
        engine.dispose()


async def _with_postgres(url: URL, run: Callable[[Connection], T]) -> T:
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(run)
    except DRIVER_ERRORS as error:
        if is_trouble(error):
            raise told(error) from error
        raise
    finally:
        await engine.dispose()
