"""What can go wrong, in one tree: each says whether something may have happened."""

from typing import final


class EvermarkError(Exception):
    """Anything that this client raises on purpose."""


@final
class Refused(EvermarkError):
    """The exchange refused, and nothing has happened. `reject` is the reason as a word, `field` the parameter to blame."""

    def __init__(self, reject: str, field: str | None, msg: str) -> None:
        super().__init__(f"{msg} ({reject}{f', {field}' if field else ''})")
        self.reject = reject
        self.field = field
        self.msg = msg


@final
class Denied(EvermarkError):
    """The key, the signature or the timestamp is not good for this. Nothing has happened."""

    def __init__(self, status: int, msg: str) -> None:
        super().__init__(f"{status}: {msg}")
        self.status = status
        self.msg = msg


class NotTaken(EvermarkError):
    """The exchange did not take the request, and nothing has happened: it may be made again after `retry_s`."""

    def __init__(self, msg: str, retry_s: float = 0.0) -> None:
        super().__init__(msg)
        self.retry_s = retry_s


@final
class RateLimited(NotTaken):
    """Too many requests, orders or cancels."""


@final
class Unreachable(NotTaken):
    """No connection: the request was never sent."""


@final
class OutcomeUnknown(EvermarkError):
    """The request may have been executed, and nobody could be asked in time.

    `client_order_id` names the order, where there is one: ask for it with `find_order`.
    """

    def __init__(self, msg: str, client_order_id: str | None = None, retry_s: float = 0.0) -> None:
        super().__init__(msg)
        self.client_order_id = client_order_id
        self.retry_s = retry_s


@final
class Unexpected(EvermarkError):
    """An answer that this client does not understand."""

    def __init__(self, status: int, msg: str) -> None:
        super().__init__(f"{status}: {msg}")
        self.status = status


@final
class BookBroken(EvermarkError):
    """The local book is not the exchange's: a message is missing, or the checksum is another one."""
