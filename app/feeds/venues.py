"""The one place that knows ccxt: ten venues behind one small interface.

ccxt is imported when a session is opened and not before: it costs a second and a hundred megabytes.
"""

import contextlib
import importlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, final

from app.faults import Fault
from app.feeds.board import Quote
from app.feeds.sources import Venue

ERROR_LENGTH_MAX: Final = 200
Markets: TypeAlias = Mapping[str, Mapping[str, Any]]
"""What ccxt knows of the pairs that are asked for, by pair."""

_QUERY: Final = re.compile(r"\?[^\s'\"]*")
_USER: Final = re.compile(r"//[^/@\s]*@")
_SPACE: Final = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Profile:
    """What is particular about a venue in ccxt."""

    options: Mapping[str, object] = field(default_factory=dict)
    is_streamed_apart: bool = False
    """Each pair is subscribed to on its own."""
    streamed_max: int = 1_000
    """Pairs on one connection; what is beyond is polled."""
    is_polled_whole: bool = False
    """It is asked for every ticker, because it takes one pair or none."""
    is_stamped: bool = True
    """A streamed ticker's time is when it was sent; elsewhere it may be when somebody last traded."""


PROFILES: Final[Mapping[str, Profile]] = {
    "binance": Profile({"fetchMarkets": {"types": ["spot"]}, "watchTickers": {"name": "ticker"}}),
    # Its channel for many pairs speaks every five seconds only.
    "coinbase": Profile(is_streamed_apart=True),
    "kraken": Profile(),
    "bitfinex": Profile(is_streamed_apart=True, streamed_max=25),
    "kucoin": Profile({"fetchMarkets": {"types": ["spot"], "fetchTickersFees": False}}, is_stamped=False),
    "htx": Profile(
        {
            "fetchMarkets": {"types": {"spot": True, "linear": False, "inverse": False}},
            "watchTicker": {"name": "market.{marketId}.ticker"},  # the usual one has no bid and ask
        },
        is_streamed_apart=True,
    ),
    "gate": Profile({"fetchMarkets": {"types": ["spot"]}}),
    "bitget": Profile({"fetchMarkets": {"types": ["spot"]}}),
    "okx": Profile({"fetchMarkets": {"types": ["spot"]}}),
    "cryptocom": Profile(is_polled_whole=True),
}


@final
class VenueFault(Fault):
    """A venue did not give what was asked. `retry_ms`: it wants to be left alone for so long. Tells no secret."""

    def __init__(self, why: str, *, retry_ms: int = 0) -> None:
        super().__init__(why)
        self.retry_ms = retry_ms


