"""How much anybody may ask of the exchange: an address before its requests are parsed, an account before its commands wait.

Keys have buckets of their own (app/auth.py). At every level cancels have a bucket beside the one for everything else, so
that no number of orders or reads keeps anybody from cancelling.
"""

from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Final, final

from app.addresses import address_in
from app.problems import Denial, Denied
from app.rate import Bucket, Table, fill_ms
from exchange.commands import AmendOrder, CancelAllAfter, CancelOrder, CancelOrders, Command, PlaceBatch, PlaceOrder

MINUTE_S: Final = 60
ACCOUNTS_MAX: Final = 1_000_000
"""Accounts that are remembered: only those with a key come so far."""
CONNECTIONS_MAX: Final = 1_024
"""Connections of one address: a quarter of all, so that nobody takes them all."""
REFUSALS_PER_S: Final = 50
"""Refusals of one address that are answered at once; the others wait for `TIRED_S`."""
REFUSALS_BURST: Final = 200
TIRED_S: Final = 1.0
CANCEL_PATH: Final = b"/auth/cancel"
"""What the paths begin with that have the bucket of cancels."""
IPV6_HOST_BITS: Final = 64

SteadyClock = Callable[[], float]


@final
class Allowance:
    """Two buckets of one name, so that neither empties the other; and, of an address, one for refusals."""

    __slots__ = ("cancels", "others", "refusals")

    def __init__(self, others: Bucket, cancels: Bucket, refusals: Bucket | None = None) -> None:
        self.others = others
        self.cancels = cancels
        self.refusals = refusals


def name_of(address: str) -> str:
    """Who counts as one: an IPv4 address, also mapped into IPv6; of IPv6 the network of 64 bits that one customer gets."""
    if ":" not in address:
        return address
    parsed = address_in(address)
    if isinstance(parsed, IPv6Address):
        return f"{int(parsed) >> IPV6_HOST_BITS:x}::/64"
    return address if parsed is None else str(parsed)


@final
class AddressLimits:
    """What an address may send. Names are those of `name_of`; `steady_ms` is a clock that does not go back."""

    __slots__ = ("_connections", "_connections_max", "_steady_ms", "_table", "turned_away")

    def __init__(
        self,
        steady_ms: SteadyClock,
        *,
        per_second: int,
        burst: int,
        connections_max: int = CONNECTIONS_MAX,
    ) -> None:
        self.turned_away = 0
        """Requests that found no token."""
        self._steady_ms = steady_ms
        self._connections: dict[str, int] = {}
        self._connections_max = connections_max

        def make() -> Allowance:
            return Allowance(
                Bucket(per_second=per_second, burst=burst),
                Bucket(per_second=per_second, burst=burst),
                Bucket(per_second=REFUSALS_PER_S, burst=REFUSALS_BURST),
            )

        longest_ms = max(
            fill_ms(per_second=per_second, burst=burst), fill_ms(per_second=REFUSALS_PER_S, burst=REFUSALS_BURST)
        )
        self._table: Table[Allowance] = Table(make, span_ms=longest_ms)

    def arrive(self, name: str) -> bool:
        """Count a connection; False when there are too many from there, and it does not count."""
        count = self._connections.get(name, 0)
        if count >= self._connections_max:
            return False
        self._connections[name] = count + 1
        return True

    def leave(self, name: str) -> None:
        """Forget a connection that was counted."""
        count = self._connections[name] - 1
        if count:
            self._connections[name] = count
        else:
            del self._connections[name]

    def take(self, name: str, path: bytes) -> float:
        """Take a token for a request; 0 when there was one, else the ms to wait. Only a request to cancel has a second bucket."""
        now_ms = self._steady_ms()
        allowance = self._table.find(name, now_ms)
        wait_ms = allowance.others.take(now_ms)
        if wait_ms and path.startswith(CANCEL_PATH):
            wait_ms = allowance.cancels.take(now_ms)
        if wait_ms:
            self.turned_away += 1
        return wait_ms

    @property
    def connected(self) -> int:
        """Connections that count. Cost: a look at each address that has one."""
        return sum(self._connections.values())

    def is_tired(self, name: str) -> bool:
        """Whether an address was refused so often of late that it must wait for the answer."""
        now_ms = self._steady_ms()
        refusals = self._table.find(name, now_ms).refusals
        return refusals is not None and refusals.take(now_ms) > 0


@final
class AccountLimits:
    """What an account may have the core do: orders, and cancels that orders cannot crowd out.

    Whoever keeps to the number in every minute is never refused; in the long run nobody gets more.
    """

    __slots__ = ("_steady_ms", "_table")

    def __init__(self, steady_ms: SteadyClock, *, orders_per_min: int, cancels_per_min: int) -> None:
        self._steady_ms = steady_ms

        def make() -> Allowance:
            return Allowance(
                Bucket(per_second=orders_per_min / MINUTE_S, burst=orders_per_min),
                Bucket(per_second=cancels_per_min / MINUTE_S, burst=cancels_per_min),
            )

        # Either bucket fills in a minute.
        self._table: Table[Allowance] = Table(make, span_ms=1000.0 * MINUTE_S, names_max=ACCOUNTS_MAX)

    def charge(self, command: Command) -> None:
        """Take what a user's command costs: an order each, a batch as many as it has, one for any number of cancels at once.

        Raises: Denied.
        """
        # One type after the other: a union is made anew with each call, and an order is the first.
        if isinstance(command, PlaceOrder) or isinstance(command, AmendOrder):  # noqa: SIM101
            self._take(command.account_id, 1, is_cancel=False)
        elif isinstance(command, PlaceBatch):
            self._take(command.account_id, len(command.orders), is_cancel=False)
        elif isinstance(command, CancelOrder | CancelOrders | CancelAllAfter):
            self._take(command.account_id, 1, is_cancel=True)

    def _take(self, account_id: int, tokens: int, *, is_cancel: bool) -> None:
        now_ms = self._steady_ms()
        allowance = self._table.find(account_id, now_ms)
        bucket = allowance.cancels if is_cancel else allowance.others
        wait_ms = bucket.take(now_ms, tokens)
        if wait_ms:
            raise Denied(Denial.RATE, wait_ms / 1000)
