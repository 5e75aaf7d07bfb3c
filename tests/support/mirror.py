"""What a client of the stream knows of its account."""

from typing import Any

from app.surfaces.everstrike.answers import Json

ENDS = {"order_cancelled", "order_completed", "trigger_cancelled", "trigger_failed"}


class Mirror:
    """What a client knows of its account from messages alone."""

    def __init__(self) -> None:
        self.orders: dict[str, Json] = {}
        self.positions: dict[str, Json] = {}
        self.balances: Json = {}
        self.place = (0, 0)

    def take(self, message: dict[str, Any]) -> None:
        place = (message["seq"], message["index"])
        assert place > self.place, "messages go back"
        self.place = place
        category, result = message["category"], message["result"]
        if category.startswith(("order_", "trigger_")):
            order = result["order"]
            is_new = category in ("order_added", "trigger_added")
            assert is_new == (order["id"] not in self.orders), (category, order["id"])
            self.orders[order["id"]] = order
            if category in ENDS:
                del self.orders[order["id"]]
        elif category == "position_updated":
            self.positions[result["pair"]] = result
        elif category == "position_closed":
            self.positions.pop(result["pair"], None)
        elif category == "balance_updated":
            self.balances = result["balances"]
