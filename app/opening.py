"""What a start does before the doors open: list what is missing, bring old markets up to the table, endow the insurance fund."""

import logging
from typing import Final

from app.clock import Clock
from app.listings import Listings
from app.sequencer import Sequencer
from exchange import views
from exchange.commands import AmendMarket, Command, Deposit, SetRulesVersion
from exchange.events import CommandRejected
from exchange.instrument import Instrument, MarketStatus
from exchange.limits import FUND_ACCOUNT_ID, MONEY_SCALE, RULES_LATEST, TERMS_NOTICE_MS
from exchange.rejects import Reject

SEED_REFERENCE: Final = "insurance seed"
SEED_ASSET: Final = "USD"
NOTICE_MARGIN_MS: Final = 60_000
"""Given on top of the notice period: the sequencer's time is later than ours."""

_log = logging.getLogger(__name__)


async def prepare_markets(sequencer: Sequencer, listings: Listings, clock: Clock, *, insurance_seed_usd: int) -> None:
    """Make the exchange ready to trade. `insurance_seed_usd` is the fund's first money, credited once; 0: none.

    An exchange under older rules gets the table's terms in every market before it gets the rules that they are made for. Under the
    latest rules terms are the operators' affair: `evermark markets amend`.
    """
    await list_missing(sequencer, listings, clock())
    if views.rules_version(sequencer.exchange) < RULES_LATEST:
        for market_id, terms in listings.changed(listed_terms(sequencer)):
            await amend(sequencer, market_id, terms, clock())
        await _submit(sequencer, SetRulesVersion(RULES_LATEST))
    for market_id, terms in listings.changed(listed_terms(sequencer)):
        _log.info("%s has other terms than the table of markets (market %d)", terms.symbol, market_id)
    asset = listings.asset(SEED_ASSET)
    if insurance_seed_usd and asset is not None:
        amount = insurance_seed_usd * MONEY_SCALE
        await _submit(sequencer, Deposit(SEED_REFERENCE, FUND_ACCOUNT_ID, asset.asset_id, amount))


async def list_missing(sequencer: Sequencer, listings: Listings, now_ms: int) -> None:
    """List the default assets, indices and markets that the exchange does not have yet."""
    state = sequencer.exchange.state
    for command in listings.missing(
        asset_ids=state.assets.keys(), index_ids=state.indices.keys(), market_ids=state.markets.keys(), now_ms=now_ms
    ):
        await _submit(sequencer, command)


def listed_terms(sequencer: Sequencer) -> dict[int, Instrument]:
    """Return by market id the terms of the markets that are not over: those to come, where an amendment waits."""
    found = {}
    for market_id, market in sequencer.exchange.state.markets.items():
        if market.own_status is not MarketStatus.SETTLED:
            found[market_id] = market.instrument if market.amendment is None else market.amendment.instrument
    return found


async def amend(sequencer: Sequencer, market_id: int, terms: Instrument, now_ms: int) -> Reject | None:
    """Give a market other terms: at once where they ask for no more margin, else after the notice period."""
    reject = await _submit(sequencer, AmendMarket(market_id, terms))
    if reject is Reject.NOTICE_TOO_SHORT:
        effective_ms = now_ms + TERMS_NOTICE_MS + NOTICE_MARGIN_MS
        reject = await _submit(sequencer, AmendMarket(market_id, terms, effective_ms))
    if reject is not None:
        _log.warning("%s keeps its terms: %s", terms.symbol, reject.value)
    return reject


async def _submit(sequencer: Sequencer, command: Command) -> Reject | None:
    events = await sequencer.submit(command)
    first = events[0] if events else None
    return first.reject if isinstance(first, CommandRejected) else None
