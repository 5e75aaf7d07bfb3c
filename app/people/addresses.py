"""Where a person's money may go: a list of addresses, each of which waits before it counts."""

from typing import Any, Final, NamedTuple, final

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from app.clock import Clock
from app.db.tables import withdrawal_addresses
from app.people.refusals import Refusal, Refused

ADDRESSES_MAX: Final = 100
_COLUMNS: Final = withdrawal_addresses.c


class Address(NamedTuple):
    """An address on a list."""

    address_id: int
    owner_id: int
    asset: str
    network: str
    address: str
    label: str
    created_ms: int
    usable_ms: int


@final
class Addresses:
    """Every person's list."""

    def __init__(self, engine: AsyncEngine, clock: Clock, *, wait_s: int) -> None:
        self._engine = engine
        self._clock = clock
        self._wait_ms = wait_s * 1000

    async def of(self, owner_id: int) -> list[Address]:
        """A person's addresses, the oldest first."""
        mine = (_COLUMNS.owner_id == owner_id) & _COLUMNS.removed_ms.is_(None)
        query = select(withdrawal_addresses).where(mine).order_by(_COLUMNS.address_id)
        async with self._engine.connect() as connection:
            return [_address(row) for row in (await connection.execute(query)).all()]

    async def add(self, owner_id: int, asset: str, network: str, address: str, label: str) -> Address:
        """Put an address on the list; one that is there stays as it is. Raises: Refused."""
        held = await self.of(owner_id)
        for one in held:
            if (one.asset, one.network, one.address) == (asset, network, address):
                return one
        if len(held) >= ADDRESSES_MAX:
            raise Refused(Refusal.TOO_MANY, "address")
        now_ms = self._clock()
        values = {
            "owner_id": owner_id,
            "asset": asset,
            "network": network,
            "address": address,
            "label": label,
            "created_ms": now_ms,
            "usable_ms": now_ms + self._wait_ms,
        }
        query = insert(withdrawal_addresses).values(values).returning(withdrawal_addresses)
        async with self._engine.begin() as connection:
            return _address((await connection.execute(query)).one())

    async def remove(self, owner_id: int, address_id: int) -> None:
        """Take an address off the list. Raises: Refused."""
        mine = (_COLUMNS.owner_id == owner_id) & (_COLUMNS.address_id == address_id) & _COLUMNS.removed_ms.is_(None)
        async with self._engine.begin() as connection:
            query = update(withdrawal_addresses).where(mine).values(removed_ms=self._clock())
            if (await connection.execute(query)).rowcount != 1:
                raise Refused(Refusal.NOT_ADMITTED, "address_id")

    async def need(self, owner_id: int, address_id: int) -> Address:
        """An address of this person by its number. Raises: Refused."""
        for one in await self.of(owner_id):
            if one.address_id == address_id:
                return one
        raise Refused(Refusal.NOT_ADMITTED, "address_id")

    async def check(self, owner_id: int, asset: str, network: str, address: str) -> None:
        """Check that money may go there now. Raises: Refused."""
        for one in await self.of(owner_id):
            if (one.asset, one.network, one.address) == (asset, network, address):
                if one.usable_ms > self._clock():
                    raise Refused(Refusal.ADDRESS_WAITS, "address")
                return
        raise Refused(Refusal.ADDRESS_UNKNOWN, "address")


def _address(row: Row[Any]) -> Address:
    return Address(
        row.address_id,
        row.owner_id,
        row.asset,
        row.network,
        row.address,
        row.label,
        row.created_ms,
        row.usable_ms,
    )
