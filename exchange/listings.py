"""Commands about assets, indices and markets: list and halt."""

from engine.order import TriggerEvent
from exchange import orders, resting
from exchange.answers import refuse
from exchange.commands import ListAsset, ListIndex, ListMarket, SetMarketStatus
from exchange.events import AssetListed, Event, IndexListed, MarketListed, MarketStatusChanged
from exchange.instrument import Instrument, InstrumentKind, MarketStatus
from exchange.limits import OPENING_INDEX_AGE_MAX_MS, PRICE_MAX, QTY_MAX
from exchange.rejects import Reject
from exchange.state import Index, Market, State, Treasury, request_of
from risk.margin import PPM

DECIMALS_MAX = 8


def list_asset(state: State, command: ListAsset, out: list[Event]) -> None:
    """Let accounts hold an asset."""
    asset = command.asset
    if asset.asset_id in state.assets:
        refuse(Reject.ALREADY_LISTED, out)
    elif asset.asset_id <= 0 or not asset.symbol:
        refuse(Reject.INVALID_TERMS, out)
    else:
        state.assets[asset.asset_id] = asset
        state.treasuries[asset.asset_id] = Treasury()
        out.append(AssetListed(asset))


def list_index(state: State, command: ListIndex, out: list[Event]) -> None:
    """Start an index."""
    terms = command.terms
    if terms.index_id in state.indices:
        refuse(Reject.ALREADY_LISTED, out)
    elif terms.index_id <= 0 or not terms.symbol or not 0 <= terms.price_decimals <= DECIMALS_MAX:
        refuse(Reject.INVALID_TERMS, out)
    else:
        state.indices[terms.index_id] = Index(terms)
        out.append(IndexListed(terms))


def list_market(state: State, command: ListMarket, out: list[Event]) -> None:
    """Open a market."""
    instrument = command.instrument
    reject = check_instrument(state, command.market_id, instrument)
    if reject is not None:
        refuse(reject, out)
        return
    index = state.indices.get(instrument.index_id)
    market = Market(command.market_id, instrument, index)
    state.markets[command.market_id] = market
    if index is not None:
        index.market_ids.append(command.market_id)
        if not market.is_spot:
            market.set_mark(index.price)
            market.opens_until_ms = index.computed_ms + OPENING_INDEX_AGE_MAX_MS if index.price else 0
    out.append(MarketListed(command.market_id, instrument))


def check_instrument(state: State, market_id: int, instrument: Instrument) -> Reject | None:
    """Check an instrument's terms for what would break the arithmetic later."""
    if market_id in state.markets:
        return Reject.ALREADY_LISTED
    if instrument.base_asset not in state.assets or instrument.quote_asset not in state.assets:
        return Reject.UNKNOWN_ASSET
    if instrument.index_id and instrument.index_id not in state.indices:
        return Reject.UNKNOWN_INDEX
    for other in state.markets.values():
        if other.instrument.symbol == instrument.symbol:
            return Reject.ALREADY_LISTED
    is_sound = market_id > 0 and are_numbers_sound(instrument) and are_rates_sound(instrument)
    if is_sound and instrument.index_id:
        is_sound = state.indices[instrument.index_id].terms.price_decimals == instrument.price_decimals
    return None if is_sound else Reject.INVALID_TERMS


def are_numbers_sound(instrument: Instrument) -> bool:
    """Tell whether scales, tick and bounds go together."""
    decimals = instrument.price_decimals + instrument.lot_decimals
    if instrument.price_decimals < 0 or instrument.lot_decimals < 0 or decimals > DECIMALS_MAX:
        return False
    if not instrument.symbol or instrument.base_asset == instrument.quote_asset:
        return False
    is_spot = instrument.kind is InstrumentKind.SPOT
    if is_spot and instrument.lot_base != 10 ** (DECIMALS_MAX - instrument.lot_decimals):
        return False
    if is_spot and instrument.unit_value != 10 ** (DECIMALS_MAX - decimals):
        return False
    return (
        1 <= instrument.tick <= PRICE_MAX
        and instrument.unit_value >= 1
        and 1 <= instrument.qty_min <= instrument.qty_max <= QTY_MAX
        and instrument.notional_min >= 0
        and instrument.impact_qty >= 0
    )


def are_rates_sound(instrument: Instrument) -> bool:
    """Tell whether fees, range and margins go together: a rebate is never above the taker fee."""
    if not 0 < instrument.range_ppm < PPM or not 0 <= instrument.taker_fee_ppm < PPM:
        return False
    if not -instrument.taker_fee_ppm <= instrument.maker_fee_ppm < PPM:
        return False
    if instrument.kind is InstrumentKind.SPOT:
        return True
    return (
        instrument.kind is InstrumentKind.FUTURE
        and instrument.index_id != 0
        and 0 < instrument.maintenance_ppm < instrument.initial_ppm <= PPM
        and 0 <= instrument.maintenance_slope_ppb <= instrument.initial_slope_ppb
        and 1 <= instrument.leverage_max <= PPM // instrument.initial_ppm
    )


def hold_back(state: State, market: Market) -> None:
    """Let triggers that were met and wait for their turn wait for their price again: the market takes no orders now."""
    for trigger in list(state.fired.values()):
        if request_of(trigger.order).market_id == market.market_id:
            del state.fired[trigger.order.order_id]
            market.triggers(trigger.event).add(trigger)


def set_market_status(state: State, command: SetMarketStatus, time_ms: int, out: list[Event]) -> None:
    """Halt a market, restrict it, or open it again: then the triggers that prices met meanwhile fire."""
    market = state.markets.get(command.market_id)
    if market is None:
        refuse(Reject.UNKNOWN_MARKET, out)
        return
    market.status = command.status
    if command.status is MarketStatus.HALTED or command.status is MarketStatus.CANCEL_ONLY:
        hold_back(state, market)
    out.append(MarketStatusChanged(command.market_id, command.status))
    for event in (TriggerEvent.MARK_PRICE, TriggerEvent.INDEX_PRICE, TriggerEvent.LAST_PRICE):
        resting.fire_later(state, market.met(event, market.price(event)))
    orders.fire(state, time_ms, out)
