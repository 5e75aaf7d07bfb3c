"""What there is to measure, as Prometheus reads it. Everything is read when it is asked for; only histograms are kept on the way."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias, final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from app import compiled
from app.clock import Clock
from app.connections import Connection
from app.custody.office import Office
from app.feeds.derived import fresh_outside
from app.feeds.health import GOOD, SourceHealth
from app.health import Health
from app.histogram import Histogram
from app.snapshots import code_version
from app.stamps import STEPS, Lives
from app.store import Store
from app.stream.application import Application as Stream
from exchange import views
from exchange.commands import WithdrawalStatus
from exchange.instrument import MarketStatus
from exchange.limits import FUND_ACCOUNT_ID, MONEY_SCALE

CONTENT_TYPE: Final = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
MS_PER_S: Final = 1_000
STANDING: Final = (
    WithdrawalStatus.PREPARED,
    WithdrawalStatus.SUBMITTED,
    WithdrawalStatus.WAITING_FOR_APPROVAL,
    WithdrawalStatus.SUSPECTED,
    WithdrawalStatus.PROCESSING,
)
"""Where a withdrawal may stand that has not ended."""


@final
class Exposition:
    """All metrics of a running exchange, as text."""

    def __init__(
        self,
        store: Store,
        stream: Stream,
        office: Office,
        lives: Lives,
        health: Health,
        feeds: Callable[[], Sequence[SourceHealth]],
        clock: Clock,
    ) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        for one in (
            Core(store, health),
            Risk(store),
            Doors(lives, stream),
            Feeds(feeds, clock, store),
            Money(store, office),
        ):
            self._registry.register(one)

    def text(self) -> bytes:
        """Everything now. Cost: some milliseconds, most of them for the markets."""
        return generate_latest(self._registry)


@final
class Core(Collector):
    """The sequencer, the journal and what follows behind it."""

    def __init__(self, store: Store, health: Health) -> None:
        self._store = store
        self._health = health

    def collect(self) -> Iterator[Metric]:
        """Read them."""
        store = self._store
        sequencer, projector, pulse = store.sequencer, store.projector, store.sequencer.pulse
        build = GaugeMetricFamily("evermark_build_info", "The program.", labels=["version", "core"])
        build.add_metric([code_version(), "compiled" if "compiled" in compiled.describe() else "interpreted"], 1)
        yield build
        yield gauge("evermark_ready", "1 while commands are taken: what /readyz says.", self._health.trouble is None)
        yield gauge(
            "evermark_live", "1 while nothing has ended for good: what /healthz says.", self._health.end is None
        )
        yield gauge("evermark_seq", "The last command that was applied.", sequencer.seq)
        yield gauge(
            "evermark_clock_behind_seconds", "How far the clock is behind the journal.", sequencer.behind_ms / MS_PER_S
        )
        yield gauge("evermark_queue_depth", "Commands that wait.", sequencer.waiting)
        yield histogram("evermark_batch_size", "Commands of a batch.", {(): pulse.sizes})
        yield histogram("evermark_journal_commit_seconds", "Until a batch was durable.", {(): pulse.commits})
        yield histogram("evermark_batch_apply_seconds", "Until a batch was applied and told.", {(): pulse.applies})
        yield counter("evermark_journal_failures", "Batches that were not known to be durable.", pulse.failures)
        lag = sequencer.seq - projector.seq
        yield gauge("evermark_projector_lag_commands", "Commands that the projections do not show yet.", lag)
        rows = sum(batch.rows for batch in projector.pending())
        yield gauge("evermark_projector_rows_waiting", "Rows that wait for the database.", rows)
        yield gauge(
            "evermark_snapshot_seq", "The command after which the last snapshot was taken.", sequencer.snapshot_seq
        )


@final
class Risk(Collector):
    """What the exchange as a whole has at stake."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterator[Metric]:
        """Read them."""
        exchange = self._store.exchange
        sizes = views.sizes(exchange)
        yield gauge("evermark_accounts", "Accounts.", sizes.accounts)
        yield gauge("evermark_orders_open", "Orders that rest or wait for a price.", sizes.orders)
        venue = views.venue_status(exchange)
        yield gauge(
            "evermark_venue_restricted", "1 while all markets are restricted.", venue is not MarketStatus.TRADING
        )
        steps = self._store.projector.steps
        counts: dict[tuple[str, ...], float] = {(step.name.lower(),): count for step, count in steps.items()}
        yield counter("evermark_liquidation_steps", "Steps of liquidations in this run.", counts, "step")
        symbols = {asset.asset_id: asset.symbol for asset in views.assets(exchange)}
        quotes = {view.instrument.quote_asset for view in views.markets(exchange)}
        fund: dict[tuple[str, ...], float] = {(symbols[asset_id],): 0 for asset_id in sorted(quotes)}
        for row in views.balances(exchange, FUND_ACCOUNT_ID):
            fund[(symbols[row.asset_id],)] = row.amount / MONEY_SCALE
        yield gauge("evermark_insurance_fund", "What the insurance fund has, in whole units.", fund, "asset")
        held = len(views.positions(exchange, FUND_ACCOUNT_ID))
        yield gauge("evermark_insurance_positions", "Positions that the insurance fund holds.", held)
        yield from self._markets()

    def _markets(self) -> Iterator[Metric]:
        found = views.markets(self._store.exchange)
        marks = GaugeMetricFamily("evermark_mark_price", "Marks; none where there is none.", labels=["market"])
        interest = GaugeMetricFamily("evermark_open_interest", "Contracts that are held.", labels=["market"])
        statuses: dict[tuple[str, ...], float] = {(status.name.lower(),): 0 for status in MarketStatus}
        for view in found:
            terms = view.instrument
            statuses[(view.status.name.lower(),)] += 1
            if view.mark_price:
                marks.add_metric([terms.symbol], view.mark_price / 10**terms.price_decimals)
            if view.status is not MarketStatus.SETTLED:
                interest.add_metric([terms.symbol], view.open_interest / 10**terms.lot_decimals)
        yield marks
        yield interest
        yield gauge("evermark_markets", "Markets by what they take.", statuses, "status")


