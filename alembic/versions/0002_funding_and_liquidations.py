"""History of funding and liquidations; which orders are the exchange's own."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("orders", sa.Column("is_liquidation", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_table(
        "funding_settlements",
        sa.Column("market_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("time_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rate_e12", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("lot_e12", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("mark_price", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("collected", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("paid", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("gift", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("residue", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.PrimaryKeyConstraint("market_id", "time_ms", "seq", "index", name=op.f("pk_funding_settlements")),
    )
    op.create_table(
        "funding_payments",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("time_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("market_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("amount", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("from_margin", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "time_ms", "seq", "index", name=op.f("pk_funding_payments")),
    )
    op.create_table(
        "liquidations",
        sa.Column("time_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("step", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("market_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("counterparty_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("qty", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("price", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("trade_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("time_ms", "seq", "index", name=op.f("pk_liquidations")),
    )
    op.create_index("ix_liquidations_market_id_time_ms", "liquidations", ["market_id", "time_ms"])
    op.create_index("ix_liquidations_account_id_time_ms", "liquidations", ["account_id", "time_ms"])


def downgrade() -> None:
    op.drop_index("ix_liquidations_account_id_time_ms", table_name="liquidations")
    op.drop_index("ix_liquidations_market_id_time_ms", table_name="liquidations")
    op.drop_table("liquidations")
    op.drop_table("funding_payments")
    op.drop_table("funding_settlements")
    op.drop_column("orders", "is_liquidation")
