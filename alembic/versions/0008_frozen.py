"""Users who are frozen: since when, until an operator lifts it."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("frozen_ms", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("users", "frozen_ms")
