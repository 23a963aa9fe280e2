"""When Slack's methods were called, by all processes together."""

from __future__ import annotations

from alembic import op

from migrations.shapes import floats, key, texts

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "turns",
        *texts("workspace", "bucket", "taken"),
        *floats("closed_until"),
        key("workspace", "bucket"),
    )


def downgrade() -> None:
    op.drop_table("turns")
