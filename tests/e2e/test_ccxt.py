"""Evermark as a ccxt exchange, against `evermark run`: ccxt's own checks of its structures, and what its users do."""

import asyncio
import json
import os
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import ccxt
import ccxt.async_support
import ccxt.pro
import pytest
import requests
from ccxt.test.exchange.base.test_balance import test_balance as check_balance
from ccxt.test.exchange.base.test_currency import test_currency as check_currency
from ccxt.test.exchange.base.test_deposit_withdrawal import test_deposit_withdrawal as check_transaction
from ccxt.test.exchange.base.test_funding_rate_history import test_funding_rate_history as check_rate
from ccxt.test.exchange.base.test_leverage_tier import test_leverage_tier as check_tier
from ccxt.test.exchange.base.test_margin_mode import test_margin_mode as check_margin_mode
from ccxt.test.exchange.base.test_margin_modification import test_margin_modification as check_margin_change
from ccxt.test.exchange.base.test_market import test_market as check_market
from ccxt.test.exchange.base.test_ohlcv import test_ohlcv as check_ohlcv
from ccxt.test.exchange.base.test_open_interest import test_open_interest as check_interest
from ccxt.test.exchange.base.test_order import test_order as check_order
from ccxt.test.exchange.base.test_order_book import test_order_book as check_book
from ccxt.test.exchange.base.test_position import test_position as check_position
from ccxt.test.exchange.base.test_status import test_status as check_status
from ccxt.test.exchange.base.test_ticker import test_ticker as check_ticker
from ccxt.test.exchange.base.test_trade import test_trade as check_trade
from ccxt.test.exchange.base.test_trading_fee import test_trading_fee as check_fee
from websockets.asyncio.client import connect

import evermark_ccxt
from evermark_ccxt import rest_sync
from tests.e2e.documents import program_of
from tests.support.program import DEADLINE_S, ROOT, running

SYMBOL = "BTC/USD:USD"
Demo = dict[str, Any]
AN_HOUR_SLOW = {"timeDifference": 3_600_000}
NONE_SKIPPED: dict[str, Any] = {}
NO_TIME = {"timestamp": True, "datetime": True}
"""The exchange tells no time of a book or a position: they are as of now."""
NO_UPDATE = {"network": True, "updated": True}
"""Nor over which network a deposit came, nor when a payment changed last."""


def config(demo: Demo, account: int) -> dict[str, Any]:
    found = demo["accounts"][account]
    host = demo["url"].removeprefix("http://")
    return {"hostname": host, "apiKey": found["api_key"], "secret": found["secret_key"]}


@pytest.fixture(scope="module")
def alice(demo: Demo) -> Any:
    exchange = ccxt.evermark(config(demo, 0))
    exchange.load_markets()
    return exchange


@pytest.fixture(scope="module")
def bob(demo: Demo) -> Any:
    exchange = ccxt.evermark(config(demo, 1))
    exchange.load_markets()
    return exchange


def mark(exchange: Any, symbol: str = SYMBOL) -> float:
    return float(exchange.fetch_ticker(symbol)["markPrice"])


def trade(alice: Any, bob: Any) -> Any:
    """Alice buys from Bob; her order."""
    price = bob.price_to_precision(SYMBOL, mark(bob))
    bob.create_order(SYMBOL, "limit", "sell", 0.002, price)
    order = alice.create_order(SYMBOL, "market", "buy", 0.002)
    assert (order["status"], order["filled"]) == ("closed", 0.002)
    return order


@pytest.mark.spec("CLT-060")
def test_it_is_there_by_its_name() -> None:
    assert ccxt.evermark is evermark_ccxt.evermark
    for library in (ccxt, ccxt.async_support, ccxt.pro):
        assert "evermark" in library.exchanges
        exchange = library.evermark({"hostname": "localhost:1"})
        assert exchange.id == "evermark"
        assert exchange.sign("ping", ["public"])["url"] == "http://localhost:1/ping"
        exchange.set_sandbox_mode(True)
        assert exchange.sign("ping", ["public"])["url"] == "http://localhost:1/ping"
    other = ccxt.evermark({"urls": {"api": {"rest": "https://evermark.example"}}})
    assert other.sign("ping", ["public"])["url"] == "https://evermark.example/ping"


