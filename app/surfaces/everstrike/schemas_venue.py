"""What history.py, venue.py and amending.py take and give."""

from typing import Final

from app.db.rows import Ending
from app.surfaces.everstrike.amending import MARGIN_MODES
from app.surfaces.everstrike.orders import SIDES
from app.surfaces.everstrike.shapes import (
    BOOLEAN,
    MILLISECONDS,
    NUMBER,
    OURS,
    TEXT,
    Schema,
    by_name,
    exact,
    list_of,
    or_null,
    ref,
    words,
)
from exchange.instrument import MarketStatus
from exchange.limits import CANCEL_ALL_AFTER_MAX_MS

COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
TIME_OR_NULL: Final = or_null(MILLISECONDS)
ZERO: Final[Schema] = {"const": 0}
NULL: Final[Schema] = {"type": "null"}
STATUSES: Final = [status.name for status in MarketStatus]

PARAMETERS: Final[dict[str, Schema]] = {
    "before": {
        "type": "string",
        "description": OURS
        + "With end: of the rows of that very millisecond only those behind the one with this id. Give the time "
        "and the id of a page's last row to get the next page.",
    },
    "margin_mode": {**words(MARGIN_MODES), "description": "How the account's positions are margined."},
    "timeout": {
        "type": "integer",
        "minimum": 0,
        "maximum": CANCEL_ALL_AFTER_MAX_MS,
        "description": "Milliseconds, at least 1,000; 0 calls it off.",
    },
}

_CLOSED_STATS: Final[Schema] = {
    "size": NUMBER,
    "notional": {**NUMBER, "description": "What its lots went for."},
    "notional_entry": {**NUMBER, "description": "What they came in for."},
    "margin": ZERO,
    "pnl": NUMBER,
    "upnl": ZERO,
    "rpnl": NUMBER,
    "equity": ZERO,
    "roe": NULL,
    "mark": NULL,
    "avg_entry": NUMBER,
    "avg_exit": {**NUMBER, "description": OURS},
    "leverage": NULL,
    "lp": NULL,
    "bankrupt": NULL,
    "direction": words(SIDES),
}
_CLOSED: Final[Schema] = {
    "id": {**TEXT, "description": OURS},
    "pair": TEXT,
    "size": {**NUMBER, "description": "All its lots. Negative when it was short."},
    "free": ZERO,
    "locked": ZERO,
    "realized": {**NUMBER, "description": "Before fees and funding."},
    "funding": NUMBER,
    "fees": {**NUMBER, "description": "Those of its trades, and of its liquidation."},
    "cum_pnl": {**NUMBER, "description": "Realized, and funding."},
    "fills": {"type": "array", "maxItems": 0},
    "time": {**MILLISECONDS, "description": OURS + "When it ended."},
    "time_open": {**MILLISECONDS, "description": OURS + "When it began."},
    "reason": {
        **words(ending.name for ending in Ending),
        "description": OURS
        + "How its last lots went: by a trade, by a slice of a liquidation, to a liquidity provider or the insurance "
        "fund, by deleveraging, at the market's expiry.",
    },
    "stats": exact(_CLOSED_STATS),
}
_ASSET: Final[Schema] = {
    "key": TEXT,
    "precision": {"type": "integer"},
    "fees": exact(
        {
            "withdrawal": {**NUMBER, "description": "Inside the amount of each withdrawal."},
            "deposit": {**NUMBER, "description": "Taken off each deposit."},
        }
    ),
    "min_withdrawal": {**or_null(NUMBER), "description": OURS},
    "max_withdrawal_day": {**or_null(NUMBER), "description": OURS + "Of an owner in a UTC day."},
    "approval_above": {**or_null(NUMBER), "description": OURS + "A larger withdrawal waits for a person."},
    "min_deposit": {**or_null(NUMBER), "description": OURS + "A smaller deposit is not credited."},
}
_GLOBALS: Final[Schema] = {
    "time": MILLISECONDS,
    "pairs": COUNT,
    "pairs_trading": COUNT,
    "assets": COUNT,
    "accounts": COUNT,
    "active_orders": COUNT,
    "open_interest": by_name(NUMBER, "Of positions at the mark, by quote asset."),
    "quote_volume": by_name(NUMBER, "Of the last 24 hours, by quote asset."),
    "trades": {**COUNT, "description": "In the last 24 hours."},
    "insurance_fund": by_name(NUMBER, "What it is worth, by asset."),
}
_STATUS: Final[Schema] = {
    "status": {
        **words(("ONLINE", "RESTRICTED", "READ_ONLY")),
        "description": "RESTRICTED: the venue does not take everything. READ_ONLY: it takes nothing until the journal is back.",
    },
    "version": TEXT,
    "time": MILLISECONDS,
    "start_time": {**MILLISECONDS, "description": "When this process began to serve."},
    "uptime": {**MILLISECONDS, "description": "Since then."},
    "engine": exact(
        {
            "is_ready": BOOLEAN,
            "seq": {**COUNT, "description": "The last command that was applied."},
            "time": {**MILLISECONDS, "description": "Its time."},
            "waiting": {**COUNT, "description": "Commands that wait."},
            "rules_version": COUNT,
            "is_compiled": BOOLEAN,
        }
    ),
    "records": exact({"seq": {**COUNT, "description": "The last command whose traces are in tables."}}),
    "maintenance": {
        **list_of(exact({"pair": or_null(TEXT), "status": words(STATUSES)})),
        "description": "What does not take everything now: the venue as a whole (pair null), or a pair.",
    },
}
_VAULT: Final[Schema] = {
    "asset": TEXT,
    "usd_supply": {**NUMBER, "description": "What was paid into it."},
    "earnings": exact({"total": {**NUMBER, "description": "Its worth beyond that."}}),
    "equity": {**NUMBER, "description": OURS + "Its worth."},
    "redemption_rate": {**or_null(NUMBER), "description": "Worth for each USD paid in; null when nothing was."},
}
_PERSONAL: Final[Schema] = {
    "email": {**or_null(TEXT), "description": "Of an owner who logs in; null for others."},
    "customer_id": {**TEXT, "format": "uuid"},
    "verification_level": {**TEXT, "description": "The level of an owner who logs in; UNVERIFIED for others."},
    "trading_allowance": {**NULL, "description": "There is no bound."},
    "withdrawal_allowance": {
        **or_null(NUMBER),
        "description": "What of USD the owner may still ask for in this UTC day, by the asset's bound and by "
        "what the level leaves for all assets together; null without a bound.",
    },
    "deposit_addresses": {
        **or_null(list_of(exact({"address": TEXT, "assets": list_of(TEXT)}))),
        "description": "Null while they cannot be asked for.",
    },
    "actions": exact(
        {
            "latest_deposit": TIME_OR_NULL,
            "latest_withdrawal": TIME_OR_NULL,
            "latest_order": TIME_OR_NULL,
            "latest_trade": TIME_OR_NULL,
            "latest_cancellation": TIME_OR_NULL,
            "creation_time": TIME_OR_NULL,
        },
        description="Times; null: never.",
    ),
    "permissions": exact(
        {
            "trading_enabled": {**BOOLEAN, "description": "The key may trade."},
            "deposit_enabled": {**BOOLEAN, "description": "There is an address to pay to."},
            "withdraw_enabled": {**BOOLEAN, "description": "The key may withdraw."},
            "login_enabled": {**BOOLEAN, "description": "The owner is a person who logs in."},
            "api_enabled": {"const": True},
        }
    ),
    "margin_mode": {**words(MARGIN_MODES), "description": OURS},
    "cancel_time": {
        **TIME_OR_NULL,
        "description": OURS + "When its orders go unless /auth/cancel_all_after is said before.",
    },
    "balances": by_name(ref("Balance"), "By asset."),
}

