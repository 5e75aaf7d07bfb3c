"""The end of a backup, restore or drill by a signal."""

import asyncio
import signal
from collections.abc import Iterator

import pytest

from app.cli_operators import _run


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """As in a program that was started from a terminal, and put back."""
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before[0])
    signal.signal(signal.SIGINT, before[1])


async def copy(death: type[BaseException] | None) -> None:
    """Work that a signal hits, and that dies of it in its own way."""
    asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGTERM)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        if death is None:
            raise
        raise death("connection was closed in the middle of operation") from None


@pytest.mark.parametrize("death", [None, OSError])
def test_what_is_cut_off_says_so(death: type[BaseException] | None, capsys: pytest.CaptureFixture[str]) -> None:
    """BAK-009."""
    with pytest.raises(KeyboardInterrupt):
        _run(copy(death))
    assert capsys.readouterr().err == "Cut off; nothing of it was kept.\n"


def test_what_fails_by_itself_says_why() -> None:
    """BAK-009."""

    async def fail() -> None:
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        _run(fail())