@pytest.mark.spec("CLT-061")
def test_markets_have_ccxts_structure(alice: Any) -> None:
    assert len(alice.markets) >= 78
    for market in alice.markets.values():
        check_market(alice, NONE_SKIPPED, "fetchMarkets", market)
    kinds = {market["type"] for market in alice.markets.values()}
    assert kinds == {"spot", "swap", "future"}
    assert alice.market("BTC/USD")["id"] == "BTC_USD"
    assert alice.market(SYMBOL)["id"] == "USD_BTC_PERP"
    assert alice.market("BTCCALL90/USD:USD")["id"] == "USD_BTCCALL90_PERP"
    for currency in alice.fetch_currencies().values():
        check_currency(alice, NONE_SKIPPED, "fetchCurrencies", currency)
    for symbol, fee in alice.fetch_trading_fees().items():
        check_fee(alice, NONE_SKIPPED, "fetchTradingFees", symbol, fee)
    check_status(alice, NONE_SKIPPED, "fetchStatus", alice.fetch_status(), alice.milliseconds())
    assert abs(alice.fetch_time() - alice.milliseconds()) < 60_000


@pytest.mark.spec("CLT-061")
def test_prices_have_ccxts_structure(alice: Any, bob: Any) -> None:
    trade(alice, bob)
    alice.create_order(SYMBOL, "limit", "buy", 0.001, alice.price_to_precision(SYMBOL, mark(alice) * 0.99))
    now = alice.milliseconds()
    for symbol, ticker in alice.fetch_tickers().items():
        check_ticker(alice, NONE_SKIPPED, "fetchTickers", ticker, symbol)
    check_book(alice, NO_TIME, "fetchOrderBook", alice.fetch_order_book(SYMBOL, 10), SYMBOL)
    trades = alice.fetch_trades(SYMBOL)
    for found in trades:
        check_trade(alice, NONE_SKIPPED, "fetchTrades", found, SYMBOL, now + 60_000, True)
    assert (trades[-1]["amount"], trades[-1]["side"]) == (0.002, "buy")
    for price in (None, "mark", "index"):
        candles = alice.fetch_ohlcv(SYMBOL, "1m", None, 5, {"price": price})
        assert candles
        for candle in candles:
            check_ohlcv(alice, NONE_SKIPPED, "fetchOHLCV", candle, SYMBOL, now + 60_000)
    check_interest(alice, NONE_SKIPPED, "fetchOpenInterest", alice.fetch_open_interest(SYMBOL))
    for rate in alice.fetch_funding_rate_history(SYMBOL):
        check_rate(alice, NONE_SKIPPED, "fetchFundingRateHistory", rate, SYMBOL)
    funding = alice.fetch_funding_rate(SYMBOL)
    assert funding["fundingTimestamp"] > now - 60_000
    assert isinstance(funding["fundingRate"], float)
    assert funding["interval"] == "1h"
    assert SYMBOL in alice.fetch_funding_rates([SYMBOL])
    alice.cancel_all_orders(SYMBOL)


@pytest.mark.spec("CLT-061")
def test_the_account_has_ccxts_structure(alice: Any, bob: Any) -> None:
    order = trade(alice, bob)
    now = alice.milliseconds() + 60_000
    check_balance(alice, NONE_SKIPPED, "fetchBalance", alice.fetch_balance())
    positions = alice.fetch_positions([SYMBOL])
    assert [(found["symbol"], found["side"]) for found in positions] == [(SYMBOL, "long")]
    for found in (*positions, alice.fetch_position(SYMBOL)):
        check_position(alice, NO_TIME, "fetchPositions", found, SYMBOL, now)
    check_order(alice, NONE_SKIPPED, "fetchOrder", alice.fetch_order(order["id"]), SYMBOL, now)
    for method in ("fetch_orders", "fetch_open_orders", "fetch_closed_orders", "fetch_canceled_orders"):
        for found in getattr(alice, method)(SYMBOL):
            check_order(alice, NONE_SKIPPED, method, found, SYMBOL, now)
    fills = alice.fetch_my_trades(SYMBOL)
    for found in (*fills, *alice.fetch_order_trades(order["id"])):
        check_trade(alice, NONE_SKIPPED, "fetchMyTrades", found, SYMBOL, now, False)
    assert fills[-1]["order"] == order["id"]
    assert (fills[-1]["takerOrMaker"], fills[-1]["fee"]["currency"]) == ("taker", "USD")
    assert bob.fetch_my_trades(SYMBOL)[-1]["takerOrMaker"] == "maker"
    check_margin_mode(alice, NONE_SKIPPED, "fetchMarginMode", alice.fetch_margin_mode(SYMBOL))
    closed = alice.close_position(SYMBOL)
    assert closed["reduceOnly"]
    assert alice.fetch_funding_history(SYMBOL) == []


