"""Makes a golden journal: a seeded script of commands in every flavour, with the events and the state it led to.

`python -m tests.golden.make NAME SEED COUNT` writes NAME.bin and NAME.json beside this file; a name that begins with "payments"
is a script of money in and out and of timers among the trades, one that begins with "ladder" is a simulated life under the rules of
liquidation. A golden journal is never made anew because the core answers differently: the core is mended, or its rules get a new
version and a new journal.
"""

import io
import json
import random
import sys
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from app.listings import load
from engine.order import SelfMatch, Side, TimeInForce, TriggerDirection, TriggerEvent
from exchange.commands import (
    AdvanceWithdrawal,
    AmendAsset,
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
    SetMarginMode,
    SetMarketStatus,
    SetRulesVersion,
    SettleDeposit,
    Tick,
    TransferFunds,
    UpdateIndexPrice,
    Withdraw,
    WithdrawalStatus,
    encode_commands,
)
from exchange.events import OrderAccepted
from exchange.exchange import Exchange
from exchange.instrument import Instrument, InstrumentKind, MarketStatus
from exchange.limits import RULES_LATEST, RULES_OF_LIQUIDATION
from tests.golden.play import play
from tests.simulation.life import Life, read_journal
from tests.simulation.terms import opening

FOLDER: Final = Path(__file__).parent
START_MS: Final = 1_700_000_000_000
ACCOUNTS: Final = 7
SYMBOLS: Final = ("USD_BTC_PERP", "USD_ETH_PERP", "BTC_USD")
UNIT: Final = 10**8


