"""The rows of people: sign-up, log-in, sessions, passwords, the second factor, step-up."""

from typing import Annotated, Final, final

from msgspec import Meta

from app.people.factors import RECOVERY_CODES
from app.people.office import PeopleOffice
from app.people.person import Person
from app.people.refusals import Refusal, Refused
from app.people.sessions import Ending, Opened
from app.people.tokens import ACCESS_S, Bearer
from app.surfaces.evermark.rows import END, Access, Done, Message, Nothing, Result, Row, Visit

Email = Annotated[
    str,
    Meta(
        max_length=254,
        pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+" + END,
        description="Upper and lower case are the same.",
    ),
]
Password = Annotated[str, Meta(min_length=1, max_length=128)]
Code = Annotated[str, Meta(min_length=1, max_length=40, pattern="^[0-9A-Za-z -]+" + END)]
Token = Annotated[str, Meta(min_length=1, max_length=2_000)]
Id = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[0-9a-f]+" + END)]


class SignUp(Message, frozen=True):
    """Ask for an account."""

    email: Email
    password: Annotated[str, Meta(max_length=128, description="10 to 128 characters.")]


class SignUpSent(Result, frozen=True):
    """A code is on its way, if the address is new."""

    signup_id: str


class ConfirmSignUp(Message, frozen=True):
    """Say the code that was mailed."""

    signup_id: Id
    code: Code


class LogIn(Message, frozen=True):
    """Say who it is."""

    email: Email
    password: Password


class LogInFurther(Message, frozen=True):
    """Say the second factor's code, or a recovery code."""

    challenge: Token
    code: Code


class Tokens(Result, frozen=True):
    """Let in, or (`challenge`) asked for the second factor at /v1/login/totp. A refresh token is good once."""

    session_id: str | None = None
    access_token: str | None = None
    expires_in_s: int | None = None
    refresh_token: str | None = None
    challenge: str | None = None


class Refresh(Message, frozen=True):
    """Ask for the next tokens."""

    refresh_token: Token


class Me(Result, frozen=True):
    """Who it is."""

    customer_id: str
    email: str
    level: int
    has_totp: bool
    has_allow_list: bool
    created_ms: int
    stepped_up_until_ms: int


class SessionRow(Result, frozen=True):
    """A log-in in force."""

    session_id: str
    address: str
    agent: str
    created_ms: int
    used_ms: int
    expires_ms: int
    is_current: bool


class SessionList(Result, frozen=True):
    """Log-ins in force, the one used last first."""

    sessions: list[SessionRow]


class EndSession(Message, frozen=True):
    """Name a session; without a name all but this one end."""

    session_id: Id | None = None


class Ended(Result, frozen=True):
    """How many ended."""

    ended: int


class ChangePassword(Message, frozen=True):
    """Set another password."""

    password: Password
    new_password: Annotated[str, Meta(max_length=128)]


class ForgottenPassword(Message, frozen=True):
    """Ask for a code to set a new one."""

    email: Email


class ResetPassword(Message, frozen=True):
    """Set a new password with the code that was mailed."""

    email: Email
    code: Code
    new_password: Annotated[str, Meta(max_length=128)]


class TotpSecret(Result, frozen=True):
    """What the device needs. It counts once a code of it confirmed it."""

    secret: str
    uri: str


class TotpCode(Message, frozen=True):
    """A code of the device."""

    code: Code


class RecoveryCodes(Result, frozen=True):
    """Codes for when the device is gone, each good once. They are shown this once."""

    codes: Annotated[list[str], Meta(min_length=RECOVERY_CODES, max_length=RECOVERY_CODES)]


class SteppedUp(Result, frozen=True):
    """Until when this session may do more."""

    until_ms: int


