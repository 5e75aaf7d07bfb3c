"""A real server, started, found, left behind and stopped, each test in a folder of its own."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import asyncpg
import pytest

from app.db.connect import connect
from app.db.embedded import EmbeddedServer
from app.faults import DatabaseUnusable
from tests.waiting import until_async

ROOT = Path(__file__).parents[4]


def pid_of(data: Path) -> int:
    return int((data / "postgres" / "postmaster.pid").read_text().split("\n")[0])


async def answers(server: EmbeddedServer) -> bool:
    try:
        connection = await connect(server.url())
    except (OSError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True


async def gone(server: EmbeddedServer) -> bool:
    return not await answers(server)


@pytest.mark.spec("DB-001")
async def test_started_stopped_and_started_again(folder: Path) -> None:
    server = EmbeddedServer(folder / "data")
    await server.start()
    connection = await connect(server.url())
    await connection.execute("CREATE TABLE kept (n int)")
    settings = {
        name: await connection.fetchval(f"SHOW {name}") for name in ("fsync", "synchronous_commit", "listen_addresses")
    }
    assert settings == {"fsync": "on", "synchronous_commit": "on", "listen_addresses": ""}
    await connection.close()
    await server.stop()
    assert not await answers(server)
    again = EmbeddedServer(folder / "data")
    await again.start()
    connection = await connect(again.url())
    assert await connection.fetchval("SELECT count(*) FROM kept") == 0
    await connection.close()


@pytest.mark.spec("DB-001")
async def test_nobody_else_reaches_the_socket_or_the_files(folder: Path) -> None:
    server = EmbeddedServer(folder / "data")
    await server.start()
    assert stat.S_IMODE((folder / "data" / "postgres").stat().st_mode) == 0o700
    assert not stat.S_IMODE((folder / "data").stat().st_mode) & (stat.S_IRGRP | stat.S_IROTH | stat.S_IWOTH)


@pytest.mark.spec("DB-001")
async def test_the_last_user_stops_it(folder: Path) -> None:
    first, second = EmbeddedServer(folder / "data"), EmbeddedServer(folder / "data")
    await first.start()
    pid = pid_of(folder / "data")
    await second.start()
    assert pid_of(folder / "data") == pid
    await first.stop()
    assert await answers(second)
    await second.stop()
    assert not await answers(second)


@pytest.mark.spec("DB-001")
async def test_after_a_sigkill_the_next_start_uses_it_again(folder: Path) -> None:
    program = (
        "import sys, signal; from pathlib import Path; from app.db.embedded import EmbeddedServer;"
        "EmbeddedServer(Path(sys.argv[1])).start_blocking(); print('up', flush=True); signal.pause()"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(folder / "data"), stdout=subprocess.PIPE, cwd=ROOT
    )
    assert child.stdout is not None
    assert await child.stdout.readline() == b"up\n"
    pid = pid_of(folder / "data")
    child.kill()
    await child.wait()
    server = EmbeddedServer(folder / "data")
    assert await answers(server)
    await server.start()
    assert pid_of(folder / "data") == pid
    await server.stop()
    assert not await answers(server)


@pytest.mark.spec("DB-001")
async def test_a_server_that_was_killed_is_started_again(folder: Path) -> None:
    server = EmbeddedServer(folder / "data")
    await server.start()
    pid = pid_of(folder / "data")
    os.kill(pid, signal.SIGKILL)
    again = EmbeddedServer(folder / "data")
    await until_async(lambda: gone(server))
    await again.start()
    assert pid_of(folder / "data") != pid
    assert await answers(again)


@pytest.mark.spec("DB-001")
async def test_a_pid_that_is_now_another_programs_does_not_count(folder: Path) -> None:
    server = EmbeddedServer(folder / "data")
    await server.start()
    await server.stop()
    # As after a crash and a restart of the machine: the file is left, its number belongs to somebody else.
    (folder / "data" / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{folder}\n1\n5432\n\n\n\n\n")
    again = EmbeddedServer(folder / "data")
    await again.start()
    assert await answers(again)


@pytest.mark.spec("DB-001")
async def test_a_half_made_cluster_is_made_again(folder: Path) -> None:
    (folder / "new" / "postgres").mkdir(parents=True)
    (folder / "new" / "postgres" / "half").write_text("made")
    server = EmbeddedServer(folder / "new")
    await server.start()
    assert await answers(server)
    await server.stop()


@pytest.mark.spec("DB-003")
@pytest.mark.parametrize("name", ["a 'quoted' 50% über path", "x" * 120, "a,b", 'so "called"', "$HOME `id` \\ !"])
async def test_any_path_will_do(folder: Path, name: str) -> None:
    (folder / "data").rename(folder / name)
    server = EmbeddedServer(folder / name)
    await server.start()
    assert await answers(server)
    await server.stop()


@pytest.mark.spec("DB-003")
async def test_no_room_for_a_socket_is_said_clearly(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ("y" * 120)).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder / ("y" * 120)))
    with pytest.raises(DatabaseUnusable, match="DATA_DIR is too long a path for a Unix socket"):
        await EmbeddedServer(folder / ("x" * 120)).start()


@pytest.mark.spec("DB-003")
async def test_a_socket_folder_of_somebody_else_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    server = EmbeddedServer(folder / ("x" * 120))
    (folder / "elsewhere").mkdir()
    server._socket_directory().symlink_to(folder / "elsewhere")
    with pytest.raises(DatabaseUnusable, match="cannot hold the database's socket"):
        await server.start()


async def test_a_folder_that_cannot_be_made_is_said_clearly(folder: Path) -> None:
    (folder / "file").write_text("")
    with pytest.raises(DatabaseUnusable, match="cannot be set up"):
        await EmbeddedServer(folder / "file").start()
    assert not EmbeddedServer(folder / "file").stop_blocking()


async def test_what_the_server_says_is_passed_on(folder: Path) -> None:
    server = EmbeddedServer(folder / "data")
    await server.start()
    await server.stop()
    (folder / "data" / "postgres" / "postgresql.conf").write_text("nonsense = 1\n")
    with pytest.raises(DatabaseUnusable, match=r"(?s)pg_ctl failed .*postgres\.log.*nonsense"):
        await server.start()


@pytest.mark.spec("DB-005")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")
async def test_private_parents_stay_private(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    private = folder / "private"
    private.mkdir(mode=0o700)
    (private / "inner").mkdir(mode=0o750)
    (folder / "data").rename(private / "inner" / "data")
    for _ in range(2):
        server = EmbeddedServer(private / "inner" / "data")
        await server.start()
        assert await answers(server)
        await server.stop()
    assert caplog.text.count(f"may now pass through {private}") == 2  # it and the inner one, once each
    for path in (private, private / "inner"):
        assert stat.S_IMODE(path.stat().st_mode) & stat.S_IRWXO == 0
    stranger = subprocess.run(["ls", private / "inner"], user="nobody", group="nogroup", extra_groups=[], check=False)
    assert stranger.returncode != 0


@pytest.mark.spec("DB-005")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")
async def test_a_parent_that_cannot_be_opened_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private = folder / "private"
    private.mkdir(mode=0o700)
    (folder / "data").rename(private / "data")
    monkeypatch.delattr(os, "setxattr")
    with pytest.raises(DatabaseUnusable, match=f"may not pass through {private}: "):
        await EmbeddedServer(private / "data").start()
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
