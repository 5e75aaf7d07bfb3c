"""Commands about assets, indices and markets: list, change an asset's terms, halt."""

from typing import Final

from engine.order import TriggerEvent
from exchange import orders, resting
from exchange.answers import refuse
from exchange.commands import AmendAsset, ListAsset, ListIndex, ListMarket, SetMarketStatus, SetVenueStatus
from exchange.events import (
    AssetAmended,
    AssetListed,
    Event,
    IndexListed,
    MarketListed,
    MarketStatusChanged,
    VenueStatusChanged,
)
from exchange.instrument import Asset, IndexTerms, Instrument, InstrumentKind, MarketStatus, MarkMethod
from exchange.limits import (
    BRACKETS_MAX,
    MONEY_MAX,
    OPENING_INDEX_AGE_MAX_MS,
    PRICE_MAX,
    QTY_MAX,
    SOURCES_MAX,
    TICK_MS,
    WEIGHT_MAX,
)
from exchange.rejects import Reject
from exchange.state import Index, Market, State, Treasury, request_of
from risk.margin import PPM

DECIMALS_MAX: Final = 8
HOURS_MAX: Final = 10_000
"""The longest funding period."""
OPTION_STRIKE_MAX_PPM: Final = 10 * PPM


def list_asset(state: State, command: ListAsset, out: list[Event]) -> None:
    """Let accounts hold an asset."""
    asset = command.asset
    if asset.asset_id in state.assets:
        refuse(Reject.ALREADY_LISTED, out)
    elif not is_asset_sound(asset):
        refuse(Reject.INVALID_TERMS, out)
    else:
        state.assets[asset.asset_id] = asset
        state.treasuries[asset.asset_id] = Treasury()
        out.append(AssetListed(asset))


def is_asset_sound(asset: Asset) -> bool:
    """Tell whether an asset has an id, a name, and fees and bounds that are amounts."""
    amounts = (
        asset.withdrawal_fee,
        asset.withdrawal_min,
        asset.withdrawal_day_max,
        asset.deposit_fee,
        asset.deposit_min,
        asset.withdrawal_approval_above,
    )
    return asset.asset_id > 0 and asset.symbol != "" and min(amounts) >= 0 and max(amounts) <= MONEY_MAX


def amend_asset(state: State, command: AmendAsset, out: list[Event]) -> None:
    """Change an asset's fees and bounds. Withdrawals that were asked for keep their fee."""
    asset = command.asset
    listed = state.assets.get(asset.asset_id)
    if listed is None:
        refuse(Reject.UNKNOWN_ASSET, out)
    elif asset.symbol != listed.symbol or not is_asset_sound(asset):
        refuse(Reject.INVALID_TERMS, out)
    else:
        state.assets[asset.asset_id] = asset
        out.append(AssetAmended(asset))


def list_index(state: State, command: ListIndex, out: list[Event]) -> None:
    """Start an index."""
    terms = command.terms
    if terms.index_id in state.indices:
        refuse(Reject.ALREADY_LISTED, out)
    elif not is_index_sound(terms):
        refuse(Reject.INVALID_TERMS, out)
    else:
        state.indices[terms.index_id] = Index(terms)
        out.append(IndexListed(terms))


def is_index_sound(terms: IndexTerms) -> bool:
    """Tell whether an index has a name, a scale, and weights of different sources, none negative."""
    sources = [source_id for source_id, _ in terms.weights]
    return (
        terms.index_id > 0
        and terms.symbol != ""
        and 0 <= terms.price_decimals <= DECIMALS_MAX
        and len(set(sources)) == len(sources) <= SOURCES_MAX
        and all(0 <= weight <= WEIGHT_MAX for _, weight in terms.weights)
    )


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
            if not market.is_option:  # an option has a price from its first strike on
                market.index_price = index.price
            market.set_mark(market.index_price)
            market.opens_until_ms = index.computed_ms + OPENING_INDEX_AGE_MAX_MS if market.mark_price else 0
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
    return None if market_id > 0 and check_terms(state, instrument) else Reject.INVALID_TERMS


def check_terms(state: State, instrument: Instrument) -> bool:
    """Tell whether an instrument's terms go together, and with its index."""
    if not are_numbers_sound(instrument) or not are_rates_sound(instrument):
        return False
    if not instrument.index_id:
        return True
    return state.indices[instrument.index_id].terms.price_decimals == instrument.price_decimals


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
        instrument.index_id != 0
        and 0 < instrument.maintenance_ppm < instrument.initial_ppm <= PPM
        and 0 <= instrument.maintenance_slope_ppb <= instrument.initial_slope_ppb
        and 1 <= instrument.leverage_max <= PPM // instrument.initial_ppm
        and are_prices_sound(instrument)
        and are_brackets_sound(instrument)
        and (is_future_sound(instrument) if instrument.kind is InstrumentKind.FUTURE else is_option_sound(instrument))
    )


