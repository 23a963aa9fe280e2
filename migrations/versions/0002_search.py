"""What past investigations said, findable by words."""

from __future__ import annotations

from alembic import op

from migrations.shapes import instants, integers, key, texts

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "search_documents",
        *texts("workspace", "id", "title", "body", "signature"),
        *integers("seq"),
        *instants("updated_at"),
        key("workspace", "id"),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE search_words USING fts5("
            "workspace UNINDEXED, id UNINDEXED, title, body, tokenize = 'porter unicode61')"
        )
    else:
        op.execute(
            "CREATE INDEX ix_search_documents_fulltext ON search_documents "
            "USING gin (to_tsvector('english', title || ' ' || body))"
        )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE search_words")
    op.drop_table("search_documents")
