"""The first tables: identity, journal, snapshots, projections."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "candles",
        sa.Column("basis", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("subject_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("interval_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("open_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("open", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("high", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("low", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("close", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("volume", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("turnover", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("trades", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("basis", "subject_id", "interval_ms", "open_ms", name=op.f("pk_candles")),
    )
    op.create_table(
        "fills",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("time_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("is_maker", sa.Boolean(), autoincrement=False, nullable=False),
        sa.Column("market_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("order_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("trade_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sign", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("price", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("qty", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("fee", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("pnl", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("is_liquidation", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "time_ms", "seq", "index", "is_maker", name=op.f("pk_fills")),
    )
    op.create_index("ix_fills_order_id", "fills", ["order_id"], unique=False)
    op.create_table(
        "journal",
        sa.Column("first_seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("records", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("skipped_seq", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("first_seq", name=op.f("pk_journal")),
    )
    op.create_index(
        "ix_journal_skipped_seq",
        "journal",
        ["skipped_seq"],
        unique=False,
        postgresql_where=sa.text("skipped_seq IS NOT NULL"),
    )
    op.create_table(
        "ledger_entries",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("time_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("asset_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("amount", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("balance", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("cause", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("market_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("order_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("trade_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "time_ms", "seq", "index", name=op.f("pk_ledger_entries")),
    )
    op.create_table(
        "orders",
        sa.Column("order_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("market_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("side", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("status", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("price", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("qty", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("leaves", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("filled", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("trigger_price", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("cancel_reason", sa.SmallInteger(), nullable=True),
        sa.Column("reject", sa.Text(), nullable=True),
        sa.Column("client_order_id", sa.Text(), nullable=False),
        sa.Column("request", sa.LargeBinary(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("updated_seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_orders")),
    )
    op.create_index("ix_orders_account_id_updated_ms", "orders", ["account_id", "updated_ms", "order_id"], unique=False)
    op.create_index(
        "ix_orders_client_order_id",
        "orders",
        ["account_id", "client_order_id"],
        unique=False,
        postgresql_where=sa.text("client_order_id <> ''"),
    )
    op.create_index(
        "ix_orders_open", "orders", ["order_id"], unique=False, postgresql_where=sa.text("status IN (0, 3)")
    )
    op.create_table(
        "projector",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("time_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_projector")),
    )
    op.create_table(
        "snapshots",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("format", sa.Integer(), nullable=False),
        sa.Column("code_version", sa.Text(), nullable=False),
        sa.Column("rules_version", sa.Integer(), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state_hash", sa.LargeBinary(), nullable=False),
        sa.Column("journal_hash", sa.LargeBinary(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_snapshots")),
    )
    op.create_table(
        "trades",
        sa.Column("market_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("time_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("trade_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("price", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("qty", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("taker_sign", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("is_liquidation", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("market_id", "time_ms", "seq", "index", name=op.f("pk_trades")),
    )
    op.create_table(
        "users",
        sa.Column("owner_id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_users")),
        sa.UniqueConstraint("customer_id", name=op.f("uq_users_customer_id")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
    )
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("networks", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=True),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["owner_id"], ["users.owner_id"], name=op.f("fk_api_keys_owner_id")),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_api_keys")),
    )
    op.create_index(op.f("ix_api_keys_owner_id"), "api_keys", ["owner_id"], unique=False)
    op.create_table(
        "snapshot_chunks",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["seq"], ["snapshots.seq"], name=op.f("fk_snapshot_chunks_seq"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("seq", "index", name=op.f("pk_snapshot_chunks")),
    )
    # Records are msgpack and snapshots are hashed bytes: no time is spent on squeezing them.
    op.execute("ALTER TABLE journal ALTER COLUMN records SET STORAGE EXTERNAL")
    op.execute("ALTER TABLE snapshot_chunks ALTER COLUMN body SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.drop_table("snapshot_chunks")
    op.drop_index(op.f("ix_api_keys_owner_id"), table_name="api_keys")
    op.drop_table("api_keys")
    op.drop_table("users")
    op.drop_table("trades")
    op.drop_table("snapshots")
    op.drop_table("projector")
    op.drop_index("ix_orders_open", table_name="orders", postgresql_where=sa.text("status IN (0, 3)"))
    op.drop_index("ix_orders_client_order_id", table_name="orders", postgresql_where=sa.text("client_order_id <> ''"))
    op.drop_index("ix_orders_account_id_updated_ms", table_name="orders")
    op.drop_table("orders")
    op.drop_table("ledger_entries")
    op.drop_index("ix_journal_skipped_seq", table_name="journal", postgresql_where=sa.text("skipped_seq IS NOT NULL"))
    op.drop_table("journal")
    op.drop_index("ix_fills_order_id", table_name="fills")
    op.drop_table("fills")
    op.drop_table("candles")
