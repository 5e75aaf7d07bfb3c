"""What the environment says about how to run. Read once, frozen, handed down; nothing else reads the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias, TypeVar, final
from urllib.parse import urlsplit

from app.addresses import Network
from app.faults import SettingsInvalid
from app.proxies import networks_in
from exchange.limits import BATCH_ORDERS_MAX

Feed: TypeAlias = Literal["synthetic", "file", "live", "none"]
Custody: TypeAlias = Literal["simulated", "none"]
Confirmation: TypeAlias = Literal["none", "email", "operator"]
MailKind: TypeAlias = Literal["console", "smtp", "none"]

INSURANCE_SEED_MAX: Final = 10**10
DIGITS_MAX: Final = 20
URL_UNREADABLE: Final = "cannot be read as a URL: is a character in its password not percent-encoded?"

CONFIRMATIONS_MAX: Final = 100
"""A chain need not say how many more there are."""

_CUSTODIES: Final[dict[str, Custody]] = {"simulated": "simulated", "none": "none"}
_CONFIRMATIONS: Final[dict[str, Confirmation]] = {"none": "none", "email": "email", "operator": "operator"}
_MAILERS: Final[dict[str, MailKind]] = {"console": "console", "smtp": "smtp", "none": "none"}
_DATABASE_SCHEMES: Final = frozenset({"postgresql", "postgres"})
_SMTP_SCHEMES: Final = frozenset({"smtp", "smtps", "smtp+tls"})
_FEEDS: Final[dict[str, Feed]] = {"synthetic": "synthetic", "file": "file", "live": "live", "none": "none"}
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_HTTP_SCHEMES: Final = frozenset({"http", "https"})
_FALSE: Final = frozenset({"0", "false", "no", "off"})

T = TypeVar("T")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every choice an operator has.

    Without `database_url` the exchange keeps a PostgreSQL of its own under `data_dir` ("embedded"); only then is a
    missing master key made up, and only then are there demo accounts by default.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    data_dir: Path = Path("data")
    database_url: str | None = field(default=None, repr=False)  # may hold a password
    master_key: str | None = field(default=None, repr=False)
    demo: bool = True

    key_requests_per_s: int = 200
    """Requests that an API key may make in the long run."""
    key_burst: int = 2_000
    """Requests that it may make at once."""
    ip_requests_per_s: int = 500
    """Requests that may come from an address in the long run."""
    ip_burst: int = 5_000
    """Requests that may come from it at once."""
    ip_connections: int = 1_024
    """Connections that it may have."""
    trusted_proxies: tuple[Network, ...] = ()
    """Peers whose X-Forwarded-For says where a request comes from; nobody is believed by default."""
    account_orders_per_min: int = 1_200
    """Orders that an account may send in a minute, those in bulk and amendments counted each."""
    account_cancels_per_min: int = 2_400
    """Requests to cancel that it may send in a minute."""

    stream_connections: int = 10
    """Connections to the stream that an address may have, and as many an account."""
    stream_messages_per_s: int = 20
    """Messages that an address may send to it in a second, and as many an account; orders have their own limits."""
    stream_categories: int = 10
    """Public categories that a connection may be subscribed to."""

    queue_max: int = 10_000
    """Commands that may wait for the sequencer; one more is refused."""
    queue_reserve: int = 2_000
    """How many more may wait when they only reduce, and as many again of the exchange's own."""
    batch_max: int = 1_000
    """Commands of one group commit."""
    journal_timeout_ms: int = 10_000
    """After this long a commit counts as failed with its outcome unknown."""
    lock_timeout_ms: int = 10_000
    """How long a start waits for a previous writer to let go of the journal."""
    snapshot_every: int = 100_000
    """Commands between two snapshots."""
    snapshots_kept: int = 3
    projector_interval_ms: int = 100
    """Pause between two writes of the projector: what arrives meanwhile is written together."""
    projector_rows_max: int = 200_000
    """Rows that may wait for the database before the sequencer waits with them."""

    metrics_open: bool = False
    """/metrics needs no token."""
    otel_endpoint: str | None = field(default=None, repr=False)  # may hold a password
    """Where traces go (OTLP over HTTP); nothing is traced without."""

    clock_rate: int = 1
    """Seconds of the exchange in one of the machine's: above 1 to rehearse, never to trade."""

    insurance_seed_usd: int = 1_000_000
    """The insurance fund's first money; 0 for none."""

    custody: Custody = "simulated"
    """Who keeps the coins; with none nothing is paid in or out but by operators' entries."""
    confirmations: Mapping[str, int] = field(default_factory=lambda: {"": 3})
    """How many a deposit and a payment need, by asset; "" for all others."""
    withdrawal_confirmation: Confirmation = "none"
    """What a withdrawal needs beyond the signed request: nothing, its owner's word by a code that was mailed, or an operator's."""
    chain_block_ms: int = 2_000
    """Time between two blocks of the simulated chain."""

    signup: bool = True
    """People may sign up by themselves."""
    signups_per_hour: int = 20
    """How often one address may ask for a sign-up or a forgotten password."""
    mails_per_hour: int = 10
    """Codes that one person may ask for."""
    login_failures_of_address: int = 50
    """With this many failures an IP address is locked."""
    mailer: MailKind = "console"
    """How mail goes out."""
    smtp_url: str | None = field(default=None, repr=False)  # may hold a password
    mail_from: str = "evermark@localhost"
    argon2_memory_kib: int = 65_536
    """What checking a password costs; two are checked at once."""
    argon2_passes: int = 3
    session_days: int = 30
    """How long a log-in lasts at most."""
    levels: Path | None = None
    """An operator's own table of verification levels."""
    address_wait_s: int = 86_400
    """How long a new address to withdraw to must wait."""
    cors_origins: tuple[str, ...] = ()
    """Web pages from elsewhere that may ask this exchange; none by default."""

    feed: Feed = "synthetic"
    feed_seed: int = 1
    feed_path: Path | None = None
    feed_sources: Path | None = None
    """An operator's own table of venues for the live feed."""

    @property
    def is_embedded(self) -> bool:
        """The exchange runs its own PostgreSQL."""
        return self.database_url is None


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings. An empty variable counts as absent.

    Raises: SettingsInvalid, naming the variable.
    """
    read = _Reader(environment)
    default = Settings()
    database_url = read.url("DATABASE_URL", _DATABASE_SCHEMES, "postgresql://")
    feed_path = read.text("EVERMARK_FEED_PATH", "")
    feed_sources = read.text("EVERMARK_FEED_SOURCES", "")
    feed = read.choice("EVERMARK_FEED", _FEEDS, "synthetic")
    if feed == "file" and not feed_path:
        raise SettingsInvalid("EVERMARK_FEED_PATH", "must name a file when EVERMARK_FEED is file")
    clock_rate = read.integer("EVERMARK_CLOCK_RATE", default.clock_rate, 1, 1_000)
    if clock_rate != 1 and database_url is not None:
        raise SettingsInvalid("EVERMARK_CLOCK_RATE", "is to rehearse with the embedded database, not with DATABASE_URL")
    if clock_rate != 1 and feed == "live":
        raise SettingsInvalid("EVERMARK_CLOCK_RATE", "outruns the prices of real venues: rehearse with another feed")
    found = Settings(
        host=read.text("HOST", default.host),
        port=read.integer("PORT", default.port, 0, 65_535),
        data_dir=Path(read.text("DATA_DIR", "data")).expanduser().absolute(),
        database_url=database_url,
        master_key=read.text("EVERMARK_MASTER_KEY", "") or None,
        demo=read.flag("EVERMARK_DEMO", database_url is None),
        key_requests_per_s=read.integer("EVERMARK_KEY_REQUESTS_PER_S", default.key_requests_per_s, 1, 1_000_000),
        key_burst=read.integer("EVERMARK_KEY_BURST", default.key_burst, 1, 1_000_000),
        ip_requests_per_s=read.integer("EVERMARK_IP_REQUESTS_PER_S", default.ip_requests_per_s, 1, 1_000_000),
        ip_burst=read.integer("EVERMARK_IP_BURST", default.ip_burst, 1, 1_000_000),
        ip_connections=read.integer("EVERMARK_IP_CONNECTIONS", default.ip_connections, 1, 1_000_000),
        trusted_proxies=read.networks("EVERMARK_TRUSTED_PROXIES"),
        account_orders_per_min=read.integer(
            "EVERMARK_ACCOUNT_ORDERS_PER_MIN", default.account_orders_per_min, BATCH_ORDERS_MAX, 10_000_000
        ),
        account_cancels_per_min=read.integer(
            "EVERMARK_ACCOUNT_CANCELS_PER_MIN", default.account_cancels_per_min, 1, 10_000_000
        ),
        stream_connections=read.integer("EVERMARK_STREAM_CONNECTIONS", default.stream_connections, 1, 1_000_000),
        stream_messages_per_s=read.integer(
            "EVERMARK_STREAM_MESSAGES_PER_S", default.stream_messages_per_s, 1, 1_000_000
        ),
        stream_categories=read.integer("EVERMARK_STREAM_CATEGORIES", default.stream_categories, 1, 1_000_000),
        queue_max=read.integer("EVERMARK_QUEUE_MAX", default.queue_max, 1, 10_000_000),
        queue_reserve=read.integer("EVERMARK_QUEUE_RESERVE", default.queue_reserve, 1, 10_000_000),
        batch_max=read.integer("EVERMARK_BATCH_MAX", default.batch_max, 1, 100_000),
        journal_timeout_ms=read.integer("EVERMARK_JOURNAL_TIMEOUT_MS", default.journal_timeout_ms, 1, 600_000),
        lock_timeout_ms=read.integer("EVERMARK_LOCK_TIMEOUT_MS", default.lock_timeout_ms, 0, 600_000),
        snapshot_every=read.integer("EVERMARK_SNAPSHOT_EVERY", default.snapshot_every, 1, 10**12),
        snapshots_kept=read.integer("EVERMARK_SNAPSHOTS_KEPT", default.snapshots_kept, 1, 1_000),
        projector_interval_ms=read.integer("EVERMARK_PROJECTOR_INTERVAL_MS", default.projector_interval_ms, 0, 60_000),
        projector_rows_max=read.integer("EVERMARK_PROJECTOR_ROWS_MAX", default.projector_rows_max, 1, 100_000_000),
        metrics_open=read.flag("EVERMARK_METRICS_OPEN", default.metrics_open),
        otel_endpoint=read.url("EVERMARK_OTEL_ENDPOINT", _HTTP_SCHEMES, "http:// or https://"),
        clock_rate=clock_rate,
        insurance_seed_usd=read.integer(
            "EVERMARK_INSURANCE_SEED", default.insurance_seed_usd if database_url is None else 0, 0, INSURANCE_SEED_MAX
        ),
        custody=read.choice("EVERMARK_CUSTODY", _CUSTODIES, "simulated" if database_url is None else "none"),
        confirmations=read.numbers("EVERMARK_CONFIRMATIONS", default.confirmations[""], 1, CONFIRMATIONS_MAX),
        withdrawal_confirmation=read.choice(
            "EVERMARK_WITHDRAWAL_CONFIRMATION", _CONFIRMATIONS, "none" if database_url is None else "operator"
        ),
        chain_block_ms=read.integer("EVERMARK_CHAIN_BLOCK_MS", default.chain_block_ms, 1, 86_400_000),
        feed=feed,
        feed_seed=read.integer("EVERMARK_FEED_SEED", default.feed_seed, 0, 2**63 - 1),
        feed_path=Path(feed_path).expanduser().absolute() if feed_path else None,
        feed_sources=Path(feed_sources).expanduser().absolute() if feed_sources else None,
    )
    return _with_people(found, read)


def _with_people(settings: Settings, read: "_Reader") -> Settings:
    """Read what is about people who log in."""
    default = Settings()
    smtp_url = read.url("EVERMARK_SMTP_URL", _SMTP_SCHEMES, "smtp://, smtps:// or smtp+tls://")
    usual = "smtp" if smtp_url else "console" if settings.is_embedded else "none"
    levels = read.text("EVERMARK_LEVELS", "")
    mailer = read.choice("EVERMARK_MAILER", _MAILERS, usual)
    if mailer == "smtp" and smtp_url is None:
        raise SettingsInvalid("EVERMARK_SMTP_URL", "must name a server when EVERMARK_MAILER is smtp")
    return replace(
        settings,
        signup=read.flag("EVERMARK_SIGNUP", default.signup),
        signups_per_hour=read.integer("EVERMARK_SIGNUPS_PER_HOUR", default.signups_per_hour, 1, 1_000_000),
        mails_per_hour=read.integer("EVERMARK_MAILS_PER_HOUR", default.mails_per_hour, 1, 1_000_000),
        login_failures_of_address=read.integer(
            "EVERMARK_LOGIN_FAILURES_OF_ADDRESS", default.login_failures_of_address, 1, 1_000_000_000
        ),
        mailer=mailer,
        smtp_url=smtp_url,
        mail_from=read.text("EVERMARK_MAIL_FROM", default.mail_from),
        argon2_memory_kib=read.integer("EVERMARK_ARGON2_MEMORY_KIB", default.argon2_memory_kib, 8, 4_194_304),
        argon2_passes=read.integer("EVERMARK_ARGON2_PASSES", default.argon2_passes, 1, 100),
        session_days=read.integer("EVERMARK_SESSION_DAYS", default.session_days, 1, 3_650),
        levels=Path(levels).expanduser().absolute() if levels else None,
        address_wait_s=read.integer("EVERMARK_ADDRESS_WAIT_S", default.address_wait_s, 0, 2_592_000),
        cors_origins=tuple(read.text("EVERMARK_CORS_ORIGINS", "").replace(",", " ").split()),
    )


@final
class _Reader:
    """Reads typed values out of an environment."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str, default: str) -> str:
        return self._environment.get(name, "").strip() or default

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        text = self.text(name, str(default))
        if not (text.isascii() and text.removeprefix("-").isdigit()) or len(text) > DIGITS_MAX:
            raise SettingsInvalid(name, f"must be a whole number, not {text[: 2 * DIGITS_MAX]!r}")
        value = int(text)
        if not least <= value <= most:
            raise SettingsInvalid(name, f"must be between {least} and {most}, not {value}")
        return value

    def flag(self, name: str, default: bool) -> bool:
        text = self.text(name, "1" if default else "0").lower()
        if text in _TRUE:
            return True
        if text in _FALSE:
            return False
        raise SettingsInvalid(name, f"must be 1 or 0, not {text!r}")

    def url(self, name: str, schemes: frozenset[str], words: str) -> str | None:
        text = self.text(name, "")
        if not text:
            return None
        # The value may hold a password: neither the message nor what caused it repeats it.
        try:
            scheme = urlsplit(text).scheme
        except ValueError:
            raise SettingsInvalid(name, URL_UNREADABLE) from None
        if scheme not in schemes:
            raise SettingsInvalid(name, f"must begin with {words}")
        return text

    def choice(self, name: str, choices: Mapping[str, T], default: str) -> T:
        text = self.text(name, default)
        if text not in choices:
            raise SettingsInvalid(name, f"must be {', '.join(choices)}, not {text!r}")
        return choices[text]

    def networks(self, name: str) -> tuple[Network, ...]:
        text = self.text(name, "")
        try:
            return networks_in(text)
        except ValueError:
            raise SettingsInvalid(
                name, f"must be addresses and networks such as 10.0.0.1, 10.1.0.0/16, and not all there are: {text!r}"
            ) from None

    def numbers(self, name: str, default: int, least: int, most: int) -> dict[str, int]:
        """One number for all, and others by name: 3,BTC=2,ETH=12."""
        found = {"": default}
        for part in self.text(name, str(default)).split(","):
            key, equals, number = part.strip().rpartition("=")
            if not (number.isascii() and number.isdigit()) or (bool(key) != bool(equals)):
                raise SettingsInvalid(name, f"must be like 3,BTC=2, not {part!r}")
            if not least <= int(number) <= most:
                raise SettingsInvalid(name, f"must be between {least} and {most}, not {number}")
            found[key.upper()] = int(number)
        return found