@final
class Doors(Collector):
    """Requests, connections and the stream."""

    def __init__(self, lives: Lives, stream: Stream) -> None:
        self._lives = lives
        self._stream = stream

    def collect(self) -> Iterator[Metric]:
        """Read them."""
        lives, hub = self._lives, self._stream.hub
        lives.settle()
        steps: Histograms = {(step,): one for step, one in zip(STEPS, lives.steps, strict=True)}
        yield histogram("evermark_command_step_seconds", "Each step of a command's life.", steps, "step")
        kinds: Histograms = {("command",): lives.whole, ("other",): lives.others}
        yield histogram("evermark_request_seconds", "From a request's head to its answer.", kinds, "kind")
        answers: dict[tuple[str, ...], float] = {
            (path, str(status)): count
            for path, found in list(lives.answers.items())
            for status, count in list(found.items())
        }
        yield counter("evermark_answers", "Answers by address and status.", answers, "path", "status")
        limits = Connection.limits
        connected = 0 if limits is None else limits.connected
        turned_away = 0 if limits is None else limits.turned_away
        yield gauge("evermark_http_connections", "Connections that are no streams.", connected)
        yield counter("evermark_turned_away", "Requests of addresses that sent too many.", turned_away)
        yield gauge("evermark_stream_clients", "Connections to the stream.", len(hub.clients))
        topics = sum(len(client.topics) for client in hub.clients)
        yield gauge("evermark_stream_subscriptions", "Subscriptions to public categories.", topics)
        unread = sum(client.unread() for client in hub.clients)
        yield gauge("evermark_stream_unread_bytes", "Bytes that wait for clients who read slowly.", unread)
        yield histogram("evermark_stream_fanout_seconds", "Telling all who listen what changed.", {(): hub.fanout})
        yield counter("evermark_stream_faults", "Times that clients had to begin anew.", hub.restarts)


