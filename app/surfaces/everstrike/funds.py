"""The rows about money in and out: POST /auth/withdraw, and what came and went."""

import uuid
from typing import Final, final

from litestar.types import Receive

from app import forms, wire
from app.auth import Key, Scope, need
from app.custody.base import CustodyUnavailable
from app.custody.counter import NO_CUSTODY
from app.door import Answer, Request, read_body
from app.faults import Unavailable
from app.forms import Form
from app.people.refusals import Refused
from app.problems import Malformed, NotFound
from app.sequencer import Unencodable
from app.surfaces.everstrike import ids
from app.surfaces.everstrike.answers import FIELDS, failure, refused, success
from app.surfaces.everstrike.desk import Desk
from app.surfaces.everstrike.payments import Dollars, deposit_json, withdrawal_json
from app.surfaces.everstrike.reading import LIST_LIMIT, limit_of
from exchange import views
from exchange.commands import AdvanceWithdrawal, RequestWithdrawal, WithdrawalStatus
from exchange.events import CommandRejected, Event, WithdrawalAdvanced, WithdrawalRequested
from exchange.exchange import Exchange
from exchange.instrument import Asset
from exchange.limits import ADDRESS_LENGTH_MAX, NETWORK_LENGTH_MAX, REFERENCE_LENGTH_MAX
from exchange.rejects import Reject

CLOSED: Final = "WITHDRAWALS_CLOSED"
CLOSED_WORDS: Final = "Withdrawals are closed for now. Your balance is as it was."