@pytest.mark.spec("CLT-061")
def test_payments_have_ccxts_structure(demo: Demo, alice: Any) -> None:
    """Of the reference's own examples: nobody pays in here."""
    document = requests.get(f"{demo['url']}/docs/openapi.json", timeout=DEADLINE_S).json()
    for path in ("/deposits", "/withdrawals"):
        example = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["example"]
        rows = alice.parse_transactions(example["result"])
        assert rows
        for row in rows:
            skipped = NO_UPDATE if row["info"]["transaction"] else {**NO_UPDATE, "txid": True}  # not on its way yet
            check_transaction(alice, skipped, path, row, row["currency"], row["timestamp"] + 1)
    assert alice.fetch_deposits() == alice.fetch_withdrawals() == []


@pytest.mark.spec("CLT-062")
def test_orders_of_every_kind(alice: Any) -> None:
    alice.cancel_all_orders()
    price = mark(alice)
    low = alice.price_to_precision(SYMBOL, price * 0.98)
    first = alice.create_order(SYMBOL, "limit", "buy", 0.001, low, {"clientOrderId": "mine", "timeInForce": "GTC"})
    again = alice.create_order(SYMBOL, "limit", "buy", 0.001, low, {"clientOrderId": "mine"})
    assert first["id"] == again["id"]
    assert alice.cancel_order(None, SYMBOL, {"clientOrderId": "mine"})["status"] == "canceled"
    bulk = alice.create_orders(
        [{"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": 0.001, "price": low} for _ in range(3)]
    )
    assert len({order["id"] for order in bulk}) == 3
    assert alice.cancel_orders([]) == []
    assert len(alice.cancel_orders([order["id"] for order in bulk[:2]])) == 2
    stop = alice.create_order(SYMBOL, "market", "buy", 0.001, None, {"triggerPrice": price * 1.02})
    assert (stop["status"], stop["type"]) == ("open", "market")
    assert stop["triggerPrice"] == pytest.approx(price * 1.02, abs=0.1)
    trailing = alice.create_order(SYMBOL, "market", "buy", 0.001, None, {"trailingPercent": 1})
    assert trailing["info"]["trail_percent"] == "1.0"
    assert alice.cancel_all_orders_after(60_000)["cancel_time"] > alice.milliseconds()
    assert alice.cancel_all_orders_after(0)["cancel_time"] is None
    assert len(alice.cancel_all_orders()) == 3


@pytest.mark.spec("CLT-062")
def test_stops_close_positions(alice: Any, bob: Any) -> None:
    trade(alice, bob)
    price = mark(alice)
    loss = alice.create_order(SYMBOL, "market", "sell", 0.001, None, {"stopLossPrice": price * 0.97})
    gain = alice.create_order(SYMBOL, "market", "sell", 0.001, None, {"takeProfitPrice": price * 1.02})
    assert [order["info"]["trigger_direction"] for order in (loss, gain)] == ["FALL", "RISE"]
    assert loss["reduceOnly"] and gain["reduceOnly"]
    alice.cancel_all_orders()
    bob.create_order(SYMBOL, "limit", "buy", 0.1, bob.price_to_precision(SYMBOL, price * 0.999))
    alice.close_position(SYMBOL)
    assert alice.fetch_positions([SYMBOL]) == []
    bob.cancel_all_orders()


def held(exchange: Any, notional: float, price: float, tier: Any) -> float:
    """Which share of its notional an order holds with a tier's leverage."""
    free = exchange.fetch_balance()["USD"]["free"]
    wish = {"leverage": tier["maxLeverage"], "postOnly": True}
    order = exchange.create_order(SYMBOL, "limit", "buy", notional / price, price, wish)
    share: float = (free - exchange.fetch_balance()["USD"]["free"]) / (order["amount"] * price)
    exchange.cancel_order(order["id"])
    return share


def check_tiers(exchange: Any) -> None:
    """Up to its notional a tier's leverage is to be had, and beyond it is not."""
    tiers = exchange.fetch_market_leverage_tiers(SYMBOL)
    assert [(tier["maxLeverage"], tier["maxNotional"]) for tier in tiers[:3]] == [
        (90, 1_111),
        (75, 3_333),
        (50, 10_000),
    ]
    price = float(exchange.price_to_precision(SYMBOL, mark(exchange)))
    for tier in tiers:
        check_tier(exchange, NONE_SKIPPED, "fetchLeverageTiers", tier)
        share = 1 / tier["maxLeverage"]
        if tier["maxNotional"] * share < 20_000:  # what there is money for
            assert held(exchange, 0.98 * tier["maxNotional"], price, tier) == pytest.approx(share, rel=0.05)
            assert held(exchange, 2 * tier["maxNotional"], price, tier) > share * 1.05
    assert exchange.fetch_leverage_tiers(["BTC/USD:USD", "ETH/USD:USD"]).keys() == {"BTC/USD:USD", "ETH/USD:USD"}


