"""The exchange: one command at a time in, events out. Dispatch only."""

from typing import TypeAlias, assert_never, final

from exchange import accounts, deadman, deposits, listings, orders, prices, terms, transfers, withdrawals
from exchange.commands import (
    AdvanceWithdrawal,
    AmendAsset,
    AmendMarket,
    AmendOrder,
    CancelAllAfter,
    CancelOrder,
    CancelOrders,
    Command,
    Deposit,
    ListAsset,
    ListIndex,
    ListMarket,
    MoveMargin,
    OpenAccount,
    PlaceBatch,
    PlaceOrder,
    RecordDeposit,
    RequestWithdrawal,
    SetLeverage,
    SetLiquidityProvider,
    SetMarginMode,
    SetMarketStatus,
    SetRulesVersion,
    SettleDeposit,
    SetVenueStatus,
    SkipCommand,
    Tick,
    TransferFunds,
    UpdateIndexPrice,
    UpdateOptionModels,
    Withdraw,
)
from exchange.events import CommandRejected, CommandSkipped, Event
from exchange.state import State
from exchange.state_codec import hash_state

Payment: TypeAlias = RequestWithdrawal | AdvanceWithdrawal | RecordDeposit | SettleDeposit | AmendAsset | TransferFunds


@final
class Exchange:
    """A whole exchange as a state machine: same state, same command, same time give the same events and next state."""

    __slots__ = ("state", "time_ms")

    def __init__(self) -> None:
        self.state: State = State()
        self.time_ms: int = 0

    @property
    def next_due_ms(self) -> int:
        """The time from which a Tick must come before any other command."""
        dead_man_ms = self.state.dead_man_ms
        next_tick_ms = self.state.next_tick_ms
        return min(next_tick_ms, dead_man_ms) if dead_man_ms else next_tick_ms

    def apply(self, command: Command, time_ms: int) -> list[Event]:
        """Apply a command and return what happened; a refused one changes nothing.

        Requires: time_ms is not before the last command's.
        Raises: AssertionError when a promise of the core is broken; the state is then not to be used.
        """
        assert time_ms >= self.time_ms, "time went back"
        out: list[Event] = []
        state = self.state
        if isinstance(command, PlaceOrder):
            orders.place(state, command, time_ms, out)
        elif isinstance(command, CancelOrder):
            orders.cancel(state, command, time_ms, out)
        elif isinstance(command, UpdateIndexPrice):
            prices.observe(state, command, time_ms, out)
        elif isinstance(command, Tick):
            prices.tick(state, time_ms, out)
        elif isinstance(command, PlaceBatch):
            orders.place_batch(state, command, time_ms, out)
        elif isinstance(command, CancelOrders):
            orders.cancel_many(state, command, out)
        elif isinstance(command, AmendOrder):
            orders.amend(state, command, time_ms, out)
        elif isinstance(command, CancelAllAfter):
            deadman.set_timer(state, command, time_ms, out)
        else:
            self._apply_rare(command, time_ms, out)
        self.time_ms = time_ms
        return out

    def _apply_rare(
        self,
        command: ListAsset
        | ListIndex
        | ListMarket
        | SetMarketStatus
        | OpenAccount
        | Deposit
        | Withdraw
        | SetLeverage
        | SetMarginMode
        | MoveMargin
        | SkipCommand
        | AmendMarket
        | UpdateOptionModels
        | SetLiquidityProvider
        | SetVenueStatus
        | SetRulesVersion
        | Payment,
        time_ms: int,
        out: list[Event],
    ) -> None:
        state = self.state
        if isinstance(command, Deposit | Withdraw):
            accounts.transfer(state, command, out)
        elif isinstance(command, OpenAccount):
            accounts.open_account(state, command, out)
        elif isinstance(command, SetLeverage):
            accounts.set_leverage(state, command, out)
        elif isinstance(command, SetMarginMode):
            accounts.set_margin_mode(state, command, out)
        elif isinstance(command, MoveMargin):
            accounts.move_margin(state, command, out)
        elif isinstance(command, ListAsset):
            listings.list_asset(state, command, out)
        elif isinstance(command, ListIndex):
            listings.list_index(state, command, out)
        elif isinstance(command, ListMarket):
            listings.list_market(state, command, out)
        elif isinstance(command, SetMarketStatus):
            listings.set_market_status(state, command, time_ms, out)
        elif isinstance(command, UpdateOptionModels):
            prices.update_models(state, command, time_ms, out)
        elif isinstance(command, AmendMarket):
            terms.amend_market(state, command, time_ms, out)
        elif isinstance(command, SetLiquidityProvider):
            accounts.set_liquidity_provider(state, command, out)
        elif isinstance(command, SetVenueStatus):
            listings.set_venue_status(state, command, time_ms, out)
        elif isinstance(command, SetRulesVersion):
            terms.set_rules_version(state, command, out)
        elif isinstance(command, SkipCommand):
            out.append(CommandSkipped(command.seq, command.reason))
        else:
            self._apply_payment(command, time_ms, out)

    def _apply_payment(self, command: Payment, time_ms: int, out: list[Event]) -> None:
        state = self.state
        if isinstance(command, RequestWithdrawal):
            withdrawals.request(state, command, time_ms, out)
        elif isinstance(command, AdvanceWithdrawal):
            withdrawals.advance(state, command, time_ms, out)
        elif isinstance(command, RecordDeposit):
            deposits.record(state, command, time_ms, out)
        elif isinstance(command, SettleDeposit):
            deposits.settle(state, command, time_ms, out)
        elif isinstance(command, AmendAsset):
            listings.amend_asset(state, command, out)
        elif isinstance(command, TransferFunds):
            transfers.transfer(state, command, time_ms, out)
        else:
            assert_never(command)

    def check(self, command: PlaceOrder | PlaceBatch, time_ms: int) -> CommandRejected | None:
        """Run all checks of an order or a batch without any effect; None when it would be taken."""
        if isinstance(command, PlaceOrder):
            reject = orders.check_place(self.state, command, time_ms)
            return None if reject is None else CommandRejected(reject, reject.field)
        return orders.check_place_batch(self.state, command, time_ms)

    def state_hash(self) -> bytes:
        """Return the SHA-256 of the state's canonical bytes. Cost: O(state)."""
        return hash_state(self.state)
