"""Prices of real venues, watched by a process beside the exchange."""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import Final, final

import msgspec

from app.feeds.backoff import Backoff
from app.feeds.health import DOWN, SourceHealth, tell_changes
from app.feeds.observer import LINE_BYTES_MAX, Orders, Report
from app.feeds.reporter import USUAL, Pace
from app.feeds.sources import Venue
from exchange.commands import UpdateIndexPrice

LEAVE_S: Final = 5.0
START_S: Final = 60.0
"""How long an observer may take until it first speaks: it imports a large library."""
SILENCE_S: Final = 10.0
"""One that speaks four times a second and then says nothing for so long hangs. No price outlives that silence."""
INHERITED: Final = (
    "PATH",
    "HOME",
    "LANG",
    "TMPDIR",
    "PYTHONPATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    *("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
)
"""What the observer may see of the environment: it speaks to strangers and needs no secret of ours."""

_log = logging.getLogger(__name__)


@final
class LiveFeed:
    """Gives what the observer saw. The observer is started again, later each time, when it ends or falls silent."""

    def __init__(self, venues: Sequence[Venue], seed: int, *, pace: Pace = USUAL, silence_s: float = SILENCE_S) -> None:
        self._silence_s = silence_s
        self._orders = msgspec.json.encode(Orders(tuple(venues), seed, pace)) + b"\n"
        self._backoff = Backoff(f"{seed} observer", base_ms=1_000, cap_ms=60_000)
        self._newest: dict[tuple[int, int], UpdateIndexPrice] = {}
        self._health: list[SourceHealth] = []
        self._keeping: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Begin to watch."""
        self._keeping = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Stop watching, and see the observer end."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
            self._keeping = None

    def take(self, time_ms: int) -> list[UpdateIndexPrice]:
        """Return the newest price of each source that was not given yet, by index and source."""
        newest, self._newest = self._newest, {}
        return [newest[key] for key in sorted(newest)]

    def health(self) -> list[SourceHealth]:
        """Return how each source is."""
        return list(self._health)

    async def _keep(self) -> None:
        while True:
            began_s = asyncio.get_running_loop().time()
            why = await self._watch()
            if asyncio.get_running_loop().time() - began_s > LEAVE_S:
                self._backoff.reset()
            delay_ms = self._backoff.next_ms()
            _log.warning("the price observer ended (%s); another begins in %d ms", why, delay_ms)
            self._hear_health([msgspec.structs.replace(row, state=DOWN, fresh=0) for row in self._health])
            await asyncio.sleep(delay_ms / 1_000)

    async def _watch(self) -> str:
        """Run an observer until it ends, and say how it ended."""
        # Nothing else reads the environment; this passes a part of it on, unread.
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "app.feeds.observer"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=environment,
                limit=LINE_BYTES_MAX,
                start_new_session=True,  # a Ctrl-C at the terminal is for the exchange, which then ends this one
            )
        except OSError as error:
            return str(error)
        self._process = process
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(self._orders)
            await process.stdin.drain()
            return await self._listen(process, process.stdout)
        except (ConnectionError, ValueError, msgspec.MsgspecError) as error:
            return repr(error)
        finally:
            await _ended(process)

    async def _listen(self, process: asyncio.subprocess.Process, speech: asyncio.StreamReader) -> str:
        """Hear an observer until it ends, and say how; one that hangs is killed."""
        patience_s = START_S
        while True:
            try:
                async with asyncio.timeout(patience_s):
                    line = await speech.readline()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                return f"silent for {patience_s:g} s"
            if not line:
                return f"exit code {await process.wait()}"
            self._hear(line)
            patience_s = self._silence_s

    def _hear(self, line: bytes) -> None:
        report = msgspec.json.decode(line, type=Report)
        for seen in report.observations:
            self._newest[seen.index_id, seen.source_id] = UpdateIndexPrice(*seen)
        self._hear_health(report.health)

    def _hear_health(self, health: list[SourceHealth]) -> None:
        tell_changes(self._health, health)
        self._health = health


async def _ended(process: asyncio.subprocess.Process) -> None:
    """End a process: by the end of its input, else by force."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(LEAVE_S):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
