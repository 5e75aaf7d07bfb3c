"""A copy of everything, taken from a running exchange, put back into an empty place, and proved to be the same.

Every table is copied as the database has it at one moment (COPY in a transaction that sees one snapshot): what cannot be made
again (users, people, keys, operators, journal, incidents), and also what could be, so that a restored exchange starts at
once. No program of PostgreSQL's is needed for it, so it works with any database. The state is recovered inside the same
transaction: its hash stands in the manifest, and a restore that does not come to it takes everything back.

The master key is no part of it unless it is asked for: without it the API secrets and second factors in a copy open for nobody.
"""

import asyncio
import gzip
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import IO, Final, NamedTuple, final

import asyncpg
import msgspec
from alembic.script import ScriptDirectory
from sqlalchemy import Table

from app.clock import wall_clock
from app.db.connect import Connection, connect, engine_for
from app.db.embedded import EmbeddedServer
from app.db.migrate import SCRIPTS, migrate
from app.db.secrets import Vault, master_key
from app.db.tables import metadata
from app.faults import DatabaseUnusable, Fault
from app.identity import Identity
from app.journal import UNREACHABLE, head_of
from app.recovery import Listeners, Progress, recover, replay_to, verify
from app.settings import Settings
from app.snapshots import code_version
from app.store import RESTORING, data_dir_held, database_url

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
KEY_FILE: Final = "master.key"
PURPOSE: Final = "backup check"
PRIMARY: Final = ("journal", "users", "api_keys", "operators", "audit_log")
"""Where there is a row in one of these, an exchange has lived."""
COMPRESSION: Final = 1
PIECE_BYTES: Final = 1 << 20

Say = Callable[[str], None]


@final
class BackupBad(Fault):
    """A backup is not whole, not ours, or does not lead to the state that it says."""


@final
class NotEmpty(Fault):
    """Something is there already."""


class TableCopy(msgspec.Struct, frozen=True):
    """A table's file. `sha256` is of the file as it lies there."""

    name: str
    columns: tuple[str, ...]
    rows: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What a backup says of itself. `seq` and `state_hash` are of the state; `journal_seq` is later only where a command halted it."""

    format: int
    made_ms: int
    code_version: str
    revision: str
    journal_seq: int
    journal_hash: str
    seq: int
    time_ms: int
    state_hash: str
    halted: str
    key_check: str  # "" where the key was not at hand
    has_key: bool
    tables: tuple[TableCopy, ...]

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables)


class Drill(NamedTuple):
    """What a rehearsal found; nothing is wrong when `problems` is empty."""

    manifest: Manifest
    restore_s: float
    replay_s: float
    is_compared: bool
    """The exchange at hand was asked for its own state at that seq."""
    problems: list[str]


# --- the copy --------------------------------------------------------------------------------------------------------


async def backup(settings: Settings, directory: Path, *, with_key: bool = False, say: Say = lambda _: None) -> Manifest:
    """Write a backup, whole or not at all. The exchange may run.

    Raises: NotEmpty, DatabaseUnusable, JournalDamaged, SettingsInvalid.
    """
    if settings.is_embedded and not (settings.data_dir / "postgres").is_dir():
        raise DatabaseUnusable(f"No exchange has run on {settings.data_dir} yet.")
    making = _making(directory)
    key = _key_at_hand(settings)
    try:
        async with database_url(settings) as url:
            manifest = await _copy(url, making, key, with_key=with_key, say=say)
        if with_key and key is not None:
            _write_secret(making / KEY_FILE, _key_text(settings))
        _write_durably(making / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        _put_in_place(making, directory)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    return manifest


def _making(directory: Path) -> Path:
    """A folder to make a backup in, beside where it goes. Raises: NotEmpty."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise NotEmpty(f"{directory} is there already. A backup goes into a new folder.")
    making = directory.with_name(f"{directory.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(mode=0o700, parents=True)
    return making


def _put_in_place(making: Path, directory: Path) -> None:
    if directory.exists():
        directory.rmdir()
    making.rename(directory)
    _sync(directory.parent)


async def _copy(url: str, making: Path, key: bytes | None, *, with_key: bool, say: Say) -> Manifest:
    if with_key and key is None:
        raise BackupBad("There is no master key at hand to put into the backup.")
    try:
        connection = await connect(url)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                revision = await _revision(connection)
                copies = []
                for table in metadata.sorted_tables:
                    copies.append(await _copy_table(connection, table, making))
                    say(f"{table.name}: {copies[-1].rows} rows")
                end = await head_of(connection)
                say("recovering the state, for its hash")
                found = await recover(connection, Listeners())
        finally:
            await connection.close()
    except UNREACHABLE as error:
        raise DatabaseUnusable(f"The database cannot be copied: {error}") from error
    return Manifest(
        FORMAT,
        wall_clock(),
        code_version(),
        revision,
        end.seq,
        end.hash.hex(),
        found.seq,
        found.exchange.time_ms,
        found.exchange.state_hash().hex(),
        "" if found.halted is None else str(found.halted),
        "" if key is None else key_check(key),
        with_key,
        tuple(copies),
    )


async def _revision(connection: Connection) -> str:
    """The shape of the database, which must be this program's. Raises: DatabaseUnusable."""
    newest = str(ScriptDirectory(str(SCRIPTS)).get_current_head())
    try:
        found = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        found = None
    if found != newest:
        raise DatabaseUnusable(f"The database has the shape {found}, this program {newest}. Start the exchange once.")
    return newest


async def _copy_table(connection: Connection, table: Table, making: Path) -> TableCopy:
    name = str(table.name)
    columns = tuple(str(column.name) for column in table.columns)
    path = making / _file_name(name)
    with _new_file(path) as file:
        with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=COMPRESSION, mtime=0) as packed:

            async def write(data: bytes) -> None:
                await asyncio.to_thread(packed.write, data)

            done = await connection.copy_from_table(
                name, output=write, columns=columns, format="binary", schema_name="public"
            )
        file.flush()
        os.fsync(file.fileno())
    return TableCopy(name, columns, int(done.split()[-1]), await asyncio.to_thread(_digest, path))


