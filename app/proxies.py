"""Who asks where proxies of ours stand in front: they say so in X-Forwarded-For, and nobody else is believed."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias, final

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

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
        address = _address(peer)
        return address is not None and self._has(address)

    def client_of(self, proxy: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Return who asks through one of them.

        Each proxy adds whom it heard, at the end. So the last address that is no proxy's is the client, and what stands before
        it is only the client's word. Without such an address it is the proxy farthest out that is known.
        """
        told = b",".join(value for name, value in headers if name == HEADER)
        client = proxy
        for word in reversed(told.split(b",")):
            address = _address(word.decode("latin-1"))
            if address is None:
                break
            client = str(address)
            if not self._has(address):
                break
        return client

    def _has(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def _address(text: str) -> Address | None:
    """An address, also as 192.0.2.1:80, [2001:db8::1] or [2001:db8::1]:80; None for what is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped
