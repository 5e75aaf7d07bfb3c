"""Every table. `alembic/` brings a database to this shape; a test holds the two together.

Four kinds: *primary* (users, people and what is theirs, keys, operators and their log, journal, incidents: every backup needs them), *derived and
costly* (snapshots, the custody's cursor), *projections*, which the projector writes behind the journal and can make again
from it, and *the simulated chain*, which is the outside world and no part of the exchange.

Types: prices, quantities, ids, seqs and times are BIGINT, since exchange/limits.py bounds them far below 2^63 (PRICE_MAX,
QTY_MAX 10^15). Money is NUMERIC(60, 0), whole units of 10^-8: one transfer may be 10^18 (MONEY_MAX), balances add such up,
and a fill's pnl is a product of price, quantity and unit value, while 2^63 is 9 x 10^18. Volumes are sums: NUMERIC too.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

NAMES: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata: Final = MetaData(naming_convention=NAMES)


def _money(name: str) -> Column[object]:
    return Column(name, Numeric(60, 0), nullable=False)


def _big(name: str, *, key: bool = False) -> Column[int]:
    return Column(name, BigInteger, primary_key=key, autoincrement=False, nullable=False)


def _small(name: str, *, key: bool = False) -> Column[int]:
    return Column(name, SmallInteger, primary_key=key, autoincrement=False, nullable=False)


# --- primary ---------------------------------------------------------------------------------------------------------

users: Final = Table(
    "users",
    metadata,
    Column("owner_id", BigInteger, primary_key=True, autoincrement=True),
    Column("customer_id", Uuid, nullable=False, unique=True),  # the name that surfaces show
    Column("name", Text, nullable=False, unique=True),
    _big("created_ms"),
    Column("frozen_ms", BigInteger),  # since when nobody gets in
)

api_keys: Final = Table(
    "api_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("owner_id", BigInteger, ForeignKey("users.owner_id"), nullable=False, index=True),
    _big("account_id"),
    Column("label", Text, nullable=False),
    Column("secret", LargeBinary, nullable=False),  # encrypted, app/db/secrets.py
    Column("scopes", ARRAY(Text), nullable=False),
    Column("networks", ARRAY(Text), nullable=False),  # CIDR; none: from anywhere
    _big("created_ms"),
    Column("expires_ms", BigInteger),
    Column("revoked_ms", BigInteger),
)

people: Final = Table(
    "people",  # users who log in; others are an operator's, with API keys only
    metadata,
    Column("owner_id", BigInteger, ForeignKey("users.owner_id"), primary_key=True, autoincrement=False),
    Column("email", Text, nullable=False, unique=True),  # lower case
    Column("password_hash", Text, nullable=False),  # Argon2id, with its parameters and salt
    _big("password_ms"),  # when it was set
    _small("level"),  # of verification, app/people/levels.toml
    Column("has_allow_list", Boolean, nullable=False),
    Column("totp_secret", LargeBinary),  # encrypted; none: off
    Column("totp_pending", LargeBinary),  # encrypted; shown, not confirmed yet
    _big("totp_step"),  # the last one that a code was taken of: none up to it counts again
    _big("created_ms"),
)

signups: Final = Table(
    "signups",  # not confirmed yet
    metadata,
    Column("signup_id", Text, primary_key=True),
    Column("email", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("code_hash", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False),
    _big("created_ms"),
    _big("expires_ms"),
    Index("ix_signups_expires_ms", "expires_ms"),
)

sessions: Final = Table(
    "sessions",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("owner_id", BigInteger, ForeignKey("people.owner_id"), nullable=False, index=True),
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False),
    _big("created_ms"),
    _big("used_ms"),
    _big("expires_ms"),
    _big("step_up_ms"),  # stepped up until then
    Column("ended_ms", BigInteger),
    Column("ending", Text),  # Ending in app/people/sessions.py
)

refresh_tokens: Final = Table(
    "refresh_tokens",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),  # SHA-256 of 256 random bits
    Column("session_id", Text, ForeignKey("sessions.session_id", ondelete="CASCADE"), nullable=False, index=True),
    _big("created_ms"),
    _big("expires_ms"),
    Column("used_ms", BigInteger),  # once only: a second time ends the session
)

mail_codes: Final = Table(
    "mail_codes",
    metadata,
    Column("code_id", Text, primary_key=True),
    Column("owner_id", BigInteger, ForeignKey("people.owner_id"), nullable=False),
    Column("purpose", Text, nullable=False),  # Purpose in app/people/codes.py
    Column("subject", Text, nullable=False),  # what it is for, where that is one of many
    Column("code_hash", LargeBinary, nullable=False),  # keyed: six digits are soon tried
    Column("attempts", Integer, nullable=False),
    _big("created_ms"),
    _big("expires_ms"),
    Column("used_ms", BigInteger),
    Index("ix_mail_codes_owner_id_purpose", "owner_id", "purpose"),
    Index("ix_mail_codes_expires_ms", "expires_ms"),
)

recovery_codes: Final = Table(
    "recovery_codes",
    metadata,
    Column("owner_id", BigInteger, ForeignKey("people.owner_id"), primary_key=True, autoincrement=False),
    Column("code_hash", LargeBinary, primary_key=True),  # keyed
    Column("used_ms", BigInteger),
)

lockouts: Final = Table(
    "lockouts",
    metadata,
    Column(
        "name_hash", LargeBinary, primary_key=True
    ),  # of an e-mail address, whether somebody has it or not, or of an IP address
    Column("failures", Integer, nullable=False),
    _big("until_ms"),
    _big("changed_ms"),
)

sub_accounts: Final = Table(
    "sub_accounts",
    metadata,
    _big("account_id", key=True),
    Column("owner_id", BigInteger, ForeignKey("users.owner_id"), nullable=False, index=True),
    Column("label", Text, nullable=False),
    _big("created_ms"),
)

withdrawal_addresses: Final = Table(
    "withdrawal_addresses",
    metadata,
    Column("address_id", BigInteger, primary_key=True, autoincrement=True),
    Column("owner_id", BigInteger, ForeignKey("people.owner_id"), nullable=False, index=True),
    Column("asset", Text, nullable=False),
    Column("network", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("label", Text, nullable=False),
    _big("created_ms"),
    _big("usable_ms"),  # from then on
    Column("removed_ms", BigInteger),
)

notices: Final = Table(
    "notices",
    metadata,
    Column("notice_id", BigInteger, primary_key=True, autoincrement=True),
    Column("owner_id", BigInteger, ForeignKey("people.owner_id"), nullable=False),
    _big("account_id"),  # 0: of the owner, no account's
    Column("kind", Text, nullable=False),  # Kind in app/people/notices.py
    Column("key", Text, nullable=False),  # what it is about: one notice for each
    Column("words", Text, nullable=False),
    _big("created_ms"),
    Column("read_ms", BigInteger),
    Index("uq_notices_key", "owner_id", "key", unique=True),
    Index("ix_notices_owner_id_notice_id", "owner_id", "notice_id"),
)

journal: Final = Table(
    "journal",
    metadata,
    _big("first_seq", key=True),  # the fence: a second writer that goes on from the same head is refused
    Column("count", Integer, nullable=False),
    _big("time_ms"),
    Column("records", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("skipped_seq", BigInteger),  # repeats what a SkipCommand in `records` says, to find it before it is reached
    Index("ix_journal_skipped_seq", "skipped_seq", postgresql_where=text("skipped_seq IS NOT NULL")),
)

operators: Final = Table(
    "operators",
    metadata,
    Column("operator_id", BigInteger, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False, index=True),  # one in force of a name
    Column("token_hash", LargeBinary, nullable=False, unique=True),  # SHA-256 of 256 random bits
    Column("scopes", ARRAY(Text), nullable=False),  # Duty in app/tokens.py
    _big("created_ms"),
    Column("revoked_ms", BigInteger),
)

audit_log: Final = Table(
    "audit_log",  # a trigger lets nobody change or delete a row that has its outcome
    metadata,
    Column("entry_id", BigInteger, primary_key=True, autoincrement=True),
    _big("time_ms"),
    Column("operator", Text, nullable=False),
    Column("surface", Text, nullable=False),  # http or socket
    Column("address", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("request", Text, nullable=False),  # JSON
    Column("before", Text, nullable=False),  # JSON
    Column("outcome", Text),  # Outcome in app/audit.py; none: it was begun and its end is not known
    Column("detail", Text),
    Column("after", Text),  # JSON
    Column("seq", BigInteger),  # the journal's last command right after
    Column("ended_ms", BigInteger),
    Index("ix_audit_log_time_ms", "time_ms"),
)

custody_incidents: Final = Table(
    "custody_incidents",
    metadata,
    Column("incident_id", BigInteger, primary_key=True, autoincrement=True),
    Column("custody", Text, nullable=False),
    Column("kind", Text, nullable=False),  # IncidentKind in app/custody/incidents.py
    Column("subject", Text, nullable=False),  # what it is about: one incident of a kind for each
    Column("detail", Text, nullable=False),
    _big("opened_ms"),
    Column("resolved_ms", BigInteger),
    Column("reason", Text),  # an operator's, for resolving it
    Index("uq_custody_incidents_subject", "custody", "kind", "subject", unique=True),
)

# --- derived and costly ----------------------------------------------------------------------------------------------

snapshots: Final = Table(
    "snapshots",
    metadata,
    _big("seq", key=True),
    Column("format", Integer, nullable=False),
    Column("code_version", Text, nullable=False),
    Column("rules_version", Integer, nullable=False),
    _big("time_ms"),
    Column("state_hash", LargeBinary, nullable=False),
    Column("journal_hash", LargeBinary, nullable=False),  # of the row that ends with `seq`
    Column("body_hash", LargeBinary, nullable=False),
    _big("size"),
)

snapshot_chunks: Final = Table(
    "snapshot_chunks",
    metadata,
    Column("seq", BigInteger, ForeignKey("snapshots.seq", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("index", Integer, primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)

custody_cursors: Final = Table(
    "custody_cursors",
    metadata,
    Column("custody", Text, primary_key=True),
    Column("cursor", Text, nullable=False),  # what the custody told up to here is in the journal
    _big("seq"),  # the journal's last command then
)

# --- projections -----------------------------------------------------------------------------------------------------

projector: Final = Table(
    "projector",
    metadata,
    Column("name", Text, primary_key=True),
    _big("seq"),
    _big("time_ms"),
)

orders: Final = Table(
    "orders",
    metadata,
    _big("order_id", key=True),
    _big("account_id"),
    _big("market_id"),
    _small("side"),
    _small("status"),
    _big("price"),
    _big("qty"),
    _big("leaves"),
    _big("filled"),
    _big("trigger_price"),
    Column("cancel_reason", SmallInteger),
    Column("reject", Text),
    Column("client_order_id", Text, nullable=False),
    Column("request", LargeBinary, nullable=False),  # the whole PlaceOrder, msgpack
    _big("created_ms"),
    _big("updated_ms"),
    _big("updated_seq"),
    Column(
        "is_liquidation", Boolean, nullable=False, server_default=text("false")
    ),  # the exchange's own, for the account
    Column("is_trigger", Boolean, nullable=False, server_default=text("false")),  # waited, or waits, for a price
    # One for each list of orders, the latest change first.
    Index("ix_orders_account_id_updated_ms", "account_id", "updated_ms", "order_id"),
    Index("ix_orders_market", "account_id", "market_id", "updated_ms", "order_id"),
    Index(
        "ix_orders_ended", "account_id", "status", "updated_ms", "order_id", postgresql_where=text("status IN (1, 2)")
    ),
    Index("ix_orders_filled", "account_id", "updated_ms", "order_id", postgresql_where=text("filled > 0")),
    Index("ix_orders_triggers", "account_id", "updated_ms", "order_id", postgresql_where=text("is_trigger")),
    Index("ix_orders_client_order_id", "account_id", "client_order_id", postgresql_where=text("client_order_id <> ''")),
    # What the projector must hold in memory after a start: open orders.
    Index("ix_orders_open", "order_id", postgresql_where=text("status IN (0, 3)")),
)

trades: Final = Table(
    "trades",
    metadata,
    _big("market_id", key=True),
    _big("time_ms", key=True),
    _big("seq", key=True),
    Column("index", Integer, primary_key=True, autoincrement=False),
    _big("trade_id"),
    _big("price"),
    _big("qty"),
    _small("taker_sign"),
    Column("is_liquidation", Boolean, nullable=False),
)

fills: Final = Table(
    "fills",
    metadata,
    _big("account_id", key=True),
    _big("time_ms", key=True),
    _big("seq", key=True),
    Column("index", Integer, primary_key=True, autoincrement=False),
    Column("is_maker", Boolean, primary_key=True, autoincrement=False),
    _big("market_id"),
    _big("order_id"),
    _big("trade_id"),
    _small("sign"),
    _big("price"),
    _big("qty"),
    _money("fee"),
    _money("pnl"),
    Column("is_liquidation", Boolean, nullable=False),
    Index("ix_fills_order_id", "order_id"),
    Index("ix_fills_market", "account_id", "market_id", "time_ms", "seq", "index", "is_maker"),
)

ledger_entries: Final = Table(
    "ledger_entries",
    metadata,
    _big("account_id", key=True),
    _big("time_ms", key=True),
    _big("seq", key=True),
    Column("index", Integer, primary_key=True, autoincrement=False),
    _big("asset_id"),
    _money("amount"),
    _money("balance"),
    _small("cause"),
    _big("market_id"),
    _big("order_id"),
    _big("trade_id"),
    Column("reference", Text, nullable=False),
    # What came in from outside and left: DEPOSIT and WITHDRAWAL of Cause in exchange/events.py.
    Index("ix_ledger_entries_transfers", "account_id", "asset_id", "time_ms", postgresql_where=text("cause IN (5, 6)")),
)

candles: Final = Table(
    "candles",
    metadata,
    _small("basis", key=True),  # Basis in app/db/rows.py
    _big("subject_id", key=True),  # the market; for Basis.INDEX the index
    # 15 s (kept some days, the running one included), 1 min and 1 h (written when they ended)
    _big("interval_ms", key=True),
    _big("open_ms", key=True),
    _big("open"),
    _big("high"),
    _big("low"),
    _big("close"),
    Column("volume", Numeric(60, 0), nullable=False),  # lots
    Column("turnover", Numeric(60, 0), nullable=False),  # sum of price x lots
    _big("trades"),
    Column("last_qty", BigInteger, nullable=False, server_default=text("0")),  # of the last trade
    # What is kept for some days only, to find what is to go.
    Index("ix_candles_slots", "open_ms", postgresql_where=text("interval_ms = 15000")),
)

funding_settlements: Final = Table(
    "funding_settlements",
    metadata,
    _big("market_id", key=True),
    _big("time_ms", key=True),  # the end of the hour
    _big("seq", key=True),
    Column("index", Integer, primary_key=True, autoincrement=False),
    _big("rate_e12"),
    _money("lot_e12"),  # money at 10^-12
    _big("mark_price"),
    _money("collected"),
    _money("paid"),
    _money("gift"),
    _money("residue"),
)

funding_payments: Final = Table(
    "funding_payments",
    metadata,
    _big("account_id", key=True),
    _big("time_ms", key=True),
    _big("seq", key=True),
    Column("index", Integer, primary_key=True, autoincrement=False),
    _big("market_id"),
    _money("amount"),
    _money("from_margin"),
)

liquidations: Final = Table(
    "liquidations",
    metadata,
    _big("time_ms", key=True),
    _big("seq", key=True),
    Column("index", Integer, primary_key=True, autoincrement=False),
    _small("step"),  # LiquidationStep in app/db/rows.py
    _big("market_id"),  # 0: a whole account
    _big("account_id"),
    _big("counterparty_id"),
    _big("qty"),
    _big("price"),
    _money("value"),
    _big("trade_id"),
    Index("ix_liquidations_market_id_time_ms", "market_id", "time_ms"),
    Index("ix_liquidations_account_id_time_ms", "account_id", "time_ms"),
)

deposits: Final = Table(
    "deposits",
    metadata,
    _big("deposit_id", key=True),
    _big("account_id"),
    _big("asset_id"),
    _money("amount"),
    _money("fee"),
    Column("address", Text, nullable=False),
    Column("transaction", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("reference", Text, nullable=False),
    _small("status"),  # DepositStatus in exchange/events.py
    Column("note", Text, nullable=False),
    _big("created_ms"),
    _big("updated_ms"),
    _big("updated_seq"),
    Index("ix_deposits_account_id_created_ms", "account_id", "created_ms", "deposit_id"),
    # What the projector must hold in memory after a start: those that may change.
    Index("ix_deposits_open", "deposit_id", postgresql_where=text("status <> 1")),
)

withdrawals: Final = Table(
    "withdrawals",
    metadata,
    _big("withdrawal_id", key=True),
    _big("account_id"),
    _big("asset_id"),
    _money("amount"),
    _money("fee"),
    Column("address", Text, nullable=False),
    Column("network", Text, nullable=False),
    Column("reference", Text, nullable=False),
    _small("status"),  # WithdrawalStatus in exchange/commands.py
    Column("transaction", Text, nullable=False),
    Column("note", Text, nullable=False),
    _big("created_ms"),
    _big("updated_ms"),
    _big("updated_seq"),
    Index("ix_withdrawals_account_id_created_ms", "account_id", "created_ms", "withdrawal_id"),
    Index("ix_withdrawals_open", "withdrawal_id", postgresql_where=text("status IN (0, 1, 3, 4, 6)")),
)

held_positions: Final = Table(
    "held_positions",
    metadata,
    _big("account_id", key=True),
    _big("market_id", key=True),
    _big("qty"),  # 0: flat
    _money("entry_notional"),
    _big("entry_qty"),
    _money("entry_value"),
    _money("exit_value"),
    _money("pnl"),
    _money("funding"),
    _money("fees"),
    _big("opened_ms"),
)

closed_positions: Final = Table(
    "closed_positions",
    metadata,
    _big("account_id", key=True),
    _big("time_ms", key=True),
    _big("seq", key=True),
    Column("index", Integer, primary_key=True, autoincrement=False),
    _big("market_id"),
    _small("sign"),
    _big("qty"),
    _money("entry_value"),
    _money("exit_value"),
    _money("pnl"),
    _money("funding"),
    _money("fees"),
    _big("opened_ms"),
    _small("ending"),  # Ending in app/db/rows.py
    Index("ix_closed_positions_market", "account_id", "market_id", "time_ms", "seq", "index"),
)

account_activity: Final = Table(
    "account_activity",
    metadata,
    _big("account_id", key=True),
    _big("opened_ms"),
    _big("order_ms"),  # when it last did what; 0: never
    _big("trade_ms"),
    _big("cancellation_ms"),
    _big("deposit_ms"),
    _big("withdrawal_ms"),
)

# --- the simulated chain ---------------------------------------------------------------------------------------------

chain_head: Final = Table(
    "chain_head",
    metadata,
    _small("id", key=True),  # one row; who changes the chain holds its lock
    _big("height"),
    _big("time_ms"),  # of the last block
    _big("version"),  # of the last change
    Column("fail_next", Integer, nullable=False),
    Column("lose_next", Integer, nullable=False),
    Column("is_away", Boolean, nullable=False),
)

chain_addresses: Final = Table(
    "chain_addresses",
    metadata,
    Column("address", Text, primary_key=True),
    Column("holder", Text, nullable=False, unique=True),
)

chain_transactions: Final = Table(
    "chain_transactions",
    metadata,
    Column("transaction", Text, primary_key=True),
    Column("key", Text, unique=True),  # of a payment; none: somebody else's transaction
    _big("withdrawal_id"),
    Column("asset", Text, nullable=False),
    _money("amount"),
    Column("address", Text, nullable=False, index=True),
    Column("source", Text, nullable=False),
    _small("status"),  # ChainStatus in app/custody/simulated.py
    _big("height"),  # of its block; 0: in none
    _big("mine_from"),  # no block below takes it
    _big("version"),
    Column("note", Text, nullable=False),
    Index("ix_chain_transactions_version", "version"),
    Index("ix_chain_transactions_height", "height"),
)

PROJECTIONS: Final = (
    orders,
    trades,
    fills,
    ledger_entries,
    candles,
    funding_settlements,
    funding_payments,
    liquidations,
    deposits,
    withdrawals,
    held_positions,
    closed_positions,
    account_activity,
)