@pytest.mark.spec("CLT-067")
def test_isolated_margin(alice: Any, bob: Any) -> None:
    for exchange, other in ((alice, bob), (bob, alice)):
        exchange.cancel_all_orders()
        if exchange.fetch_positions([SYMBOL]):
            side = "buy" if exchange.fetch_position(SYMBOL)["side"] == "long" else "sell"
            price = mark(other) * (0.999 if side == "buy" else 1.001)
            other.create_order(SYMBOL, "limit", side, 0.1, other.price_to_precision(SYMBOL, price))
            exchange.close_position(SYMBOL)
            other.cancel_all_orders()
    alice.set_margin_mode("isolated")
    try:
        assert alice.set_margin_mode("isolated")["margin_mode"] == "ISOLATED"
        assert alice.fetch_margin_mode(SYMBOL)["marginMode"] == "isolated"
        check_tiers(alice)
        alice.set_leverage(5, SYMBOL)
        trade(alice, bob)
        before = alice.fetch_position(SYMBOL)
        assert before["marginMode"] == "isolated"
        assert 0 < before["liquidationPrice"] < before["markPrice"]
        added = alice.add_margin(SYMBOL, 10)
        check_margin_change(alice, NONE_SKIPPED, "addMargin", added)
        assert alice.fetch_position(SYMBOL)["liquidationPrice"] < before["liquidationPrice"]
        reduced = alice.reduce_margin(SYMBOL, 10)
        check_margin_change(alice, NONE_SKIPPED, "reduceMargin", reduced)
        assert (added["type"], reduced["type"]) == ("add", "reduce")
        assert reduced["total"] == pytest.approx(added["total"] - 10)
        bob.create_order(SYMBOL, "limit", "buy", 0.1, bob.price_to_precision(SYMBOL, mark(bob) * 0.999))
        alice.close_position(SYMBOL)
        bob.cancel_all_orders()
    finally:
        alice.set_margin_mode("cross")


@pytest.mark.spec("CLT-068")
def test_since_gives_the_first_rows(alice: Any, bob: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_sync, "ROWS", 4)  # so that few rows are more than an answer holds
    price = mark(alice)
    since = alice.fetch_time()
    maker = bob.create_order(SYMBOL, "limit", "sell", 0.02, bob.price_to_precision(SYMBOL, price))
    for _ in range(9):
        alice.create_order(SYMBOL, "market", "buy", 0.001)
    low = alice.price_to_precision(SYMBOL, price * 0.99)
    order = {"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": 0.001, "price": low}
    alice.create_orders([order for _ in range(11)])
    assert len({row["id"] for row in alice.fetch_open_orders(SYMBOL)}) == 11 == len(alice.fetch_open_orders())
    assert len(alice.fetch_open_orders(SYMBOL, limit=2)) == 2
    alice.cancel_all_orders()  # at once: they share a millisecond
    bob.cancel_order(maker["id"])

    for fetch, most in ((alice.fetch_my_trades, 9), (alice.fetch_trades, 9), (alice.fetch_orders, 20)):
        every = fetch(SYMBOL, since, 100)
        assert len(every) == len({row["id"] for row in every}) == most, fetch
        assert [row["timestamp"] for row in every] == sorted(row["timestamp"] for row in every)
        assert [row["timestamp"] for row in fetch(SYMBOL, since, 3)] == [row["timestamp"] for row in every[:3]]
        assert len(fetch(SYMBOL, since)) == 4
        assert fetch(SYMBOL, every[-1]["timestamp"] + 1) == []
        middle = every[5]["timestamp"]
        assert fetch(SYMBOL, since, 100, {"until": middle}) == [row for row in every if row["timestamp"] <= middle]
    assert len({row["timestamp"] for row in alice.fetch_orders(SYMBOL, since, 100)[9:]}) == 1
    assert [row["id"] for row in alice.fetch_my_trades(SYMBOL, limit=2)] == [
        row["id"] for row in alice.fetch_my_trades(SYMBOL, since, 9)[-2:]
    ]
    bob.create_order(SYMBOL, "limit", "buy", 0.009, bob.price_to_precision(SYMBOL, price))
    alice.create_order(SYMBOL, "market", "sell", 0.009)  # as they were before


@pytest.mark.spec("CLT-069")
def test_no_other_order_than_was_asked_for(alice: Any) -> None:
    price = round(mark(alice) * 0.99)
    known = len(alice.fetch_orders(SYMBOL))
    for kind, type_, params in (
        (ccxt.InvalidOrder, "limt", {}),
        (ccxt.NotSupported, "limit", {"stopLoss": {"triggerPrice": 1}}),
        (ccxt.NotSupported, "limit", {"takeProfit": {"triggerPrice": 1}}),
        (ccxt.NotSupported, "market", {"trailingAmount": 5, "trailingTriggerPrice": price}),
        (ccxt.InvalidOrder, "limit", {"triggerPrice": price, "triggerPriceType": "fair"}),
        (ccxt.InvalidOrder, "limit", {"triggerPrice": price, "triggerDirection": "sideways"}),
    ):
        with pytest.raises(kind):
            alice.create_order(SYMBOL, type_, "buy", 0.001, price, params)
    assert len(alice.fetch_orders(SYMBOL)) == known


