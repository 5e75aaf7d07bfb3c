"""The rows about money in and out as OpenAPI."""

from typing import Final

from app.surfaces.everstrike.shapes import (
    ID,
    MILLISECONDS,
    NUMBER,
    OURS,
    TEXT,
    Schema,
    exact,
    list_of,
    or_null,
    ref,
    words,
)
from exchange.commands import WithdrawalStatus
from exchange.events import DepositStatus
from exchange.limits import ADDRESS_LENGTH_MAX, NETWORK_LENGTH_MAX, REFERENCE_LENGTH_MAX

_USD: Final[Schema] = {**or_null(NUMBER), "description": "By the index as of now; null where there is none."}
_MSG: Final[Schema] = {**or_null(TEXT), "description": OURS + "Why it ended as it did."}

PARAMETERS: Final[dict[str, Schema]] = {
    "asset": {
        "type": "string",
        "maxLength": 16,
        "description": "Such as BTC.",
    },
    "address": {"type": "string", "maxLength": ADDRESS_LENGTH_MAX, "description": "Where to pay."},
    "network": {
        "type": "string",
        "maxLength": NETWORK_LENGTH_MAX,
        "description": OURS + "Over which network, where the asset has several; the usual one by default.",
    },
    "client_withdrawal_id": {
        "type": "string",
        "maxLength": REFERENCE_LENGTH_MAX,
        "description": OURS
        + "A name of your own. The same again answers with the first withdrawal and asks for no other.",
    },
}
SCHEMAS: Final[dict[str, Schema]] = {
    "Deposit": exact(
        {
            "id": {
                "type": "string",
                "description": "The asset and the transaction's hash, and its output if it is not the first.",
            },
            "customer_id": {"type": "string", "format": "uuid"},
            "asset": TEXT,
            "address": {"type": "string", "description": "Where it was paid to."},
            "time": {**MILLISECONDS, "description": "When the exchange saw it."},
            "qty": NUMBER,
            "net": {**NUMBER, "description": "What is credited: qty - fee."},
            "fee": {**NUMBER, "description": OURS + "Taken off a completed one."},
            "qty_usd": _USD,
            "net_usd": _USD,
            "status": {
                **words(DepositStatus.__members__),
                "description": "PENDING until it has enough confirmations, then COMPLETED. FAILED (ours): the chain lost it, or it is "
                "too small. One that was lost may still come.",
            },
            "msg": _MSG,
            "transaction": exact({"hash": TEXT, "from": TEXT}),
        }
    ),
    "Withdrawal": exact(
        {
            "id": ID,
            "client_withdrawal_id": {
                "type": "string",
                "description": OURS + "Yours, or one that the exchange made up.",
            },
            "customer_id": {"type": "string", "format": "uuid"},
            "asset": TEXT,
            "address": TEXT,
            "network": {"type": "string", "description": OURS},
            "time": {**MILLISECONDS, "description": "When it was asked for."},
            "qty": {**NUMBER, "description": "What left the balance."},
            "net": {**NUMBER, "description": "What arrives: qty - fee."},
            "fee": NUMBER,
            "qty_usd": _USD,
            "net_usd": _USD,
            "status": {
                **words(WithdrawalStatus.__members__),
                "description": "PREPARED waits for its owner, WAITING_FOR_APPROVAL and SUSPECTED for the operator. From PROCESSING on it "
                "cannot be cancelled. CANCELLED, REJECTED and FAILED gave the whole amount back.",
            },
            "msg": _MSG,
            "transaction": {"anyOf": [exact({"hash": TEXT}), {"type": "null"}]},
        }
    ),
}
RESULTS: Final[dict[str, Schema]] = {
    "deposits": list_of(ref("Deposit")),
    "withdrawals": list_of(ref("Withdrawal")),
    "withdrawal": ref("Withdrawal"),
    "deposit_address": exact({"asset": TEXT, "network": TEXT, "address": TEXT}),
}
SUMMARIES: Final[dict[str, str]] = {
    "/auth/withdraw": "Ask for a withdrawal",
    "/auth/withdraw/cancel": OURS + "Cancel a withdrawal until it is processing",
    "/deposits": "What came in",
    "/withdrawals": "What went out",
    "/v1/deposit_address": "Where to pay in",
}
