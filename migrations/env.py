"""Run by Alembic with the connection that `bot.store.schema` hands over."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

from bot.store.schema import include_name

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    compare_type=True,
    include_name=include_name,
    render_as_batch=connection.dialect.name == "sqlite",
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
