"""Why somebody who is a person, not a key, is turned away."""

from enum import Enum
from typing import Final, final

from app.problems import Problem


class Refusal(Enum):
    """A reason. Each value reads as a sentence for the person who asked."""

    NO_TOKEN = "The request needs the header Authorization: Bearer with an access token."
    BAD_TOKEN = "The access token is unknown or expired, or its session has ended."
    BAD_LOGIN = "The e-mail address or the password is wrong."
    FROZEN = "This account is frozen. Ask the exchange."
    BAD_CODE = "The code is wrong, expired or was used before."
    BAD_REFRESH = "The refresh token is unknown, expired or was used before."
    STEP_UP = "This needs a step-up: confirm with a fresh code at /v1/step_up first."
    NOT_ADMITTED = "The API key, account or session is not there, or is not yours."
    LOCKED = "There were too many attempts. Wait and try again."
    TOO_OFTEN = "You have done that too much recently."
    WEAK_PASSWORD = "The password must have 10 to 128 characters and be no part of the e-mail address."
    SIGNUP_CLOSED = "This exchange takes no new people now."
    NO_MAIL = "This exchange sends no mail, and this needs a code by mail."
    EMAIL_TAKEN = "This e-mail address has an account already."
    TOTP_ON = "The second factor is on already."
    TOTP_OFF = "The second factor is off."
    TOO_MANY = "There are too many of these already."
    INVALID_NETWORK = "This is no IP address or network."
    INVALID_EXPIRY = "The expiry must lie in the future."
    INVALID_ADDRESS = "The address cannot be paid to."
    ADDRESS_UNKNOWN = "The address is not on your list of addresses to withdraw to."
    ADDRESS_WAITS = "The address is new on your list and cannot be paid to yet."
    LEVEL_LIMIT = "This is beyond what your verification level may withdraw in a day."
    NO_VALUE = "There is no price to hold this against the limit of your verification level."
    UNKNOWN_ASSET = "The asset does not exist."
    INVALID_AMOUNT = "The amount must be a positive decimal number with at most 8 places."
    NAME_USED = "This name was used for something else before."
    CLOSED = "Withdrawals are closed for now. Your balance is as it was."


STATUS_OF: Final = {
    Refusal.NO_TOKEN: 401,
    Refusal.BAD_TOKEN: 401,
    Refusal.BAD_LOGIN: 401,
    Refusal.BAD_CODE: 401,
    Refusal.BAD_REFRESH: 401,
    Refusal.FROZEN: 403,
    Refusal.STEP_UP: 403,
    Refusal.ADDRESS_UNKNOWN: 403,
    Refusal.ADDRESS_WAITS: 403,
    Refusal.LEVEL_LIMIT: 403,
    Refusal.NOT_ADMITTED: 404,
    Refusal.EMAIL_TAKEN: 409,
    Refusal.TOTP_ON: 409,
    Refusal.TOTP_OFF: 409,
    Refusal.TOO_MANY: 409,
    Refusal.NAME_USED: 409,
    Refusal.LOCKED: 429,
    Refusal.TOO_OFTEN: 429,
    Refusal.SIGNUP_CLOSED: 503,
    Refusal.NO_MAIL: 503,
    Refusal.CLOSED: 503,
    Refusal.NO_VALUE: 503,
}
"""The HTTP status; 400 for all others."""


@final
class Refused(Problem):
    """The request is refused. `field` names the culprit, `retry_s` is for those of too often."""

    def __init__(self, refusal: Refusal, field: str = "", *, retry_s: float = 0.0) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal
        self.field = field
        self.retry_s = retry_s

    @property
    def status(self) -> int:
        """The HTTP status."""
        return STATUS_OF.get(self.refusal, 400)
