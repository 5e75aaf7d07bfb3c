"""Which custody an exchange has. Another one is another branch here, and a file beside it."""

from sqlalchemy.ext.asyncio import AsyncEngine

from app.clock import Clock
from app.custody.base import Custody
from app.custody.simulated import SimulatedChain
from app.settings import Settings


def choose_custody(settings: Settings, engine: AsyncEngine, clock: Clock) -> Custody | None:
    """The custody that the settings ask for; None for none."""
    if settings.custody == "simulated":
        return SimulatedChain(engine, clock, block_ms=settings.chain_block_ms)
    return None
