"""What the parts of the surface write down about themselves, together."""

from typing import Final

from app.surfaces.everstrike import schemas, schemas_charts, schemas_funds, schemas_venue
from app.surfaces.everstrike.charts import CANDLES
from app.surfaces.everstrike.reading import DEPTH_LIMIT, LIST_LIMIT
from app.surfaces.everstrike.shapes import OURS, Schema

_PARTS: Final = (schemas, schemas_charts, schemas_funds, schemas_venue)

PARAMETERS: Final[dict[str, Schema]] = {name: entry for part in _PARTS for name, entry in part.PARAMETERS.items()}
SCHEMAS: Final[dict[str, Schema]] = {name: entry for part in _PARTS for name, entry in part.SCHEMAS.items()}
RESULTS: Final[dict[str, Schema]] = {name: entry for part in _PARTS for name, entry in part.RESULTS.items()}
SUMMARIES: Final[dict[str, str]] = {path: words for part in _PARTS for path, words in part.SUMMARIES.items()}

_WHICH: Final = {"id": "Id of the order.", "client_order_id": OURS + "In place of id: what the order was named."}
_NAMED: Final = {"client_order_id": OURS + "Makes a retry safe: the same id again answers with the first order."}
_MONEY: Final = {"qty": "Money in the market's quote asset."}
_OF_ASSET: Final = {"asset": OURS + "Of this asset only."}
WORDS: Final[dict[str, dict[str, str]]] = {
    "/order": _WHICH,
    "/auth/cancel": _WHICH,
    "/auth/amend": {
        **_WHICH,
        "qty": "The new total quantity, what is filled included.",
        "price": "The new price.",
        "trigger_price": "The new trigger price, while the order waits for it.",
    },
    "/auth/close": {
        **_NAMED,
        "qty": "How much of the position, a multiple of the market's lot. Left out: all of it.",
        "price": "Price, a multiple of the market's tick. Left out: at the market.",
        "is_test": OURS + "Check the order in every way and do nothing.",
    },
    "/auth/order/bulk": {"is_test": "Check the orders in every way and do nothing; here, or in each of them."},
    "/fund": _MONEY,
    "/draw": _MONEY,
    "/auth/withdraw": {"qty": "How much of the asset, its fee included."},
    "/auth/withdraw/cancel": {"id": "Id of the withdrawal."},
    "/withdrawals": _OF_ASSET,
    "/deposits": _OF_ASSET,
    "/v1/liabilities/path": {"asset": "Such as BTC; USD by default."},
}
"""Where a parameter means something else than by the same name elsewhere."""
LIMITS: Final = {"/depth": DEPTH_LIMIT, "/ohlcv": CANDLES}


def parameter(path: str, name: str) -> Schema:
    """A parameter as a row takes it."""
    described = dict(PARAMETERS[name])
    if name in WORDS.get(path, ()):
        described["description"] = WORDS[path][name]
    if name == "limit":
        described["default"] = LIMITS.get(path, LIST_LIMIT)
    return described
