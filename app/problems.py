"""What can be wrong with a request, as values that know nothing of a surface's words.

A surface catches `Problem` and answers in its own shape; `Malformed` is the client's bytes, `Denied` its key, signature
or rate, `Unavailable` our own fault. A refusal of the core is not here: it is an event, `CommandRejected`.
"""

from enum import Enum
from typing import final


class Problem(Exception):
    """A request that gets no ordinary answer."""


@final
class Malformed(Problem):
    """The bytes do not say what they must. `code` names the kind of fault, `field` the culprit, `msg` the reason."""

    def __init__(self, field: str, msg: str, code: str = "INVALID_FORM") -> None:
        super().__init__(msg)
        self.field = field
        self.msg = msg
        self.code = code


class Denial(Enum):
    """Why the door stays shut. Each value reads as a sentence for the person who asked."""

    NO_KEY = "The x-api-key header is missing."
    UNKNOWN_KEY = "The API key is unknown, expired or revoked."
    ADDRESS = "The API key may not be used from this address."
    NO_SIGNATURE = "The x-signature header is missing."
    NO_AUTH = "Orders over the socket need the operation auth first."
    SIGNATURE = "The signature does not match the request body."
    SCOPE = "The API key lacks the scope that this request needs."
    TIMESTAMP_OLD = "The timestamp is too old."
    TIMESTAMP_AHEAD = "The timestamp is ahead of the exchange's clock."
    SEEN = "A request with this signature was received before."
    RATE = "You have done that too much recently."
    TOO_LARGE = "The request body is too large."


@final
class Denied(Problem):
    """The request is refused before anyone looks at what it wants. `retry_s` is for `Denial.RATE`."""

    def __init__(self, denial: Denial, retry_s: float = 0.0) -> None:
        super().__init__(denial.value)
        self.denial = denial
        self.retry_s = retry_s


@final
class NotFound(Problem):
    """What was asked for does not exist."""

    def __init__(self, field: str, msg: str, code: str) -> None:
        super().__init__(msg)
        self.field = field
        self.msg = msg
        self.code = code
