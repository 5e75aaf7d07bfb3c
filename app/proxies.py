"""Who asks where proxies of ours stand in front: they say so in X-Forwarded-For, and nobody else is believed."""

from collections.abc import Iterable, Sequence
from ipaddress import ip_network
from typing import Final, final

from app.addresses import Address, Network, address_in, is_inside

HEADER: Final = b"x-forwarded-for"


def networks_in(text: str) -> tuple[Network, ...]:
    """Read addresses and networks between commas or spaces.

    Raises: ValueError for what is none, or is everybody: whoever is believed may name any address.
    """
    networks = tuple(ip_network(word) for word in text.replace(",", " ").split())
    if not all(network.prefixlen for network in networks):
        raise ValueError("everybody is trusted")
    return networks


@final
class Proxies:
    """The peers that are believed."""

    __slots__ = ("_networks",)

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks

    def trust(self, peer: str) -> bool:
        """Whether a peer is one of them."""
        return is_inside(address_in(peer), self._networks)

    def client_of(self, proxy: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Return who asks through one of them.

        Each proxy adds whom it heard, at the end. So the last address that is no proxy's is the client, and what stands before
        it is only the client's word. Without such an address it is the proxy farthest out that is known.
        """
        told = b",".join(value for name, value in headers if name == HEADER)
        client = proxy
        for word in reversed(told.split(b",")):
            address = _told(word.decode("latin-1"))
            if address is None:
                break
            client = str(address)
            if not is_inside(address, self._networks):
                break
        return client


def _told(text: str) -> Address | None:
    """An address, also as 192.0.2.1:80, [2001:db8::1] or [2001:db8::1]:80; None for what is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return address_in(text)