class Script:
    """A market with a walk of its own and people who try everything."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        listings = load()
        self.markets: dict[int, Instrument] = {
            key: instrument for key, instrument in listings.markets if instrument.symbol in SYMBOLS
        }
        self.assets = [asset for asset in listings.assets if asset.symbol in {"USD", "BTC", "ETH"}]
        index_ids = {instrument.index_id for instrument in self.markets.values()}
        self.indices = [terms for terms in listings.indices if terms.index_id in index_ids]
        self.prices = {index_id: listings.starts[index_id] for index_id in index_ids}
        self.time_ms = START_MS
        self.exchange = Exchange()
        self.accepted: list[tuple[int, int]] = []  # account and order
        self.references = 0

    def batches(self, count: int) -> Iterator[tuple[int, list[Command]]]:
        """Give `count` batches, each with its time."""
        yield self.time_ms, self.told(self.opening())
        for _ in range(count):
            step = self.random.choice((0, 1, 40, 250, 1_000, 1_700))
            if self.random.random() < 0.004:
                step = self.random.choice((15_000, 70_000, 3_600_000, 86_400_000))
            self.time_ms += step
            commands: list[Command] = [Tick()] if step >= 1_000 else []
            if self.random.random() < 0.3:
                commands += [*self.observations(), Tick()]
            commands += [self.act() for _ in range(self.random.randint(0, 4))]
            if commands:
                yield self.time_ms, self.told(commands)

    def told(self, commands: list[Command]) -> list[Command]:
        """Apply commands, to know what there is to cancel and amend."""
        for command in commands:
            for event in self.exchange.apply(command, self.time_ms):
                if isinstance(event, OrderAccepted):
                    self.accepted.append((event.request.account_id, event.order_id))
        return commands

    def opening(self) -> list[Command]:
        commands: list[Command] = [ListAsset(asset) for asset in self.assets]
        commands += [ListIndex(terms) for terms in self.indices]
        commands += [ListMarket(key, instrument) for key, instrument in self.markets.items()]
        commands += [*self.observations(), Tick()]
        for account_id in range(1, ACCOUNTS + 1):
            # Two owners have two accounts each.
            commands.append(OpenAccount(f"open-{account_id}", (account_id + 1) // 2 if account_id < 5 else account_id))
            for asset, amount in zip(self.assets, (20_000, 2, 10), strict=True):
                commands.append(
                    Deposit(f"first-{account_id}-{asset.asset_id}", account_id, asset.asset_id, amount * UNIT)
                )
        return [*commands, SetMarginMode(2, True), SetMarginMode(5, True)]

    def observations(self) -> list[Command]:
        observed: list[Command] = []
        for index_id, price in self.prices.items():
            largest_ppm = 30_000 if self.random.random() < 0.05 else 2_000
            price += price * self.random.randint(-largest_ppm, largest_ppm) // 10**6
            self.prices[index_id] = price
            for source_id in (1, 2, 3, 4):
                noise = price * self.random.randint(-50, 50) // 10**6
                age_ms = self.random.choice((0, 0, 0, 500, 12_000))
                observed.append(UpdateIndexPrice(index_id, source_id, price + noise, self.time_ms - age_ms))
        return observed

    def act(self) -> Command:
        """One thing that somebody does."""
        choose = self.random
        account_id = choose.randint(1, ACCOUNTS)
        market_id = choose.choice(list(self.markets))
        act = choose.random()
        if act < 0.62:
            return self.order(account_id, market_id)
        if act < 0.72:
            return CancelOrder(*self.someones_order())
        if act < 0.80:
            return self.amendment(market_id)
        if act < 0.84:
            return self.batch(account_id, market_id)
        if act < 0.87:
            return CancelOrders(account_id, (), choose.choice((0, market_id)))
        if act < 0.91:
            return SetLeverage(choose.choice((2, 5)), market_id, choose.choice((100, 500, 2_500, 10_000, 10_100)))
        if act < 0.94:
            return MoveMargin(choose.choice((2, 5)), market_id, choose.randint(-300, 300) * UNIT)
        if act < 0.95:
            return SetMarginMode(account_id, choose.random() < 0.5)
        if act < 0.955:
            return SetMarketStatus(market_id, choose.choice(list(MarketStatus)))
        if act < 0.97:
            return SetMarketStatus(market_id, MarketStatus.TRADING)
        return self.transfer(account_id)

    def transfer(self, account_id: int) -> Command:
        self.references += self.random.random() < 0.8  # sometimes the same reference again
        asset_id = self.random.choice(self.assets).asset_id
        kind = self.random.choice((Deposit, Withdraw))
        return kind(f"move-{self.references}", account_id, asset_id, self.random.randint(1, 3_000) * UNIT // 10)

    def price(self, market_id: int, width_ppm: int = 4_000) -> int:
        terms = self.markets[market_id]
        price = self.prices[terms.index_id]
        price += price * self.random.randint(-width_ppm, width_ppm) // 10**6
        return max(price // terms.tick, 1) * terms.tick

    def qty(self, market_id: int) -> int:
        largest = 4_000 if self.markets[market_id].kind is InstrumentKind.FUTURE else 20_000
        return self.random.randint(1, largest)

    def someones_order(self) -> tuple[int, int]:
        return self.random.choice(self.accepted[-30:]) if self.accepted else (1, 1)

    def batch(self, account_id: int, market_id: int) -> PlaceBatch:
        plain = [
            PlaceOrder(account_id, market_id, side, self.qty(market_id) // 4 + 1, self.price(market_id, 10_000))
            for side in (Side.BUY, Side.SELL, Side.BUY)
        ]
        return PlaceBatch(account_id, market_id, tuple(plain))

    def amendment(self, market_id: int) -> AmendOrder:
        account_id, order_id = self.someones_order()
        price = self.price(market_id) if self.random.random() < 0.5 else 0
        qty = self.qty(market_id) if self.random.random() < 0.6 else 0
        return AmendOrder(account_id, order_id, qty, price)

    def order(self, account_id: int, market_id: int) -> PlaceOrder:
        """An order with any flags, most of which go together."""
        choose = self.random
        is_market = choose.random() < 0.15
        price = 0 if is_market else self.price(market_id)
        is_trigger = choose.random() < 0.12
        is_trailing = is_trigger and choose.random() < 0.3
        return PlaceOrder(
            account_id,
            market_id,
            choose.choice(list(Side)),
            self.qty(market_id),
            price,
            time_in_force=choose.choice([*TimeInForce, TimeInForce.GTC, TimeInForce.GTC, TimeInForce.GTC]),
            post_only=not is_market and choose.random() < 0.1,
            reduce_only=choose.random() < 0.12,
            hidden=choose.random() < 0.06,
            icebergs=0 if is_market else choose.choice((0, 0, 0, 0, 0, 0, 0, 0, 3, 10)),
            oco=choose.choice(("", "", "", "", "", "", "", "a", "b")),
            self_match=choose.choice([*SelfMatch, SelfMatch.CANCEL_TAKER, SelfMatch.CANCEL_TAKER]),
            client_order_id=f"c{choose.randint(1, 400)}" if choose.random() < 0.15 else "",
            leverage_e2=choose.choice((0, 0, 0, 0, 0, 500, 2_000)),
            trigger_price=self.price(market_id) if is_trigger else 0,
            trigger_event=choose.choice(list(TriggerEvent)[1:]) if is_trigger else TriggerEvent.NONE,
            trigger_direction=choose.choice(list(TriggerDirection)) if is_trigger else TriggerDirection.AUTO,
            close_on_trigger=is_trigger and choose.random() < 0.2,
            trail_ppm=choose.choice((2_000, 10_000)) if is_trailing else 0,
            is_close=choose.random() < 0.04,
        )


class PaymentScript(Script):
    """The same people, who send money in and out, and promise to be alive."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.sent = 0

    def opening(self) -> list[Command]:
        usd, *others = self.assets
        return [
            *super().opening(),
            AmendAsset(replace(usd, withdrawal_fee=UNIT, withdrawal_min=2 * UNIT, deposit_fee=1, deposit_min=UNIT)),
            *[AmendAsset(replace(asset, withdrawal_day_max=UNIT)) for asset in others],
        ]

    def act(self) -> Command:
        """Mostly a step of a payment, else what people do."""
        choose = self.random
        act = choose.random()
        state = self.exchange.state
        if act < 0.10:
            return self.request()
        if act < 0.32:
            latest = max(1, state.next_withdrawal_id - 12)
            ways = [*WithdrawalStatus, *[WithdrawalStatus.SUBMITTED, WithdrawalStatus.PROCESSING] * 4]
            owner = choose.choice((0, 0, 0, choose.randint(1, ACCOUNTS)))
            withdrawal_id = choose.randint(latest, state.next_withdrawal_id)
            return AdvanceWithdrawal(withdrawal_id, choose.choice(ways), choose.choice(("", "tx")), "note", owner)
        if act < 0.42:
            self.sent += choose.random() < 0.9
            asset_id = choose.choice(self.assets).asset_id
            amount = choose.choice((1, UNIT // 2, 3 * UNIT, 700 * UNIT))
            return RecordDeposit(
                f"d{self.sent}", choose.randint(1, ACCOUNTS + 1), asset_id, amount, "here", "tx", "them"
            )
        if act < 0.52:
            return SettleDeposit(
                f"d{choose.randint(max(0, self.sent - 8), self.sent + 1)}", choose.random() < 0.7, "note"
            )
        if act < 0.56:
            return CancelAllAfter(choose.randint(1, ACCOUNTS), choose.choice((0, 999, 1_000, 1_300, 5_000)))
        if act < 0.57:
            asset = state.assets[self.assets[0].asset_id]
            above = choose.choice((0, 300 * UNIT))
            return AmendAsset(replace(asset, withdrawal_approval_above=above, withdrawal_fee=choose.choice((0, UNIT))))
        return super().act()

    def request(self) -> RequestWithdrawal:
        choose = self.random
        self.references += choose.random() < 0.85
        asset_id = choose.choice(self.assets).asset_id
        amount = choose.choice((UNIT // 3, UNIT, 2 * UNIT, 250 * UNIT, 500 * UNIT, 9_000 * UNIT))
        reference = f"w{self.references}"
        return RequestWithdrawal(
            reference, choose.randint(1, ACCOUNTS), asset_id, amount, "there", "net", choose.random() < 0.5
        )


class TransferScript(Script):
    """The same people, two of whom move money between their two accounts, and others who try."""

    def act(self) -> Command:
        """Now and then a transfer, else what people do."""
        choose = self.random
        if choose.random() > 0.2:
            return super().act()
        self.references += choose.random() < 0.9
        own = choose.choice(((1, 2), (2, 1), (3, 4), (4, 3)))
        source, target = (
            own if choose.random() < 0.85 else (choose.randint(0, ACCOUNTS), choose.randint(0, ACCOUNTS + 1))
        )
        asset_id = choose.choice(self.assets).asset_id if choose.random() < 0.95 else 99
        amount = choose.choice((0, 1, UNIT // 3, UNIT, 500 * UNIT, 9_000 * UNIT))
        return TransferFunds(f"t{self.references}", source, target, asset_id, amount)


def life(seed: int, count: int) -> Iterator[tuple[int, list[Command]]]:
    """Give the commands of a simulated life with its crashes: half of it under the rules of liquidation, half under the latest."""
    journal = io.BytesIO()
    lived = Life(seed, count, journal)
    for command in opening(RULES_OF_LIQUIDATION):
        lived.do(command)
    while lived.count < count:
        if lived.count >= count // 2 and lived.exchange.state.rules_version < RULES_LATEST:
            lived.do(SetRulesVersion(RULES_LATEST))
        lived.second()
    journal.seek(0)
    for time_ms, told in groupby(read_journal(journal), itemgetter(0)):
        yield time_ms, [command for _, command in told]


def scripted(name: str, seed: int, count: int) -> Iterator[tuple[int, list[Command]]]:
    """Give the batches of the script that a name stands for."""
    if name.startswith("ladder"):
        return life(seed, count)
    if name.startswith("payments"):
        return PaymentScript(seed).batches(count)
    script = TransferScript(seed) if name.startswith("transfers") else Script(seed)
    return script.batches(count)


def main() -> None:
    """Write a golden journal and what it leads to."""
    name, seed, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    told = scripted(name, seed, count)
    batches = [(time_ms, encode_commands(commands)) for time_ms, commands in told]
    (FOLDER / f"{name}.bin").write_bytes(msgspec.msgpack.encode(batches))
    outcome = play(FOLDER / f"{name}.bin")
    (FOLDER / f"{name}.json").write_text(json.dumps(outcome, indent=1) + "\n", "ascii")


if __name__ == "__main__":
    main()