@final
class People:
    """The handlers."""

    def __init__(self, office: PeopleOffice) -> None:
        self._office = office
        self._register = office.register

    async def sign_up(self, visit: Visit, asked: SignUp) -> SignUpSent:
        """POST /v1/signup."""
        return SignUpSent(await self._office.sign_ups.ask(asked.email.lower(), asked.password, visit.visitor))

    async def confirm(self, visit: Visit, asked: ConfirmSignUp) -> Tokens:
        """POST /v1/signup/confirm: the account is there, and the person is in."""
        person = await self._office.sign_ups.confirm(asked.signup_id, asked.code.strip(), visit.visitor)
        await self._office.accounts.open_first(person.owner_id)
        return self._tokens(await self._register.open(person, person.password_ms, visit.visitor))

    async def log_in(self, visit: Visit, asked: LogIn) -> Tokens:
        """POST /v1/login."""
        return await self._let_in(await self._register.log_in(asked.email.lower(), asked.password, visit.visitor))

    async def log_in_further(self, visit: Visit, asked: LogInFurther) -> Tokens:
        """POST /v1/login/totp."""
        return self._tokens(await self._register.log_in_further(asked.challenge, asked.code.strip(), visit.visitor))

    async def refresh(self, visit: Visit, asked: Refresh) -> Tokens:
        """POST /v1/refresh."""
        return self._tokens(await self._register.refresh(asked.refresh_token, visit.visitor))

    async def log_out(self, visit: Visit, _asked: Nothing) -> Done:
        """POST /v1/logout."""
        await self._register.sessions.end(visit.session.session_id, Ending.LOGGED_OUT)
        return Done()

    async def me(self, visit: Visit, _asked: Nothing) -> Me:
        """GET /v1/me."""
        person = self._person(visit)
        return Me(
            self._office.customer_id(person.owner_id),
            person.email,
            person.level,
            person.totp_secret is not None,
            person.has_allow_list,
            person.created_ms,
            visit.session.step_up_ms,
        )

    async def sessions(self, visit: Visit, _asked: Nothing) -> SessionList:
        """GET /v1/sessions."""
        this = visit.session
        return SessionList(
            [
                SessionRow(
                    one.session_id,
                    one.address,
                    one.agent,
                    one.created_ms,
                    one.used_ms,
                    one.expires_ms,
                    one is this,
                )
                for one in self._register.sessions.of(this.owner_id)
            ]
        )

    async def end_session(self, visit: Visit, asked: EndSession) -> Ended:
        """DELETE /v1/sessions."""
        sessions = self._register.sessions
        if asked.session_id is None:
            return Ended(await sessions.end_all(visit.owner_id, Ending.REVOKED, but=visit.session.session_id))
        if asked.session_id not in {one.session_id for one in sessions.of(visit.owner_id)}:
            raise Refused(Refusal.NOT_ADMITTED, "session_id")
        await sessions.end(asked.session_id, Ending.REVOKED)
        return Ended(1)

    async def change_password(self, visit: Visit, asked: ChangePassword) -> Done:
        """POST /v1/password/change: other sessions end."""
        await self._register.change_password(visit.session, asked.password, asked.new_password, visit.visitor)
        return Done()

    async def forget_password(self, visit: Visit, asked: ForgottenPassword) -> Done:
        """POST /v1/password/forgotten: the same answer whether the address is known or not."""
        self._register.forget_password(asked.email.lower(), visit.visitor)
        return Done()

    async def reset_password(self, visit: Visit, asked: ResetPassword) -> Tokens:
        """POST /v1/password/reset: every session ends, and the person is in, or asked for the second factor."""
        email, code = asked.email.lower(), asked.code.strip()
        return await self._let_in(await self._register.reset_password(email, code, asked.new_password, visit.visitor))

    async def set_up_totp(self, visit: Visit, _asked: Nothing) -> TotpSecret:
        """POST /v1/totp/setup."""
        return TotpSecret(*await self._register.factors.prepare(self._person(visit)))

    async def confirm_totp(self, visit: Visit, asked: TotpCode) -> RecoveryCodes:
        """POST /v1/totp/confirm."""
        return RecoveryCodes(await self._register.confirm_totp(visit.session, asked.code.strip(), visit.visitor))

    async def turn_totp_off(self, visit: Visit, asked: TotpCode) -> Done:
        """POST /v1/totp/disable."""
        await self._register.turn_totp_off(visit.session, asked.code.strip(), visit.visitor)
        return Done()

    async def send_step_up(self, visit: Visit, _asked: Nothing) -> Done:
        """POST /v1/step_up/code: for those without a second factor."""
        await self._register.send_step_up(self._person(visit))
        return Done()

    async def step_up(self, visit: Visit, asked: TotpCode) -> SteppedUp:
        """POST /v1/step_up."""
        return SteppedUp(await self._register.step_up(visit.session, asked.code.strip(), visit.visitor))

    async def _let_in(self, found: Opened | str) -> Tokens:
        """The tokens of a session, or the challenge to give the second factor."""
        if isinstance(found, str):
            return Tokens(challenge=found)
        await self._office.accounts.open_first(found.session.owner_id)
        return self._tokens(found)

    def _person(self, visit: Visit) -> Person:
        person = self._register.find(visit.owner_id)
        assert person is not None, "a session is somebody's"
        return person

    def _tokens(self, opened: Opened) -> Tokens:
        session = opened.session
        access = self._register.tokens.access(Bearer(session.owner_id, session.session_id))
        return Tokens(session.session_id, access, ACCESS_S, opened.refresh_token)


