"""Where what happened meets who wants to know. One more listener of the sequencer, and the first: orders are still to be had as they were.

Nothing here awaits, and what nobody wants costs a look. What is to be told is gathered while a batch is applied. Accounts are told right
after it, before the answers to its commands; the public right after the answers.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final, TypeAlias, cast, final, get_args

from app.auth import Key
from app.candles import SLOT_MS, open_of
from app.db.rows import StoredOrder
from app.histogram import Histogram
from app.identity import Identity
from app.problems import Denied
from app.stream import messages
from app.stream.client import Client
from app.stream.frames import FAULT, GOING_AWAY, POLICY
from app.stream.private import Teller
from app.stream.ring import NEVER, Entry, Ring
from app.stream.topics import Channel, Topic
from app.surfaces.everstrike.answers import Json
from app.surfaces.everstrike.desk import Desk
from exchange import views
from exchange.commands import Command
from exchange.events import (
    Event,
    IndexPriceChanged,
    MarkPriceChanged,
    OptionIndexChanged,
    OptionModelsUpdated,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderReduced,
    OrderTriggered,
    PositionDeleveraged,
    PositionTakenOver,
    StrikeChanged,
    Traded,
)

PublicEvent: TypeAlias = (
    OrderAccepted
    | OrderCancelled
    | OrderAmended
    | OrderReduced
    | OrderTriggered
    | Traded
    | MarkPriceChanged
    | OptionIndexChanged
    | StrikeChanged
    | IndexPriceChanged
    | OptionModelsUpdated
    | PositionTakenOver
    | PositionDeleveraged
)
"""What somebody may see of it who has no account in it."""
IDLE_S: Final = 30.0
"""How long a client may be connected without a subscription and without a key."""
TURN_S: Final = 0.005
"""How long markets are told of in one go, give or take one of them."""
LOOK_S: Final = 1.0
"""How often clients are looked after."""
IDLE_WORDS: Final = "There was no subscription and no API key for 30 seconds."
KEY_WORDS: Final = "The API key is expired or revoked."
RESTORED_WORDS: Final = "The exchange restored its state. Connect again and read it anew."
FAULT_WORDS: Final = "Something went wrong on our side. Connect again and read the state anew."

_PRICES: Final = (MarkPriceChanged, OptionIndexChanged, StrikeChanged)
_PUBLIC: Final = frozenset(get_args(PublicEvent))

_log = logging.getLogger(__name__)


@final
class Hub:
    """Who listens to what."""

    def __init__(self, desk: Desk, identity: Identity, find_order: Callable[[int], StoredOrder | None]) -> None:
        self._desk = desk
        self._identity = identity
        self._loop = asyncio.get_running_loop()
        self._channels: dict[int, Channel] = {}
        self._dirty: dict[Channel, None] = {}
        self._watchers: dict[int, dict[Client, None]] = {}
        self._entries: dict[int, list[Entry]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._slot_end_ms = 0
        self._is_due = False
        self._is_telling = False
        self._is_awake = False
        self.clients: dict[Client, None] = {}
        self.fanout = Histogram()
        """How long it took to tell the public what there was to tell."""
        self.restarts = 0
        """How often clients had to begin anew."""
        self.idle_s = IDLE_S
        self.ring = Ring()
        self._teller = Teller(self.ring, desk.pairs, find_order, self.customer_of)
        self._keeper: asyncio.Task[None] | None = None

    # --- life --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to look after the clients. Who is in the ring already is waited for."""
        self.ring.wait_for_return(self._loop.time())
        self._wake()
        self._keeper = self._loop.create_task(self._look_after(), name="stream")

    async def stop(self) -> None:
        """End. The server says goodbye to the clients."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        if self._timer is not None:
            self._timer.cancel()

    @property
    def now_s(self) -> float:
        """The time by which clients are looked after."""
        return self._loop.time()

    def customer_of(self, account_id: int) -> str:
        """What an account's owner is called on the wire."""
        account = views.account(self._desk.sequencer.exchange, account_id)
        user = self._identity.user(account.owner_id) if account is not None else None
        return user.customer_id if user is not None else ""

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                self._look()
            except Exception:
                _log.exception("the stream could not look after its clients")

    def _look(self) -> None:
        """Let go of who is idle or may no longer be here, and of tails that nobody comes back for."""
        now_s = self._loop.time()
        for client in list(self.clients):
            if client.key is not None:
                self._is_in_force(client)
            elif not client.topics and now_s - client.since_s >= self.idle_s:
                client.end(POLICY, IDLE_WORDS)
        self.ring.drop_old(now_s)
        self._wake()

    def _wake(self) -> None:
        self._is_awake = bool(self._channels) or len(self.ring) > 0

    # --- clients -----------------------------------------------------------------------------------------------------

    def join(self, client: Client) -> None:
        """Somebody has connected."""
        self.clients[client] = None

    def leave(self, client: Client) -> None:
        """Somebody has gone."""
        self.clients.pop(client, None)
        client.drop()
        for topic in list(client.topics):
            self.unsubscribe(client, topic)
        self.detach(client)

    def channel(self, name: str) -> Channel:
        """The channel of a pair. Raises: Malformed."""
        pair = self._desk.pairs.need(name)
        return self._channels.get(pair.market_id) or Channel(pair, self._desk)

    def subscribe(self, client: Client, topic: Topic) -> None:
        """Tell a client of a topic, from how it stands now."""
        self._channels[topic.channel.pair.market_id] = topic.channel
        data = topic.now()
        topic.channel.join(topic, client)
        client.topics[topic] = None
        self._is_awake = True
        if data is not None:
            client.show(topic, data)

    def unsubscribe(self, client: Client, topic: Topic) -> None:
        """Tell a client of a topic no more."""
        if topic not in client.topics:
            return
        del client.topics[topic]
        client.forget(topic)
        client.since_s = self._loop.time()
        channel = topic.channel
        channel.leave(topic, client)
        if channel.is_idle:
            self._channels.pop(channel.pair.market_id, None)
            self._dirty.pop(channel, None)
            self._wake()

    # --- accounts ----------------------------------------------------------------------------------------------------

    def attach(self, client: Client, key: Key) -> None:
        """Tell a client of an account from now on."""
        seq = self.place()  # what was before is for those who were there
        self.detach(client)
        client.key = key
        self._watchers.setdefault(key.account_id, {})[client] = None
        self.ring.join(key.account_id, seq)
        self.add_extras(client, frozenset())
        self._is_awake = True

    def place(self) -> int:
        """The last command, when accounts were told of all up to it: what is said from now on comes behind it."""
        self._tell_accounts()
        return self._desk.sequencer.seq

    def detach(self, client: Client) -> None:
        """Tell a client of its account no more."""
        key = client.key
        if key is None:
            return
        client.key = None
        client.is_signed = False
        client.since_s = self._loop.time()
        watchers = self._watchers[key.account_id]
        del watchers[client]
        if not watchers:
            del self._watchers[key.account_id]
        self.ring.leave(key.account_id, self._loop.time())

    def add_extras(self, client: Client, categories: frozenset[str]) -> None:
        """Tell a client of categories that only those get who ask."""
        client.extras |= categories
        if client.key is not None and client.extras & messages.KEPT_EXTRAS:
            self.ring.want_extras(client.key.account_id, self._desk.sequencer.seq)

    def watching(self, account_id: int) -> int:
        """How many clients watch an account."""
        return len(self._watchers.get(account_id, ()))

    def notify(self, account_id: int, result: Json) -> None:
        """Tell an account's clients of a notice, those who asked for such. It is no part of what can be resumed: it stands in a list."""
        for client in list(self._watchers.get(account_id, ())):
            if messages.NOTICE in client.extras and self._is_in_force(client):
                client.send(messages.message(messages.NOTICE, None, result))

    def resume(self, client: Client, seq: int, index: int = NEVER) -> int | None:
        """Send a client again what its account was told behind a place.

        Gives None, or when something of that is no longer there the command behind which everything is.
        """
        assert client.key is not None
        account_id = client.key.account_id
        entries = None
        if seq <= self._desk.sequencer.seq:
            entries = self.ring.after(account_id, seq, index, with_extras=bool(client.extras & messages.KEPT_EXTRAS))
        if entries is None:
            return self.ring.from_seq(account_id)
        _deliver(client, entries)
        return None

    def _is_in_force(self, client: Client) -> bool:
        """Whether a client's key still counts; one whose does not is let go."""
        assert client.key is not None
        try:
            self._desk.guard.check_still(client.key)
        except Denied:
            client.end(POLICY, KEY_WORDS)
            return False
        return True

    # --- what happens ------------------------------------------------------------------------------------------------

    def tell(self, seq: int, time_ms: int, command: Command, events: list[Event]) -> None:
        """Take in what a command did. The sequencer's listener."""
        if not self._is_awake or not events:
            return
        try:
            if seq != self._desk.sequencer.seq:
                # The state is being made anew: what of it stands behind this command is not for us to see.
                self._start_again(seq, GOING_AWAY, RESTORED_WORDS)
                return
            if self._channels:
                if time_ms >= self._slot_end_ms:
                    self._end_candles(time_ms)
                self._tell_markets(seq, time_ms, events)
            if len(self.ring):
                self._gather(seq, time_ms, events)
        except Exception:
            _log.exception("the stream could not tell what command %d did", seq)
            self._start_again(seq, FAULT, FAULT_WORDS)

    def _end_candles(self, time_ms: int) -> None:
        """Candles end before this command: whoever keeps statistics has not heard of it yet."""
        self._slot_end_ms = open_of(time_ms, SLOT_MS) + SLOT_MS
        for channel in self._channels.values():
            channel.end_candles()

    def _tell_markets(self, seq: int, time_ms: int, events: list[Event]) -> None:
        channels = self._channels
        for index, told in enumerate(events):
            if type(told) not in _PUBLIC:
                continue  # most events of a trade
            event = cast(PublicEvent, told)
            if isinstance(event, IndexPriceChanged | OptionModelsUpdated):
                self._tell_prices(event)
                continue
            market_id = event.request.market_id if isinstance(event, OrderAccepted) else event.market_id
            channel = channels.get(market_id)
            if channel is None:
                continue
            if isinstance(event, Traded):
                channel.trade(event, seq, index, time_ms)
                channel.is_book_dirty = channel.is_ticker_dirty = True
            elif isinstance(event, PositionTakenOver | PositionDeleveraged):
                channel.liquidate(event, seq, index, time_ms)
            elif isinstance(event, _PRICES):
                channel.is_index_dirty = channel.is_ticker_dirty = True
            else:
                channel.is_book_dirty = channel.is_ticker_dirty = True  # a ticker has the best prices
            self._stir(channel)

    def _tell_prices(self, event: IndexPriceChanged | OptionModelsUpdated) -> None:
        """An index or option models changed: so did the prices of what stands on them."""
        if isinstance(event, IndexPriceChanged):
            found = [item for item in self._channels.values() if item.pair.instrument.index_id == event.index_id]
        else:
            ids = {model.market_id for model in event.models}
            found = [item for market_id, item in self._channels.items() if market_id in ids]
        for channel in found:
            channel.is_index_dirty = channel.is_ticker_dirty = True
            self._stir(channel)

    def _gather(self, seq: int, time_ms: int, events: list[Event]) -> None:
        for sheet in self._teller.tell(seq, time_ms, events, self._desk.sequencer.exchange):
            self.ring.add(sheet.account_id, sheet.entries)
            if sheet.account_id in self._watchers:
                self._entries.setdefault(sheet.account_id, []).extend(sheet.entries)
                self._hurry()

    def _start_again(self, seq: int, code: int, reason: str) -> None:
        """Something was missed: let everybody who would miss it know."""
        self.restarts += 1
        self._entries.clear()
        self.ring.start_again(seq)
        for watchers in list(self._watchers.values()):
            for client in list(watchers):
                client.end(code, reason)
        for channel in self._channels.values():
            channel.is_book_dirty = channel.is_index_dirty = channel.is_ticker_dirty = True
            self._stir(channel)

    # --- telling -----------------------------------------------------------------------------------------------------

    def _stir(self, channel: Channel) -> None:
        self._dirty[channel] = None
        self._hurry()

    def _hurry(self) -> None:
        """Tell as soon as the batch is applied."""
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._tell_all)

    def _tell_all(self) -> None:
        """Tell accounts at once: before the answers. Telling markets takes longer: it comes when the answers are out."""
        self._is_due = False
        self._tell_accounts()
        if self._dirty and not self._is_telling:
            self._is_telling = True
            self._loop.call_soon(self._tell_dirty)

    def _tell_dirty(self) -> None:
        """Tell what markets have to tell now, and come again for what may wait. Others have their turn in between."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        start_s = time.monotonic()
        now_s = self._loop.time()
        next_s = 0.0
        for channel in list(self._dirty):
            if time.monotonic() - start_s > TURN_S:
                self._loop.call_soon(self._tell_dirty)
                return
            again_s = self._told(channel, now_s)
            if not again_s:
                self._dirty.pop(channel, None)
                continue
            self._dirty[channel] = self._dirty.pop(channel)  # who is told later stands behind those who are told now
            if not next_s or again_s < next_s:
                next_s = again_s
        self._is_telling = False
        self.fanout.observe(time.monotonic() - start_s)
        if next_s:
            self._timer = self._loop.call_at(next_s, self._tell_dirty)

    def _told(self, channel: Channel, now_s: float) -> float:
        """Let a market tell. A fault of ours in one of them keeps nobody from hearing of the others."""
        try:
            return channel.tell(now_s)
        except Exception:
            _log.exception("the stream could not tell of %s", channel.pair.name)
            return 0.0

    def _tell_accounts(self) -> None:
        gathered, self._entries = self._entries, {}
        for account_id, entries in gathered.items():
            for client in list(self._watchers.get(account_id, ())):
                if not self._is_in_force(client):
                    continue
                try:
                    _deliver(client, entries)
                except Exception:  # it must not go on with a gap, and the others must not have one
                    _log.exception("the stream could not tell a client of its account")
                    client.end(FAULT, FAULT_WORDS)


def _deliver(client: Client, entries: list[Entry]) -> None:
    extras = client.extras
    wanted = [entry.frame for entry in entries if entry.category not in messages.EXTRAS or entry.category in extras]
    if wanted:
        client.send(b"".join(wanted))
