"""Masked values that policy lets be read back, sealed."""

from __future__ import annotations

from alembic import op

from migrations.shapes import blobs, instants, key, texts

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "masked_values",
        *texts("workspace", "placeholder", "fingerprint"),
        *blobs("sealed"),
        *instants("kept_at"),
        key("workspace", "placeholder", "fingerprint"),
    )


def downgrade() -> None:
    op.drop_table("masked_values")
