"""Deposits and withdrawals, the custody's incidents and cursor, and the simulated chain."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_projections()
    add_custody()
    add_chain()


def add_projections() -> None:
    op.create_table(
        "deposits",
        sa.Column("deposit_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("asset_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("amount", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("fee", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("transaction", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("status", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("updated_seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("deposit_id", name=op.f("pk_deposits")),
    )
    op.create_index("ix_deposits_account_id_created_ms", "deposits", ["account_id", "created_ms", "deposit_id"])
    op.create_index("ix_deposits_open", "deposits", ["deposit_id"], postgresql_where=sa.text("status <> 1"))
    op.create_table(
        "withdrawals",
        sa.Column("withdrawal_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("asset_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("amount", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("fee", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("status", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("transaction", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("updated_seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("withdrawal_id", name=op.f("pk_withdrawals")),
    )
    op.create_index(
        "ix_withdrawals_account_id_created_ms", "withdrawals", ["account_id", "created_ms", "withdrawal_id"]
    )
    op.create_index(
        "ix_withdrawals_open",
        "withdrawals",
        ["withdrawal_id"],
        postgresql_where=sa.text("status IN (0, 1, 3, 4, 6)"),
    )


def add_custody() -> None:
    op.create_table(
        "custody_incidents",
        sa.Column("incident_id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("custody", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("resolved_ms", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("incident_id", name=op.f("pk_custody_incidents")),
    )
    op.create_index("uq_custody_incidents_subject", "custody_incidents", ["custody", "kind", "subject"], unique=True)
    op.create_table(
        "custody_cursors",
        sa.Column("custody", sa.Text(), nullable=False),
        sa.Column("cursor", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("custody", name=op.f("pk_custody_cursors")),
    )


def add_chain() -> None:
    op.create_table(
        "chain_head",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("height", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("time_ms", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("fail_next", sa.Integer(), nullable=False),
        sa.Column("lose_next", sa.Integer(), nullable=False),
        sa.Column("is_away", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chain_head")),
    )
    op.create_table(
        "chain_addresses",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_chain_addresses")),
        sa.UniqueConstraint("holder", name=op.f("uq_chain_addresses_holder")),
    )
    op.create_table(
        "chain_transactions",
        sa.Column("transaction", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("withdrawal_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("asset", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=60, scale=0), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("status", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("height", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("mine_from", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("transaction", name=op.f("pk_chain_transactions")),
        sa.UniqueConstraint("key", name=op.f("uq_chain_transactions_key")),
    )
    op.create_index("ix_chain_transactions_address", "chain_transactions", ["address"])
    op.create_index("ix_chain_transactions_version", "chain_transactions", ["version"])
    op.create_index("ix_chain_transactions_height", "chain_transactions", ["height"])


def downgrade() -> None:
    for table in (
        "chain_transactions",
        "chain_addresses",
        "chain_head",
        "custody_cursors",
        "custody_incidents",
        "withdrawals",
        "deposits",
    ):
        op.drop_table(table)
