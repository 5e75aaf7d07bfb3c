"""What the world does to us: disk, database, configuration, a second writer. One tree.

A surface answers `Unavailable` with 503; everything else here keeps the exchange from starting.
"""

from typing import final


class Fault(Exception):
    """Something outside the exchange is not as it must be."""


@final
class SettingsInvalid(Fault):
    """An environment variable has a value that cannot be meant. `name` is the variable."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} {why}")
        self.name = name


@final
class DatabaseUnusable(Fault):
    """The database cannot be started, reached or migrated."""


@final
class WriterPresent(Fault):
    """Another exchange holds the journal of this database."""


@final
class JournalDamaged(Fault):
    """The chain does not fit. `seq` is the first command of the row that fails, `check` the check that it fails."""

    def __init__(self, seq: int, check: str, why: str) -> None:
        super().__init__(f"The journal is damaged at seq {seq}: {check}: {why}")
        self.seq = seq
        self.check = check


@final
class KeyUndecryptable(Fault):
    """An API secret does not open with this master key."""


@final
class ProjectionConflict(Fault):
    """The projector's checkpoint is not where this projector left it: something else wrote."""


class Unavailable(Fault):
    """The command was not taken, or (`is_unknown`) may have been. The caller may ask again after `retry_s`."""

    retry_s = 1
    is_unknown = False


@final
class Overloaded(Unavailable):
    """The queue is full. The command was not taken."""


@final
class JournalUnavailable(Unavailable):
    """The journal is away."""

    def __init__(self, why: str, *, is_unknown: bool) -> None:
        super().__init__(why)
        self.is_unknown = is_unknown


@final
class Halted(Unavailable):
    """The exchange is read-only, because the command `seq` broke a promise of the core. An operator must pass it."""

    retry_s = 30

    def __init__(self, seq: int, why: str, *, is_unknown: bool = False) -> None:
        super().__init__(f"The exchange is read-only: the command with seq {seq} broke a promise of the core ({why}).")
        self.seq = seq
        self.is_unknown = is_unknown


@final
class Stopped(Unavailable):
    """The exchange is stopping. The command was not taken."""
