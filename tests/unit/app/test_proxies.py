"""Whom a proxy asks for."""

import pytest

from app.proxies import Proxies, networks_in

OURS = Proxies(networks_in("10.0.0.0/8, 192.0.2.1 2001:db8:aa::/48"))


@pytest.mark.spec("LIM-020", "LIM-021")
@pytest.mark.parametrize(
    "told, client",
    [
        (["203.0.113.9, 198.51.100.7, 10.0.0.2"], "198.51.100.7"),
        (["198.51.100.7"], "198.51.100.7"),
        (["203.0.113.9", "198.51.100.7,192.0.2.1"], "198.51.100.7"),
        (["  198.51.100.7:4711 "], "198.51.100.7"),
        (["::ffff:198.51.100.7"], "198.51.100.7"),
        (["2001:db8:1::7"], "2001:db8:1::7"),
        (["[2001:db8:1::7]"], "2001:db8:1::7"),
        (["[2001:db8:1::7]:443, 2001:db8:aa::1"], "2001:db8:1::7"),
        (["2001:DB8:1:0:0:0:0:7"], "2001:db8:1::7"),
        (["10.3.0.1, 10.2.0.1"], "10.3.0.1"),
        ([], "10.0.0.1"),
        ([""], "10.0.0.1"),
        (["198.51.100.7, unknown"], "10.0.0.1"),
        (["198.51.100.7, _hidden, 10.0.0.2"], "10.0.0.2"),
        (["198.51.100.7, 10.0.0.2, "], "10.0.0.1"),
        (["198.51.100.256"], "10.0.0.1"),
        (["\xff, \x00"], "10.0.0.1"),
    ],
)
def test_the_last_address_that_is_no_proxys_asks(told: list[str], client: str) -> None:
    headers = [(b"host", b"198.51.100.1"), *[(b"x-forwarded-for", line.encode("latin-1")) for line in told]]
    assert OURS.client_of("10.0.0.1", headers) == client


@pytest.mark.spec("LIM-021")
@pytest.mark.parametrize(
    "peer, is_trusted",
    [
        ("10.255.0.1", True),
        ("::ffff:10.0.0.1", True),
        ("192.0.2.1", True),
        ("192.0.2.2", False),
        ("2001:db8:aa:1::1", True),
        ("2001:db8:ab::1", False),
        ("", False),
        ("testserver", False),
    ],
)
def test_who_is_believed(peer: str, is_trusted: bool) -> None:
    assert OURS.trust(peer) is is_trusted
    assert not Proxies(()).trust(peer)


@pytest.mark.spec("LIM-024")
@pytest.mark.parametrize("text", ["0.0.0.0/0", "10.0.0.1, ::/0", "localhost", "10.0.0.1/8", "*"])
def test_who_cannot_be_meant(text: str) -> None:
    with pytest.raises(ValueError):
        networks_in(text)
