"""What ccxt wants to know of an exchange before it asks it anything."""

from typing import Any, Final

from ccxt.base.decimal_to_precision import TICK_SIZE
from ccxt.base.errors import (
    BadRequest,
    BadSymbol,
    ExchangeNotAvailable,
    InsufficientFunds,
    InvalidAddress,
    InvalidOrder,
    MarginModeAlreadySet,
    MarketClosed,
    NoChange,
    OperationRejected,
    OrderImmediatelyFillable,
    OrderNotFillable,
    OrderNotFound,
)
from ccxt.base.types import Entry

PUBLIC: Final = (
    *("pairs", "depth", "trades", "funding", "time", "ping", "ticker", "ohlcv", "assets", "globals", "status", "vault"),
    *("v1/liquidations", "v1/liabilities"),
)
KEYED: Final = (
    *("order", "orders", "active_orders", "completed_orders", "cancelled_orders", "filled_orders", "triggers"),
    *("account", "balances", "position", "active_positions", "completed_positions", "fills", "personal"),
    *("withdrawals", "deposits", "v1/funding_payments", "v1/deposit_address"),
)
SIGNED: Final = (
    *("auth/order", "auth/order/bulk", "auth/cancel", "auth/cancel/bulk", "auth/close", "auth/amend"),
    *("auth/margin_mode", "auth/cancel_all_after", "auth/withdraw", "auth/withdraw/cancel"),
    *("leverage", "fund", "draw"),
)

HAS: Final = {
    **dict.fromkeys(("CORS", "margin", "option", "transfer", "setPositionMode", "createMarketBuyOrderWithCost"), False),
    **dict.fromkeys(("spot", "swap", "future", "sandbox"), True),
    **dict.fromkeys(
        ("fetchMarkets", "fetchCurrencies", "fetchTime", "fetchStatus", "fetchTicker", "fetchTickers"), True
    ),
    **dict.fromkeys(("fetchOrderBook", "fetchTrades", "fetchOHLCV", "fetchMarkOHLCV", "fetchIndexOHLCV"), True),
    **dict.fromkeys(("fetchFundingRate", "fetchFundingRates", "fetchFundingRateHistory", "fetchFundingHistory"), True),
    "fetchLeverageTiers": True,
    "fetchMarketLeverageTiers": "emulated",
    **dict.fromkeys(("fetchOpenInterest", "fetchTradingFee", "fetchTradingFees", "fetchMarginMode"), True),
    **dict.fromkeys(("fetchBalance", "fetchPosition", "fetchPositions", "fetchMyTrades", "fetchOrderTrades"), True),
    **dict.fromkeys(("fetchOrder", "fetchOrders", "fetchOpenOrders", "fetchClosedOrders", "fetchCanceledOrders"), True),
    **dict.fromkeys(
        ("createOrder", "createOrders", "editOrder", "cancelOrder", "cancelOrders", "cancelAllOrders"), True
    ),
    **dict.fromkeys(("cancelAllOrdersAfter", "closePosition", "createReduceOnlyOrder", "createPostOnlyOrder"), True),
    **dict.fromkeys(("createTriggerOrder", "createStopOrder", "createStopLimitOrder", "createStopMarketOrder"), True),
    **dict.fromkeys(("createStopLossOrder", "createTakeProfitOrder", "createTrailingAmountOrder"), True),
    **dict.fromkeys(("createTrailingPercentOrder", "setLeverage", "setMarginMode", "addMargin", "reduceMargin"), True),
    **dict.fromkeys(("fetchDeposits", "fetchWithdrawals", "fetchDepositAddress", "withdraw"), True),
}
TIMEFRAMES: Final = {
    **{word: word for word in ("15s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h")},
    "1d": "24h",
    "1w": "7d",
}
EXACT: Final[dict[str, Any]] = {
    **dict.fromkeys(("ORDER_NOT_FOUND",), OrderNotFound),
    **dict.fromkeys(("UNKNOWN_MARKET", "UNKNOWN_PAIR"), BadSymbol),
    **dict.fromkeys(
        ("INSUFFICIENT_BALANCE", "BELOW_INITIAL_MARGIN", "PAST_BANKRUPTCY", "MARGIN_TOO_LOW"), InsufficientFunds
    ),
    **dict.fromkeys(("INVALID_SIDE", "INVALID_SELF_MATCH", "MISSING_FIELD"), InvalidOrder),
    **dict.fromkeys(("INVALID_QTY", "INVALID_PRICE", "INVALID_TIME_IN_FORCE", "INVALID_POST_ONLY"), InvalidOrder),
    **dict.fromkeys(("INVALID_ICEBERGS", "INVALID_OCO", "INVALID_CLIENT_ORDER_ID", "INVALID_TRIGGER"), InvalidOrder),
    **dict.fromkeys(("INVALID_LEVERAGE", "INVALID_FORM", "INVALID_AMOUNT", "INVALID_TIMEOUT"), BadRequest),
    **dict.fromkeys(("NOTIONAL_TOO_SMALL", "OUTSIDE_TRADING_RANGE", "TOO_MANY_ORDERS", "INVALID_BATCH"), InvalidOrder),
    **dict.fromkeys(("NO_POSITION", "WRONG_SIDE", "POSITION_TOO_LARGE", "NOT_ON_SPOT"), InvalidOrder),
    "WOULD_TAKE": OrderImmediatelyFillable,
    "CANNOT_FILL": OrderNotFillable,
    "MARKET_CLOSED": MarketClosed,
    **dict.fromkeys(("NO_PRICE", "STALE_PRICE"), MarketClosed),
    "NOT_AMENDABLE": NoChange,
    "ALREADY_SET": MarginModeAlreadySet,
    "INVALID_ADDRESS": InvalidAddress,
    "WITHDRAWAL_TOO_SMALL": BadRequest,
    **dict.fromkeys(("WITHDRAWAL_LIMIT", "TOO_MANY_WITHDRAWALS"), OperationRejected),
    **dict.fromkeys(("HAS_OPEN_ORDERS", "HAS_POSITIONS", "ONLY_CROSS", "ONLY_ISOLATED"), OperationRejected),
    **dict.fromkeys(("OVERLOADED", "UNAVAILABLE"), ExchangeNotAvailable),
}
ORDER_FEATURES: Final = {
    "marginMode": False,
    "triggerPrice": True,
    "triggerPriceType": {"last": True, "mark": True, "index": True},
    "triggerDirection": True,
    "stopLossPrice": True,
    "takeProfitPrice": True,
    "attachedStopLossTakeProfit": None,
    "timeInForce": {"IOC": True, "FOK": True, "PO": True, "GTD": False},
    "hedged": False,
    "trailing": True,
    "leverage": True,
    "marketBuyByCost": False,
    "marketBuyRequiresPrice": False,
    "selfTradePrevention": True,
    "iceberg": True,
}
LIST: Final = {"marginMode": False, "limit": 1000, "daysBack": None, "untilDays": None, "symbolRequired": False}
FEATURES: Final = {
    "default": {
        "sandbox": True,
        "createOrder": ORDER_FEATURES,
        "createOrders": {"max": 50},
        "fetchMyTrades": LIST,
        "fetchOrder": {"marginMode": False, "trigger": False, "trailing": False, "symbolRequired": False},
        "fetchOpenOrders": {**LIST, "trigger": False, "trailing": False},
        "fetchOrders": {**LIST, "trigger": False, "trailing": False},
        "fetchClosedOrders": {**LIST, "trigger": False, "trailing": False, "daysBackCanceled": None},
        "fetchOHLCV": {"limit": 1000},
    },
    "spot": {"extends": "default"},
    "swap": {"linear": {"extends": "default"}, "inverse": None},
    "future": {"linear": {"extends": "default"}, "inverse": None},
}
URLS: Final = {"rest": "http://{hostname}", "ws": "ws://{hostname}"}
"""Anybody may run an Evermark: `hostname` says where this one is, and `urls` says it where http is not enough."""

