"""Who pays whom: what the events of one command say about funding, fees, liquidation and shared losses must add up."""

from collections import defaultdict
from typing import Final

from exchange.events import (
    BalanceChanged,
    Cause,
    Event,
    FundingPaid,
    FundingSettled,
    LossShared,
    LossSocialised,
    PositionTakenOver,
    Traded,
)
from exchange.limits import FUND_ACCOUNT_ID
from tests.simulation.ledger import FLAT, LawBroken, Ledger

OF_POSITIONS: Final = {Cause.FUNDING, Cause.LIQUIDATION, Cause.DELEVERAGING}
"""Why somebody pays for having a position, and nobody else does."""


def check(events: list[Event], before: Ledger) -> None:
    """Check a command's events beside the books as they stood before it.

    Raises: LawBroken.
    """
    broken: list[str] = []
    held: set[tuple[int, int]] = set()
    funding: defaultdict[int, int] = defaultdict(int)
    shared = lost = 0
    for event in events:
        if isinstance(event, Traded):
            held.update(((event.maker_account_id, event.market_id), (event.taker_account_id, event.market_id)))
            if event.maker_fee + event.taker_fee < 0:
                broken.append(f"{event}: the rebate is larger than the fee")
            if event.is_liquidation and event.taker_fee:
                broken.append(f"{event}: a slice pays a taker fee")
        elif isinstance(event, PositionTakenOver):
            held.add((event.taker_account_id, event.market_id))
        elif isinstance(event, BalanceChanged):
            place = (event.account_id, event.market_id)
            is_owed = place in held or before.positions.get(place, FLAT)[0] != 0 or event.account_id == FUND_ACCOUNT_ID
            if event.cause in OF_POSITIONS and not is_owed:
                broken.append(f"{event}: it has no position there")
        elif isinstance(event, FundingPaid):
            funding[event.market_id] += event.amount
        elif isinstance(event, FundingSettled):
            if event.collected + event.gift != event.paid + event.residue:
                broken.append(f"{event}: it does not add up")
            if funding.pop(event.market_id, 0) != event.paid - event.collected:
                broken.append(f"{event}: the payments are others")
        elif isinstance(event, LossSocialised):
            lost += event.from_profits + event.from_equity
            if event.loss != event.from_profits + event.from_equity + event.from_fees:
                broken.append(f"{event}: it does not add up")
        elif isinstance(event, LossShared):
            shared += event.amount
    if any(funding.values()):
        broken.append(f"funding was paid in {dict(funding)} and no hour settled")
    if shared != lost:
        broken.append(f"{lost} of losses to share, {shared} shared")
    if broken:
        raise LawBroken(str(broken[:10]))
