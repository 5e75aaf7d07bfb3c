"""The operations of the rows for people, which the fuzz tests send requests to."""

from typing import Final

PUBLIC: Final = [
    ("POST", "/v1/signup"),
    ("POST", "/v1/signup/confirm"),
    ("POST", "/v1/login"),
    ("POST", "/v1/login/totp"),
    ("POST", "/v1/refresh"),
    ("POST", "/v1/password/forgotten"),
    ("POST", "/v1/password/reset"),
]
PEOPLE: Final = [
    *PUBLIC,
    ("POST", "/v1/logout"),
    ("GET", "/v1/me"),
    ("GET", "/v1/sessions"),
    ("DELETE", "/v1/sessions"),
    ("POST", "/v1/password/change"),
    ("POST", "/v1/totp/setup"),
    ("POST", "/v1/totp/confirm"),
    ("POST", "/v1/totp/disable"),
    ("POST", "/v1/step_up/code"),
    ("POST", "/v1/step_up"),
    ("GET", "/v1/keys"),
    ("POST", "/v1/keys"),
    ("DELETE", "/v1/keys"),
    ("POST", "/v1/keys/rotate"),
    ("GET", "/v1/accounts"),
    ("POST", "/v1/accounts"),
    ("POST", "/v1/transfers"),
    ("GET", "/v1/withdrawal_addresses"),
    ("POST", "/v1/withdrawal_addresses"),
    ("DELETE", "/v1/withdrawal_addresses"),
    ("GET", "/v1/withdrawals"),
    ("POST", "/v1/withdrawals"),
    ("POST", "/v1/withdrawals/code"),
    ("POST", "/v1/withdrawals/confirm"),
    ("POST", "/v1/withdrawals/cancel"),
    ("GET", "/v1/notices"),
    ("POST", "/v1/notices/read"),
]
