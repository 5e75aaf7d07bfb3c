"""The operator's socket: requests and answers, who may speak, and what is said when nobody listens."""

import asyncio
import contextlib
import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.control import (
    LINE_BYTES_MAX,
    AccountRow,
    AnyRequest,
    Balance,
    ControlServer,
    Deposit,
    Failed,
    Markets,
    OpenAccount,
    Refused,
    Skip,
    Status,
    StatusRow,
    Unreachable,
    ask,
    socket_path,
)
from app.faults import JournalUnavailable

ROOT = Path(__file__).parents[3]


async def handle(request: AnyRequest) -> object:
    match request:
        case Status():
            return StatusRow(7, "interpreted", None)
        case Deposit(account_id=account_id, asset=asset, amount=amount):
            if account_id != 1:
                raise Refused("The account does not exist.")
            return Balance(asset, amount, is_repeat=False)
        case OpenAccount(name=name):
            raise JournalUnavailable("The journal is away.", is_unknown=name == "unknown")
        case _:
            raise ZeroDivisionError("a bug")


@pytest.fixture
async def data_dir(tmp_path: Path) -> AsyncIterator[Path]:
    server = ControlServer(tmp_path, handle)
    await server.start()
    yield tmp_path
    await server.stop()


async def test_an_answer_has_its_type(data_dir: Path) -> None:
    """CLI-001."""
    assert await asyncio.to_thread(ask, data_dir, Status(), StatusRow) == StatusRow(7, "interpreted", None)
    deposit = Deposit(1, "USD", "12.5", "r1")
    assert await asyncio.to_thread(ask, data_dir, deposit, Balance) == Balance("USD", "12.5", is_repeat=False)


async def test_a_refusal_comes_in_words(data_dir: Path) -> None:
    """CLI-002."""
    with pytest.raises(Refused, match="The account does not exist"):
        await asyncio.to_thread(ask, data_dir, Deposit(2, "USD", "1", "r"), Balance)


async def test_a_bug_of_ours_is_an_answer_and_not_the_end(data_dir: Path) -> None:
    """CLI-002."""
    with pytest.raises(Failed, match="ZeroDivisionError") as said:
        await asyncio.to_thread(ask, data_dir, Markets(), list[object])
    assert said.value.is_unknown
    with pytest.raises(Failed, match="a bug"):
        await asyncio.to_thread(ask, data_dir, Skip(1, "because"), list[object])
    assert (await asyncio.to_thread(ask, data_dir, Status(), StatusRow)).seq == 7


@pytest.mark.parametrize(
    "line, why",
    [
        (b"\n", "truncated"),
        (b"{}\n", "`do`"),
        (b'{"do":"dance"}\n', "dance"),
        (b'{"do":"deposit","account_id":"1","asset":"USD","amount":"1","reference":"r"}\n', "account_id"),
        (b'{"do":"status","more":1}\n', "more"),
        (b"\xff\xfe\n", ""),
    ],
)
async def test_a_line_that_cannot_be_meant_is_refused(data_dir: Path, line: bytes, why: str) -> None:
    """CLI-002."""
    reader, writer = await asyncio.open_unix_connection(socket_path(data_dir))
    writer.write(line)
    answer = await reader.read()
    writer.close()
    assert b'"answer":"error"' in answer
    assert why.encode() in answer


async def test_a_line_without_end_is_hung_up_on(data_dir: Path) -> None:
    """CLI-002."""
    reader, writer = await asyncio.open_unix_connection(socket_path(data_dir))
    writer.write(b"x" * (LINE_BYTES_MAX + 2))
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()
    assert (await asyncio.to_thread(ask, data_dir, Status(), StatusRow)).seq == 7


async def test_only_the_owner_may_speak(data_dir: Path) -> None:
    """CLI-003."""
    assert stat.S_IMODE(socket_path(data_dir).stat().st_mode) == 0o600