# --- the way back ----------------------------------------------------------------------------------------------------


def read_manifest(directory: Path) -> Manifest:
    """Read what a backup says of itself. Raises: BackupBad."""
    try:
        manifest = msgspec.json.decode((directory / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise BackupBad(f"There is no backup in {directory}: {error}") from error
    if manifest.format != FORMAT:
        raise BackupBad(f"The backup has the format {manifest.format}, this program reads {FORMAT}.")
    return manifest


def check_files(directory: Path, manifest: Manifest) -> None:
    """Look at every byte before any is believed. Raises: BackupBad."""
    for table in manifest.tables:
        path = directory / _file_name(table.name)
        try:
            digest = _digest(path)
        except OSError as error:
            raise BackupBad(f"The backup is not whole: {error}") from error
        if digest != table.sha256:
            raise BackupBad(f"The backup is damaged: {path.name} is not what was written.")


async def restore(
    settings: Settings, directory: Path, *, needs_key: bool = True, say: Say = lambda _: None
) -> Manifest:
    """Put a backup into an empty DATA_DIR, or an empty database that DATABASE_URL names. All of it, or nothing.

    What a restore that was killed left in DATA_DIR is no obstacle to the next one.

    Raises: BackupBad, NotEmpty, WriterPresent, DatabaseUnusable, SettingsInvalid.
    """
    manifest = read_manifest(directory)
    await asyncio.to_thread(check_files, directory, manifest)
    async with data_dir_held(settings.data_dir, timeout_ms=0):
        mark = settings.data_dir / RESTORING
        if settings.is_embedded and mark.exists():
            await asyncio.to_thread(_take_away, settings.data_dir)
        if settings.is_embedded and (settings.data_dir / "postgres").exists():
            raise NotEmpty(f"{settings.data_dir} holds a database already. A backup goes into an empty folder.")
        if needs_key:
            _bring_key(settings, directory, manifest)
        mark.touch()
        try:
            async with database_url(settings) as url:
                await _check_empty(url)
                await migrate(url, manifest.revision)
                await _fill(url, directory, manifest, say)
                await migrate(url)
        except BaseException as error:
            if settings.is_embedded:  # it was not there before: nothing but ours is in it
                await asyncio.to_thread(_take_away, settings.data_dir)
            mark.unlink()
            if isinstance(error, UNREACHABLE):
                raise DatabaseUnusable(f"The backup cannot be restored: {error}") from error
            raise
        mark.unlink()
    return manifest


def _take_away(data_dir: Path) -> None:
    EmbeddedServer(data_dir).stop_blocking()  # a restore that was killed left it running
    shutil.rmtree(data_dir / "postgres", ignore_errors=True)


def _bring_key(settings: Settings, directory: Path, manifest: Manifest) -> None:
    """Have the master key that the secrets in the backup were locked with. Raises: BackupBad."""
    place = settings.data_dir / KEY_FILE
    if manifest.has_key and settings.is_embedded and settings.master_key is None and not place.exists():
        _write_secret(place, (directory / KEY_FILE).read_text("ascii"))
    key = _key_at_hand(settings)
    if key is None:
        where = f"in {directory / KEY_FILE}" if manifest.has_key else "not in the backup"
        instead = f", or put it at {place}" if settings.is_embedded else ""
        raise BackupBad(f"The master key is {where}: set EVERMARK_MASTER_KEY to it{instead}.")
    if manifest.key_check and manifest.key_check != key_check(key):
        raise BackupBad("The master key at hand is not the one that the backup's secrets were locked with.")


async def _check_empty(url: str) -> None:
    connection = await connect(url)
    try:
        for name in PRIMARY:
            if await connection.fetchval(
                "SELECT to_regclass($1)", f"public.{name}"
            ) is not None and await connection.fetchval(f"SELECT EXISTS (SELECT FROM {name})"):
                raise NotEmpty(f"The database is not empty: {name} has rows. A backup goes into an empty one.")
    finally:
        await connection.close()


async def _fill(url: str, directory: Path, manifest: Manifest, say: Say) -> None:
    """Copy every table in and recover the state, in one transaction. Raises: BackupBad; then nothing was written."""
    connection = await connect(url)
    try:
        async with connection.transaction():
            names = ", ".join(f'"{table.name}"' for table in manifest.tables)
            await connection.execute(f"TRUNCATE {names}")  # what migrations put there stands in the backup too
            for table in manifest.tables:
                done = await connection.copy_to_table(
                    table.name,
                    source=_pieces(directory / _file_name(table.name)),
                    columns=table.columns,
                    format="binary",
                    schema_name="public",
                )
                if int(done.split()[-1]) != table.rows:
                    raise BackupBad(f"{table.name} has {done.split()[-1]} rows, the backup says {table.rows}.")
                say(f"{table.name}: {table.rows} rows")
            await _set_sequences(connection)
            say("recovering the state, for its hash")
            problems = await _differences(connection, manifest)
            if problems:
                raise BackupBad(" ".join(problems))
    finally:
        await connection.close()


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with gzip.open(path) as file:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece


async def _set_sequences(connection: Connection) -> None:
    """Let ids go on behind those that were copied in."""
    rows = await connection.fetch(
        "SELECT table_name, column_name, pg_get_serial_sequence(quote_ident(table_name), column_name) AS sequence"
        " FROM information_schema.columns WHERE table_schema = 'public'"
    )
    for row in rows:
        if row["sequence"] is not None:
            newest = f'SELECT max("{row["column_name"]}") FROM "{row["table_name"]}"'
            await connection.execute(
                f"SELECT setval($1::regclass, coalesce(({newest}), 1), ({newest}) IS NOT NULL)", row["sequence"]
            )


async def _differences(connection: Connection, manifest: Manifest) -> list[str]:
    """What of the state is not as the manifest says."""
    end = await head_of(connection)
    found = await recover(connection, Listeners())
    problems = []
    if (end.seq, end.hash.hex()) != (manifest.journal_seq, manifest.journal_hash):
        problems.append(f"The journal ends at {end.seq} with another hash than the backup says.")
    state_hash = found.exchange.state_hash().hex()
    if (found.seq, state_hash) != (manifest.seq, manifest.state_hash):
        problems.append(f"The state at {found.seq} has the hash {state_hash}, the backup says {manifest.state_hash}.")
    return problems


# --- the rehearsal ---------------------------------------------------------------------------------------------------


async def drill(
    settings: Settings, directory: Path, *, progress: Progress | None = None, say: Say = lambda _: None
) -> Drill:
    """Restore a backup into an empty folder with a database of its own, replay it from the first command, compare, and clean up.

    Where the exchange that it came from can be read, its own state at the same seq is compared too.
    Raises: as restore.
    """
    folder = Path(tempfile.mkdtemp(prefix="evermark-drill-"))
    place = replace(settings, data_dir=folder / "data", database_url=None)
    problems = []
    try:
        start_s = time.monotonic()
        manifest = await restore(place, directory, needs_key=False, say=say)
        restore_s = time.monotonic() - start_s
        start_s = time.monotonic()
        async with database_url(place) as url:
            connection = await connect(url)
            try:
                problems += await _replayed(connection, manifest, progress)
            finally:
                await connection.close()
            problems += await _secrets(settings, directory, manifest, url)
        replay_s = time.monotonic() - start_s
        differing = await _source(settings, manifest)
        problems += differing or []
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Drill(manifest, restore_s, replay_s, differing is not None, problems)


async def _replayed(connection: Connection, manifest: Manifest, progress: Progress | None) -> list[str]:
    """What is wrong with the restored journal when it is played from its first command."""
    report = await verify(connection, progress)
    if manifest.halted:  # it breaks a promise of the core again, which the exchange that it came from does too
        found = await replay_to(connection, manifest.seq)
        state_hash, problems = found.exchange.state_hash().hex(), []
    else:
        state_hash, problems = report.state_hash.hex(), report.problems
    if state_hash != manifest.state_hash:
        problems.append(
            f"Played from its beginning the state has the hash {state_hash}, the backup says {manifest.state_hash}."
        )
    return problems


async def _secrets(settings: Settings, directory: Path, manifest: Manifest, url: str) -> list[str]:
    """Whether API secrets open with the master key: the backup's own, else the one at hand."""
    key = _key_at_hand(settings)
    if manifest.has_key:
        text = (directory / KEY_FILE).read_text("ascii")
        key = master_key(text, settings.data_dir, is_embedded=False)
    if key is None:
        return []
    if manifest.key_check and manifest.key_check != key_check(key):
        return ["The master key at hand is not the one that the backup's secrets were locked with."]
    engine = engine_for(url, connections_max=1)
    try:
        await Identity(engine, Vault(key)).load()
    except Fault as fault:
        return [str(fault)]
    finally:
        await engine.dispose()
    return []


async def _source(settings: Settings, manifest: Manifest) -> list[str] | None:
    """What the exchange at hand says of the same seq; None where there is none that can be asked."""
    if settings.is_embedded and not (settings.data_dir / "postgres").is_dir():
        return None
    async with database_url(settings) as url:
        try:
            connection = await connect(url)
        except UNREACHABLE:
            return None
        try:
            if (await head_of(connection)).seq < manifest.seq:
                return ["The exchange at hand has not come to the backup's seq: it is another one, or older."]
            found = await replay_to(connection, manifest.seq)
        finally:
            await connection.close()
    state_hash = found.exchange.state_hash().hex()
    return [] if state_hash == manifest.state_hash else [f"The exchange at hand had the hash {state_hash} at that seq."]


# --- files and keys --------------------------------------------------------------------------------------------------


def key_check(key: bytes) -> str:
    """What tells one master key from another, and nothing of the key."""
    return Vault(key).derive(PURPOSE).hex()[:16]


def _key_at_hand(settings: Settings) -> bytes | None:
    """The master key, if there is one. It makes none."""
    if settings.master_key is None and not (settings.is_embedded and (settings.data_dir / KEY_FILE).exists()):
        return None
    return master_key(settings.master_key, settings.data_dir, is_embedded=settings.is_embedded)


def _key_text(settings: Settings) -> str:
    return settings.master_key or (settings.data_dir / KEY_FILE).read_text("ascii")


def _file_name(table: str) -> str:
    return f"{table}.copy.gz"


def _new_file(path: Path) -> IO[bytes]:
    """A file for nobody else's eyes."""
    return open(path, "wb", opener=lambda name, flags: os.open(name, flags | os.O_EXCL, 0o600))


def _write_durably(path: Path, data: bytes) -> None:
    with _new_file(path) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _write_secret(path: Path, text: str) -> None:
    _write_durably(path, text.strip().encode("ascii"))
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # else a power cut may take the names away again
    finally:
        os.close(descriptor)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
