"""Why the exchange says no. One enum for the whole core; members stand in the order in which they are tested."""

from enum import Enum


class Reject(Enum):
    """A refusal: the command changed nothing. Each value reads as a sentence for the person who asked."""

    # form
    UNKNOWN_ACCOUNT = "The account does not exist."
    NOT_ONE_OWNER = "Money moves between two accounts of one owner only."
    UNKNOWN_MARKET = "The market does not exist."
    UNKNOWN_ASSET = "The asset does not exist."
    UNKNOWN_INDEX = "The index does not exist."
    ALREADY_LISTED = "It is listed already."
    INVALID_TERMS = "The terms of the instrument contradict each other."
    INVALID_REFERENCE = "The reference must have 1 to 64 characters."
    INVALID_OWNER = "The owner does not exist: an owner's id is above 0, which is the insurance fund's."
    INVALID_RULES = "The rules version is unknown or not a later one."
    INVALID_TIMEOUT = "The timeout must be 0, or between 1 second and 24 hours."
    INVALID_TEXT = "A text is empty, too long, or has characters that cannot be shown."
    INVALID_AMOUNT = "The amount must be positive and within bounds."
    INVALID_QTY = "The quantity is outside the market's minimum and maximum."
    INVALID_PRICE = "The price must be a positive multiple of the tick, within bounds."
    INVALID_TIME_IN_FORCE = "This time in force does not go with the order."
    INVALID_POST_ONLY = "A post-only order needs a price and cannot be IOC or FOK."
    INVALID_ICEBERGS = "Icebergs must be between 1 and the maximum, with a price, not hidden, and able to rest."
    INVALID_OCO = "The OCO string has at most 5 characters."
    INVALID_CLIENT_ORDER_ID = "The client order id has at most 64 characters."
    INVALID_LEVERAGE = "The leverage is outside the market's range."
    INVALID_TRIGGER = "The trigger parameters contradict each other or the market."
    NOT_ON_SPOT = "This is not possible on a spot market."
    INVALID_BATCH = "A batch holds 1 to 50 orders of one market that do not depend on each other."
    STALE_OBSERVATION = "A newer observation of the source is known."
    NOTIONAL_TOO_SMALL = "The order is worth less than the market's minimum."
    # status
    MARKET_CLOSED = "The market does not take this order now."
    NO_PRICE = "The market has no current price to trade against."
    TOO_MANY_ORDERS = "The account has too many open orders in this market."
    NOTICE_TOO_SHORT = "Terms that ask for more margin need the notice period."
    TOO_MANY_ACCOUNTS = "The owner has too many accounts."
    TOO_MANY_PROVIDERS = "There are enough liquidity providers."
    # money in and out
    WITHDRAWAL_NOT_FOUND = "The withdrawal was not found."
    DEPOSIT_NOT_FOUND = "The deposit was not found."
    INVALID_TRANSITION = "This cannot follow on where it stands now."
    NEEDS_APPROVAL = "A withdrawal of this amount needs an approval first."
    WITHDRAWAL_TOO_SMALL = "The withdrawal is below the asset's minimum or does not cover its fee."
    WITHDRAWAL_LIMIT = "The withdrawal is beyond what the owner may withdraw of the asset today."
    TOO_MANY_WITHDRAWALS = "The owner has asked for too many withdrawals of the asset today."
    STALE_PRICE = "A market in which the account has a position has no current price."
    # position
    NO_POSITION = "There is no position to reduce."
    WRONG_SIDE = "A reduce-only order must be on the side that reduces the position."
    # price and book
    OUTSIDE_TRADING_RANGE = "The price is outside the trading range."
    WOULD_TAKE = "The post-only order would have traded at once."
    CANNOT_FILL = "The order cannot be filled in full."
    # money
    INSUFFICIENT_BALANCE = "Your request was rejected due to insufficient balance."
    POSITION_TOO_LARGE = "The position would be beyond the market's largest bracket."
    BELOW_INITIAL_MARGIN = "The account is below its initial margin: only orders that reduce risk are taken."
    PAST_BANKRUPTCY = "At this price the fill would leave less than nothing."
    # orders and settings
    ORDER_NOT_FOUND = "The order was not found."
    NOT_AMENDABLE = "The amendment leaves nothing to trade or changes nothing."
    HAS_OPEN_ORDERS = "The account has open orders."
    HAS_POSITIONS = "The account has positions."
    ONLY_CROSS = "This is possible in cross margin mode only."
    ONLY_ISOLATED = "This is possible in isolated margin mode only."
    MARGIN_TOO_LOW = "The position's margin would fall below its initial requirement."

    @property
    def field(self) -> str:
        """The parameter that is to blame, in the core's words; empty when it is none in particular."""
        return _FIELDS.get(self, "")


_FIELDS: dict[Reject, str] = {
    Reject.UNKNOWN_ACCOUNT: "account_id",
    Reject.UNKNOWN_MARKET: "market_id",
    Reject.UNKNOWN_ASSET: "asset_id",
    Reject.UNKNOWN_INDEX: "index_id",
    Reject.INVALID_REFERENCE: "reference",
    Reject.INVALID_TIMEOUT: "timeout_ms",
    Reject.INVALID_OWNER: "owner_id",
    Reject.INVALID_AMOUNT: "amount",
    Reject.WITHDRAWAL_NOT_FOUND: "withdrawal_id",
    Reject.DEPOSIT_NOT_FOUND: "reference",
    Reject.INVALID_TRANSITION: "status",
    Reject.NEEDS_APPROVAL: "status",
    Reject.WITHDRAWAL_TOO_SMALL: "amount",
    Reject.WITHDRAWAL_LIMIT: "amount",
    Reject.NOTICE_TOO_SHORT: "effective_ms",
    Reject.INVALID_RULES: "version",
    Reject.POSITION_TOO_LARGE: "qty",
    Reject.INVALID_QTY: "qty",
    Reject.INVALID_PRICE: "price",
    Reject.INVALID_TIME_IN_FORCE: "time_in_force",
    Reject.INVALID_POST_ONLY: "post_only",
    Reject.INVALID_ICEBERGS: "icebergs",
    Reject.INVALID_OCO: "oco",
    Reject.INVALID_CLIENT_ORDER_ID: "client_order_id",
    Reject.INVALID_LEVERAGE: "leverage",
    Reject.INVALID_TRIGGER: "trigger_price",
    Reject.NOT_ON_SPOT: "reduce_only",
    Reject.INVALID_BATCH: "orders",
    Reject.NOTIONAL_TOO_SMALL: "qty",
    Reject.NO_POSITION: "reduce_only",
    Reject.WRONG_SIDE: "side",
    Reject.OUTSIDE_TRADING_RANGE: "price",
    Reject.WOULD_TAKE: "post_only",
    Reject.CANNOT_FILL: "time_in_force",
    Reject.PAST_BANKRUPTCY: "price",
    Reject.ORDER_NOT_FOUND: "order_id",
    Reject.NOT_AMENDABLE: "qty",
    Reject.STALE_OBSERVATION: "source_time_ms",
}
