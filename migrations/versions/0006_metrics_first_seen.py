"""When a metric was first seen."""

from __future__ import annotations

from alembic import op

from migrations.shapes import instants

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("metrics", *instants("first_seen_at", null=True))


def downgrade() -> None:
    with op.batch_alter_table("metrics") as metrics:
        metrics.drop_column("first_seen_at")
