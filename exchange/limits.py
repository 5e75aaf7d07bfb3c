"""Every bound of the core."""

from typing import Final

MONEY_SCALE: Final = 10**8
MONEY_MAX: Final = 10**18
"""Largest amount of one transfer: 10^10 units of an asset."""
PRICE_MAX: Final = 10**15
QTY_MAX: Final = 10**15
OPEN_ORDERS_MAX: Final = 200
"""Orders of one account in one market, resting and waiting."""
ACCOUNTS_PER_OWNER_MAX: Final = 100
BATCH_ORDERS_MAX: Final = 50
CANCEL_IDS_MAX: Final = 1000
ICEBERGS_MAX: Final = 100
OCO_LENGTH_MAX: Final = 5
REFERENCE_LENGTH_MAX: Final = 64
CLIENT_ORDER_ID_LENGTH_MAX: Final = 64
CLIENT_ORDER_IDS_KEPT: Final = 10_000
"""Closed orders of an account whose client order id still answers a repeat."""
TRIGGERS_PER_COMMAND_MAX: Final = 100
SOURCES_MAX: Final = 32
"""Sources of one index."""
SOURCE_AGE_MAX_MS: Final = 10_000
OPENING_INDEX_AGE_MAX_MS: Final = 30_000
"""Without a computed index for longer than this a market takes no opening orders."""
TICK_MS: Final = 1_000
DAY_MS: Final = 86_400_000
MARK_MS: Final = 1_000
STRIKE_MS: Final = 5_000
HOUR_MS: Final = 3_600_000
LIQUIDATION_INDEX_AGE_MAX_MS: Final = 60_000
"""Without a computed index for longer than this nothing is liquidated in a market."""
MODEL_AGE_MAX_MS: Final = 10_000
SAMPLE_REPEAT_S: Final = 10
"""Missed seconds that repeat the last premium sample; later ones count zero."""
TERMS_NOTICE_MS: Final = 3_600_000
BRACKETS_MAX: Final = 32
WEIGHT_MAX: Final = 10**6
OPTION_MODELS_MAX: Final = 256
PROVIDERS_MAX: Final = 200
"""Liquidity providers: each failing position asks them all."""
LIQUIDATIONS_PER_TICK_MAX: Final = 2_000
SETTLED_HOURS_PER_TICK_MAX: Final = 24 * 14
CANCEL_ALL_AFTER_MIN_MS: Final = 1_000
CANCEL_ALL_AFTER_MAX_MS: Final = DAY_MS
DEAD_MEN_ORDERS_PER_TICK_MAX: Final = 20_000
"""Orders that one tick cancels for accounts that fell silent; the next account then waits for the next tick, which is due at once."""
ADDRESS_LENGTH_MAX: Final = 256
NETWORK_LENGTH_MAX: Final = 64
TRANSACTION_LENGTH_MAX: Final = 256
NOTE_LENGTH_MAX: Final = 256
DEPOSIT_REFERENCE_LENGTH_MAX: Final = 256
"""A deposit is named after its transaction."""
WITHDRAWALS_PER_DAY_MAX: Final = 100
"""Requests of one owner for one asset in a UTC day, those that came to nothing included: each is remembered for ever."""
FUND_ACCOUNT_ID: Final = 0
FUND_OWNER_ID: Final = 0
RULES_OF_LIQUIDATION: Final = 2
RULES_OF_CORRECTIONS: Final = 3
"""What they correct stands in ADR 10."""
RULES_LATEST: Final = 3
