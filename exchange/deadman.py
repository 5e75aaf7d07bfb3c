"""The dead man's switch: whoever does not say in time that it is alive loses its orders."""

from exchange import resting
from exchange.answers import refuse
from exchange.commands import CancelAllAfter
from exchange.events import CancelAllAfterSet, CancelReason, Event
from exchange.limits import (
    CANCEL_ALL_AFTER_MAX_MS,
    CANCEL_ALL_AFTER_MIN_MS,
    DEAD_MEN_ORDERS_PER_TICK_MAX,
    FUND_ACCOUNT_ID,
)
from exchange.rejects import Reject
from exchange.state import Account, State, request_of


def set_timer(state: State, command: CancelAllAfter, time_ms: int, out: list[Event]) -> None:
    """Start an account's time anew, or (0) stop it."""
    account = state.accounts.get(command.account_id)
    timeout_ms = command.timeout_ms
    if account is None or account.account_id == FUND_ACCOUNT_ID:
        refuse(Reject.UNKNOWN_ACCOUNT, out)
    elif timeout_ms and not CANCEL_ALL_AFTER_MIN_MS <= timeout_ms <= CANCEL_ALL_AFTER_MAX_MS:
        refuse(Reject.INVALID_TIMEOUT, out)
    elif timeout_ms:
        arm(state, account, time_ms + timeout_ms)
        out.append(CancelAllAfterSet(account.account_id, account.cancel_all_ms))
    else:
        disarm(state, account)
        out.append(CancelAllAfterSet(account.account_id, 0))


def arm(state: State, account: Account, due_ms: int) -> None:
    """Let an account's orders go at a time."""
    account.cancel_all_ms = due_ms
    state.dead_men[account.account_id] = account
    if state.dead_man_ms == 0 or due_ms < state.dead_man_ms:
        state.dead_man_ms = due_ms


def disarm(state: State, account: Account) -> None:
    """Let an account's orders stay."""
    account.cancel_all_ms = 0
    state.dead_men.pop(account.account_id, None)
    if not state.dead_men:
        state.dead_man_ms = 0


def fire(state: State, time_ms: int, out: list[Event]) -> bool:
    """Cancel the orders of the accounts whose time has come, by that time and account id. Returns whether some are left.

    Cost: O(accounts with a timer), when the first of their times has come.
    """
    if state.dead_man_ms == 0 or time_ms < state.dead_man_ms:
        return False
    due = [(a.cancel_all_ms, a.account_id) for a in state.dead_men.values() if a.cancel_all_ms <= time_ms]
    due.sort()
    room = DEAD_MEN_ORDERS_PER_TICK_MAX
    for _, account_id in due:
        if room <= 0:
            break
        account = state.dead_men[account_id]
        room -= cancel_all(state, account, out)
        disarm(state, account)
        out.append(CancelAllAfterSet(account_id, 0, True))
    state.dead_man_ms = min([account.cancel_all_ms for account in state.dead_men.values()], default=0)
    return 0 < state.dead_man_ms <= time_ms


def cancel_all(state: State, account: Account, out: list[Event]) -> int:
    """Cancel all of an account's orders by id, in halted markets too. Returns how many."""
    order_ids: list[int] = []
    for holding in account.holdings.values():
        order_ids.extend(holding.orders)
        order_ids.extend(holding.triggers)
    order_ids.sort()
    for order_id in order_ids:
        order = state.orders[order_id]
        holding = account.holdings[request_of(order).market_id]
        resting.cancel(state, holding, order, CancelReason.DEAD_MAN, out)
    return len(order_ids)
