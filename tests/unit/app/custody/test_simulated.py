"""The simulated chain: what it promises as a custody, and what it does wrong when told to."""

import asyncio

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.custody.base import Changes, CustodyUnavailable, Payment, PaymentDiffers, PaymentRefused, SeenDeposit
from app.custody.simulated import CHANGES_MAX, DEPTH, NAME, ChainStatus, NoTransaction, SimulatedChain, make_address
from app.db.connect import engine_for
from tests.small import FakeClock

BLOCK_MS = 2_000
BTC = 10**8


def payment(key: str = "7-a", amount: int = BTC, address: str = "") -> Payment:
    return Payment(key, 7, "BTC", NAME, amount, address or make_address())


async def gathered(chain: SimulatedChain, cursor: str = "") -> tuple[list[Changes], str]:
    """Every part of what changed."""
    parts = [await chain.changes(cursor)]
    while parts[-1].is_more:
        parts.append(await chain.changes(parts[-1].cursor))
    return parts, parts[-1].cursor


async def deposits(chain: SimulatedChain, cursor: str = "") -> dict[str, SeenDeposit]:
    parts, _ = await gathered(chain, cursor)
    return {deposit.transaction: deposit for part in parts for deposit in part.deposits}


@pytest.mark.spec("CHAIN-001")
async def test_a_holder_has_one_address(chain: SimulatedChain) -> None:
    first = await chain.address("1-alice", "BTC")
    assert await chain.address("1-alice", "BTC") == first
    assert await chain.address("1-alice", "ETH") == first
    assert await chain.address("2-bob") != first
    same_time = await asyncio.gather(*[chain.address("3-carl") for _ in range(4)])
    assert len(set(same_time)) == 1


@pytest.mark.spec("CHAIN-001")
def test_addresses_have_a_checksum(chain: SimulatedChain) -> None:
    good = make_address()
    assert chain.check_address("BTC", NAME, good) is None
    other = "0" if good[10] != "0" else "1"
    checksum = chain.check_address("BTC", NAME, good[:10] + other + good[11:])
    assert checksum is not None and "checksum" in checksum
    for bad in (
        "",
        "sim1",
        good[:-1],
        good + "0",
        good.upper(),
        " " + good,
        good + "\n",
        "bc1qexample",
        "0x" + "0" * 40,
    ):
        assert chain.check_address("BTC", NAME, bad) is not None, bad


@pytest.mark.spec("CHAIN-002")
async def test_blocks_come_by_the_clock(chain: SimulatedChain, clock: FakeClock) -> None:
    assert (await chain.state()).height == 1
    clock.now_ms += 7_999
    assert (await chain.state()).height == 4
    clock.now_ms += 1
    assert (await chain.state()).height == 5
    clock.now_ms -= 1_000_000
    assert (await chain.state()).height == 5
    assert await chain.mine(3) == 8


@pytest.mark.spec("CHAIN-003")
async def test_confirmations_are_counted_from_the_block(chain: SimulatedChain, clock: FakeClock) -> None:
    address = await chain.address("1-alice")
    transaction = await chain.deposit(address, "BTC", BTC)
    late = await chain.deposit(address, "BTC", BTC, delay=2)
    seen = await deposits(chain)
    first = seen[transaction]
    assert (first.holder, first.asset, first.amount, first.address) == ("1-alice", "BTC", BTC, address)
    assert (first.confirmations, first.is_gone) == (0, False)
    counts = []
    for _ in range(4):
        clock.now_ms += BLOCK_MS
        seen = await deposits(chain)
        counts.append((seen[transaction].confirmations, seen[late].confirmations))
    assert counts == [(1, 0), (2, 0), (3, 1), (4, 2)]


@pytest.mark.spec("CHAIN-003")
async def test_blocks_that_come_together_are_blocks_each(chain: SimulatedChain, clock: FakeClock) -> None:
    address = await chain.address("1-alice")
    transaction = await chain.deposit(address, "BTC", BTC)
    clock.now_ms += 5 * BLOCK_MS
    assert (await deposits(chain))[transaction].confirmations == 5


@pytest.mark.spec("CHAIN-003")
async def test_a_chain_moves_positive_amounts(chain: SimulatedChain) -> None:
    for amount in (0, -1):
        with pytest.raises(ValueError, match="positive"):
            await chain.deposit(await chain.address("1-alice"), "BTC", amount)