@pytest.mark.spec("CLT-063")
def test_refusals_are_ccxts_errors(alice: Any, demo: Demo) -> None:
    price = mark(alice)
    cases: list[tuple[type[Exception], Any]] = [
        (ccxt.OrderNotFound, lambda: alice.fetch_order("0" * 32)),
        (ccxt.OrderNotFound, lambda: alice.cancel_order("0" * 32)),
        (ccxt.InvalidOrder, lambda: alice.create_order(SYMBOL, "limit", "buy", 0.001, 2 * round(price))),
        (ccxt.InvalidOrder, lambda: alice.create_order(SYMBOL, "limit", "buy", 0.001)),
        (ccxt.InsufficientFunds, lambda: alice.create_order("BTC/USD", "limit", "buy", 50, round(price))),
        (ccxt.OperationRejected, lambda: alice.set_leverage(5, SYMBOL)),
        (ccxt.BadSymbol, lambda: alice.fetch_ticker("NO/SUCH")),
        (ccxt.BadSymbol, lambda: alice.fetch_position("BTC/USD")),
        (ccxt.BadSymbol, lambda: alice.fetch_funding_rate("BTC/USD")),
        (ccxt.BadRequest, lambda: alice.fetch_ohlcv(SYMBOL, "7m")),
        (ccxt.InvalidOrder, lambda: alice.create_order(SYMBOL, "limit", "hold", 0.001, round(price))),
        (ccxt.InvalidNonce, lambda: ccxt.evermark({**config(demo, 0), "options": AN_HOUR_SLOW}).cancel_all_orders()),
        (ccxt.AuthenticationError, lambda: ccxt.evermark({**config(demo, 0), "apiKey": "x"}).fetch_balance()),
        (ccxt.AuthenticationError, lambda: ccxt.evermark({**config(demo, 0), "secret": "x"}).cancel_all_orders()),
        (ccxt.AuthenticationError, lambda: ccxt.evermark({"hostname": config(demo, 0)["hostname"]}).fetch_balance()),
        (ccxt.NetworkError, lambda: ccxt.evermark({"hostname": "127.0.0.1:9"}).fetch_time()),
    ]
    for kind, act in cases:
        with pytest.raises(kind):
            act()


