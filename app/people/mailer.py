"""Mail out: to the terminal, by SMTP, or not at all. What it says may hold a code: it is never logged."""

import asyncio
import contextlib
import logging
import smtplib
import ssl
import sys
from email.message import EmailMessage
from typing import Final, Protocol, final
from urllib.parse import unquote, urlsplit

import msgspec

from app.settings import Settings

WAITING_MAX: Final = 10_000
TRIES: Final = 3
RETRY_S: Final = 5.0
TIMEOUT_S: Final = 15.0

_log = logging.getLogger(__name__)


class Mail(msgspec.Struct, frozen=True):
    """A message to somebody."""

    to: str
    subject: str
    text: str

    def __repr__(self) -> str:
        return "Mail(...)"


class Carrier(Protocol):
    """Whoever takes mail out."""

    def carry(self, mail: Mail) -> None:
        """Deliver it. May take its time: it is called in a thread. Raises: OSError, smtplib.SMTPException."""


@final
class Terminal:
    """Prints mail where the exchange was started: to try it out."""

    def carry(self, mail: Mail) -> None:
        """Print it. Not through the logger: logs are kept."""
        print(f"\nMail to {mail.to}: {mail.subject}\n{mail.text}\n", file=sys.stdout, flush=True)  # noqa: T201


@final
class Smtp:
    """Hands mail to a server: smtp://[user:password@]host[:port], smtps:// for TLS from the first byte, smtp+tls:// by STARTTLS."""

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        self._kind = parts.scheme
        self._host = parts.hostname or "localhost"
        self._port = parts.port or (465 if parts.scheme == "smtps" else 587 if parts.scheme == "smtp+tls" else 25)
        self._user = unquote(parts.username or "")
        self._password = unquote(parts.password or "")
        self._sender = sender

    def carry(self, mail: Mail) -> None:
        """Deliver it to the server."""
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = mail.to
        message["Subject"] = mail.subject
        message.set_content(mail.text)
        with self._connect() as server:
            if self._user:
                server.login(self._user, self._password)
            server.send_message(message)

    def _connect(self) -> smtplib.SMTP:
        if self._kind == "smtps":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self._host, self._port, timeout=TIMEOUT_S, context=context)
        server = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT_S)
        if self._kind == "smtp+tls":
            server.starttls(context=ssl.create_default_context())
        return server


@final
class Mailer:
    """Takes mail at once and lets it go out behind; what waits is lost with the process, and can be asked for again."""

    def __init__(self, carrier: Carrier | None, *, retry_s: float = RETRY_S) -> None:
        self._carrier = carrier
        self._retry_s = retry_s
        self._waiting: asyncio.Queue[Mail] = asyncio.Queue(WAITING_MAX)
        self._task: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """There is a way out."""
        return self._carrier is not None

    def start(self) -> None:
        """Begin. Requires: a running event loop."""
        if self._carrier is not None:
            self._task = asyncio.get_running_loop().create_task(self._run(self._carrier), name="mailer")

    async def stop(self) -> None:
        """End; what is on its way may arrive."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def post(self, mail: Mail) -> None:
        """Let a mail go out soon. Without a way out, or with too many waiting, it is dropped."""
        if self._carrier is None:
            return
        with contextlib.suppress(asyncio.QueueFull):
            self._waiting.put_nowait(mail)

    async def _run(self, carrier: Carrier) -> None:
        while True:
            mail = await self._waiting.get()
            for left in reversed(range(TRIES)):
                try:
                    await asyncio.to_thread(carrier.carry, mail)
                    break
                except Exception as error:
                    # The error may repeat what the server was told: only its kind is said.
                    _log.warning("a mail did not go out (%s), %d tries are left", type(error).__name__, left)
                    if left:
                        await asyncio.sleep(self._retry_s)


def choose_mailer(settings: Settings) -> Mailer:
    """The way out that the settings name."""
    if settings.mailer == "smtp":
        return Mailer(Smtp(settings.smtp_url or "", settings.mail_from))
    return Mailer(Terminal() if settings.mailer == "console" else None)