@pytest.mark.spec("CHAIN-004")
async def test_a_key_is_paid_once(chain: SimulatedChain) -> None:
    first = payment()
    for _ in range(3):
        await chain.send(first)
    assert [(row.key, row.amount) for row in await chain.transactions()] == [("7-a", BTC)]
    for other in (
        msgspec.structs.replace(first, amount=BTC + 1),
        msgspec.structs.replace(first, asset="ETH"),
        msgspec.structs.replace(first, address=make_address()),
    ):
        with pytest.raises(PaymentDiffers):
            await chain.send(other)
    with pytest.raises(PaymentRefused):
        await chain.send(payment("8-b", address="sim1nowhere"))
    assert len(await chain.transactions()) == 1


@pytest.mark.spec("CHAIN-004")
async def test_a_key_that_is_sent_at_the_same_time_is_paid_once(chain: SimulatedChain) -> None:
    first = payment()
    await asyncio.gather(*[chain.send(first) for _ in range(5)])
    assert len(await chain.transactions()) == 1


@pytest.mark.spec("CHAIN-005")
async def test_a_lost_answer_is_to_a_payment_that_is_there(chain: SimulatedChain) -> None:
    await chain.lose_next(1)
    with pytest.raises(CustodyUnavailable, match="lost"):
        await chain.send(payment(address=(address := make_address())))
    assert len(await chain.transactions()) == 1
    await chain.send(payment(address=address))
    assert len(await chain.transactions()) == 1


@pytest.mark.spec("CHAIN-006")
async def test_changes_are_what_is_other(chain: SimulatedChain, clock: FakeClock) -> None:
    address = await chain.address("1-alice")
    transaction = await chain.deposit(address, "BTC", BTC)
    [first], cursor = await gathered(chain)
    assert [(row.transaction, row.confirmations) for row in first.deposits] == [(transaction, 0)]
    [nothing], cursor = await gathered(chain, cursor)
    assert nothing.deposits == () and nothing.payments == ()
    clock.now_ms += BLOCK_MS
    [taken], cursor = await gathered(chain, cursor)
    assert [row.confirmations for row in taken.deposits] == [1]
    clock.now_ms += (DEPTH - 2) * BLOCK_MS
    [grown], cursor = await gathered(chain, cursor)
    assert [row.confirmations for row in grown.deposits] == [DEPTH - 1]
    clock.now_ms += BLOCK_MS
    [deep], cursor = await gathered(chain, cursor)
    assert [row.confirmations for row in deep.deposits] == [DEPTH]
    clock.now_ms += BLOCK_MS
    [silent], cursor = await gathered(chain, cursor)
    assert silent.deposits == ()
    await chain.lose(transaction)
    [lost], cursor = await gathered(chain, cursor)
    assert [(row.confirmations, row.is_gone) for row in lost.deposits] == [(0, True)]
    await chain.revive(transaction)
    [back], _ = await gathered(chain, cursor)
    assert [(row.confirmations, row.is_gone) for row in back.deposits] == [(0, False)]
    for unreadable in ("", "x", "1", "1:", ":"):
        assert transaction in await deposits(chain, unreadable)


@pytest.mark.spec("CHAIN-006")
async def test_nothing_can_happen_to_what_is_not_there(chain: SimulatedChain) -> None:
    transaction = await chain.deposit(await chain.address("1-alice"), "BTC", BTC)
    with pytest.raises(NoTransaction):
        await chain.lose("nothing")
    with pytest.raises(NoTransaction):
        await chain.revive(transaction)
    await chain.deposit(await chain.address("1-alice"), "BTC", BTC)
    with pytest.raises(NoTransaction):
        await chain.lose("")  # both begin so
    await chain.lose(transaction[:16])
    await chain.revive(transaction)


@pytest.mark.spec("CHAIN-007")
async def test_many_changes_come_in_parts(chain: SimulatedChain) -> None:
    address = await chain.address("1-alice")
    sent = [await chain.deposit(address, "BTC", BTC) for _ in range(2 * CHANGES_MAX + 201)]
    parts, cursor = await gathered(chain)
    assert [len(part.deposits) for part in parts] == [500, 500, 201]
    assert [deposit.transaction for part in parts for deposit in part.deposits] == sent
    assert (await chain.changes(cursor)).deposits == ()


