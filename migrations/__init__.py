"""Alembic migrations, for SQLite and PostgreSQL; `bot.store.schema` runs them."""
