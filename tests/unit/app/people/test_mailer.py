"""Mail out: nobody waits for it, a server that is away is tried again, and nothing of it is logged."""

import asyncio
import logging
import smtplib
import threading
from typing import final

import pytest

from app.people.mailer import TRIES, Mail, Mailer, Smtp
from tests.support.post import PostOffice, code_in

MAIL = Mail("zoe@example.org", "Your code", "Code: 123456\n\nIt is good once.")


@final
class Stubborn:
    """A way out that is blocked some times."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.tried = 0
        self.carried: list[Mail] = []
        self.is_done = threading.Event()

    def carry(self, mail: Mail) -> None:
        self.tried += 1
        if self.tried <= self.failures:
            if self.tried == TRIES:
                self.is_done.set()
            raise smtplib.SMTPDataError(550, b"123456 zoe@example.org")
        self.carried.append(mail)
        self.is_done.set()


async def send(carrier: Stubborn) -> None:
    mailer = Mailer(carrier, retry_s=0)
    mailer.start()
    mailer.post(MAIL)
    assert await asyncio.to_thread(carrier.is_done.wait, 30)
    await mailer.stop()


@pytest.mark.spec("PEO-093")
@pytest.mark.parametrize("failures", range(TRIES + 1))
async def test_a_mail_is_tried_three_times(failures: int, caplog: pytest.LogCaptureFixture) -> None:
    carrier = Stubborn(failures)
    with caplog.at_level(logging.DEBUG):
        await send(carrier)
    assert carrier.carried == ([MAIL] if failures < TRIES else [])
    assert carrier.tried == min(failures + 1, TRIES)
    assert "123456" not in caplog.text
    assert MAIL.to not in caplog.text


@pytest.mark.spec("PEO-093")
async def test_mail_goes_out_by_smtp() -> None:
    post = PostOffice()
    try:
        mailer = Mailer(Smtp(post.url, "evermark@example.com"))
        mailer.start()
        mailer.post(MAIL)
        mail = await asyncio.to_thread(post.wait, MAIL.to, 1)
        assert (mail["From"], mail["Subject"], code_in(mail)) == ("evermark@example.com", "Your code", "123456")
        await mailer.stop()
    finally:
        post.close()


@pytest.mark.spec("PEO-093")
async def test_without_a_way_out_nothing_waits() -> None:
    mailer = Mailer(None)
    mailer.start()
    assert not mailer.is_open
    mailer.post(MAIL)
    await mailer.stop()


def test_a_mail_does_not_print_what_it_says() -> None:
    assert "123456" not in repr(MAIL)
    assert "123456" not in f"{MAIL}"
