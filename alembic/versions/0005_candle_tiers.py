"""Candles of 15 seconds and of hours beside those of minutes; the last trade of each."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("candles", sa.Column("last_qty", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.create_index("ix_candles_slots", "candles", ["open_ms"], postgresql_where=sa.text("interval_ms = 15000"))
    op.execute(
        """
        UPDATE candles SET last_qty = coalesce((
            SELECT qty FROM trades WHERE market_id = subject_id AND time_ms >= open_ms AND time_ms < open_ms + interval_ms
            ORDER BY time_ms DESC, seq DESC, index DESC LIMIT 1), 0)
        WHERE basis = 0
        """
    )
    # Minutes and hours are written when they ended: the one that runs at the checkpoint becomes its slot of 15 seconds.
    op.execute(
        """
        UPDATE candles SET interval_ms = 15000, open_ms = projector.time_ms - projector.time_ms % 15000
        FROM projector WHERE name = 'main' AND interval_ms = 60000 AND open_ms = projector.time_ms - projector.time_ms % 60000
        """
    )
    op.execute(
        """
        INSERT INTO candles (basis, subject_id, interval_ms, open_ms, open, high, low, close, volume, turnover, trades, last_qty)
        SELECT basis, subject_id, 3600000, open_ms - open_ms % 3600000, (array_agg(open ORDER BY open_ms))[1], max(high),
            min(low), (array_agg(close ORDER BY open_ms DESC))[1], sum(volume), sum(turnover), sum(candles.trades),
            (array_agg(last_qty ORDER BY open_ms DESC))[1]
        FROM candles, projector
        WHERE name = 'main' AND interval_ms = 60000 AND open_ms < projector.time_ms - projector.time_ms % 3600000
        GROUP BY 1, 2, 4
        """
    )


def downgrade() -> None:
    """Leave the minutes as they were before, with the running one."""
    op.execute("DELETE FROM candles WHERE interval_ms = 3600000")
    op.execute(
        """
        INSERT INTO candles (basis, subject_id, interval_ms, open_ms, open, high, low, close, volume, turnover, trades)
        SELECT basis, subject_id, 60000, open_ms - open_ms % 60000, (array_agg(open ORDER BY open_ms))[1], max(high),
            min(low), (array_agg(close ORDER BY open_ms DESC))[1], sum(volume), sum(turnover), sum(candles.trades)
        FROM candles, projector
        WHERE name = 'main' AND interval_ms = 15000 AND open_ms >= projector.time_ms - projector.time_ms % 60000
        GROUP BY 1, 2, 4
        """
    )
    op.execute("DELETE FROM candles WHERE interval_ms = 15000 OR basis = 3")
    op.drop_index("ix_candles_slots", table_name="candles")
    op.drop_column("candles", "last_qty")