def rows(office: PeopleOffice) -> list[Row]:
    """The addresses."""
    does = People(office)
    public, bearer, stepped_up = Access.PUBLIC, Access.BEARER, Access.STEPPED_UP
    return [
        Row("POST", "/v1/signup", public, does.sign_up, SignUp, SignUpSent, "Sign up"),
        Row("POST", "/v1/signup/confirm", public, does.confirm, ConfirmSignUp, Tokens, "Confirm a sign-up"),
        Row("POST", "/v1/login", public, does.log_in, LogIn, Tokens, "Log in"),
        Row("POST", "/v1/login/totp", public, does.log_in_further, LogInFurther, Tokens, "Give the second factor"),
        Row("POST", "/v1/refresh", public, does.refresh, Refresh, Tokens, "Get the next tokens"),
        Row("POST", "/v1/logout", bearer, does.log_out, Nothing, Done, "Log out"),
        Row("GET", "/v1/me", bearer, does.me, Nothing, Me, "Who it is"),
        Row("GET", "/v1/sessions", bearer, does.sessions, Nothing, SessionList, "Log-ins in force"),
        Row("DELETE", "/v1/sessions", bearer, does.end_session, EndSession, Ended, "End log-ins"),
        Row("POST", "/v1/password/change", bearer, does.change_password, ChangePassword, Done, "Change the password"),
        Row("POST", "/v1/password/forgotten", public, does.forget_password, ForgottenPassword, Done, FORGOTTEN),
        Row("POST", "/v1/password/reset", public, does.reset_password, ResetPassword, Tokens, "Set a new password"),
        Row("POST", "/v1/totp/setup", stepped_up, does.set_up_totp, Nothing, TotpSecret, "Prepare a second factor"),
        Row("POST", "/v1/totp/confirm", bearer, does.confirm_totp, TotpCode, RecoveryCodes, "Turn it on"),
        Row("POST", "/v1/totp/disable", stepped_up, does.turn_totp_off, TotpCode, Done, "Turn the second factor off"),
        Row("POST", "/v1/step_up/code", bearer, does.send_step_up, Nothing, Done, "Get a code to step up"),
        Row("POST", "/v1/step_up", bearer, does.step_up, TotpCode, SteppedUp, "Step up"),
    ]


FORGOTTEN: Final = "Ask for a code to set a new password"
