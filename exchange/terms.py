"""Commands that change rules: a market's terms, the version of the rules."""

from exchange import margins, resting
from exchange.answers import refuse
from exchange.commands import AmendMarket, SetRulesVersion
from exchange.events import Event, MarketAmended, MarketAmendmentScheduled, RulesVersionSet
from exchange.instrument import Instrument
from exchange.limits import RULES_LATEST, RULES_OF_CORRECTIONS, TERMS_NOTICE_MS
from exchange.listings import check_terms
from exchange.rejects import Reject
from exchange.state import Amendment, Market, State


def set_rules_version(state: State, command: SetRulesVersion, out: list[Event]) -> None:
    """Go on under later rules."""
    if not state.rules_version < command.version <= RULES_LATEST:
        refuse(Reject.INVALID_RULES, out)
        return
    state.rules_version = command.version
    for account in state.accounts.values():
        state.unwatched[account.account_id] = account
    out.append(RulesVersionSet(command.version))


def amend_market(state: State, command: AmendMarket, time_ms: int, out: list[Event]) -> None:
    """Change a market's terms now, or schedule it: terms that ask for more margin need the notice period."""
    market = state.markets.get(command.market_id)
    if market is None:
        refuse(Reject.UNKNOWN_MARKET, out)
        return
    instrument = command.instrument
    effective_ms = max(command.effective_ms, time_ms)
    if not is_same_contract(market.instrument, instrument) or not check_terms(state, instrument):
        refuse(Reject.INVALID_TERMS, out)
    elif needs_notice(state, market.instrument, instrument) and effective_ms < time_ms + TERMS_NOTICE_MS:
        refuse(Reject.NOTICE_TOO_SHORT, out)
    elif effective_ms > time_ms:
        market.amendment = Amendment(instrument, effective_ms)
        out.append(MarketAmendmentScheduled(market.market_id, instrument, effective_ms))
    else:
        market.amendment = None
        apply_terms(state, market, instrument, out)


def apply_due(state: State, time_ms: int, out: list[Event]) -> None:
    """Apply the amendments whose time has come. They bear on liquidation from the next tick on."""
    for market in state.markets.values():
        amendment = market.amendment
        if amendment is not None and time_ms >= amendment.effective_ms:
            market.amendment = None
            apply_terms(state, market, amendment.instrument, out)


def apply_terms(state: State, market: Market, instrument: Instrument, out: list[Event]) -> None:
    """Let a market have other terms; who stands in it is looked at again by the watch."""
    market.set_terms(instrument)
    market.set_mark(market.mark_price)
    for holding in market.holdings.values():
        holding.stamp = margins.STALE  # the sums of its orders were made with other terms
        state.unwatched[holding.account.account_id] = holding.account
        if market.is_spot:
            resting.relock(holding)
    out.append(MarketAmended(market.market_id, instrument))


def is_same_contract(old: Instrument, new: Instrument) -> bool:
    """Tell whether new terms leave what holders own as it is: scales, settlement, strike, expiry."""
    return (
        old.symbol == new.symbol
        and old.kind is new.kind
        and (old.base_asset, old.quote_asset, old.index_id) == (new.base_asset, new.quote_asset, new.index_id)
        and (old.price_decimals, old.lot_decimals) == (new.price_decimals, new.lot_decimals)
        and (old.tick, old.unit_value, old.lot_base) == (new.tick, new.unit_value, new.lot_base)
        and (old.strike_ppm, old.intrinsic_floor_ppm, old.expiry_ms)
        == (
            new.strike_ppm,
            new.intrinsic_floor_ppm,
            new.expiry_ms,
        )
    )


def needs_notice(state: State, old: Instrument, new: Instrument) -> bool:
    """Tell whether new terms may make an account unsafe that was safe: by their rates, by the mark, or by funding."""
    if asks_more(old, new):
        return True
    return state.rules_version >= RULES_OF_CORRECTIONS and (marks_differently(old, new) or may_cost_more(old, new))


def marks_differently(old: Instrument, new: Instrument) -> bool:
    """Tell whether new terms may move the mark at once."""
    return (old.mark_method, old.mark_clamp_ppm) != (new.mark_method, new.mark_clamp_ppm)


def may_cost_more(old: Instrument, new: Instrument) -> bool:
    """Tell whether an hour of funding, which is part of every margin, may be larger under new terms."""
    return (
        new.premium_clamp_ppm > old.premium_clamp_ppm
        or new.funding_period_h < old.funding_period_h
        or (new.interest_ppm, new.interest_clamp_ppm) != (old.interest_ppm, old.interest_clamp_ppm)
        or new.is_premium_on_mark is not old.is_premium_on_mark
    )


def asks_more(old: Instrument, new: Instrument) -> bool:
    """Tell whether new terms may ask for more margin than the old ones, of whatever size."""
    return (
        new.initial_ppm > old.initial_ppm
        or new.maintenance_ppm > old.maintenance_ppm
        or new.initial_slope_ppb > old.initial_slope_ppb
        or new.maintenance_slope_ppb > old.maintenance_slope_ppb
        or new.short_initial_ppm > old.short_initial_ppm
        or new.short_initial_min_ppm > old.short_initial_min_ppm
        or new.short_maintenance_ppm > old.short_maintenance_ppm
        or new.leverage_max < old.leverage_max
        or new.brackets != old.brackets
    )
