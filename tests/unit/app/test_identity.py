import logging
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from app.auth import Scope
from app.db.connect import Connection, connect
from app.faults import KeyUndecryptable
from app.identity import NameTaken, OwnerFrozen
from app.settings import Settings
from app.store import Store, open_store
from tests.small import NOW_MS, FakeClock


@pytest.fixture
async def admin(database: str) -> AsyncIterator[Connection]:
    connection = await connect(database)
    yield connection
    await connection.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(settings: Settings, clock: FakeClock) -> AsyncIterator[Store]:
    async with open_store(settings, clock=clock) as store:
        yield store


@pytest.mark.spec("KEY-002")
async def test_a_key_is_found_with_all_it_carries(store: Store) -> None:
    user = await store.identity.create_user("ada")
    made = await store.identity.create_key(
        user.owner_id,
        7,
        label="bot",
        scopes=Scope.READ | Scope.WITHDRAW,
        networks=("10.0.0.0/8", "::1"),
        expires_at_ms=NOW_MS + 1,
    )
    key = store.identity.find(made.api_key)
    assert key is not None
    assert key.secret == made.secret.encode()
    assert (key.account_id, key.owner_id, key.customer_id) == (7, user.owner_id, user.customer_id)
    assert key.scopes == Scope.READ | Scope.WITHDRAW
    assert [str(network) for network in key.networks] == ["10.0.0.0/8", "::1/128"]
    assert store.identity.find("unknown") is None


@pytest.mark.spec("KEY-002")
async def test_everything_is_there_after_a_restart(settings: Settings) -> None:
    async with open_store(settings) as store:
        user = await store.identity.create_user("ada")
        made = await store.identity.create_key(user.owner_id, 7, label="bot", networks=("10.0.0.0/8",))
        gone = await store.identity.create_key(user.owner_id, 7)
        assert await store.identity.revoke_key(gone.api_key)
        infos = await store.identity.keys()
    async with open_store(settings) as store:
        key = store.identity.find(made.api_key)
        assert key is not None
        assert (key.secret, key.account_id, key.scopes) == (made.secret.encode(), 7, Scope.READ | Scope.TRADE)
        assert store.identity.find(gone.api_key) is None
        assert store.identity.user_named("ada") == user == store.identity.user(user.owner_id)
        assert store.identity.users() == [user]
        assert await store.identity.keys() == infos == await store.identity.keys(account_id=7)
        assert await store.identity.keys(account_id=8) == []


@pytest.mark.spec("KEY-002")
async def test_a_revoked_key_ends_at_once_and_for_good(store: Store) -> None:
    user = await store.identity.create_user("ada")
    made = await store.identity.create_key(user.owner_id, 1)
    assert await store.identity.revoke_key(made.api_key)
    assert store.identity.find(made.api_key) is None
    assert not await store.identity.revoke_key(made.api_key)
    assert not await store.identity.revoke_key("unknown")
    (info,) = await store.identity.keys()
    assert info.revoked_ms == NOW_MS


@pytest.mark.spec("KEY-002")
async def test_a_key_expires_by_the_clock(store: Store, clock: FakeClock) -> None:
    user = await store.identity.create_user("ada")
    made = await store.identity.create_key(user.owner_id, 1, expires_at_ms=NOW_MS + 10)
    clock.now_ms = NOW_MS + 9
    assert store.identity.find(made.api_key) is not None
    clock.now_ms = NOW_MS + 10
    assert store.identity.find(made.api_key) is None


@pytest.mark.spec("KEY-001")
async def test_no_secret_in_the_clear(store: Store, admin: Connection, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    user = await store.identity.create_user("ada")
    made = await store.identity.create_key(user.owner_id, 1)
    stored = await admin.fetchval("SELECT secret FROM api_keys")
    assert made.secret.encode() not in stored
    assert made.secret not in caplog.text
    assert made.secret not in repr(made)
    assert made.secret not in repr(store.identity.find(made.api_key))


@pytest.mark.spec("KEY-001")
async def test_another_master_key_refuses_to_start(settings: Settings) -> None:
    async with open_store(settings) as store:
        user = await store.identity.create_user("ada")
        await store.identity.create_key(user.owner_id, 1)
    with pytest.raises(KeyUndecryptable, match="EVERMARK_MASTER_KEY"):
        async with open_store(replace(settings, master_key="A" * 43 + "=")):
            pass


async def test_a_name_is_taken_once(store: Store) -> None:
    first = await store.identity.create_user("ada")
    with pytest.raises(NameTaken, match="ada"):
        await store.identity.create_user("ada")
    second = await store.identity.create_user("bob")
    assert first.owner_id != second.owner_id
    assert first.customer_id != second.customer_id


@pytest.mark.parametrize("networks", [("10.0.0.1/8",), ("home",)])
async def test_a_network_that_is_none_is_refused(store: Store, networks: tuple[str, ...]) -> None:
    user = await store.identity.create_user("ada")
    with pytest.raises(ValueError, match=networks[0]):
        await store.identity.create_key(user.owner_id, 1, networks=networks)
    with pytest.raises(ValueError, match="scope"):
        await store.identity.create_key(user.owner_id, 1, scopes=Scope(0))
    with pytest.raises(ValueError, match="owner 99"):
        await store.identity.create_key(99, 1)
    assert await store.identity.keys() == []


async def nothing_more(_connection: AsyncConnection, _owner_id: int) -> None:
    pass


@pytest.mark.spec("PEO-057")
async def test_who_is_frozen_has_no_keys_also_after_a_start(settings: Settings) -> None:
    async with open_store(settings) as store:
        ada, bob = await store.identity.create_user("ada"), await store.identity.create_user("bob")
        made = await store.identity.create_key(ada.owner_id, 1)
        others = await store.identity.create_key(bob.owner_id, 2)
        await store.identity.freeze(ada.owner_id, also=nothing_more)
        assert store.identity.find(made.api_key) is None
        assert store.identity.find(others.api_key) is not None
    async with open_store(settings) as store:
        assert (store.identity.is_frozen(ada.owner_id), store.identity.is_frozen(bob.owner_id)) == (True, False)
        with pytest.raises(OwnerFrozen, match="is frozen"):
            await store.identity.create_key(ada.owner_id, 1)
        await store.identity.unfreeze(ada.owner_id)
    async with open_store(settings) as store:
        assert not store.identity.is_frozen(ada.owner_id)
        assert store.identity.find(made.api_key) is None
        assert store.identity.find((await store.identity.create_key(ada.owner_id, 1)).api_key) is not None


async def test_a_freeze_that_cannot_be_written_changes_nothing(store: Store) -> None:
    async def fail(_connection: AsyncConnection, _owner_id: int) -> None:
        raise OSError("away")

    ada = await store.identity.create_user("ada")
    made = await store.identity.create_key(ada.owner_id, 1)
    with pytest.raises(OSError, match="away"):
        await store.identity.freeze(ada.owner_id, also=fail)
    assert not store.identity.is_frozen(ada.owner_id)
    assert store.identity.find(made.api_key) is not None
    assert [key.revoked_ms for key in await store.identity.keys()] == [0]
