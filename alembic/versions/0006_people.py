"""People who log in: passwords, sessions, second factors, addresses to withdraw to, notices."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _owner(table: str, *, key: bool = False) -> sa.Column:
    place = sa.ForeignKey(f"{table}.owner_id")
    return sa.Column("owner_id", sa.BigInteger(), place, primary_key=key, autoincrement=False, nullable=False)


def _big(name: str, *, is_null: bool = False) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), nullable=is_null)


def _text(name: str, *, key: bool = False, is_null: bool = False) -> sa.Column:
    return sa.Column(name, sa.Text(), primary_key=key, nullable=is_null)


def upgrade() -> None:
    op.create_table(
        "people",
        _owner("users", key=True),
        sa.Column("email", sa.Text(), nullable=False, unique=True),
        _text("password_hash"),
        _big("password_ms"),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("has_allow_list", sa.Boolean(), nullable=False),
        sa.Column("totp_secret", sa.LargeBinary()),
        sa.Column("totp_pending", sa.LargeBinary()),
        _big("totp_step"),
        _big("created_ms"),
    )
    op.create_table(
        "signups",
        _text("signup_id", key=True),
        _text("email"),
        _text("password_hash"),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _big("created_ms"),
        _big("expires_ms"),
    )
    op.create_index("ix_signups_expires_ms", "signups", ["expires_ms"])
    op.create_table(
        "lockouts",
        sa.Column("name_hash", sa.LargeBinary(), primary_key=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        _big("until_ms"),
        _big("changed_ms"),
    )
    op.create_table(
        "sub_accounts",
        sa.Column("account_id", sa.BigInteger(), primary_key=True, autoincrement=False),
        _owner("users"),
        _text("label"),
        _big("created_ms"),
    )
    op.create_index("ix_sub_accounts_owner_id", "sub_accounts", ["owner_id"])
    _sessions()
    _codes()
    _withdrawals_and_notices()


def _sessions() -> None:
    op.create_table(
        "sessions",
        _text("session_id", key=True),
        _owner("people"),
        _text("address"),
        _text("agent"),
        _big("created_ms"),
        _big("used_ms"),
        _big("expires_ms"),
        _big("step_up_ms"),
        _big("ended_ms", is_null=True),
        _text("ending", is_null=True),
    )
    op.create_index("ix_sessions_owner_id", "sessions", ["owner_id"])
    op.create_table(
        "refresh_tokens",
        sa.Column("token_hash", sa.LargeBinary(), primary_key=True),
        sa.Column("session_id", sa.Text(), sa.ForeignKey("sessions.session_id", ondelete="CASCADE"), nullable=False),
        _big("created_ms"),
        _big("expires_ms"),
        _big("used_ms", is_null=True),
    )
    op.create_index("ix_refresh_tokens_session_id", "refresh_tokens", ["session_id"])


def _codes() -> None:
    op.create_table(
        "mail_codes",
        _text("code_id", key=True),
        _owner("people"),
        _text("purpose"),
        _text("subject"),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _big("created_ms"),
        _big("expires_ms"),
        _big("used_ms", is_null=True),
    )
    op.create_index("ix_mail_codes_owner_id_purpose", "mail_codes", ["owner_id", "purpose"])
    op.create_index("ix_mail_codes_expires_ms", "mail_codes", ["expires_ms"])
    op.create_table(
        "recovery_codes",
        _owner("people", key=True),
        sa.Column("code_hash", sa.LargeBinary(), primary_key=True),
        _big("used_ms", is_null=True),
    )


def _withdrawals_and_notices() -> None:
    op.create_table(
        "withdrawal_addresses",
        sa.Column("address_id", sa.BigInteger(), primary_key=True, autoincrement=True),
        _owner("people"),
        *(_text(name) for name in ("asset", "network", "address", "label")),
        _big("created_ms"),
        _big("usable_ms"),
        _big("removed_ms", is_null=True),
    )
    op.create_index("ix_withdrawal_addresses_owner_id", "withdrawal_addresses", ["owner_id"])
    op.create_table(
        "notices",
        sa.Column("notice_id", sa.BigInteger(), primary_key=True, autoincrement=True),
        _owner("people"),
        _big("account_id"),
        *(_text(name) for name in ("kind", "key", "words")),
        _big("created_ms"),
        _big("read_ms", is_null=True),
    )
    op.create_index("uq_notices_key", "notices", ["owner_id", "key"], unique=True)
    op.create_index("ix_notices_owner_id_notice_id", "notices", ["owner_id", "notice_id"])


def downgrade() -> None:
    for name in ("notices", "withdrawal_addresses", "recovery_codes", "mail_codes", "refresh_tokens", "sessions"):
        op.drop_table(name)
    for name in ("sub_accounts", "lockouts", "signups", "people"):
        op.drop_table(name)
