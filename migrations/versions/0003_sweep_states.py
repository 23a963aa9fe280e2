"""What sweeps have learned, kept over restarts."""

from __future__ import annotations

from alembic import op

from migrations.shapes import blobs, instants, integers, key, texts

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sweep_states",
        *texts("workspace", "sweep"),
        *integers("part"),
        *instants("kept_at"),
        *blobs("document"),
        key("workspace", "sweep", "part"),
    )


def downgrade() -> None:
    op.drop_table("sweep_states")
