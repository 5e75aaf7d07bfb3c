"""Plays a golden journal and says what came of it. `python -m tests.golden.play FILE [--compiled]` prints it as JSON."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Final

import msgspec

BATCHES_A_DIGEST: Final = 100
_journal: Final = msgspec.msgpack.Decoder(list[tuple[int, bytes]])


def play(path: Path) -> dict[str, object]:
    """Apply every command and digest what happened.

    `events` holds a digest for each 100 batches, so that a difference shows where it began.
    """
    # Here, for the compiled core must be on the path before.
    from exchange.audit import audit
    from exchange.commands import decode_commands
    from exchange.events import CommandRejected, encode_events
    from exchange.exchange import Exchange
    from exchange.snapshot import decode, encode

    exchange = Exchange()
    kinds: dict[str, int] = {}
    digests = []
    digest = hashlib.sha256()
    for count, (time_ms, records) in enumerate(_journal.decode(path.read_bytes()), 1):
        for command in decode_commands(records):
            events = exchange.apply(command, time_ms)
            digest.update(encode_events(events))
            for event in events:
                kind = event.reject.name if isinstance(event, CommandRejected) else type(event).__name__
                kinds[kind] = kinds.get(kind, 0) + 1
        if count % BATCHES_A_DIGEST == 0:
            digests.append(digest.hexdigest()[:16])
    image = encode(exchange)
    assert encode(decode(image)) == image
    return {
        "state_hash": exchange.state_hash().hex(),
        "snapshot": hashlib.sha256(image).hexdigest(),
        "events": [*digests, digest.hexdigest()],
        "kinds": dict(sorted(kinds.items())),
        "broken_laws": audit(exchange),
    }


def main() -> None:
    """Play a journal, with the compiled core when that is asked for."""
    from app import compiled

    if "--compiled" in sys.argv:
        assert compiled.use(), "there is no fresh compiled core"
    outcome = play(Path(sys.argv[1]))
    print(json.dumps({"is_compiled": compiled.is_used(), **outcome}))


if __name__ == "__main__":
    main()
