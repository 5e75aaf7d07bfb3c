from bench.stream import part
from bench.stream_client import Subscriber, frames, seq_of


def test_frames_of_any_length_are_found_and_half_ones_left() -> None:
    payloads = [b"", b"a" * 125, b"b" * 126, b"c" * 65_535, b"d" * 65_536]
    heads = [
        b"\x81\x00",
        b"\x81\x7d",
        b"\x81\x7e\x00\x7e",
        b"\x81\x7e\xff\xff",
        b"\x89\x7f" + (65_536).to_bytes(8, "big"),
    ]
    data = b"".join(head + payload for head, payload in zip(heads, payloads, strict=True))
    kinds = [0x81, 0x81, 0x81, 0x81, 0x89]
    assert frames(data) == (list(zip(kinds, payloads, strict=True)), len(data))
    for cut in (1, 3, 130, len(data) - 1):
        found, end = frames(data[:cut])
        assert end <= cut
        rest, _ = frames(data[end:])
        assert [payload for _, payload in found + rest] == payloads


def test_the_seq_of_a_message_is_its_last() -> None:
    assert seq_of(b'{"result":{"bids":[],"seq":812}}') == 812
    assert seq_of(b'{"result":{"type":"delta","prev_seq":811,"seq":815,"bids":[]}}') == 815
    assert seq_of(b'{"category":"subscribed","result":"USD_BTC_PERP:depth"}') is None


def test_a_commit_is_told_by_the_first_message_that_is_not_before_it() -> None:
    subscriber = Subscriber(b"", None)  # type: ignore[arg-type]  # nobody connects
    subscriber.seqs.extend((10, 14, 20))
    subscriber.times.extend((1_000, 2_000, 3_000))
    assert [subscriber.told_at(seq) for seq in (10, 11, 14, 20, 21)] == [10, 14, 14, 20, None]
    assert [subscriber.delay_ns(seq, 500) for seq in (10, 11, 21)] == [500, 1_500, None]


def test_parts_of_what_was_measured() -> None:
    ordered = [float(number) for number in range(1, 101)]
    assert (part(ordered, 0.5), part(ordered, 0.95), part(ordered, 0.99)) == (50.0, 95.0, 99.0)
    assert part([7.0], 0.5) == 7.0