async def test_nobody_listens(tmp_path: Path) -> None:
    """CLI-004: before the first start, after a stop, and after a crash that left the socket."""
    with pytest.raises(Unreachable, match="evermark run"):
        ask(tmp_path, Status(), StatusRow)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(socket_path(tmp_path)))
    with pytest.raises(Unreachable, match="evermark run"):
        ask(tmp_path, Status(), StatusRow)
    server = ControlServer(tmp_path, handle)
    await server.start()
    assert (await asyncio.to_thread(ask, tmp_path, Status(), StatusRow)).seq == 7
    await server.stop()
    await server.stop()
    with pytest.raises(Unreachable):
        ask(tmp_path, Status(), StatusRow)


async def test_a_long_data_dir_works_too(tmp_path: Path) -> None:
    """CLI-004: a Unix socket's path has 107 bytes at most."""
    long = tmp_path / ("d" * 100)
    long.mkdir()
    server = ControlServer(long, handle)
    await server.start()
    assert (await asyncio.to_thread(ask, long, Status(), StatusRow)).seq == 7
    await server.stop()


@pytest.mark.spec("CLI-011")
@pytest.mark.parametrize("name, is_unknown", [("unknown", True), ("refused", False)])
async def test_a_fault_says_whether_the_outcome_is_known(data_dir: Path, name: str, is_unknown: bool) -> None:
    with pytest.raises(Failed, match="The journal is away") as said:
        await asyncio.to_thread(ask, data_dir, OpenAccount(name), AccountRow)
    assert said.value.is_unknown == is_unknown


@pytest.mark.spec("CLI-011")
@pytest.mark.parametrize("answer", [b"", b'{"answer":"ok","resu'])
async def test_an_exchange_that_hangs_up_may_have_done_it(tmp_path: Path, answer: bytes) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(answer)
        writer.close()

    async with await asyncio.start_unix_server(hang_up, socket_path(tmp_path)):
        with pytest.raises(Failed, match="hung up") as said:
            await asyncio.to_thread(ask, tmp_path, Deposit(1, "USD", "1", "r"), Balance)
    assert said.value.is_unknown


@pytest.mark.spec("CLI-011")
@pytest.mark.parametrize("line", [["deposit", "1", "5"], ["accounts", "open", "ada"]])
async def test_what_may_have_been_done_can_be_repeated(tmp_path: Path, line: list[str]) -> None:
    """The command gives a reference of its own, tells it when the outcome is unknown, and takes it again."""
    references: list[str] = []

    async def lose(request: AnyRequest) -> object:
        assert isinstance(request, Deposit | OpenAccount)
        references.append(request.reference)
        if len(references) == 1:
            raise JournalUnavailable("The journal did not answer.", is_unknown=True)
        if isinstance(request, Deposit):
            return Balance("USD", "5", is_repeat=True)
        return AccountRow(7, "ada", "cross", {})

    server = ControlServer(tmp_path, lose)
    await server.start()
    code, said = await asyncio.to_thread(evermark, tmp_path, *line)
    assert code == 3
    assert "The journal did not answer." in said
    assert "Traceback" not in said
    told = re.findall(r"repeat with --reference (\S+)", said)
    assert told == references
    code, said = await asyncio.to_thread(evermark, tmp_path, *line, "--reference", told[0])
    assert (code, references[1]) == (0, references[0])
    await server.stop()


@pytest.mark.spec("CLI-007")
@pytest.mark.parametrize(
    "line, said",
    [
        (["accounts", "open", "\udcff"], "What is typed must be UTF-8."),
        (["deposit", "1", "5", "\udcff"], "What is typed must be UTF-8."),
        (["markets", "amend", "USD_BTC_PERP", "tick=1", "tick=2"], "A term is given twice."),
        (["bench", "../http"], "There is no benchmark ../http."),
        (["bench", "a.b"], "There is no benchmark a.b."),
    ],
)
async def test_what_cannot_be_meant_is_said_in_words(data_dir: Path, line: list[str], said: str) -> None:
    assert await asyncio.to_thread(evermark, data_dir, *line) == (1, f"{said}\n")


def evermark(data_dir: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, "DATA_DIR": str(data_dir), "COLUMNS": "200"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
