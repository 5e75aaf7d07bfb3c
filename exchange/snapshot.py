"""The whole exchange as bytes and back."""

from exchange.exchange import Exchange
from exchange.state_codec import decode_state, encode_state, hash_encoded


def encode(exchange: Exchange) -> bytes:
    """Write the exchange's state as canonical bytes; its time belongs to the header around them. Cost: O(state)."""
    return encode_state(exchange.state)


def hash_of(data: bytes) -> bytes:
    """Return the `state_hash` of what `encode` wrote, without writing it again."""
    return hash_encoded(data)


def decode(data: bytes) -> Exchange:
    """Make the exchange whose state `encode` wrote; its time starts at 0.

    Raises: msgspec.ValidationError or msgspec.DecodeError when the bytes are of another form.
    """
    exchange = Exchange()
    exchange.state = decode_state(data)
    return exchange
