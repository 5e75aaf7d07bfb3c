"""An exchange with a mail server, and people who use it."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, final

import pyotp
import requests
from sqlalchemy import delete

from app.custody.simulated import make_address
from app.db.connect import engine_for
from app.db.embedded import EmbeddedServer
from app.db.tables import lockouts
from app.people.notices import Kind
from app.people.office import PeopleOffice
from exchange import views
from exchange.commands import Deposit
from exchange.limits import MONEY_SCALE
from tests.contract.conftest import own_settings
from tests.support.post import PostOffice, code_in
from tests.venue import BTC, DEADLINE_S, PRICE, USD, Client, Venue, running_venue

PASSWORD: Final = "correct horse battery"
ORIGIN: Final = "https://trade.example"
PEOPLE_LIMITS: Final[Mapping[str, int]] = {
    "signups_per_hour": 1_000_000,
    "mails_per_hour": 1_000,
    "argon2_memory_kib": 4_096,
    "argon2_passes": 1,
}
"""Nobody reaches the first two; a password is checked in a few milliseconds."""


@final
class Human:
    """Somebody at the exchange, with or without a token."""

    def __init__(self, world: "PeopleVenue", name: str) -> None:
        self.world = world
        self.email = f"{name}@example.org"
        self.password = PASSWORD
        self.access_token = ""
        self.refresh_token = ""
        self.session_id = ""
        self.account_id = 0

    def ask(self, method: str, path: str, *, token: str | None = None, **body: Any) -> requests.Response:
        """Ask with the token."""
        token = self.access_token if token is None else token
        headers = {"authorization": f"Bearer {token}"} if token else {}
        sent: dict[str, Any] = {"json": body} if method == "POST" else {"params": body}
        return requests.request(method, self.world.venue.url + path, headers=headers, timeout=DEADLINE_S, **sent)

    def post(self, path: str, **body: Any) -> requests.Response:
        """Ask with a body."""
        return self.ask("POST", path, **body)

    def result(self, method: str, path: str, **body: Any) -> Any:
        """Ask for what is given."""
        answer = self.ask(method, path, **body)
        assert answer.status_code == 200, (method, path, answer.text)
        return answer.json()["result"]

    def reject(self, answer: requests.Response) -> str:
        """Why it was refused."""
        assert answer.status_code >= 400, answer.text
        found: str = answer.json()["result"]["reject"]
        return found

    def take(self, answer: requests.Response) -> None:
        """Keep the tokens of an answer."""
        assert answer.status_code == 200, answer.text
        tokens = answer.json()["result"]
        self.access_token, self.refresh_token = tokens["access_token"], tokens["refresh_token"]
        self.session_id = tokens["session_id"]

    def key(self, **terms: object) -> Client:
        """A new API key. Requires: a step-up."""
        made = self.result("POST", "/v1/keys", account_id=self.account_id, **terms)
        return self.world.client(made, self.account_id)


@final
class PeopleVenue:
    """A running exchange, its people and its mail."""

    def __init__(self, venue: Venue, people: PeopleOffice, post: PostOffice) -> None:
        self.venue = venue
        self.people = people
        self.post = post

    def human(self, name: str, *, usd: int = 0, btc: int = 0) -> Human:
        """Somebody who has signed up and is in, with money."""
        human = Human(self, name)
        sent = human.result("POST", "/v1/signup", email=human.email, password=PASSWORD)
        human.take(human.post("/v1/signup/confirm", signup_id=sent["signup_id"], code=self.code(human)))
        human.account_id = human.result("GET", "/v1/accounts")["accounts"][0]["account_id"]
        self.fund(human, usd=usd, btc=btc)
        return human

    def second_factor(self, human: Human) -> tuple[pyotp.TOTP, list[str]]:
        """A second factor confirmed a minute ago, and its recovery codes."""
        self.step_up(human)
        device = pyotp.TOTP(human.result("POST", "/v1/totp/setup")["secret"])
        recovery: list[str] = human.result("POST", "/v1/totp/confirm", code=self.code_on(device))["codes"]
        self.venue.clock.now_ms += 60_000
        return device, recovery

    def code_on(self, device: pyotp.TOTP) -> str:
        """What a device shows now."""
        return device.at(self.venue.clock.now_ms // 1000)

    def fund(self, human: Human, *, usd: int = 0, btc: int = 0) -> None:
        """Pay something in, once."""
        for asset_id, amount in ((USD, usd), (BTC, btc)):
            if amount:
                reference = f"{asset_id} {human.email}"
                self.venue.submit(Deposit(reference, human.account_id, asset_id, amount * MONEY_SCALE))

    def fund_exactly(self, human: Human, usd: str) -> None:
        """Pay in what a text says."""
        units = int(Decimal(usd) * MONEY_SCALE)
        self.venue.submit(Deposit(f"exactly {human.email}", human.account_id, USD, units))

    def look(self) -> None:
        """Let somebody look out for everybody now."""
        self.venue.run(self.people.notices.look())

    def settle_notices(self) -> None:
        """Wait until what was found out is written."""
        self.venue.run(self.people.notices.settle())

    def told(self, human: Human, kind: Kind) -> list[str]:
        """What somebody was told of a kind."""
        listed = human.result("GET", "/v1/notices", limit=200)["notices"]
        return [notice["words"] for notice in listed if notice["kind"] == kind.value]

    def wait_for_notice(self, human: Human, kind: Kind, count: int = 1) -> Any:
        """Wait until there are so many notices of a kind; gives the newest."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            listed = human.result("GET", "/v1/notices", limit=200)["notices"]
            found = [notice for notice in listed if notice["kind"] == kind.value]
            if len(found) >= count:
                return found[0]
            assert time.monotonic() < deadline, listed
            time.sleep(0.05)

    def log_in(self, human: Human) -> Human:
        """The same person in another session."""
        other = Human(self, human.email.partition("@")[0])
        other.account_id = human.account_id
        other.take(other.post("/v1/login", email=human.email, password=PASSWORD))
        return other

    def step_up(self, human: Human) -> None:
        """Give a fresh code in a session, of one without a second factor."""
        count = len([mail for mail in self.post.mails(human.email) if "confirm that it is you" in mail["Subject"]])
        assert human.post("/v1/step_up/code").status_code == 200
        code = code_in(self.post.wait(human.email, count + 1, "confirm that it is you"))
        assert human.post("/v1/step_up", code=code).status_code == 200

    def code(self, human: Human, subject: str = "open an account") -> str:
        """The code that came last with these words in the subject."""
        self.post.wait(human.email, 1, subject)
        return code_in([mail for mail in self.post.mails(human.email) if subject in mail["Subject"]][-1])

    def client(self, made: Mapping[str, str], account_id: int) -> Client:
        """Somebody with a key."""
        return Client(self.venue, made["api_key"], made["secret_key"], account_id)

    def address(self) -> str:
        """An address somewhere else."""
        return make_address()

    def listed_address(self, human: Human) -> int:
        """An address on the list whose waiting is over, and a session that is stepped up."""
        self.step_up(human)
        added = human.result("POST", "/v1/withdrawal_addresses", asset="BTC", address=self.address())
        self.venue.clock.now_ms += 86_400_000
        human.take(human.post("/v1/login", email=human.email, password=PASSWORD))
        self.step_up(human)
        return int(added["address_id"])

    def price(self) -> None:
        """Let the index have its price again."""
        self.venue.price(PRICE)

    def balance(self, account_id: int, asset_id: int) -> int:
        """What an account has."""
        found = self.venue.call(lambda: views.balances(self.venue.store.exchange, account_id))
        return {view.asset_id: view.amount for view in found}.get(asset_id, 0)

    def owner_of(self, human: Human) -> int:
        """Whose account it is."""
        account = self.venue.call(lambda: views.account(self.venue.store.exchange, human.account_id))
        assert account is not None
        return account.owner_id

    def forget_locks(self) -> None:
        """Begin anew with everybody's failures."""
        self.venue.run(self._forget_locks())

    async def _forget_locks(self) -> None:
        engine = engine_for(self.venue.store.url)
        async with engine.begin() as connection:
            await connection.execute(delete(lockouts))
        await engine.dispose()
        await self.people.register.lockouts.load()


@contextmanager
def people_venue(
    postgres: EmbeddedServer, folder: Path, name: str, *, custody: str = "simulated"
) -> Iterator[PeopleVenue]:
    """An exchange that sends mail and asks for a withdrawal's code, until the block ends."""
    post = PostOffice()
    settings = own_settings(
        postgres,
        folder / name,
        name,
        mailer="smtp",
        smtp_url=post.url,
        withdrawal_confirmation="email",
        custody=custody,
        cors_origins=(ORIGIN,),
        **PEOPLE_LIMITS,
    )
    try:
        with running_venue(settings) as venue:
            yield PeopleVenue(venue, venue.people, post)
    finally:
        post.close()