def are_prices_sound(instrument: Instrument) -> bool:
    """Tell whether the terms of mark, funding and liquidation are within bounds.

    The liquidation fee stays below the maintenance rate: a slice must free more margin than it costs.
    """
    return (
        0 <= instrument.mark_clamp_ppm < PPM
        and 0 <= instrument.fair_margin_ppm < PPM
        and 0 <= instrument.premium_clamp_ppm <= PPM
        and 1 <= instrument.funding_period_h <= HOURS_MAX
        and 0 <= instrument.interest_clamp_ppm <= PPM
        and abs(instrument.interest_ppm) <= PPM
        and 0 <= instrument.liquidation_fee_ppm < instrument.maintenance_ppm
        and 0 < instrument.liquidation_slice_ppm <= PPM
        and instrument.liquidation_slice_min >= 0
        and (instrument.mark_method is MarkMethod.INDEX or instrument.impact_qty > 0)
    )


def are_brackets_sound(instrument: Instrument) -> bool:
    """Tell whether brackets rise, and ask for maintenance below initial."""
    brackets = instrument.brackets
    if len(brackets) > BRACKETS_MAX:
        return False
    cap = initial_ppm = maintenance_ppm = 0
    for bracket in brackets:
        if bracket.notional_max <= cap or not 0 < bracket.maintenance_ppm < bracket.initial_ppm <= PPM:
            return False
        if bracket.initial_ppm < initial_ppm or bracket.maintenance_ppm < maintenance_ppm:
            return False
        cap = bracket.notional_max
        initial_ppm = bracket.initial_ppm
        maintenance_ppm = bracket.maintenance_ppm
    if not brackets:
        return True
    first = brackets[0]
    return first.initial_ppm == instrument.initial_ppm and first.maintenance_ppm == instrument.maintenance_ppm


def is_future_sound(instrument: Instrument) -> bool:
    """Tell whether a future has no terms of an option, and settles in a window if it expires."""
    return (
        instrument.strike_ppm == 0
        and instrument.fee_cap_ppm == 0
        and instrument.range_floor_ppm == 0
        and (instrument.expiry_ms == 0 or instrument.settlement_window_ms >= TICK_MS)
        and instrument.expiry_ms >= 0
    )


def is_option_sound(instrument: Instrument) -> bool:
    """Tell whether an option has all that its strike, index, fee and margins are made of."""
    return (
        0 < instrument.strike_ppm <= OPTION_STRIKE_MAX_PPM
        and 0 <= instrument.intrinsic_floor_ppm < PPM
        and 0 < instrument.fee_cap_ppm <= PPM
        and 0 <= instrument.range_floor_ppm < PPM
        and 0 < instrument.short_initial_min_ppm <= instrument.short_initial_ppm <= PPM
        and 0 < instrument.short_maintenance_ppm < instrument.short_initial_min_ppm
        and instrument.expiry_ms == 0
        and instrument.leverage_max == 1
        and not instrument.brackets
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
    if market.own_status is MarketStatus.SETTLED or command.status is MarketStatus.SETTLED:
        refuse(Reject.MARKET_CLOSED, out)
        return
    market.own_status = command.status
    apply_status(state, market)
    out.append(MarketStatusChanged(command.market_id, command.status))
    orders.fire(state, time_ms, out)


def apply_status(state: State, market: Market) -> None:
    """Let a market's own status and the venue's take effect on what waits for its prices."""
    market.set_status(state.venue_status)
    if market.status.value >= MarketStatus.CANCEL_ONLY.value:
        hold_back(state, market)
    for event in (TriggerEvent.MARK_PRICE, TriggerEvent.INDEX_PRICE, TriggerEvent.LAST_PRICE):
        resting.fire_later(state, market.met(event, market.price(event)))


def set_venue_status(state: State, command: SetVenueStatus, time_ms: int, out: list[Event]) -> None:
    """Restrict every market, or lift that: each goes back to its own status."""
    if command.status is MarketStatus.SETTLED:
        refuse(Reject.MARKET_CLOSED, out)
        return
    state.venue_status = command.status
    out.append(VenueStatusChanged(command.status))
    for market in state.markets.values():
        apply_status(state, market)
    orders.fire(state, time_ms, out)