@final
class Funds:
    """The handlers."""

    __slots__ = ("_desk",)

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def withdraw(self, request: Request, receive: Receive) -> Answer:
        """POST /auth/withdraw. The amount leaves the balance at once; its fee is inside it."""
        key, form = await self._enter(request, receive)
        fields = form.fields
        self._desk.need_time(fields, request)
        asset = self._asset(forms.needed(fields, "asset"))
        amount = wire.money(forms.needed(fields, "qty"), "qty")
        forms.needed(fields, "address")
        address = forms.word(fields, "address", most=ADDRESS_LENGTH_MAX, code="INVALID_ADDRESS")
        network = self._network(fields, asset)
        name = forms.word(fields, "client_withdrawal_id", most=REFERENCE_LENGTH_MAX)
        is_known = name and views.withdrawal_by_reference(self._desk.sequencer.exchange, key.account_id, name)
        counter = self._desk.counter
        what = (asset.asset_id, amount, address, network, counter.is_confirmed)
        command = RequestWithdrawal(name or str(uuid.uuid4()), key.account_id, *what)
        if is_known:
            return await self._request(command, key)
        if counter.closed is not None:
            return failure(503, CLOSED_WORDS, {"reject": CLOSED, "field": None})
        reason = counter.check_address(asset.symbol, network, address)
        if reason is not None:
            raise Malformed("address", reason, "INVALID_ADDRESS")
        try:
            async with counter.turn(key.owner_id, asset.symbol, network, address, amount):
                return await self._request(command, key)
        except Refused as fault:
            raise Malformed(FIELDS.get(fault.field, fault.field), str(fault), fault.refusal.name) from fault

    async def _request(self, command: RequestWithdrawal, key: Key) -> Answer:
        try:
            return await self._desk.submit(command, _Reply(self._desk, key))
        except Unencodable as error:
            raise Malformed("body", str(error)) from error

    async def cancel(self, request: Request, receive: Receive) -> Answer:
        """POST /auth/withdraw/cancel: until it is processing."""
        key, form = await self._enter(request, receive)
        self._desk.need_time(form.fields, request)
        number = ids.decode(ids.WITHDRAWAL, forms.needed(form.fields, "id"))
        if number is None:
            raise NotFound("id", Reject.WITHDRAWAL_NOT_FOUND.value, Reject.WITHDRAWAL_NOT_FOUND.name)
        note = "Cancelled on request."
        command = AdvanceWithdrawal(number, WithdrawalStatus.CANCELLED, note=note, account_id=key.account_id)
        return await self._desk.submit(command, _Reply(self._desk, key))

    async def withdrawals(self, request: Request, _receive: Receive) -> Answer:
        """GET /withdrawals: the latest first."""
        desk = self._desk
        key, query = desk.read(request)
        chosen = self._selection(query)
        rows = await desk.queries.withdrawals(key.account_id, **chosen)
        usd = Dollars(desk.sequencer.exchange, desk.pairs)
        symbol = desk.pairs.symbol
        return success(
            [withdrawal_json(row, symbol(row.asset_id), key.customer_id, row.created_ms, usd) for row in rows]
        )

    async def deposits(self, request: Request, _receive: Receive) -> Answer:
        """GET /deposits: the latest first."""
        desk = self._desk
        key, query = desk.read(request)
        chosen = self._selection(query)
        rows = await desk.queries.deposits(key.account_id, **chosen)
        usd = Dollars(desk.sequencer.exchange, desk.pairs)
        return success([deposit_json(row, desk.pairs.symbol(row.asset_id), key.customer_id, usd) for row in rows])

    async def address(self, request: Request, _receive: Receive) -> Answer:
        """GET /v1/deposit_address: where to pay in."""
        desk = self._desk
        key, query = desk.read(request)
        asset = self._asset(forms.needed(query, "asset"))
        network = self._network(query, asset)
        try:
            found = await desk.counter.address(key.account_id, asset.symbol, network)
        except CustodyUnavailable as fault:
            raise Unavailable("The custody does not answer now.") from fault
        if found is None:
            raise NotFound("asset", NO_CUSTODY, "NO_CUSTODY")
        return success({"asset": asset.symbol, "network": network, "address": found})

    async def _enter(self, request: Request, receive: Receive) -> tuple[Key, Form]:
        """Let a signed POST in that moves money out. Raises: Problem."""
        guard = self._desk.guard
        key = guard.admit(request.api_key, request.address)
        body = await read_body(request, receive)
        guard.check_still(key)
        guard.verify(key, request.signature, body)
        need(key, Scope.WITHDRAW)
        return key, forms.decode(body)

    def _asset(self, name: str) -> Asset:
        symbol = name.upper()
        for asset in views.assets(self._desk.sequencer.exchange):
            if asset.symbol == symbol:
                return asset
        raise Malformed("asset", Reject.UNKNOWN_ASSET.value, Reject.UNKNOWN_ASSET.name)

    def _network(self, fields: dict[str, str], asset: Asset) -> str:
        """The network that is named, or the usual one. Raises: Malformed."""
        networks = self._desk.counter.networks(asset.symbol)
        named = forms.word(fields, "network", most=NETWORK_LENGTH_MAX)
        if named and named not in networks:
            raise Malformed("network", f"{asset.symbol} does not go over this network.", "UNKNOWN_NETWORK")
        return named or (networks[0] if networks else "")

    def _selection(self, query: dict[str, str]) -> dict[str, int]:
        """What the list parameters select. Raises: Malformed."""
        start, end, asset = query.get("start"), query.get("end"), query.get("asset")
        return {
            "asset_id": self._asset(asset).asset_id if asset else 0,
            "start_ms": wire.time_ms(start, "start") if start else 0,
            "end_ms": wire.time_ms(end, "end") if end else wire.TIME_MS_MAX,
            "limit": limit_of(query, LIST_LIMIT),
        }


@final
class _Reply:
    """Makes the answer in the step in which the command is applied."""

    __slots__ = ("_desk", "_key")

    def __init__(self, desk: Desk, key: Key) -> None:
        self._desk = desk
        self._key = key

    def __call__(self, events: list[Event], exchange: Exchange) -> Answer:
        """The withdrawal as it is; where its id was used before, the first one."""
        first = events[0]
        if isinstance(first, CommandRejected):
            return refused(first)
        assert isinstance(first, WithdrawalRequested | WithdrawalAdvanced)
        held = views.withdrawal(exchange, first.withdrawal_id)
        assert held is not None
        usd = Dollars(exchange, self._desk.pairs)
        symbol = self._desk.pairs.symbol(first.asset_id)
        return success(withdrawal_json(first, symbol, self._key.customer_id, held.requested_ms, usd))