@final
class Feeds(Collector):
    """Where prices come from."""

    def __init__(self, feeds: Callable[[], Sequence[SourceHealth]], clock: Clock, store: Store) -> None:
        self._feeds = feeds
        self._clock = clock
        self._store = store

    def collect(self) -> Iterator[Metric]:
        """Read them."""
        rows = self._feeds()
        names: list[tuple[str, ...]] = [(row.venue,) for row in rows]
        aged: Values = {(row.venue,): row.age_ms / MS_PER_S for row in rows if row.age_ms >= 0}
        yield gauge("evermark_feed_age_seconds", "Age of a source's newest price.", aged, "source")
        up: Values = dict(zip(names, (float(row.state in GOOD) for row in rows), strict=True))
        yield gauge("evermark_feed_up", "1 while a source gives prices.", up, "source")
        fresh: Values = dict(zip(names, (row.fresh for row in rows), strict=True))
        yield gauge("evermark_feed_fresh_indices", "Indices that have a price of it that counts.", fresh, "source")
        for name, words, values in (
            ("evermark_feed_prices", "Prices of a source.", [row.prices for row in rows]),
            ("evermark_feed_dropped", "Prices of it that cannot be meant.", [row.dropped for row in rows]),
            ("evermark_feed_errors", "Its errors.", [row.errors for row in rows]),
        ):
            yield counter(name, words, dict(zip(names, values, strict=True)), "source")
        young: Values = {(name,): float(is_young) for name, is_young in fresh_outside(self._store.exchange).items()}
        yield gauge("evermark_index_fresh", "1 while its price is young enough to open positions.", young, "index")
        age_s = max(0, self._clock() - self._store.sequencer.time_ms) / MS_PER_S
        yield gauge("evermark_journal_age_seconds", "Since the last command: the bell alone gives one a second.", age_s)


@final
class Money(Collector):
    """Money on its way in and out."""

    def __init__(self, store: Store, office: Office) -> None:
        self._store = store
        self._office = office

    def collect(self) -> Iterator[Metric]:
        """Read them."""
        exchange, office = self._store.exchange, self._office
        if office.custody is not None:
            yield gauge("evermark_custody_up", "1 while money moves.", office.counter.trouble is None)
        standing = len(office.incidents.standing()) if office.incidents is not None else 0
        yield gauge("evermark_custody_incidents", "What does not fit and nobody has resolved.", standing)
        statuses: dict[tuple[str, ...], float] = {(status.name.lower(),): 0 for status in STANDING}
        ages = statuses.copy()
        for view in views.withdrawals(exchange):
            name = (view.status.name.lower(),)
            statuses[name] += 1
            ages[name] = max(ages[name], (exchange.time_ms - view.changed_ms) / MS_PER_S)
        yield gauge("evermark_withdrawals_open", "Withdrawals that have not ended.", statuses, "status")
        words = "How long one has stood there, the longest; 0 when none does."
        yield gauge("evermark_withdrawals_oldest_seconds", words, ages, "status")
        yield gauge("evermark_deposits_open", "Deposits that are not credited.", len(views.deposits(exchange)))


Values: TypeAlias = Mapping[tuple[str, ...], float]
Histograms: TypeAlias = Mapping[tuple[str, ...], Histogram]


def gauge(name: str, words: str, value: float | Values, *labels: str) -> Metric:
    """A value that goes up and down."""
    return _filled(GaugeMetricFamily(name, words, labels=labels), value)


def counter(name: str, words: str, value: float | Values, *labels: str) -> Metric:
    """A number that only grows; Prometheus knows it by its name and _total."""
    return _filled(CounterMetricFamily(name, words, labels=labels), value)


def histogram(name: str, words: str, found: Histograms, *labels: str) -> Metric:
    """Values by bucket."""
    family = HistogramMetricFamily(name, words, labels=labels)
    for values, one in found.items():
        family.add_metric(values, list(_buckets(one)), one.total)
    return family


def _filled(family: GaugeMetricFamily | CounterMetricFamily, value: float | Values) -> Metric:
    for labels, number in (value if isinstance(value, Mapping) else {(): value}).items():
        family.add_metric(labels, number)
    return family


def _buckets(one: Histogram) -> Iterable[tuple[str, float]]:
    """Bounds with how many values were not above them."""
    count = 0
    for bound, more in zip((*one.bounds, float("inf")), one.counts, strict=True):
        count += more
        yield ("+Inf" if bound == float("inf") else repr(bound)), count