@pytest.mark.spec("CLT-064")
def test_a_bot_trades_by_the_name_alone(demo: Demo) -> None:
    found = demo["accounts"][1]
    names = {"EVERMARK_KEY": found["api_key"], "EVERMARK_SECRET": found["secret_key"]}
    done = subprocess.run(
        [sys.executable, str(ROOT / "client" / "ccxt" / "examples" / "bot.py")],
        env={**os.environ, **names, "EVERMARK_HOST": demo["url"].removeprefix("http://")},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("markets, 1", "placed open", "watched True True", "amended True", "open True", "cancelled canceled"):
        assert words in done.stdout, done.stdout


async def follow(exchange: Any, *, filled: float) -> Any:
    """Watch orders until the last one has been filled so far."""
    while True:
        orders = await exchange.watch_orders(SYMBOL)
        if orders[-1]["filled"] >= filled:
            return orders


@pytest.mark.spec("CLT-065")
async def test_pro_watches_everything(demo: Demo) -> None:
    alice, bob = ccxt.pro.evermark(config(demo, 0)), ccxt.pro.evermark(config(demo, 1))
    try:
        async with asyncio.timeout(DEADLINE_S):
            await alice.load_markets()
            await bob.load_markets()
            start = await alice.fetch_ticker(SYMBOL)
            price = float(alice.price_to_precision(SYMBOL, start["markPrice"]))
            assert (await alice.watch_ticker(SYMBOL))["symbol"] == SYMBOL
            await alice.watch_order_book(SYMBOL)
            await bob.create_order(SYMBOL, "limit", "sell", 0.001, price)
            await alice.create_order(SYMBOL, "limit", "buy", 0.001, price)
            candles = await alice.watch_ohlcv(SYMBOL, "1m")
            check_ohlcv(alice, NONE_SKIPPED, "watchOHLCV", candles[-1], SYMBOL, alice.milliseconds() + 60_000)
            waiting = {
                name: asyncio.create_task(watch)
                for name, watch in {
                    "book": alice.watch_order_book(SYMBOL),
                    "trades": alice.watch_trades(SYMBOL),
                    "fills": alice.watch_my_trades(SYMBOL),
                    "positions": alice.watch_positions([SYMBOL]),
                    "balance": alice.watch_balance(),
                }.items()
            }
            following = asyncio.create_task(follow(alice, filled=0.002))
            await alice.authenticate()
            placed = await alice.create_order(SYMBOL, "limit", "buy", 0.003, price)
            await bob.create_order(SYMBOL, "limit", "sell", 0.001, price)
            await bob.create_order(SYMBOL, "limit", "sell", 0.001, price)
            heard = {name: await task for name, task in waiting.items()}
            orders = await following
            assert orders[-1]["id"] == placed["id"]
            assert (orders[-1]["remaining"], orders[-1]["average"], orders[-1]["status"]) == (0.001, price, "open")
            assert (heard["trades"][-1]["side"], heard["trades"][-1]["amount"]) == ("sell", 0.001)
            assert heard["fills"][-1]["takerOrMaker"] == "maker"
            assert heard["positions"][-1]["side"] == "long"
            assert heard["balance"]["USD"]["used"] > 0
            check_book(alice, NO_TIME, "watchOrderBook", heard["book"], SYMBOL)
            await alice.cancel_all_orders()
    finally:
        await alice.close()
        await bob.close()


@pytest.mark.spec("CLT-065")
async def test_pro_tells_each_change_once(demo: Demo) -> None:
    alice, bob = ccxt.pro.evermark(config(demo, 0)), ccxt.pro.evermark(config(demo, 1))
    heard: dict[str, list[Any]] = {"fills": [], "trades": [], "positions": []}

    async def follow_all(name: str, watch: Any) -> None:
        while True:
            heard[name].append(await watch())

    try:
        async with asyncio.timeout(DEADLINE_S):
            await alice.load_markets()
            await bob.load_markets()
            await alice.authenticate()
            following = [
                asyncio.create_task(follow_all("fills", lambda: alice.watch_my_trades(SYMBOL))),
                asyncio.create_task(follow_all("trades", lambda: alice.watch_trades(SYMBOL))),
                asyncio.create_task(follow_all("positions", alice.watch_positions)),
            ]
            await alice.watch_ticker(SYMBOL)  # the subscription before it was taken, then, too
            price = alice.price_to_precision(SYMBOL, (await alice.fetch_ticker(SYMBOL))["markPrice"])
            placed = []
            for count in (1, 2, 3):
                await bob.create_order(SYMBOL, "limit", "sell", 0.001, price)
                placed.append((await alice.create_order(SYMBOL, "limit", "buy", 0.001, price))["id"])
                while len(heard["fills"]) < count or len(heard["trades"]) < count or len(heard["positions"]) < count:
                    await asyncio.sleep(0.005)
            assert [[fill["order"] for fill in fills] for fills in heard["fills"]] == [[name] for name in placed]
            assert [len(trades) for trades in heard["trades"]] == [1, 1, 1]
            for (position,) in heard["positions"]:
                check_position(alice, NONE_SKIPPED, "watchPositions", position, SYMBOL, alice.milliseconds())
            for task in following:
                task.cancel()
            one = await alice.watch_order_book(SYMBOL, 1)
            assert len(one["bids"]) <= 1
    finally:
        await alice.close()
        await bob.close()


@pytest.mark.spec("CLT-070")
async def test_pro_tells_refusals_to_those_who_asked(demo: Demo) -> None:
    more = {"streamConnections": 1, "streamCategories": 11}  # than the exchange allows
    exchange = ccxt.pro.evermark({**config(demo, 0), "apiKey": "0" * 32, "options": more})
    try:
        async with asyncio.timeout(DEADLINE_S):
            await exchange.load_markets()
            symbols = [name for name, market in exchange.markets.items() if market["swap"]][:11]
            book = asyncio.create_task(exchange.watch_trades(symbols[0]))
            for symbol in symbols[1:10]:
                await exchange.watch_ticker(symbol)
            for _ in range(2):  # each time anew
                with pytest.raises(ccxt.NotSupported, match="at most 10"):
                    await exchange.watch_ticker(symbols[10])
            watching = [exchange.watch_orders(), exchange.watch_balance(), exchange.watch_positions()]
            refused = await asyncio.gather(*watching, return_exceptions=True)
            assert [type(fault) for fault in refused] == [ccxt.AuthenticationError] * 3
            with pytest.raises(ccxt.AuthenticationError):
                await exchange.watch_orders()
            assert not book.done()
            book.cancel()
    finally:
        await exchange.close()


@pytest.mark.spec("CLT-065")
async def test_pro_finds_a_gap_in_the_book(demo: Demo) -> None:
    exchange = ccxt.pro.evermark(config(demo, 0))
    try:
        async with asyncio.timeout(DEADLINE_S):
            await exchange.load_markets()
            await exchange.cancel_all_orders()
            await exchange.watch_order_book(SYMBOL)
            exchange.orderbooks[SYMBOL]["nonce"] -= 1  # as if a message had been missed
            watching = asyncio.create_task(exchange.watch_order_book(SYMBOL))
            low = exchange.price_to_precision(SYMBOL, (await exchange.fetch_ticker(SYMBOL))["markPrice"] * 0.98)
            await exchange.create_order(SYMBOL, "limit", "buy", 0.001, low)
            with pytest.raises(ccxt.ChecksumError):
                await watching
            book = await exchange.watch_order_book(SYMBOL)
            assert float(low) in [level[0] for level in book["bids"]]
            await exchange.cancel_all_orders()
    finally:
        await exchange.close()


def perpetuals(exchange: Any, count: int) -> list[str]:
    found = [name for name, market in exchange.markets.items() if market["swap"]][:count]
    assert len(found) == count
    return found


async def topics_of(exchange: Any) -> list[int]:
    """How many public topics each of its connections has, as the exchange counts them."""
    found = []
    for client in exchange.clients.values():
        mark = client.url
        told = client.future(mark)
        handle = client.on_message_callback

        def hear(client: Any, message: Any, handle: Any = handle, mark: str = mark) -> None:
            if message["category"] == "subscriptions":
                client.resolve(message["result"], mark)
            else:
                handle(client, message)

        client.on_message_callback = hear
        await client.throttle(1)
        await client.send({"op": "subscriptions", "content": "mine"})
        found.append(len(await told))
        client.on_message_callback = handle
    return found


@pytest.mark.spec("CLT-072")
async def test_pro_watches_more_than_a_connection_has(demo: Demo) -> None:
    alice = ccxt.pro.evermark(config(demo, 0))
    try:
        async with asyncio.timeout(DEADLINE_S):
            await alice.load_markets()
            names = perpetuals(alice, 25)
            balance = asyncio.create_task(alice.watch_balance())
            await alice.authenticate()
            for _ in range(2):  # and each goes on
                tickers = await asyncio.gather(*(alice.watch_ticker(name) for name in names))
                assert [ticker["symbol"] for ticker in tickers] == names
            assert await topics_of(alice) == [10, 10, 5]
            books = await asyncio.gather(*(alice.watch_order_book(name) for name in names[:12]))
            assert [book["symbol"] for book in books] == names[:12]
            assert await topics_of(alice) == [10, 10, 10, 7]

            # A book of the third connection goes on by its deltas, and after a gap there by a snapshot, whatever is watched first.
            await alice.cancel_all_orders()
            symbol = names[0]
            price = (await alice.fetch_ticker(symbol))["markPrice"]
            lows = [alice.price_to_precision(symbol, price * share) for share in (0.97, 0.98)]
            for low in lows:
                watching = asyncio.create_task(alice.watch_order_book(symbol))
                await asyncio.sleep(0)
                await alice.create_order(symbol, "limit", "buy", 20 / price, low)
                assert float(low) in [level[0] for level in (await watching)["bids"]]
            alice.orderbooks[symbol]["nonce"] -= 1
            watching = asyncio.create_task(alice.watch_order_book(symbol))
            await asyncio.sleep(0)
            await alice.cancel_all_orders()
            with pytest.raises(ccxt.ChecksumError):
                await watching
            await alice.watch_ticker(perpetuals(alice, 26)[25])
            levels = [level[0] for level in (await alice.watch_order_book(symbol))["bids"]]
            assert not {float(low) for low in lows} & set(levels)
            assert await topics_of(alice) == [10, 10, 10, 8]
            assert (await balance)["USD"]["total"] > 0
    finally:
        await alice.close()


@pytest.mark.spec("CLT-073")
async def test_pro_fills_what_was_unwatched(demo: Demo) -> None:
    exchange = ccxt.pro.evermark({**config(demo, 0), "options": {"streamConnections": 2}})
    try:
        async with asyncio.timeout(DEADLINE_S):
            await exchange.load_markets()
            names = perpetuals(exchange, 23)
            await asyncio.gather(*(exchange.watch_ticker(name) for name in names[:20]))
            with pytest.raises(ccxt.NotSupported, match="at most 20 public topics"):
                await exchange.watch_ticker(names[20])
            trades = asyncio.create_task(exchange.watch_trades(names[0]))
            with pytest.raises(ccxt.NotSupported):
                await trades
            waiting = asyncio.create_task(exchange.watch_ticker(names[3]))
            await asyncio.sleep(0)
            assert await exchange.un_watch_ticker(names[3]) is True
            with pytest.raises(ccxt.UnsubscribeError):
                await waiting
            assert await topics_of(exchange) == [9, 10]
            assert (await exchange.watch_ticker(names[20]))["symbol"] == names[20]
            assert await topics_of(exchange) == [10, 10]
            endings = [exchange.un_watch_ticker(name) for name in (names[12], names[13])]
            comings = [exchange.watch_order_book(names[21]), exchange.watch_trades(names[22])]
            *ended, book, _ = await asyncio.gather(
                *endings, asyncio.wait_for(comings[0], DEADLINE_S), cancelled(comings[1])
            )
            assert ended == [True, True]
            assert book["symbol"] == names[21]
            assert await topics_of(exchange) == [10, 10]
            assert await exchange.un_watch_order_book(names[21]) is True
            assert await exchange.un_watch_ohlcv(names[21]) is True  # nobody watches it
            assert await topics_of(exchange) == [10, 9]
    finally:
        await exchange.close()


async def cancelled(watch: Any) -> None:
    """Begin to watch where nothing is to be expected, and stop waiting for it."""
    task = asyncio.create_task(watch)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.spec("CLT-074")
async def test_each_connection_of_pro_comes_back(demo: Demo) -> None:
    exchange = ccxt.pro.evermark(config(demo, 0))
    try:
        async with asyncio.timeout(DEADLINE_S):
            await exchange.load_markets()
            names = perpetuals(exchange, 12)
            await asyncio.gather(*(exchange.watch_order_book(name) for name in names))
            there, gone = exchange.clients.values()
            waiting = asyncio.create_task(exchange.watch_order_book(names[0]))
            lost = asyncio.create_task(exchange.watch_order_book(names[11]))
            await asyncio.sleep(0)
            gone.connection._response.connection.transport.abort()
            with pytest.raises(ccxt.NetworkError):
                await lost
            assert not waiting.done()
            books = await asyncio.gather(*(exchange.watch_order_book(name) for name in names[10:]))
            assert [book["symbol"] for book in books] == names[10:]
            assert next(iter(exchange.clients.values())) is there
            assert await topics_of(exchange) == [10, 2]
            waiting.cancel()
    finally:
        await exchange.close()


@pytest.mark.spec("CLT-075")
async def test_pro_says_that_no_connection_is_left(demo: Demo) -> None:
    exchange = ccxt.pro.evermark(config(demo, 0))
    url = demo["url"].replace("http", "ws", 1)
    try:
        async with asyncio.timeout(DEADLINE_S), AsyncExitStack() as stack:
            await exchange.load_markets()
            symbol, *_ = perpetuals(exchange, 1)
            for _ in range(10):
                await stack.enter_async_context(connect(url))
            with pytest.raises(ccxt.RateLimitExceeded, match="at most 10"):
                await exchange.watch_ticker(symbol)
            with pytest.raises(ccxt.RateLimitExceeded, match="at most 10"):
                await exchange.watch_balance()
    finally:
        await exchange.close()


@pytest.mark.spec("CLT-076")
def test_a_burst_of_orders_waits_for_the_accounts_minute(data_dir: Path) -> None:
    """An account of 60 orders a minute: 59 of 63 go at once, and the others in a second each."""
    with running(data_dir, EVERMARK_FEED="synthetic", EVERMARK_ACCOUNT_ORDERS_PER_MIN="60"):
        demo = json.loads((data_dir / "demo.json").read_text("utf-8"))
        exchange = ccxt.evermark({**config(demo, 0), "options": {"ordersPerMinute": 60}})
        exchange.load_markets()
        low = exchange.price_to_precision(SYMBOL, mark(exchange) * 0.98)
        order = {"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": 0.001, "price": low}
        began_s = time.monotonic()
        exchange.create_orders([order] * 50)
        for _ in range(9):
            exchange.create_order(*order.values())
        burst_s = time.monotonic() - began_s
        for _ in range(4):
            exchange.create_order(*order.values())
        assert burst_s < 3
        assert 3 < time.monotonic() - began_s < 10
        assert len(exchange.cancel_all_orders()) == 63
        hasty = ccxt.evermark({**config(demo, 0)})
        hasty.load_markets()
        with pytest.raises(ccxt.RateLimitExceeded):
            hasty.create_orders([order] * 50)


@pytest.mark.spec("CLT-066")
def test_the_documents_code_runs(demo: Demo, tmp_path: Path) -> None:
    path = tmp_path / "page.py"
    host = demo["url"].removeprefix("http://")
    path.write_text(program_of("docs/api/ccxt.md", demo, 1).replace("127.0.0.1:8080", host), "utf-8")
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=DEADLINE_S, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("open 0.002", "canceled", "True True True"):
        assert words in done.stdout