@pytest.mark.spec("CHAIN-008")
@pytest.mark.parametrize("is_lost", [False, True])
async def test_a_reorganisation_takes_confirmations_back(
    chain: SimulatedChain, clock: FakeClock, is_lost: bool
) -> None:
    address = await chain.address("1-alice")
    old = await chain.deposit(address, "BTC", BTC)
    clock.now_ms += BLOCK_MS
    young = await chain.deposit(address, "BTC", BTC)
    clock.now_ms += 3 * BLOCK_MS
    seen = await deposits(chain)
    assert (seen[old].confirmations, seen[young].confirmations) == (4, 3)
    _, cursor = await gathered(chain)
    assert await chain.reorganise(3, is_lost=is_lost) == 1
    changed = await deposits(chain, cursor)
    assert [(row.transaction, row.confirmations, row.is_gone) for row in changed.values()] == [(young, 0, is_lost)]
    clock.now_ms += BLOCK_MS
    seen = await deposits(chain)
    assert (seen[old].confirmations, seen[young].confirmations) == (5, 0 if is_lost else 1)


@pytest.mark.spec("CHAIN-009")
async def test_what_we_pay_to_ourselves_is_a_deposit_too(chain: SimulatedChain) -> None:
    ours = await chain.address("1-alice")
    await chain.send(payment("7-a", address=ours))
    await chain.send(payment("8-b"))
    await chain.deposit(make_address(), "BTC", BTC)
    [seen], _ = await gathered(chain)
    assert [row.payment.key for row in seen.payments] == ["7-a", "8-b"]
    assert [(row.holder, row.transaction) for row in seen.deposits] == [("1-alice", seen.payments[0].transaction)]


@pytest.mark.spec("CHAIN-009")
async def test_a_payment_fails_on_demand(chain: SimulatedChain, clock: FakeClock) -> None:
    await chain.fail_next(1)
    await chain.send(payment("7-a"))
    await chain.send(payment("8-b"))
    clock.now_ms += BLOCK_MS
    [seen], _ = await gathered(chain)
    assert {row.payment.key: (row.is_failed, row.confirmations) for row in seen.payments} == {
        "7-a": (True, 0),
        "8-b": (False, 1),
    }
    assert {row.key: row.status for row in await chain.transactions()}["7-a"] is ChainStatus.LOST


@pytest.mark.spec("CHAIN-010")
async def test_a_custody_that_is_away_tells_all_later(chain: SimulatedChain, clock: FakeClock) -> None:
    address = await chain.address("1-alice")
    await chain.go_away(True)
    transaction = await chain.deposit(address, "BTC", BTC)
    for asked in (chain.address("1-alice"), chain.send(payment()), chain.changes("")):
        with pytest.raises(CustodyUnavailable):
            await asked
    clock.now_ms += BLOCK_MS
    assert (await chain.state()).is_away
    await chain.go_away(False)
    assert (await deposits(chain))[transaction].confirmations == 1


@pytest.mark.spec("CHAIN-011")
async def test_the_chain_survives_its_user(chain: SimulatedChain, clock: FakeClock, database: str) -> None:
    address = await chain.address("1-alice")
    transaction = await chain.deposit(address, "BTC", BTC)
    _, cursor = await gathered(chain)
    clock.now_ms += 3 * BLOCK_MS
    engine = engine_for(database)
    try:
        other = SimulatedChain(engine, clock, block_ms=BLOCK_MS)
        assert await other.address("1-alice") == address
        assert (await deposits(other, cursor))[transaction].confirmations == 3
    finally:
        await engine.dispose()


@pytest.mark.spec("CHAIN-012")
async def test_nothing_is_left_out_between_writers(chain: SimulatedChain, engine: AsyncEngine) -> None:
    address = await chain.address("1-alice")
    seen: set[str] = set()
    done = asyncio.Event()

    async def read() -> None:
        cursor = ""
        while True:
            is_last = done.is_set()
            part = await chain.changes(cursor)
            cursor = part.cursor
            seen.update(row.transaction for row in part.deposits)
            seen.update(row.payment.key for row in part.payments)
            if is_last:
                return

    reading = asyncio.ensure_future(read())
    keys = [f"{number}-k" for number in range(10)]
    sent = await asyncio.gather(
        *[chain.deposit(address, "BTC", BTC) for _ in range(10)], *[chain.send(payment(key)) for key in keys]
    )
    done.set()
    await reading
    assert seen == {name for name in sent if name is not None} | set(keys)