DESCRIPTION: Final[dict[str, Any]] = {
    "id": "evermark",
    "name": "Evermark",
    "countries": [],
    "version": "v1",
    "rateLimit": 5,
    "certified": False,
    "pro": False,
    "hostname": "127.0.0.1:8080",
    "has": HAS,
    "timeframes": TIMEFRAMES,
    "urls": {"api": {**URLS}, "test": {**URLS}, "www": "", "doc": [], "logo": ""},
    "api": {
        "public": {"get": dict.fromkeys(PUBLIC, 1)},
        "private": {"get": dict.fromkeys(KEYED, 1), "post": dict.fromkeys(SIGNED, 1)},
    },
    "requiredCredentials": {"apiKey": True, "secret": True},
    "precisionMode": TICK_SIZE,
    "exceptions": {"exact": EXACT, "broad": {}},
    "fees": {"trading": {"tierBased": False, "percentage": True, "maker": 0.0, "taker": 0.0003}},
    "features": FEATURES,
    "options": {"defaultType": "swap", "timeDifference": 0, "adjustForTimeDifference": False, "ordersPerMinute": 1_200},
}


def _entries() -> dict[str, Any]:
    """A method for each row, as ccxt names them: private_post_auth_order and privatePostAuthOrder."""
    found: dict[str, Any] = {}
    for api, method, paths in (("public", "GET", PUBLIC), ("private", "GET", KEYED), ("private", "POST", SIGNED)):
        for path in paths:
            words = [api, method.lower(), *path.replace("/", "_").split("_")]
            entry = Entry(path, [api], method, {"cost": 1})
            found["_".join(words)] = entry
            found[words[0] + "".join(word.capitalize() for word in words[1:])] = entry
    return found


ImplicitAPI: Final[Any] = type("ImplicitAPI", (), _entries())
