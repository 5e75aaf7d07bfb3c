"""Operators with tokens of their own, and the log of what they did."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_KEEP = """
CREATE FUNCTION audit_log_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.outcome IS NULL
        AND (OLD.entry_id, OLD.time_ms, OLD.operator, OLD.surface, OLD.address, OLD.request_id, OLD.action, OLD.request, OLD.before)
        IS NOT DISTINCT FROM
        (NEW.entry_id, NEW.time_ms, NEW.operator, NEW.surface, NEW.address, NEW.request_id, NEW.action, NEW.request, NEW.before)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the audit log is only added to';
END $$
"""


def _text(name: str, *, is_null: bool = False) -> sa.Column:
    return sa.Column(name, sa.Text(), nullable=is_null)


def _big(name: str, *, is_null: bool = False) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), nullable=is_null)


def upgrade() -> None:
    op.create_table(
        "operators",
        sa.Column("operator_id", sa.BigInteger(), primary_key=True, autoincrement=True),
        _text("name"),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False, unique=True),
        sa.Column("scopes", ARRAY(sa.Text()), nullable=False),
        _big("created_ms"),
        _big("revoked_ms", is_null=True),
    )
    op.create_index("ix_operators_name", "operators", ["name"])
    op.create_table(
        "audit_log",
        sa.Column("entry_id", sa.BigInteger(), primary_key=True, autoincrement=True),
        _big("time_ms"),
        _text("operator"),
        _text("surface"),
        _text("address"),
        _text("request_id"),
        _text("action"),
        _text("request"),
        _text("before"),
        _text("outcome", is_null=True),
        _text("detail", is_null=True),
        _text("after", is_null=True),
        _big("seq", is_null=True),
        _big("ended_ms", is_null=True),
    )
    op.create_index("ix_audit_log_time_ms", "audit_log", ["time_ms"])
    op.execute(_KEEP)
    op.execute(
        "CREATE TRIGGER audit_log_keep BEFORE UPDATE OR DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_log_keep()"
    )


def downgrade() -> None:
    op.drop_table("audit_log")
    op.execute("DROP FUNCTION audit_log_keep()")
    op.drop_table("operators")
