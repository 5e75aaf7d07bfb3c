"""Positions that ended, what accounts last did, and an index for every list.

What stands in the new tables comes from the journal: the projections are emptied, and made again at the next start.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_positions()
    add_activity()
    op.add_column("orders", sa.Column("is_trigger", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    columns = ["account_id", "updated_ms", "order_id"]
    op.create_index("ix_orders_market", "orders", ["account_id", "market_id", "updated_ms", "order_id"])
    op.create_index(
        "ix_orders_ended",
        "orders",
        ["account_id", "status", "updated_ms", "order_id"],
        postgresql_where=sa.text("status IN (1, 2)"),
    )
    op.create_index("ix_orders_filled", "orders", columns, postgresql_where=sa.text("filled > 0"))
    op.create_index("ix_orders_triggers", "orders", columns, postgresql_where=sa.text("is_trigger"))
    op.create_index("ix_fills_market", "fills", ["account_id", "market_id", "time_ms", "seq", "index", "is_maker"])
    op.create_index(
        "ix_ledger_entries_transfers",
        "ledger_entries",
        ["account_id", "asset_id", "time_ms"],
        postgresql_where=sa.text("cause IN (5, 6)"),
    )
    op.execute(
        "TRUNCATE orders, trades, fills, ledger_entries, candles, funding_settlements, funding_payments, liquidations,"
        " deposits, withdrawals"
    )
    op.execute("UPDATE projector SET seq = 0, time_ms = 0")


def add_positions() -> None:
    op.create_table(
        "held_positions",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("market_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("qty", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_notional", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("entry_qty", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_value", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("exit_value", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("pnl", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("funding", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("fees", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "market_id", name=op.f("pk_held_positions")),
    )
    op.create_table(
        "closed_positions",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("time_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("market_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sign", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("qty", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_value", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("exit_value", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("pnl", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("funding", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("fees", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ending", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("account_id", "time_ms", "seq", "index", name=op.f("pk_closed_positions")),
    )
    op.create_index(
        "ix_closed_positions_market", "closed_positions", ["account_id", "market_id", "time_ms", "seq", "index"]
    )


def add_activity() -> None:
    names = ("opened_ms", "order_ms", "trade_ms", "cancellation_ms", "deposit_ms", "withdrawal_ms")
    op.create_table(
        "account_activity",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        *[sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False) for name in names],
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_account_activity")),
    )


def downgrade() -> None:
    op.drop_index("ix_ledger_entries_transfers", table_name="ledger_entries")
    op.drop_index("ix_fills_market", table_name="fills")
    for name in ("ix_orders_triggers", "ix_orders_filled", "ix_orders_ended", "ix_orders_market"):
        op.drop_index(name, table_name="orders")
    op.drop_column("orders", "is_trigger")
    op.drop_table("account_activity")
    op.drop_table("closed_positions")
    op.drop_table("held_positions")