@final
class Session:
    """One connection to a venue, REST and WebSocket. Opened when it is first used; to be closed."""

    def __init__(self, venue: Venue, *, timeout_ms: int, markets: Markets | None = None) -> None:
        self._profile = PROFILES[venue.name]
        self._exchange = _opened(venue, self._profile, timeout_ms)
        self._seen: dict[str, object] = {}
        if markets is not None:
            self._exchange.set_markets([dict(market) for market in markets.values()])

    async def load(self, pairs: Sequence[str]) -> Markets:
        """Return what the venue trades of these pairs. Raises: VenueFault."""
        try:
            found = await self._exchange.load_markets(True)
            return {
                pair: found[pair]
                for pair in pairs
                if pair in found and found[pair].get("spot") and found[pair].get("active") is not False
            }
        except Exception as error:
            raise self._fault(error) from error

    async def poll(self, pairs: Sequence[str]) -> list[Quote]:
        """Ask for the prices of these pairs now. Raises: VenueFault."""
        try:
            found = await self._exchange.fetch_tickers(None if self._profile.is_polled_whole else list(pairs))
            return [_quote(pair, found[pair], is_stamped=False) for pair in pairs if pair in found]
        except Exception as error:
            raise self._fault(error) from error

    def channels(self, pairs: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the pairs as they can be watched: together, or each for itself. Those beyond the bound are left out."""
        streamed = pairs[: self._profile.streamed_max]
        return [(pair,) for pair in streamed] if self._profile.is_streamed_apart else [tuple(streamed)]

    async def watch(self, channel: Sequence[str]) -> None:
        """Return when the venue said something on the channel; `news` has it. Raises: VenueFault."""
        try:
            self._exchange.open()  # KuCoin asks for its socket's address before ccxt has done so
            if self._profile.is_streamed_apart:
                await self._exchange.watch_ticker(channel[0])
            else:
                await self._exchange.watch_tickers(list(channel))
        except Exception as error:
            raise self._fault(error) from error

    def news(self, pairs: Sequence[str]) -> list[Quote]:
        """Return what was streamed since it was last asked: the newest of each pair."""
        quotes = []
        for pair in pairs:
            ticker = self._exchange.tickers.get(pair)
            if ticker is not None and ticker is not self._seen.get(pair):
                self._seen[pair] = ticker
                quotes.append(_quote(pair, ticker, is_stamped=self._profile.is_stamped))
        return quotes

    async def close(self) -> None:
        """Let go of every connection."""
        with contextlib.suppress(Exception):  # what cannot be closed is broken, and is forgotten with the session
            await self._exchange.close()

    def _fault(self, error: Exception) -> VenueFault:
        return VenueFault(describe(error), retry_ms=_retry_ms(self._exchange))


def describe(error: Exception) -> str:
    """Return one line that says what went wrong and why, without what stands in addresses: tokens, passwords."""
    cause = error.__cause__
    why = "" if cause is None else f" ({type(cause).__name__}: {cause})"
    text = _USER.sub("//", _QUERY.sub("", f"{type(error).__name__}: {error}{why}"))
    return _SPACE.sub(" ", "".join(sign if sign.isprintable() else " " for sign in text)).strip()[:ERROR_LENGTH_MAX]


def _opened(venue: Venue, profile: Profile, timeout_ms: int) -> Any:
    ccxt = importlib.import_module("ccxt.pro")
    exchange = _guarded(getattr(ccxt, venue.name))(
        {
            "timeout": timeout_ms,
            "aiohttp_trust_env": True,
            "options": {"defaultType": "spot", "ws": {"connectionTimeout": timeout_ms}, **profile.options},
        }
    )
    exchange.number = str  # prices stay the venue's own text
    exchange.has["fetchCurrencies"] = False
    exchange.timeout_on_exit = 0
    exchange.urls["api"] = _moved(exchange.urls["api"], venue.rest, venue.ws)
    return exchange


def _guarded(base: Any) -> Any:
    """Return ccxt's class, mended.

    A message that it cannot read ends the connection instead of deafening it for ever. A ticker stays what the venue said: what
    else ccxt computes from it is not needed, costs most of its time, and fails for all pairs when one of them says NaN.
    """

    class Guarded(base):  # type: ignore[misc]
        def safe_ticker(self, ticker: Any, _market: object = None) -> Any:
            return ticker

        def client(self, url: str) -> Any:
            client = super().client(url)
            if getattr(client, "is_guarded", False):
                return client
            heard = client.handle_message

            def handle_message(message: object) -> None:
                try:
                    heard(message)
                except Exception as error:
                    client.on_error(error)

            client.handle_message = handle_message
            client.is_guarded = True
            return client

    return Guarded


def _moved(urls: Any, rest: str, ws: str) -> Any:
    """Return ccxt's tree of addresses with another scheme and host, where one is given."""
    if isinstance(urls, Mapping):
        return {key: _moved(value, rest, ws) for key, value in urls.items()}
    if not isinstance(urls, str):
        return urls
    scheme, _, remainder = urls.partition("://")
    other = ws if scheme in {"ws", "wss"} else rest
    return f"{other.rstrip('/')}/{remainder.partition('/')[2]}".rstrip("/") if other else urls


def _quote(pair: str, ticker: Mapping[str, Any], *, is_stamped: bool) -> Quote:
    last, bid, ask, stamp = (ticker.get(name) for name in ("last", "bid", "ask", "timestamp"))
    return Quote(
        pair,
        "" if last is None else str(last),
        "" if bid is None else str(bid),
        "" if ask is None else str(ask),
        stamp if is_stamped and isinstance(stamp, int) else 0,
    )


def _retry_ms(exchange: Any) -> int:
    """Return for how long the venue asked to be left alone, in its last answer or at the last handshake."""
    waits = [0]
    headers = {key.lower(): value for key, value in (exchange.last_response_headers or {}).items()}
    asked = headers.get("retry-after", "")
    if asked.isascii() and asked.isdigit():
        waits.append(int(asked) * 1_000)
    for state in (getattr(exchange, "ws_dial_backoff", None) or {}).values():
        waits.append(int(state["until"]) - exchange.milliseconds())
    return max(waits)
