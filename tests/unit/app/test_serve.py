"""Where the exchange listens."""

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.demo import url_of
from app.serve import PortTaken, _listen
from app.settings import Settings


def can_both() -> bool:
    """Whether this machine has IPv6 at all."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return socket.has_dualstack_ipv6()
    except OSError:
        return False


@pytest.mark.spec("CONN-005")
@pytest.mark.skipif(not can_both(), reason="this machine has no IPv6")
def test_any_address_of_ipv6_is_any_of_ipv4_too(tmp_path: Path) -> None:
    with _listen(Settings(data_dir=tmp_path, host="::", port=0)) as listener:
        port = listener.getsockname()[1]
        told = urlsplit(url_of(Settings(data_dir=tmp_path, host="::", port=port))).hostname  # what demo.json says
        for address in ("127.0.0.1", "::1", told):
            with socket.create_connection((address, port), timeout=10):
                pass


@pytest.mark.spec("CONN-005")
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "nowhere.invalid"])
def test_a_port_is_ours_or_the_reason_is_said(tmp_path: Path, host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"Cannot listen at {host}, port {port}: "):
            _listen(Settings(data_dir=tmp_path, host=host, port=port))
