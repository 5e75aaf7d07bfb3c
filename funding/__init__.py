"""Funding of perpetual instruments: premium, rate, schedule, payment."""
