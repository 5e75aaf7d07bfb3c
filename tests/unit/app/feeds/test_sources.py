"""The table of sources."""

from pathlib import Path

import pytest

from app.feeds.sources import VENUES, SourcesInvalid, Venue, load_sources, weights_of
from app.listings import load

INDICES = [terms for terms in load().indices if terms.symbol in {"BTC_USD", "BTC_USDT", "USDT_USD"}]
IDS = {terms.symbol: terms.index_id for terms in INDICES}
TWO = '[venues]\nkraken = { id = 3, quotes = ["USD", "USDT"] }\nokx = { id = 9, quotes = ["USDT"] }\n'


def read(tmp_path: Path, text: str) -> dict[str, Venue]:
    path = tmp_path / "sources.toml"
    path.write_text(text, "utf-8")
    return {venue.name: venue for venue in load_sources(INDICES, path)}


def pairs(venue: Venue) -> dict[int, str]:
    return {line.index_id: line.pair for line in venue.lines}


def test_the_checked_in_table_has_the_ten_venues_with_their_ids() -> None:
    """FEED-012: ids stand in journals, so they are pinned here."""
    venues = load_sources(load().indices)
    assert [(venue.name, venue.source_id) for venue in venues] == [(name, at) for at, name in enumerate(VENUES, 1)]
    assert weights_of(venues) == {}


def test_the_usual_pairs() -> None:
    """FEED-014."""
    venues = {venue.name: venue for venue in load_sources(INDICES)}
    for name in ("coinbase", "kraken", "bitfinex", "cryptocom"):
        assert pairs(venues[name]) == {
            IDS["BTC_USD"]: "BTC/USD",
            IDS["USDT_USD"]: "USDT/USD",
            IDS["BTC_USDT"]: "BTC/USDT",
        }
        assert not any(line.is_converted for line in venues[name].lines)
        assert [line.index_id for line in venues[name].lines if line.is_rate] == [IDS["USDT_USD"]]
    for name in ("binance", "kucoin", "htx", "gate", "bitget", "okx"):
        assert pairs(venues[name]) == {IDS["BTC_USD"]: "BTC/USDT", IDS["BTC_USDT"]: "BTC/USDT"}
        assert [line.index_id for line in venues[name].lines if line.is_converted] == [IDS["BTC_USD"]]
        assert venues[name].pairs == ["BTC/USDT"]


def test_an_index_may_differ(tmp_path: Path) -> None:
    """FEED-015."""
    venues = read(
        tmp_path,
        TWO + '[indices.BTC_USD]\npairs = { okx = "BTC/USD" }\nweights = { kraken = 2, okx = 3 }\n'
        '[indices.USDT_USD]\nonly = ["okx"]\n[indices.BTC_USDT]\nweights = { okx = 0 }\n',
    )
    assert pairs(venues["kraken"]) == {IDS["BTC_USD"]: "BTC/USD", IDS["BTC_USDT"]: "BTC/USDT"}
    assert pairs(venues["okx"]) == {IDS["BTC_USD"]: "BTC/USD"}
    assert not venues["okx"].lines[0].is_converted
    assert weights_of(list(venues.values())) == {IDS["BTC_USD"]: ((3, 2), (9, 3))}


def test_addresses_can_be_replaced(tmp_path: Path) -> None:
    """FEED-023."""
    text = '[venues]\nokx = { id = 9, quotes = ["USDT"], rest = "https://eea.okx.com", ws = "wss://wseea.okx.com" }\n'
    venue = read(tmp_path, text)["okx"]
    assert (venue.rest, venue.ws) == ("https://eea.okx.com", "wss://wseea.okx.com")


@pytest.mark.parametrize(
    "text, row, why",
    [
        ("[venues", "sources.toml", "Expected"),
        ("", "sources.toml", "venues"),
        (TWO + "[more]\n", "sources.toml", "more"),
        ('[venues]\nmtgox = { id = 1, quotes = ["USD"] }\n', "mtgox", "the venues are binance"),
        ('[venues]\nokx = { id = 0, quotes = ["USDT"] }\n', "venues", "ids begin at 1"),
        (TWO.replace("id = 9", "id = 3"), "venues", "twice"),
        (TWO.replace("id = 9", "id = 9, weight = -1"), "okx", "a weight is between 0 and"),
        (TWO.replace("id = 9", 'id = 9, rest = "okx.com"'), "okx", "must begin with http://"),
        (TWO.replace("id = 9", 'id = 9, ws = "https://okx.com"'), "okx", "must begin with ws://"),
        (TWO + "[indices.BTC_EUR]\n", "BTC_EUR", "no such index"),
        (TWO + '[indices.BTC_USD]\nonly = ["gate"]\n', "BTC_USD", "gate is not in the table"),
        (TWO + "[indices.BTC_USD]\nweights = { okx = 1000001 }\n", "BTC_USD", "a weight is between 0 and"),
        (TWO + '[indices.BTC_USD]\npairs = { okx = "BTC/EUR" }\n', "BTC_USD", "no price in USD"),
        (TWO + '[indices.BTC_USDT]\npairs = { kraken = "BTC/USD" }\n', "BTC_USDT", "no price in USDT"),
        (TWO + '[indices.BTC_USD]\npairs = { okx = "BTCUSD" }\n', "BTC_USD", "no price in USD"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, row: str, why: str) -> None:
    """FEED-013."""
    with pytest.raises(SourcesInvalid, match=why) as said:
        read(tmp_path, text)
    assert f": {row}: " in str(said.value)


def test_a_table_that_is_not_there_is_named(tmp_path: Path) -> None:
    """FEED-013."""
    with pytest.raises(SourcesInvalid, match="nowhere.toml"):
        load_sources(INDICES, tmp_path / "nowhere.toml")
