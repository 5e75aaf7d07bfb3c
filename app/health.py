"""Whether the exchange lives, and whether it can do what it is for."""

from typing import Final, final

from app.store import Store

LAG_MAX: Final = 100_000
"""Commands that the projections may be behind: beyond, what people read is too old."""


@final
class Health:
    """Asks everything that can end or fall behind. Cost: a look at each."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def end(self) -> str | None:
        """Why only a new start helps, if that is so."""
        if self._store.sequencer.failure is not None:
            return "The sequencer has ended."
        return None if self._store.projector.failure is None else "The projector has ended."

    @property
    def trouble(self) -> str | None:
        """Why it is not to be sent anything now, if that is so."""
        sequencer = self._store.sequencer
        if self.end is not None:
            return self.end
        if sequencer.halted is not None:
            return "The exchange is read-only: a command broke a promise of the core."
        if not sequencer.is_ready:
            return "Commands are not taken now."
        if sequencer.behind_ms:
            return "The clock is behind the journal: time stands still."
        if sequencer.seq - self._store.projector.seq > LAG_MAX:
            return "The projections are too far behind."
        return None