SCHEMAS: Final[dict[str, Schema]] = {
    "ClosedPosition": exact(_CLOSED),
    "Asset": exact(_ASSET),
}
RESULTS: Final[dict[str, Schema]] = {
    "closed_positions": {
        **list_of({**by_name(ref("ClosedPosition"), "By its pair."), "minProperties": 1, "maxProperties": 1}),
        "description": "The latest end first.",
    },
    "assets": by_name(ref("Asset"), "By asset."),
    "globals": exact(_GLOBALS),
    "status": exact(_STATUS),
    "vault": exact(_VAULT),
    "personal": exact(_PERSONAL),
    "mode_and_account": exact(
        {
            "margin_mode": words(MARGIN_MODES),
            "balances": by_name(ref("Balance"), "By asset."),
            "positions": by_name(ref("Position"), "By pair."),
        }
    ),
    "timer": exact(
        {
            "time": {**MILLISECONDS, "description": "Of the exchange, when it heard this."},
            "cancel_time": {**TIME_OR_NULL, "description": "When everything goes; null: nothing does."},
        }
    ),
}
SUMMARIES: Final = {
    "/completed_orders": "Orders that were filled entirely",
    "/cancelled_orders": "Orders that ended unfilled, in part or whole",
    "/filled_orders": "Orders with a fill, open or ended",
    "/triggers": "Orders that wait or waited for a price; `msg` says why one was refused",
    "/completed_positions": "Positions that were closed: entry, exit, realized pnl, funding, fees, times",
    "/assets": "Assets, and what it costs to bring and to take them",
    "/globals": "The exchange in numbers. The documents name it only: its fields are ours",
    "/status": "How the exchange is now. The documents name it only: its fields are ours",
    "/vault": "The insurance fund: Evermark has no other common pool, and nobody buys into it",
    "/personal": "The account: what it last did, where it pays in, what its key may do",
    "/auth/amend": OURS
    + "Change an open order. A smaller quantity keeps its place in the book; anything else is checked like a new order",
    "/auth/margin_mode": OURS + "Make the account cross or isolated; it must have no positions and no orders",
    "/auth/cancel_all_after": OURS + "Cancel every order after so many milliseconds, unless this is said again before",
}
